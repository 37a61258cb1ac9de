"""Almgren and Chriss (2000): their example, their closed forms, and optimality checked by other means."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import cosh, exp, sinh, sqrt, tanh

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from risk_core.liquidity import (
    LinearImpact,
    Liquidation,
    continuous_holdings,
    cost_at_risk,
    cost_within,
    efficient_frontier,
    execution_cost,
    half_life,
    immediate_holdings,
    linear_holdings,
    optimal_holdings,
    urgency,
)

Floats = NDArray[np.float64]

MARKET = LinearImpact(volatility=0.95, permanent=2.5e-7, temporary=2.5e-6, fixed=0.0625)
ORDER = Liquidation(quantity=1e6, horizon_days=5.0, periods=5, market=MARKET)
"""The paper's example: a million shares at $50, five days, 30% volatility a year, a spread of 1/8, 5 million shares traded a day."""

AVERSIONS = np.arange(1, 10) * 1e-9
# Printed by the class AlmgrenChriss of the DROP library, documentation page org.drip.coverage.execution.AlmgrenChriss
VARIANCES = [1.0812, 1.0794, 1.0776, 1.0758, 1.0740, 1.0722, 1.0704, 1.0687, 1.0669]  # 1e12
PENALTIES = [0.6636, 0.6647, 0.6657, 0.6668, 0.6679, 0.6690, 0.6700, 0.6711, 0.6722]  # 1e6
HALF_LIVES = [51.30, 36.27, 29.62, 25.65, 22.94, 20.94, 19.39, 18.14, 17.10]  # days


@st.composite
def orders(draw: st.DrawFn) -> Liquidation:
    temporary = 10.0 ** draw(st.floats(-8.0, -4.0))
    periods, horizon = draw(st.integers(1, 30)), 10.0 ** draw(st.floats(-1.0, 2.0))
    permanent = draw(st.floats(0.0, 1.9)) * temporary * periods / horizon
    market = LinearImpact(draw(st.floats(0.0, 5.0)), permanent, temporary, draw(st.floats(0.0, 1.0)))
    return Liquidation(draw(st.sampled_from([-1e6, -3.0, 0.0, 250.0, 1e6])), horizon, periods, market)


aversions = st.floats(-11.0, -2.0).map(lambda x: 10.0**x)


def objective(order: Liquidation, holdings: Floats, risk_aversion: float) -> float:
    cost = execution_cost(order, holdings)
    return cost.expected + risk_aversion * cost.variance


def recursive_cost(order: Liquidation, holdings: Floats) -> tuple[float, float]:
    """Return mean and variance of cost step by step, as the price falls, before any sums are rearranged."""
    market, tau, price, mean, variance = order.market, order.interval_days, 0.0, 0.0, 0.0
    for before, after in pairwise(holdings):
        traded = before - after
        concession = market.fixed * np.sign(traded) + market.temporary * traded / tau
        mean -= traded * (price - concession)
        price -= market.permanent * traded
        variance += market.volatility**2 * tau * after**2
    return float(mean), float(variance)


def test_published_frontier() -> None:
    """DROP's printed frontier for the paper's example: variance, penalty E + lambda V, and half-life."""
    frontier = efficient_frontier(ORDER, AVERSIONS)
    assert frontier.variance / 1e12 == pytest.approx(VARIANCES, abs=6e-5)
    assert (frontier.expected + AVERSIONS * frontier.variance) / 1e6 == pytest.approx(PENALTIES, abs=6e-5)
    assert [half_life(ORDER, one) for one in AVERSIONS] == pytest.approx(HALF_LIVES, abs=5.1e-3)


def test_the_papers_urgency() -> None:
    """The paper's numerical section gives kappa as about 0.61 a day for lambda = 1e-6; arcosh is its own solution."""
    assert round(urgency(ORDER, 1e-6), 2) == 0.61
    assert urgency(ORDER, 1e-6) == pytest.approx(np.arccosh(0.5 * 1e-6 * 0.95**2 / 2.375e-6 + 1.0))


@pytest.mark.parametrize("risk_aversion", [1e-8, 1e-7, 1e-6, 1e-5])
def test_the_papers_closed_forms_of_the_optimum(risk_aversion: float) -> None:
    """Hyperbolic functions in place of the sums over the trajectory."""
    x, t, tau, k = ORDER.quantity, ORDER.horizon_days, ORDER.interval_days, urgency(ORDER, risk_aversion)
    numerator = tanh(0.5 * k * tau) * (tau * sinh(2.0 * k * t) + 2.0 * t * sinh(k * tau))
    expected = 0.5 * MARKET.permanent * x**2 + MARKET.fixed * x
    expected += ORDER.corrected_temporary * x**2 * numerator / (2.0 * tau**2 * sinh(k * t) ** 2)
    numerator = tau * sinh(k * t) * cosh(k * (t - tau)) - t * sinh(k * tau)
    variance = 0.5 * MARKET.volatility**2 * x**2 * numerator / (sinh(k * t) ** 2 * sinh(k * tau))
    cost = execution_cost(ORDER, optimal_holdings(ORDER, risk_aversion))
    assert (cost.expected, cost.variance) == pytest.approx((expected, variance))


def test_the_two_ends_have_the_papers_costs() -> None:
    x, t, n, tau = 1e6, 5.0, 5, 1.0
    linear = execution_cost(ORDER, linear_holdings(ORDER))
    expected = 0.5 * 2.5e-7 * x**2 + 0.0625 * x + (2.5e-6 - 0.5 * 2.5e-7 * tau) * x**2 / t
    assert linear.expected == pytest.approx(expected)
    assert linear.variance == pytest.approx(0.95**2 * x**2 * t * (1.0 - 1.0 / n) * (1.0 - 1.0 / (2 * n)) / 3.0)
    immediate = execution_cost(ORDER, immediate_holdings(ORDER))
    assert immediate.expected == pytest.approx(0.0625 * x + 2.5e-6 * x**2 / tau)
    assert immediate.variance == 0.0


@settings(max_examples=60, deadline=None)
@given(order=orders(), seed=st.integers(0, 999))
def test_costs_of_any_trajectory_agree_with_the_price_recursion(order: Liquidation, seed: int) -> None:
    """Also of trajectories that buy back on the way."""
    middle = np.random.default_rng(seed).normal(0.3, 1.0, order.periods - 1) * order.quantity
    holdings = np.concatenate([[order.quantity], middle, [0.0]])
    cost = execution_cost(order, holdings)
    mean, variance = recursive_cost(order, holdings)
    scale = order.market.temporary / order.interval_days * (np.diff(holdings) ** 2).sum()
    assert cost.expected == pytest.approx(mean, rel=1e-9, abs=1e-9 * scale)
    assert cost.variance == pytest.approx(variance)


def test_costs_agree_with_simulation() -> None:
    """Prices walk, permanent impact moves them, each trade is filled at the price before it less the temporary concession."""
    rng = np.random.default_rng(5)
    holdings = optimal_holdings(ORDER, 1e-6)
    trades = -np.diff(holdings)
    shocks = MARKET.volatility * sqrt(ORDER.interval_days) * rng.standard_normal((200_000, ORDER.periods))
    moves = np.cumsum(shocks - MARKET.permanent * trades, axis=1)
    before = np.concatenate([np.zeros((len(moves), 1)), moves[:, :-1]], axis=1)
    costs = -(before - MARKET.fixed - MARKET.temporary * trades / ORDER.interval_days) @ trades
    cost = execution_cost(ORDER, holdings)
    assert costs.mean() == pytest.approx(cost.expected, abs=4.0 * cost.standard_deviation / sqrt(len(costs)))
    assert costs.std() == pytest.approx(cost.standard_deviation, rel=0.01)
    assert np.quantile(costs, 0.95) == pytest.approx(cost_at_risk(cost, 0.95), rel=0.01)


@pytest.mark.parametrize("risk_aversion", [0.0, 1e-7, 1e-6, 1e-5])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_numerical_minimiser_finds_the_same_trajectory(risk_aversion: float, sign: float) -> None:
    order = replace(ORDER, quantity=sign * 1e6, periods=8)

    def penalty(inner: Floats) -> float:
        return objective(order, np.concatenate([[1.0], inner, [0.0]]) * order.quantity, risk_aversion) / 1e6

    found = minimize(
        penalty, np.full(7, 0.5), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 40_000, "maxfev": 40_000}
    )
    polished = minimize(penalty, found.x, method="BFGS", options={"gtol": 1e-10})
    assert polished.x == pytest.approx(optimal_holdings(order, risk_aversion)[1:-1] / order.quantity, abs=1e-4)
    assert penalty(optimal_holdings(order, risk_aversion)[1:-1] / order.quantity) <= polished.fun + 1e-12


@settings(max_examples=80, deadline=None)
@given(order=orders(), risk_aversion=st.just(0.0) | aversions, seed=st.integers(0, 999), size=st.sampled_from([1e-3, 0.05, 0.5]))
def test_no_perturbation_is_cheaper(order: Liquidation, risk_aversion: float, seed: int, size: float) -> None:
    best = optimal_holdings(order, risk_aversion)
    shift = np.zeros_like(best)
    shift[1:-1] = np.random.default_rng(seed).normal(0.0, size, order.periods - 1) * order.quantity
    least = objective(order, best, risk_aversion)
    for path in (best + shift, best - shift):
        assert objective(order, path, risk_aversion) >= least * (1.0 - 1e-12)


@settings(max_examples=80, deadline=None)
@given(order=orders(), risk_aversion=st.just(0.0) | aversions)
def test_the_optimum_is_stationary(order: Liquidation, risk_aversion: float) -> None:
    """Its trajectory satisfies the paper's difference equation, which no sinh appears in."""
    holdings = optimal_holdings(order, risk_aversion)
    tau, impact = order.interval_days, order.corrected_temporary
    curvature = impact / tau * (holdings[:-2] - 2.0 * holdings[1:-1] + holdings[2:])
    pull = risk_aversion * order.market.volatility**2 * tau * holdings[1:-1]
    assert curvature == pytest.approx(pull, rel=1e-7, abs=1e-9 * impact / tau * abs(order.quantity))
    assert holdings[0] == order.quantity
    assert holdings[-1] == 0.0
    assert (np.sign(order.quantity) * np.diff(holdings) <= 1e-12 * abs(order.quantity)).all()


@settings(max_examples=60, deadline=None)
@given(order=orders(), first=aversions, second=aversions)
def test_the_frontier_is_decreasing_and_convex(order: Liquidation, first: float, second: float) -> None:
    """More risk aversion costs more and leaves less variance, and each secant is as steep as a risk aversion between its ends."""
    low, high = sorted([first, second])
    assume(high > 1.01 * low)
    frontier = efficient_frontier(order, [low, high])
    more, less = frontier.expected[1] - frontier.expected[0], frontier.variance[0] - frontier.variance[1]
    rounding = 1e-11 * frontier.expected[1]
    assert more >= -rounding
    assert less >= -1e-11 * frontier.variance[0]
    assert (
        low * less - rounding - 1e-11 * low * frontier.variance[0] <= more <= high * less + rounding + 1e-11 * high * frontier.variance[0]
    )


def test_the_slope_of_the_frontier_is_the_risk_aversion() -> None:
    frontier = efficient_frontier(ORDER, [0.999e-6, 1.001e-6])
    assert np.diff(frontier.expected) / np.diff(frontier.variance) == pytest.approx([-1e-6], rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(order=orders())
def test_limits_of_risk_aversion(order: Liquidation) -> None:
    assume(order.market.volatility > 1e-3)
    assert optimal_holdings(order, 0.0) == pytest.approx(linear_holdings(order))
    assert optimal_holdings(order, 1e-30) == pytest.approx(linear_holdings(order), rel=1e-9)
    assert optimal_holdings(order, 1e60) == pytest.approx(immediate_holdings(order), abs=1e-12)
    assert optimal_holdings(order, 1e150) == pytest.approx(immediate_holdings(order), abs=1e-100)


def test_the_switch_to_the_straight_line_is_not_seen() -> None:
    """Either side of the smallest kappa T taken by sinh."""
    base = 1e-16 * ORDER.corrected_temporary / (MARKET.volatility * ORDER.horizon_days) ** 2
    below, above = (optimal_holdings(ORDER, base * (1.0 + e)) for e in (-1e-3, 1e-3))
    assert below == pytest.approx(above, rel=1e-14)


@pytest.mark.parametrize("depth", [1e-6, 1e-5, 1e-4, 1e-3])
def test_slight_aversion_bends_the_line_as_its_series_says(depth: float) -> None:
    """sinh(d v) / sinh(d) = v - v (1 - v²) d² / 6 + O(d⁴), for d = kappa T."""
    aversion = (depth / ORDER.horizon_days / MARKET.volatility) ** 2 * MARKET.temporary
    left = np.array([0.8, 0.5, 0.2])
    bend = left - continuous_holdings(ORDER, aversion, 5.0 * (1.0 - left)) / ORDER.quantity
    assert bend == pytest.approx(left * (1.0 - left**2) * depth**2 / 6.0, rel=1e-6, abs=4e-16)


def test_many_periods_tend_to_continuous_trading() -> None:
    errors = []
    for periods in (10, 100, 1000):
        order = replace(ORDER, periods=periods)
        times = np.linspace(0.0, 5.0, periods + 1)
        errors.append(np.abs(optimal_holdings(order, 1e-6) - continuous_holdings(order, 1e-6, times)).max())
    assert errors[2] < 0.2 * errors[1] < 0.04 * errors[0]
    k = sqrt(1e-6 * 0.95**2 / 2.5e-6)
    assert continuous_holdings(ORDER, 1e-6, [0.0, 2.0, 5.0]) == pytest.approx([1e6, 1e6 * sinh(3.0 * k) / sinh(5.0 * k), 0.0])
    assert np.array_equal(continuous_holdings(ORDER, 1e150, [0.0, 2.0, 5.0]), [1e6, 0.0, 0.0])


def test_half_life_is_the_time_to_fall_by_e() -> None:
    order = replace(ORDER, horizon_days=200.0, periods=200)
    life = half_life(order, 1e-6)
    holdings = optimal_holdings(order, 1e-6)
    assert holdings[1] / holdings[0] == pytest.approx(exp(-1.0 / life))
    assert half_life(replace(order, quantity=1.0), 1e-6) == life
    assert half_life(order, 0.0) == float("inf")


def test_more_time_is_cheaper_and_riskier() -> None:
    costs = [cost_within(ORDER, days) for days in (0.5, 1.0, 2.0, 5.0, 10.0)]
    assert (np.diff([c.expected for c in costs]) < 0.0).all()
    assert (np.diff([c.variance for c in costs]) > 0.0).all()
    assert cost_within(ORDER, 5.0, 1e-6) == execution_cost(ORDER, optimal_holdings(ORDER, 1e-6))


def test_cost_at_risk_takes_a_confidence_or_a_quantile() -> None:
    cost = execution_cost(ORDER, linear_holdings(ORDER))
    assert cost_at_risk(cost, quantile=1.645) == pytest.approx(cost.expected + 1.645 * sqrt(cost.variance))
    assert cost_at_risk(cost, 0.5) == pytest.approx(cost.expected)
    assert cost_at_risk(cost, 0.99) > cost_at_risk(cost, 0.95)
