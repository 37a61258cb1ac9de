"""What returns were like in each regime."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures import maximum_drawdown, value_at_risk
from risk_core.regimes.checks import RegimeError, checked_matrix, numbers

Floats = NDArray[np.float64]

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RegimeStatistics:
    """One regime. None where it has too little to say so.

    Parameters
    ----------
    label : str
    days : float
        Expected days: the sum of the probabilities.
    share : float
        Of all days.
    mean_return, volatility : float or None
        Of a day, weighted with the probabilities; the volatility about that mean, without a correction of degrees of freedom.
    sharpe : float or None
        Mean over volatility times the square root of `periods_per_year`; the risk-free rate is zero.
    drawdown : float or None
        Greatest fall from a peak of the running sum of the returns of the days that belong to the regime, one after another (a loss,
        positive; the unit of the returns).
    value_at_risk : float or None
        Of a day: order statistic weighted with the probabilities, a loss, positive.
    """

    label: str
    days: float
    share: float
    mean_return: float | None
    volatility: float | None
    sharpe: float | None
    drawdown: float | None
    value_at_risk: float | None


def regime_statistics(
    returns: ArrayLike,
    probabilities: ArrayLike,
    labels: tuple[str, ...] = (),
    *,
    confidence: float = 0.99,
    periods_per_year: float = 252.0,
) -> tuple[RegimeStatistics, ...]:
    """Return statistics of each regime.

    Parameters
    ----------
    returns : float64[T]
        Of one portfolio or index, oldest first, gains positive.
    probabilities : float64[T, K]
        Of each day's regime, rows summing to one: smoothed for a description of the past, filtered for what was known; or ones and zeros
        of a path. A day belongs to its likeliest regime where that matters (drawdown).
    labels : tuple of str
        "state 0", ... if not given.
    confidence : float
        Of value at risk, such as 0.99.
    periods_per_year : float

    Raises
    ------
    RegimeError
        For shapes that do not fit, NaN, or rows that do not sum to one.
    MeasureError
        For a confidence outside (0, 1).
    """
    series, chances = checked_matrix(returns, "returns"), numbers(probabilities, "probabilities")
    if series.shape[1] != 1:
        raise RegimeError(f"returns must be one series, not of shape {series.shape}: take the index or the portfolio")
    if chances.ndim != 2 or len(chances) != len(series):
        raise RegimeError(f"probabilities must have the shape ({len(series)}, K), not {chances.shape}")
    if not ((chances >= 0.0).all() and (np.abs(chances.sum(axis=1) - 1.0) <= _TOLERANCE).all()):
        raise RegimeError("probabilities must not be negative, and each row must sum to one")
    if not 0.0 < periods_per_year < np.inf:
        raise RegimeError(f"periods_per_year must be positive, not {periods_per_year!r}")
    names = labels or tuple(f"state {k}" for k in range(chances.shape[1]))
    if len(names) != chances.shape[1]:
        raise RegimeError(f"{len(names)} labels for {chances.shape[1]} regimes")
    y, likeliest = series[:, 0], np.argmax(chances, axis=1)
    return tuple(_one(name, y, chances[:, k], likeliest == k, confidence, periods_per_year) for k, name in enumerate(names))


def _one(label: str, y: Floats, weight: Floats, own: NDArray[np.bool_], confidence: float, periods: float) -> RegimeStatistics:
    days = float(weight.sum())
    if days < 1.0:
        return RegimeStatistics(label, days, days / len(y), None, None, None, None, None)
    share = weight / days
    mean = float(share @ y)
    volatility = sqrt(float(share @ (y - mean) ** 2))
    fall = float(maximum_drawdown(y[own], "uncompounded").value) if own.any() else None
    risk = float(value_at_risk(y, confidence, share).value)
    sharpe = mean / volatility * sqrt(periods) if volatility > 1e-12 * abs(mean) and volatility > 0.0 else None
    return RegimeStatistics(label, days, days / len(y), mean, volatility, sharpe, fall, risk)
