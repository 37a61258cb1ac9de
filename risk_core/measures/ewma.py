"""One step of exponentially weighted second moments: new = decay * old + (1 - decay) * product of the newest returns."""

from __future__ import annotations

from math import sqrt

from risk_core.measures.checks import MeasureError


def ewma_variance(previous: float, newest: float, decay: float) -> float:
    """Return decay * previous + (1 - decay) * newest², with `previous` a variance and `newest` a return."""
    return ewma_covariance(previous, newest, newest, decay)


def ewma_covariance(previous: float, newest_x: float, newest_y: float, decay: float) -> float:
    """Return decay * previous + (1 - decay) * newest_x * newest_y."""
    if not 0.0 < decay < 1.0:
        raise MeasureError(f"decay must lie strictly between 0 and 1, not {decay!r}")
    return decay * previous + (1.0 - decay) * newest_x * newest_y


def ewma_correlation(previous: float, volatility_x: float, volatility_y: float, newest_x: float, newest_y: float, decay: float) -> float:
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
