"""Correlations of the days after tomorrow.

The correlation is not linear in Q, so its expectation has no closed form: two approximations of R. Engle and K. Sheppard, "Theoretical and
empirical properties of dynamic conditional correlation multivariate GARCH", NBER working paper 8554 (2001).
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from risk_core.correlation.targets import correlation_of
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]


class ForecastMethod(StrEnum):
    """What is taken to return to its target linearly."""

    CORRELATION = "correlation"
    """R: each correlation returns at the rate alpha + beta to that of the target (less biased in Engle and Sheppard's simulations)."""
    QUASI = "quasi"
    """Q, which is then scaled to a unit diagonal."""


def correlation_forecast(
    q: Floats, target: Floats, persistence: float, days: int, method: ForecastMethod | str = ForecastMethod.CORRELATION
) -> Floats:
    """Return expected correlations of each of the next days, float64[days, N, N], tomorrow first; convex sums, so positive semidefinite.

    Parameters
    ----------
    q, target : float64[N, N]
        Q of tomorrow (its upper triangle) and S.
    persistence : float
        alpha + beta. Joint losses n n' are expected at their target M, so that gamma drops out after tomorrow.
    days : int
    method : ForecastMethod or str

    Raises
    ------
    MeasureError
        Unless days >= 1 and the method is known.
    """
    if days < 1:
        raise MeasureError(f"a forecast needs at least one day, not {days!r}")
    if method not in list(ForecastMethod):
        raise MeasureError(f"unknown method {method!r}; choose one of {', '.join(ForecastMethod)}")
    full = np.triu(q) + np.triu(q, 1).T
    left = persistence ** np.arange(days)
    if method == ForecastMethod.CORRELATION:
        now, then = correlation_of(full), correlation_of(target)
        return np.asarray(then + left[:, None, None] * (now - then))
    return np.array([correlation_of(target + share * (full - target)) for share in left])
