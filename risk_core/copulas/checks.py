"""Input of copulas and their fits, checked once at the door; and the ends of the unit interval."""

from __future__ import annotations

from operator import index
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

UNIFORM_END: Final = 1e-12
"""Probabilities closer than this to 0 or 1 are read, and sampled, as this far from it: densities stay finite."""
FEWEST: Final = 10
"""Observations that a fit asks for."""


class CopulaError(ValueError):
    """Input or a parameter that a copula cannot take; the message says what, where and how to mend it."""


def checked_uniforms(u: ArrayLike, dimension: int | None = None) -> Floats:
    """Return float64[n, d], one observation a row, kept `UNIFORM_END` away from 0 and 1.

    Raises
    ------
    CopulaError
        If it is empty, not of two dimensions, of another width, not of numbers, NaN, or outside [0, 1].
    """
    array = _numbers(u, "u")
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != (dimension or array.shape[1]):
        wanted = f"(n, {dimension})" if dimension else "(n, d)"
        raise CopulaError(f"u must have the shape {wanted}, one observation a row, not {array.shape}")
    return inside(array, "u")


def checked_sample(u: ArrayLike, dimension: int | None = None) -> Floats:
    """Return pseudo-observations to fit to: as `checked_uniforms`, and inside (0, 1), ten rows at least, no column constant.

    Raises
    ------
    CopulaError
        Also for the three conditions named.
    """
    array = checked_uniforms(u, dimension)
    n, d = array.shape
    if d < 2:
        raise CopulaError("a copula joins at least two columns; u has one")
    if n < FEWEST:
        raise CopulaError(f"a fit needs at least {FEWEST} observations, not {n}")
    raw = np.asarray(u, np.float64)
    ends = np.argwhere((raw <= 0.0) | (raw >= 1.0))
    if ends.size:
        row, column = ends[0]
        raise CopulaError(
            f"u is {raw[row, column]} at row {row}, column {column}; a fit needs (0, 1): use pseudo_observations, rank/(n + 1)"
        )
    constant = np.flatnonzero(np.ptp(raw, axis=0) == 0.0)
    if constant.size:
        raise CopulaError(f"column {constant[0]} of u is constant: it has no dependence to fit; leave it out")
    return array


def checked_pair(u: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats]:
    """Return two probabilities, broadcast to one shape, kept `UNIFORM_END` away from 0 and 1. Errors as `checked_uniforms`."""
    first, second = np.broadcast_arrays(_numbers(u, "u"), _numbers(v, "v"))
    return inside(first, "u"), inside(second, "v")


def inside(array: Floats, name: str) -> Floats:
    """Return probabilities clipped to [`UNIFORM_END`, 1 - `UNIFORM_END`]; CopulaError if one is NaN or outside [0, 1]."""
    bad = ~((array >= 0.0) & (array <= 1.0))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CopulaError(f"{name} is {array[place]} at {list(place)}; probabilities lie in [0, 1]: use pseudo_observations, rank/(n + 1)")
    return kept(array)


def kept(array: Floats) -> Floats:
    """Return probabilities clipped to [`UNIFORM_END`, 1 - `UNIFORM_END`]."""
    return np.clip(array, UNIFORM_END, 1.0 - UNIFORM_END)


def checked_parameter(value: float, name: str, low: float, high: float, meaning: str) -> float:
    """Return the parameter as a float; CopulaError unless low <= value <= high."""
    number = float(value)
    if not low <= number <= high:
        raise CopulaError(f"{name} must lie in [{low:g}, {high:g}] ({meaning}), not {value!r}")
    return number


def checked_dimension(dimension: int) -> int:
    """Return the dimension; CopulaError unless it is a whole number of at least two."""
    try:
        whole = index(dimension)
    except TypeError:
        whole = 0
    if whole < 2:
        raise CopulaError(f"dimension must be a whole number of at least 2, not {dimension!r}")
    return whole


def checked_members(i: int, j: int, dimension: int) -> tuple[int, int]:
    """Return two different columns; CopulaError if they are equal or out of range."""
    if i == j or not (0 <= i < dimension and 0 <= j < dimension):
        raise CopulaError(f"a pair needs two different columns of 0 to {dimension - 1}, not {i!r} and {j!r}")
    return i, j


def generator(count: int, seed: int) -> np.random.Generator:
    """Return the generator PCG64(seed); CopulaError unless count >= 1 and seed >= 0 are whole numbers."""
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise CopulaError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return np.random.Generator(np.random.PCG64(seed))


def _numbers(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise CopulaError(f"{name} must be numbers: {error}") from None
