"""Smooth estimators: Harrell-Davis against scipy and its bootstrap meaning, kernels against quadrature, gradients, laws, steadier parts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad
from scipy.special import betainc
from scipy.stats.mstats import hdquantiles

from risk_core.conventions import ConventionError, Conventions
from risk_core.measures import Measured, MeasureError, Status, attribute, expected_shortfall, value_at_risk
from risk_core.measures.attribution import Measure
from risk_core.uncertainty import (
    Kernel,
    Resampling,
    Scheme,
    block_bootstrap_value_at_risk,
    harrell_davis_expected_shortfall,
    harrell_davis_value_at_risk,
    kernel_expected_shortfall,
    kernel_value_at_risk,
    smoothed_expected_shortfall,
    smoothed_value_at_risk,
)
from tests.unit.uncertainty.steadiness import steadiness

Floats = NDArray[np.float64]

QUANTILES: list[Measure] = [harrell_davis_value_at_risk, kernel_value_at_risk]
SHORTFALLS: list[Measure] = [harrell_davis_expected_shortfall, kernel_expected_shortfall]
IMPLICIT: list[Measure] = [smoothed_value_at_risk, smoothed_expected_shortfall]
ALL = [*QUANTILES, *SHORTFALLS, *IMPLICIT]
NAMES = [m.__name__ for m in ALL]  # type: ignore[attr-defined]

exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, Floats, Floats | None]:
    size = draw(st.integers(1, 25))
    elements = draw(st.sampled_from([exact, st.sampled_from([-10.0, -1.0, 0.0, 1.0])]))
    one, two = (draw(hnp.arrays(np.float64, size, elements=elements)) for _ in range(2))
    return one, two, draw(st.none() | hnp.arrays(np.float64, size, elements=st.integers(0, 4).map(float)).filter(lambda w: bool(w.any())))


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("size", [2, 17, 250, 1000])
def test_harrell_davis_equals_scipy(size: int, confidence: float) -> None:
    losses = np.random.default_rng(size).standard_t(4, size)
    assert harrell_davis_value_at_risk(-losses, confidence).value == pytest.approx(float(hdquantiles(losses, [confidence])[0]), rel=1e-10)


def test_harrell_davis_of_unequal_weights_by_hand() -> None:
    pnl, weights = np.array([3.0, -2.0, 0.5]), np.array([0.2, 0.5, 0.3])
    n = 1 / float(weights @ weights)
    edges = betainc((n + 1) * 0.1, (n + 1) * 0.9, np.array([0.0, 0.5, 0.8, 1.0]))
    assert harrell_davis_value_at_risk(pnl, 0.9, weights).value == pytest.approx(-float(np.diff(edges) @ np.array([-2.0, 0.5, 3.0])))


@pytest.mark.parametrize("confidence", [0.9, 0.975, 0.99])
@pytest.mark.parametrize("size", [20, 500])
def test_harrell_davis_shortfall_is_the_mean_of_its_value_at_risk(size: int, confidence: float) -> None:
    """Adaptive quadrature of the published estimator over all levels of the tail."""
    pnl = np.random.default_rng(size).standard_t(4, size)
    ordered, edges, tail = np.sort(pnl), np.arange(size + 1) / size, 1 - confidence

    def loss(u: float) -> float:
        return -float(np.diff(betainc((size + 1) * u, (size + 1) * (1 - u), edges)) @ ordered)

    brute = quad(loss, 0.0, tail, epsabs=1e-10, limit=200)[0] / tail
    assert harrell_davis_expected_shortfall(pnl, confidence).value == pytest.approx(brute, rel=1e-7)


@pytest.mark.parametrize("kernel", list(Kernel))
@pytest.mark.parametrize("weighted", [False, True])
def test_kernel_laws_equal_quadrature(kernel: Kernel, weighted: bool) -> None:
    """The reflected density integrated over each scenario's interval; the shortfall law as the mean of the quantile laws."""
    density: Callable[[float], float] = {
        Kernel.GAUSSIAN: lambda x: float(stats.norm.pdf(x)),
        Kernel.EPANECHNIKOV: lambda x: 0.75 / sqrt(5) * max(1 - x * x / 5, 0.0),
        Kernel.TRIANGULAR: lambda x: max(1 - abs(x) / sqrt(6), 0.0) / sqrt(6),
    }[kernel]
    rng = np.random.default_rng(3)
    pnl, weights, width, tail = rng.standard_t(4, 25), rng.uniform(0.5, 2, 25) if weighted else np.ones(25), 0.04, 0.05
    order = np.argsort(pnl)
    edges = np.concatenate(([0.0], np.cumsum(weights[order] / weights.sum())))

    def share(a: float, b: float, level: float) -> float:
        def folded(c: float) -> float:
            return (density((c - level) / width) + density((c + level) / width)) / width

        return quad(folded, a, b, limit=400, epsabs=1e-11)[0]

    law = np.array([share(a, b, tail) for a, b in pairwise(edges)])
    assert law.sum() == pytest.approx(1.0, abs=1e-7)
    measured = kernel_value_at_risk(pnl, 0.95, weights, kernel=kernel, bandwidth=width)
    assert -measured.gradient[order] == pytest.approx(law, abs=1e-8)
    levels, shares = np.polynomial.legendre.leggauss(40)
    mean = sum(
        0.5 * s * kernel_value_at_risk(pnl, 1 - 0.025 * (1 + u), weights, kernel=kernel, bandwidth=width).value
        for u, s in zip(levels, shares, strict=True)
    )
    assert kernel_expected_shortfall(pnl, 0.95, weights, kernel=kernel, bandwidth=width).value == pytest.approx(mean, rel=2e-4)


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
def test_large_samples_reach_the_closed_form(measure: Measure) -> None:
    """A fine weighted grid of the normal law; the bandwidth of the smoothed law has shrunk to 0.1 by then."""
    grid = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    value = stats.norm.isf(0.01) if measure in [*QUANTILES, smoothed_value_at_risk] else stats.norm.pdf(stats.norm.isf(0.01)) / 0.01
    assert measure(grid, 0.99).value == pytest.approx(value, rel=0.008)


@pytest.mark.parametrize("factor", [0.3, 1.06])
def test_smoothed_law_is_a_mixture_of_normals(factor: float) -> None:
    """Value at risk and expected shortfall of the mixture by scipy's quadrature of its density."""
    rng = np.random.default_rng(7)
    pnl, weights = rng.normal(size=12), rng.uniform(0.5, 2.0, 12)
    mass = weights / weights.sum()
    width = factor * sqrt(float(mass @ (pnl - mass @ pnl) ** 2)) * (1 / float(mass @ mass)) ** -0.2
    q = -smoothed_value_at_risk(pnl, 0.9, weights, factor=factor).value
    assert float(mass @ stats.norm.cdf(q, pnl, width)) == pytest.approx(0.1, abs=1e-12)
    tail = quad(lambda v: v * float(mass @ stats.norm.pdf(v, pnl, width)), -15.0, q, epsabs=1e-12, limit=200)[0]
    assert smoothed_expected_shortfall(pnl, 0.9, weights, factor=factor).value == pytest.approx(-tail / 0.1, rel=1e-8)


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
def test_gradients_equal_finite_differences(measure: Measure) -> None:
    pnl, weights, step = np.random.default_rng(5).standard_t(4, 20), np.linspace(1.0, 2.0, 20), 1e-6
    gradient = measure(pnl, 0.9, weights).gradient
    for s in range(20):
        bump = step * (np.arange(20) == s)
        slope = (measure(pnl + bump, 0.9, weights).value - measure(pnl - bump, 0.9, weights).value) / (2 * step)
        assert gradient[s] == pytest.approx(slope, abs=2e-8)


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
@settings(max_examples=40, deadline=None)
@given(case=cases(), cash=exact, factor=st.sampled_from([0.25, 2.0, 16.0]), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_euler_homogeneous_translation(
    measure: Measure, case: tuple[Floats, Floats, Floats | None], cash: float, factor: float, confidence: float
) -> None:
    one, _, weights = case
    slack = 1e-8 * (1.0 + np.abs(one).max() + abs(cash))
    measured = measure(one, confidence, weights)
    assert measured.gradient @ one == pytest.approx(measured.value, abs=slack)
    assert measured.gradient.sum() == pytest.approx(-1.0)
    assert measure(one + cash, confidence, weights).value == pytest.approx(measured.value - cash, abs=slack)
    assert measure(factor * one, confidence, weights).value == pytest.approx(factor * measured.value, abs=factor * slack)


@pytest.mark.parametrize("measure", [*QUANTILES, *SHORTFALLS], ids=NAMES[:4])
@settings(max_examples=40, deadline=None)
@given(case=cases(), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_l_estimators_of_equal_weights_are_monotone(
    measure: Measure, case: tuple[Floats, Floats, Floats | None], confidence: float
) -> None:
    one, two, _ = case
    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max())
    assert measure(np.maximum(one, two), confidence).value <= measure(one, confidence).value + slack


@pytest.mark.parametrize("measure", SHORTFALLS, ids=NAMES[2:4])
@settings(max_examples=60, deadline=None)
@given(case=cases(), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_shortfalls_are_coherent(measure: Measure, case: tuple[Floats, Floats, Floats | None], confidence: float) -> None:
    one, two, weights = case
    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max())

    def rho(pnl: Floats) -> float:
        return measure(pnl, confidence, weights).value

    assert rho(one + two) <= rho(one) + rho(two) + slack
    assert rho(np.maximum(one, two)) <= rho(one) + slack


@pytest.mark.parametrize("size", [10, 100, 500, 2500])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("measure", SHORTFALLS, ids=NAMES[2:4])
def test_shortfall_weights_never_rise(measure: Measure, confidence: float, size: int) -> None:
    """The condition for coherence (Acerbi 2002): the worse the scenario, the more it counts."""
    law = -measure(np.arange(float(size)), confidence).gradient
    assert np.diff(law).max() <= 1e-9


@pytest.mark.parametrize("measure", QUANTILES, ids=NAMES[:2])
def test_smooth_quantiles_are_not_subadditive(measure: Measure) -> None:
    """Two short digital options, each with one loss in another scenario of forty, at 0.95."""
    one, two = np.zeros(40), np.zeros(40)
    one[0] = two[1] = -100.0
    assert measure(one + two, 0.95).value > measure(one, 0.95).value + measure(two, 0.95).value + 1.0


@pytest.mark.parametrize("measure", IMPLICIT, ids=NAMES[4:])
def test_smoothed_law_is_not_monotone(measure: Measure) -> None:
    """A gain in a good scenario widens the bandwidth, and so the loss: the price of a bandwidth that scales with the P&L."""
    pnl = np.linspace(-1.0, 1.0, 20)
    better = pnl + 50.0 * (np.arange(20) == 19)
    assert measure(better, 0.95).value > measure(pnl, 0.95).value


@pytest.mark.parametrize("size", [40, 250])
def test_bagged_value_at_risk_approaches_harrell_davis(size: int) -> None:
    """The mean over infinitely many independent resamples has weights of beta(k, n - k + 1), k = np: Harrell-Davis at another n."""
    pnl = np.random.default_rng(1).normal(size=size)
    rank = ceil(size * 0.05 - 1e-9)
    limit = -float(np.diff(betainc(rank, size - rank + 1, np.arange(size + 1) / size)) @ np.sort(pnl))
    bagged = block_bootstrap_value_at_risk(pnl, 0.95, resampling=Resampling(20_000, Scheme.IID)).measured
    assert bagged.value == pytest.approx(limit, abs=0.01)
    assert bagged.gradient @ pnl == pytest.approx(bagged.value)


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
def test_degenerate_vectors(measure: Measure) -> None:
    assert measure([-3.25], 0.99).value == pytest.approx(3.25)
    assert measure([-3.25], 0.99).status is Status.THIN_TAIL
    assert measure(np.full(7, 0.1), 0.9).value == pytest.approx(-0.1, abs=1e-15)
    single = measure([5.0, -2.0, 1.0], 0.9, [0.0, 0.0, 3.0])
    assert single.value == pytest.approx(-1.0)
    assert single.gradient.tolist() == pytest.approx([0.0, 0.0, -1.0])
    thin = measure(np.arange(50.0), 0.99)
    assert "0.5 of 50 effective scenarios" in thin.reason
    assert np.isfinite(measure(np.array([1e149, -1e149, 3.0]), 0.9).value)


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
def test_bad_input(measure: Measure) -> None:
    with pytest.raises(MeasureError, match="pnl is empty"):
        measure([], 0.99)
    with pytest.raises(MeasureError, match="pnl is nan at position 1"):
        measure([1.0, np.nan], 0.99)
    with pytest.raises(MeasureError, match="leave these conventions at their default"):
        measure([1.0, 2.0], 0.99, None, Conventions(quantile="hazen"))  # type: ignore[arg-type]
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        measure([1.0, 2.0], 99)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: kernel_value_at_risk([1.0, 2.0], 0.9, kernel="box"), "unknown kernel 'box'; choose one of gaussian"),
        (lambda: kernel_value_at_risk([1.0, 2.0], 0.9, bandwidth=0.0), "bandwidth is a spread of probability"),
        (lambda: kernel_expected_shortfall([1.0, 2.0], 0.9, bandwidth=np.nan), "bandwidth is a spread of probability"),
        (lambda: smoothed_value_at_risk([1.0, 2.0], 0.9, factor=-1.0), "factor is the bandwidth in standard deviations"),
    ],
)
def test_bad_parameters(bad: Callable[[], Measured], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()


@pytest.mark.parametrize("measure", ALL, ids=NAMES)
def test_components_add_up(measure: Measure) -> None:
    rng = np.random.default_rng(4)
    exposures, shocks = np.array([3.0, -1.0, 2.0]), rng.standard_t(4, (3, 200)) * 0.01
    assert attribute(exposures, shocks, measure, 0.99).component.sum() == pytest.approx(measure(exposures @ shocks, 0.99).value)


def test_components_are_steadier_than_those_of_one_order_statistic() -> None:
    """A small part of the table in docs/methods/uncertainty.md."""
    measures = (value_at_risk, harrell_davis_value_at_risk, kernel_value_at_risk, expected_shortfall)
    found = steadiness(measures, 0.99, 500, samples=150, seed=11)
    plain, smooth = found[0], found[1]
    assert smooth.change < plain.change / 2.0
    assert smooth.component_error < plain.component_error / 2.0
    assert found[2].change < plain.change / 2.0
    assert smooth.total_error < 1.1 * plain.total_error
