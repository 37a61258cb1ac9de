"""Conditional correlations of given parameters: the filter without a fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_covariance, checked_matrix
from risk_core.correlation.kernels import correlation_path, likelihood
from risk_core.correlation.targets import Target, Targets, targets
from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]


def dcc_correlations(
    residuals: ArrayLike,
    alpha: float,
    beta: float,
    gamma: float = 0.0,
    *,
    target: Target | str | ArrayLike = Target.SECOND_MOMENT,
    low_target: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> Floats:
    """Return conditional correlations, float64[T + 1, N, N]: of each day, known the day before, and of the day after the last.

    Parameters
    ----------
    residuals : float64[N, T]
        Standardised by their volatilities, instrument-major, oldest first.
    alpha, beta, gamma : float
        Reaction to news, persistence and reaction to joint losses; not negative, alpha + reach gamma + beta < 1 (see `Targets`).
    target : Target, str or float64[N, N]
        What Q returns to.
    low_target : float64[N, N], optional
        M; the mean of n n' of these residuals if not given. New days of a fitted model take both targets from it.
    start : float64[N, N], optional
        Q of the first day; the target if not given.

    Raises
    ------
    MeasureError
        For residuals that are not finite, impossible or non-stationary parameters, an impossible target or start.
    """
    z, goal, theta, first = _checked(residuals, alpha, beta, gamma, target, low_target, start)
    path: Floats = correlation_path(np.ascontiguousarray(z.T), first, goal.omega(theta), theta)[0]
    return path


def dcc_log_likelihood(
    residuals: ArrayLike,
    alpha: float,
    beta: float,
    gamma: float = 0.0,
    *,
    target: Target | str | ArrayLike = Target.SECOND_MOMENT,
    low_target: ArrayLike | None = None,
    start: ArrayLike | None = None,
) -> float:
    """Return the sum over days of -½ (log|R| + z'R⁻¹z - z'z), the correlation part of the normal likelihood (Engle 2002, equation 26).

    Parameters and errors are those of `dcc_correlations`; MeasureError also where a correlation is singular.
    """
    z, goal, theta, first = _checked(residuals, alpha, beta, gamma, target, low_target, start)
    days = z.shape[1]
    value = float(likelihood(np.ascontiguousarray(z.T), first, goal.level, goal.low, theta, np.empty(days), np.empty((days, 3))))
    if not np.isfinite(value):
        raise MeasureError("a correlation matrix is singular: fewer days than instruments, or one instrument twice; give another target")
    return value


def _checked(
    residuals: ArrayLike,
    alpha: float,
    beta: float,
    gamma: float,
    target: Target | str | ArrayLike,
    low_target: ArrayLike | None,
    start: ArrayLike | None,
) -> tuple[Floats, Targets, Floats, Floats]:
    z = checked_matrix(residuals, "residuals")
    goal = targets(z, target, low_target)
    theta = np.array(
        [checked_scalar(alpha, "alpha", least=0.0), checked_scalar(gamma, "gamma", least=0.0), checked_scalar(beta, "beta", least=0.0)]
    )
    total = float(theta[0] + goal.reach * theta[1] + theta[2])
    if not total < 1.0:
        raise MeasureError(f"alpha + {goal.reach:.4g} gamma + beta must be less than 1 for a stationary model, not {total:.6g}")
    first = goal.level if start is None else checked_covariance(start, "start", z.shape[0])
    return z, goal, theta, np.array(first)
