"""Binomial test, Kupiec's two tests, detectable rates: scipy, enumeration, printed values, degenerate counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from risk_core.backtests import (
    BacktestError,
    Decision,
    binomial_test,
    kupiec_pof,
    kupiec_tuff,
    minimum_detectable_rate,
    pof_acceptance_region,
    rejection_probability,
)

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCES = st.sampled_from([0.9, 0.95, 0.975, 0.99])


@settings(max_examples=60, deadline=None)
@given(COUNTS, CONFIDENCES)
def test_binomial_test_is_scipys(counts: tuple[int, int], confidence: float) -> None:
    x, n = counts
    for side in ("two-sided", "greater", "less"):
        found = binomial_test(x, n, confidence, alternative=side)
        assert found.p_value_exact == pytest.approx(stats.binomtest(x, n, 1 - confidence, side).pvalue, rel=1e-8, abs=1e-14)
    law = stats.binom(n, 1 - confidence)
    score = (x - law.mean()) / law.std()
    assert binomial_test(x, n, confidence).statistic == pytest.approx(score)
    assert binomial_test(x, n, confidence).p_value == pytest.approx(2 * stats.norm.sf(abs(score)))
    assert binomial_test(x, n, confidence, alternative="greater").p_value == pytest.approx(stats.norm.sf(score))


@settings(max_examples=60, deadline=None)
@given(COUNTS, CONFIDENCES)
def test_pof_is_the_ratio_of_scipys_binomial_and_its_exact_law_the_sum(counts: tuple[int, int], confidence: float) -> None:
    x, n = counts
    law = stats.binom(n, 1 - confidence)
    every = np.arange(n + 1)
    ratios = 2 * (stats.binom.logpmf(every, n, every / n) - law.logpmf(every))
    found = kupiec_pof(x, n, confidence)
    assert found.statistic == pytest.approx(ratios[x], abs=1e-8)
    assert found.p_value == pytest.approx(stats.chi2.sf(ratios[x], 1), abs=1e-7)
    assert found.p_value_exact == pytest.approx(law.pmf(every)[ratios >= ratios[x] - 1e-7].sum(), abs=1e-9)
    up, down = (kupiec_pof(x, n, confidence, alternative=side) for side in ("greater", "less"))
    assert up.p_value is not None
    assert down.p_value is not None
    assert up.p_value + down.p_value == pytest.approx(1.0)
    assert up.p_value_exact == pytest.approx(law.sf(x - 1), abs=1e-12)


def test_no_exceptions_are_too_few_only_where_both_sides_count() -> None:
    """255 days at 99 %: ratio 5.13 rejects; the printed table of Kupiec has N < 7 because it is read from one side."""
    found = kupiec_pof(0, 255, 0.99)
    assert found.statistic == pytest.approx(5.1257, abs=1e-4)
    assert found.decision is Decision.REJECT
    assert found.direction == "too few"
    assert not kupiec_pof(0, 255, 0.99, alternative="greater").rejected
    assert pof_acceptance_region(255, 0.99) == (1, 6)
    assert pof_acceptance_region(510, 0.99) == (2, 10)  # Kupiec 1995, table: 1 < N < 11
    assert pof_acceptance_region(1000, 0.99) == (5, 16)  # 4 < N < 17
    exact = kupiec_pof(0, 255, 0.99, decide_by="exact")
    assert exact.p_value_exact is not None
    assert exact.p_value_exact > 0.05
    assert exact.decision is Decision.ACCEPT
    assert "opposite" in exact.reading


@pytest.mark.parametrize("confidence", [0.95, 0.99])
@pytest.mark.parametrize("day", [1, 2, 7, 58, 100, 300, 900])
def test_tuff_is_the_ratio_of_scipys_geometric(day: int, confidence: float) -> None:
    p = 1 - confidence
    days = np.arange(1, int(80 / p))
    ratios = 2 * (stats.geom.logpmf(days, 1 / days) - stats.geom.logpmf(days, p))
    found = kupiec_tuff(day, confidence)
    assert found.statistic == pytest.approx(ratios[day - 1], abs=1e-9)
    assert found.p_value_exact == pytest.approx(stats.geom.pmf(days, p)[ratios >= ratios[day - 1] - 1e-9].sum(), abs=1e-9)


def test_tuff_without_a_failure_waits_until_it_can_only_fail() -> None:
    assert kupiec_tuff(None, 0.99, observations=250).decision is Decision.NOT_APPLICABLE
    late = kupiec_tuff(None, 0.99, observations=438)
    assert (late.decision, late.status, late.details["first_failure"]) == (Decision.REJECT, "censored", 439)
    assert kupiec_tuff(None, 0.99, observations=437).status == "no_exceptions"  # Kupiec 1995: accepted for 6 <= T <= 438
    assert kupiec_tuff(6, 0.99).decision is Decision.REJECT
    assert kupiec_tuff(7, 0.99).decision is Decision.ACCEPT


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 1500), CONFIDENCES, st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_detectable_rate_is_the_root_of_the_power(n: int, confidence: float, power: float, level: float) -> None:
    found = minimum_detectable_rate(n, confidence, power=power, test_level=level)
    _, most = pof_acceptance_region(n, confidence, test_level=level)
    assert found is not None
    assert found == pytest.approx(optimize.brentq(lambda q: stats.binom.sf(most, n, q) - power, 1e-9, 1 - 1e-9), rel=1e-6)
    assert rejection_probability(n, confidence, found, test_level=level) >= power - 1e-9


def test_the_size_of_the_test_is_that_of_scipy() -> None:
    least, most = pof_acceptance_region(250, 0.99)
    law = stats.binom(250, 0.01)
    assert rejection_probability(250, 0.99, 0.01) == pytest.approx(law.cdf(least - 1) + law.sf(most))
    assert kupiec_pof(least, 250, 0.99).p_value > 0.05 > kupiec_pof(most + 1, 250, 0.99).p_value  # type: ignore[operator]


@pytest.mark.parametrize("test", [kupiec_pof, binomial_test])
@pytest.mark.parametrize(("x", "n"), [(0, 1), (1, 1), (0, 250), (250, 250), (1, 2)])
def test_degenerate_counts_have_finite_answers(test: object, x: int, n: int) -> None:
    found = test(x, n, 0.99)  # type: ignore[operator]
    assert np.isfinite([found.statistic, found.p_value, found.p_value_exact]).all()
    assert found.reading


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((3, 0, 0.99), "observations >= 1"),
        ((4, 3, 0.99), "cannot be"),
        ((-1, 3, 0.99), "cannot be"),
        ((1.5, 3, 0.99), "whole number"),
        ((1, 3, 99), "99 % is 0.99"),
        ((1, 3, float("nan")), "strictly between"),
    ],
)
def test_counts_that_cannot_be_are_refused(arguments: tuple[int, int, float], said: str) -> None:
    with pytest.raises(BacktestError, match=said):
        kupiec_pof(*arguments)


def test_a_first_failure_needs_a_day() -> None:
    for arguments in ({"first_failure": 0}, {"first_failure": None}, {"first_failure": 9, "observations": 8}):
        with pytest.raises(BacktestError):
            kupiec_tuff(confidence=0.99, **arguments)  # type: ignore[arg-type]
