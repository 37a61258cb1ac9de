"""Value at risk and expected shortfall of a book given by its deltas and gammas: approximate, exact and simulated."""

from risk_core.delta_gamma.approximate import cornish_fisher_value_at_risk, delta_expected_shortfall, delta_value_at_risk
from risk_core.delta_gamma.components import component_value_at_risk, exact_sensitivity, saddlepoint_sensitivity
from risk_core.delta_gamma.inversion import StudentT, exact_expected_shortfall, exact_tail_probability, exact_value_at_risk
from risk_core.delta_gamma.model import DeltaGamma, Quadratic
from risk_core.delta_gamma.quasi import quasi_monte_carlo_value_at_risk
from risk_core.delta_gamma.result import DeltaGammaRisk, DeltaGammaStatus, Method, Sensitivity, SimulatedRisk
from risk_core.delta_gamma.saddlepoint import saddlepoint_expected_shortfall, saddlepoint_tail_probability, saddlepoint_value_at_risk
from risk_core.delta_gamma.simulation import monte_carlo_value_at_risk

__all__ = [
    "DeltaGamma",
    "DeltaGammaRisk",
    "DeltaGammaStatus",
    "Method",
    "Quadratic",
    "Sensitivity",
    "SimulatedRisk",
    "StudentT",
    "component_value_at_risk",
    "cornish_fisher_value_at_risk",
    "delta_expected_shortfall",
    "delta_value_at_risk",
    "exact_expected_shortfall",
    "exact_sensitivity",
    "exact_tail_probability",
    "exact_value_at_risk",
    "monte_carlo_value_at_risk",
    "quasi_monte_carlo_value_at_risk",
    "saddlepoint_expected_shortfall",
    "saddlepoint_sensitivity",
    "saddlepoint_tail_probability",
    "saddlepoint_value_at_risk",
]
