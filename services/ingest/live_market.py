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
from services.ingest.ingest import NS_PER_SECOND, Ingest
from services.ingest.live import LiveSources

MESSAGES_MAX: Final = 500
FLUSH_SECONDS_MAX: Final = 30.0
SESSIONS_AHEAD: Final = timedelta(days=30)
DAY_NS: Final = 86_400 * NS_PER_SECOND

logger = logging.getLogger("ingest")


class LiveMarket:
    """Ticks from the inbox, each message's key its source, and the calendar that closes the days.

    A day closes once its close and the lateness bound have passed and the inbox is drained, so ticks that waited while nothing ran are
    counted in their own day. A session without ticks is closed too: a return needs two closes in a row.

    Parameters
    ----------
    calendar : str
        Exchange calendar of the book.
    clock : Clock
        The wall's.

    epoch : int
        Of whoever writes. A source is named `<key>/<epoch>`: two owners that overlap never give one number to different ticks.
    """

    def __init__(self, ingest: Ingest, inbox: Inbox, calendar: str, clock: Clock, limits: LiveSettings, epoch: int) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._calendar = calendar
        self._clock = clock
        self._limits = limits
        self._epoch = epoch
        self._source = ingest.open(f"calendar/{calendar}", ingest.state.closed_ns)
        for left in [s for s in ingest.state.sources.values() if s.open and s is not self._source]:
            ingest.close(left)  # of a former owner: who still sends opens one again
        cadence_ns = ingest.cadence_ns or DAY_NS
        self._sources = LiveSources(ingest, clock, lambda event_ns: event_ns // cadence_ns, limits)
        self._sessions = _sessions(calendar, ingest.state.closed_ns, clock.now_ns())
        self._heard: set[str] = set()
        self._received: deque[Message] = deque()
        self._handled: list[Message] = []
        self._outage = Outage(logger, "inbox of ticks")
        self._promised_ns = 0

    def step(self) -> bool:
        """Take what waits, promise, and close a day that is over; return whether there was anything to take."""
        busy = away = False
        try:
            self._acknowledge()
            if not self._received and all(self._sources.ready(name) for name in self._heard):
                self._received.extend(self._inbox.receive(MESSAGES_MAX, 0.0))
            busy = bool(self._received)
            self._take()
            self._acknowledge()
            self._outage.back()
        except Unavailable as error:
            away = True
            self._outage.away(error)
        self._sources.step()
        if not busy and not away:  # what waits in an inbox that is away may be of the day that is over
            self._keep_time(self._clock.now_ns())
        return busy

    def _take(self) -> None:
        while self._received:
            message = self._received[0]
            name = f"{message.key}/{self._epoch}"
            self._heard.add(name)
            self._sources.receive(name, message.payload)
            self._handled.append(self._received.popleft())

    def _acknowledge(self) -> None:
        if self._handled:
            self._ingest.flush(FLUSH_SECONDS_MAX)
        while self._handled:
            self._inbox.acknowledge(self._handled[0].receipt)
            del self._handled[0]

    def _keep_time(self, now_ns: int) -> None:
        """Let the calendar promise up to just before the next close, and close a session once what is late may no longer come."""
        late_ns = round(self._limits.lateness_seconds * NS_PER_SECOND)
        day, close_ns = self._next_close(now_ns)
        if now_ns >= close_ns + late_ns:
            self._ingest.day_close(self._source, self._calendar, str(day), close_ns)
            logger.info("day closed", extra={"calendar": self._calendar, "date": str(day)})
        elif now_ns - self._promised_ns >= self._limits.heartbeat_seconds * NS_PER_SECOND:
            self._promised_ns = now_ns
            self._ingest.heartbeat(self._source, min(now_ns - late_ns, close_ns - 1))

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
