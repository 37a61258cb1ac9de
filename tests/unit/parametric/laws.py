"""Checks that every fitted measure shares: Euler, homogeneity, translation, gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import Conventions, Mean
from risk_core.measures import Measured
from risk_core.parametric import FitStatus

Floats = NDArray[np.float64]
Risk = Callable[[Floats], Measured]

SAMPLE = Conventions(mean=Mean.SAMPLE)
UNFIT = (FitStatus.NOT_CONVERGED, FitStatus.MOMENTS)


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Floats, Floats | None]:
    """Return a P&L vector of heavy, light, skewed or tied values, and weights."""
    size, seed = draw(st.integers(20, 60)), draw(st.integers(0, 10_000))
    rng = np.random.Generator(np.random.PCG64(seed))
    kind = draw(st.sampled_from(["t", "normal", "uniform", "skewed", "tied"]))
    made = {
        "t": lambda: rng.standard_t(3, size),
        "normal": lambda: rng.normal(size=size),
        "uniform": lambda: rng.uniform(-1.0, 1.0, size),
        "skewed": lambda: 1.0 - rng.exponential(size=size),
        "tied": lambda: rng.integers(-4, 5, size) / 2.0,
    }[kind]()
    weights = draw(st.none() | hnp.arrays(np.float64, size, elements=st.integers(1, 3).map(float)))
    return made, weights


def assert_euler_and_scaling(risk: Risk, pnl: Floats, translates: bool) -> None:
    """Homogeneity, Euler, and translation where it is declared."""
    measured = risk(pnl)
    size = float(np.abs(pnl).max())
    if measured.fit_status is FitStatus.NOT_CONVERGED:
        return
    slack = 1e-7 * max(size, abs(measured.value))
    assert abs(float(measured.gradient @ pnl) - measured.value) <= slack
    for factor in (1e-6, 3.0, 1e9):
        scaled = risk(pnl * factor)
        assert scaled.fit_status is measured.fit_status
        assert abs(scaled.value - factor * measured.value) <= factor * slack
    if translates:
        assert abs(risk(pnl + 2.5).value - (measured.value - 2.5)) <= slack
        assert abs(float(measured.gradient.sum()) + 1.0) <= 1e-7


def assert_gradient(risk: Risk, pnl: Floats, tolerance: float = 2e-6) -> None:
    """Compare with central differences, at a dozen scenarios."""
    gradient, step = risk(pnl).gradient, 1e-5 * float(np.abs(pnl).mean())
    for s in range(0, pnl.size, max(1, pnl.size // 12)):
        bump = step * (np.arange(pnl.size) == s)
        slope = (risk(pnl + bump).value - risk(pnl - bump).value) / (2.0 * step)
        assert abs(float(gradient[s]) - slope) <= tolerance * (1.0 + abs(slope)), (s, gradient[s], slope)
