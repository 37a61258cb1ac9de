"""Value at risk and expected shortfall of tomorrow from the volatility of a P&L vector.

The vector is that of present positions on past days, so its volatility is that of the book as it stands. Vectors come newest first, as
everywhere beside the engine; the models read them oldest first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, EwmaStart, Mean, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.result import Measured
from risk_core.methods import normal_quantile, normal_shortfall
from risk_core.parametric.two_piece import lower_tail
from risk_core.volatility.garch import Innovation, Start, fit_garch
from risk_core.volatility.kernels import MEAN
from risk_core.volatility.result import VolatilityFit
from risk_core.volatility.smoothing import RISKMETRICS_2006, TimeScales, riskmetrics_2006_weights

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GarchTail:
    """Tomorrow's law of a P&L under GARCH: mean + volatility * innovation. One fit answers every confidence.

    Parameters
    ----------
    fit : VolatilityFit
        Of the vector, oldest first.
    pnl, weights : float64[S]
        Newest first; weights sum to one.
    conventions : Conventions
    """

    fit: VolatilityFit
    pnl: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    conventions: Conventions

    def value_at_risk(self, confidence: float) -> Measured:
        """Return volatility * q - mean, with q the quantile of the standardised innovation. ConventionError for an impossible confidence.

        The gradient is exact, through the estimate itself: a P&L that moved would have moved the parameters. `gradient @ pnl == value`.
        """
        return self._read(confidence, shortfall=False)

    def expected_shortfall(self, confidence: float) -> Measured:
        """Return volatility * mean of the innovations beyond q - mean, with the gradient of `value_at_risk`."""
        return self._read(confidence, shortfall=True)

    def _read(self, confidence: float, *, shortfall: bool) -> Measured:
        factor, factor_df = _factor(tail_probability(confidence), self.fit.parameters.get("df"), shortfall)
        fit, estimate = self.fit, self.fit.estimate
        value = fit.state.volatility * factor - fit.parameters["mean"]
        if estimate is None:
            gradient = self._constant(factor)
        else:
            scaled = sqrt(fit.state.variance) / estimate.scale
            by = estimate.gradient(factor / (2.0 * scaled), -1.0, scaled * factor_df)
            gradient = estimate.scaled_back(scaled * factor - float(estimate.theta[MEAN]), by)[::-1]
        return Measured(value, np.ascontiguousarray(gradient), confidence, self.conventions, reason=fit.reason, fit_status=fit.status)

    def _constant(self, factor: float) -> Floats:
        """Return the gradient of factor * root mean square - mean."""
        centre, scale = self.fit.parameters["mean"], self.fit.state.volatility
        away = (self.pnl - centre) / scale if scale > 0.0 else np.zeros_like(self.pnl)
        gradient: Floats = self.weights * (factor * away - (1.0 if self.conventions.mean is Mean.SAMPLE else 0.0))
        return gradient


@dataclass(frozen=True, slots=True, eq=False)
class MixtureTail:
    """The normal law with the variance of RiskMetrics 2006: a weighted mean of squared P&L, so `risk_core.measures` reads it.

    Parameters
    ----------
    pnl, weights : float64[S]
        Newest first; the weights are those of `riskmetrics_2006_weights`.
    conventions : Conventions
    """

    pnl: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    conventions: Conventions

    def value_at_risk(self, confidence: float) -> Measured:
        """Return value at risk with its exact gradient, see `normal_value_at_risk`."""
        return normal_value_at_risk(self.pnl, confidence, self.weights, self.conventions)

    def expected_shortfall(self, confidence: float) -> Measured:
        """Return expected shortfall with its exact gradient."""
        return normal_expected_shortfall(self.pnl, confidence, self.weights, self.conventions)


def fit_garch_tail(
    pnl: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    innovation: Innovation | str = Innovation.NORMAL,
    asymmetric: bool = False,
    variance_targeting: bool = False,
    start: Start | str = Start.BACKCAST,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> GarchTail:
    """Fit a GARCH model to a P&L vector.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive, **newest first**, days without gaps.
    weights : float64[S], optional
        Of each day in the likelihood, in the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    innovation, asymmetric, variance_targeting, start
        As in `fit_garch`.
    conventions : Conventions
        `mean` "zero" takes the mean as zero; "sample" estimates a constant by likelihood with the rest. Nothing else is read.

    Returns
    -------
    GarchTail
        Where there is nothing to fit (constant, fewer than 100 effective days), of the constant variance of the mean square, marked so.

    Raises
    ------
    MeasureError
        As `fit_garch`.
    ConventionError
        For ewma_start "zero": a likelihood needs weights that sum to one.
    """
    if conventions.ewma_start is EwmaStart.ZERO:
        raise ConventionError("a likelihood needs weights that sum to one; use ewma_start 'normalised'")
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    fit = fit_garch(
        vector[::-1],
        mass[::-1],
        asymmetric=asymmetric,
        innovation=innovation,
        constant_mean=conventions.mean is Mean.SAMPLE,
        variance_targeting=variance_targeting,
        start=start,
    )
    return GarchTail(fit, vector, mass, conventions)


def fit_garch_normal(pnl: ArrayLike, weights: ArrayLike | None = None) -> GarchTail:
    """Fit GARCH(1,1) with normal innovations, mean zero: `fit_garch_tail` as a method of the service."""
    return fit_garch_tail(pnl, weights)


def fit_garch_t(pnl: ArrayLike, weights: ArrayLike | None = None) -> GarchTail:
    """Fit GARCH(1,1) with Student t innovations, mean zero: `fit_garch_tail` as a method of the service."""
    return fit_garch_tail(pnl, weights, innovation=Innovation.STUDENT_T)


def fit_riskmetrics_2006(
    pnl: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    scales: TimeScales = RISKMETRICS_2006,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> MixtureTail:
    """Return the normal law with the variance of RiskMetrics 2006 of a P&L vector.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive, **newest first**.
    weights : float64[S], optional
        Equal, or not given: the method brings its own.
    scales : TimeScales
    conventions : Conventions
        `ewma_start` "zero" leaves weights that do not sum to one, as the recursion from zero has them; `mean` as in the normal measures.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, or weights that are not equal.
    """
    vector = checked_pnl(pnl)
    given = checked_weights(weights, pnl, vector.size)
    if float(np.ptp(given)) > 1e-12:
        raise MeasureError("RiskMetrics 2006 weights days by its own rule; leave weights out, or give equal ones")
    own = riskmetrics_2006_weights(vector.size, scales, normalised=conventions.ewma_start is EwmaStart.NORMALISED)
    return MixtureTail(vector, own, conventions)


def _factor(tail: float, df: float | None, shortfall: bool) -> tuple[float, float]:
    """Return quantile or shortfall of the loss at volatility one, and its derivative in the degrees of freedom."""
    if df is None:
        return (normal_shortfall(tail) if shortfall else normal_quantile(tail)), 0.0
    law = lower_tail(tail, 0.0, df)
    level, level_df = (law.shortfall, law.shortfall_df) if shortfall else (law.quantile, law.quantile_df)
    unit = sqrt((df - 2.0) / df)
    return -unit * level, -unit * (level_df + level / (df * (df - 2.0)))
