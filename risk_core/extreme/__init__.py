"""Extreme value theory: generalised Pareto tails beyond a threshold, their risk measures, intervals and diagnostics."""

from risk_core.extreme.closed_form import block_maxima_closed_form, peaks_closed_form, peaks_tail_probability
from risk_core.extreme.conditional import ConditionalPeaks, conditional_peaks
from risk_core.extreme.diagnostics import (
    HillCurve,
    MeanExcess,
    ThresholdDiagnostics,
    hill,
    hill_shape,
    mean_excess,
    threshold_diagnostics,
)
from risk_core.extreme.goodness import Goodness, goodness_of_fit
from risk_core.extreme.gpd import FitMethod, FitStatus, GpdFit, fit_gpd, gpd_cdf, gpd_quantile
from risk_core.extreme.intervals import Interval, IntervalMethod, IntervalStatus
from risk_core.extreme.peaks import (
    InfiniteMeanError,
    PeaksFit,
    fit_peaks,
    peaks_expected_shortfall,
    peaks_value_at_risk,
)
from risk_core.extreme.threshold import ChoiceStatus, ThresholdChoice, choose_threshold

__all__ = [
    "ChoiceStatus",
    "ConditionalPeaks",
    "FitMethod",
    "FitStatus",
    "Goodness",
    "GpdFit",
    "HillCurve",
    "InfiniteMeanError",
    "Interval",
    "IntervalMethod",
    "IntervalStatus",
    "MeanExcess",
    "PeaksFit",
    "ThresholdChoice",
    "ThresholdDiagnostics",
    "block_maxima_closed_form",
    "choose_threshold",
    "conditional_peaks",
    "fit_gpd",
    "fit_peaks",
    "goodness_of_fit",
    "gpd_cdf",
    "gpd_quantile",
    "hill",
    "hill_shape",
    "mean_excess",
    "peaks_closed_form",
    "peaks_expected_shortfall",
    "peaks_tail_probability",
    "peaks_value_at_risk",
    "threshold_diagnostics",
]
