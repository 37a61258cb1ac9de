"""Copulas: families, vines, marginals, and Monte Carlo scenarios from them."""

from risk_core.copulas.checks import UNIFORM_END, CopulaError
from risk_core.copulas.clayton import ClaytonCopula
from risk_core.copulas.dependence import pseudo_observations, tail_concentration, tau_matrix
from risk_core.copulas.frank import FrankCopula
from risk_core.copulas.gaussian import GaussianCopula
from risk_core.copulas.gumbel import GumbelCopula
from risk_core.copulas.independence import IndependenceCopula
from risk_core.copulas.marginals import (
    EmpiricalMarginal,
    Interpolation,
    KernelMarginal,
    Marginal,
    ParametricMarginal,
    SemiParametricMarginal,
)
from risk_core.copulas.protocol import Copula, Dependence, FitMethod, FittableCopula, PairCopula
from risk_core.copulas.rotation import RotatedCopula
from risk_core.copulas.scenarios import (
    SimulatedRisk,
    copula_scenarios,
    expected_shortfall_error,
    simulated_risk,
    value_at_risk_error,
)
from risk_core.copulas.selection import PAIR_FAMILIES, CopulaFit, Criterion, FitStatus, aic, bic, fit_pair, log_likelihood, select_pair
from risk_core.copulas.student_t import StudentTCopula
from risk_core.copulas.vine import VineCopula, VineEdge
from risk_core.copulas.vine_fit import VineStructure, fit_vine

__all__ = [
    "PAIR_FAMILIES",
    "UNIFORM_END",
    "ClaytonCopula",
    "Copula",
    "CopulaError",
    "CopulaFit",
    "Criterion",
    "Dependence",
    "EmpiricalMarginal",
    "FitMethod",
    "FitStatus",
    "FittableCopula",
    "FrankCopula",
    "GaussianCopula",
    "GumbelCopula",
    "IndependenceCopula",
    "Interpolation",
    "KernelMarginal",
    "Marginal",
    "PairCopula",
    "ParametricMarginal",
    "RotatedCopula",
    "SemiParametricMarginal",
    "SimulatedRisk",
    "StudentTCopula",
    "VineCopula",
    "VineEdge",
    "VineStructure",
    "aic",
    "bic",
    "copula_scenarios",
    "expected_shortfall_error",
    "fit_pair",
    "fit_vine",
    "log_likelihood",
    "pseudo_observations",
    "select_pair",
    "simulated_risk",
    "tail_concentration",
    "tau_matrix",
    "value_at_risk_error",
]
