"""Delta-normal value at risk and expected shortfall, read off a P&L vector.

With weights that fall exponentially with age this is the RiskMetrics model of the whole book: sigma² = sum of w v v equals the exposures'
quadratic form on the exponentially weighted covariance of the scenarios (J. P. Morgan/Reuters, RiskMetrics Technical Document, 1996).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, EwmaStart, Mean, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.quantiles import sequential_sum
from risk_core.measures.result import Measured
from risk_core.methods import normal_quantile, normal_shortfall


def normal_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return z sigma - mean, with z the standard normal quantile.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`: `exponential_weights` for EWMA; equal if not given. Scaled to sum to one, unless `conventions.ewma_start` is
        "zero".
    conventions : Conventions
        `mean`: "zero" or "sample". `ddof`, with mean "sample": 1 scales the variance by 1 / (1 - sum w²), S / (S - 1) for equal weights.

    Returns
    -------
    Measured
        Loss positive. The volatility of a vector without variance has gradient zero.

    Raises
    ------
    MeasureError, ConventionError
        As `value_at_risk`; also if ddof leaves no degree of freedom, or ewma_start "zero" is asked for with a sample mean.
    """
    return _measure(pnl, confidence, normal_quantile(tail_probability(confidence)), weights, conventions)


def normal_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return sigma pdf(z) / (1 - confidence) - mean. Parameters and errors are those of `normal_value_at_risk`."""
    return _measure(pnl, confidence, normal_shortfall(tail_probability(confidence)), weights, conventions)


def _measure(pnl: ArrayLike, confidence: float, factor: float, weights: ArrayLike | None, conventions: Conventions) -> Measured:
    sampled = conventions.mean is Mean.SAMPLE
    if sampled and conventions.ewma_start is EwmaStart.ZERO:
        raise ConventionError("ewma_start 'zero' belongs to a mean of zero; use mean 'zero' or ewma_start 'normalised'")
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size, normalise=conventions.ewma_start is EwmaStart.NORMALISED)
    if not sampled:
        sigma = sqrt(sequential_sum(mass * vector * vector))
        gradient = factor * mass * vector / sigma if sigma > 0.0 else np.zeros_like(vector)
        return Measured(factor * sigma, gradient, confidence, conventions)
    from_first = vector - vector[0]  # a vector without variance then has exactly none
    shift = sequential_sum(mass * from_first)
    mean, centred = float(vector[0]) + shift, from_first - shift
    freedom = 1.0 - conventions.ddof * sequential_sum(mass * mass)
    if freedom <= 1e-15:
        raise MeasureError("one scenario leaves no degree of freedom for ddof 1; give more scenarios or ddof 0")
    sigma = sqrt(sequential_sum(mass * centred * centred) / freedom)
    gradient = (factor * mass * centred / (freedom * sigma) if sigma > 0.0 else 0.0) - mass
    return Measured(factor * sigma - mean, gradient, confidence, conventions)
