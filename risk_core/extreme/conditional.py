"""Conditional extreme value theory: the tail of standardised residuals, rescaled to the volatility forecast for the next day.

A. McNeil and R. Frey, "Estimation of tail-related risk measures for heteroscedastic financial time series: an extreme value approach",
Journal of Empirical Finance 7 (2000) 271-300. The volatility model is the caller's: this module takes its sigmas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.extreme.gpd import FitMethod
from risk_core.extreme.intervals import Interval, IntervalMethod
from risk_core.extreme.peaks import RAISE, PeaksFit, fit_peaks
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.result import Measured

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalPeaks:
    """The tail of residuals (pnl - mean) / volatility, and what tomorrow scales it with.

    Parameters
    ----------
    residuals : PeaksFit
        Of the standardised P&L, without unit.
    volatility : float64[S]
        Of each past day, in the unit of the P&L.
    forecast : float
        Volatility of the next day.
    forecast_mean : float
        Mean P&L of the next day.
    """

    residuals: PeaksFit
    volatility: Floats = field(repr=False)
    forecast: float
    forecast_mean: float = 0.0

    def value_at_risk(self, confidence: float, *, otherwise: str = RAISE) -> Measured:
        """Return forecast * VaR(residuals) - forecast_mean: value at risk of the next day.

        The gradient holds volatilities and means: it is by past P&L through the residuals alone. With means of zero, value == gradient @
        pnl; otherwise the means are what is missing. Parameters and errors are those of `PeaksFit.value_at_risk`.
        """
        return self._scaled(self.residuals.value_at_risk(confidence, otherwise=otherwise))

    def expected_shortfall(self, confidence: float, *, otherwise: str = RAISE) -> Measured:
        """Return forecast * ES(residuals) - forecast_mean, with the gradient of `value_at_risk`."""
        return self._scaled(self.residuals.expected_shortfall(confidence, otherwise=otherwise))

    def interval(
        self,
        confidence: float,
        level: float = 0.95,
        *,
        of: str = "value_at_risk",
        method: IntervalMethod | str = IntervalMethod.PROFILE,
    ) -> Interval:
        """Return the residuals' interval rescaled; the error of the volatility forecast is not in it. As `PeaksFit.interval`."""
        plain = self.residuals.interval(confidence, level, of=of, method=method)
        upper = None if plain.upper is None else self.forecast * plain.upper - self.forecast_mean
        return Interval(self.forecast * plain.lower - self.forecast_mean, upper, plain.level, plain.method, plain.status, plain.reason)

    def _scaled(self, of: Measured) -> Measured:
        value, gradient = self.forecast * of.value - self.forecast_mean, self.forecast * of.gradient / self.volatility
        return Measured(value, gradient, of.confidence, of.conventions, of.status, of.reason, of.fit_status)


def conditional_peaks(
    pnl: ArrayLike,
    volatility: ArrayLike,
    forecast: float,
    weights: ArrayLike | None = None,
    *,
    mean: ArrayLike = 0.0,
    forecast_mean: float = 0.0,
    threshold: float | str | None = None,
    method: FitMethod | str = FitMethod.ML,
) -> ConditionalPeaks:
    """Fit a tail to the residuals of a volatility model.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive, in time order.
    volatility : float64[S]
        Conditional standard deviation of each day, known the day before, in the unit of the P&L. Positive.
    forecast : float
        That of the next day. Positive.
    weights : float64[S], optional
    mean : float64[S] or float
        Conditional mean P&L of each day.
    forecast_mean : float
        That of the next day.
    threshold, method
        As in `fit_peaks`, of the residuals.

    Raises
    ------
    MeasureError
        For volatilities of another length, not finite or not positive, and as `fit_peaks`.
    """
    vector = checked_pnl(pnl)
    sigma = checked_pnl(volatility, "volatility")
    if sigma.shape != vector.shape:
        raise MeasureError(f"volatility must have the length of pnl, {vector.size}, not {sigma.size}")
    bad = np.flatnonzero(sigma <= 0.0)
    if bad.size:
        raise MeasureError(
            f"volatility is {sigma[bad[0]]} at position {bad[0]}; it must be positive, so leave out days before the model starts"
        )
    for name, number in (("forecast", forecast), ("forecast_mean", forecast_mean)):
        if not np.isfinite(number):
            raise MeasureError(f"{name} must be finite, not {number!r}")
    if not forecast > 0.0:
        raise MeasureError(f"forecast must be positive, not {forecast!r}: it is the next day's volatility")
    centre = np.asarray(mean, np.float64)
    if centre.ndim:
        centre = checked_pnl(centre, "mean")
        if centre.shape != vector.shape:
            raise MeasureError(f"mean must be one number or have the length of pnl, {vector.size}, not {centre.size}")
    elif not np.isfinite(centre):
        raise MeasureError(f"mean must be finite, not {float(centre)!r}")
    return ConditionalPeaks(
        fit_peaks((vector - centre) / sigma, weights, threshold=threshold, method=method), sigma, float(forecast), float(forecast_mean)
    )
