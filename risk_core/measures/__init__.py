"""Risk measures: functions of a P&L vector and scenario weights that return a value and its gradient with respect to the vector."""

from risk_core.conventions import (
    DEFAULT_CONVENTIONS,
    ConventionError,
    Conventions,
    EwmaStart,
    Mean,
    QuantileConvention,
    QuantileSide,
    TailWeight,
)
from risk_core.measures.attribution import Attribution, AttributionError, attribute, components, incremental, marginal, standalone
from risk_core.measures.checks import MeasureError
from risk_core.measures.closed_form import ClosedForm, lognormal_closed_form, normal_closed_form, student_t_closed_form
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.ewma import EwmaSeed, ewma_correlation, ewma_covariance, ewma_variance, ewma_variances
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.parametric import DeltaNormal, covariance_matrix, delta_normal, parametric_value_at_risk
from risk_core.measures.presets import PRESETS, preset
from risk_core.measures.quantiles import lower_tail_mean, quantile
from risk_core.measures.result import Measured, Status

__all__ = [
    "DEFAULT_CONVENTIONS",
    "PRESETS",
    "Attribution",
    "AttributionError",
    "ClosedForm",
    "ConventionError",
    "Conventions",
    "DeltaNormal",
    "EwmaSeed",
    "EwmaStart",
    "Mean",
    "MeasureError",
    "Measured",
    "QuantileConvention",
    "QuantileSide",
    "Status",
    "TailWeight",
    "attribute",
    "components",
    "covariance_matrix",
    "delta_normal",
    "ewma_correlation",
    "ewma_covariance",
    "ewma_variance",
    "ewma_variances",
    "expected_shortfall",
    "incremental",
    "lognormal_closed_form",
    "lower_tail_mean",
    "marginal",
    "normal_closed_form",
    "normal_expected_shortfall",
    "normal_value_at_risk",
    "parametric_value_at_risk",
    "preset",
    "quantile",
    "standalone",
    "student_t_closed_form",
    "value_at_risk",
]
