"""Bad input gets an error that says what, where and how to mend it; extreme input gets a number or an error, never NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import risk_core.liquidity as liq
from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError

NAN, INF = float("nan"), float("inf")
MARKET = liq.LinearImpact(volatility=0.95, permanent=2.5e-7, temporary=2.5e-6, fixed=0.0625)
ORDER = liq.Liquidation(1e6, 5.0, 5, MARKET)
NAMED = pd.Series([100.0, 200.0], ["ACME", "BOLT"])
LOG = liq.ReturnConvention.LOG


def cost_of_a_block(order: liq.Liquidation) -> liq.ExecutionCost:
    return liq.execution_cost(order, liq.immediate_holdings(order))


CASES: list[tuple[Callable[[], Any], str]] = [
    (lambda: liq.spread_cost([1.0, NAN], 0.1, 0.1, multiplier=1), "value is nan at position 1: .* leave the position out"),
    (lambda: liq.spread_cost([INF], 0.1, 0.1, multiplier=1), "value is inf at position 0"),
    (lambda: liq.spread_cost([1.0, 2.0], [0.1, -0.1], 0.1, multiplier=1), "mean is -0.1 at position 1: it must be at least 0"),
    (lambda: liq.spread_cost([1.0], 0.1, -0.1, multiplier=1), "standard_deviation is -0.1"),
    (lambda: liq.spread_cost([1.0], 0.1, 0.1, multiplier=-1), "multiplier is -1.0"),
    (lambda: liq.spread_cost([1.0, 2.0], [0.1] * 3, 0.1, multiplier=1), "mean has 3 numbers for 2 positions"),
    (lambda: liq.spread_cost([[1.0]], 0.1, 0.1, multiplier=1), r"one number for each position, not shape \(1, 1\)"),
    (lambda: liq.spread_cost([], 0.1, 0.1, multiplier=1), "one number for each position"),
    (lambda: liq.spread_cost(["x"], 0.1, 0.1, multiplier=1), "value must be numbers"),
    (lambda: liq.spread_cost([1e150], 1e150, 1e150, multiplier=1e150), "spread cost is inf at position 0: the input is too large"),
    (lambda: liq.spread_cost(NAMED, NAMED[::-1], 0.1, multiplier=1), r"different indexes; align them: mean.reindex\(value.index\)"),
    (lambda: liq.spread_cost(NAMED, pd.Series([0.1, NAN], NAMED.index), 0.1, multiplier=1), r"mean is nan at position 1 \(BOLT\)"),
    (lambda: liq.spread_moments([[0.1, -0.2]], ddof=0), "history is -0.2 at position 0, observation 1: .* drop crossed quotes"),
    (lambda: liq.spread_moments([[0.1]], ddof=1), "no degree of freedom"),
    (lambda: liq.spread_moments([[0.1]], ddof=2), "ddof must be 0 or 1"),
    (lambda: liq.spread_moments(np.zeros((1, 2, 3)), ddof=0), r"shape \(positions, observations\)"),
    (lambda: liq.spread_moments([], ddof=0), "history must have shape"),
    (lambda: liq.relative_spread([1.0, 2.0], [1.1, 1.9]), "position 0, observation 1 is bid 2.0, ask 1.9: .* drop crossed"),
    (lambda: liq.relative_spread([0.0], [1.0]), "a bid must be positive"),
    (lambda: liq.relative_spread([1.0, 2.0], [1.1]), "the same shape"),
    (lambda: liq.price_value_at_risk([1.0], -0.1, 0.99, returns=LOG), "volatility is -0.1"),
    (lambda: liq.price_value_at_risk([1.0], 0.1, returns=LOG), "either confidence .* or quantile"),
    (lambda: liq.price_value_at_risk([1.0], 0.1, quantile=-2.33, returns=LOG), "quantile is -2.33"),
    (lambda: liq.price_value_at_risk([-1.0], 1e4, quantile=2.33, returns=LOG), "price value at risk is inf"),
    (lambda: liq.liquidity_adjusted_value_at_risk([1.0, 2.0], [0.1]), "cost has 1 numbers for 2 positions"),
    (lambda: liq.liquidity_adjusted_value_at_risk([1.0], [-0.1]), "costs are positive"),
    (lambda: liq.liquidation_days(NAMED, pd.Series([5.0, 0.0], NAMED.index), 0.1), r"average_daily_volume is 0.0 at position 1 \(BOLT\)"),
    (lambda: liq.liquidation_days([1.0], [0.0], 0.1), "greater than 0; what does not trade .* give a proxy's volume"),
    (lambda: liq.liquidation_days([1.0], [1.0], 0.0), "participation is 0.0 at position 0"),
    (lambda: liq.liquidation_days([1.0], [1.0], 10.0), "at most 1, the whole volume; give 0.1"),
    (lambda: liq.liquidation_days([1e150], [1e-300], 1e-10), "liquidation days is inf"),
    (lambda: liq.liquidation_scale([-1.0]), "days is -1.0"),
    (lambda: liq.remaining_scale([1.0, 1.5]), "remaining is 1.5 at position 1: at most 1"),
    (lambda: liq.remaining_scale([1.0, -0.5]), "remaining is -0.5"),
    (lambda: liq.horizon_value_at_risk([-1.0], 2.0), "value_at_risk is -1.0"),
    (lambda: liq.liquidation_covariance([[1.0, 0.5]], 1.0), r"square matrix, not of shape \(1, 2\)"),
    (lambda: liq.liquidation_covariance([[1.0, 0.5], [0.4, 1.0]], 1.0), "not symmetric"),
    (lambda: liq.liquidation_covariance([[1.0, NAN], [NAN, 1.0]], 1.0), "covariance is nan at position 0, column 1"),
    (lambda: replace(MARKET, volatility=-1.0), "volatility is -1.0"),
    (lambda: replace(MARKET, permanent=NAN), "permanent is nan: it must be finite"),
    (lambda: replace(MARKET, temporary=0.0), "temporary is 0.0: .* costs nothing"),
    (lambda: replace(MARKET, fixed=[0.1]), "fixed must be one number"),  # type: ignore[arg-type]
    (lambda: replace(ORDER, horizon_days=0.0), "horizon_days is 0.0: it must be greater than 0"),
    (lambda: replace(ORDER, quantity=INF), "quantity is inf"),
    (lambda: replace(ORDER, periods=0), "periods must be a whole number from 1"),
    (lambda: replace(ORDER, periods=2.5), "periods must be a whole number"),  # type: ignore[arg-type]
    (lambda: replace(ORDER, horizon_days=100.0), "the model has no optimum; take more periods or a shorter horizon"),
    (lambda: liq.cost_within(ORDER, -1.0), "horizon_days is -1.0"),
    (lambda: liq.urgency(ORDER, -1e-6), "risk_aversion is -1e-06: .* zero minimises"),
    (lambda: liq.optimal_holdings(ORDER, NAN), "risk_aversion is nan"),
    (lambda: liq.efficient_frontier(ORDER, [1e-6, -1.0]), "risk_aversion is -1.0 at position 1"),
    (lambda: liq.continuous_holdings(ORDER, 1e-6, [6.0]), "after the horizon of 5.0 days"),
    (lambda: liq.execution_cost(ORDER, [1e6, 0.0]), "holdings must have 6 numbers"),
    (lambda: liq.execution_cost(ORDER, np.linspace(1e6, 10.0, 6)), "from 1000000.0 to 0, not from 1000000.0 to 10.0"),
    (lambda: cost_of_a_block(replace(ORDER, quantity=1e150, market=replace(MARKET, temporary=1e10))), "the input is too large"),
    (lambda: cost_of_a_block(replace(ORDER, quantity=1e150, market=replace(MARKET, temporary=1e140))), "the input is too large"),
    (lambda: liq.cost_at_risk(liq.ExecutionCost(1.0, 1.0), 0.99, quantile=2.33), "not both"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CASES)
def test_bad_input(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()


def test_conventions_are_checked_by_name() -> None:
    with pytest.raises(ConventionError, match="arithmetic, log"):
        liq.price_value_at_risk([1.0], 0.1, 0.99, returns="geometric")  # type: ignore[arg-type]
    with pytest.raises(ConventionError, match=r"0\.99 may be meant"):
        liq.cost_at_risk(liq.ExecutionCost(1.0, 1.0), 99)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("risk_aversion", [0.0, 5e-324, 1e-300, 1e-20, 1e20, 1e150])
@pytest.mark.parametrize("volatility", [0.0, 1e-150, 1.0, 1e150])
@pytest.mark.parametrize("temporary", [1e-300, 1.0, 1e150])
@pytest.mark.parametrize("horizon", [1e-100, 1.0, 1e150])
def test_extreme_orders_give_numbers(risk_aversion: float, volatility: float, temporary: float, horizon: float) -> None:
    order = liq.Liquidation(1e6, horizon, 7, liq.LinearImpact(volatility, 0.0, temporary))
    for path in (liq.optimal_holdings(order, risk_aversion), liq.continuous_holdings(order, risk_aversion, np.linspace(0.0, horizon, 8))):
        assert np.isfinite(path).all()
        assert path[0] == 1e6
        assert path[-1] == 0.0
        assert (np.diff(path) <= 0.0).all()
    assert liq.half_life(order, risk_aversion) >= 0.0


@pytest.mark.filterwarnings("error")
def test_extreme_positions_give_numbers() -> None:
    assert liq.spread_moments([0.1, 0.1], ddof=1).standard_deviation == pytest.approx([0.0])
    assert liq.liquidation_scale([0.0, 5e-324, 1e150])[:2].tolist() == [1.0, 1.0]
    assert np.isfinite(liq.liquidation_scale([1e150])).all()
    assert liq.price_value_at_risk([0.0, 1.0], 1e150, 0.99, returns=LOG)[1] == 1.0
    assert liq.price_value_at_risk(-0.0, 1e150, 0.99, returns=LOG) == [0.0]
