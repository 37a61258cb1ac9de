"""Repair of covariance and correlation matrices that are not positive semidefinite.

Matrices estimated pair by pair, stressed by hand or stitched from several sources often have negative eigenvalues: then some book has a
negative variance. Two repairs, both with the diagonal kept: the nearest correlation matrix (N. Higham, "Computing the nearest correlation
matrix - a problem from finance", IMA Journal of Numerical Analysis 22 (2002) 329-343) and clipping of the spectrum (R. Rebonato and
P. Jäckel, "The most general methodology to create a valid correlation matrix for risk management and option pricing purposes", Journal of
Risk 2 (1999) 17-27; QuantLib and ORE call it spectral salvaging).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]

_SYMMETRY: Final = 1e-8
_ROUNDING: Final = 8.0 * float(np.finfo(np.float64).eps)


class RepairStatus(StrEnum):
    """What became of the matrix."""

    UNCHANGED = "unchanged"
    """It was positive semidefinite already, and is returned as given."""
    REPAIRED = "repaired"
    NOT_CONVERGED = "not_converged"
    """The iteration stopped at its limit: the matrix is positive semidefinite and has its diagonal, but may not be the nearest."""


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """A repaired matrix with its papers.

    Parameters
    ----------
    matrix : float64[K, K]
        Symmetric, positive semidefinite up to rounding.
    smallest_eigenvalue_before, smallest_eigenvalue_after : float
        In the unit of the matrix.
    distance : float
        Frobenius norm of what was changed, in the unit of the matrix.
    iterations : int
        0 where nothing was done.
    status : RepairStatus
    reason : str
        Empty when "unchanged" or "repaired".
    """

    matrix: Floats = field(repr=False)
    smallest_eigenvalue_before: float
    smallest_eigenvalue_after: float
    distance: float
    iterations: int
    status: RepairStatus
    reason: str = ""


def checked_symmetric(matrix: ArrayLike, name: str = "covariance", *, positive_diagonal: bool = True) -> Floats:
    """Return a matrix as float64[K, K], made symmetric to the last bit.

    Raises
    ------
    MeasureError
        If it is empty, not square, not of numbers, not finite, not symmetric (beyond 1e-8 of its largest element), or has a diagonal
        element that is not positive and `positive_diagonal` asks for it. The message names the row.
    """
    try:
        square = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None
    if square.ndim != 2 or square.shape[0] != square.shape[1] or square.size == 0:
        raise MeasureError(f"{name} must be square with a row and a column for each factor, not shape {square.shape}")
    bad = np.argwhere(~np.isfinite(square))
    if bad.size:
        i, j = bad[0]
        raise MeasureError(
            f"{name} is {square[i, j]} in row {i}, column {j} ({len(bad)} are missing or not finite); fill or drop that factor"
        )
    skew = np.abs(square - square.T)
    if skew.max() > _SYMMETRY * np.abs(square).max():
        i, j = np.unravel_index(int(skew.argmax()), skew.shape)
        raise MeasureError(
            f"{name} is not symmetric: {square[i, j]!r} in row {i}, column {j}, but {square[j, i]!r} across the diagonal; "
            "give (m + m.T) / 2 if that is meant"
        )
    diagonal = np.diagonal(square)
    flat = np.flatnonzero(~(diagonal > 0.0))
    if positive_diagonal and flat.size:
        raise MeasureError(f"{name} has {diagonal[flat[0]]} on its diagonal, row {flat[0]}: a variance must be positive; drop that factor")
    return 0.5 * (square + square.T)


def is_positive_semidefinite(matrix: ArrayLike, tolerance: float | None = None) -> bool:
    """Say whether no eigenvalue is below minus `tolerance` times the largest (by size).

    Parameters
    ----------
    matrix : float64[K, K]
        Symmetric.
    tolerance : float, optional
        By default 8 K times the float spacing: what rounding can do.

    Raises
    ------
    MeasureError
        As `checked_symmetric`, save that the diagonal may be anything.
    """
    return _accepted(_spectrum(checked_symmetric(matrix, "matrix", positive_diagonal=False)), tolerance)


def nearest_correlation(
    matrix: ArrayLike, *, floor: float = 0.0, tolerance: float = 1e-10, iterations: int = 2_000, name: str = "correlation"
) -> Repair:
    """Return the correlation matrix nearest to a symmetric matrix in the Frobenius norm.

    Alternating projections on the matrices with eigenvalues of at least `floor` and on those with ones on the diagonal, the first with
    Dykstra's correction, without which the limit is a correlation matrix but not the nearest (Higham 2002, algorithm 3.3). The last step
    scales the semidefinite iterate to a unit diagonal, so the result has both properties whatever the tolerance.

    Parameters
    ----------
    matrix : float64[K, K]
        Symmetric, diagonal positive; it need not be one.
    floor : float
        Least eigenvalue wanted, in [0, 1): 0 for a semidefinite matrix, such as 1e-8 where it will be factorised.
    tolerance : float
        The iteration ends when neither iterate moves, nor they differ, by more than this share of their norm.
    iterations : int
        Limit. One costs an eigendecomposition; convergence is linear.

    Raises
    ------
    MeasureError
        As `checked_symmetric`, or for an impossible floor, tolerance or limit.
    """
    given = checked_symmetric(matrix, name)
    _check_floor(floor)
    if not (tolerance > 0.0 and isfinite(tolerance)) or iterations < 1:
        raise MeasureError(f"tolerance must be positive and iterations at least 1, not {tolerance!r} and {iterations!r}")
    spectrum = _spectrum(given)
    before = float(spectrum[0])
    if np.all(np.diagonal(given) == 1.0) and _high_enough(spectrum, floor):
        return Repair(given, before, before, 0.0, 0, RepairStatus.UNCHANGED)
    hollow, correction = given, np.zeros_like(given)
    cone, moved, done = given, np.inf, 0
    while done < iterations and not moved <= tolerance:
        done += 1
        shifted = hollow - correction
        last_cone, cone = cone, _clipped(shifted, floor)
        correction = cone - shifted
        last_hollow, hollow = hollow, cone.copy()
        np.fill_diagonal(hollow, 1.0)
        size = float(np.linalg.norm(hollow))
        moved = max(float(np.linalg.norm(d)) for d in (hollow - last_hollow, cone - last_cone, hollow - cone)) / size
    converged = moved <= tolerance
    status = RepairStatus.REPAIRED if converged else RepairStatus.NOT_CONVERGED
    reason = "" if converged else f"after {done} iterations the iterates still move by {moved:.2g} of their norm; allow more"
    return _report(given, _with_diagonal(cone, np.ones(given.shape[0])), before, done, status, reason)


def nearest_covariance(matrix: ArrayLike, *, floor: float = 0.0, tolerance: float = 1e-10, iterations: int = 2_000) -> Repair:
    """Return the covariance matrix with the variances given and the nearest correlations.

    Nearest in the correlations, each pair alike, not in the covariances, where the most volatile factor would decide. `floor` is that of
    the correlation matrix. Parameters and errors are those of `nearest_correlation`.
    """
    given = checked_symmetric(matrix)
    deviation = np.sqrt(np.diagonal(given))
    scaled = _with_diagonal(given, np.ones(given.shape[0]))
    inner = nearest_correlation(scaled, floor=floor, tolerance=tolerance, iterations=iterations, name="covariance, as correlations,")
    before = float(np.linalg.eigvalsh(given)[0])
    if inner.status is RepairStatus.UNCHANGED:
        return Repair(given, before, before, 0.0, 0, inner.status)
    repaired = _with_diagonal(inner.matrix * np.outer(deviation, deviation), np.diagonal(given))
    return _report(given, repaired, before, inner.iterations, inner.status, inner.reason)


def clip_eigenvalues(matrix: ArrayLike, *, floor: float = 0.0, scaled: bool = True) -> Repair:
    """Return the matrix with its low eigenvalues lifted to the floor and its diagonal restored.

    One eigendecomposition, so it suits large matrices; the result is not the nearest. Rows and columns are scaled after clipping until
    the diagonal is as given, which keeps the matrix semidefinite.

    Parameters
    ----------
    matrix : float64[K, K]
        Covariance or correlation: symmetric, diagonal positive.
    floor : float
        Least eigenvalue before the diagonal is restored, in [0, 1); in units of the mean variance if not `scaled`.
    scaled : bool
        Clip the correlations (default) rather than the covariances, which harms factors of low volatility. False is what the spectral
        salvaging of QuantLib and ORE does. On a correlation matrix both are the same.

    Raises
    ------
    MeasureError
        As `checked_symmetric`, or for an impossible floor; or if clipping leaves a factor without variance.
    """
    given = checked_symmetric(matrix)
    _check_floor(floor)
    variances = np.diagonal(given)
    before = float(np.linalg.eigvalsh(given)[0])
    start = _with_diagonal(given, np.ones(given.shape[0])) if scaled else given / float(variances.mean())
    if _high_enough(_spectrum(start), floor):
        return Repair(given, before, before, 0.0, 0, RepairStatus.UNCHANGED)
    clipped = _clipped(start, floor)
    flat = np.flatnonzero(~(np.diagonal(clipped) > 0.0))
    if flat.size:
        raise MeasureError(f"clipping leaves row {flat[0]} without variance; give a floor above 0, or use nearest_covariance")
    return _report(given, _with_diagonal(clipped, variances), before, 1, RepairStatus.REPAIRED, "")


def _check_floor(floor: float) -> None:
    if not 0.0 <= floor < 1.0:
        raise MeasureError(f"floor must lie in [0, 1), such as 1e-8, not {floor!r}")


def _spectrum(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.eigvalsh(matrix), np.float64)


def _accepted(spectrum: Floats, tolerance: float | None = None) -> bool:
    share = _ROUNDING * spectrum.size if tolerance is None else tolerance
    return bool(spectrum[0] >= -share * np.abs(spectrum).max())


def _high_enough(spectrum: Floats, floor: float) -> bool:
    return _accepted(spectrum - floor)


def _clipped(matrix: Floats, floor: float) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    lifted: Floats = (vectors * np.maximum(values, floor)) @ vectors.T
    return 0.5 * (lifted + lifted.T)


def _with_diagonal(matrix: Floats, diagonal: Floats) -> Floats:
    """Return the matrix with rows and columns scaled to a diagonal: a congruence, so the signs of the spectrum stay."""
    scale = np.sqrt(diagonal / np.diagonal(matrix))
    scaled: Floats = matrix * np.outer(scale, scale)
    np.fill_diagonal(scaled, diagonal)
    return scaled


def _report(given: Floats, repaired: Floats, before: float, iterations: int, status: RepairStatus, reason: str) -> Repair:
    after = float(np.linalg.eigvalsh(repaired)[0])
    return Repair(repaired, before, after, float(np.linalg.norm(repaired - given)), iterations, status, reason)
