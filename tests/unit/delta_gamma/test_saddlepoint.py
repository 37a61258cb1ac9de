"""Saddlepoint against the exact law, its limit at the mean, and the laws it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.delta_gamma import (
    DeltaGamma,
    DeltaGammaStatus,
    exact_expected_shortfall,
    exact_tail_probability,
    exact_value_at_risk,
    saddlepoint_expected_shortfall,
    saddlepoint_tail_probability,
    saddlepoint_value_at_risk,
)
from risk_core.measures import normal_closed_form
from tests.unit.delta_gamma.books import random_book, scaled


def test_ore_quadratic_form_within_one_percent() -> None:
    """Case ore-saddlepoint-delta-gamma-exact: 3317448.3, which ORE asks of its saddlepoint within 1 %."""
    value = saddlepoint_value_at_risk(DeltaGamma([0.0], [[1e6]], [[1.0]]).reversed, 0.99).value
    assert value == pytest.approx(3317448.3, rel=0.01)
    assert value == pytest.approx(3334431.2, rel=1e-6)  # what the formula itself gives: 0.51 % too much


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.999])
@pytest.mark.parametrize(("size", "bound"), [(3, 0.12), (10, 0.1), (100, 0.008)])
def test_near_the_exact_law(size: int, bound: float, confidence: float) -> None:
    """Errors in standard deviations of the P&L; the more independent terms, the smaller."""
    for seed in range(8):
        book = random_book(size, seed, 1.0 / size**0.5)
        sd = book.standard_deviation
        value, shortfall = saddlepoint_value_at_risk(book, confidence).value, saddlepoint_expected_shortfall(book, confidence).value
        assert value == pytest.approx(exact_value_at_risk(book, confidence).value, abs=bound * sd)
        assert shortfall == pytest.approx(exact_expected_shortfall(book, confidence).value, abs=bound * sd)


def test_without_gamma_it_is_exact() -> None:
    book = DeltaGamma([3.0, -1.0], np.zeros(2), [[0.04, 0.01], [0.01, 0.09]], 0.02)
    normal = normal_closed_form(0.02, book.standard_deviation, 0.99)
    assert saddlepoint_value_at_risk(book, 0.99).value == pytest.approx(normal.value_at_risk, rel=1e-12)
    assert saddlepoint_expected_shortfall(book, 0.99).value == pytest.approx(normal.expected_shortfall, rel=1e-9)
    assert saddlepoint_value_at_risk(book, 0.5).value == pytest.approx(normal_closed_form(0.02, 1.0, 0.5).value_at_risk, abs=1e-12)


def test_the_mean_is_a_removable_singularity() -> None:
    """The limit is 1/2 - skewness / (6 sqrt(2 pi)), and the tail is smooth through it."""
    book = DeltaGamma([1.0, 0.5], [0.4, -0.9], np.eye(2))
    mean, sd = -book.expected_pnl, book.standard_deviation
    limit = 0.5 + book.skewness / (6.0 * np.sqrt(2.0 * np.pi))
    assert saddlepoint_tail_probability(book, mean) == pytest.approx(limit, abs=1e-8)
    steps = np.array([-1e-2, -1e-3, -3e-4, -1e-4, -1e-5, 0.0, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2])
    tails = np.array([saddlepoint_tail_probability(book, mean + k * sd) for k in steps])
    slopes = np.diff(tails) / np.diff(steps)
    assert slopes == pytest.approx(np.full(10, slopes.mean()), rel=0.02)
    assert saddlepoint_value_at_risk(book, 1.0 - round(limit, 12)).value == pytest.approx(mean, abs=1e-6)


def test_tail_probability_at_and_beyond_the_ends() -> None:
    book = DeltaGamma(np.zeros(2), [-2.0, -2.0], np.eye(2))
    for loss in (0.01, 1.0, 9.0, 60.0):
        assert saddlepoint_tail_probability(book, loss) == pytest.approx(stats.chi2.sf(loss, 2), rel=0.05)
    assert (saddlepoint_tail_probability(book, -0.1), saddlepoint_tail_probability(book.reversed, 0.1)) == (1.0, 0.0)
    still = DeltaGamma([0.0], [0.0], [[1.0]], -1.0)
    assert (saddlepoint_tail_probability(still, 0.5), saddlepoint_tail_probability(still, 1.0)) == (1.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10**6), st.floats(0.01, 100.0), st.floats(-5.0, 5.0), st.sampled_from([0.5, 0.9, 0.99, 0.9999]))
def test_homogeneous_translated_and_ordered(size: int, seed: int, factor: float, cash: float, confidence: float) -> None:
    book = random_book(size, seed)
    value = saddlepoint_value_at_risk(book, confidence).value
    slack = 1e-7 * (book.standard_deviation + abs(book.expected_pnl) + abs(cash))
    assert saddlepoint_value_at_risk(scaled(book, factor), confidence).value == pytest.approx(factor * value, abs=factor * slack)
    richer = DeltaGamma(book.delta, book.gamma, book.covariance, book.theta + cash, book.mean)
    assert saddlepoint_value_at_risk(richer, confidence).value == pytest.approx(value - cash, abs=slack)
    assert saddlepoint_expected_shortfall(book, confidence).value >= value - slack
    assert saddlepoint_tail_probability(book, value) == pytest.approx(1.0 - confidence, rel=1e-6)


def test_a_short_tail_is_its_weak_side() -> None:
    """The long gamma of one factor loses at most 0: relative error 23 %, of a number that is nearly nothing."""
    book = DeltaGamma([0.0], [[1e4]], [[1.0]])
    exact, near = exact_value_at_risk(book, 0.99).value, saddlepoint_value_at_risk(book, 0.99).value
    assert near / exact == pytest.approx(0.772, abs=1e-3)
    assert abs(near - exact) < 1e-4 * book.standard_deviation
    assert exact_tail_probability(book, near) == pytest.approx(0.0088, abs=1e-4)


def test_constant_books() -> None:
    still = DeltaGamma([0.0], [0.0], [[1.0]], -1.0)
    for measured in (saddlepoint_value_at_risk(still, 0.99), saddlepoint_expected_shortfall(still, 0.99)):
        assert (measured.value, measured.status) == (1.0, DeltaGammaStatus.CONSTANT)
