"""One check for every measure: the laws it declares hold, and each law it does not declare really fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import QuantileConvention
from risk_core.measures import Conventions, value_at_risk
from risk_core.measures.laws import DECLARED, DeclaredMeasure, Law

Floats = NDArray[np.float64]

STEPS = (QuantileConvention.INVERTED_CDF, QuantileConvention.AVERAGED_INVERTED_CDF)
exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)  # sums and scalings are exact, so no order statistic moves by rounding
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99])
Case = tuple[Floats, Floats, Floats | None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 40))
    elements = draw(st.sampled_from([exact, st.sampled_from([-10.0, -1.0, 0.0, 1.0])]))
    one, two = (draw(hnp.arrays(np.float64, size, elements=elements)) for _ in range(2))
    weights = draw(st.none() | hnp.arrays(np.float64, size, elements=st.integers(1, 5).map(float)))
    return one, two, weights


def violation(declared: DeclaredMeasure, law: Law, case: Case, confidence: float, cash: float, factor: float) -> float:
    """Return by how much a law is broken, relative to the size of the numbers; 0 where it holds."""
    one, two, weights = case

    def rho(pnl: Floats) -> float:
        return declared.measure(pnl, confidence, weights, declared.conventions).value

    if law is Law.EULER:
        measured = declared.measure(one, confidence, weights, declared.conventions)
        broken = abs(measured.gradient @ one - measured.value)
        broken = max(broken, abs(measured.observation_weights @ one[measured.observations] + measured.value))
    elif law is Law.HOMOGENEITY:
        broken = abs(rho(factor * one) - factor * rho(one)) / factor
    elif law is Law.TRANSLATION:
        broken = abs(rho(one + cash) - rho(one) + cash)
    elif law is Law.MONOTONICITY:
        broken = rho(np.maximum(one, two)) - rho(one)
    else:
        broken = rho(one + two) - rho(one) - rho(two)
    return float(broken / (1.0 + np.abs(one).max() + np.abs(two).max() + abs(cash)))


@pytest.mark.parametrize("declared", DECLARED, ids=lambda d: d.name)
@settings(max_examples=40, deadline=None)
@given(case=cases(), confidence=confidences, cash=exact, factor=st.sampled_from([0.25, 2.0, 16.0]))
def test_declared_laws_hold(declared: DeclaredMeasure, case: Case, confidence: float, cash: float, factor: float) -> None:
    if declared.conventions.quantile not in STEPS:
        case = (case[0], case[1], None)
    for law in declared.laws:
        assert violation(declared, law, case, confidence, cash, factor) <= 1e-7, law


LEFT_OUT = [(d, law) for d in DECLARED for law in Law if law not in d.laws]


@pytest.mark.parametrize(("declared", "law"), LEFT_OUT, ids=lambda x: getattr(x, "name", str(x)))
def test_laws_left_out_really_fail(declared: DeclaredMeasure, law: Law) -> None:
    """A counterexample among books with rare large losses, rarer larger gains, and many ties."""
    rng = np.random.default_rng(7)
    for _ in range(2000):
        one, two = (
            rng.choice([-10.0, -2.0, -1.0, 0.0, 1.0, 2.0, 40.0], 20, p=[0.07, 0.18, 0.18, 0.18, 0.18, 0.18, 0.03]) for _ in range(2)
        )
        if violation(declared, law, (one, two, None), float(rng.choice([0.8, 0.9])), 3.0, 2.0) > 1e-3:
            return
    pytest.fail(f"{declared.name} may declare {law}: no counterexample found")


def test_laws_left_out_are_the_known_ones() -> None:
    """VaR is never subadditive, ES is coherent by default, and a normal measure is not monotone."""
    laws = {d.name: d.laws for d in DECLARED}
    assert laws["expected_shortfall_inverted_cdf_profit"] == set(Law)
    assert all(Law.SUBADDITIVITY not in d.laws for d in DECLARED if d.measure is value_at_risk)
    assert all(Law.MONOTONICITY not in d.laws for d in DECLARED if d.name.startswith("normal"))


@pytest.mark.parametrize("convention", ["interpolated_inverted_cdf", "hazen"])
def test_interpolation_between_unequal_weights_is_not_monotone(convention: str) -> None:
    """The light observation passes the heavy one upwards, and VaR rises."""
    weights = [0.1, 0.1, 0.8]
    before = value_at_risk([-1.0, -1e-9, 0.0], 0.7, weights, Conventions(quantile=convention))  # type: ignore[arg-type]
    after = value_at_risk([-1.0, +1e-9, 0.0], 0.7, weights, Conventions(quantile=convention))  # type: ignore[arg-type]
    assert after.value > before.value + 0.1
