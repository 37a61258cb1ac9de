"""What the Gaussian and the Student t copula share: a correlation matrix."""

from __future__ import annotations

from collections.abc import Callable
from math import asin, pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad_vec

from risk_core.copulas.checks import CopulaError
from risk_core.copulas.dependence import tau_matrix
from risk_core.covariance import nearest_correlation

Floats = NDArray[np.float64]

RHO_END: Final = 0.9999
"""Fits of a pair stop at this correlation, either sign."""
_LEAST_EIGENVALUE: Final = 1e-10
_MENDED_EIGENVALUE: Final = 1e-6


def checked_correlation(correlation: ArrayLike) -> Floats:
    """Return a correlation matrix float64[d, d], read-only.

    Raises
    ------
    CopulaError
        Unless it is square, d >= 2, finite, symmetric, with a diagonal of one, and positive definite (least eigenvalue 1e-10).
    """
    matrix = np.array(correlation, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise CopulaError(f"correlation must be a square matrix of at least 2 by 2, not of shape {matrix.shape}; for a pair use pair(rho)")
    if not np.all(np.isfinite(matrix)):
        raise CopulaError("correlation holds NaN or infinite values")
    if np.abs(matrix - matrix.T).max() > 1e-12 or np.abs(np.diag(matrix) - 1.0).max() > 1e-12:
        raise CopulaError("correlation must be symmetric with ones on its diagonal; divide a covariance by its standard deviations")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < _LEAST_EIGENVALUE:
        raise CopulaError(
            f"correlation is singular or not positive definite: its least eigenvalue is {least:.3g};"
            " mend it with risk_core.covariance.nearest_correlation"
        )
    matrix.setflags(write=False)
    return matrix


def pair_matrix(rho: float) -> Floats:
    """Return the correlation matrix of two columns; CopulaError unless -1 < rho < 1."""
    if not -1.0 < rho < 1.0:
        raise CopulaError(f"rho must lie strictly between -1 and 1, not {rho!r}")
    return np.array([[1.0, rho], [rho, 1.0]])


def mended(correlation: Floats) -> Floats:
    """Return the nearest correlation matrix that can be factorised; itself where it can."""
    return nearest_correlation(correlation, floor=_MENDED_EIGENVALUE).matrix


def tau_correlation(u: Floats) -> Floats:
    """Return sin(pi tau / 2) pair by pair, made positive definite: F. Lindskog, A. McNeil and U. Schmock, in Credit Risk (2003) 149-156."""
    correlation = np.clip(np.sin(0.5 * pi * tau_matrix(u)), -RHO_END, RHO_END)
    np.fill_diagonal(correlation, 1.0)
    return mended(correlation)


def elliptical_tau(correlation: Floats, i: int, j: int) -> float:
    """Return 2/pi arcsin(rho), of every elliptical copula."""
    return 2.0 / pi * asin(float(correlation[i, j]))


def angle_distribution(u: Floats, v: Floats, rho: float, density: Callable[[float], Floats]) -> Floats:
    """Return C(u, v) of a pair by integrating dC/d(angle), rho = sin(angle), from the bound that it has at correlation 1 or -1.

    Slepian's and Plackett's identity (R. Plackett, Biometrika 41 (1954) 351-360), which holds for the t law too.
    """
    angle = asin(rho)
    if rho >= 0.0:
        start, end, bound, sign = angle, 0.5 * pi, np.minimum(u, v), -1.0
    else:
        start, end, bound, sign = -0.5 * pi, angle, np.maximum(u + v - 1.0, 0.0), 1.0
    area = quad_vec(density, start, end, epsabs=1e-12, epsrel=1e-10, norm="max", limit=400)[0]
    reached: Floats = np.clip(bound + sign * area, 0.0, 1.0)
    return reached
