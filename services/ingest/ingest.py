"""Ingest: judged input becomes stamped records, in order, in the log. Single-threaded; every call does its whole work."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from typing import Final, Protocol

from risk_core.book import Fill
from risk_core.records import (
    Body,
    DayClose,
    Fills,
    Genesis,
    Heartbeat,
    Record,
    SourceClose,
    SourceOpen,
    Ticks,
)
from services.common import codec
from services.common.feeds.port import RawFill, RawSplit, RawTicks
from services.common.ports import Clock, DeadLetter, DeadLetters, Log
from services.ingest.commands import Known, RawCommand, check_command
from services.ingest.log_state import GENESIS_SOURCE_ID, LogState, SourceState, source_id_of
from services.ingest.reasons import Reason, Warn
from services.ingest.validate import CheckedTicks, Rejection, Rules, Sequence, check_fill, check_split, check_ticks

REFUSALS_IN_A_ROW_MAX: Final = 10_000
FILLS_MAX: Final = 1_000
"""Fills in one record."""
NS_PER_SECOND: Final = 1_000_000_000


class SourceBroken(Exception):
    """A source sent nothing but refused messages for too long: it must be mended, not skipped."""


class Observer(Protocol):
    """Hears what happens; a process turns it into metrics."""

    def accepted(self, kind: str, count: int) -> None:
        """`count` items of a kind ("ticks", "fills", "splits", "day_closes") went into the log."""
        ...

    def refused(self, reason: Reason, count: int) -> None:
        """`count` messages went to the dead letters."""
        ...

    def warned(self, warning: Warn, count: int) -> None:
        """`count` messages were strange, and taken."""
        ...


class Counts:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.rejected: dict[str, int] = {}
        self.warnings: dict[str, int] = {}

    def accepted(self, kind: str, count: int) -> None:
        """See `Observer.accepted`."""
        self.taken[kind] = self.taken.get(kind, 0) + count

    def refused(self, reason: Reason, count: int) -> None:
        """See `Observer.refused`."""
        self.rejected[reason.value] = self.rejected.get(reason.value, 0) + count

    def warned(self, warning: Warn, count: int) -> None:
        """See `Observer.warned`."""
        self.warnings[warning.value] = self.warnings.get(warning.value, 0) + count


class Ingest:
    """The one writer of its sources.

    Parameters
    ----------
    genesis : Genesis
        What the log folds. Written at once when the log is empty, or when `anew`.
    log, dead_letters, clock : ports
        `clock` is the run's: in a replay it shows event time.
    state : LogState
        What the log holds (`log_state.scan`); it is kept up to date here.
    batch_max : int
        Ticks in one record.
    future_seconds_max : float
        How far an event may lie ahead of the clock.
    started_ns : int
        Time of the genesis record.
    """

    def __init__(
        self,
        genesis: Genesis,
        log: Log,
        dead_letters: DeadLetters,
        clock: Clock,
        state: LogState,
        *,
        batch_max: int,
        future_seconds_max: float,
        observers: Iterable[Observer] = (),
        anew: bool = False,
        started_ns: int = 0,
    ) -> None:
        self.state = state
        self.counts = Counts()
        self.batch_max = batch_max
        self.replayed: set[int] = set()
        self.cadence_ns = genesis.cadence_ns
        self._rules = Rules(genesis.book)
        self._log = log
        self._dead_letters = dead_letters
        self._clock = clock
        self.future_ns = round(future_seconds_max * NS_PER_SECOND)
        self._observers: tuple[Observer, ...] = (self.counts, *observers)
        self._sequences: dict[int, Sequence] = {}
        self._refused_in_a_row: dict[int, int] = {}
        if state.genesis is None or anew:
            self._write(Record(GENESIS_SOURCE_ID, 0, started_ns, started_ns, 0, genesis))

    # ------------------------------------------------------------ sources

    def source(self, name: str) -> SourceState:
        """Return a source by name.

        Raises
        ------
        ValueError
            Another name of this log has the same id: rename one.
        """
        source = self.state.source(source_id_of(name))
        if source.name and source.name != name:
            raise ValueError(f"sources {source.name!r} and {name!r} have the same id {source.source_id}; rename one")
        source.name = name
        return source

    def replayed_source(self, name: str) -> SourceState:
        """Return a source whose records carry their event time as ingest time, so that a replay's bytes are always the same."""
        source = self.source(name)
        self.replayed.add(source.source_id)
        return source

    def announce(self, source: SourceState) -> None:
        """Log the name of a source that takes no part in the watermark, once."""
        if source.last_seq == 0:
            self._stamp(source, self._clock.now_ns(), 0, SourceOpen(source.name))
            self._stamp(source, self._clock.now_ns(), 0, SourceClose())

    def open(self, name: str, watermark_ns: int) -> SourceState:
        """Let a source join the watermark; nothing when it is open."""
        source = self.source(name)
        if not source.open:
            self._stamp(source, max(watermark_ns, source.watermark_ns), watermark_ns, SourceOpen(name))
        return source

    def close(self, source: SourceState) -> None:
        """Let a source leave the watermark; nothing when it is closed."""
        if source.open:
            self._stamp(source, source.watermark_ns, source.watermark_ns, SourceClose())

    def heartbeat(self, source: SourceState, watermark_ns: int) -> None:
        """Promise progress of an idle source; nothing when it was promised before."""
        if watermark_ns > source.watermark_ns:
            self._stamp(source, watermark_ns, watermark_ns, Heartbeat())

    def day_close(self, source: SourceState, calendar: str, date: str, close_ns: int) -> None:
        """Declare a day's prices final."""
        self._stamp(source, close_ns, close_ns, DayClose(calendar, date))
        self._count("day_closes", 1)

    # -------------------------------------------------------------- ticks

    def ticks(self, source: SourceState, raw: RawTicks, watermark_ns: int) -> int:
        """Judge a batch and log what passes; return how many ticks that is. The watermark goes with the last record."""
        checked = self.check(source, raw)
        count = len(checked.price)
        for start in range(0, count, self.batch_max):
            last = start + self.batch_max >= count
            self.log_ticks(source, checked, start, min(start + self.batch_max, count), watermark_ns if last else source.watermark_ns)
        return count

    def check(self, source: SourceState, raw: RawTicks) -> CheckedTicks:
        """Judge a live batch, keep what is refused, and log nothing."""
        sequence = self._sequences.setdefault(source.source_id, Sequence())
        checked = check_ticks(self._rules, sequence, source.newest, raw, source.watermark_ns, self._latest_ns())
        return self._judged(source, checked)

    def check_day(self, source: SourceState, raw: RawTicks, promised_ns: int, close_ns: int) -> CheckedTicks:
        """Judge a whole day of a replay by what was known at the close before, so that a resumed day is judged alike.

        Parameters
        ----------
        promised_ns, close_ns : int
            The close before and the day's own: the source's promise at the start, and the end of time.
        """
        first = int(raw.sequence.min()) if len(raw) else 0
        newest = source.newest_at_close.copy()
        checked = check_ticks(self._rules, Sequence(max(first, 0) - 1), newest, raw, promised_ns, close_ns)
        return self._judged(source, checked)

    def _judged(self, source: SourceState, checked: CheckedTicks) -> CheckedTicks:
        for warning, count in checked.warnings.items():
            for observer in self._observers:
                observer.warned(warning, count)
        self.refuse(source, checked.rejections)
        self.stop_if_broken(source, checked.rejections, len(checked.price))
        return checked

    def log_ticks(self, source: SourceState, ticks: CheckedTicks, start: int, stop: int, watermark_ns: int) -> None:
        """Log accepted ticks [start, stop) as one record."""
        event_ns = ticks.event_ns[start:stop]
        body = Ticks(ticks.instrument_id[start:stop], ticks.price[start:stop], event_ns)
        self._stamp(source, int(event_ns.max()), watermark_ns, body)
        self._count("ticks", stop - start)

    # ------------------------------------------------------ fills, actions

    def fills(self, source: SourceState, fills: Iterable[tuple[RawFill, bytes]], watermark_ns: int) -> int:
        """Judge fills, each with the bytes it came in (or none), and log those that pass: one record per event time.

        Returns how many passed.
        """
        passed: dict[int, list[Fill]] = {}
        batch: dict[str, int] = {}
        known = ChainMap(batch, self.state.fill_times)
        for fill, raw in fills:
            judged = check_fill(self._rules, known, fill, self._latest_ns(), raw)
            if isinstance(judged, Rejection):
                self.refuse(source, (judged,))
            else:
                batch[judged.fill_id] = fill.event_ns
                passed.setdefault(fill.event_ns, []).append(judged)
        groups = [(t, passed[t][k : k + FILLS_MAX]) for t in sorted(passed) for k in range(0, len(passed[t]), FILLS_MAX)]
        for place, (event_ns, group) in enumerate(groups, start=1):
            self._stamp(source, event_ns, watermark_ns if place == len(groups) else source.watermark_ns, Fills(tuple(group)))
            self._count("fills", len(group))
        return len(batch)

    def split(self, source: SourceState, split: RawSplit, watermark_ns: int) -> bool:
        """Judge a split and log it if it passes; return whether it did."""
        judged = check_split(self._rules, self.state.splits, split, self._latest_ns())
        if isinstance(judged, Rejection):
            self.refuse(source, (judged,))
            return False
        self._stamp(source, split.event_ns, watermark_ns, judged)
        self._count("splits", 1)
        return True

    def command(self, source: SourceState, raw: RawCommand, payload: bytes) -> bool:
        """Judge a correction or positions, and log them if they pass; return whether they did."""
        known = Known(self.state.fill_times, self.state.commands, self.state.kept_from_ns)
        judged = check_command(self._rules, known, raw, self._latest_ns(), payload)
        if isinstance(judged, Rejection):
            self.refuse(source, (judged,))
            return False
        event_ns, body = judged
        self._stamp(source, event_ns, source.watermark_ns, body)
        self._count("commands", 1)
        return True

    # ------------------------------------------------------------ refusals

    def refuse(self, source: SourceState, rejections: tuple[Rejection, ...]) -> None:
        """Keep refused messages and count them."""
        by_reason: dict[Reason, int] = {}
        for rejection in rejections:
            by_reason[rejection.reason] = by_reason.get(rejection.reason, 0) + 1
            letter = DeadLetter(rejection.reason.value, rejection.detail, source.name, self._clock.now_ns(), rejection.raw)
            self._dead_letters.put(letter)
        for reason, count in by_reason.items():
            for observer in self._observers:
                observer.refused(reason, count)

    def stop_if_broken(self, source: SourceState, rejections: tuple[Rejection, ...], accepted: int) -> None:
        """Judge a source by one more batch.

        Raises
        ------
        SourceBroken
            `REFUSALS_IN_A_ROW_MAX` messages came without a good one between.
        """
        in_a_row = 0 if accepted else self._refused_in_a_row.get(source.source_id, 0) + len(rejections)
        self._refused_in_a_row[source.source_id] = in_a_row
        if rejections and in_a_row >= REFUSALS_IN_A_ROW_MAX:
            raise SourceBroken(
                f"source {source.name!r}: the last {in_a_row} messages were all refused, the newest as {rejections[-1].reason}"
                f" ({rejections[-1].detail}); mend the source, then start again"
            )

    # -------------------------------------------------------------- inside

    def flush(self, timeout_seconds: float) -> None:
        """Return once everything logged is durable; raise Unavailable otherwise."""
        self._log.flush(timeout_seconds)

    def now_ns(self) -> int:
        """Return the run's time."""
        return self._clock.now_ns()

    def _latest_ns(self) -> int:
        return self._clock.now_ns() + self.future_ns

    def _stamp(self, source: SourceState, event_ns: int, watermark_ns: int, body: Body) -> None:
        watermark_ns = max(watermark_ns, source.watermark_ns)
        ingest_ns = event_ns if source.source_id in self.replayed else self._clock.now_ns()
        self._write(Record(source.source_id, source.last_seq + 1, event_ns, ingest_ns, watermark_ns, body))

    def _write(self, record: Record) -> None:
        self._log.append(codec.encode(record))
        self.state.apply(record)

    def _count(self, kind: str, count: int) -> None:
        for observer in self._observers:
            observer.accepted(kind, count)
