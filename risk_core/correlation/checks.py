"""Input of this package, checked once at the door."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.covariance.repair import checked_symmetric, is_positive_semidefinite
from risk_core.measures.checks import LARGEST, MeasureError

Floats = NDArray[np.float64]


def checked_matrix(values: ArrayLike, name: str = "returns", *, least: int = 2) -> Floats:
    """Return float64[N, T], instrument-major, contiguous, oldest first.

    Raises
    ------
    MeasureError
        If it is not two-dimensional, has no day or fewer than `least` instruments, or is not of finite numbers; the message says where.
    """
    try:
        matrix = np.array(values, np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None
    if matrix.ndim != 2 or matrix.shape[0] < least or matrix.shape[1] < 1:
        raise MeasureError(f"{name} must have shape (instruments >= {least}, days >= 1), oldest first, not {matrix.shape}")
    bad = np.argwhere(~(np.abs(matrix) <= LARGEST))
    if bad.size:
        i, t = bad[0]
        raise MeasureError(
            f"{name} are {matrix[i, t]} for instrument {i} on day {t} ({len(bad)} of {matrix.size} are missing or not finite); "
            "fill them from a proxy, or drop the day from every instrument"
        )
    return matrix


def checked_day(values: ArrayLike, count: int, name: str = "returns") -> Floats:
    """Return the returns of one day, float64[N]; MeasureError if they are not `count` finite numbers."""
    try:
        day = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None
    if day.shape != (count,):
        raise MeasureError(f"{name} of a day must have shape ({count},), one for each instrument, not {day.shape}")
    bad = np.flatnonzero(~(np.abs(day) <= LARGEST))
    if bad.size:
        raise MeasureError(f"{name} are {day[bad[0]]} for instrument {bad[0]}: keep the state of the day before, or fill from a proxy")
    return day


def checked_covariance(matrix: ArrayLike, name: str = "covariance", count: int | None = None) -> Floats:
    """Return a symmetric positive semidefinite float64[N, N] with a positive diagonal, or MeasureError."""
    square = checked_symmetric(matrix, name)
    if count is not None and square.shape[0] != count:
        raise MeasureError(f"{name} must have shape ({count}, {count}), not {square.shape}")
    if not is_positive_semidefinite(square):
        raise MeasureError(f"{name} has a negative eigenvalue: some book would have a negative variance; see nearest_covariance")
    return square


def moving_rows(matrix: Floats, name: str = "returns") -> None:
    """Raise MeasureError if an instrument never moves: it has no correlation."""
    still = np.flatnonzero(np.ptp(matrix, axis=1) <= 1e-12 * np.abs(matrix).max(axis=1))
    if still.size and matrix.shape[1] > 1:
        raise MeasureError(f"{name} of instrument {still[0]} never change ({still.size} such): it has no correlation; drop it")
