"""The model-building (delta-normal) approach on exposures and a covariance matrix, with its decomposition.

J. Hull, Risk Management and Financial Institutions, ch. 15; P. Jorion, Value at Risk, ch. 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from risk_core.conventions import tail_probability
from risk_core.measures.checks import MeasureError
from risk_core.methods import normal_density, normal_quantile

Floats = NDArray[np.float64]


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
        Scaled by its square root: independent days.
    """
    return _quantile(confidence, quantile) * abs(exposure) * volatility * _root(horizon_days)


def covariance_matrix(volatility: ArrayLike, correlation: ArrayLike | float) -> Floats:
    """Return the covariance matrix of N volatilities and a correlation matrix, or one correlation for all pairs."""
    sigma = np.asarray(volatility, np.float64)
    rho = np.asarray(correlation, np.float64)
    if rho.ndim == 0:
        rho = np.where(np.eye(sigma.size, dtype=bool), 1.0, rho)
    matrix: Floats = sigma[:, None] * rho * sigma[None, :]
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
    x, sigma = np.asarray(exposure, np.float64), np.asarray(covariance, np.float64)
    if x.ndim != 1 or sigma.shape != (x.size, x.size):
        raise MeasureError(f"{x.size} exposures need a covariance matrix of shape ({x.size}, {x.size}), not {sigma.shape}")
    if not (np.isfinite(x).all() and np.isfinite(sigma).all()):
        raise MeasureError("exposure and covariance must be finite")
    if not np.allclose(sigma, sigma.T, rtol=1e-10, atol=0.0):
        raise MeasureError("the covariance matrix is not symmetric")
    root, z = _root(horizon_days), _quantile(confidence, quantile)
    factor = z * root
    slope = sigma @ x
    volatility = _volatility(float(x @ slope), float(np.abs(x) @ np.abs(slope)))
    marginal = factor * slope / volatility if volatility > 0.0 else np.zeros_like(x)
    own = np.diag(sigma)
    without = x @ slope - 2.0 * x * slope + x * x * own
    rest = np.array([_volatility(float(v), float(np.abs(x) @ np.abs(slope))) for v in without])
    return DeltaNormal(
        value=factor * volatility,
        expected_shortfall=normal_density(z) / float(ndtr(-z)) * root * volatility,
        volatility=root * volatility,
        standalone=factor * np.abs(x) * np.sqrt(own),
        marginal=marginal,
        component=x * marginal,
        incremental=factor * (volatility - rest),
    )


def _volatility(variance: float, scale: float) -> float:
    if variance < -1e-12 * scale:
        raise MeasureError(f"the covariance matrix gives a negative variance ({variance:g}): it is not positive semi-definite")
    return sqrt(max(variance, 0.0))


def _quantile(confidence: float | None, quantile: float | None) -> float:
    if quantile is not None and confidence is None:
        return quantile
    if confidence is not None and quantile is None:
        return normal_quantile(tail_probability(confidence))
    raise MeasureError("give either confidence (0.99) or quantile (2.33), not both")


def _root(horizon_days: float) -> float:
    if not horizon_days > 0.0:
        raise MeasureError(f"horizon_days must be positive, not {horizon_days!r}")
    return sqrt(horizon_days)
