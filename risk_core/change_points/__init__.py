"""Change points: found in a whole series, tested for, and watched for on a stream with calibrated thresholds."""

from risk_core.change_points.average_run_length import cusum_average_run_length, siegmund_average_run_length
from risk_core.change_points.bayesian import BayesianChangePoint
from risk_core.change_points.calibration import Calibration, Delay, RunLength, calibrate, detection_delay, run_length
from risk_core.change_points.charts import Cusum, CusumVariance, Ewma, Mosum, Sides
from risk_core.change_points.detector import Detector, Monitored, Signal
from risk_core.change_points.fluctuation import (
    FluctuationTest,
    cusum_of_residuals,
    ols_cusum,
    ols_mosum,
    recursive_cusum,
    recursive_mosum,
    recursive_residuals,
)
from risk_core.change_points.laws import BernoulliLaw, GarchLaw, Law, NormalLaw, StudentTLaw
from risk_core.change_points.page import ExceptionCusum, PageMean, PageVariance, VolatilityBreakout, exceptions
from risk_core.change_points.segmentation import (
    Cost,
    Penalty,
    Pruning,
    Segmentation,
    binary_segmentation,
    noise_variance,
    optimal_segmentation,
    pelt,
)
from risk_core.change_points.structural_breaks import Breakpoints, FStatistics, breakpoints, f_statistics

__all__ = [
    "BayesianChangePoint",
    "BernoulliLaw",
    "Breakpoints",
    "Calibration",
    "Cost",
    "Cusum",
    "CusumVariance",
    "Delay",
    "Detector",
    "Ewma",
    "ExceptionCusum",
    "FStatistics",
    "FluctuationTest",
    "GarchLaw",
    "Law",
    "Monitored",
    "Mosum",
    "NormalLaw",
    "PageMean",
    "PageVariance",
    "Penalty",
    "Pruning",
    "RunLength",
    "Segmentation",
    "Sides",
    "Signal",
    "StudentTLaw",
    "VolatilityBreakout",
    "binary_segmentation",
    "breakpoints",
    "calibrate",
    "cusum_average_run_length",
    "cusum_of_residuals",
    "detection_delay",
    "exceptions",
    "f_statistics",
    "noise_variance",
    "ols_cusum",
    "ols_mosum",
    "optimal_segmentation",
    "pelt",
    "recursive_cusum",
    "recursive_mosum",
    "recursive_residuals",
    "run_length",
    "siegmund_average_run_length",
]
