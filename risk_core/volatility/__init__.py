"""Volatility of one series: EWMA, RiskMetrics 2006, GARCH, GJR, EGARCH, APARCH, HAR; forecasts, streams, refits, VaR and ES from them."""

from risk_core.volatility.forecasting import (
    ConditionalRisk,
    VolatilityForecast,
    conditional_risk,
    expected_variances,
    forecast_volatility,
    simulate_volatility,
)
from risk_core.volatility.garch import Innovation, Start, fit_garch
from risk_core.volatility.har import HarFit, HarForecast, OnlineHar, Transform, fit_har
from risk_core.volatility.model_fit import ErrorKind, ModelFit
from risk_core.volatility.model_states import Model, ModelState, model_state
from risk_core.volatility.models import StartVariance, fit_aparch, fit_egarch, fit_volatility
from risk_core.volatility.online import OnlineVolatility
from risk_core.volatility.realised import bipower_variation, daily_realised_variance, realised_variance, realised_volatility
from risk_core.volatility.refitting import Refit, refit
from risk_core.volatility.result import VolatilityFit, VolatilityStatus
from risk_core.volatility.smoothing import (
    RISKMETRICS_2006,
    TimeScales,
    ewma_volatility,
    riskmetrics_2006,
    riskmetrics_2006_weights,
)
from risk_core.volatility.state import Recursion, VolatilityState, garch_recursion, step
from risk_core.volatility.tails import (
    GarchTail,
    MixtureTail,
    fit_garch_normal,
    fit_garch_t,
    fit_garch_tail,
    fit_riskmetrics_2006,
)

__all__ = [
    "RISKMETRICS_2006",
    "ConditionalRisk",
    "ErrorKind",
    "GarchTail",
    "HarFit",
    "HarForecast",
    "Innovation",
    "MixtureTail",
    "Model",
    "ModelFit",
    "ModelState",
    "OnlineHar",
    "OnlineVolatility",
    "Recursion",
    "Refit",
    "Start",
    "StartVariance",
    "TimeScales",
    "Transform",
    "VolatilityFit",
    "VolatilityForecast",
    "VolatilityState",
    "VolatilityStatus",
    "bipower_variation",
    "conditional_risk",
    "daily_realised_variance",
    "ewma_volatility",
    "expected_variances",
    "fit_aparch",
    "fit_egarch",
    "fit_garch",
    "fit_garch_normal",
    "fit_garch_t",
    "fit_garch_tail",
    "fit_har",
    "fit_riskmetrics_2006",
    "fit_volatility",
    "forecast_volatility",
    "garch_recursion",
    "model_state",
    "realised_variance",
    "realised_volatility",
    "refit",
    "riskmetrics_2006",
    "riskmetrics_2006_weights",
    "simulate_volatility",
    "step",
]
