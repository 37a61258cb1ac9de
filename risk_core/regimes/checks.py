"""Input of the regime models, checked once at the door."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError

Floats = NDArray[np.float64]

FEWEST_STATES: Final = 2
MOST_STATES: Final = 6
FEWEST: Final = 60
"""Observations that a fit asks for; and fifteen for each state."""
_SUM_TOLERANCE: Final = 1e-6
_ROUNDING: Final = 1e-12

Named = TypeVar("Named", bound=StrEnum)


class RegimeError(MeasureError):
    """Input that no regime model can be fitted to or run on; the message says what, where and how to mend it."""


def checked_matrix(values: ArrayLike, name: str = "series") -> Floats:
    """Return observations as a copy float64[T, D], contiguous; a vector is one column.

    Raises
    ------
    RegimeError
        If it is empty, of more than two dimensions, not of numbers, or has missing, infinite or absurd (beyond 1e150) values.
    """
    matrix = numbers(values, name)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2:
        raise RegimeError(f"{name} must have the shape (T,) or (T, D), not {matrix.shape}")
    if matrix.size == 0:
        raise RegimeError(f"{name} is empty: there is no observation")
    fine = np.abs(matrix) <= LARGEST
    if not fine.all():
        row, column = (int(i) for i in np.argwhere(~fine)[0])
        raise RegimeError(
            f"{name} is {matrix[row, column]} at row {row}, column {column} ({int((~fine).sum())} of {fine.size} are not finite); "
            "drop the row, fill it from a proxy, or skip the bar on a stream"
        )
    return np.array(matrix, order="C")


def checked_chances(values: ArrayLike, name: str, states: int | None = None) -> Floats:
    """Return probabilities float64[K] that sum to one, scaled to do so in the last digits.

    Raises
    ------
    RegimeError
        For another shape, NaN, a negative number, or a sum that is not one.
    """
    vector = numbers(values, name)
    if vector.ndim != 1 or vector.size == 0 or (states is not None and vector.size != states):
        raise RegimeError(f"{name} must have the shape ({'K' if states is None else states},), not {vector.shape}")
    return _summing(vector, name)


def checked_transition(values: ArrayLike, name: str = "transition") -> Floats:
    """Return a transition matrix float64[K, K] whose rows sum to one: row i has the chances of the next state after state i.

    Raises
    ------
    RegimeError
        For another shape, NaN, a negative number, or a row that does not sum to one.
    """
    matrix = numbers(values, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise RegimeError(f"{name} must be a square matrix (from, to), not of shape {matrix.shape}")
    return _summing(matrix, name)


def checked_transitions(values: ArrayLike, steps: int, name: str = "transition") -> Floats:
    """Return float64[n, K, K], n = 1 for one matrix and `steps` for one at each step."""
    array = numbers(values, name)
    if array.ndim != 3:
        return checked_transition(array, name)[None]
    if array.shape[0] != steps or array.shape[1] != array.shape[2] or array.size == 0:
        raise RegimeError(f"{name} that varies must have the shape ({steps}, K, K), not {array.shape}")
    return _summing(array, name)


def checked_integer(value: Any, name: str, least: int, most: int | None = None) -> int:
    """Return a whole number within its bounds.

    Raises
    ------
    RegimeError
        For another type or a number outside.
    """
    bad = isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer)
    if bad or value < least or (most is not None and value > most):
        raise RegimeError(
            f"{name} must be a whole number of at least {least}{'' if most is None else f' and at most {most}'}, not {value!r}"
        )
    return int(value)


def checked_states(states: Any) -> int:
    """Return the number of states, 2 to 6."""
    return checked_integer(states, "states", FEWEST_STATES, MOST_STATES)


def checked_sample(series: ArrayLike, states: int) -> Floats:
    """Return observations that a model of so many states can be fitted to, float64[T, D].

    Raises
    ------
    RegimeError
        For fewer than `FEWEST` (or 15 for each state) rows, or a column that does not vary.
    """
    matrix = checked_matrix(series)
    needed = max(FEWEST, 15 * states)
    if matrix.shape[0] < needed:
        raise RegimeError(f"{matrix.shape[0]} observations are too few for {states} states: give at least {needed}")
    still = np.flatnonzero(np.ptp(matrix, axis=0) <= _ROUNDING * np.abs(matrix).max(axis=0))
    if still.size:
        raise RegimeError(f"column {still[0]} of the series does not vary: it has no regimes; leave it out")
    return matrix


def member(kind: type[Named], value: Named | str, name: str) -> Named:
    """Return the member of that name.

    Raises
    ------
    RegimeError
        For an unknown one.
    """
    try:
        return kind(value)
    except ValueError:
        raise RegimeError(f"{name} must be one of {', '.join(kind)}, not {value!r}") from None


def numbers(values: ArrayLike, name: str) -> Floats:
    """Return an array of float64.

    Raises
    ------
    RegimeError
        If they are not numbers.
    """
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise RegimeError(f"{name} must be numbers: {error}") from None


def _summing(array: Floats, name: str) -> Floats:
    totals = array.sum(axis=-1, keepdims=True)
    if not ((array >= 0.0) & (np.abs(totals - 1.0) <= _SUM_TOLERANCE)).all():
        raise RegimeError(f"{name} must be probabilities: not negative, each row summing to one")
    away = np.abs(totals - 1.0) > _ROUNDING
    return np.ascontiguousarray(np.where(away, array / np.where(away, totals, 1.0), array))
