"""Input of public measures, checked once at the door."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.weights import equal_weights


class MeasureError(ValueError):
    """Input that cannot be measured; the message says what, where and how to mend it."""


def checked_pnl(pnl: ArrayLike) -> NDArray[np.float64]:
    """Return the vector as float64[S].

    Raises
    ------
    MeasureError
        If it is empty, not one-dimensional, or not finite.
    """
    vector = np.asarray(pnl, np.float64)
    if vector.ndim != 1:
        raise MeasureError(f"pnl must have one dimension (one number for each scenario), not shape {vector.shape}")
    if vector.size == 0:
        raise MeasureError("pnl is empty: there is no scenario to measure")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise MeasureError(
            f"pnl[{bad[0]}] is {vector[bad[0]]} ({bad.size} of {vector.size} are not finite); fill missing returns from a proxy first"
        )
    return vector


def checked_weights(weights: ArrayLike | None, count: int, *, normalise: bool = True) -> NDArray[np.float64]:
    """Return scenario weights float64[S], equal if None, scaled to sum to one if `normalise`.

    Raises
    ------
    MeasureError
        If they are of another length, not finite, negative, or all zero.
    """
    if weights is None:
        return equal_weights(count)
    vector = np.asarray(weights, np.float64)
    if vector.shape != (count,):
        raise MeasureError(f"weights must have the shape of pnl, ({count},), not {vector.shape}")
    bad = np.flatnonzero(~np.isfinite(vector) | (vector < 0.0))
    if bad.size:
        raise MeasureError(f"weights[{bad[0]}] is {vector[bad[0]]}: weights are finite and not negative")
    total = float(np.add.accumulate(vector)[-1])
    if total <= 0.0:
        raise MeasureError("weights are all zero: no scenario counts")
    return vector / total if normalise else vector
