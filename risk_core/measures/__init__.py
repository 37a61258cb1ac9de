"""Risk measures: functions of a P&L vector and scenario weights that return a value and its gradient with respect to the vector."""

from risk_core.measures.attribution import AttributionError, components, incremental, marginal, standalone
from risk_core.measures.checks import MeasureError
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.ewma import ewma_correlation, ewma_covariance, ewma_variance
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.parametric import DeltaNormal, covariance_matrix, delta_normal, parametric_value_at_risk
from risk_core.measures.quantiles import quantile
from risk_core.measures.result import Measured, Status

__all__ = [
    "AttributionError",
    "DeltaNormal",
    "MeasureError",
    "Measured",
    "Status",
    "components",
    "covariance_matrix",
    "delta_normal",
    "ewma_correlation",
    "ewma_covariance",
    "ewma_variance",
    "expected_shortfall",
    "incremental",
    "marginal",
    "normal_expected_shortfall",
    "normal_value_at_risk",
    "parametric_value_at_risk",
    "quantile",
    "standalone",
    "value_at_risk",
]
