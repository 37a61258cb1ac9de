"""After history: ticks as they come, and day closes by the clock on the wall."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from services.common.config import LiveSettings
from services.common.feeds.port import FeedError
from services.common.feeds.sessions import Sessions, load_sessions
from services.common.outage import Outage
from services.common.ports import Clock, Inbox, Message, Unavailable
from services.ingest.inbox import Intake
from services.ingest.ingest import NS_PER_SECOND, Ingest
from services.ingest.live import LiveSources
from services.ingest.pacing import EventClock

SESSIONS_AHEAD: Final = timedelta(days=30)

logger = logging.getLogger("ingest")


class LiveMarket:
    """Ticks from the inbox, each message's key its source, and the calendar that closes the days.

    The run's clock shows when the message in hand was sent, and the wall's time once nothing waits. So what waited while nothing ran
    is treated as it would have been then: ticks are late, sources silent and days over by the time at which the ticks were sent.
    A day closes once its close and the lateness bound have passed, also one without ticks: a return needs two closes in a row.

    Parameters
    ----------
    calendar : str
        Exchange calendar of the book.
    run_clock : EventClock
        The ingest's, moved on here.
    clock : Clock
        The wall's.
    epoch : int
        Of whoever writes. A source is named `<key>/<epoch>`: two owners that overlap never give one number to different ticks.
    """

    def __init__(
        self, ingest: Ingest, inbox: Inbox, calendar: str, run_clock: EventClock, clock: Clock, limits: LiveSettings, epoch: int
    ) -> None:
        self._ingest = ingest
        self._calendar = calendar
        self._run_clock = run_clock
        self._clock = clock
        self._limits = limits
        self._epoch = epoch
        self._source = ingest.open(f"calendar/{calendar}", ingest.state.closed_ns)
        run_clock.set(self._source.watermark_ns)
        for left in [s for s in ingest.state.sources.values() if s.open and s is not self._source]:
            ingest.close(left)  # of a former owner: who still sends opens one again
        self._sources = LiveSources(ingest, run_clock, limits)
        self._sessions = _sessions(calendar, ingest.state.closed_ns, clock.now_ns())
        self._intake = Intake(ingest, inbox, self._take)
        self._outage = Outage(logger, "inbox of ticks")
        self._promised_ns = 0

    def step(self) -> bool:
        """Take what waits, promise, and close days that are over; return whether there was anything to take."""
        try:
            busy = self._intake.step() > 0
            self._outage.back()
        except Unavailable as error:
            self._outage.away(error)
            return False  # time stands still: what waits in an inbox that is away may be of the day that is over
        if not busy:
            self._move_to(self._clock.now_ns())
        return busy

    def _take(self, messages: deque[Message]) -> int:
        """Log the first message."""
        message = messages[0]
        self._move_to(min(message.sent_ns, self._clock.now_ns()))
        self._sources.receive(f"{message.key}/{self._epoch}", message.payload)
        return 1

    def _move_to(self, now_ns: int) -> None:
        """Let the run's time pass, never back: sources promise or leave, and sessions are closed once what is late may no longer come."""
        self._run_clock.set(now_ns)
        now_ns = self._run_clock.now_ns()
        self._sources.step()
        open_ns = now_ns - round(self._limits.lateness_seconds * NS_PER_SECOND)
        day, close_ns = self._next_close(now_ns)
        while close_ns <= open_ns:
            self._ingest.day_close(self._source, self._calendar, str(day), close_ns)
            logger.info("day closed", extra={"calendar": self._calendar, "date": str(day)})
            day, close_ns = self._next_close(now_ns)
        if now_ns - self._promised_ns >= self._limits.heartbeat_seconds * NS_PER_SECOND:
            self._promised_ns = now_ns
            self._ingest.heartbeat(self._source, min(open_ns, close_ns - 1))

    def _next_close(self, now_ns: int) -> tuple[date, int]:
        closed_ns = self._ingest.state.closed_ns
        if self._sessions.close_ns[-1] <= max(closed_ns, now_ns):
            self._sessions = _sessions(self._calendar, closed_ns, now_ns)
        at = int(np.searchsorted(self._sessions.close_ns, closed_ns, side="right"))
        return self._sessions.dates[at], int(self._sessions.close_ns[at])


def require_no_gap(calendar: str, closed_ns: int, now_ns: int) -> None:
    """Refuse history that ends before the last session that is over: a return over the gap would pass for one of a day.

    Raises
    ------
    FeedError
        Says which sessions are missing.
    """
    sessions = _sessions(calendar, closed_ns, now_ns)
    missed = [day for day, close_ns in zip(sessions.dates, sessions.close_ns.tolist(), strict=True) if closed_ns < close_ns <= now_ns]
    if missed:
        raise FeedError(
            f"history ends {_date(closed_ns)}, and {len(missed)} session(s) of {calendar} are over since, {missed[0]} to {missed[-1]}:"
            " going live needs history up to now; add these days to the feed's file"
        )


def _sessions(calendar: str, closed_ns: int, now_ns: int) -> Sessions:
    """Return the sessions from the last close to well after now."""
    return load_sessions(calendar, _date(min(closed_ns, now_ns)), _date(max(closed_ns, now_ns)) + SESSIONS_AHEAD)


def _date(at_ns: int) -> date:
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).date()
