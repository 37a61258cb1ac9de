"""Stressed expected shortfall, the indirect way: a reduced set of risk factors under stress, scaled to the full set (MAR33.5-33.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from risk_core.measures.checks import MeasureError
from risk_core.regulation.averages import AVERAGE_DAYS
from risk_core.regulation.checks import checked_amount, checked_amounts, checked_days

LEAST_SHARE: Final = 0.75
"""Of the full set's ES that the reduced set must reach (MAR33.5(2)(b))."""


@dataclass(frozen=True, slots=True)
class StressedShortfall:
    """Stressed expected shortfall, loss positive: `value` is ES of the reduced set under stress times `ratio`, which is never below 1."""

    value: float
    ratio: float


@dataclass(frozen=True, slots=True)
class ReducedSetShare:
    """How much of the full set's ES the reduced set explains, on average, and whether that is enough to use it."""

    value: float
    enough: bool


def stressed_expected_shortfall(reduced_stressed: float, full_current: float, reduced_current: float) -> StressedShortfall:
    """Return ES(R,S) times max(ES(F,C) / ES(R,C), 1) (MAR33.6).

    Parameters
    ----------
    reduced_stressed : float
        ES(R,S): the reduced set of factors over the twelve months of worst stress; `most_severe_window` finds them.
    full_current, reduced_current : float
        ES(F,C) and ES(R,C): the full and the reduced set over the last twelve months.
        All three are liquidity-adjusted and not negative.

    Raises
    ------
    MeasureError
        If a number is negative or not finite, or `reduced_current` is 0 while `full_current` is not: the ratio has no value.
    """
    stressed, full = checked_amount(reduced_stressed, "reduced_stressed"), checked_amount(full_current, "full_current")
    reduced = checked_amount(reduced_current, "reduced_current")
    if reduced == 0.0 and full > 0.0:
        raise MeasureError(f"reduced_current is 0 beside a full_current of {full}: choose a reduced set that holds the book's risk")
    ratio = max(full / reduced, 1.0) if reduced > 0.0 else 1.0
    return StressedShortfall(stressed * ratio, ratio)


def reduced_set_share(full_current: ArrayLike, reduced_current: ArrayLike, *, days: int = AVERAGE_DAYS) -> ReducedSetShare:
    """Return the mean of ES(R,C) / ES(F,C) over the last twelve weeks, and whether it reaches 75 % (MAR33.5(2)(b)).

    Parameters
    ----------
    full_current, reduced_current : float64[D]
        Daily ES of the full and the reduced set, oldest first.
    days : int
        Of the average: sixty business days are twelve weeks.

    Raises
    ------
    MeasureError
        If the histories differ in length or are shorter than `days`, or the full set's ES is not positive on one of them.

    Notes
    -----
    The standard says "on average" and leaves open of what; this is the mean of daily ratios.
    """
    full, reduced = checked_amounts(full_current, "full_current"), checked_amounts(reduced_current, "reduced_current")
    wanted = checked_days(days, "days")
    if full.size != reduced.size or full.size < wanted:
        raise MeasureError(f"full_current has {full.size} days and reduced_current {reduced.size}; give both the same {wanted} or more")
    full, reduced = full[-wanted:], reduced[-wanted:]
    if not full.all():
        raise MeasureError(f"full_current is 0 on day {int((full == 0.0).argmax())} of the last {wanted}: a share of nothing has no value")
    share = float(np.mean(reduced / full))
    return ReducedSetShare(share, share >= LEAST_SHARE)
