"""Peaks over threshold: value at risk and expected shortfall from a generalised Pareto tail beyond an order statistic of the losses.

A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, MASS_SLACK, Conventions, tail_probability
from risk_core.extreme.gpd import LEAST, FitMethod, FitStatus, GpdFit, fit_excesses, fit_method, parameter_gradients
from risk_core.extreme.intervals import Interval, IntervalMethod, tail_interval
from risk_core.extreme.kernels import risk_factor
from risk_core.extreme.threshold import AUTO, Tail, ThresholdChoice, choose_threshold, tail_beyond
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.result import Measured
from risk_core.methods import effective_count

Floats = NDArray[np.float64]

DEFAULT_THRESHOLD: Final = 0.9
"""The worst tenth is the tail, unless another threshold is asked for."""

RAISE: Final = "raise"
EMPIRICAL: Final = "empirical"


class InfiniteMeanError(MeasureError):
    """Expected shortfall was asked of a fitted tail without a mean."""


@dataclass(frozen=True, slots=True, eq=False)
class PeaksFit:
    """A fitted tail of the losses of one P&L vector.

    Parameters
    ----------
    threshold : float
        A loss of the vector, positive where it is a loss: the worst one that is not in the tail.
    exceedance_probability : float
        Weight strictly beyond the threshold: k / S for k exceedances with equal weights.
    gpd : GpdFit
        Of the losses beyond the threshold, less it.
    exceedances : int64[k]
        Positions in the P&L vector, worst first.
    threshold_observation : int
        Position of the threshold.
    effective_count : float
        Of all scenarios.
    choice : ThresholdChoice or None
        How the threshold was chosen, with threshold "auto".
    """

    threshold: float
    exceedance_probability: float
    gpd: GpdFit
    exceedances: NDArray[np.int64] = field(repr=False)
    threshold_observation: int
    effective_count: float
    choice: ThresholdChoice | None = field(repr=False)
    pnl: Floats = field(repr=False)
    mass: Floats = field(repr=False)

    @property
    def excesses(self) -> Floats:
        """Losses beyond the threshold less it, float64[k], worst first."""
        return -self.pnl[self.exceedances] - self.threshold

    @property
    def exceedance_mass(self) -> Floats:
        """Weights of the exceedances, float64[k]; they sum to `exceedance_probability`."""
        return self.mass[self.exceedances]

    @property
    def status(self) -> FitStatus:
        """Of the fit."""
        return self.gpd.status

    def depth(self, tail: float) -> float:
        """Return log(exceedance probability / tail probability), how far beyond the threshold a tail lies; not below zero."""
        return max(log(self.exceedance_probability / tail), 0.0)

    def value_at_risk(self, confidence: float, *, otherwise: str = RAISE) -> Measured:
        """Return u + (beta / xi) ((tail / p)**(-xi) - 1), with p the exceedance probability and tail = 1 - confidence.

        Homogeneous of degree one and translation-invariant; neither monotone nor subadditive. The gradient holds the set of exceedances:
        the threshold moves with its own observation, shape and scale by implicit differentiation.

        Parameters
        ----------
        confidence : float
            In [0.5, 1), not below that of the threshold.
        otherwise : str
            Where the model has no answer: "raise", or "empirical" for the order statistic, with fit_status `body`.

        Raises
        ------
        MeasureError
            For a confidence inside the body, unless `otherwise` is "empirical".
        ConventionError
            For an impossible confidence.
        """
        return self._measure(confidence, False, otherwise)

    def expected_shortfall(self, confidence: float, *, otherwise: str = RAISE) -> Measured:
        """Return the mean loss beyond value at risk: (VaR + beta - xi u) / (1 - xi).

        Parameters are those of `value_at_risk`; the empirical number is the fractional tail mean.

        Raises
        ------
        InfiniteMeanError
            For xi >= 1, unless `otherwise` is "empirical" (fit_status `infinite_mean`): the number then rests on the sample alone.
        MeasureError, ConventionError
            As `value_at_risk`.
        """
        return self._measure(confidence, True, otherwise)

    def interval(
        self,
        confidence: float,
        level: float = 0.95,
        *,
        of: str = "value_at_risk",
        method: IntervalMethod | str = IntervalMethod.PROFILE,
    ) -> Interval:
        """Return a confidence interval of a measure.

        The likelihood is that of the excesses times the binomial one of their number; with weights, both are scaled to Kish's effective
        numbers. Dependence of scenarios is not seen, nor the bias of a threshold too low.

        Parameters
        ----------
        confidence : float
            Of the measure, not below that of the threshold.
        level : float
            Of the interval, in (0, 1).
        of : str
            "value_at_risk" or "expected_shortfall".
        method : IntervalMethod or str
            "profile", or "delta".

        Raises
        ------
        MeasureError
            For a confidence inside the body, an unknown name, a fit without regular errors, or a profile of a fit by moments.
        """
        if of not in ("value_at_risk", "expected_shortfall"):
            raise MeasureError(f"unknown measure {of!r}; choose value_at_risk or expected_shortfall")
        shortfall = of == "expected_shortfall"
        tail = tail_probability(confidence)
        missing = self._missing(tail, confidence, shortfall)
        if missing is not None:
            raise missing[1]
        return tail_interval(self, tail, level, shortfall, method)

    def _missing(self, tail: float, confidence: float, shortfall: bool) -> tuple[FitStatus, MeasureError] | None:
        if tail > self.exceedance_probability + MASS_SLACK:
            message = (
                f"confidence {confidence!r} lies in the body: the tail holds a weight of {self.exceedance_probability:.6g}, less than "
                f"{tail:.6g}; lower the threshold, or pass otherwise='empirical'"
            )
            return FitStatus.BODY, MeasureError(message)
        if shortfall and self.gpd.shape >= 1.0:
            message = (
                f"the shape is {self.gpd.shape:.3g}, and from 1 on expected shortfall is infinite; pass otherwise='empirical', or use VaR"
            )
            return FitStatus.INFINITE_MEAN, InfiniteMeanError(message)
        return None

    def _measure(self, confidence: float, shortfall: bool, otherwise: str) -> Measured:
        tail = tail_probability(confidence)
        if otherwise not in (RAISE, EMPIRICAL):
            raise MeasureError(f"otherwise must be 'raise' or 'empirical', not {otherwise!r}")
        missing = self._missing(tail, confidence, shortfall)
        if missing is not None:
            status, error = missing
            if otherwise == RAISE:
                raise error
            plain = (expected_shortfall if shortfall else value_at_risk)(self.pnl, confidence, self.mass)
            why = "inside the body" if status is FitStatus.BODY else "without a mean"
            reason = f"{why}: the empirical number stands in" + (f"; {plain.reason}" if plain.reason else "")
            return Measured(plain.value, plain.gradient, confidence, plain.conventions, plain.status, reason, status)
        scale = self.gpd.scale
        factor, by_shape = risk_factor(self.gpd.shape, self.depth(tail), shortfall)[:2]
        shape_slope, scale_slope = parameter_gradients(self.excesses, self.exceedance_mass, self.gpd)
        by_excess = scale * by_shape * shape_slope + factor * scale_slope
        gradient = np.zeros_like(self.pnl)
        gradient[self.exceedances] = -by_excess
        gradient[self.threshold_observation] = float(by_excess.sum()) - 1.0
        value = self.threshold + scale * factor
        return Measured(value, gradient, confidence, reason=self.gpd.reason, fit_status=self.gpd.status)


def fit_peaks(
    pnl: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float | str | None = None,
    method: FitMethod | str = FitMethod.ML,
) -> PeaksFit:
    """Fit a generalised Pareto tail to the worst losses.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one. The likelihood is weighted.
    threshold : float, "auto" or None
        Confidence of the threshold in [0.5, 1): 0.9, the default, takes the worst tenth as the tail, and the next loss as the threshold.
        Losses equal to the threshold are not in the tail. "auto" chooses among several by `choose_threshold`, which fits by
        maximum likelihood whatever the method.
    method : FitMethod or str
        "ml" or "pwm".

    Returns
    -------
    PeaksFit

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, an unknown method, fewer than three exceedances, or exceedances
        all equal (a constant vector has none).
    ConventionError
        For a threshold outside [0.5, 1).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> fit = fit_peaks(rng.standard_t(4, 1000))
    >>> fit.gpd.count
    100
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    chosen = fit_method(method)
    choice = None
    if threshold == AUTO:
        choice = choose_threshold(vector, mass)
        level = choice.threshold
    elif isinstance(threshold, str):
        raise MeasureError(f"threshold must be a confidence such as 0.9, 'auto' or None, not {threshold!r}")
    else:
        level = DEFAULT_THRESHOLD if threshold is None else threshold
    tail = tail_beyond(vector, mass, tail_probability(level))
    gpd = _fit(tail, mass, chosen, vector.size)
    probability = float(mass[tail.exceedances].sum())
    return PeaksFit(tail.threshold, probability, gpd, tail.exceedances, tail.observation, effective_count(mass), choice, vector, mass)


def _fit(tail: Tail, mass: Floats, method: FitMethod, scenarios: int) -> GpdFit:
    if tail.exceedances.size < LEAST:
        raise MeasureError(
            f"{tail.exceedances.size} of {scenarios} scenarios with weight lie beyond the threshold {tail.threshold:.6g}; a tail needs "
            f"{LEAST} at least: lower the threshold, or give more scenarios"
        )
    return fit_excesses(tail.excesses, mass[tail.exceedances], method)


def peaks_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk of a tail fitted with the default threshold, in the form that `attribute` takes; see `fit_peaks`.

    A confidence below 0.9 reads the empirical number. Conventions are not read.
    """
    return fit_peaks(pnl, weights).value_at_risk(confidence, otherwise=EMPIRICAL)


def peaks_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall, as `peaks_value_at_risk`; InfiniteMeanError for a shape of one or more."""
    fit = fit_peaks(pnl, weights)
    inside = tail_probability(confidence) > fit.exceedance_probability + MASS_SLACK
    return fit.expected_shortfall(confidence, otherwise=EMPIRICAL if inside else RAISE)
