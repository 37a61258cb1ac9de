"""What correlations return to: moments of standardised residuals, and how far news may move them from there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_covariance
from risk_core.covariance.repair import checked_symmetric, is_positive_semidefinite
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]

SINGULAR: Final = 1e-10
"""A target whose smallest eigenvalue, at a unit diagonal, is below this is singular."""


class Target(StrEnum):
    """The matrix S that Q returns to (correlation targeting)."""

    SECOND_MOMENT = "second_moment"
    """Mean of z z': residuals have mean zero (Engle 2002)."""
    COVARIANCE = "covariance"
    """Sample covariance about the means, one degree of freedom less (rmgarch)."""
    CORRELATION = "correlation"
    """The second moment scaled to a unit diagonal."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What a model returns to.

    Parameters
    ----------
    level : float64[N, N]
        S, the target of z z'.
    low : float64[N, N]
        M, mean of n n' with n = min(z, 0).
    reach : float
        Largest eigenvalue of S^-½ M S^-½; 1 where S is singular. A model is stationary, and Q positive definite, where
        alpha + reach gamma + beta < 1 (Cappiello, Engle and Sheppard 2006).
    smallest : float
        Smallest eigenvalue of S at a unit diagonal.
    """

    level: Floats
    low: Floats
    reach: float
    smallest: float

    @property
    def singular(self) -> bool:
        """Whether some book of the instruments has no variance."""
        return self.smallest < SINGULAR

    def omega(self, theta: Floats) -> Floats:
        """Return (1 - alpha - beta) S - gamma M."""
        result: Floats = (1.0 - theta[0] - theta[2]) * self.level - theta[1] * self.low
        return result


def targets(residuals: Floats, target: Target | str | ArrayLike = Target.SECOND_MOMENT, low_target: ArrayLike | None = None) -> Targets:
    """Return the targets of residuals float64[N, T], or of given matrices; MeasureError for an unknown name or an impossible matrix."""
    count, days = residuals.shape
    level: Floats
    if isinstance(target, str):
        if target not in list(Target):
            raise MeasureError(f"unknown target {target!r}; choose one of {', '.join(Target)}, or give a matrix")
        centred = residuals - residuals.mean(axis=1, keepdims=True) if target == Target.COVARIANCE else residuals
        freedom = days - 1 if target == Target.COVARIANCE else days
        if freedom < 1:
            raise MeasureError("one day has no sample covariance; give target 'second_moment' or a matrix")
        level = centred @ centred.T / freedom
        level = 0.5 * (level + level.T)
        if not (np.diag(level) > 0.0).all():
            raise MeasureError(f"residuals of instrument {int(np.argmin(np.diag(level)))} never move: drop it")
        if target == Target.CORRELATION:
            level = correlation_of(level)
    else:
        level = checked_covariance(target, "target", count)
    if low_target is None:
        lost = np.minimum(residuals, 0.0)
        low = lost @ lost.T / days
        low = 0.5 * (low + low.T)
    else:
        low = checked_symmetric(low_target, "low_target", positive_diagonal=False)
        if low.shape != level.shape or not is_positive_semidefinite(low):
            raise MeasureError(f"low_target must be a positive semidefinite matrix of shape {level.shape}")
    unit = correlation_of(level)
    values, vectors = np.linalg.eigh(unit)
    smallest = float(values[0])
    if smallest < SINGULAR:
        return Targets(level, low, 1.0, smallest)
    away = vectors / np.sqrt(values) / np.sqrt(np.diag(level))[:, None]
    reach = float(np.linalg.eigvalsh(away.T @ low @ away)[-1])
    return Targets(level, low, reach, smallest)


def correlation_of(matrix: Floats) -> Floats:
    """Return a positive semidefinite matrix at a unit diagonal, symmetric to the last bit."""
    unit = 1.0 / np.sqrt(np.diag(matrix))
    scaled: Floats = np.clip(matrix * unit[:, None] * unit[None, :], -1.0, 1.0)
    scaled = 0.5 * (scaled + scaled.T)
    np.fill_diagonal(scaled, 1.0)
    return scaled
