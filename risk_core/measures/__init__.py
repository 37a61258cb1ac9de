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
from risk_core.measures.closed_form import (
    ClosedForm,
    lognormal_closed_form,
    normal_closed_form,
    quantile_standard_error,
    student_t_closed_form,
)
from risk_core.measures.distribution import Law, distribution_risk
from risk_core.measures.drawdown import (
    Accumulation,
    DrawdownEpisode,
    DrawdownRisk,
    average_drawdown,
    conditional_drawdown_at_risk,
    drawdown_at_risk,
    drawdowns,
    entropic_drawdown_at_risk,
    maximum_drawdown,
    ulcer_index,
    worst_drawdown,
)
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.entropic import EntropicRisk, entropic_risk, entropic_value_at_risk
from risk_core.measures.ewma import EwmaSeed, ewma_correlation, ewma_covariance, ewma_days, ewma_variance, ewma_variances
from risk_core.measures.expectile import expectile, expectile_value_at_risk
from risk_core.measures.many import PortfolioShortfalls, component_expected_shortfalls
from risk_core.measures.mapping import mapping_share
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.parametric import DeltaNormal, best_hedge, covariance_matrix, delta_normal, horizon_scale, parametric_value_at_risk
from risk_core.measures.portfolio import RISK_MEASURES, RiskMeasures, risk_measures
from risk_core.measures.presets import PRESETS, preset
from risk_core.measures.quantiles import lower_tail_mean, quantile
from risk_core.measures.result import Measured, Status
from risk_core.measures.spectral import (
    DensitySpectrum,
    ExponentialSpectrum,
    PowerSpectrum,
    ShortfallSpectrum,
    Spectrum,
    spectral_measure,
    spectral_risk,
    spectrum,
)
from risk_core.measures.tail_ratio import RatioStatus, TailRatio, tail_ratio

__all__ = [
    "DEFAULT_CONVENTIONS",
    "PRESETS",
    "RISK_MEASURES",
    "Accumulation",
    "Attribution",
    "AttributionError",
    "ClosedForm",
    "ConventionError",
    "Conventions",
    "DeltaNormal",
    "DensitySpectrum",
    "DrawdownEpisode",
    "DrawdownRisk",
    "EntropicRisk",
    "EwmaSeed",
    "EwmaStart",
    "ExponentialSpectrum",
    "Law",
    "Mean",
    "MeasureError",
    "Measured",
    "PortfolioShortfalls",
    "PowerSpectrum",
    "QuantileConvention",
    "QuantileSide",
    "RatioStatus",
    "RiskMeasures",
    "ShortfallSpectrum",
    "Spectrum",
    "Status",
    "TailRatio",
    "TailWeight",
    "attribute",
    "average_drawdown",
    "best_hedge",
    "component_expected_shortfalls",
    "components",
    "conditional_drawdown_at_risk",
    "covariance_matrix",
    "delta_normal",
    "distribution_risk",
    "drawdown_at_risk",
    "drawdowns",
    "entropic_drawdown_at_risk",
    "entropic_risk",
    "entropic_value_at_risk",
    "ewma_correlation",
    "ewma_covariance",
    "ewma_days",
    "ewma_variance",
    "ewma_variances",
    "expected_shortfall",
    "expectile",
    "expectile_value_at_risk",
    "horizon_scale",
    "incremental",
    "lognormal_closed_form",
    "lower_tail_mean",
    "mapping_share",
    "marginal",
    "maximum_drawdown",
    "normal_closed_form",
    "normal_expected_shortfall",
    "normal_value_at_risk",
    "parametric_value_at_risk",
    "preset",
    "quantile",
    "quantile_standard_error",
    "risk_measures",
    "spectral_measure",
    "spectral_risk",
    "spectrum",
    "standalone",
    "student_t_closed_form",
    "tail_ratio",
    "ulcer_index",
    "value_at_risk",
    "worst_drawdown",
]
