"""Does the model hold: tests of value at risk, expected shortfall and densities against what happened."""

from risk_core.backtests.berkowitz import (
    berkowitz_tail_test,
    berkowitz_test,
)
from risk_core.backtests.catalogue import coverage_tests
from risk_core.backtests.comparison import (
    ComparisonZone,
    Kernel,
    diebold_mariano_test,
    long_run_variance,
    murphy_diagram,
    newey_west_lags,
    three_zone_comparison,
)
from risk_core.backtests.confidence_set import (
    SetStatistic,
    model_confidence_set,
)
from risk_core.backtests.coverage import (
    Alternative,
    binomial_test,
    kupiec_pof,
    kupiec_tuff,
    minimum_detectable_rate,
    pof_acceptance_region,
    rejection_probability,
)
from risk_core.backtests.density import (
    Uniformity,
    pit_uniformity_test,
)
from risk_core.backtests.durations import DurationHypothesis, DurationLaw, duration_test
from risk_core.backtests.engle_manganelli import dynamic_quantile
from risk_core.backtests.es_acerbi_szekely import (
    AcerbiSzekely,
    acerbi_szekely_test,
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    minimally_biased_test,
    z2_critical_value,
    z2_p_value,
)
from risk_core.backtests.es_calibration import (
    Calibration,
    Correction,
    conditional_calibration_test,
    identification,
    joined_p_value,
)
from risk_core.backtests.es_du_escanciano import (
    cumulative_violations,
    du_escanciano_conditional,
    du_escanciano_conditional_p_value,
    du_escanciano_unconditional,
    du_escanciano_unconditional_p_value,
    violation_moments,
)
from risk_core.backtests.es_laws import (
    Law,
    as_law,
    draws_model,
    location_scale_model,
)
from risk_core.backtests.es_quantile import (
    acerbi_szekely_z3,
)
from risk_core.backtests.es_regression import (
    EsrVersion,
    esr_test,
    fit_joint_regression,
)
from risk_core.backtests.es_residuals import (
    exceedance_residuals,
    mcneil_frey_test,
    righi_ceretta_test,
)
from risk_core.backtests.es_traffic_light import (
    ShortfallZone,
    costanzino_curran_test,
    shortfall_breach_probability,
    shortfall_zone,
    shortfall_zone_bounds,
)
from risk_core.backtests.exact import (
    exact_conditional_coverage_p_value,
    exact_independence_p_value,
    exact_independence_p_value_given_count,
    exact_pof_p_value,
)
from risk_core.backtests.exception_cusum import (
    ExceptionCusum,
    average_run_length,
    calibrated_limit,
    reference_days,
)
from risk_core.backtests.exceptions import ExceptionSeries, Missing, Ties, TransitionCounts, exception_series, gaps, transition_counts
from risk_core.backtests.hong_li import (
    hong_li_test,
)
from risk_core.backtests.independence import (
    christoffersen_conditional_coverage,
    christoffersen_conditional_coverage_counts,
    christoffersen_independence,
    christoffersen_independence_counts,
)
from risk_core.backtests.likelihood import chi_square_tail
from risk_core.backtests.multilevel import multilevel_confidences, multilevel_counts, multilevel_lrt, multilevel_nass, multilevel_pearson
from risk_core.backtests.online import (
    Betting,
    BettingTest,
    Target,
    es_e_values,
    var_e_values,
)
from risk_core.backtests.overlapping import (
    decorrelate,
    decorrelated_exceptions,
    overlapping_bounds,
    overlapping_traffic_light,
    pooled_count_law,
)
from risk_core.backtests.result import BacktestError, DecideBy, Decision, TestResult
from risk_core.backtests.rolling import Judgement, RollingBacktest
from risk_core.backtests.rolling_table import RollingTable, rolling_backtests
from risk_core.backtests.scores import (
    JointScore,
    fz0_loss,
    fzg_loss,
    joint_loss,
    quantile_loss,
)
from risk_core.backtests.time_between_failures import haas_tbf, haas_tbfi
from risk_core.backtests.zones import (
    Framework,
    Zone,
    basel_multiplier,
    desk_eligible,
    plus_factor,
    table_plus_factor,
    traffic_light,
    traffic_light_bounds,
)

__all__ = [
    "AcerbiSzekely",
    "Alternative",
    "BacktestError",
    "Betting",
    "BettingTest",
    "Calibration",
    "ComparisonZone",
    "Correction",
    "DecideBy",
    "Decision",
    "DurationHypothesis",
    "DurationLaw",
    "EsrVersion",
    "ExceptionCusum",
    "ExceptionSeries",
    "Framework",
    "JointScore",
    "Judgement",
    "Kernel",
    "Law",
    "Missing",
    "RollingBacktest",
    "RollingTable",
    "SetStatistic",
    "ShortfallZone",
    "Target",
    "TestResult",
    "Ties",
    "TransitionCounts",
    "Uniformity",
    "Zone",
    "acerbi_szekely_test",
    "acerbi_szekely_z1",
    "acerbi_szekely_z2",
    "acerbi_szekely_z3",
    "as_law",
    "average_run_length",
    "basel_multiplier",
    "berkowitz_tail_test",
    "berkowitz_test",
    "binomial_test",
    "calibrated_limit",
    "chi_square_tail",
    "christoffersen_conditional_coverage",
    "christoffersen_conditional_coverage_counts",
    "christoffersen_independence",
    "christoffersen_independence_counts",
    "conditional_calibration_test",
    "costanzino_curran_test",
    "coverage_tests",
    "cumulative_violations",
    "decorrelate",
    "decorrelated_exceptions",
    "desk_eligible",
    "diebold_mariano_test",
    "draws_model",
    "du_escanciano_conditional",
    "du_escanciano_conditional_p_value",
    "du_escanciano_unconditional",
    "du_escanciano_unconditional_p_value",
    "duration_test",
    "dynamic_quantile",
    "es_e_values",
    "esr_test",
    "exact_conditional_coverage_p_value",
    "exact_independence_p_value",
    "exact_independence_p_value_given_count",
    "exact_pof_p_value",
    "exceedance_residuals",
    "exception_series",
    "fit_joint_regression",
    "fz0_loss",
    "fzg_loss",
    "gaps",
    "haas_tbf",
    "haas_tbfi",
    "hong_li_test",
    "identification",
    "joined_p_value",
    "joint_loss",
    "kupiec_pof",
    "kupiec_tuff",
    "location_scale_model",
    "long_run_variance",
    "mcneil_frey_test",
    "minimally_biased_test",
    "minimum_detectable_rate",
    "model_confidence_set",
    "multilevel_confidences",
    "multilevel_counts",
    "multilevel_lrt",
    "multilevel_nass",
    "multilevel_pearson",
    "murphy_diagram",
    "newey_west_lags",
    "overlapping_bounds",
    "overlapping_traffic_light",
    "pit_uniformity_test",
    "plus_factor",
    "pof_acceptance_region",
    "pooled_count_law",
    "quantile_loss",
    "reference_days",
    "rejection_probability",
    "righi_ceretta_test",
    "rolling_backtests",
    "shortfall_breach_probability",
    "shortfall_zone",
    "shortfall_zone_bounds",
    "table_plus_factor",
    "three_zone_comparison",
    "traffic_light",
    "traffic_light_bounds",
    "transition_counts",
    "var_e_values",
    "violation_moments",
    "z2_critical_value",
    "z2_p_value",
]
