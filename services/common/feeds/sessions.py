"""Trading days with their real opening and closing times: half days and daylight saving included."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.common.feeds.port import FeedError


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Consecutive sessions of a calendar: `open_ns` and `close_ns` int64[D], UTC, by ascending `dates`."""

    calendar: str
    dates: tuple[date, ...]
    open_ns: NDArray[np.int64]
    close_ns: NDArray[np.int64]

    def index(self, day: date) -> int:
        """Return the place of a session; FeedError when the day is none, naming its neighbours."""
        at = bisect_left(self.dates, day)
        if at < len(self.dates) and self.dates[at] == day:
            return at
        near = " and ".join(str(d) for d in self.dates[max(at - 1, 0) : at + 1])
        raise FeedError(f"{day} is no trading day of {self.calendar}; the nearest are {near}")

    def only(self, dates: tuple[date, ...]) -> Sessions:
        """Return these sessions only; FeedError when one is none."""
        at = [self.index(d) for d in dates]
        return Sessions(self.calendar, dates, self.open_ns[at], self.close_ns[at])


@lru_cache(maxsize=8)
def load_sessions(calendar: str, first: date, last: date) -> Sessions:
    """Return the sessions of an exchange from `first` to `last`, from exchange_calendars.

    Raises
    ------
    FeedError
        The calendar is unknown or has no session in the range.
    """
    import exchange_calendars  # half a second to import: only feeds pay it

    try:
        # The library wants a range that holds a session on either side of what is asked.
        known = exchange_calendars.get_calendar(calendar, start=str(first - timedelta(days=14)), end=str(last + timedelta(days=14)))
    except exchange_calendars.errors.InvalidCalendarName:
        raise FeedError(f"calendar {calendar!r} is unknown; take an exchange code such as XNYS or XLON, or 24/7") from None
    except ValueError as error:
        raise FeedError(f"calendar {calendar} from {first} to {last}: {error}") from None
    table = known.schedule.loc[str(first) : str(last)]
    if table.empty:
        raise FeedError(f"calendar {calendar} has no trading day from {first} to {last}")
    return Sessions(
        calendar,
        tuple(day.date() for day in table.index),
        pd.DatetimeIndex(table["open"]).as_unit("ns").asi8,
        pd.DatetimeIndex(table["close"]).as_unit("ns").asi8,
    )
