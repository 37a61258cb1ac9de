"""Age-weighted scenarios: J. Boudoukh, M. Richardson and R. Whitelaw, "The best of both worlds", Risk 11 (1998) 64-67."""

from __future__ import annotations

from risk_core.scenarios.scenario_set import ScenarioSet
from risk_core.scenarios.weights import BRW_DECAY, exponential_weights


def age_weighted(scenarios: ScenarioSet, decay: float = BRW_DECAY) -> ScenarioSet:
    """Return the same moves with weights decay**age (1 - decay) / (1 - decay**S), the newest heaviest."""
    return scenarios.with_weights(exponential_weights(len(scenarios.dates), decay)[::-1], "age_weighted")
