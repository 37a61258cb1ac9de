"""Exponentially weighted second moments of returns (RiskMetrics): new = decay * old + (1 - decay) * product of the newest returns.

J. P. Morgan/Reuters, RiskMetrics Technical Document (1996), ch. 5; J. Hull, Risk Management and Financial Institutions, ch. 10 and 11.
"""

from __future__ import annotations

from enum import StrEnum
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import ConventionError
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.scenarios.weights import RISKMETRICS_DECAY


class EwmaSeed(StrEnum):
    """The variance before the first return."""

    SAMPLE = "sample"
    """The sample variance of the whole series about its mean (quarks, with ddof 1): looks ahead, so for reports only."""
    FIRST = "first"
    """The square of the first return (Hull)."""
    ZERO = "zero"
    """Zero: a weighted sum with weights (1 - decay) decay**age."""


def ewma_variance(previous: float, newest: float, decay: float = RISKMETRICS_DECAY) -> float:
    """Return decay * previous + (1 - decay) * newest², with `previous` a variance and `newest` a return."""
    return ewma_covariance(previous, newest, newest, decay)


def ewma_covariance(previous: float, newest_x: float, newest_y: float, decay: float = RISKMETRICS_DECAY) -> float:
    """Return decay * previous + (1 - decay) * newest_x * newest_y."""
    _check(decay)
    return decay * previous + (1.0 - decay) * newest_x * newest_y


def ewma_correlation(
    previous: float, volatility_x: float, volatility_y: float, newest_x: float, newest_y: float, decay: float = RISKMETRICS_DECAY
) -> float:
    """Return the correlation after one step.

    Parameters
    ----------
    previous : float
        Correlation before.
    volatility_x, volatility_y : float
        Standard deviations before, for one period.
    newest_x, newest_y : float
        Returns of the period.
    decay : float
        In (0, 1).

    Raises
    ------
    MeasureError
        If a variance becomes zero: there is no correlation then.
    """
    covariance = ewma_covariance(previous * volatility_x * volatility_y, newest_x, newest_y, decay)
    variance = ewma_variance(volatility_x**2, newest_x, decay) * ewma_variance(volatility_y**2, newest_y, decay)
    if variance <= 0.0:
        raise MeasureError("a series without variance has no correlation")
    return covariance / sqrt(variance)


def ewma_variances(
    returns: ArrayLike, decay: float = RISKMETRICS_DECAY, start: EwmaSeed | str | float = EwmaSeed.SAMPLE, ddof: int = 1
) -> NDArray[np.float64]:
    """Return the variance before each return and after the last: float64[T + 1], oldest first.

    Parameters
    ----------
    returns : float64[T]
        Oldest first.
    decay : float
        In (0, 1).
    start : EwmaSeed, str or float
        Element 0: a rule by name, or the variance itself.
    ddof : int
        Of start "sample".

    Returns
    -------
    float64[T + 1]
        Element t forecasts return t from the returns before it; the last one forecasts the next period.
    """
    _check(decay)
    series = checked_pnl(returns, "returns")
    path = np.empty(series.size + 1)
    path[0] = _seed(series, start, ddof)
    for t, r in enumerate(series):
        path[t + 1] = decay * path[t] + (1.0 - decay) * r * r
    return path


def ewma_days(decay: float = RISKMETRICS_DECAY, tolerance: float = 0.01) -> float:
    """Return the number of days after which the weights still to come sum to `tolerance`: log(tolerance) / log(decay).

    Parameters
    ----------
    decay : float
        In (0, 1).
    tolerance : float
        Share of the weight left out, in (0, 1). 0.5 gives the half-life.

    Returns
    -------
    float
        Not rounded.

    Raises
    ------
    MeasureError
        For a decay or tolerance outside (0, 1).

    Notes
    -----
    J. P. Morgan/Reuters, RiskMetrics Technical Document (1996), sec. 5.3, on the effective number of days.
    """
    _check(decay)
    if not 0.0 < tolerance < 1.0:
        raise MeasureError(f"tolerance must lie strictly between 0 and 1, such as 0.01, not {tolerance!r}")
    return log(tolerance) / log(decay)


def _seed(series: NDArray[np.float64], start: EwmaSeed | str | float, ddof: int) -> float:
    if not isinstance(start, str):
        if not 0.0 <= start < np.inf:
            raise MeasureError(f"a start variance must be finite and not negative, not {start!r}")
        return float(start)
    if start not in list(EwmaSeed):
        raise ConventionError(f"unknown start {start!r}; choose one of {', '.join(EwmaSeed)}, or give the variance")
    if start == EwmaSeed.SAMPLE:
        if series.size <= ddof:
            raise MeasureError(f"{series.size} returns leave no degree of freedom for a sample variance with ddof {ddof}")
        return float(np.var(series, ddof=ddof))
    return float(series[0] ** 2) if start == EwmaSeed.FIRST else 0.0


def _check(decay: float) -> None:
    if not 0.0 < decay < 1.0:
        raise MeasureError(f"decay must lie strictly between 0 and 1, not {decay!r}")
