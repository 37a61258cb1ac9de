"""Messages from outside: read, judged, logged, made durable, and only then acknowledged."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Final

from services.common.feeds.port import RawFill
from services.common.outage import Outage
from services.common.ports import Clock, Inbox, Message, Unavailable
from services.ingest.ingest import Ingest
from services.ingest.payloads import read_command
from services.ingest.validate import Rejection

SOURCE: Final = "fills/inbox"
MESSAGES_MAX: Final = 500
FLUSH_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.02
NS_PER_SECOND: Final = 1_000_000_000

logger = logging.getLogger("ingest")


class Intake:
    """Takes messages from an inbox, in order, each handled once by this process.

    Parameters
    ----------
    handle : callable
        Logs what the first of the given messages say, and returns how many these were, at least one.
    """

    def __init__(self, ingest: Ingest, inbox: Inbox, handle: Callable[[deque[Message]], int]) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._handle = handle
        self._waiting: deque[Message] = deque()
        self._handled: deque[Message] = deque()

    def step(self, timeout_seconds: float = 0.0) -> int:
        """Take what waits; return how many messages that was.

        Raises
        ------
        Unavailable
            The log or the inbox is away. Nothing was acknowledged that is not durable; the next call goes on.
        """
        self._acknowledge()
        if not self._waiting:
            self._waiting.extend(self._inbox.receive(MESSAGES_MAX, timeout_seconds))
        count = len(self._waiting)
        while self._waiting:
            for _ in range(self._handle(self._waiting)):
                self._handled.append(self._waiting.popleft())
        self._acknowledge()
        return count

    def _acknowledge(self) -> None:
        if self._handled:
            self._ingest.flush(FLUSH_SECONDS_MAX)
        while self._handled:
            self._inbox.acknowledge(self._handled[0].receipt)
            self._handled.popleft()


class DeskInbox:
    """Fills, corrections and positions, as the source `fills/inbox/<epoch>`.

    It takes no part in the watermark: an inbox can promise nothing, and a late fill always applies.
    A message comes again when the process ends between its record and its acknowledgement; its id then refuses it.
    Each owner numbers its own source: two that overlap at a takeover never give one number to different orders.
    """

    def __init__(self, ingest: Ingest, inbox: Inbox, epoch: int) -> None:
        self._ingest = ingest
        self._source = ingest.source(f"{SOURCE}/{epoch}")
        self._intake = Intake(ingest, inbox, self._take)
        self._outage = Outage(logger, "inbox")
        self._polled_ns = 0
        self.taken = 0
        """Orders that were logged."""

    def step(self, timeout_seconds: float = 0.0) -> int:
        """Take what waits; return how many fills, corrections and positions were logged. Raises Unavailable, see `Intake.step`."""
        before = self.taken
        self._intake.step(timeout_seconds)
        return self.taken - before

    def poll(self, clock: Clock) -> None:
        """Take what waits, at most every `POLL_SECONDS`; an inbox that is away is asked again next time."""
        now_ns = clock.now_ns()
        if now_ns - self._polled_ns < POLL_SECONDS * NS_PER_SECOND:
            return
        self._polled_ns = now_ns
        try:
            self.step()
            self._outage.back()
        except Unavailable as error:
            self._outage.away(error)

    def _take(self, messages: deque[Message]) -> int:
        """Log the fills that come first, together, or else one message of another kind."""
        self._ingest.announce(self._source)
        read = ((m.payload, read_command(m.payload, self._ingest.now_ns())) for m in messages)
        payload, command = next(read)
        match command:
            case RawFill():
                more = takewhile(lambda pair: isinstance(pair[1], RawFill), read)
                fills = [(command, payload), *((c, p) for p, c in more if isinstance(c, RawFill))]
                self.taken += self._ingest.fills(self._source, fills, self._source.watermark_ns)
                return len(fills)
            case Rejection():
                self._ingest.refuse(self._source, (command,))
            case _:
                self.taken += self._ingest.command(self._source, command, payload)
        return 1
