"""How fast a replay goes: trading days a second, or as fast as it can."""

from __future__ import annotations

from typing import Final

from services.common.ports import Clock

NS_PER_SECOND: Final = 1_000_000_000
BEHIND_SECONDS_MAX: Final = 1.0
"""A replay further behind does not make up for it: its start moves instead."""


class EventClock:
    """The run's clock: event time in a replay, in the live market the wall's; moved by whoever feeds the log."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move to an event's time; never back."""
        self._now_ns = max(self._now_ns, now_ns)

    def sleep(self, seconds: float) -> None:
        """Event time passes with events only."""


class Pacer:
    """Says how long to wait before a place in the replay.

    Parameters
    ----------
    clock : Clock
        Real time.
    speed : str
        Trading days per second, or "max".
    """

    def __init__(self, clock: Clock, speed: str) -> None:
        self._clock = clock
        self._days_per_second = None if speed == "max" else float(speed)
        self._start_ns = clock.now_ns()

    def wait_seconds(self, day: float) -> float:
        """Return seconds until `day` (trading days since the start, with fraction) is due, 0 when it is."""
        if self._days_per_second is None:
            return 0.0
        due_ns = self._start_ns + round(day / self._days_per_second * NS_PER_SECOND)
        wait = (due_ns - self._clock.now_ns()) / NS_PER_SECOND
        if wait < -BEHIND_SECONDS_MAX:
            self._start_ns += round((-wait - BEHIND_SECONDS_MAX) * NS_PER_SECOND)
        return max(wait, 0.0)
