"""Liquidity horizons (MAR33.4): the cascade, its closed forms and its laws."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.measures import expected_shortfall
from risk_core.regulation import HORIZON_DAYS, liquidity_horizon_shortfall

Floats = NDArray[np.float64]

SCENARIOS = 80
"""Of which the worst two are the tail of 97.5 %."""
books = st.dictionaries(
    st.sampled_from(HORIZON_DAYS), hnp.arrays(np.float64, SCENARIOS, elements=st.integers(-1000, 1000).map(float)), min_size=1
)


def cascade(pnl: Mapping[int, Floats], **chosen: str) -> float:
    return liquidity_horizon_shortfall(pnl, **{"subsets": "own", "base": "ten_days", **chosen}).value


def vector(*worst: float) -> Floats:
    """Return P&L whose tail mean is that of the two numbers given, and nothing else."""
    return np.concatenate([worst, np.zeros(SCENARIOS - len(worst))])


@pytest.mark.parametrize("days", HORIZON_DAYS)
def test_factors_of_one_horizon_scale_with_its_root(days: int) -> None:
    """All nested sets up to that horizon are the whole book: the steps add up to the horizon."""
    found = liquidity_horizon_shortfall({days: vector(-30.0, -10.0)}, subsets="own", base="ten_days")
    assert found.value == pytest.approx(20.0 * sqrt(days / 10))
    assert found.base.tolist() == [20.0 if horizon <= days else 0.0 for horizon in HORIZON_DAYS]


def test_by_hand() -> None:
    """Losses of 100 (10 days), 40 (20) and 20 (60) in the same scenarios: ES of the nested sets is 160, 60, 20, 20 and 0."""
    pnl = {10: vector(-100.0, -100.0), 20: vector(-40.0, -40.0), 60: vector(-20.0, -20.0)}
    found = liquidity_horizon_shortfall(pnl, subsets="own", base="ten_days")
    assert found.base.tolist() == [160.0, 60.0, 20.0, 20.0, 0.0]
    assert found.terms == pytest.approx([160.0, 60.0, 20.0 * sqrt(2), 20.0 * sqrt(2), 0.0])
    assert found.value == pytest.approx(sqrt(160.0**2 + 60.0**2 + 2 * 800.0))


def test_independent_normal_factors_have_variance_times_horizon() -> None:
    """ES of a normal law is z sigma, so ES^2 is z^2 sum_h sigma_h^2 h / 10: checked on scenarios with exact covariance."""
    rng = np.random.default_rng(5)
    raw = rng.standard_normal((200_000, 5))
    white = (raw - raw.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    sigma = np.array([3.0, 1.0, 2.0, 0.5, 1.5])
    found = cascade({days: s * x for days, s, x in zip(HORIZON_DAYS, sigma, white.T, strict=True)})
    assert found == pytest.approx(2.33780 * sqrt(sigma**2 @ np.array(HORIZON_DAYS) / 10), rel=0.01)


def test_nested_vectors_are_taken_as_they_are() -> None:
    """Of a revalued book the parts do not add up to the whole: given nested, nothing is added."""
    nested = {10: vector(-50.0, -50.0), 40: vector(-80.0, -80.0)}
    found = liquidity_horizon_shortfall(nested, subsets="nested", base="ten_days")
    assert found.base.tolist() == [50.0, 80.0, 80.0, 0.0, 0.0]
    assert cascade(nested, subsets="nested") < cascade(nested)


@settings(max_examples=60, deadline=None)
@given(books)
def test_own_vectors_nest_by_addition(pnl: dict[int, Floats]) -> None:
    whole: dict[int, Floats] = {d: sum((v for h, v in pnl.items() if h >= d), np.zeros(SCENARIOS)) for d in HORIZON_DAYS}
    assert cascade(pnl) == pytest.approx(cascade(whole, subsets="nested"), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(books, st.sampled_from([0.5, 2.0, 1024.0]))
def test_homogeneous_and_never_below_plain_shortfall(pnl: dict[int, Floats], factor: float) -> None:
    found = cascade(pnl)
    assert cascade({h: factor * v for h, v in pnl.items()}) == factor * found
    assert found >= expected_shortfall(sum(pnl.values(), np.zeros(SCENARIOS)), 0.975).value - 1e-9


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, SCENARIOS, elements=st.floats(-1e6, 1e6)))
def test_a_longer_horizon_never_costs_less(pnl: Floats) -> None:
    found = [cascade({days: pnl}) for days in HORIZON_DAYS]
    assert found == sorted(found)


def test_one_day_profit_and_loss_is_scaled_by_the_root_of_ten() -> None:
    pnl = {10: vector(-3.0, -1.0), 120: vector(-1.0, -1.0)}
    assert cascade(pnl, base="one_day_scaled") == pytest.approx(sqrt(10) * cascade(pnl))


def test_a_set_that_only_gains_counts_as_zero() -> None:
    """Squared it would add to the loss of the others."""
    pnl = {10: vector(-30.0, -30.0), 20: np.full(SCENARIOS, 5.0)}
    found = liquidity_horizon_shortfall(pnl, subsets="own", base="ten_days")
    assert found.base.tolist() == [25.0, -5.0, 0.0, 0.0, 0.0]
    assert found.value == 25.0


def test_few_scenarios_are_said() -> None:
    found = liquidity_horizon_shortfall({10: np.arange(20.0)}, subsets="own", base="ten_days")
    assert found.status == "thin_tail"
    assert "0.5 of 20" in found.reason
