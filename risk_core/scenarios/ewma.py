"""Exponentially weighted scenarios for delta-normal measures: RiskMetrics Technical Document (1996)."""

from __future__ import annotations

from risk_core.scenarios.scenario_set import ScenarioSet
from risk_core.scenarios.weights import RISKMETRICS_DECAY, exponential_weights


def ewma_weighted(scenarios: ScenarioSet, decay: float = RISKMETRICS_DECAY, *, normalised: bool = True) -> ScenarioSet:
    """Return the same moves with RiskMetrics weights; `normalised` False leaves (1 - decay) decay**age, the recursion from zero."""
    return scenarios.with_weights(exponential_weights(len(scenarios.dates), decay, normalised=normalised)[::-1], "ewma")
