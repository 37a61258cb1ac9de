"""Scenario sets: matrices of joint moves with weights, one builder a file."""

from risk_core.scenarios.age_weighted import age_weighted
from risk_core.scenarios.currency import in_currency
from risk_core.scenarios.ewma import ewma_weighted
from risk_core.scenarios.historical import historical_scenarios
from risk_core.scenarios.scenario_set import ScenarioError, ScenarioSet
from risk_core.scenarios.volatility_weighted import volatility_scaled, volatility_weighted
from risk_core.scenarios.weights import WeightError, equal_weights, exponential_weights

__all__ = [
    "ScenarioError",
    "ScenarioSet",
    "WeightError",
    "age_weighted",
    "equal_weights",
    "ewma_weighted",
    "exponential_weights",
    "historical_scenarios",
    "in_currency",
    "volatility_scaled",
    "volatility_weighted",
]
