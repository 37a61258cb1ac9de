"""Estimates and small formulas of the textbooks: covariance, partial moments, horizons, mapping, hedges, against numpy, pandas, skfolio."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
import skfolio.measures as skfolio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar

import risk_core as rc

SAMPLE = rc.Conventions(mean=rc.Mean.SAMPLE)
UNBIASED = rc.Conventions(mean=rc.Mean.SAMPLE, ddof=1)
MOVES = np.random.default_rng(3).standard_t(5, (4, 60)) * np.array([[0.01], [0.02], [0.03], [0.005]]) + 0.002


# --- covariance ---


@pytest.mark.parametrize("ddof", [0, 1])
def test_covariance_equals_numpy(ddof: int) -> None:
    conventions = UNBIASED if ddof else SAMPLE
    assert rc.weighted_covariance(MOVES, None, conventions) == pytest.approx(np.cov(MOVES, ddof=ddof), rel=1e-10)
    weights = np.linspace(1.0, 3.0, 60) / 120.0
    assert rc.weighted_covariance(MOVES, weights, conventions) == pytest.approx(np.cov(MOVES, aweights=weights, ddof=ddof), rel=1e-10)


def test_ewma_covariance_equals_pandas_and_the_recursion() -> None:
    theirs = pd.DataFrame(MOVES.T).ewm(alpha=0.06, adjust=True).cov(bias=True).iloc[-4:].to_numpy()
    assert rc.ewma_covariance_matrix(MOVES, 0.94, SAMPLE) == pytest.approx(theirs, rel=1e-9)
    running = np.zeros((4, 4))
    for day in MOVES.T:
        running = 0.94 * running + 0.06 * np.outer(day, day)
    zero = rc.Conventions(ewma_start=rc.EwmaStart.ZERO)
    assert rc.ewma_covariance_matrix(MOVES, 0.94, zero) == pytest.approx(running, rel=1e-12)
    assert rc.ewma_covariance_matrix(MOVES, 0.94) == pytest.approx(running / (1 - 0.94**60), rel=1e-12)


def test_covariance_gives_the_delta_normal_number_of_the_vector() -> None:
    exposure, weights = np.array([3.0, -1.0, 2.0, 0.5]), rc.exponential_weights(60, 0.97)[::-1]
    from_matrix = rc.delta_normal(exposure, rc.weighted_covariance(MOVES, weights), 0.99)
    from_vector = rc.attribute(exposure, MOVES, rc.normal_value_at_risk, 0.99, weights)
    assert from_matrix.value == pytest.approx(from_vector.total.value, rel=1e-12)
    assert from_matrix.component == pytest.approx(from_vector.component, rel=1e-10)


def test_volatilities_and_correlations_go_back() -> None:
    matrix = rc.weighted_covariance(MOVES, None, UNBIASED)
    volatility, correlation = rc.volatilities_and_correlations(matrix)
    assert rc.covariance_matrix(volatility, correlation) == pytest.approx(matrix, rel=1e-12)
    assert correlation == pytest.approx(np.corrcoef(MOVES), rel=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 0.999), st.sampled_from([SAMPLE, rc.Conventions()]))
def test_covariance_is_semidefinite_and_symmetric(seed: int, decay: float, conventions: rc.Conventions) -> None:
    moves = np.random.default_rng(seed).normal(size=(6, 4))
    matrix = rc.ewma_covariance_matrix(moves, decay, conventions)
    assert (matrix == matrix.T).all()
    assert rc.is_positive_semidefinite(matrix, 1e-12)


def test_an_instrument_that_never_moves_has_no_variance() -> None:
    still = np.vstack([MOVES[0], np.full(60, 0.1)])
    assert rc.weighted_covariance(still, None, SAMPLE)[1].tolist() == [0.0, 0.0]


# --- partial moments ---


def test_partial_moments_equal_skfolio_and_the_integral_of_the_normal() -> None:
    """skfolio's own functions; and on an even sample of a normal the closed forms sqrt(2 / pi) and half the variance."""
    pnl, weights = MOVES[0], np.linspace(0.5, 2.0, 60) / np.linspace(0.5, 2.0, 60).sum()
    for w in (None, weights):
        for target in (None, 0.001):
            theirs = {"sample_weight": w, "min_acceptable_return": target}
            assert rc.mean_absolute_deviation(pnl, w, about=target) == pytest.approx(
                skfolio.mean_absolute_deviation(pnl, **theirs), rel=1e-12
            )
            assert rc.lower_partial_moment(pnl, w, target=target) == pytest.approx(
                skfolio.first_lower_partial_moment(pnl, **theirs), rel=1e-12
            )
    even = 3.0 * stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert rc.mean_absolute_deviation(even) == pytest.approx(3.0 * sqrt(2 / np.pi), rel=1e-4)
    assert rc.lower_partial_moment(even, order=2.0) == pytest.approx(4.5, rel=1e-3)
    assert rc.lower_partial_moment(even, order=2.0) ** 0.5 == pytest.approx(rc.semi_deviation(even), rel=1e-12)
    assert rc.lower_partial_moment([5.0], target=5.0) == rc.mean_absolute_deviation(np.full(4, 0.1)) == 0.0


# --- horizons, mapping, hedges ---


@given(st.integers(1, 40), st.floats(-0.9, 0.9))
@settings(max_examples=50, deadline=None)
def test_horizon_scale_is_the_sum_of_the_autocorrelation_matrix(days: int, rho: float) -> None:
    lag = np.abs(np.subtract.outer(np.arange(days), np.arange(days)))
    assert rc.horizon_scale(days, rho) == pytest.approx(sqrt((float(rho) ** lag).sum()), rel=1e-9)


@given(st.floats(0.01, 10.0), st.floats(0.01, 10.0), st.floats(-1.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=300, deadline=None)
def test_mapping_keeps_the_volatility(left: float, right: float, rho: float, between: float) -> None:
    target = min(max(left + (right - left) * between, min(left, right)), max(left, right))
    share = rc.mapping_share(left, right, rho, target)
    assert 0.0 <= share <= 1.0
    if left != right:
        variance = rc.delta_normal([share, 1 - share], rc.covariance_matrix([left, right], rho), 0.99).volatility ** 2
        assert variance == pytest.approx(target**2, abs=1e-9 * max(left, right) ** 2)


def test_best_hedge_is_the_numerical_minimum() -> None:
    exposure, covariance = np.array([2.0, -1.0, 3.0]), rc.covariance_matrix([0.1, 0.2, 0.3], 0.4)
    hedge = rc.best_hedge(exposure, covariance)
    for j in range(3):

        def left(trade: float, j: int = j) -> float:
            return float(rc.delta_normal(exposure + trade * (np.arange(3) == j), covariance, 0.99).value)

        assert minimize_scalar(left, bracket=(-10.0, 10.0), tol=1e-10).x == pytest.approx(hedge[j], abs=1e-4)


def test_ewma_days_leave_the_tolerance() -> None:
    for decay, tolerance in ((0.94, 0.01), (0.99, 0.5)):
        days = rc.ewma_days(decay, tolerance)
        assert (1 - rc.exponential_weights(5000, decay)[: int(days)].sum() > tolerance) or days == int(days)
        assert 1 - rc.exponential_weights(5000, decay)[: int(days) + 1].sum() < tolerance
