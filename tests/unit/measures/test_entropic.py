"""Entropic measures: normal closed forms, scipy on the primal and on the dual problem, skfolio, riskfolio, the laws and their end."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
import skfolio.measures as skfolio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import Bounds, LinearConstraint, NonlinearConstraint, minimize, minimize_scalar

from risk_core.conventions import ConventionError, tail_probability
from risk_core.measures import MeasureError, Status, attribute, expected_shortfall
from risk_core.measures.entropic import entropic_risk, entropic_value_at_risk

Floats = NDArray[np.float64]

exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)
few = st.sampled_from([-10.0, -1.0, 0.0, 1.0])
pairs = st.integers(1, 30).flatmap(lambda n: st.tuples(*(hnp.arrays(np.float64, n, elements=exact | few) for _ in range(2))))
confidences = st.sampled_from([0.5, 0.75, 0.9, 0.99])
GRID = np.linspace(-14.0, 14.0, 20_001)


def objective(pnl: Floats, weights: Floats, tail: float, t: float) -> float:
    """The Chernoff bound as written, in extended precision."""
    grown = np.exp((-pnl - np.max(-pnl)) / np.longdouble(t))
    return float(np.max(-pnl) + t * np.log(weights @ grown / weights.sum() / tail))


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99, 0.9999])
def test_normal(confidence: float) -> None:
    """Ahmadi-Javid (2012): -mu + sigma sqrt(-2 log(1 - c)); on a fine weighted grid that reaches 14 deviations."""
    measured = entropic_value_at_risk(0.3 + 2.0 * GRID, confidence, stats.norm.pdf(GRID))
    assert measured.value == pytest.approx(-0.3 + 2.0 * sqrt(-2.0 * log(tail_probability(confidence))), abs=1e-8)
    assert measured.status is Status.OK


def test_uniform() -> None:
    """Ahmadi-Javid (2012) gives the uniform as a one-dimensional minimum of t log(t (1 - exp(-1/t)) / (1 - c)) for losses on [-1, 0]."""
    pnl = (np.arange(100_000) + 0.5) / 100_000
    best = minimize_scalar(
        lambda t: t * log(t * (1.0 - exp(-1.0 / t)) / 0.05), bounds=(1e-3, 5.0), method="bounded", options={"xatol": 1e-12}
    )
    assert entropic_value_at_risk(pnl, 0.95).value == pytest.approx(best.fun, abs=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9, 1e140])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_no_other_t_gives_less(scale: float, confidence: float) -> None:
    """Brute force over nine decades of t, whatever the unit of the P&L."""
    rng = np.random.default_rng(1)
    pnl, weights = rng.standard_t(3, 300), rng.uniform(0.1, 1.0, 300)
    measured = entropic_value_at_risk(scale * pnl, confidence, weights)
    tail = tail_probability(confidence)
    brute = min(objective(pnl, weights, tail, t) for t in np.geomspace(1e-4, 1e5, 4001))
    assert measured.value / scale == pytest.approx(brute, rel=1e-5)
    assert measured.value / scale <= brute + 1e-12
    assert measured.gradient @ (scale * pnl) == pytest.approx(measured.value, rel=1e-12)


def test_dual() -> None:
    """The largest mean loss within relative entropy -log(1 - c): scipy's constrained optimiser on the scenario weights themselves."""
    rng = np.random.default_rng(9)
    pnl, prior = rng.normal(size=8), rng.dirichlet(np.full(8, 4.0))
    entropy = NonlinearConstraint(lambda q: np.array([np.sum(q * np.log(q / prior))]), -np.inf, -log(0.3))
    limits = (entropy, LinearConstraint(np.ones((1, 8)), 1.0, 1.0))
    best = minimize(lambda q: float(q @ pnl), prior, bounds=Bounds(1e-12, 1.0), constraints=limits, method="SLSQP", tol=1e-14)  # type: ignore[call-overload]
    measured = entropic_value_at_risk(pnl, 0.7, prior)
    assert measured.value == pytest.approx(-best.fun, abs=1e-6)
    assert -measured.gradient == pytest.approx(best.x, abs=1e-3)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("size", [60, 333, 1000])
def test_skfolio(size: int, confidence: float) -> None:
    rng = np.random.default_rng(size)
    pnl, weights = rng.standard_t(4, size) * 0.01, rng.uniform(size=size)
    assert entropic_value_at_risk(pnl, confidence).value == pytest.approx(skfolio.evar(pnl, confidence), abs=1e-9)
    assert entropic_value_at_risk(pnl, confidence, weights).value == pytest.approx(skfolio.evar(pnl, confidence, weights), abs=1e-9)


def test_riskfolio() -> None:
    """Its optimiser stops early: it never finds less, and little more."""
    riskfolio = pytest.importorskip("riskfolio.src.RiskFunctions")
    pnl = np.random.default_rng(12).standard_t(4, 500)
    for confidence in (0.9, 0.95, 0.99):
        theirs, _ = riskfolio.EVaR_Hist(pnl, 1 - confidence)
        assert 0.0 <= theirs - entropic_value_at_risk(pnl, confidence).value + 1e-9 <= 1e-4
    assert entropic_risk(pnl, 1 / 2.5).value + 2.5 * log(20.0) == pytest.approx(riskfolio.Entropic_RM(pnl, 2.5, 0.05), abs=1e-9)
    assert entropic_risk(pnl, 1 / 2.5).value + 2.5 * log(20.0) == pytest.approx(skfolio.entropic_risk_measure(pnl, 2.5, 0.95), abs=1e-9)


@settings(max_examples=120, deadline=None)
@given(pairs, confidences, exact, st.data())
def test_coherent_and_euler(pair: tuple[Floats, Floats], confidence: float, cash: float, data: st.DataObject) -> None:
    one, two = pair
    weights = data.draw(st.none() | hnp.arrays(np.float64, one.size, elements=st.integers(1, 5).map(float)))

    def rho(pnl: Floats) -> float:
        return entropic_value_at_risk(pnl, confidence, weights).value

    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max() + abs(cash))
    measured = entropic_value_at_risk(one, confidence, weights)
    assert measured.gradient @ one == pytest.approx(measured.value, abs=slack)
    assert measured.gradient.sum() == pytest.approx(-1.0)
    assert rho(one + cash) == pytest.approx(rho(one) - cash, abs=slack)
    assert rho(16.0 * one) == pytest.approx(16.0 * rho(one), abs=16.0 * slack)
    assert rho(np.maximum(one, two)) <= rho(one) + slack
    assert rho(one + two) <= rho(one) + rho(two) + slack
    assert expected_shortfall(one, confidence, weights).value - slack <= measured.value <= -one.min() + slack


def test_gradient_equals_finite_differences() -> None:
    pnl, weights, step = np.random.default_rng(5).standard_t(4, 40), np.linspace(1.0, 2.0, 40), 1e-5
    for confidence in (0.5, 0.9, 0.96):
        for f in (lambda x, c=confidence: entropic_value_at_risk(x, c, weights), lambda x, c=confidence: entropic_risk(x, c, weights)):
            gradient = f(pnl).gradient
            for s in range(40):
                bump = step * (np.arange(40) == s)
                assert gradient[s] == pytest.approx((f(pnl + bump).value - f(pnl - bump).value) / (2 * step), abs=1e-8)


def test_components_add_up() -> None:
    exposures, shocks = np.array([3.0, -1.0, 2.0]), np.random.default_rng(4).standard_t(4, (3, 500)) * 0.01
    parts = attribute(exposures, shocks, entropic_value_at_risk, 0.99)
    assert parts.component.sum() == pytest.approx(parts.total.value)
    assert parts.diversification_benefit > 0.0


def test_the_worst_loss_where_it_fills_the_tail() -> None:
    pnl = np.concatenate(([-9.0, -9.0], np.linspace(-1.0, 1.0, 98)))
    full = entropic_value_at_risk(pnl, 0.98)
    assert (full.value, full.status) == (9.0, Status.THIN_TAIL)
    assert full.reason == "the worst loss, of probability 0.02, fills the tail of 0.02 and is the measure"
    assert full.gradient[:3].tolist() == [-0.5, -0.5, 0.0]
    inside = entropic_value_at_risk(pnl, 0.979)
    assert inside.status is Status.OK
    assert 8.5 < inside.value < 9.0
    assert entropic_value_at_risk(pnl, 0.98 - 1e-9).value == pytest.approx(9.0, abs=1e-6)
    near = entropic_value_at_risk([-9.0, -9.0 + 1e-13, *np.linspace(-1.0, 1.0, 98)], 0.985)
    assert near.value == pytest.approx(9.0, abs=1e-9)
    assert near.gradient.sum() == pytest.approx(-1.0)


def test_degenerate_vectors() -> None:
    for confidence in (0.5, 0.99, 0.999999):
        assert entropic_value_at_risk([-3.25], confidence).value == 3.25
        assert entropic_value_at_risk(np.full(7, 0.1), confidence).value == -0.1
        single = entropic_value_at_risk([5.0, -2.0, 1.0], confidence, [0.0, 0.0, 3.0])
        assert single.value == -1.0
        assert single.gradient.tolist() == [0.0, 0.0, -1.0]
        assert single.status is Status.THIN_TAIL
    rare = entropic_value_at_risk([-1e6, *np.zeros(50)], 0.5, [1e-30, *np.ones(50)])
    assert np.isfinite(rare.value)
    assert 0.0 <= rare.value <= 1e6 * 0.02


def test_entropic_risk_of_the_normal() -> None:
    """-mu + a sigma² / 2."""
    for a in (0.01, 1.0, 2.0):
        measured = entropic_risk(0.3 + 2.0 * GRID, a, stats.norm.pdf(GRID))
        assert measured.value == pytest.approx(-0.3 + 2.0 * a, abs=1e-8)
        assert measured.relative_entropy == pytest.approx(2.0 * a * a, abs=1e-7)


@settings(max_examples=80, deadline=None)
@given(pairs, st.sampled_from([1e-12, 1e-3, 0.5, 100.0]), exact)
def test_entropic_risk_is_convex_monotone_and_translation_invariant(pair: tuple[Floats, Floats], a: float, cash: float) -> None:
    one, two = pair

    def rho(pnl: Floats) -> float:
        return entropic_risk(pnl, a).value

    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max() + abs(cash))
    assert rho(one + cash) == pytest.approx(rho(one) - cash, abs=slack)
    assert rho(np.maximum(one, two)) <= rho(one) + slack
    assert rho(0.25 * one + 0.75 * two) <= 0.25 * rho(one) + 0.75 * rho(two) + slack
    assert rho(2.0 * one) >= 2.0 * rho(one) - slack
    measured = entropic_risk(one, a)
    assert measured.relative_entropy >= 0.0
    if a >= 1e-3:
        assert measured.gradient @ one - measured.relative_entropy / a == pytest.approx(measured.value, abs=slack)


def test_entropic_risk_is_not_homogeneous_nor_subadditive() -> None:
    pnl = np.array([-1.0, 1.0])
    assert entropic_risk(2.0 * pnl, 1.0).value > 2.0 * entropic_risk(pnl, 1.0).value + 0.1
    assert entropic_risk(pnl + pnl, 1.0).value > entropic_risk(pnl, 1.0).value + entropic_risk(pnl, 1.0).value + 0.1


def test_entropic_risk_limits() -> None:
    pnl = np.random.default_rng(0).normal(size=50)
    assert float(entropic_risk(pnl, 1e-150)) == pytest.approx(-pnl.mean(), abs=1e-13)
    assert entropic_risk(pnl, 1e-10).value == pytest.approx(-pnl.mean() + 0.5e-10 * pnl.var(), abs=1e-14)
    assert entropic_risk(pnl, 1e150).value == -pnl.min()
    assert entropic_risk(1e149 * pnl, 1e150).value == -1e149 * pnl.min()
    assert entropic_risk([-1e6, 0.0], 1e-6, [1e-30, 1.0]).value == pytest.approx(1e6 * 1e-30 * (exp(1.0) - 1.0), abs=1e-9)
    assert entropic_risk(np.full(7, 0.1), 3.0).value == -0.1
    assert entropic_risk([5.0, -1.0], 3.0, [0.0, 1.0]).value == 1.0


def test_bad_input() -> None:
    with pytest.raises(MeasureError, match="pnl is nan at position 0"):
        entropic_value_at_risk([np.nan, 1.0], 0.99)
    with pytest.raises(MeasureError, match="pnl is empty"):
        entropic_risk([], 1.0)
    with pytest.raises(MeasureError, match="all zero"):
        entropic_value_at_risk([1.0], 0.99, [0.0])
    with pytest.raises(ConventionError, match=r"0.95 may be meant"):
        entropic_value_at_risk([1.0], 95)
    for aversion in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(MeasureError, match="risk_aversion must be positive"):
            entropic_risk([1.0], aversion)
