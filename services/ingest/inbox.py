"""Orders of the desk from outside: read, judged, logged, made durable, and only then acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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


class DeskInbox:
    """Fills, corrections and positions, as the source `fills/inbox/<epoch>`.

    It takes no part in the watermark: an inbox can promise nothing, and a late fill always applies.
    A message comes again when the process ends between its record and its acknowledgement; its id then refuses it.
    Each owner numbers its own source: two that overlap at a takeover never give one number to different orders.
    """

    def __init__(self, ingest: Ingest, inbox: Inbox, epoch: int) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._source = ingest.source(f"{SOURCE}/{epoch}")
        self._received: list[Message] = []
        self._handled: list[Message] = []
        self._outage = Outage(logger, "inbox")
        self._polled_ns = 0

    def step(self, timeout_seconds: float = 0.0) -> int:
        """Take what waits; return how many fills, corrections and positions were logged.

        Raises
        ------
        Unavailable
            The log or the inbox is away. Nothing was acknowledged that is not durable; the next call goes on.
        """
        self._acknowledge()
        if not self._received:
            self._received = self._inbox.receive(MESSAGES_MAX, timeout_seconds)
        taken = self._take(self._received)
        self._handled, self._received = self._received, []
        self._acknowledge()
        return taken

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

    def _take(self, messages: Sequence[Message]) -> int:
        if not messages:
            return 0
        self._ingest.announce(self._source)
        taken, fills = 0, list[tuple[RawFill, bytes]]()
        for message in messages:
            command = read_command(message.payload, self._ingest.now_ns())
            match command:
                case RawFill():
                    fills.append((command, message.payload))
                case Rejection():
                    self._ingest.refuse(self._source, (command,))
                case _:
                    taken += self._fills(fills)  # a correction may name a fill that came just before it
                    taken += self._ingest.command(self._source, command, message.payload)
        return taken + self._fills(fills)

    def _fills(self, fills: list[tuple[RawFill, bytes]]) -> int:
        taken = self._ingest.fills(self._source, fills, self._source.watermark_ns)
        fills.clear()
        return taken

    def _acknowledge(self) -> None:
        if self._handled:
            self._ingest.flush(FLUSH_SECONDS_MAX)
        while self._handled:
            self._inbox.acknowledge(self._handled[0].receipt)
            del self._handled[0]
