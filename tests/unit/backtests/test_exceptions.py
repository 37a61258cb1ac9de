"""Exception series: strictness, missing days, warm-up, counts; what results say."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.backtests import (
    BacktestError,
    DecideBy,
    Decision,
    TestResult,
    coverage_tests,
    exception_series,
    gaps,
    kupiec_pof,
    transition_counts,
)
from risk_core.backtests.result import judge, not_applicable

NAN = float("nan")


def test_a_loss_of_exactly_var_is_an_exception_only_where_ties_count() -> None:
    pnl, forecast = [-1.0, -2.0, -3.0, 5.0], [2.0, 2.0, 2.0, -6.0]
    assert exception_series(pnl, forecast).hits.tolist() == [False, False, True, True]
    assert exception_series(pnl, forecast, ties="inclusive").hits.tolist() == [False, True, True, True]


def test_missing_days_count_after_warm_up() -> None:
    pnl, forecast = [-9.0, 1.0, NAN, 1.0, -9.0, 1.0], [NAN, NAN, 2.0, NAN, 2.0, 2.0]
    found = exception_series(pnl, forecast)
    assert found.hits.tolist() == [True, True, True, False]
    assert found.missing.tolist() == [True, True, False, False]
    assert found.days.tolist() == [2, 3, 4, 5]
    assert np.asarray(found, np.float64).tolist() == [1.0, 1.0, 1.0, 0.0]
    assert (found.exceptions, found.missing_count, found.observations, len(found)) == (3, 2, 4, 4)
    dropped = exception_series(pnl, forecast, missing="drop")
    assert (dropped.hits.tolist(), dropped.days.tolist()) == ([True, False], [4, 5])
    assert exception_series(pnl, forecast, warm_up=0).exceptions == 5
    assert exception_series(pnl, forecast, warm_up=4).missing_count == 0
    with pytest.raises(BacktestError, match="first at position 2"):
        exception_series(pnl, forecast, missing="error")


@pytest.mark.parametrize(
    ("pnl", "forecast", "said"),
    [
        ([1.0, 2.0], [1.0], "align"),
        ([], [], "at least one day"),
        ([float("inf")], [1.0], "infinite at position 0"),
        ([1.0], [float("-inf")], "infinite"),
        ([1.0, 2.0], [NAN, NAN], "no day is left"),
        ([[1.0]], 1.0, "one dimension"),
        (["a"], 1.0, "numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(pnl: list[float], forecast: list[float], said: str) -> None:
    with pytest.raises(BacktestError, match=said):
        exception_series(pnl, forecast)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-5, 5)), min_size=1, max_size=50), st.floats(0.1, 100))
def test_exceptions_do_not_depend_on_the_unit(days: list[tuple[float, float]], unit: float) -> None:
    pnl, forecast = map(np.array, zip(*days, strict=True))
    hits = exception_series(pnl, forecast).hits
    near = np.abs(pnl + forecast) < 1e-9
    assert ((exception_series(unit * pnl, unit * forecast).hits == hits) | near).all()
    counts = transition_counts(hits)
    assert counts.n00 + counts.n01 + counts.n10 + counts.n11 == len(days) - 1
    waits = gaps(hits)
    assert waits.size == hits.sum()
    assert (np.cumsum(waits) - 1).tolist() == np.flatnonzero(hits).tolist()


def test_a_result_is_plain_and_says_what_it_found() -> None:
    found = kupiec_pof(9, 250, 0.99)
    assert (found.decision, found.direction, found.exceptions, found.expected_exceptions) == (Decision.REJECT, "too many", 9, 2.5)
    assert found.reading == (
        "Kupiec proportion of failures: 9 exceptions in 250 days, 2.5 expected (too many). The hypothesis that losses exceed VaR on "
        "1 % of days is rejected at the 95 % level (p = 0.0014, exact = 0.0011)."
    )
    assert "only a true rate of 3.608 % or more" in kupiec_pof(3, 250, 0.99).reading
    assert pickle.loads(pickle.dumps(found)) == found
    assert type(found.p_value) is float


def test_decisions_follow_the_p_value_that_was_asked_for() -> None:
    options = {"p_value_exact": 0.06, "observations": 10}
    assert judge("T", 1.0, 0.04, **options).rejected  # type: ignore[arg-type]
    exact = judge("T", 1.0, 0.04, decide_by="exact", **options)  # type: ignore[arg-type]
    assert (exact.decision, exact.decided_by) == (Decision.ACCEPT, DecideBy.EXACT)
    assert "asymptotic p-value says the opposite" in exact.reading
    assert judge("T", 1.0, 0.04, decide_by="exact", observations=10).decided_by is DecideBy.ASYMPTOTIC
    assert judge("T", 1.0, None, **options).decided_by is DecideBy.EXACT  # type: ignore[arg-type]
    assert not judge("T", 1.0, 0.04, test_level=0.99, observations=10).rejected


def test_results_hold_no_number_that_is_none() -> None:
    for bad in ({"statistic": NAN}, {"p_value": 1.1}, {"p_value_exact": float("inf")}, {"details": {"a": NAN}}, {"status": "thin"}):
        with pytest.raises(BacktestError):
            TestResult(**{"name": "T", "statistic": 1.0, "p_value": 0.5, **bad})  # type: ignore[arg-type]
    with pytest.raises(BacktestError, match="no p-value"):
        judge("T", 1.0, None, observations=3)
    nothing = not_applicable("T", "too_short", "one day is no series", observations=1)
    assert (nothing.decision, nothing.p_value, nothing.reading) == (
        Decision.NOT_APPLICABLE,
        None,
        "T: not applicable. One day is no series.",
    )


@pytest.mark.parametrize("hits", [np.zeros(300), np.ones(300), [1], [0], np.eye(1, 300, 150)[0]])
def test_the_whole_catalogue_answers_for_every_degenerate_series(hits: list[int]) -> None:
    found = coverage_tests(hits, 0.99, value_at_risk=np.ones(len(hits)), simulations=99)
    assert len(found) == 11
    for result in found.values():
        assert result.reading
        assert (result.decision is Decision.NOT_APPLICABLE) <= bool(result.reason)


def test_the_catalogue_gives_the_single_tests() -> None:
    hits = np.random.default_rng(0).random(250) < 0.04
    found = coverage_tests(hits, 0.95)
    assert found["pof"] == kupiec_pof(int(hits.sum()), 250, 0.95)
    assert coverage_tests(hits, 0.95) == found
