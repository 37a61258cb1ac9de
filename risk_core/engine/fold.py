"""The fold: one ordered log in, closed buckets out.

A pure state machine. No wall clock, batch size, worker count or thread order enters it, so a replay, a second worker
and a simulation all see the same buckets. `docs/decisions/0001-fold.md` states the order of everything that happens here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from risk_core.book import BookIndex, Fill
from risk_core.engine.collapse import CORRECTION_SOURCE, WaitingTicks, look_up
from risk_core.engine.configuration import NS_PER_SECOND, ModelConfiguration
from risk_core.engine.holdings import Holdings, scale_quantity
from risk_core.engine.market import Market, MarketLayout
from risk_core.engine.plain import from_plain, to_plain
from risk_core.records import (
    Body,
    BookChange,
    DayClose,
    FillCorrection,
    Fills,
    Genesis,
    Heartbeat,
    PriceCorrection,
    Record,
    SourceClose,
    SourceOpen,
    Split,
    Ticks,
)

Correction: TypeAlias = PriceCorrection | FillCorrection
KnownCorrection: TypeAlias = tuple[Correction, bool, int]
"""(correction, whether it changed closed buckets, log_seq)"""
TickArrays: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
AppliedSplit: TypeAlias = tuple[int, Split]
"""(event_ns, split)"""
STATE_VERSION = 1
FOREVER_NS = np.iinfo(np.int64).max
FILL_IDS_MAX = 100_000
SPLITS_MAX = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Bucket:
    """Frozen inputs of one as_of: everything the canonical evaluation needs, and the fold's state after it.

    Arrays are copies. For a day close (`date` set) `shock`/`proxied` are the day's moves (None at the first close),
    and `opening`, `baseline`, `trade_cost`, `fees` are those of the day that ends. `entry_log_seq` is the entry that closed
    the bucket; `log_seq` the last one that its numbers depend on: a later correction's, when folded again.
    """

    as_of_ns: int
    log_seq: int
    entry_log_seq: int
    emit: bool
    revision: int
    date: str | None
    price: NDArray[np.float64]
    price_ns: NDArray[np.int64]
    quantity: NDArray[np.int64]
    opening: NDArray[np.int64]
    baseline: NDArray[np.float64]
    trade_cost: NDArray[np.float64]
    fees: NDArray[np.float64]
    shock: NDArray[np.float64] | None
    proxied: NDArray[np.uint8] | None
    state: dict[str, Any]

    def silent(self) -> Bucket:
        """Return the same bucket, to be computed but not emitted."""
        return replace(self, emit=False)


@dataclass(frozen=True, slots=True)
class Refold:
    """The log asks for closed buckets to be folded again from the day close before `correction.effective_ns`."""

    correction: Correction
    log_seq: int


@dataclass(slots=True)
class _Source:
    last_seq: int
    watermark_ns: int
    open: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record body that waits for its bucket; `effect_ns` is its event time, or the open bucket's start when late."""

    effect_ns: int
    event_ns: int
    source_id: int
    source_seq: int
    place: int
    body: Fill | Split | BookChange | DayClose


class Fold:
    """State of one shard: sources, watermark, market, holdings.

    Parameters
    ----------
    genesis : Genesis
        First record of the run.
    node_ids : tuple of int or None
        Nodes this shard owns; None owns all.
    """

    def __init__(self, genesis: Genesis, node_ids: tuple[int, ...] | None = None) -> None:
        self.genesis = genesis
        self.configuration = ModelConfiguration.from_json(genesis.configuration)
        self.index = BookIndex(genesis.book)
        self.layout = MarketLayout.of(self.index)
        self.node_ids = self.index.node_ids if node_ids is None else tuple(sorted(node_ids))
        self.market = Market(self.layout)
        self.holdings = Holdings(self.index, self.node_ids)
        grid_ns = math.gcd(genesis.cadence_ns, NS_PER_SECOND)
        self.waiting_ticks = WaitingTicks(len(self.index.instrument_ids), grid_ns)
        self.waiting: list[_Waiting] = []
        self.sources: dict[int, _Source] = {}
        self.watermark_ns = 0
        self.closed_through_ns = 0
        self.closes: list[int] = []
        self.corrections: dict[str, KnownCorrection] = {}
        self.price_overrides: dict[tuple[int, int], float | None] = {}
        self.fill_overrides: dict[str, Fill | None] = {}
        self.fill_ids: dict[str, None] = {}
        self.splits: dict[str, Split] = {}
        self.split_times: dict[str, int] = {}
        self.dropped = {"repeat": 0, "late": 0, "unknown_instrument": 0, "duplicate_fill": 0, "duplicate_split": 0, "correction_too_old": 0}
        self.ticks = 0
        self._emit_after_ns = genesis.emit_from_ns
        lookup = np.full(self.index.instrument_ids[-1] + 1, -1, np.int64)
        lookup[np.array(self.index.instrument_ids)] = np.arange(len(self.index.instrument_ids))
        self.column_lookup = lookup

    # ------------------------------------------------------------- input

    def apply(self, record: Record, log_seq: int) -> list[Bucket | Refold]:
        """Take the next record of the log; return what it closes.

        Repeats by (source_id, source_seq) are dropped. A `Refold` means that a correction touches closed buckets: the caller
        restores the day close before its effect, `preload`s the corrections known so far and this one, and applies the log again.
        """
        source = self.sources.get(record.source_id)
        if source is not None and record.source_seq <= source.last_seq:
            self.dropped["repeat"] += 1
            return []
        if source is None:
            source = self.sources[record.source_id] = _Source(record.source_seq, record.source_watermark_ns, False)
        source.last_seq = record.source_seq
        source.watermark_ns = max(source.watermark_ns, record.source_watermark_ns)
        asked = self._take(record, source, log_seq)
        if asked is not None:
            return [asked]
        self._advance_watermark(source, record.body)
        return list(self._close_buckets(log_seq))

    def _take(self, record: Record, source: _Source, log_seq: int) -> Refold | None:
        body = record.body
        match body:
            case Ticks():
                self._take_ticks(record, body)
            case Fills():
                for place, fill in enumerate(body.fills):
                    self._take_fill(record, place, fill)
            case Split():
                self._take_split(record, body)
            case BookChange() | DayClose():
                self._wait(record, 0, body)
            case PriceCorrection() | FillCorrection():
                return self._take_correction(body, log_seq)
            case SourceOpen():
                source.open = True
            case SourceClose():
                source.open = False
            case Heartbeat():
                pass
            case Genesis():
                raise ValueError("a genesis record starts a new fold; it cannot be applied to an old one")
        return None

    def _take_ticks(self, record: Record, body: Ticks) -> None:
        ids, event_ns, price = body.instrument_id, body.event_ns, body.price
        column, known, late, first_ns, last_ns = look_up(ids, event_ns, self.column_lookup, self.closed_through_ns)
        cells = self.waiting_ticks
        if known < len(column):
            self.dropped["unknown_instrument"] += len(column) - known
            keep = column >= 0
            ids, column, event_ns, price = ids[keep], column[keep], event_ns[keep], price[keep]
        self.ticks += known
        if known and not self.price_overrides and cells.end_of(first_ns) == cells.end_of(last_ns):
            cells.add_to_cell(first_ns, column, event_ns, price, record.source_id, record.source_seq)
            self.dropped["late"] += late
            return
        cells.mark(np.maximum(event_ns, self.closed_through_ns + 1))
        keep = self.not_overridden(ids, event_ns)
        column, event_ns, price = column[keep], event_ns[keep], price[keep]
        self.dropped["late"] += cells.add(column, event_ns, price, record.source_id, record.source_seq, self.closed_through_ns)

    def not_overridden(self, instrument_ids: NDArray[np.int32], event_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which ticks no correction has replaced or removed."""
        keep = np.ones(len(event_ns), np.bool_)
        for instrument_id, at_ns in self.price_overrides:
            keep &= ~((instrument_ids == instrument_id) & (event_ns == at_ns))
        return keep

    def before_a_split(self, instrument_ids: NDArray[np.int32], event_ns: NDArray[np.int64]) -> bool:
        """Return whether any event lies before a split of its instrument that came first: it is in units of then."""
        if not self.splits or not len(event_ns) or int(event_ns.min()) >= max(self.split_times.values()):
            return False
        times = self.split_times
        return any(bool(((instrument_ids == s.instrument_id) & (event_ns < times[k])).any()) for k, s in self.splits.items())

    def _take_fill(self, record: Record, place: int, fill: Fill) -> None:
        if fill.fill_id in self.fill_ids:
            self.dropped["duplicate_fill"] += 1
            return
        self.fill_ids[fill.fill_id] = None
        while len(self.fill_ids) > FILL_IDS_MAX:
            del self.fill_ids[next(iter(self.fill_ids))]
        replaced = self.fill_overrides.get(fill.fill_id, fill)
        if replaced is not None:
            self._wait(record, place, replaced)
        else:
            self.waiting_ticks.mark(np.array([max(record.event_ns, self.closed_through_ns + 1)], np.int64))

    def _take_split(self, record: Record, split: Split) -> None:
        if split.action_id in self.splits:
            self.dropped["duplicate_split"] += 1
            return
        self.splits[split.action_id] = split
        self.split_times[split.action_id] = record.event_ns
        while len(self.splits) > SPLITS_MAX:
            oldest = next(iter(self.splits))
            del self.splits[oldest], self.split_times[oldest]
        self._wait(record, 0, split)

    def _wait(self, record: Record, place: int, body: Fill | Split | BookChange | DayClose) -> None:
        effect_ns = max(record.event_ns, self.closed_through_ns + 1)
        self.waiting.append(_Waiting(effect_ns, record.event_ns, record.source_id, record.source_seq, place, body))

    def resume(self, log_seq: int) -> list[Bucket]:
        """Close what the checkpointed record still had to close. Call once after `restore`, with its log_seq."""
        return list(self._close_buckets(log_seq))

    # ------------------------------------------------------- corrections

    def _take_correction(self, correction: Correction, log_seq: int) -> Refold | None:
        if correction.correction_id in self.corrections:
            return None
        if len(self.closes) >= self.configuration.correction_days and correction.effective_ns <= self.closes[0]:
            self.dropped["correction_too_old"] += 1
            return None
        if correction.effective_ns <= self.closed_through_ns:
            return Refold(correction, log_seq)
        self.adopt(correction, False, log_seq)
        return None

    def adopt(self, correction: Correction, touched_closed: bool, log_seq: int) -> None:
        """Know a correction from here on: what it replaces is dropped when it comes, what waits is replaced."""
        self._know(correction, touched_closed, log_seq)
        if isinstance(correction, PriceCorrection):
            column = self.index.column_of[correction.instrument_id]
            self.waiting_ticks.remove(column, correction.effective_ns)
            if correction.price is not None:
                at_ns = np.array([correction.effective_ns], np.int64)
                if not touched_closed:
                    self.waiting_ticks.mark(at_ns)
                self.waiting_ticks.add(
                    np.array([column], np.int64),
                    at_ns,
                    np.array([correction.price], np.float64),
                    CORRECTION_SOURCE,
                    0,
                    self.closed_through_ns,
                )
        else:
            replaced = [w.effect_ns for w in self.waiting if isinstance(w.body, Fill) and w.body.fill_id == correction.fill_id]
            self.waiting_ticks.mark(np.array(replaced, np.int64))
            self.waiting = [
                w if not (isinstance(w.body, Fill) and w.body.fill_id == correction.fill_id) else _replaced(w, correction.fill)
                for w in self.waiting
                if not (isinstance(w.body, Fill) and w.body.fill_id == correction.fill_id and correction.fill is None)
            ]

    def _know(self, correction: Correction, touched_closed: bool, log_seq: int) -> None:
        self.corrections[correction.correction_id] = (correction, touched_closed, log_seq)
        if isinstance(correction, PriceCorrection):
            self.price_overrides[correction.instrument_id, correction.effective_ns] = correction.price
        else:
            self.fill_overrides[correction.fill_id] = correction.fill

    def revision(self, as_of_ns: int) -> int:
        """Return how many corrections of closed buckets are effective by `as_of_ns`."""
        return sum(1 for c, touched, _ in self.corrections.values() if touched and c.effective_ns <= as_of_ns)

    def knowledge(self, log_seq: int, as_of_ns: int | None = None) -> int:
        """Return the last entry that the state after `log_seq` depends on: a correction known beforehand lies further on.

        With `as_of_ns`, only corrections effective by then count: what lies before is as it was.
        """
        corrections = self.corrections.values()
        return max([log_seq, *(at for c, touched, at in corrections if touched and (as_of_ns is None or c.effective_ns <= as_of_ns))])

    def preload(self, corrections: Iterable[KnownCorrection]) -> None:
        """Know corrections before their entries come, to fold again. Of two for the same thing the later logged stands."""
        for correction, touched, log_seq in sorted(corrections, key=lambda known: known[2]):
            if correction.correction_id not in self.corrections:
                self.adopt(correction, touched, log_seq)

    # --------------------------------------------------------- watermark

    def _advance_watermark(self, source: _Source, body: Body) -> None:
        opened = [s.watermark_ns for s in self.sources.values() if s.open]
        if opened:
            self.watermark_ns = max(self.watermark_ns, min(opened))
        elif isinstance(body, SourceClose):
            self.watermark_ns = max(self.watermark_ns, source.watermark_ns)

    def _boundary(self, event_ns: int) -> int | None:
        """Return the end of the bucket that holds `event_ns`: a cadence mark, or a day close before it."""
        cadence_ns = self.genesis.cadence_ns
        ends = [w.effect_ns for w in self.waiting if isinstance(w.body, DayClose) and w.effect_ns >= event_ns]
        if cadence_ns:
            ends.append(-(-event_ns // cadence_ns) * cadence_ns)
        return min(ends) if ends else None

    def _close_buckets(self, log_seq: int) -> Iterator[Bucket]:
        while True:
            first = [w.effect_ns for w in self.waiting]
            tick_ns = self.waiting_ticks.earliest_ns()
            if tick_ns is not None:
                first.append(tick_ns)
            end_ns = self._boundary(min(first)) if first else None
            if end_ns is None or end_ns > self.watermark_ns:
                break
            yield self._close(end_ns, log_seq)
        if self.genesis.cadence_ns:
            mark = self.watermark_ns // self.genesis.cadence_ns * self.genesis.cadence_ns
            self.closed_through_ns = max(self.closed_through_ns, mark)

    # ------------------------------------------------------------- close

    def _close(self, end_ns: int, log_seq: int) -> Bucket:
        date = self._settle(end_ns)
        self.closed_through_ns = end_ns
        return self._bucket(end_ns, log_seq, date)

    def _settle(self, end_ns: int) -> str | None:
        """Apply what takes effect by `end_ns`; return the date if it ends a day."""
        due = sorted(
            (w for w in self.waiting if w.effect_ns <= end_ns),
            key=lambda w: (w.event_ns, w.source_id, w.source_seq, w.place),
        )
        coming = {w.body.action_id for w in self.waiting if isinstance(w.body, Split)}
        applied = [(self.split_times[k], split) for k, split in self.splits.items() if k not in coming]
        self.waiting = [w for w in self.waiting if w.effect_ns > end_ns]
        ticks = [(c, t, self._prices_in_units_of(applied, c, t, p)) for c, t, p in self.waiting_ticks.through(end_ns)]
        date: str | None = None
        for w in due:
            if isinstance(w.body, Split):
                ticks = self._apply_ticks_before(ticks, self.index.column_of[w.body.instrument_id], w.event_ns)
            date = self._apply(w, applied) or date
        for column, event_ns, price in ticks:
            self.market.apply_ticks(column, event_ns, price)
        return date

    def _apply_ticks_before(self, ticks: list[TickArrays], column: int, before_ns: int) -> list[TickArrays]:
        """Apply one instrument's ticks from before a split; return the ticks that remain."""
        remaining = []
        for columns, event_ns, price in ticks:
            at = (columns == column) & (event_ns < before_ns)
            self.market.apply_ticks(columns[at], event_ns[at], price[at])
            remaining.append((columns[~at], event_ns[~at], price[~at]))
        return remaining

    def _apply(self, w: _Waiting, applied: Sequence[AppliedSplit]) -> str | None:
        match w.body:
            case Fill() as fill:
                self.holdings.apply_fill(_in_units_of(applied, fill, w.event_ns))
            case BookChange() as change:
                self.holdings.set_positions(change.positions)
            case Split() as split:
                self.holdings.apply_split(split.instrument_id, split.numerator, split.denominator)
                self.market.apply_split(self.index.column_of[split.instrument_id], split.numerator, split.denominator, w.event_ns)
            case DayClose() as close:
                return close.date
        return None

    def _prices_in_units_of(
        self, applied: Sequence[AppliedSplit], column: NDArray[np.int64], event_ns: NDArray[np.int64], price: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Restate ticks that come after a later split was applied."""
        for at_ns, split in applied:
            old = (column == self.index.column_of[split.instrument_id]) & (event_ns < at_ns)
            if old.any():
                price = np.where(old, price * split.denominator / split.numerator, price)
        return price

    def _bucket(self, end_ns: int, log_seq: int, date: str | None) -> Bucket:
        market, holdings = self.market, self.holdings
        moves = market.day_moves() if date is not None else None
        opening, baseline = holdings.opening.copy(), market.baseline.copy()
        trade_cost, fees = holdings.trade_cost.copy(), holdings.fees.copy()
        if date is not None:
            market.close(end_ns)
            holdings.close()
            self.closes = [*self.closes, end_ns][-self.configuration.correction_days :]
        return Bucket(
            as_of_ns=end_ns,
            log_seq=self.knowledge(log_seq, end_ns),
            entry_log_seq=log_seq,
            emit=end_ns >= self._emit_after_ns,
            revision=self.revision(end_ns),
            date=date,
            price=market.price.copy(),
            price_ns=market.price_ns.copy(),
            quantity=holdings.quantity.copy(),
            opening=opening,
            baseline=baseline,
            trade_cost=trade_cost,
            fees=fees,
            shock=moves[0] if moves else None,
            proxied=moves[1] if moves else None,
            state=self.state(),
        )

    # ------------------------------------------------------------- views

    def newest(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Return (price, price_ns, quantity) with all waiting ticks, fills and splits applied: where live numbers start from."""
        ahead = Fold.restore(self.genesis, self.state())
        ahead.waiting = [w for w in ahead.waiting if isinstance(w.body, Fill | Split)]
        ahead._settle(FOREVER_NS)
        return ahead.market.price, ahead.market.price_ns, ahead.holdings.quantity

    def state(self) -> dict[str, Any]:
        """Return plain data (numbers, strings, arrays, lists, dicts) from which `restore` goes on identically."""
        cells = self.waiting_ticks.cells
        return {
            "version": STATE_VERSION,
            "node_ids": list(self.node_ids),
            "market": self.market.state(),
            "holdings": self.holdings.state(),
            "sources": [[k, s.last_seq, s.watermark_ns, int(s.open)] for k, s in sorted(self.sources.items())],
            "watermark_ns": self.watermark_ns,
            "closed_through_ns": self.closed_through_ns,
            "closes": list(self.closes),
            "cells": [
                [end, c.event_ns.copy(), c.source_id.copy(), c.source_seq.copy(), c.price.copy()] for end, c in sorted(cells.items())
            ],
            "marks": [[end, t] for end, t in sorted(self.waiting_ticks.marks.items())],
            "waiting": [[w.effect_ns, w.event_ns, w.source_id, w.source_seq, w.place, to_plain(w.body)] for w in self.waiting],
            "corrections": [[to_plain(c), int(touched), at] for c, touched, at in self.corrections.values()],
            "fill_ids": list(self.fill_ids),
            "splits": [[to_plain(s), self.split_times[k]] for k, s in self.splits.items()],
            "dropped": dict(self.dropped),
            "ticks": self.ticks,
        }

    @staticmethod
    def restore(genesis: Genesis, state: dict[str, Any]) -> Fold:
        """Rebuild from `state`; continuing gives the same buckets bit for bit."""
        s = state
        if s["version"] != STATE_VERSION:
            raise ValueError(f"fold state has version {s['version']}; this build reads {STATE_VERSION}")
        fold = Fold(genesis, tuple(s["node_ids"]))
        fold.market.restore(s["market"])
        fold.holdings.restore(s["holdings"])
        fold.sources = {k: _Source(seq, wm, bool(o)) for k, seq, wm, o in s["sources"]}
        fold.watermark_ns = s["watermark_ns"]
        fold.closed_through_ns = s["closed_through_ns"]
        fold.closes = list(s["closes"])
        for end, event_ns, source_id, source_seq, price in s["cells"]:
            cell = fold.waiting_ticks.cell(end)
            cell.event_ns[:], cell.source_id[:], cell.source_seq[:], cell.price[:] = event_ns, source_id, source_seq, price
        fold.waiting_ticks.marks = dict(s["marks"])
        fold.waiting = [_Waiting(a, b, c, d, e, from_plain(body)) for a, b, c, d, e, body in s["waiting"]]
        for plain, touched, at in s["corrections"]:
            fold._know(from_plain(plain), bool(touched), at)
        fold.fill_ids = dict.fromkeys(s["fill_ids"])
        for plain, at_ns in s["splits"]:
            split = from_plain(plain)
            assert isinstance(split, Split)
            fold.splits[split.action_id] = split
            fold.split_times[split.action_id] = at_ns
        fold.dropped = dict(s["dropped"])
        fold.ticks = s["ticks"]
        return fold


def _in_units_of(applied: Sequence[AppliedSplit], fill: Fill, event_ns: int) -> Fill:
    """Restate a fill that comes after a later split was applied."""
    for at_ns, split in applied:
        if split.instrument_id == fill.instrument_id and event_ns < at_ns:
            fill = replace(
                fill,
                quantity=scale_quantity(fill.quantity, split.numerator, split.denominator),
                price=fill.price * split.denominator / split.numerator,
            )
    return fill


def _replaced(waiting: _Waiting, fill: Fill | None) -> _Waiting:
    assert fill is not None
    return _Waiting(waiting.effect_ns, waiting.event_ns, waiting.source_id, waiting.source_seq, waiting.place, fill)
