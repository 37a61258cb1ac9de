from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.measures import MeasureError
from risk_core.methods import Measure
from risk_core.tail_intervals import tail_intervals
from risk_core.tails import TAILS
from risk_core.uncertainty import IntervalStatus, group_jackknife

Floats = np.ndarray


def mean(pnl: Floats, weights: Floats) -> list[float]:
    return [float(weights @ pnl)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 200))
def test_leaving_out_single_days_gives_the_textbook_error_of_a_mean(seed: int, count: int) -> None:
    pnl = np.random.default_rng(seed).standard_normal(count)
    (interval,) = group_jackknife(mean, pnl, np.full(count, 1.0 / count), [float(pnl.mean())], groups=count)
    assert interval.standard_error == pytest.approx(pnl.std(ddof=1) / count**0.5, rel=1e-9)


def test_blocks_see_the_dependence_that_single_days_miss() -> None:
    shocks = np.random.default_rng(2).standard_normal(4_000)
    pnl = np.convolve(shocks, np.full(10, 1.0), "valid")
    weights = np.full(len(pnl), 1.0 / len(pnl))
    blocks, days = (group_jackknife(mean, pnl, weights, mean(pnl, weights), groups=g)[0].standard_error for g in (20, len(pnl)))
    truth = 10.0 / len(pnl) ** 0.5
    assert blocks == pytest.approx(truth, rel=0.35)
    assert days is not None
    assert days < 0.4 * truth


@pytest.mark.parametrize(
    ("measure", "least", "most"),
    [(Measure.STUDENT_T, 0.8, 1.25), (Measure.PEAKS, 0.7, 1.3), (Measure.SMOOTH, 0.8, 1.8), (Measure.CORNISH_FISHER, 0.2, 0.9)],
)
def test_stored_errors_are_the_spread_of_the_estimates(measure: Measure, least: float, most: float) -> None:
    """Student t(5), 500 days, 0.99, 60 samples. Cornish-Fisher's are too small, as its page says."""
    rng, weights = np.random.default_rng(3), np.full(500, 1.0 / 500)
    values, errors = [], []
    for _ in range(60):
        pnl = rng.standard_t(5, 500)
        tail = TAILS[measure](pnl, weights)
        numbers = [(tail.value_at_risk(0.99), tail.expected_shortfall(0.99))]
        ((var, _),) = tail_intervals(measure, pnl, weights, (0.99,), numbers)
        assert var.standard_error is not None
        assert var.contains(numbers[0][0].value)
        values.append(numbers[0][0].value)
        errors.append(var.standard_error)
    assert least < np.mean(errors) / np.std(values) < most


def test_where_there_is_no_error_it_says_why() -> None:
    constant = group_jackknife(mean, np.full(50, 3.0), np.full(50, 0.02), [3.0])[0]
    assert (constant.status, constant.standard_error) == (IntervalStatus.UNKNOWN, None)
    assert "whatever is left out" in constant.reason
    one_day = np.zeros(50)
    one_day[7] = 1.0
    assert "nothing" in group_jackknife(mean, np.arange(50.0), one_day, [7.0])[0].reason

    def broken(pnl: Floats, weights: Floats) -> list[float]:
        raise ValueError("too few")

    assert "without block 1 of 10: too few" in group_jackknife(broken, np.arange(50.0), np.full(50, 0.02), [1.0])[0].reason
    assert group_jackknife(mean, np.array([1.0]), np.array([1.0]), [1.0])[0].status is IntervalStatus.UNKNOWN
    with pytest.raises(MeasureError, match="level"):
        group_jackknife(mean, np.arange(50.0), np.full(50, 0.02), [1.0], level=95.0)


@pytest.mark.parametrize(
    "measure", [Measure.EMPIRICAL, Measure.NORMAL, Measure.RISKMETRICS_2006, Measure.SMOOTH, Measure.STUDENT_T], ids=str
)
def test_a_lower_level_is_a_narrower_interval(measure: Measure) -> None:
    pnl, weights = np.random.default_rng(4).standard_t(5, 500), np.full(500, 1.0 / 500)
    tail = TAILS[measure](pnl, weights)
    numbers = [(tail.value_at_risk(0.95), tail.expected_shortfall(0.95))]
    wide, narrow = (tail_intervals(measure, pnl, weights, (0.95,), numbers, level)[0] for level in (0.95, 0.5))
    for one, other in zip(wide, narrow, strict=True):
        assert (one.level, other.level) == (0.95, 0.5)
        assert one.width is not None
        assert other.width is not None
        assert other.width < one.width
