"""Copies the log, verbatim and by log_seq, into the history store."""

from __future__ import annotations

import logging
from collections.abc import Callable

from services.common.outage import Outage
from services.common.ports import Log, LoggedEntry, LogReader, LogStore, Unavailable

logger = logging.getLogger("recorder")

BATCH_MAX = 500
"""Records kept in one transaction."""


class Recorder:
    """Single-threaded and step-wise. Any number may run: keeping an entry twice changes nothing."""

    def __init__(self, log: Log, store: LogStore, recorded: Callable[[int], None] | None = None) -> None:
        self.log = log
        self.store = store
        self.recorded = recorded
        self.log_seq = 0
        self._outage = Outage(logger, "the history or the log")
        self._reader: LogReader | None = None
        self._waiting: list[LoggedEntry] = []

    def step(self, timeout_seconds: float) -> int:
        """Keep the next batch; return how many entries were kept. Entries wait here while the store is away."""
        if self._reader is None:
            self.log_seq = self.store.last_log_seq()
            self._reader = self.log.reader(self.store.last_position())
            self._tell()
            logger.info("recording", extra={"after_log_seq": self.log_seq})
        if not self._waiting:
            entries = self._reader.read(BATCH_MAX, timeout_seconds)
            self._waiting = [LoggedEntry(self.log_seq + 1 + k, e.position, e.payload) for k, e in enumerate(entries)]
        if not self._waiting:
            return 0
        kept = self._waiting
        self.store.record(kept)
        self.log_seq = kept[-1].log_seq
        self._waiting = []
        self._tell()
        return len(kept)

    def try_step(self, timeout_seconds: float) -> int | None:
        """`step`, or None when the store or the log is away."""
        try:
            kept = self.step(timeout_seconds)
        except Unavailable as error:
            self._outage.away(error)
            return None
        self._outage.back()
        return kept

    def close(self) -> None:
        """Release the reader."""
        if self._reader is not None:
            self._reader.close()

    def _tell(self) -> None:
        if self.recorded is not None:
            self.recorded(self.log_seq)
