"""Expectiles: rational arithmetic, asymmetric least squares by scipy, the normal closed form, the laws and where they end."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError, Status, attribute, value_at_risk
from risk_core.measures.expectile import expectile, expectile_value_at_risk

Floats = NDArray[np.float64]

exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)
few = st.sampled_from([-10.0, -1.0, 0.0, 1.0])
integers = hnp.arrays(np.float64, st.integers(1, 25), elements=st.integers(-50, 50).map(float))
confidences = st.sampled_from([0.5, 0.75, 0.9, 0.99, 0.99855])


def rational_expectile(values: list[int], counts: list[int], level: Fraction) -> Fraction:
    """Try every split of the sorted sample; the one whose solution lies where it was assumed is the expectile."""
    pairs = sorted((Fraction(v), Fraction(c)) for v, c in zip(values, counts, strict=True) if c)
    for k in range(1, len(pairs) + 1):
        slope = [(1 - level if i < k else level) * c for i, (_, c) in enumerate(pairs)]
        root = Fraction(sum(s * v for s, (v, _) in zip(slope, pairs, strict=True))) / sum(slope)
        if pairs[k - 1][0] <= root and (k == len(pairs) or root <= pairs[k][0]):
            return root
    raise AssertionError("no interval holds the root")


@settings(max_examples=150, deadline=None)
@given(integers, st.integers(1, 999), st.data())
def test_equals_rational_arithmetic(values: Floats, permille: int, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)).filter(any))
    wanted = rational_expectile([int(v) for v in values], counts, Fraction(permille, 1000))
    assert expectile(values, permille / 1000, counts) == pytest.approx(float(wanted), abs=1e-11)
    if permille >= 500 and permille < 1000:
        wanted = rational_expectile([int(v) for v in values], counts, 1 - Fraction(permille, 1000))
        assert expectile_value_at_risk(values, permille / 1000, counts).value == pytest.approx(-float(wanted), abs=1e-11)


@pytest.mark.parametrize("level", [0.001, 0.05, 0.5, 0.9])
def test_scipy(level: float) -> None:
    """scipy.stats.expectile solves the same condition by bracketing."""
    sample, weights = np.random.default_rng(2).standard_t(3, 400), np.random.default_rng(3).uniform(size=400)
    assert expectile(sample, level) == pytest.approx(stats.expectile(sample, level), abs=1e-12)
    assert expectile(sample, level, weights) == pytest.approx(stats.expectile(sample, level, weights=weights), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.99855])
def test_normal(confidence: float) -> None:
    """A fine weighted grid against the root of tau E[(Z - e)+] = (1 - tau) E[(e - Z)+], both sides in closed form; -mu + sigma e."""
    tau, law = 1 - confidence, stats.norm

    def condition(e: float) -> float:
        return float(tau * (law.pdf(e) - e * law.sf(e)) - (1 - tau) * (law.pdf(e) + e * law.cdf(e)))

    root = brentq(condition, -9.0, 9.0, xtol=1e-14)
    grid = np.linspace(-9.0, 9.0, 20_001)
    measured = expectile_value_at_risk(0.3 + 2.0 * grid, confidence, law.pdf(grid))
    assert measured.value == pytest.approx(-0.3 - 2.0 * root, abs=1e-6)
    assert measured.status is Status.OK


def test_the_normal_level_that_equals_value_at_risk_at_99() -> None:
    """Bellini and Di Bernardino (2017): tau = 0.00145 for VaR at 1 % of a normal law."""
    grid = np.linspace(-9.0, 9.0, 20_001)
    assert expectile_value_at_risk(grid, 0.99855, stats.norm.pdf(grid)).value == pytest.approx(stats.norm.ppf(0.99), abs=2e-3)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 30).flatmap(lambda n: st.tuples(*(hnp.arrays(np.float64, n, elements=exact | few) for _ in range(2)))),
    confidences,
    exact,
    st.data(),
)
def test_coherent_and_euler(pair: tuple[Floats, Floats], confidence: float, cash: float, data: st.DataObject) -> None:
    one, two = pair
    weights = data.draw(st.none() | hnp.arrays(np.float64, one.size, elements=st.integers(1, 5).map(float)))

    def rho(pnl: Floats) -> float:
        return expectile_value_at_risk(pnl, confidence, weights).value

    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max() + abs(cash))
    measured = expectile_value_at_risk(one, confidence, weights)
    assert measured.gradient @ one == pytest.approx(measured.value, abs=slack)
    assert measured.gradient.sum() == pytest.approx(-1.0)
    assert rho(one + cash) == pytest.approx(rho(one) - cash, abs=slack)
    assert rho(16.0 * one) == pytest.approx(16.0 * rho(one), abs=16.0 * slack)
    assert rho(np.maximum(one, two)) <= rho(one) + slack
    assert rho(one + two) <= rho(one) + rho(two) + slack


def test_not_subadditive_above_one_half() -> None:
    """Level 0.9 of the P&L, which no confidence reaches: two opposite bets are riskier together."""
    one, two = np.array([-1.0, 0.0]), np.array([0.0, -1.0])
    assert -expectile(one + two, 0.9) > -expectile(one, 0.9) - expectile(two, 0.9) + 0.1


def test_not_comonotone_additive() -> None:
    """Unlike a spectral measure: at 0.9 these two rise together, and the risk of the sum is less than the sum."""
    one, two = np.array([-10.0, 0.0, 0.0, 0.0]), np.array([-1.0, -1.0, -1.0, 5.0])
    apart = expectile_value_at_risk(one, 0.9).value + expectile_value_at_risk(two, 0.9).value
    assert expectile_value_at_risk(one + two, 0.9).value < apart - 0.05


def test_gradient_equals_finite_differences() -> None:
    pnl, weights, step = np.random.default_rng(5).standard_t(4, 40), np.linspace(1.0, 2.0, 40), 1e-6
    for confidence in (0.5, 0.9, 0.99):
        gradient = expectile_value_at_risk(pnl, confidence, weights).gradient
        for s in range(40):
            bump = step * (np.arange(40) == s)
            up, down = (expectile_value_at_risk(pnl + b, confidence, weights).value for b in (bump, -bump))
            assert gradient[s] == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_components_add_up() -> None:
    exposures, shocks = np.array([3.0, -1.0, 2.0]), np.random.default_rng(4).standard_t(4, (3, 200)) * 0.01
    parts = attribute(exposures, shocks, expectile_value_at_risk, 0.99)
    assert parts.component.sum() == pytest.approx(parts.total.value)


def test_at_one_half_it_is_the_mean_and_below_it_is_milder_than_value_at_risk() -> None:
    pnl = np.random.default_rng(6).normal(size=1000)
    assert expectile_value_at_risk(pnl, 0.5).value == pytest.approx(-pnl.mean(), abs=1e-13)
    assert expectile_value_at_risk(pnl, 0.99).value < value_at_risk(pnl, 0.99).value


def test_degenerate_vectors() -> None:
    assert expectile_value_at_risk([-3.25], 0.99).value == 3.25
    assert expectile_value_at_risk(np.full(7, 0.1), 0.99).value == -0.1
    single = expectile_value_at_risk([5.0, -2.0, 1.0], 0.99, [0.0, 0.0, 3.0])
    assert single.value == -1.0
    assert single.gradient.tolist() == [0.0, 0.0, -1.0]
    thin = expectile_value_at_risk([-5.0, 0.0, 1.0], 0.99)
    assert thin.status is Status.THIN_TAIL
    assert thin.reason == "1 of 3 effective scenarios lie beyond the expectile"
    assert -1e150 <= expectile_value_at_risk([-1e150, 1e150, 0.0], 0.9).value <= 1e150


def test_bad_input() -> None:
    with pytest.raises(MeasureError, match="pnl is nan at position 0"):
        expectile_value_at_risk([np.nan, 1.0], 0.99)
    with pytest.raises(MeasureError, match="pnl is empty"):
        expectile_value_at_risk([], 0.99)
    with pytest.raises(MeasureError, match="all zero"):
        expectile_value_at_risk([1.0], 0.99, [0.0])
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        expectile_value_at_risk([1.0], 0.01)
    for level in (0.0, 1.0, np.nan, 95):
        with pytest.raises(MeasureError, match="level must lie strictly between 0 and 1"):
            expectile([1.0], level)
