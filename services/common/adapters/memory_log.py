"""The log in memory: of the embedded profile (over the table `log_records`), of simulations, and of tests.

A position is the entry's log_seq, so it means the same after a restart. Memory is bounded: what the recorder has kept is dropped,
and a reader that is further behind reads it from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from threading import Condition
from typing import Final, TypeAlias
from weakref import WeakSet

from services.common.ports import Entry, LoggedEntry, Unavailable

ENTRIES_MAX: Final = 100_000
BYTES_MAX: Final = 256 << 20
PAYLOAD_BYTES_MAX: Final = 1_000_000

Older: TypeAlias = Callable[[int, int | None], Iterator[LoggedEntry]]
"""`LogStore.entries`: yields kept records with after < log_seq <= through."""


def position_of(log_seq: int) -> bytes:
    """Return the position of the entry with this log_seq (counted from 1)."""
    return log_seq.to_bytes(8, "big")


def log_seq_of(position: bytes) -> int:
    """Return the log_seq of a position of this log; ValueError for another log's."""
    if len(position) != 8:
        raise ValueError(
            f"position {position.hex()} has {len(position)} bytes; one of the memory log has 8. Was it taken from another log?"
        )
    return int.from_bytes(position, "big")


class MemoryLog:
    """An ordered log in this process. Thread-safe.

    Parameters
    ----------
    entries_max, bytes_max : int
        Most that is held. A full log first drops what is recorded, then `append` blocks until `trim` makes room.
    payload_bytes_max : int
        Largest record.
    after_log_seq : int
        Continue after this many records: those of `older`, kept by an earlier process.
    older : callable, optional
        `LogStore.entries`, asked for what is no longer, or never was, in memory.
    flush_waits_for_record : bool
        `flush` returns only when `trim` has covered everything appended: durable means in the store.
        Otherwise memory is all the durability there is, and `flush` returns at once.
    released_by_hand : bool
        Readers see an entry only after `release`, and nothing ever blocks: for a single-threaded simulation.
    """

    def __init__(
        self,
        *,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        payload_bytes_max: int = PAYLOAD_BYTES_MAX,
        after_log_seq: int = 0,
        older: Older | None = None,
        flush_waits_for_record: bool = False,
        released_by_hand: bool = False,
    ) -> None:
        if after_log_seq and older is None:
            raise ValueError(f"a log that continues after record {after_log_seq} needs the store that has those records")
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._payload_bytes_max = payload_bytes_max
        self._older = older
        self._flush_waits_for_record = flush_waits_for_record
        self._by_hand = released_by_hand
        self._changed = Condition()
        self._held: list[Entry] = []
        self._held_bytes = 0
        self._dropped_through = after_log_seq
        self._recorded_through = after_log_seq
        self._released_through = after_log_seq
        self._readers: WeakSet[_MemoryLogReader] = WeakSet()
        self._closed = False

    # ------------------------------------------------------------- Log

    def append(self, payload: bytes) -> None:
        """See `Log.append`."""
        if len(payload) > self._payload_bytes_max:
            raise ValueError(f"record of {len(payload)} bytes: at most {self._payload_bytes_max}; split it")
        with self._changed:
            while True:
                self._check_open()
                if not self._is_full(len(payload)):
                    break
                if self._drop(self._recorded_through):
                    continue
                if self._by_hand:
                    raise Unavailable(f"the log holds {len(self._held)} unrecorded entries, its most")
                self._changed.wait()
            self._held.append(Entry(position_of(self._last() + 1), payload))
            self._held_bytes += len(payload)
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> None:
        """See `Log.flush`."""
        with self._changed:
            self._check_open()
            last = self._last()
            if not self._flush_waits_for_record or self._recorded_through >= last:
                return
            if not self._by_hand:
                self._changed.wait_for(lambda: self._closed or self._recorded_through >= last, timeout_seconds)
            if self._recorded_through < last:
                raise Unavailable(f"records {self._recorded_through + 1} to {last} are not in the store after {timeout_seconds} s")

    def reader(self, after: bytes | None) -> _MemoryLogReader:
        """See `Log.reader`."""
        log_seq = 0 if after is None else log_seq_of(after)
        with self._changed:
            self._check_open()
            if log_seq > self._last():
                raise ValueError(
                    f"position of record {log_seq} lies beyond the log's last, {self._last()}: is this another log's position?"
                )
            reader = _MemoryLogReader(self, log_seq)
            self._readers.add(reader)
            return reader

    def close(self) -> None:
        """See `Log.close`. Blocked callers get Unavailable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # -------------------------------------------------- beyond the port

    @property
    def last_log_seq(self) -> int:
        """Return the log_seq of the last appended record."""
        with self._changed:
            return self._last()

    @property
    def held(self) -> int:
        """Return how many entries are in memory."""
        with self._changed:
            return len(self._held)

    def trim(self, through_log_seq: int) -> None:
        """Tell the log that entries through here are durable in the store.

        Those that every open reader has read are dropped at once, the others when room is needed.
        """
        with self._changed:
            self._recorded_through = max(self._recorded_through, min(through_log_seq, self._last()))
            self._drop(min([self._recorded_through, *(reader.log_seq for reader in self._readers)]))
            self._changed.notify_all()

    def release(self, through_log_seq: int | None = None) -> None:
        """Let readers of a log released by hand see entries through this one, or all."""
        with self._changed:
            through = self._last() if through_log_seq is None else min(through_log_seq, self._last())
            self._released_through = max(self._released_through, through)
            self._changed.notify_all()

    # ---------------------------------------------------------- inside

    def _last(self) -> int:
        return self._dropped_through + len(self._held)

    def _visible(self) -> int:
        return self._released_through if self._by_hand else self._last()

    def _is_full(self, more_bytes: int) -> bool:
        return len(self._held) >= self._entries_max or (bool(self._held) and self._held_bytes + more_bytes > self._bytes_max)

    def _drop(self, through: int) -> bool:
        count = through - self._dropped_through
        if count <= 0:
            return False
        self._held_bytes -= sum(len(entry.payload) for entry in self._held[:count])
        del self._held[:count]
        self._dropped_through = through
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the log is closed")

    def _read_older(self, after: int, through: int) -> list[Entry]:
        if self._older is None:
            raise Unavailable(f"record {after + 1} was dropped from memory, and there is no store behind this log")
        kept = list(islice(self._older(after, through), through - after))
        if [entry.log_seq for entry in kept] != list(range(after + 1, after + 1 + len(kept))) or not kept:
            raise RuntimeError(f"the store behind the log has a gap after record {after}: it was told to keep records through {through}")
        return [Entry(position_of(entry.log_seq), entry.payload) for entry in kept]


class _MemoryLogReader:
    """See `LogReader`. One thread at a time; `close` may come from another."""

    def __init__(self, log: MemoryLog, log_seq: int) -> None:
        self._log = log
        self._closed = False
        self.log_seq = log_seq

    def read(self, max_entries: int, timeout_seconds: float) -> list[Entry]:
        log = self._log
        with log._changed:
            if not log._by_hand:
                log._changed.wait_for(lambda: log._closed or self._closed or log._visible() > self.log_seq, timeout_seconds)
            log._check_open()
            if self._closed:
                raise Unavailable("the reader is closed")
            through = min(log._visible(), self.log_seq + max_entries)
            if through <= self.log_seq:
                return []
            dropped = log._dropped_through
            if self.log_seq >= dropped:
                entries = log._held[self.log_seq - dropped : through - dropped]
                self.log_seq = through
                return entries
        entries = log._read_older(self.log_seq, min(through, dropped))
        self.log_seq += len(entries)
        return entries

    def caught_up(self) -> bool:
        with self._log._changed:
            return self._log._visible() <= self.log_seq

    def close(self) -> None:
        with self._log._changed:
            self._closed = True
            self._log._readers.discard(self)
            self._log._changed.notify_all()
