"""Spread cost and liquidity-adjusted value at risk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.liquidity import (
    ReturnConvention,
    liquidity_adjusted_value_at_risk,
    price_value_at_risk,
    relative_spread,
    spread_cost,
    spread_moments,
)
from risk_core.measures import covariance_matrix, delta_normal, lognormal_closed_form

Floats = NDArray[np.float64]

SIZE = 4
values = hnp.arrays(np.float64, SIZE, elements=st.floats(-1e9, 1e9))
moments = hnp.arrays(np.float64, SIZE, elements=st.floats(0.0, 0.5))
multipliers = st.floats(0.0, 6.0)


def test_published_stressed_cost_of_two_positions() -> None:
    """FRM question on stressed liquidity cost (leetquiz.com Q3946): 72m and 47m at 2.326 standard deviations cost 3,531,536."""
    cost = spread_cost([72e6, 47e6], [0.0181, 0.0281], [0.0143, 0.0187], multiplier=2.326)
    assert cost.sum() == pytest.approx(3_531_536, abs=1.0)


def test_published_constant_spread() -> None:
    """Kaplan (2018), topic 52 after Dowd (2005), ch. 14: 100 at 2% a day and a spread of 1% gives an LVaR of 3.80 at 95%."""
    price = price_value_at_risk(100.0, 0.02, quantile=1.65, returns=ReturnConvention.ARITHMETIC)
    adjusted = liquidity_adjusted_value_at_risk(price, spread_cost(100.0, 0.01, 0.0, multiplier=0.0))
    assert adjusted.value == pytest.approx(3.80)
    assert (adjusted.price_value_at_risk, adjusted.cost) == pytest.approx((3.30, 0.50))


def test_history_gives_the_textbook_moments() -> None:
    bid, ask = np.array([[99.0, 98.0, 99.5]]), np.array([[101.0, 102.0, 100.5]])
    history = relative_spread(bid, ask)
    assert history == pytest.approx(np.array([[0.02, 0.04, 0.01]]))
    population, sample = spread_moments(history, ddof=0), spread_moments(history[0], ddof=1)
    assert population.mean == sample.mean == pytest.approx([0.07 / 3])
    squares = (0.02 - 0.07 / 3) ** 2 + (0.04 - 0.07 / 3) ** 2 + (0.01 - 0.07 / 3) ** 2
    assert population.standard_deviation**2 == pytest.approx([squares / 3])
    assert sample.standard_deviation**2 == pytest.approx([squares / 2])


@settings(max_examples=60, deadline=None)
@given(value=values, mean=moments, deviation=moments, multiplier=multipliers, factor=st.sampled_from([-4.0, -1.0, 0.0, 0.5, 8.0]))
def test_cost_is_homogeneous_and_the_same_for_shorts(
    value: Floats, mean: Floats, deviation: Floats, multiplier: float, factor: float
) -> None:
    cost = spread_cost(value, mean, deviation, multiplier=multiplier)
    assert (cost >= 0.0).all()
    assert spread_cost(factor * value, mean, deviation, multiplier=multiplier) == pytest.approx(abs(factor) * cost)


@settings(max_examples=60, deadline=None)
@given(value=values, mean=moments, deviation=moments, low=multipliers, high=multipliers)
def test_cost_rises_with_the_multiplier(value: Floats, mean: Floats, deviation: Floats, low: float, high: float) -> None:
    low, high = sorted([low, high])
    mild, severe = (spread_cost(value, mean, deviation, multiplier=k) for k in (low, high))
    assert (mild <= severe * (1.0 + 1e-15)).all()


@settings(max_examples=60, deadline=None)
@given(value=values, mean=moments, deviation=moments, multiplier=multipliers, price=values)
def test_the_book_is_the_sum_of_its_positions(value: Floats, mean: Floats, deviation: Floats, multiplier: float, price: Floats) -> None:
    cost = spread_cost(value, mean, deviation, multiplier=multiplier)
    alone = [spread_cost(v, m, s, multiplier=multiplier)[0] for v, m, s in zip(value, mean, deviation, strict=True)]
    assert cost == pytest.approx(alone, rel=1e-15)
    book = liquidity_adjusted_value_at_risk(price, cost)
    scale = 1.0 + np.abs(price).sum() + cost.sum()
    assert abs(book.component.sum() - book.value) <= 1e-12 * scale
    assert abs(book.price_value_at_risk + book.cost - book.value) <= 1e-12 * scale


def test_delta_normal_components_make_an_lvar_that_adds_up() -> None:
    exposure = np.array([4e6, -2e6, 1e6])
    measured = delta_normal(exposure, covariance_matrix([0.01, 0.02, 0.03], 0.9), 0.99)
    cost = spread_cost(exposure, [0.001, 0.004, 0.01], [0.0005, 0.002, 0.02], multiplier=3.0)
    book = liquidity_adjusted_value_at_risk(measured.component, cost)
    assert book.value == pytest.approx(measured.value + cost.sum())
    assert book.component.sum() == pytest.approx(book.value)
    assert book.price_component[1] < 0.0 < book.cost_component[1]  # a hedge still pays its spread


def test_log_returns_agree_with_the_lognormal_closed_form() -> None:
    closed = lognormal_closed_form(1e6, 0.001, 0.05, 0.99)
    assert price_value_at_risk(1e6, 0.05, 0.99, mean=0.001, returns=ReturnConvention.LOG) == pytest.approx([closed.value_at_risk])


@pytest.mark.parametrize("returns", ReturnConvention)
@pytest.mark.parametrize("value", [1e6, -1e6])
def test_price_risk_is_a_quantile_of_simulated_losses(returns: ReturnConvention, value: float) -> None:
    draws = np.random.default_rng(11).normal(0.002, 0.1, 400_000)
    moves = np.expm1(draws) if returns is ReturnConvention.LOG else draws
    simulated = np.quantile(-value * moves, 0.95)
    assert price_value_at_risk(value, 0.1, 0.95, mean=0.002, returns=returns) == pytest.approx([simulated], rel=0.01)


def test_conventions_agree_for_small_moves_and_bracket_each_other() -> None:
    arithmetic, log = (price_value_at_risk([1e6, -1e6], 0.2, quantile=2.33, returns=kind) for kind in ReturnConvention)
    assert log[0] < arithmetic[0] == arithmetic[1] < log[1]
    assert log[0] < 1e6  # a long position never loses more than its value
    small = [price_value_at_risk(1e6, 1e-6, quantile=2.33, returns=kind)[0] for kind in ReturnConvention]
    assert small[0] == pytest.approx(small[1], rel=1e-5)
