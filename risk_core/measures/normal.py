"""Delta-normal value at risk and expected shortfall, read off a P&L vector.

With weights that fall exponentially with age this is the RiskMetrics model of the whole book: sigma² = sum of w v v equals the exposures'
quadratic form on the exponentially weighted covariance of the scenarios (J. P. Morgan/Reuters, RiskMetrics Technical Document, 1996).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, EwmaStart, Mean, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.result import Measured
from risk_core.methods import normal_quantile, normal_shortfall


def normal_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return z sigma - mean, with z the standard normal quantile.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        `exponential_weights` for EWMA; equal if not given. Scaled to sum to one, unless `conventions.ewma_start` is "zero".
    conventions : Conventions
        `mean`: "zero" or "sample". `ddof`: 1 scales the variance by 1 / (1 - sum w²), which is S / (S - 1) for equal weights.

    Returns
    -------
    Measured
        Loss positive. The gradient of a vector without variance is zero.

    Raises
    ------
    MeasureError, ConventionError
        As `value_at_risk`; also if ddof leaves no degree of freedom.
    """
    return _measure(pnl, normal_quantile(tail_probability(confidence)), weights, conventions)


def normal_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return sigma pdf(z) / (1 - confidence) - mean. Parameters and errors are those of `normal_value_at_risk`."""
    return _measure(pnl, normal_shortfall(tail_probability(confidence)), weights, conventions)


def _measure(pnl: ArrayLike, factor: float, weights: ArrayLike | None, conventions: Conventions) -> Measured:
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, vector.size, normalise=conventions.ewma_start is EwmaStart.NORMALISED)
    mean = float(mass @ vector) if conventions.mean is Mean.SAMPLE else 0.0
    freedom = 1.0 - conventions.ddof * float(mass @ mass)
    if freedom <= 0.0:
        raise MeasureError("one scenario leaves no degree of freedom for ddof 1; give more scenarios or ddof 0")
    centred: NDArray[np.float64] = vector - mean
    sigma = sqrt(float(np.add.accumulate(mass * centred * centred)[-1]) / freedom)
    gradient = np.zeros_like(vector) if sigma == 0.0 else factor * mass * centred / (freedom * sigma)
    if conventions.mean is Mean.SAMPLE:
        gradient = gradient - (mass if sigma == 0.0 else mass * (1.0 + factor * float(mass @ centred) / (freedom * sigma)))
    return Measured(factor * sigma - mean, gradient)
