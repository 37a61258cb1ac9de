"""The log as the table of records has it: for a reader in another process than the one that holds the log in memory."""

from __future__ import annotations

import time
from itertools import islice
from typing import Final, NoReturn

from services.common.adapters.memory_log import log_seq_of
from services.common.ports import Entry, LogStore, Unavailable

POLL_SECONDS: Final = 0.05


class RecordedLog:
    """A log to be read only. Positions are those of the memory log, whose records these are.

    Parameters
    ----------
    store : LogStore
        Kept by whoever owns the log.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store

    def append(self, payload: bytes) -> NoReturn:
        """Refuse."""
        raise Unavailable("the records of the log are read here; append to the log itself")

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing: what is here is durable."""

    def reader(self, after: bytes | None) -> RecordedReader:
        """See `Log.reader`."""
        return RecordedReader(self._store, 0 if after is None else log_seq_of(after))

    def close(self) -> None:
        """Do nothing: the store is another's."""


class RecordedReader:
    """Reads records in order."""

    def __init__(self, store: LogStore, log_seq: int) -> None:
        self._store = store
        self._log_seq = log_seq

    def read(self, max_entries: int, timeout_seconds: float) -> list[Entry]:
        """See `LogReader.read`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            found = list(islice(self._store.entries(self._log_seq, self._log_seq + max_entries), max_entries))
            if found:
                self._log_seq = found[-1].log_seq
                return [Entry(e.position, e.payload) for e in found]
            left = deadline - time.monotonic()
            if left <= 0.0:
                return []
            time.sleep(min(POLL_SECONDS, left))

    def caught_up(self) -> bool:
        """See `LogReader.caught_up`: as far as it is recorded."""
        return self._store.last_log_seq() <= self._log_seq

    def close(self) -> None:
        """Do nothing."""
