"""Regulatory capital for market risk, computed: Basel's internal models approach (MAR30-33) and Basel 2.5, figure by figure."""

from risk_core.regulation.aggregate import TotalCapital, total_capital
from risk_core.regulation.base_horizon import BaseHorizon
from risk_core.regulation.basel_2_5 import StressedVaRCapital, stressed_var_capital, ten_day_value_at_risk
from risk_core.regulation.desk import DeskApproach, DeskBacktest, DeskDecision, desk_backtest, desk_decision
from risk_core.regulation.eligibility import FactorEligibility, factor_eligibility
from risk_core.regulation.expected_shortfall_horizons import HORIZON_DAYS, HorizonShortfall, Subsets, liquidity_horizon_shortfall
from risk_core.regulation.imcc import ModelCapital, ModellableCapital, RiskClass, model_capital, modellable_capital
from risk_core.regulation.multiplier import BacktestingMultiplier, backtesting_multiplier, multiplier_table
from risk_core.regulation.non_modellable import NonModellableCapital, non_modellable_capital
from risk_core.regulation.outliers import Outliers, count_outliers
from risk_core.regulation.pnl_attribution import AttributionZone, PnlAttribution, attribution_zone, pnl_attribution
from risk_core.regulation.stress_calibration import ReducedSetShare, StressedShortfall, reduced_set_share, stressed_expected_shortfall
from risk_core.regulation.stress_window import Severity, StressWindow, WindowTies, most_severe_window
from risk_core.regulation.surcharge import AmberSurcharge, amber_surcharge

__all__ = [
    "HORIZON_DAYS",
    "AmberSurcharge",
    "AttributionZone",
    "BacktestingMultiplier",
    "BaseHorizon",
    "DeskApproach",
    "DeskBacktest",
    "DeskDecision",
    "FactorEligibility",
    "HorizonShortfall",
    "ModelCapital",
    "ModellableCapital",
    "NonModellableCapital",
    "Outliers",
    "PnlAttribution",
    "ReducedSetShare",
    "RiskClass",
    "Severity",
    "StressWindow",
    "StressedShortfall",
    "StressedVaRCapital",
    "Subsets",
    "TotalCapital",
    "WindowTies",
    "amber_surcharge",
    "attribution_zone",
    "backtesting_multiplier",
    "count_outliers",
    "desk_backtest",
    "desk_decision",
    "factor_eligibility",
    "liquidity_horizon_shortfall",
    "model_capital",
    "modellable_capital",
    "most_severe_window",
    "multiplier_table",
    "non_modellable_capital",
    "pnl_attribution",
    "reduced_set_share",
    "stressed_expected_shortfall",
    "stressed_var_capital",
    "ten_day_value_at_risk",
    "total_capital",
]
