"""Dependence of a sample: pseudo-observations, Kendall's tau, tail concentration."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from risk_core.copulas.checks import CopulaError, checked_uniforms

Floats = NDArray[np.float64]


def pseudo_observations(data: ArrayLike) -> Floats:
    """Return ranks over n + 1, column by column: float64[n, d] to float64[n, d] inside (0, 1).

    Equal values share their mean rank. The n + 1 keeps the largest away from 1 (Genest, Ghoudi and Rivest 1995).

    Raises
    ------
    CopulaError
        If the data do not have two dimensions, are empty, or hold NaN or infinite values.
    """
    array = np.asarray(data, np.float64)
    if array.ndim != 2 or array.size == 0:
        raise CopulaError(f"data must have the shape (n, d), one observation a row, not {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        row, column = bad[0]
        raise CopulaError(f"data is {array[row, column]} at row {row}, column {column}; fill it from a proxy or drop the row")
    ranks: Floats = rankdata(array, axis=0) / (array.shape[0] + 1.0)
    return ranks


def sample_tau(first: Floats, second: Floats) -> float:
    """Return Kendall's tau of two columns, ties corrected (tau-b)."""
    return float(kendalltau(first, second).statistic)


def tau_matrix(u: Floats) -> Floats:
    """Return float64[d, d] of Kendall's tau, one on the diagonal."""
    d = u.shape[1]
    matrix = np.eye(d)
    for i in range(d):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = sample_tau(u[:, i], u[:, j])
    return matrix


def tail_concentration(u: ArrayLike, level: float) -> tuple[float, float]:
    """Return (C(q, q)/q, (1 - 2 (1 - q) + C(1 - q, 1 - q))/q) of a sample at q = level: tail dependence seen at a finite level.

    J. Venter, "Tails of copulas", Proceedings of the Casualty Actuarial Society 89 (2002) 68-113.

    Parameters
    ----------
    u : float64[n, 2]
    level : float
        In (0, 0.5].

    Raises
    ------
    CopulaError
        For another shape, values outside [0, 1], or a level outside (0, 0.5].
    """
    if not 0.0 < level <= 0.5:
        raise CopulaError(f"level must lie in (0, 0.5], such as 0.05, not {level!r}")
    pair = checked_uniforms(u, 2)
    lower = float(np.mean(np.all(pair <= level, axis=1)) / level)
    return lower, float(np.mean(np.all(pair > 1.0 - level, axis=1)) / level)
