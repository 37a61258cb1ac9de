"""Input of public measures, checked once at the door."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.compiled import kernels
from risk_core.scenarios.weights import equal_weights

LARGEST: Final = 1e150
"""Beyond this a P&L is a mistake, and its square is no number."""
_SUM_TOLERANCE = 1e-12


class MeasureError(ValueError):
    """Input that cannot be measured; the message says what, where and how to mend it."""


def checked_pnl(pnl: ArrayLike, name: str = "pnl") -> NDArray[np.float64]:
    """Return the vector as float64[S], contiguous.

    Raises
    ------
    MeasureError
        If it is empty, not one-dimensional, not of numbers, not finite, or beyond 1e150.
    """
    vector = _numbers(pnl, name)
    if vector.ndim != 1:
        raise MeasureError(f"{name} must have one dimension (one number for each scenario), not shape {vector.shape}")
    if vector.size == 0:
        raise MeasureError(f"{name} is empty: there is no scenario to measure")
    vector = np.ascontiguousarray(vector)
    if not kernels.all_within(vector, LARGEST):
        bad = np.flatnonzero(~(np.abs(vector) <= LARGEST))
        raise MeasureError(
            f"{name} is {vector[bad[0]]} at {_place(pnl, int(bad[0]))} ({bad.size} of {vector.size} are missing or not finite); "
            "fill missing returns from a proxy, or drop the scenario from every instrument"
        )
    return vector


def checked_weights(weights: ArrayLike | None, pnl: ArrayLike, count: int, *, normalise: bool = True) -> NDArray[np.float64]:
    """Return scenario weights float64[S]: equal if None; left bit for bit if they sum to one, else scaled so if `normalise`.

    Raises
    ------
    MeasureError
        If they are of another length or index, not finite, negative, or all zero.
    """
    if weights is None:
        return equal_weights(count)
    vector = _numbers(weights, "weights")
    if vector.shape != (count,):
        raise MeasureError(f"weights must have the length of pnl, shape ({count},), not {vector.shape}")
    if isinstance(weights, pd.Series) and isinstance(pnl, pd.Series) and not weights.index.equals(pnl.index):
        raise MeasureError("weights and pnl have different indexes; align them: weights.reindex(pnl.index)")
    bad = np.flatnonzero(~((vector >= 0.0) & (vector <= LARGEST)))
    if bad.size:
        raise MeasureError(f"weights are {vector[bad[0]]} at {_place(weights, int(bad[0]))}: they must be finite and not negative")
    total = float(np.add.accumulate(vector)[-1])
    if total <= 0.0:
        raise MeasureError("weights are all zero: no scenario counts")
    return vector / total if normalise and abs(total - 1.0) > _SUM_TOLERANCE else vector


def checked_scalar(value: float, name: str, *, least: float = -LARGEST, above: float | None = None, most: float = LARGEST) -> float:
    """Return one number as a float.

    Raises
    ------
    MeasureError
        If it is not one number, not finite, below `least`, not above `above`, or beyond `most`.
    """
    number = _numbers(value, name)
    if number.ndim != 0:
        raise MeasureError(f"{name} must be one number, not an array of shape {number.shape}")
    bounds = [
        *([] if above is None else ["positive" if above == 0.0 else f"more than {above:g}"]),
        *([] if least == -LARGEST else [f"at least {least:g}"]),
        *([] if most == LARGEST else [f"at most {most:g}"]),
    ]
    if not least <= number <= most or (above is not None and not number > above):
        raise MeasureError(f"{name} must be {', '.join(bounds) + ' and ' if bounds else ''}finite, not {value!r}")
    return float(number)


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None


def _place(values: Any, position: int) -> str:
    label = f" ({values.index[position]})" if isinstance(values, pd.Series) and not isinstance(values.index, pd.RangeIndex) else ""
    return f"position {position}{label}"
