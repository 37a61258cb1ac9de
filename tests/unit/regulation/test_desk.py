"""Desks: exceptions (MAR32.18, 32.19), the P&L attribution test (MAR32.34 to 32.42), and the decision from both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import ks_2samp, spearmanr

from risk_core.regulation import (
    DeskBacktest,
    Outliers,
    attribution_zone,
    count_outliers,
    desk_backtest,
    desk_decision,
    pnl_attribution,
)

Floats = NDArray[np.float64]
DAYS = 250
NAN = float("nan")


def losses(count: int, size: float) -> Floats:
    pnl = np.ones(DAYS)
    pnl[:count] = -size
    return pnl


@pytest.mark.parametrize(("at_99", "at_975", "eligible"), [(12, 30, True), (13, 30, False), (12, 31, False), (0, 31, False), (0, 0, True)])
def test_limits_of_exceptions(at_99: int, at_975: int, eligible: bool) -> None:
    """More than 12 at 99 %, or more than 30 at 97.5 % end it (published case mar32-18-desk-exceptions)."""
    pnl = losses(at_975, 1.5)
    pnl[:at_99] = -3.0
    found = desk_backtest(pnl, np.ones(DAYS), 2.0, 1.0)
    assert (found.at_99.count, found.at_975.count, found.eligible) == (at_99, at_975, eligible)


def test_the_greater_of_actual_and_hypothetical_counts_not_their_union() -> None:
    actual, hypothetical = losses(3, 3.0), losses(5, 3.0)[::-1]
    found = count_outliers(actual, hypothetical, 2.0)
    assert (found.actual, found.hypothetical, found.count) == (3, 5, 5)


def test_what_is_missing_is_an_exception() -> None:
    actual, hypothetical, limit = losses(1, 3.0), losses(0, 3.0), np.full(DAYS, 2.0)
    actual[5], limit[0], limit[7] = NAN, NAN, NAN
    found = count_outliers(actual, hypothetical, limit)
    assert (found.actual, found.actual_missing) == (3, 3)  # day 0 lacks VaR, so its loss cannot be judged
    assert (found.hypothetical, found.hypothetical_missing) == (2, 2)


def test_a_loss_of_exactly_value_at_risk_is_none() -> None:
    assert count_outliers(losses(4, 2.0), losses(0, 0.0), 2.0).count == 0


def test_only_the_newest_days_count() -> None:
    longer = np.concatenate([np.full(40, -3.0), losses(2, 3.0)])
    assert count_outliers(longer, longer, 2.0).count == 2


def test_published_p_values_of_the_thresholds() -> None:
    """MAR32.42: distances of 0.09 and 0.12 have p-values of 0.264 and 0.055 (published case mar32-pla-ks-pvalues).

    250 days can be 22 or 23 apart, not 22.5: the printed p-value lies between theirs.
    """
    days = np.arange(float(DAYS))
    found = {k: pnl_attribution(days + k, days, shared_pricer=False) for k in (22, 23, 30)}
    assert found[30].distance == 0.12
    assert found[30].p_value == pytest.approx(0.055, abs=1e-3)
    assert found[22].p_value > 0.264 > found[23].p_value


@pytest.mark.parametrize(
    ("correlation", "distance", "zone"),
    [
        (0.81, 0.089, "green"),
        (0.80, 0.05, "amber"),
        (0.90, 0.09, "amber"),
        (0.90, 0.12, "amber"),
        (0.70, 0.05, "amber"),
        (0.6999, 0.05, "red"),
        (0.99, 0.1201, "red"),
        (0.10, 0.50, "red"),
        (None, 0.01, "amber"),
        (None, 0.13, "red"),
    ],
)
def test_zones(correlation: float | None, distance: float, zone: str) -> None:
    assert attribution_zone(correlation, distance).value == zone


@pytest.mark.parametrize(("shift", "zone"), [(0, "green"), (22, "green"), (23, "amber"), (30, "amber"), (31, "red")])
def test_a_shift_of_k_days_is_a_distance_of_k_in_250(shift: int, zone: str) -> None:
    desk = np.random.default_rng(1).permutation(DAYS).astype(float)
    found = pnl_attribution(desk + shift, desk, shared_pricer=False)
    assert (found.correlation, found.distance, found.zone.value) == (1.0, shift / DAYS, zone)


def test_opposite_profit_and_loss_is_red() -> None:
    desk = np.arange(DAYS) - 124.5
    found = pnl_attribution(-desk, desk, shared_pricer=False)
    assert (found.correlation, found.distance, found.zone.value) == (-1.0, 0.0, "red")


@settings(max_examples=60, deadline=None)
@given(*(hnp.arrays(np.float64, 40, elements=st.integers(-6, 6).map(float)) for _ in range(2)))
def test_statistics_are_scipys_ties_included(one: Floats, other: Floats) -> None:
    found = pnl_attribution(one, other, shared_pricer=False, days=40)
    assert found.distance == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        assert found.correlation is None
        assert "never moves" in found.reason
    else:
        assert found.correlation == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
        assert found.reason == ""


@settings(max_examples=40, deadline=None)
@given(*(hnp.arrays(np.float64, 40, elements=st.integers(-50, 50).map(float)) for _ in range(2)), st.sampled_from([0.25, 8.0]))
def test_the_unit_of_profit_and_loss_does_not_matter(one: Floats, other: Floats, factor: float) -> None:
    found = pnl_attribution(one, other, shared_pricer=False, days=40)
    assert pnl_attribution(factor * one, factor * other, shared_pricer=False, days=40) == found
    swapped = pnl_attribution(other, one, shared_pricer=False, days=40)
    assert (swapped.correlation, swapped.distance, swapped.zone) == (found.correlation, found.distance, found.zone)


def test_a_shared_pricer_is_no_evidence() -> None:
    desk = np.random.default_rng(2).standard_normal(DAYS)
    found = pnl_attribution(desk, desk, shared_pricer=True)
    assert found.zone == "not_applicable"
    assert (found.correlation, found.distance) == (1.0, 0.0)
    assert "share a pricer" in found.reason
    assert pnl_attribution(desk, desk, shared_pricer=False).zone == "green"


def backtest(eligible: bool) -> DeskBacktest:
    none = Outliers(0, 0, 0, 0)
    return DeskBacktest(none if eligible else Outliers(13, 0, 0, 0), none, eligible)


@pytest.mark.parametrize(
    ("eligible", "zone", "previously", "approach"),
    [
        (True, "green", None, "models"),
        (True, "amber", None, "models_with_surcharge"),
        (True, "amber", "models", "models_with_surcharge"),
        (True, "red", "models", "standardised"),
        (False, "green", "models", "standardised"),
        (False, "not_applicable", None, "standardised"),
        (True, "not_applicable", "models", "undecided"),
        (True, "green", "standardised", "models"),
        (True, "amber", "standardised", "standardised"),
        (True, "not_applicable", "standardised", "standardised"),
        (True, "green", "models_with_surcharge", "models"),
    ],
)
def test_decision(eligible: bool, zone: str, previously: str | None, approach: str) -> None:
    found = desk_decision(backtest(eligible), zone, previously=previously)
    assert found.approach.value == approach
    assert f"P&L attribution: {zone}" in found.reasons
