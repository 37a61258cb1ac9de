"""Input of the liquidity measures, checked once at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import tail_probability
from risk_core.measures.checks import LARGEST, MeasureError
from risk_core.methods import normal_quantile

Floats = NDArray[np.float64]


def checked_vector(
    values: ArrayLike, name: str, *, least: float = -LARGEST, above: float | None = None, size: int | None = None, mend: str = ""
) -> Floats:
    """Return one number per position as float64[N]: a scalar is one position, or the same number for all `size` of them.

    Raises
    ------
    MeasureError
        If it is empty, of another length than `size`, not of numbers, not finite, beyond 1e150, below `least` or not above `above`.
    """
    vector = _numbers(values, name)
    if vector.ndim == 0:
        vector = np.full(1 if size is None else size, vector)
    if vector.ndim != 1 or vector.size == 0:
        raise MeasureError(f"{name} must have one number for each position, not shape {vector.shape}")
    if size is not None and vector.size != size:
        raise MeasureError(f"{name} has {vector.size} numbers for {size} positions; give one for each position, or one for all")
    _check_range(values, vector, name, least, above, mend)
    return vector


def checked_matrix(values: ArrayLike, name: str, *, least: float = -LARGEST, mend: str = "", column: str = "observation") -> Floats:
    """Return float64[N, S], one row per position; a vector is one position's row.

    Raises
    ------
    MeasureError
        If it is empty, has more than two dimensions, or holds what is not finite, beyond 1e150 or below `least`.
    """
    matrix = np.atleast_2d(_numbers(values, name))
    if matrix.ndim != 2 or matrix.size == 0:
        raise MeasureError(f"{name} must have shape (positions, observations), not {matrix.shape}")
    _check_range(values, matrix, name, least, None, mend, column)
    return matrix


def checked_number(value: float, name: str, *, least: float = -LARGEST, above: float | None = None, mend: str = "") -> float:
    """Return a plain float.

    Raises
    ------
    MeasureError
        If it is no number, not finite, beyond 1e150, below `least` or not above `above`.
    """
    number = _numbers(value, name)
    if number.ndim != 0:
        raise MeasureError(f"{name} must be one number, not an array of shape {number.shape}")
    _check_range(value, number, name, least, above, mend)
    return float(number)


def checked_count(value: int, name: str, *, most: int) -> int:
    """Return a count from one to `most`.

    Raises
    ------
    MeasureError
        If it is not a whole number, or outside that range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= most:
        raise MeasureError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
    return int(value)


def check_same_positions(**named: ArrayLike) -> None:
    """Refuse labelled vectors whose labels or order differ: numpy would pair them by place, silently.

    Raises
    ------
    MeasureError
        If two pandas objects have different indexes.
    """
    labelled = {name: values.index for name, values in named.items() if isinstance(values, (pd.Series, pd.DataFrame))}
    names = list(labelled)
    for name in names[1:]:
        if not labelled[name].equals(labelled[names[0]]):
            raise MeasureError(f"{name} and {names[0]} have different indexes; align them: {name}.reindex({names[0]}.index)")


def checked_quantile(confidence: float | None, quantile: float | None) -> float:
    """Return the standard normal quantile of `confidence`, or `quantile` as it is.

    Raises
    ------
    MeasureError
        If both or neither are given, or the quantile is negative or not finite.
    """
    if quantile is not None and confidence is None:
        return checked_number(quantile, "quantile", least=0.0, mend="give the upper quantile, such as 2.33")
    if confidence is not None and quantile is None:
        return normal_quantile(tail_probability(confidence))
    raise MeasureError("give either confidence (0.99) or quantile (2.33), not both")


def checked_result(values: Floats, name: str) -> Floats:
    """Return the numbers, or refuse them if they overflowed.

    Raises
    ------
    MeasureError
        If one is not finite.
    """
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        raise MeasureError(f"{name} is {values[tuple(bad[0])]}{_place(values, bad[0], 'column')}: the input is too large; check its units")
    return values


def _numbers(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None


def _check_range(source: Any, array: Floats, name: str, least: float, above: float | None, mend: str, column: str = "") -> None:
    finite = np.abs(array) <= LARGEST
    inside = array >= least if above is None else array > above
    good = finite & inside
    if np.all(good):
        return
    bad = np.argwhere(~good)
    first = tuple(bad[0])
    if not finite[first]:
        rule, advice = "it must be finite and within 1e150", "fill it, or leave the position out"
    elif above is not None:
        rule, advice = f"it must be greater than {above:g}", mend
    else:
        rule, advice = f"it must be at least {least:g}", mend
    raise MeasureError(f"{name} is {array[first]}{_place(source, bad[0], column)}: {rule}" + (f"; {advice}" if advice else ""))


def _place(source: Any, where: NDArray[np.intp], column: str) -> str:
    if where.size == 0:
        return ""
    row, index = int(where[0]), getattr(source, "index", None)
    label = f" ({index[row]})" if isinstance(index, pd.Index) and not isinstance(index, pd.RangeIndex) else ""
    second = f", {column} {int(where[1])}" if where.size > 1 else ""
    return f" at position {row}{label}{second}"
