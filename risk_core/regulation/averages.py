"""The two sides of every capital rule: the latest number, and the average over the last sixty days."""

from __future__ import annotations

from typing import Final

from numpy.typing import ArrayLike

from risk_core.measures.checks import MeasureError
from risk_core.regulation.checks import checked_amounts, checked_days

AVERAGE_DAYS: Final = 60
"""Business days of the average (MAR33.41; Basel 2.5, 718(Lxxvi)(k))."""


def latest_and_average(history: ArrayLike, name: str, days: int = AVERAGE_DAYS) -> tuple[float, float]:
    """Return the newest number of a daily history and the mean of its last `days`.

    Parameters
    ----------
    history : float64[D]
        Daily numbers, oldest first, not negative; the last is that of the previous day, t - 1.
    name : str
        Of the history, for errors.
    days : int

    Raises
    ------
    MeasureError
        If the history is shorter than `days`, or a number is negative or not finite.
    """
    numbers, wanted = checked_amounts(history, name), checked_days(days, "days")
    if numbers.size < wanted:
        raise MeasureError(f"{name} has {numbers.size} days for an average of {wanted}; give the longer history, or a smaller days")
    return float(numbers[-1]), float(numbers[-wanted:].mean())
