"""Fills from outside: read, judged, logged, made durable, and only then acknowledged."""

from __future__ import annotations

from typing import Final

from services.common.feeds.port import RawFill
from services.common.ports import Inbox
from services.ingest.ingest import Ingest
from services.ingest.payloads import read_fill
from services.ingest.validate import Rejection

FILLS_TOPIC: Final = "risk/book/fills"
SUBSCRIPTION: Final = "ingest"
SOURCE: Final = "fills/inbox"
MESSAGES_MAX: Final = 500
FLUSH_SECONDS_MAX: Final = 30.0


class FillsInbox:
    """The source `fills/inbox/<epoch>`. It takes no part in the watermark: an inbox can promise nothing, and a late fill always applies.

    A message comes again when the process ends between its record and its acknowledgement; its fill id then refuses it.
    Each owner numbers its own source: two that overlap at a takeover never give one number to different fills.
    """

    def __init__(self, ingest: Ingest, inbox: Inbox, epoch: int) -> None:
        self._ingest = ingest
        self._inbox = inbox
        self._source = ingest.source(f"{SOURCE}/{epoch}")

    def step(self, timeout_seconds: float = 0.0) -> int:
        """Take what waits; return how many fills were logged.

        Raises
        ------
        Unavailable
            The log or the inbox is away. Nothing was acknowledged that is not durable.
        """
        messages = self._inbox.receive(MESSAGES_MAX, timeout_seconds)
        if not messages:
            return 0
        good: list[tuple[RawFill, bytes]] = []
        bad: list[Rejection] = []
        for message in messages:
            fill = read_fill(message.payload, self._ingest.now_ns())
            if isinstance(fill, Rejection):
                bad.append(fill)
            else:
                good.append((fill, message.payload))
        self._ingest.announce(self._source)
        self._ingest.refuse(self._source, tuple(bad))
        taken = self._ingest.fills(self._source, good, self._source.watermark_ns)
        self._ingest.flush(FLUSH_SECONDS_MAX)
        for message in messages:
            self._inbox.acknowledge(message.receipt)
        return taken
