"""Input of the regulatory figures, checked once at the door."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError

Floats = NDArray[np.float64]


def checked_amounts(values: ArrayLike, name: str, *, mend: str = "capital is a loss, so count a gain as 0") -> Floats:
    """Return amounts of loss or capital as float64[N]; N may be 0.

    Raises
    ------
    MeasureError
        If they are not numbers in one dimension, or one is negative, not finite or beyond 1e150.
    """
    try:
        amounts = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {error}") from None
    if amounts.ndim != 1:
        raise MeasureError(f"{name} must have one dimension, not shape {amounts.shape}")
    bad = np.flatnonzero(~((amounts >= 0.0) & (amounts <= LARGEST)))
    if bad.size:
        raise MeasureError(f"{name} is {amounts[bad[0]]} at position {bad[0]}: it must be finite and not negative; {mend}")
    return amounts


def checked_amount(value: float, name: str) -> float:
    """Return one amount of loss or capital as a float.

    Raises
    ------
    MeasureError
        If it is not one number, or is negative, not finite or beyond 1e150.
    """
    if np.ndim(value) != 0:
        raise MeasureError(f"{name} must be one number, not an array of shape {np.shape(value)}")
    return float(checked_amounts([value], name)[0])


def checked_days(value: int, name: str) -> int:
    """Return a number of days.

    Raises
    ------
    MeasureError
        If it is not a whole number of at least one.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise MeasureError(f"{name} must be a whole number of at least 1, not {value!r}")
    return int(value)


def checked_multiplier(value: float, name: str, least: float) -> float:
    """Return a multiplier that is not below what the standard sets.

    Raises
    ------
    MeasureError
        If it is not one finite number of at least `least`.
    """
    number = checked_amount(value, name)
    if number < least:
        raise MeasureError(f"{name} must be at least {least:g}, not {value!r}; backtesting_multiplier gives it for a count of exceptions")
    return number
