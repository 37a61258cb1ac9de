"""How long a position takes to sell at a share of traded volume, and value at risk while it is sold down.

P. Jorion, Value at Risk (3rd ed., 2006), ch. 13; K. Dowd, Measuring Market Risk (2nd ed., 2005), ch. 14.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from risk_core.liquidity.checks import Floats, check_same_positions, checked_matrix, checked_result, checked_vector
from risk_core.measures.checks import MeasureError


def liquidation_days(quantity: ArrayLike, average_daily_volume: ArrayLike, participation: ArrayLike) -> Floats:
    """Return the days that each position takes to sell: |quantity| / (participation * average daily volume).

    Parameters
    ----------
    quantity : float64[N]
        Shares or contracts, shorts negative.
    average_daily_volume : float64[N] or float
        In the same unit, per day, positive.
    participation : float64[N] or float
        Share of the volume that may be ours, in (0, 1].

    Returns
    -------
    float64[N]
        Trading days, not rounded; zero for no position.

    Raises
    ------
    MeasureError
        If lengths or labels disagree, a volume is not positive (the message names the position), or a participation lies outside (0, 1].

    Notes
    -----
    Dowd (2005), ch. 14, on liquidity horizons.
    """
    check_same_positions(quantity=quantity, average_daily_volume=average_daily_volume, participation=participation)
    size = np.abs(checked_vector(quantity, "quantity"))
    volume = checked_vector(
        average_daily_volume,
        "average_daily_volume",
        above=0.0,
        size=size.size,
        mend="what does not trade has no liquidation horizon from volume: give a proxy's volume, or set its horizon by hand",
    )
    share = checked_vector(participation, "participation", above=0.0, size=size.size, mend="give 0.1 for a tenth of the volume")
    bad = np.flatnonzero(share > 1.0)
    if bad.size:
        raise MeasureError(f"participation is {share[bad[0]]} at position {bad[0]}: at most 1, the whole volume; give 0.1 for a tenth")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return checked_result(size / (share * volume), "liquidation days")


def remaining_scale(remaining: ArrayLike) -> float:
    """Return the square root of the sum of squared remaining fractions: value at risk of a schedule over that of one full day.

    Parameters
    ----------
    remaining : float64[K]
        Fraction of the position held through each day, in [0, 1], the first day first: 1, 1/2 for halves sold at two closes.

    Raises
    ------
    MeasureError
        If it is empty, or a fraction is not finite or outside [0, 1].

    Notes
    -----
    Jorion (2006), ch. 13; independent days of equal volatility.
    """
    fraction = checked_vector(remaining, "remaining", least=0.0, mend="give fractions of the initial position")
    bad = np.flatnonzero(fraction > 1.0)
    if bad.size:
        raise MeasureError(f"remaining is {fraction[bad[0]]} at position {bad[0]}: at most 1; divide by the initial position")
    return float(np.sqrt(fraction @ fraction))


def liquidation_scale(days: ArrayLike) -> Floats:
    """Return value at risk of a position sold at a constant pace over value at risk of holding it one day.

    After k closes the fraction 1 - k / days is left. For a whole number n of days the sum of squared fractions is (1 + n) (1 + 2n) / (6n);
    between whole numbers it runs on smoothly, and up to one day it is 1. For many days it tends to days / 3.

    Parameters
    ----------
    days : float64[N]
        Time to sell, not negative, as from `liquidation_days`.

    Returns
    -------
    float64[N]
        At least 1, and at most sqrt(days) from one day on.

    Raises
    ------
    MeasureError
        If a number of days is negative or not finite.

    Notes
    -----
    Jorion (2006), ch. 13, and Dowd (2005), ch. 14: sqrt((1 + n) (1 + 2n) / (6n)).
    """
    time = np.maximum(checked_vector(days, "days", least=0.0), 1.0)
    scale: Floats = np.sqrt(_overlap(time, time))
    return scale


def horizon_value_at_risk(value_at_risk: ArrayLike, days: ArrayLike) -> Floats:
    """Return one day's value at risk of each position, scaled to its own linear liquidation.

    Parameters
    ----------
    value_at_risk : float64[N]
        Of one day, each position alone, with zero mean; losses positive, not negative.
    days : float64[N] or float
        Time to sell, as from `liquidation_days`.

    Returns
    -------
    float64[N]
        In currency. Their sum is an upper bound for the book; see `liquidation_covariance` for the book itself.

    Raises
    ------
    MeasureError
        If lengths or labels disagree, or a number is negative or not finite.

    Notes
    -----
    Jorion (2006), ch. 13; Dowd (2005), ch. 14.
    """
    check_same_positions(value_at_risk=value_at_risk, days=days)
    one_day = checked_vector(value_at_risk, "value_at_risk", least=0.0, mend="scaling a certain gain by time has no meaning here")
    return checked_result(one_day * liquidation_scale(checked_vector(days, "days", least=0.0, size=one_day.size)), "value at risk")


def liquidation_covariance(covariance: ArrayLike, days: ArrayLike) -> Floats:
    """Return the covariance matrix of each position's whole return while all are sold side by side at constant paces.

    Entry (i, j) is one day's covariance times the sum over days of the two remaining fractions. Given to `delta_normal` with the initial
    exposures it yields the book's value at risk during liquidation, with components that add up; a hedge that is sold sooner than what it
    hedges protects only while it is there.

    Parameters
    ----------
    covariance : float64[N, N]
        Of one day's returns, symmetric.
    days : float64[N] or float
        Time to sell each position, as from `liquidation_days`.

    Returns
    -------
    float64[N, N]
        Positive semi-definite where `covariance` is (Schur product theorem).

    Raises
    ------
    MeasureError
        If shapes disagree, the matrix is not finite or not symmetric, or a number of days is negative or not finite.

    Notes
    -----
    The sum of Jorion's (2006, ch. 13) daily variances, for several positions at once.
    """
    check_same_positions(covariance=covariance, days=days)
    sigma = checked_matrix(covariance, "covariance", column="column")
    if sigma.shape[0] != sigma.shape[1]:
        raise MeasureError(f"covariance must be a square matrix, not of shape {sigma.shape}")
    if not np.allclose(sigma, sigma.T, rtol=1e-10, atol=0.0):
        raise MeasureError("covariance is not symmetric")
    time = np.maximum(checked_vector(days, "days", least=0.0, size=sigma.shape[0]), 1.0)
    with np.errstate(over="ignore"):
        return checked_result(sigma * _overlap(time[:, None], time[None, :]), "covariance in liquidation")


def _overlap(one: Floats, two: Floats) -> Floats:
    """Return the sum of (1 - k / one) (1 - k / two) over the days k = 0, 1, ... on which both are held, for times of at least one day."""
    short, long = np.minimum(one, two), np.maximum(one, two)  # in this order the matrix is symmetric to the last bit
    n = np.ceil(short)
    overlap: Floats = n - 0.5 * (n - 1.0) * (n / short + n / long) + (n / short) * ((n - 1.0) / long) * (2.0 * n - 1.0) / 6.0
    return overlap
