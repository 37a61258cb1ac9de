"""Christoffersen's tests and their exact laws against enumeration of every sequence; Haas's sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.backtests import (
    BacktestError,
    Decision,
    christoffersen_conditional_coverage,
    christoffersen_conditional_coverage_counts,
    christoffersen_independence,
    christoffersen_independence_counts,
    exact_conditional_coverage_p_value,
    exact_independence_p_value,
    exact_independence_p_value_given_count,
    gaps,
    haas_tbf,
    haas_tbfi,
    kupiec_pof,
    kupiec_tuff,
    transition_counts,
)
from tests.unit.backtests.brute_force import every_sequence, independence, pof, tail

SERIES = st.lists(st.integers(0, 1), min_size=2, max_size=60)


@pytest.mark.parametrize("n", [2, 3, 7, 14])
@pytest.mark.parametrize("p", [0.01, 0.3])
def test_exact_laws_equal_enumeration(n: int, p: float) -> None:
    sequences = every_sequence(n)
    x = np.array([sum(s) for s in sequences])
    probability = p**x * (1 - p) ** (n - x)
    alone = np.array([independence(s) for s in sequences])
    both = alone + np.array([pof(s, p) for s in sequences])
    for i in np.random.default_rng(1).integers(0, len(sequences), 12):
        assert exact_independence_p_value(alone[i], n, p) == pytest.approx(tail(alone, probability, alone[i]), abs=1e-11)
        assert exact_conditional_coverage_p_value(both[i], n, p) == pytest.approx(tail(both, probability, both[i]), abs=1e-11)
        same = x == x[i]
        given_count = np.mean(alone[same] >= alone[i] - 1e-9)
        assert exact_independence_p_value_given_count(alone[i], n, int(x[i])) == pytest.approx(given_count, abs=1e-11)


def test_the_exact_law_at_250_days_is_that_of_simulation() -> None:
    hits = np.random.default_rng(2).random((4000, 250)) < 0.05
    ratios = [christoffersen_conditional_coverage(h, 0.95).statistic for h in hits]
    for level in (1.0, 3.0, 6.0):
        exact = exact_conditional_coverage_p_value(level, 250, 0.05)
        error = np.sqrt(exact * (1 - exact) / 4000)
        assert np.mean(np.array(ratios) >= level) == pytest.approx(exact, abs=4 * error)


@settings(max_examples=80, deadline=None)
@given(SERIES, st.sampled_from([0.7, 0.95, 0.99]))
def test_statistics_are_those_of_the_definition(series: list[int], confidence: float) -> None:
    p = 1 - confidence
    both = christoffersen_conditional_coverage(series, confidence)
    assert both.statistic == pytest.approx(pof(tuple(series), p) + independence(tuple(series)), abs=1e-9)
    assert both.p_value == pytest.approx(stats.chi2.sf(both.statistic, 2), abs=1e-12)
    c = transition_counts(series)
    again = christoffersen_conditional_coverage_counts(sum(series), len(series), c.n00, c.n10, c.n01, c.n11, confidence)
    assert again == both
    alone = christoffersen_independence(series, confidence)
    if 0 < sum(series) < len(series):
        assert alone.statistic == pytest.approx(independence(tuple(series)), abs=1e-9)
        counted = christoffersen_independence_counts(c.n00, c.n10, c.n01, c.n11, confidence)
        assert counted.decision is Decision.NOT_APPLICABLE or counted.statistic == alone.statistic
    else:
        assert alone.decision is Decision.NOT_APPLICABLE


@settings(max_examples=40, deadline=None)
@given(SERIES)
def test_turning_time_around_changes_nothing_but_the_names(series: list[int]) -> None:
    """Transitions 01 and 10 change places: the ratio of a two-state chain may change, the exact law may not; POF is blind to order."""
    forward, backward = (christoffersen_conditional_coverage(s, 0.9) for s in (series, series[::-1]))
    assert forward.details["ratio_pof"] == backward.details["ratio_pof"]
    assert (forward.details["n01"], forward.details["n11"]) == (backward.details["n10"], backward.details["n11"])


def test_clusters_are_found_and_said() -> None:
    hits = np.zeros(500, int)
    hits[[100, 101, 102, 103, 300, 301, 302]] = 1
    found = christoffersen_independence(hits)
    assert found.decision is Decision.REJECT
    assert found.direction == "clustered"
    assert found.p_value_exact is not None
    assert found.p_value_exact < 1e-6
    assert christoffersen_independence(hits[::-1]).rejected


@pytest.mark.parametrize(
    ("hits", "status"), [([0] * 50, "no_exceptions"), ([1] * 50, "all_exceptions"), ([0], "too_short"), ([1], "too_short")]
)
def test_series_that_cannot_show_dependence(hits: list[int], status: str) -> None:
    alone, both = christoffersen_independence(hits), christoffersen_conditional_coverage(hits, 0.99)
    assert (alone.decision, alone.status, alone.p_value) == (Decision.NOT_APPLICABLE, status, None)
    assert both.status == status
    assert both.statistic == pytest.approx(kupiec_pof(sum(hits), len(hits), 0.99).statistic)
    assert "not applicable" in alone.reading


@pytest.mark.parametrize("hits", [[], [[0, 1]], [0, 2], [0, float("nan")], ["a"]])
def test_what_is_no_exception_series_is_refused(hits: list[object]) -> None:
    with pytest.raises(BacktestError):
        christoffersen_independence(hits)


@pytest.mark.parametrize("counts", [(1, -1, 0, 0), (1, 0, 2, 0), (0, 0, 0, 0), (1.5, 0, 0, 0)])
def test_transitions_of_no_sequence_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(BacktestError):
        christoffersen_independence_counts(*counts)
    with pytest.raises(BacktestError):
        christoffersen_conditional_coverage_counts(3, 10, 8, 1, 1, 0, 0.99)


@settings(max_examples=60, deadline=None)
@given(SERIES.filter(any), st.sampled_from([0.7, 0.95, 0.99]))
def test_haas_is_the_sum_of_the_tuff_ratios_and_pof(series: list[int], confidence: float) -> None:
    spacing, mixed = haas_tbfi(series, confidence, simulations=0), haas_tbf(series, confidence, simulations=0)
    parts = [kupiec_tuff(int(gap), confidence).statistic for gap in gaps(series)]
    ratio = kupiec_pof(sum(series), len(series), confidence).statistic
    assert spacing.statistic == pytest.approx(sum(parts))  # type: ignore[arg-type]
    assert mixed.statistic == pytest.approx(sum(parts) + ratio)  # type: ignore[arg-type, operator]
    assert spacing.p_value == pytest.approx(stats.chi2.sf(sum(parts), sum(series)), abs=1e-12)  # type: ignore[arg-type]
    assert mixed.details["degrees_of_freedom"] == sum(series) + 1
    assert spacing.p_value_exact is None
    assert spacing.details["p_value_exact_reason"]


def test_haas_simulated_p_values_are_of_the_right_size_and_repeat() -> None:
    hits = np.random.default_rng(3).random((400, 250)) < 0.05
    for test in (haas_tbf, haas_tbfi):
        found = [test(h, 0.95) for h in hits]
        assert found[0] == test(hits[0], 0.95)
        share = np.mean([f.p_value_exact <= 0.1 for f in found])  # type: ignore[operator]
        assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 400))
    first, second = (haas_tbf(hits[0], 0.95, seed=seed).p_value_exact for seed in (0, 1))
    assert first != second
    assert first == pytest.approx(second, abs=0.1)


def test_haas_without_exceptions_asks_the_other_tests() -> None:
    assert haas_tbfi([0] * 250, 0.99).decision is Decision.NOT_APPLICABLE
    mixed = haas_tbf([0] * 250, 0.99)  # POF rejects at 250 days
    assert (mixed.decision, mixed.status, mixed.statistic) == (Decision.REJECT, "no_exceptions", None)
    assert haas_tbf([0] * 100, 0.99).decision is Decision.NOT_APPLICABLE
    assert haas_tbfi([0] * 500, 0.99).statistic == kupiec_tuff(501, 0.99).statistic
