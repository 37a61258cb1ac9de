"""Scenario sets from price tables, weights by age, and currencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_core.scenarios import (
    ScenarioError,
    WeightError,
    age_weighted,
    equal_weights,
    ewma_weighted,
    exponential_weights,
    historical_scenarios,
    in_currency,
)


def prices(days: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moves = rng.normal(0.0, 0.02, (days, 4))
    table = 100.0 * np.exp(np.cumsum(moves, axis=0))
    table[:, 3] -= table[:, 3].mean()  # a spread around zero
    return pd.DataFrame(table, pd.date_range("2020-01-01", periods=days, freq="B"), ["A", "B", "INDEX", "SPREAD"])


def build(table: pd.DataFrame, **options: Any) -> Any:
    return historical_scenarios(table, **{"window": None, "absolute": ["SPREAD"], **options})


def test_moves_are_simple_returns_and_differences() -> None:
    table = prices()
    scenarios = build(table)
    assert scenarios.shocks.shape == (4, 39)
    assert scenarios.shocks[0] == pytest.approx(table["A"].pct_change().to_numpy()[1:])
    assert scenarios.shocks[3] == pytest.approx(table["SPREAD"].diff().to_numpy()[1:])
    assert scenarios.weights == pytest.approx(np.full(39, 1 / 39))
    assert scenarios.as_of == table.index[-1].to_numpy()
    assert not scenarios.proxied.any()


def test_window_and_as_of_look_at_nothing_later() -> None:
    table = prices()
    scenarios = build(table, window=10, as_of=table.index[29])
    later = table.copy()
    later.iloc[30:] = 1e6
    again = build(later, window=10, as_of=table.index[29])
    assert scenarios.as_of == table.index[29].to_numpy()
    assert len(scenarios.dates) == 10
    assert scenarios.content_hash == again.content_hash
    assert scenarios.content_hash != build(table, window=10).content_hash


def test_missing_moves_come_from_proxies_and_are_flagged() -> None:
    table = prices()
    table.iloc[5, 0] = np.nan  # A misses a date: two moves
    table.iloc[20, 1] = np.nan
    table.iloc[20, 2] = np.nan  # B and its proxy miss the same date
    table.iloc[8, 3] = np.nan
    scenarios = build(table, proxies={"B": "INDEX", "A": "INDEX", "INDEX": "A"}, default_proxy="A")
    returns = table.pct_change(fill_method=None)
    assert np.flatnonzero(scenarios.proxied[0]).tolist() == [4, 5]
    assert scenarios.shocks[0, 4:6] == pytest.approx(returns["INDEX"].to_numpy()[5:7])
    assert scenarios.shocks[1, 19:21] == pytest.approx(returns["A"].to_numpy()[20:22])
    assert scenarios.shocks[3, 7] == pytest.approx(returns["A"].iloc[8] * table["SPREAD"].iloc[7])
    assert scenarios.proxied.sum() == 8
    assert np.isfinite(scenarios.shocks).all()


def test_proxies_are_never_zero_and_never_chained() -> None:
    table = prices()
    table.iloc[5, 0] = np.nan
    with pytest.raises(ScenarioError, match="A has no move on 2020-01-08"):
        build(table)
    table.iloc[5, 2] = np.nan
    with pytest.raises(ScenarioError, match="no proxy has one"):
        build(table, default_proxy="INDEX")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.iloc[::-1], {}, "ascend"),
        (lambda t: pd.concat([t, t.iloc[-1:]]), {}, "repeats"),
        (lambda t: t, {"window": 40}, "40 scenarios need 41 dates of prices; there are 40"),
        (lambda t: t, {"window": 0}, "at least one"),
        (lambda t: t.iloc[:1], {}, "two dates"),
        (lambda t: t, {"absolute": []}, "price of SPREAD .* name it in `absolute`"),
        (lambda t: t, {"absolute": ["X"]}, "'X'"),
        (lambda t: t, {"default_proxy": "Y"}, "'Y'"),
        (lambda t: t.assign(A=np.inf), {}, "price of A"),
        (lambda t: t.assign(A="x"), {}, "prices must be numbers"),
    ],
)
def test_bad_tables(change: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        build(change(prices()), **options)


@given(st.integers(1, 800), st.floats(0.5, 0.999))
def test_exponential_weights(count: int, decay: float) -> None:
    weights = exponential_weights(count, decay)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights == pytest.approx((1 - decay) / (1 - decay**count) * decay ** np.arange(count), rel=1e-9, abs=1e-300)
    recursion = exponential_weights(count, decay, normalised=False)
    assert recursion.sum() == pytest.approx(1.0 - decay**count, abs=1e-12)


def test_weighted_sets_put_the_newest_first() -> None:
    scenarios = build(prices())
    for weighted, decay in ((age_weighted(scenarios), 0.98), (ewma_weighted(scenarios), 0.94)):
        assert weighted.weights[-1] == weighted.weights.max()
        assert weighted.weights[-2] / weighted.weights[-1] == pytest.approx(decay)
        assert weighted.shocks is scenarios.shocks
    for bad in (0, -3):
        with pytest.raises(WeightError, match="at least one scenario"):
            equal_weights(bad)
    for decay in (0.0, 1.0, -0.5, np.nan):
        with pytest.raises(WeightError, match="strictly between"):
            exponential_weights(10, decay)


def test_pnl_of_a_book() -> None:
    scenarios = build(prices())
    x = scenarios.exposures({"A": 100.0, "SPREAD": -3.0})
    assert scenarios.pnl(x) == pytest.approx(100 * scenarios.shocks[0] - 3 * scenarios.shocks[3])
    assert scenarios.contributions(x).shape == scenarios.shocks.shape
    with pytest.raises(ScenarioError, match="'C'"):
        scenarios.exposures({"C": 1.0})
    with pytest.raises(ScenarioError, match="exposure must have shape"):
        scenarios.pnl([1.0])


def test_currencies_revalue_exactly() -> None:
    table = prices()
    table["EURUSD"] = 1.1 * (1 + 0.01 * np.sin(np.arange(40)))
    scenarios = build(table)
    options: dict[str, Any] = {"currency_of": {"A": "EUR"}, "rate_of": {"EUR": "EURUSD"}, "base": "USD"}
    dollars, euros = (in_currency(scenarios, c, **options) for c in ("USD", "EUR"))
    in_usd = table["A"] * table["EURUSD"]
    assert dollars.shocks[0] == pytest.approx(in_usd.pct_change().to_numpy()[1:], rel=1e-9, abs=1e-12)
    assert (dollars.shocks[1:] == scenarios.shocks[1:]).all()
    in_eur = table["B"] / table["EURUSD"]
    assert euros.shocks[1] == pytest.approx(in_eur.pct_change().to_numpy()[1:], rel=1e-9, abs=1e-12)
    assert (euros.shocks[0] == scenarios.shocks[0]).all()
    with pytest.raises(ScenarioError, match="currency GBP"):
        in_currency(scenarios, "GBP", **options)


def test_a_set_checks_itself() -> None:
    scenarios = build(prices())
    with pytest.raises(ScenarioError, match="weights must have shape"):
        scenarios.with_weights([1.0])
    with pytest.raises(ScenarioError, match="not negative"):
        scenarios.with_weights(-scenarios.weights)
    broken = scenarios.shocks.copy()
    broken[1, 2] = np.nan
    with pytest.raises(ScenarioError, match="the move of B"):
        type(scenarios)("x", scenarios.instruments, scenarios.dates, broken, scenarios.weights, scenarios.absolute, scenarios.proxied)
