"""Backtests day after day: the plain tests of the same days, one day at a time or all at once, and across a restart."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.backtests import (
    BacktestError,
    BettingTest,
    Judgement,
    RollingBacktest,
    RollingTable,
    christoffersen_conditional_coverage,
    christoffersen_independence,
    coverage_tests,
    kupiec_pof,
    rolling_backtests,
    traffic_light,
)

HITS = st.lists(st.booleans(), min_size=1, max_size=40)
WINDOWS = st.one_of(st.none(), st.integers(1, 45))
CONFIDENCES = st.sampled_from([0.5, 0.7, 0.9, 0.95, 0.99])
OF_COUNTS = ("observations", "exceptions", "expected", "zone", "type_i", "multiplier_mar32", "multiplier_basel_2_5", "kupiec_p")
OF_WINDOW = (*OF_COUNTS, "independence_p", "conditional_p", "status")


def fed(hits: list[bool], confidence: float, window: int | None) -> RollingBacktest:
    test = RollingBacktest(confidence, window)
    for hit in hits:
        test.update(hit)
    return test


def some(judgement: Judgement, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(judgement, name) for name in names}


def simulated(rates: list[float], days: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.random.Generator(np.random.PCG64(seed)).random((days, len(rates))) < np.array(rates)


@given(HITS, CONFIDENCES, WINDOWS)
@settings(max_examples=60, deadline=None)
def test_a_day_has_the_numbers_of_the_plain_tests_of_its_window(hits: list[bool], confidence: float, window: int | None) -> None:
    test = RollingBacktest(confidence, window)
    for day, hit in enumerate(hits):
        found = test.update(hit)
        days = np.array(hits[: day + 1] if window is None else hits[max(0, day + 1 - window) : day + 1])
        n, x = days.size, int(days.sum())
        zones, alone = traffic_light(x, n, confidence), christoffersen_independence(days)
        assert (found.observations, found.exceptions) == (n, x)
        assert found.expected == zones.expected_exceptions
        assert found.zone == zones.details["zone"]
        assert found.type_i == zones.p_value_exact
        assert found.multiplier_mar32 == zones.details["multiplier_mar32"]
        assert found.multiplier_basel_2_5 == zones.details["multiplier_basel_2.5"]
        assert found.kupiec_p == kupiec_pof(x, n, confidence).p_value
        assert found.independence_p == alone.p_value
        assert found.status == alone.status
        assert found.conditional_p == christoffersen_conditional_coverage(days, confidence).p_value
        assert (found.total, found.total_exceptions) == (day + 1, sum(hits[: day + 1]))
        seen = [d for d in range(day + 1) if hits[d]]
        assert found.days_since_exception == (day - seen[-1] if seen else None)


@pytest.mark.parametrize(("confidence", "window"), [(0.99, 250), (0.99, 500), (0.975, 250)])
def test_long_windows_have_the_numbers_of_the_catalogue(confidence: float, window: int) -> None:
    series = simulated([4.0 * (1.0 - confidence)], 1_200)
    table = rolling_backtests(series, confidence, window)
    for day in range(window - 1, 1_200, 97):
        tests, found = coverage_tests(series[day + 1 - window : day + 1, 0], confidence), table.at(day, 0)
        assert found.zone == tests["traffic_light"].details["zone"]
        assert found.type_i == tests["traffic_light"].p_value_exact
        assert found.kupiec_p == tests["pof"].p_value
        assert found.independence_p == tests["independence"].p_value
        assert found.conditional_p == tests["conditional_coverage"].p_value


def test_a_full_window_of_250_days_at_99_percent_has_the_multipliers_of_basels_table() -> None:
    mar32 = (1.5, 1.5, 1.5, 1.5, 1.5, 1.70, 1.76, 1.83, 1.88, 1.92, 2.0, 2.0)
    basel_2_5 = (3.0, 3.0, 3.0, 3.0, 3.0, 3.40, 3.50, 3.65, 3.75, 3.85, 4.0, 4.0)
    for x in range(12):
        found = fed([False] * (250 - x) + [True] * x, 0.99, 250).value
        assert (found.multiplier_mar32, found.multiplier_basel_2_5) == (mar32[x], basel_2_5[x])
        assert found.zone == ("green" if x < 5 else "yellow" if x < 10 else "red")
    assert fed([False] * 243 + [True] * 6, 0.99, 250).value.multiplier_mar32 == traffic_light(6, 249).details["multiplier_mar32"]


@pytest.mark.parametrize("window", [1, 2, 40, 250, None])
def test_all_at_once_is_day_by_day_to_the_bit(window: int | None) -> None:
    confidences = [0.99, 0.95, 0.5, 0.99, 0.975, 0.99]
    series = simulated([0.01, 0.1, 0.9, 0.0, 1.0, 0.03], 320)
    table = rolling_backtests(series, confidences, window)
    for column, confidence in enumerate(confidences):
        test = RollingBacktest(confidence, window)
        for day in range(320):
            assert table.at(day, column) == test.update(series[day, column])


@given(HITS, WINDOWS, st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_a_restored_backtest_continues_with_the_same_bits(hits: list[bool], window: int | None, cut: int) -> None:
    first = fed(hits[:cut], 0.9, window)
    restored = RollingBacktest.from_state(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert (restored.value, restored.state()) == (first.value, first.state())
    for hit in hits[cut:]:
        restored.update(hit)
    whole = fed(hits, 0.9, window)
    assert (restored.value, restored.state()) == (whole.value, whole.state())


@given(HITS.flatmap(lambda hits: st.tuples(st.just(hits), st.permutations(hits))))
@settings(max_examples=60, deadline=None)
def test_the_order_of_days_matters_only_to_clusters(both: tuple[list[bool], list[bool]]) -> None:
    hits, shuffled = (fed(days, 0.9, 40).value for days in both)
    assert some(hits, OF_COUNTS) == some(shuffled, OF_COUNTS)


def test_clusters_are_seen_where_the_counts_are_the_same() -> None:
    alone = fed([day % 10 == 5 for day in range(100)], 0.9, 100).value
    together = fed([40 <= day < 50 for day in range(100)], 0.9, 100).value
    assert alone.kupiec_p == together.kupiec_p == 1.0
    assert alone.independence_p is not None
    assert together.independence_p is not None
    assert together.independence_p < 1e-6 < 0.05 < alone.independence_p


@given(HITS, HITS, CONFIDENCES)
@settings(max_examples=60, deadline=None)
def test_days_that_have_left_the_window_are_forgotten(before: list[bool], hits: list[bool], confidence: float) -> None:
    long, short = fed(before + hits, confidence, len(hits)).value, fed(hits, confidence, len(hits)).value
    assert some(long, OF_WINDOW) == some(short, OF_WINDOW)
    assert long.total == len(before) + len(hits)


@pytest.mark.parametrize("window", [7, 60])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_the_e_value_is_that_of_the_betting_test_with_the_best_bet_of_the_window(confidence: float, window: int) -> None:
    """Its bets are bisected to 1e-14, these have a closed form."""
    betting, rolling = BettingTest("var_too_small", confidence, window=window), RollingBacktest(confidence, window)
    for hit in simulated([0.15], 300)[:, 0]:
        evidence, found = betting.update(-3.0 if hit else 1.0, 2.0), rolling.update(hit)
        assert found.e_value == pytest.approx(evidence.e_value, rel=1e-9)


@pytest.mark.parametrize("window", [1, 3, None])
def test_the_e_value_is_a_fair_game(window: int | None) -> None:
    """Over all paths of eight days with the right probability the mean is one."""
    paths = np.array(list(product((False, True), repeat=8))).T
    table = rolling_backtests(paths, 0.75, window)
    chances = 0.25 ** paths.sum(axis=0) * 0.75 ** (~paths).sum(axis=0)
    assert table.e_value @ chances == pytest.approx(np.ones(8), abs=1e-12)


def test_looking_every_day_does_not_inflate_the_error_of_the_e_value_as_it_does_that_of_a_p_value() -> None:
    right = rolling_backtests(simulated([0.01] * 400, 1_000), 0.99, 250)
    wrong = rolling_backtests(simulated([0.04] * 400, 1_000, seed=2), 0.99, 250)
    assert (right.e_value.max(axis=0) >= 20.0).mean() <= 0.05
    assert (right.kupiec_p[250:].min(axis=0) < 0.05).mean() > 0.25
    assert (wrong.e_value.max(axis=0) >= 20.0).mean() > 0.9


def test_before_the_first_day_nothing_is_judged() -> None:
    found = RollingBacktest(0.99).value
    assert (found.observations, found.total, found.e_value, found.zone, found.status) == (0, 0, 1.0, "green", "no_days")
    assert found.kupiec_p is found.independence_p is found.conditional_p is found.days_since_exception is None


@pytest.mark.parametrize(
    ("hits", "status", "since"),
    [([True], "too_short", 0), ([False], "too_short", None), ([False] * 30, "no_exceptions", None), ([True] * 30, "all_exceptions", 0)],
)
def test_counts_that_say_nothing_of_clusters(hits: list[bool], status: str, since: int | None) -> None:
    found, table = fed(hits, 0.99, 20).value, rolling_backtests(np.array(hits)[:, None], 0.99, 20)
    assert (found.status, found.independence_p, found.days_since_exception) == (status, None, since)
    assert found.kupiec_p is not None
    assert not table.independence_known.any()
    assert (table.independence_p == 1.0).all()
    assert table.days_since_exception[-1, 0] == (-1 if since is None else since)


def test_nothing_is_ever_infinite_or_no_number() -> None:
    table = rolling_backtests(simulated([0.0, 0.01, 0.5, 1.0], 2_000), [0.99, 0.999, 0.9999, 0.99], 250)
    for field in fields(RollingTable):
        assert np.isfinite(getattr(table, field.name)).all(), field.name
    assert table.e_value[-1, 3] == np.finfo(np.float64).max
    json.dumps(asdict(table.at(1_999, 3)), allow_nan=False)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 99.0, float("nan")])
def test_a_confidence_outside_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(BacktestError, match="confidence"):
        RollingBacktest(confidence)
    with pytest.raises(BacktestError, match="confidence"):
        rolling_backtests([[0, 1]], [0.99, confidence])


@pytest.mark.parametrize("window", [0, -1, 2.5, True, "year"])
def test_a_window_that_is_no_number_of_days_is_refused(window: Any) -> None:
    with pytest.raises(BacktestError, match="window must be a whole number of days"):
        RollingBacktest(0.99, window)


@pytest.mark.parametrize("hit", [None, 2, float("nan"), "yes", [True]])
def test_a_day_that_is_neither_is_refused_and_changes_nothing(hit: Any) -> None:
    test = fed([False, True], 0.99, 250)
    before = test.state()
    with pytest.raises(BacktestError, match="hit must be True or False"):
        test.update(hit)
    assert test.state() == before


@pytest.mark.parametrize(
    ("hits", "confidences", "says"),
    [
        ([0, 1, 0], 0.99, "one series is hits"),
        (np.zeros((0, 3)), 0.99, "at least one of each"),
        ([[0, 1], [0, 2]], 0.99, "not 2.0 on day 1 of series 1"),
        ([[0.0, float("nan")]], 0.99, "on day 0 of series 1"),
        ([["no"]], 0.99, "must be numbers"),
        ([[0, 1]], [0.99, 0.95, 0.9], "one for each of 2 series"),
        ([[0, 1]], ["high", "low"], "confidences must be numbers"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused(hits: Any, confidences: Any, says: str) -> None:
    with pytest.raises(BacktestError, match=says):
        rolling_backtests(hits, confidences)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"places": [0, 1]},
        {"places": [7, 6, 9]},
        {"places": [6, 9, 10]},
        {"last": 6},
        {"last": None},
        {"total_exceptions": 9},
        {"total_exceptions": 2},
        {"total": -1},
        {"total": None},
        {"log_capital": float("inf")},
        {"window": 0},
        {"confidence": "high"},
    ],
)
def test_a_state_that_was_not_written_here_is_refused(change: dict[str, Any]) -> None:
    state = fed([day in (1, 6, 7, 9) for day in range(10)], 0.9, 5).state()
    assert state["places"] == [6, 7, 9]
    with pytest.raises(BacktestError):
        RollingBacktest.from_state({**state, **change})
    with pytest.raises(BacktestError, match="incomplete"):
        RollingBacktest.from_state({name: part for name, part in state.items() if name != "places"})


@pytest.mark.parametrize("last", [None, 0, 5, -1])
def test_a_last_exception_before_the_window_must_fit_it(last: int | None) -> None:
    """Two exceptions left the window of days 5 to 9: the later cannot be on day 0, nor inside."""
    state = fed([day in (1, 2) for day in range(10)], 0.9, 5).state()
    assert (state["places"], state["last"]) == ([], 2)
    assert RollingBacktest.from_state(state).value.days_since_exception == 7
    with pytest.raises(BacktestError, match="contradicts itself"):
        RollingBacktest.from_state({**state, "last": last})
