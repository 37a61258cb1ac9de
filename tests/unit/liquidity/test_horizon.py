"""Liquidation horizons and value at risk in liquidation, against sums over days and simulation."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.liquidity import (
    LinearImpact,
    Liquidation,
    execution_cost,
    horizon_value_at_risk,
    linear_holdings,
    liquidation_covariance,
    liquidation_days,
    liquidation_scale,
    remaining_scale,
)
from risk_core.measures import covariance_matrix, delta_normal

times = st.floats(0.0, 300.0)


def remaining(days: float) -> list[float]:
    """Return what is held through each day, counted one day at a time."""
    days = max(days, 1.0)
    return [1.0 - k / days for k in range(ceil(days))]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 38, 250])
def test_textbook_closed_form(n: int) -> None:
    """Dowd (2005), ch. 14: sqrt((1 + n) (1 + 2n) / (6n)); ten days are as risky as 3.85 days held in full."""
    closed = np.sqrt((1 + n) * (1 + 2 * n) / (6 * n))
    assert liquidation_scale([n]) == pytest.approx([closed])
    assert remaining_scale([k / n for k in range(n, 0, -1)]) == pytest.approx(closed)
    assert liquidation_scale([10.0]) ** 2 == pytest.approx([3.85])


@settings(max_examples=80, deadline=None)
@given(one=times, two=times)
def test_scale_is_the_sum_over_days_and_rises(one: float, two: float) -> None:
    low, high = sorted([one, two])
    assert liquidation_scale([low, high]) == pytest.approx([remaining_scale(remaining(low)), remaining_scale(remaining(high))])
    scale = liquidation_scale([low, high])
    assert 1.0 <= scale[0] <= scale[1] * (1.0 + 1e-14)
    assert scale[1] <= np.sqrt(max(high, 1.0)) * (1.0 + 1e-14)


def test_scale_has_no_step_at_whole_days() -> None:
    for n in (1.0, 2.0, 7.0, 100.0):
        around = liquidation_scale([n * (1.0 - 1e-9), n, n * (1.0 + 1e-9)])
        assert around == pytest.approx([around[1]] * 3, rel=1e-8)


def test_long_liquidations_tend_to_a_third() -> None:
    assert liquidation_scale([1e6]) ** 2 == pytest.approx([1e6 / 3.0], rel=1e-5)


def test_scale_counts_one_day_more_than_almgren_and_chriss() -> None:
    """They sell at the start of each interval, this scale at its end: the difference is one day of the whole position."""
    order = Liquidation(1.0, 8.0, 8, LinearImpact(1.0, 0.0, 1.0))
    assert liquidation_scale([8.0])[0] ** 2 - execution_cost(order, linear_holdings(order)).variance == pytest.approx(1.0)


def test_days_by_hand() -> None:
    days = liquidation_days([1_000_000, -30_000, 0, 500], [2_000_000, 100_000, 10, 50_000], [0.25, 0.1, 0.1, 1.0])
    assert days == pytest.approx([2.0, 3.0, 0.0, 0.01])


def test_value_at_risk_is_scaled_position_by_position() -> None:
    assert horizon_value_at_risk([100.0, 100.0, 0.0], [0.2, 2.0, 9.0]) == pytest.approx([100.0, 100.0 * np.sqrt(1.25), 0.0])


@settings(max_examples=60, deadline=None)
@given(one=times, two=times)
def test_overlap_is_the_sum_over_common_days(one: float, two: float) -> None:
    days = np.array([one, two])
    covariance = liquidation_covariance(np.ones((2, 2)), days)
    common = sum(a * b for a, b in zip(remaining(one), remaining(two), strict=False))
    assert covariance[0, 1] == pytest.approx(common)
    assert covariance[0, 1] == covariance[1, 0]
    assert np.diag(covariance) == pytest.approx(liquidation_scale(days) ** 2)


def test_book_in_liquidation_agrees_with_simulation() -> None:
    rng = np.random.default_rng(2)
    exposure, days = np.array([3e6, -2e6, 1e6]), np.array([4.5, 1.0, 7.0])
    daily = covariance_matrix([0.01, 0.02, 0.015], 0.6)
    book = delta_normal(exposure, liquidation_covariance(daily, days), 0.99)
    fractions = np.array([(remaining(d) + [0.0] * 7)[:7] for d in days])
    returns = rng.multivariate_normal(np.zeros(3), daily, (40_000, 7))
    pnl = np.einsum("sdn,nd,n->s", returns, fractions, exposure)
    assert pnl.std() == pytest.approx(book.volatility, rel=0.02)
    assert book.component.sum() == pytest.approx(book.value)
    assert book.standalone == pytest.approx(horizon_value_at_risk(delta_normal(exposure, daily, 0.99).standalone, days))


def test_a_hedge_sold_first_protects_less() -> None:
    daily = covariance_matrix([0.01, 0.01], 0.95)
    together, apart = (delta_normal([1e6, -1e6], liquidation_covariance(daily, d), 0.99).value for d in ([10.0, 10.0], [10.0, 1.0]))
    assert apart > 2.0 * together
