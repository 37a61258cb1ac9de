"""Is a risk factor modellable: the eligibility test by dates of real prices (RFET, MAR31.13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError

LEAST_OBSERVATIONS: Final = 24
"""In twelve months, by the first criterion."""
PERIOD_DAYS: Final = 90
"""Calendar days of the period in which the first criterion looks for gaps."""
LEAST_IN_PERIOD: Final = 4
LEAST_OBSERVATIONS_ALONE: Final = 100
"""In twelve months, by the second criterion, whatever the gaps."""


@dataclass(frozen=True, slots=True)
class FactorEligibility:
    """What the dates of real prices say of a risk factor.

    Parameters
    ----------
    modellable : bool
        Whether either criterion holds. It is necessary, not sufficient: the principles of MAR31.26 remain.
    observations : int
        Days with a real price in the twelve months.
    fewest : int
        Of them in the emptiest period of 90 days.
    fewest_from : date
        First day of that period; the earliest of several.
    reasons : tuple of str
        How each criterion went, in words.
    """

    modellable: bool
    observations: int
    fewest: int
    fewest_from: date
    reasons: tuple[str, ...]


def factor_eligibility(real_prices: ArrayLike, end: date) -> FactorEligibility:
    """Return whether a risk factor passes the eligibility test (MAR31.13).

    It passes with at least 24 days of real prices in twelve months and no 90 days with fewer than four, or with at least 100 days.

    Parameters
    ----------
    real_prices : array_like of datetime64, date or str
        Days of real prices that are representative of the factor, in any order. What makes a price real is MAR31.12. Several of one day
        count once; days outside the twelve months do not count.
    end : date
        Last of the twelve months. Where a vendor delivers late it may lie up to one month back (MAR31.13, footnote 1).

    Raises
    ------
    MeasureError
        If a date is missing or is none.

    Notes
    -----
    The twelve months are the days after `end` of the year before, up to `end`. Periods of 90 days are calendar days and lie wholly within.
    """
    days = _days(real_prices)
    end = end.date() if isinstance(end, datetime) else end
    first = _year_before(end) + timedelta(days=1)
    length = (end - first).days + 1
    places = (days - np.datetime64(first, "D")).astype(np.int64)
    seen = np.zeros(length, np.int64)
    seen[places[(places >= 0) & (places < length)]] = 1
    total = np.concatenate([[0], seen.cumsum()])
    counts = total[PERIOD_DAYS:] - total[:-PERIOD_DAYS]
    observations, fewest, start = int(total[-1]), int(counts.min()), first + timedelta(days=int(counts.argmin()))
    spread = observations >= LEAST_OBSERVATIONS and fewest >= LEAST_IN_PERIOD
    alone = observations >= LEAST_OBSERVATIONS_ALONE
    reasons = (
        f"24 observations without a gap: {_holds(spread)}, with {observations}, and {fewest} in the {PERIOD_DAYS} days from {start}",
        f"100 observations: {_holds(alone)}, with {observations}",
    )
    return FactorEligibility(spread or alone, observations, fewest, start, reasons)


def _days(real_prices: ArrayLike) -> NDArray[np.datetime64]:
    given = np.asarray(real_prices)
    if given.ndim != 1:
        raise MeasureError(f"real_prices must have one dimension, not shape {given.shape}")
    if given.size and given.dtype.kind not in "MOU":
        raise MeasureError(f"real_prices must be dates, not numbers such as {given[0]}")
    try:
        days = given.astype("datetime64[D]")
    except (TypeError, ValueError) as error:
        raise MeasureError(f"real_prices must be dates: {error}") from None
    if np.isnat(days).any():
        raise MeasureError(f"real_prices has no date at position {int(np.isnat(days).argmax())}; leave out what has none")
    return days


def _year_before(end: date) -> date:
    try:
        return end.replace(year=end.year - 1)
    except ValueError:
        return end.replace(year=end.year - 1, day=28)


def _holds(condition: bool) -> str:
    return "holds" if condition else "does not hold"
