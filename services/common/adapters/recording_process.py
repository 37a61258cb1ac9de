"""The log of record, written by a process of its own: for a service that otherwise is one process.

The transaction costs the interpreter about two milliseconds, twenty times a second. In the service's own process every live number of
that time waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from risk_core.records import Record
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.beside import Beside, Died
from services.common.ports import LoggedEntry, LogStore, Unavailable

_store: PostgresLogStore | None = None
"""In the recording process."""


class RecordingProcess:
    """A log store that reads by another one, `inner`, and writes in a process."""

    def __init__(self, url: str, inner: LogStore, decode: Callable[[bytes], Record]) -> None:
        self._inner = inner
        self._beside = Beside(_open, url, decode)

    def last_log_seq(self) -> int:
        """Return the number of records kept."""
        return self._inner.last_log_seq()

    def last_position(self) -> bytes | None:
        """Return the last record's position."""
        return self._inner.last_position()

    def record(self, entries: Sequence[LoggedEntry]) -> None:
        """Keep entries. A process that dies meanwhile is one that is away: they may be kept or not, and keeping them again is right."""
        if not entries:
            return
        try:
            self._beside.call(_record, list(entries))
        except Died as error:
            raise Unavailable(f"recording: {error}; another is started") from error

    def entries(self, after_log_seq: int, through_log_seq: int | None = None) -> Iterator[LoggedEntry]:
        """Yield kept records in order."""
        return self._inner.entries(after_log_seq, through_log_seq)

    def close(self) -> None:
        """End the process. Idempotent."""
        self._beside.close()


def _open(url: str, decode: Callable[[bytes], Record]) -> None:
    global _store
    _store = PostgresLogStore(PostgresDatabase(url), decode)


def _record(entries: Sequence[LoggedEntry]) -> None:
    assert _store is not None
    _store.record(entries)
