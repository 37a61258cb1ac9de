"""The model-building (delta-normal) approach on exposures and a covariance matrix, with its decomposition.

J. Hull, Risk Management and Financial Institutions, ch. 15; P. Jorion, Value at Risk, ch. 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError, checked_scalar
from risk_core.measures.closed_form import normal_point
from risk_core.methods import normal_density

Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # a correlation may be this far outside its range


@dataclass(frozen=True, slots=True, eq=False)
class DeltaNormal:
    """Delta-normal value at risk of a portfolio and its parts, losses positive.

    `value` is value at risk over the horizon; `volatility` the standard deviation of its P&L, and `expected_shortfall` that of the same
    normal law. `component` sums to `value` (Euler). `incremental` is value minus the value without that position, and does not sum.
    """

    value: float
    expected_shortfall: float
    volatility: float
    standalone: Floats
    marginal: Floats
    component: Floats
    incremental: Floats

    @property
    def diversification_benefit(self) -> float:
        """Sum of standalone values minus the portfolio's."""
        return float(self.standalone.sum()) - self.value


def parametric_value_at_risk(
    exposure: float, volatility: float, confidence: float | None = None, *, quantile: float | None = None, horizon_days: float = 1.0
) -> float:
    """Return z * |exposure| * volatility * sqrt(horizon).

    Parameters
    ----------
    exposure : float
        In currency; its sign does not matter to a symmetric law.
    volatility : float
        Standard deviation of one day's return.
    confidence : float, optional
        In [0.5, 1). Give this or `quantile`, not both.
    quantile : float, optional
        The normal quantile itself, for textbooks that round it (1.65, 2.33).
    horizon_days : float
        Scaled by its square root: independent days. With an annual volatility give years: 10 / 252.

    Raises
    ------
    MeasureError
        For numbers that are not finite, a negative volatility, a horizon that is not positive, or both or neither of confidence and
        quantile.
    ConventionError
        For an impossible confidence.
    """
    amount, sigma = checked_scalar(exposure, "exposure"), checked_scalar(volatility, "volatility", least=0.0)
    return normal_point(confidence, quantile)[0] * abs(amount) * sigma * _root(horizon_days)


def horizon_scale(days: int, autocorrelation: float = 0.0) -> float:
    """Return the standard deviation of a sum of days over that of one: sqrt(days) where days are independent.

    The variance is days + 2 sum of (days - k) rho^k over k = 1 ... days - 1: days follow a first-order autoregression.

    Parameters
    ----------
    days : int
        At least 1.
    autocorrelation : float
        rho of successive days, in (-1, 1).

    Raises
    ------
    MeasureError
        For a number of days that is not whole or not positive, or an autocorrelation outside (-1, 1).

    Notes
    -----
    J. Hull, Risk Management and Financial Institutions, ch. on value at risk; P. Jorion, Value at Risk, ch. 4.
    """
    if isinstance(days, bool) or not isinstance(days, (int, np.integer)) or days < 1:
        raise MeasureError(f"days must be a whole number of at least 1, not {days!r}")
    rho = checked_scalar(autocorrelation, "autocorrelation", above=-1.0)
    if not rho < 1.0:
        raise MeasureError(f"autocorrelation must be less than 1, not {rho!r}")
    lags = np.arange(1, days)
    return sqrt(float(days + 2.0 * ((days - lags) @ rho**lags)))


def covariance_matrix(volatility: ArrayLike, correlation: ArrayLike | float) -> Floats:
    """Return the covariance matrix of N volatilities and a correlation matrix, or one correlation for all pairs.

    Parameters
    ----------
    volatility : float64[N]
        Not negative.
    correlation : float64[N, N] or float
        In [-1, 1], with ones on the diagonal. The matrix may be indefinite: `risk_core.covariance` repairs it.

    Raises
    ------
    MeasureError
        For shapes that do not match, or numbers that are not finite or out of range.
    """
    sigma = np.asarray(volatility, np.float64)
    rho = np.asarray(correlation, np.float64)
    if sigma.ndim != 1 or sigma.size == 0 or rho.shape not in ((), (sigma.size, sigma.size)):
        raise MeasureError(f"volatility {sigma.shape} and correlation {rho.shape} must have shapes (N,) and (N, N) or ()")
    if not (np.isfinite(sigma).all() and (sigma >= 0.0).all()):
        raise MeasureError(f"volatility must be finite and not negative, not {sigma.tolist()}")
    bad = ~(np.abs(rho) <= 1.0 + _ROUNDING)
    if bad.any():
        raise MeasureError(f"correlation must lie in [-1, 1], not {rho[bad].flat[0]}: the matrix is not positive semi-definite")
    if rho.ndim == 0:
        rho = np.where(np.eye(sigma.size, dtype=bool), 1.0, rho)
    elif not np.allclose(np.diag(rho), 1.0, rtol=0.0, atol=_ROUNDING):
        raise MeasureError("correlation must have ones on its diagonal: a covariance matrix was given, perhaps; it needs no volatilities")
    matrix: Floats = np.outer(sigma, sigma) * rho  # in this order as symmetric as the correlations are
    return matrix


def delta_normal(
    exposure: ArrayLike, covariance: ArrayLike, confidence: float | None = None, *, quantile: float | None = None, horizon_days: float = 1.0
) -> DeltaNormal:
    """Return delta-normal value at risk of linear exposures, with marginal, component, incremental and standalone risk.

    Parameters
    ----------
    exposure : float64[N]
        In currency, shorts negative.
    covariance : float64[N, N]
        Of one day's returns, symmetric.
    confidence, quantile, horizon_days
        As `parametric_value_at_risk`.

    Raises
    ------
    MeasureError
        If shapes disagree, the matrix is not symmetric or gives a negative variance.
    """
    x, sigma = _checked(exposure, covariance)
    root, (z, tail) = _root(horizon_days), normal_point(confidence, quantile)
    factor = z * root
    slope = sigma @ x
    volatility = _volatility(float(x @ slope), float(np.abs(x) @ np.abs(slope)))
    marginal = factor * slope / volatility if volatility > 0.0 else np.zeros_like(x)
    own = np.diag(sigma)
    without = x @ slope - 2.0 * x * slope + x * x * own
    rest = np.array([_volatility(float(v), float(np.abs(x) @ np.abs(slope))) for v in without])
    return DeltaNormal(
        value=factor * volatility,
        expected_shortfall=normal_density(z) / tail * root * volatility,
        volatility=root * volatility,
        standalone=factor * np.abs(x) * np.sqrt(own),
        marginal=marginal,
        component=x * marginal,
        incremental=factor * (volatility - rest),
    )


def best_hedge(exposure: ArrayLike, covariance: ArrayLike) -> Floats:
    """Return the trade in each position alone that leaves the least variance: -(covariance @ exposure)_j / covariance_jj.

    Parameters
    ----------
    exposure, covariance
        As `delta_normal`.

    Returns
    -------
    float64[N]
        In currency, to be added to the exposure; one at a time, not together. Zero for a position without variance.

    Raises
    ------
    MeasureError
        As `delta_normal`.

    Notes
    -----
    P. Jorion, Value at Risk, ch. 7, on best hedges; R. Litterman, "Hot spots and hedges", Journal of Portfolio Management (1996).
    """
    x, sigma = _checked(exposure, covariance)
    own, slope = np.diag(sigma), sigma @ x
    return np.asarray(np.divide(-slope, own, out=np.zeros_like(x), where=own > 0.0))


def _checked(exposure: ArrayLike, covariance: ArrayLike) -> tuple[Floats, Floats]:
    x, sigma = np.asarray(exposure, np.float64), np.asarray(covariance, np.float64)
    if x.ndim != 1 or x.size == 0 or sigma.shape != (x.size, x.size):
        raise MeasureError(f"{x.size} exposures need a covariance matrix of shape ({x.size}, {x.size}), not {sigma.shape}")
    if not (np.isfinite(x).all() and np.isfinite(sigma).all()):
        raise MeasureError("exposure and covariance must be finite")
    if not np.allclose(sigma, sigma.T, rtol=1e-10, atol=1e-12 * float(np.abs(sigma).max())):
        raise MeasureError("the covariance matrix is not symmetric")
    return x, sigma


def _volatility(variance: float, scale: float) -> float:
    if variance < -1e-12 * scale:
        raise MeasureError(f"the covariance matrix gives a negative variance ({variance:g}): it is not positive semi-definite")
    return sqrt(max(variance, 0.0))


def _root(horizon_days: float) -> float:
    return sqrt(checked_scalar(horizon_days, "horizon_days", above=0.0))
