"""What the log already holds, as far as ingest must know it to go on exactly after."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import BookIndex
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.fold import FILL_IDS_MAX, SPLITS_MAX
from risk_core.records import (
    BookChange,
    DayClose,
    FillCorrection,
    Fills,
    Genesis,
    PriceCorrection,
    Record,
    SourceClose,
    SourceOpen,
    Split,
    Ticks,
)
from services.common import codec
from services.common.ports import Log
from services.ingest.validate import Newest

GENESIS_SOURCE_ID: Final = 0
READ_MAX: Final = 1_000
READ_SECONDS_MAX: Final = 5.0
_SOURCE_ID_BYTES: Final = 6


def source_id_of(name: str) -> int:
    """Return a source's id: a hash of its name, positive and below 2**48, the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=_SOURCE_ID_BYTES).digest(), "big") or 1


@dataclass(slots=True)
class SourceState:
    """A source as the log shows it: `day_ticks` counts ticks since the last day close."""

    source_id: int
    name: str = ""
    last_seq: int = 0
    watermark_ns: int = 0
    open: bool = False
    day_ticks: int = 0
    newest: Newest = field(default_factory=lambda: Newest.empty(0))
    newest_at_close: Newest = field(default_factory=lambda: Newest.empty(0))


@dataclass(slots=True)
class LogState:
    """A fold over the log, much smaller than the risk fold: what makes ingest continue rather than repeat.

    `fill_times` maps ids to event times, as many as the risk fold remembers; `splits` maps action ids to (instrument_id, event_ns);
    `commands` are ids of corrections and positions; `day_fills` and `day_splits` are ids logged since the last close.
    `closes_ns` are the day closes that a correction can reach back to.
    """

    genesis: Genesis | None = None
    records: int = 0
    sources: dict[int, SourceState] = field(default_factory=dict)
    last_close: DayClose | None = None
    closes_ns: deque[int] = field(default_factory=deque)
    fill_times: dict[str, int] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    splits: dict[str, tuple[int, int]] = field(default_factory=dict)
    day_fills: set[str] = field(default_factory=set)
    day_splits: set[str] = field(default_factory=set)
    _instrument_ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def apply(self, record: Record) -> None:
        """Take the next record. A genesis record starts anew."""
        body = record.body
        if isinstance(body, Genesis):
            correction_days = ModelConfiguration.from_json(body.configuration).correction_days
            fresh = LogState(genesis=body, records=self.records + 1, closes_ns=deque(maxlen=correction_days))
            for name in LogState.__slots__:
                setattr(self, name, getattr(fresh, name))
            self._instrument_ids = np.array(BookIndex(body.book).instrument_ids, np.int64)
            return
        self.records += 1
        source = self.source(record.source_id)
        if record.source_seq <= source.last_seq:
            return
        source.last_seq = record.source_seq
        source.watermark_ns = max(source.watermark_ns, record.source_watermark_ns)
        match body:
            case Ticks():
                source.day_ticks += len(body.price)
                source.newest.take(np.searchsorted(self._instrument_ids, body.instrument_id), body.event_ns, body.price)
            case Fills():
                self._know_fills(body, record.event_ns)
            case Split():
                self._know_split(body, record.event_ns)
            case PriceCorrection() | FillCorrection():
                self.commands.add(body.correction_id)
            case BookChange():
                self.commands.add(body.reference)
            case SourceOpen():
                source.name, source.open = body.name, True
            case SourceClose():
                source.open = False
            case DayClose():
                self._close_day(body, record.event_ns)
            case _:
                pass

    def source(self, source_id: int) -> SourceState:
        """Return a source's state, new when the log has not seen it."""
        if source_id not in self.sources:
            columns = len(self._instrument_ids)
            self.sources[source_id] = SourceState(source_id, newest=Newest.empty(columns), newest_at_close=Newest.empty(columns))
        return self.sources[source_id]

    @property
    def closed_ns(self) -> int:
        """Return the last day close, 0 before the first."""
        return self.closes_ns[-1] if self.closes_ns else 0

    @property
    def kept_from_ns(self) -> int:
        """Return the day close that a correction must be after: the risk fold keeps no state before it."""
        return self.closes_ns[0] if len(self.closes_ns) == self.closes_ns.maxlen else -(2**63)

    def _know_fills(self, body: Fills, event_ns: int) -> None:
        """Remember logged fills, as many as the risk fold does."""
        for fill in body.fills:
            self.fill_times[fill.fill_id] = event_ns
            self.day_fills.add(fill.fill_id)
        while len(self.fill_times) > FILL_IDS_MAX:
            del self.fill_times[next(iter(self.fill_times))]

    def _know_split(self, split: Split, event_ns: int) -> None:
        """Remember a logged split."""
        self.splits[split.action_id] = (split.instrument_id, event_ns)
        self.day_splits.add(split.action_id)
        while len(self.splits) > SPLITS_MAX:
            del self.splits[next(iter(self.splits))]

    def _close_day(self, close: DayClose, close_ns: int) -> None:
        self.last_close = close
        self.closes_ns.append(close_ns)
        self.day_fills.clear()
        self.day_splits.clear()
        for source in self.sources.values():
            source.day_ticks = 0
            source.newest_at_close = source.newest.copy()


def scan(payloads: Iterable[bytes]) -> LogState:
    """Return the state after a whole log, oldest record first. A payload that is no record is passed over, as every reader does."""
    state = LogState()
    for payload in payloads:
        record = decoded(payload)
        if record is not None:
            state.apply(record)
    return state


def decoded(payload: bytes) -> Record | None:
    """Return the record of a payload, or None when it is none."""
    try:
        return codec.decode(payload)
    except codec.MalformedRecord:
        return None


def read_log(log: Log) -> Iterator[bytes]:
    """Yield every payload of a log, until all that was appended so far is read."""
    reader = log.reader(None)
    try:
        while not reader.caught_up():
            for entry in reader.read(READ_MAX, READ_SECONDS_MAX):
                yield entry.payload
    finally:
        reader.close()
