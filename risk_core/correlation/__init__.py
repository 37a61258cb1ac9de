"""Conditional correlations and covariances of several series: models, streams, a watch over forecasts, an alarm for breakdown."""

from risk_core.correlation.alarm import (
    AlarmReading,
    AlarmStatus,
    BreakdownMonitor,
    BreakdownStatistic,
    CorrelationAlarm,
    calibrate_alarm,
    rolling_statistic,
)
from risk_core.correlation.breakdown import (
    Bets,
    CorrelationImpact,
    Pair,
    absorption_ratio,
    absorption_shift,
    average_correlation,
    correlation_impact,
    diversification_distribution,
    effective_number_of_bets,
    effective_rank,
    extreme_correlations,
    minimum_torsion,
)
from risk_core.correlation.calibration import (
    Band,
    Qlike,
    bias_band,
    bias_statistic,
    mahalanobis,
    mahalanobis_band,
    qlike,
    qlike_band,
)
from risk_core.correlation.dcc import Likelihood, fit_ccc, fit_dcc
from risk_core.correlation.ewma import CovarianceStart, EwmaCovariance, ewma_covariances
from risk_core.correlation.filter import dcc_correlations, dcc_log_likelihood
from risk_core.correlation.forecast import ForecastMethod, correlation_forecast
from risk_core.correlation.monitor import CovarianceMonitor, MonitorReading, MonitorStatus
from risk_core.correlation.online import OnlineCorrelation
from risk_core.correlation.orthogonal import OnlineOrthogonal, OrthogonalFit, fit_orthogonal_garch
from risk_core.correlation.regime_adjusted import RegimeAdjustedEwmaCovariance, RegimeMethod, RegimeTarget
from risk_core.correlation.result import CorrelationFit, CorrelationStatus
from risk_core.correlation.shrinkage import ShrinkageTarget, Shrunk, ledoit_wolf
from risk_core.correlation.targets import Target, Targets

__all__ = [
    "AlarmReading",
    "AlarmStatus",
    "Band",
    "Bets",
    "BreakdownMonitor",
    "BreakdownStatistic",
    "CorrelationAlarm",
    "CorrelationFit",
    "CorrelationImpact",
    "CorrelationStatus",
    "CovarianceMonitor",
    "CovarianceStart",
    "EwmaCovariance",
    "ForecastMethod",
    "Likelihood",
    "MonitorReading",
    "MonitorStatus",
    "OnlineCorrelation",
    "OnlineOrthogonal",
    "OrthogonalFit",
    "Pair",
    "Qlike",
    "RegimeAdjustedEwmaCovariance",
    "RegimeMethod",
    "RegimeTarget",
    "ShrinkageTarget",
    "Shrunk",
    "Target",
    "Targets",
    "absorption_ratio",
    "absorption_shift",
    "average_correlation",
    "bias_band",
    "bias_statistic",
    "calibrate_alarm",
    "correlation_forecast",
    "correlation_impact",
    "dcc_correlations",
    "dcc_log_likelihood",
    "diversification_distribution",
    "effective_number_of_bets",
    "effective_rank",
    "ewma_covariances",
    "extreme_correlations",
    "fit_ccc",
    "fit_dcc",
    "fit_orthogonal_garch",
    "ledoit_wolf",
    "mahalanobis",
    "mahalanobis_band",
    "minimum_torsion",
    "qlike",
    "qlike_band",
    "rolling_statistic",
]
