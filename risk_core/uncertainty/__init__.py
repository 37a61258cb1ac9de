"""How far a value at risk or expected shortfall can be trusted: standard errors, bootstrap intervals, and smoother estimators."""

from risk_core.uncertainty.block_length import BlockLengths, optimal_block_length, pnl_block_length
from risk_core.uncertainty.bootstrap import (
    BootstrapEstimate,
    IntervalKind,
    block_bootstrap_expected_shortfall,
    block_bootstrap_value_at_risk,
    bootstrap_draws,
    bootstrap_interval,
)
from risk_core.uncertainty.components import AttributionErrors, attribute_with_errors
from risk_core.uncertainty.interval import Interval, IntervalStatus
from risk_core.uncertainty.jackknife import group_jackknife
from risk_core.uncertainty.normal_errors import Moments, normal_expected_shortfall_interval, normal_value_at_risk_interval
from risk_core.uncertainty.resampling import Resampling, Scheme
from risk_core.uncertainty.smooth import (
    Kernel,
    harrell_davis_expected_shortfall,
    harrell_davis_value_at_risk,
    kernel_expected_shortfall,
    kernel_value_at_risk,
)
from risk_core.uncertainty.smoothed_law import smoothed_expected_shortfall, smoothed_value_at_risk
from risk_core.uncertainty.standard_errors import Density, expected_shortfall_interval, order_statistic_interval, value_at_risk_interval
from risk_core.uncertainty.tail_draws import TailDraws, tail_draws

__all__ = [
    "AttributionErrors",
    "BlockLengths",
    "BootstrapEstimate",
    "Density",
    "Interval",
    "IntervalKind",
    "IntervalStatus",
    "Kernel",
    "Moments",
    "Resampling",
    "Scheme",
    "TailDraws",
    "attribute_with_errors",
    "block_bootstrap_expected_shortfall",
    "block_bootstrap_value_at_risk",
    "bootstrap_draws",
    "bootstrap_interval",
    "expected_shortfall_interval",
    "group_jackknife",
    "harrell_davis_expected_shortfall",
    "harrell_davis_value_at_risk",
    "kernel_expected_shortfall",
    "kernel_value_at_risk",
    "normal_expected_shortfall_interval",
    "normal_value_at_risk_interval",
    "optimal_block_length",
    "order_statistic_interval",
    "pnl_block_length",
    "smoothed_expected_shortfall",
    "smoothed_value_at_risk",
    "tail_draws",
    "value_at_risk_interval",
]
