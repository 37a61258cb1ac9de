"""Covariance and correlation matrices that other code can rely on."""

from risk_core.covariance.estimate import ewma_covariance_matrix, volatilities_and_correlations, weighted_covariance
from risk_core.covariance.repair import (
    Repair,
    RepairStatus,
    checked_symmetric,
    clip_eigenvalues,
    is_positive_semidefinite,
    nearest_correlation,
    nearest_covariance,
)

__all__ = [
    "Repair",
    "RepairStatus",
    "checked_symmetric",
    "clip_eigenvalues",
    "ewma_covariance_matrix",
    "is_positive_semidefinite",
    "nearest_correlation",
    "nearest_covariance",
    "volatilities_and_correlations",
    "weighted_covariance",
]
