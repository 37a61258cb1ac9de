"""Raw ticks, fills and splits to bodies of the log, or a reason why not. Pure: nothing is sent, no clock is read."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass, Book, BookIndex, Fill, NodeKind, Shock
from risk_core.records import Split
from services.common.books.csv_format import reference_of
from services.common.books.quantity import QuantityError, parse_quantity
from services.common.feeds.port import RawFill, RawSplit, RawTicks
from services.ingest.reasons import Reason, Warn

SPLIT_RATIO_MAX: Final = 10_000

_TICK_REASONS: Final = (
    None,
    Reason.DUPLICATE,
    Reason.UNKNOWN_INSTRUMENT,
    Reason.NOT_A_NUMBER,
    Reason.INFINITE,
    Reason.WRONG_CURRENCY,
    Reason.ZERO_PRICE,
    Reason.NEGATIVE_PRICE,
    Reason.FUTURE_TIMESTAMP,
    Reason.OUT_OF_ORDER,
)
"""By code; a tick gets the first that holds."""
_CODE: Final = {reason: np.uint8(code) for code, reason in enumerate(_TICK_REASONS)}


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused item; `raw` is what arrived."""

    reason: Reason
    detail: str
    raw: bytes


class Rules:
    """What a book allows, as lookups.

    A symbol with validity dates means what they say at the event's time; any other is its instrument's name for ever.
    Cash has no price feed: its symbols are unknown.
    """

    def __init__(self, book: Book) -> None:
        index = BookIndex(book)
        priced = {i.instrument_id: i for i in book.instruments if i.asset_class is not AssetClass.CASH}
        ordered = [priced.get(k) for k in index.instrument_ids]
        self.columns = len(ordered)
        self.instrument_ids = np.array(index.instrument_ids, np.int32)
        self.symbol_of = [i.symbol if i else "" for i in ordered]
        self.currency_of = [i.currency if i else "" for i in ordered]
        self.absolute = np.array([i is not None and i.shock is Shock.ABSOLUTE for i in ordered], np.bool_)
        self.node_ids = {n.name: n.node_id for n in book.nodes if n.kind is NodeKind.PORTFOLIO}
        self._cash = {reference_of(i): i.instrument_id for i in book.instruments if i.asset_class is AssetClass.CASH}
        dated = {v.symbol for v in book.symbols}
        self._for_ever = {i.symbol: index.column_of[k] for k, i in priced.items() if i.symbol not in dated}
        self._dated: dict[str, list[tuple[int, int, int]]] = {}
        for v in book.symbols:
            if v.instrument_id in priced:
                row = (v.valid_from_ns, v.valid_to_ns, index.column_of[v.instrument_id])
                self._dated.setdefault(v.symbol, []).append(row)
        self._symbols: tuple[str, ...] = ()
        self._symbol_columns: NDArray[np.int64] = np.zeros(0, np.int64)
        self._currencies: tuple[str, ...] = ()
        self._currency_matches: NDArray[np.bool_] = np.ones((self.columns, 1), np.bool_)

    def column(self, symbol: str, event_ns: int) -> int:
        """Return the column of a symbol at a time, -1 when it has none."""
        for valid_from_ns, valid_to_ns, column in self._dated.get(symbol, ()):
            if valid_from_ns <= event_ns < valid_to_ns:
                return column
        return self._for_ever.get(symbol, -1)

    def held_instrument(self, symbol: str, event_ns: int) -> int | None:
        """Return the id of what a position names, `cash:USD` too; None when the book has no such instrument at the time."""
        column = self.column(symbol, event_ns)
        return int(self.instrument_ids[column]) if column >= 0 else self._cash.get(symbol)

    def tick_columns(self, raw: RawTicks) -> NDArray[np.int64]:
        """Return the column of every tick, -1 where its symbol has none at its time."""
        if raw.symbols is not self._symbols:  # a feed sends one dictionary again and again
            self._symbols = raw.symbols
            self._symbol_columns = np.array([self._for_ever.get(s, -1) for s in raw.symbols], np.int64)
        columns = self._symbol_columns[raw.symbol]
        for code, symbol in enumerate(raw.symbols) if self._dated else ():
            for valid_from_ns, valid_to_ns, column in self._dated.get(symbol, ()):
                columns[(raw.symbol == code) & (raw.event_ns >= valid_from_ns) & (raw.event_ns < valid_to_ns)] = column
        return columns

    def currency_matches(self, raw: RawTicks, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where the tick's currency is the instrument's, or is not named."""
        if raw.currencies is not self._currencies:
            self._currencies = raw.currencies
            # The last entry stands for the code -1: no currency named.
            self._currency_matches = np.array([[own == c for c in raw.currencies] + [True] for own in self.currency_of], np.bool_)
        return self._currency_matches[columns, raw.currency]


class Sequence:
    """A source's own numbering: what was seen, and which numbers are missing.

    A number seen before is a duplicate. A number that went missing and comes late is taken. A numbering that goes back to 0 or 1
    with an event newer than everything the source sent is a new session: taken, and counted as a reset. Any other number that
    goes back is a duplicate.
    """

    MISSING_MAX: Final = 1024
    SESSION_START_MAX: Final = 1

    def __init__(self, last: int = -1) -> None:
        self.last = last
        self.newest_ns = -(2**63)
        self._missing: dict[int, None] = {}

    def check(self, raw: RawTicks, latest_ns: int) -> tuple[NDArray[np.bool_], dict[Warn, int]]:
        """Return (duplicate bool[n], warnings) and remember the batch; events after `latest_ns` make nothing newest."""
        count, numbered = len(raw), raw.sequence
        duplicate = np.zeros(count, np.bool_)
        plausible_ns = raw.event_ns[raw.event_ns <= latest_ns]
        newest_ns = max(self.newest_ns, int(plausible_ns.max())) if len(plausible_ns) else self.newest_ns
        unnumbered = not bool((numbered >= 0).any())
        in_step = not unnumbered and bool((np.diff(numbered) == 1).all()) and (self.last < 0 or int(numbered[0]) == self.last + 1)
        if unnumbered or in_step:
            self.last = self.last if unnumbered else int(numbered[-1])
            self.newest_ns = newest_ns
            return duplicate, {}
        warnings: dict[Warn, int] = {}
        for k, (number, event_ns) in enumerate(zip(numbered.tolist(), raw.event_ns.tolist(), strict=True)):
            duplicate[k], warning = self._step(number, event_ns)
            if warning:
                warnings[warning] = warnings.get(warning, 0) + 1
            if not duplicate[k] and event_ns <= latest_ns:
                self.newest_ns = max(self.newest_ns, event_ns)
        return duplicate, warnings

    def _step(self, number: int, event_ns: int) -> tuple[bool, Warn | None]:
        if number < 0:
            return False, None
        if number > self.last:
            missed = self.last >= 0 and number > self.last + 1
            if missed:
                self._miss(self.last + 1, number)
            self.last = number
            return False, Warn.SEQUENCE_GAP if missed else None
        if number in self._missing:
            del self._missing[number]
            return False, None
        if number <= self.SESSION_START_MAX and event_ns > self.newest_ns:
            self.last = number
            self._missing.clear()
            return False, Warn.SEQUENCE_RESET
        return True, None

    def _miss(self, first: int, until: int) -> None:
        for number in range(max(first, until - self.MISSING_MAX), until):
            self._missing[number] = None
        while len(self._missing) > self.MISSING_MAX:
            del self._missing[next(iter(self._missing))]


@dataclass(slots=True, eq=False)
class Newest:
    """Newest accepted event and price per column of one source: `event_ns` int64[N], `price` float64[N]."""

    event_ns: NDArray[np.int64]
    price: NDArray[np.float64]

    @staticmethod
    def empty(columns: int) -> Newest:
        """Return one that has seen nothing."""
        return Newest(np.full(columns, -(2**63), np.int64), np.full(columns, np.nan))

    def copy(self) -> Newest:
        """Return an independent copy."""
        return Newest(self.event_ns.copy(), self.price.copy())

    def take(self, columns: NDArray[np.int64], event_ns: NDArray[np.int64], price: NDArray[np.float64]) -> None:
        """Remember accepted ticks; of those of one time the last counts."""
        in_time = np.argsort(event_ns, kind="stable")
        in_time = in_time[event_ns[in_time] >= self.event_ns[columns[in_time]]]
        at = columns[in_time]
        self.event_ns[at] = event_ns[in_time]  # of a repeated column the last assignment stays
        self.price[at] = price[in_time]


@dataclass(frozen=True, slots=True, eq=False)
class CheckedTicks:
    """Accepted ticks as the log's columns, and the rest."""

    instrument_id: NDArray[np.int32]
    price: NDArray[np.float64]
    event_ns: NDArray[np.int64]
    rejections: tuple[Rejection, ...] = ()
    warnings: dict[Warn, int] = field(default_factory=dict)

    def in_time(self) -> CheckedTicks:
        """Return the same in the order of event time, on which promises rest; ticks of one time keep their order."""
        if bool((self.event_ns[1:] >= self.event_ns[:-1]).all()):
            return self
        order = np.argsort(self.event_ns, kind="stable")
        return replace(self, instrument_id=self.instrument_id[order], price=self.price[order], event_ns=self.event_ns[order])


def check_ticks(rules: Rules, sequence: Sequence, newest: Newest, raw: RawTicks, watermark_ns: int, latest_ns: int) -> CheckedTicks:
    """Judge a batch of one source; `sequence` and `newest` move on.

    Parameters
    ----------
    rules : Rules
        Of the book.
    sequence, newest : Sequence, Newest
        What the source sent before; changed in place.
    raw : RawTicks
        The batch.
    watermark_ns : int
        What the source has promised: a tick at or before it that is also older than its instrument's newest price could change
        no number any more, and is refused as out of order. One that is late but newest is taken: the fold counts it as late.
    latest_ns : int
        Events after it lie in the future.
    """
    duplicate, warnings = sequence.check(raw, latest_ns)
    columns = rules.tick_columns(raw)
    price, event_ns = raw.price, raw.event_ns
    absolute = rules.absolute[columns]
    code = np.zeros(len(raw), np.uint8)
    for reason, holds in (  # the first reason of the table wins, so the last is written first
        (Reason.FUTURE_TIMESTAMP, event_ns > latest_ns),
        (Reason.NEGATIVE_PRICE, (price < 0.0) & ~absolute),
        (Reason.ZERO_PRICE, (price == 0.0) & ~absolute),
        (Reason.WRONG_CURRENCY, ~rules.currency_matches(raw, columns)),
        (Reason.INFINITE, np.isinf(price)),
        (Reason.NOT_A_NUMBER, np.isnan(price)),
        (Reason.UNKNOWN_INSTRUMENT, columns < 0),
        (Reason.DUPLICATE, duplicate),
    ):
        code[holds] = _CODE[reason]
    passed = np.flatnonzero(code == 0)
    disorder, reordered = _order(newest, columns[passed], event_ns[passed], price[passed], watermark_ns)
    code[passed] = disorder
    if reordered:
        warnings[Warn.REORDERED] = reordered
    rejections = tuple(_rejected(raw, k, _TICK_REASONS[code[k]]) for k in np.flatnonzero(code).tolist())
    accepted = code == 0
    return CheckedTicks(rules.instrument_ids[columns[accepted]], price[accepted], event_ns[accepted], rejections, warnings)


def _order(
    newest: Newest, columns: NDArray[np.int64], event_ns: NDArray[np.int64], price: NDArray[np.float64], watermark_ns: int
) -> tuple[NDArray[np.uint8], int]:
    """Return (reason code uint8[n], accepted ticks that are older than a newer one); `newest` moves on."""
    code = np.zeros(len(columns), np.uint8)
    by_column = np.argsort(columns, kind="stable")
    c, t, p = columns[by_column], event_ns[by_column], price[by_column]
    first = np.ones(len(c), np.bool_)
    first[1:] = c[1:] != c[:-1]
    before_ns = np.where(first, newest.event_ns[c], np.concatenate(([0], t[:-1])))
    before_price = np.where(first, newest.price[c], np.concatenate(([0.0], p[:-1])))
    if bool((t >= before_ns).all()):
        repeat = (t == before_ns) & (p == before_price)
        code[by_column[repeat]] = _CODE[Reason.DUPLICATE]
        newest.event_ns[c], newest.price[c] = t, p  # of a repeated column the last assignment stays
        return code, 0
    reordered = 0
    for k, (column, at_ns, value) in enumerate(zip(columns.tolist(), event_ns.tolist(), price.tolist(), strict=True)):
        newest_ns = newest.event_ns[column]
        if at_ns > newest_ns or (at_ns == newest_ns and value != newest.price[column]):
            newest.event_ns[column], newest.price[column] = at_ns, value
        elif at_ns == newest_ns:
            code[k] = _CODE[Reason.DUPLICATE]
        elif at_ns <= watermark_ns:
            code[k] = _CODE[Reason.OUT_OF_ORDER]
        else:
            reordered += 1
    return code, reordered


def _rejected(raw: RawTicks, k: int, reason: Reason | None) -> Rejection:
    assert reason is not None
    symbol = raw.symbols[raw.symbol[k]]
    currency = raw.currencies[raw.currency[k]] if raw.currency[k] >= 0 else None
    price, event_ns, sequence = float(raw.price[k]), int(raw.event_ns[k]), int(raw.sequence[k])
    fields = {"symbol": symbol, "price": repr(price), "event_ns": event_ns, "currency": currency, "sequence": sequence}
    return Rejection(reason, ", ".join(f"{name} {value}" for name, value in fields.items()), raw.raw[k] if raw.raw else _json(fields))


def check_fill(rules: Rules, known: Container[str], fill: RawFill, latest_ns: int, raw: bytes = b"") -> Fill | Rejection:
    """Judge one fill against the book and the ids taken before.

    Parameters
    ----------
    known : container of fill ids
        Fills already in the log; not changed.
    raw : bytes
        What arrived; the fill's own fields as JSON when empty.
    """

    def refuse(reason: Reason, detail: str) -> Rejection:
        return Rejection(reason, f"fill {fill.fill_id!r}: {detail}", raw or _json({n: getattr(fill, n) for n in RawFill.__slots__}))

    if fill.fill_id in known:
        return refuse(Reason.DUPLICATE_FILL, "this id was taken before")
    node_id = rules.node_ids.get(fill.portfolio)
    if node_id is None:
        return refuse(Reason.UNKNOWN_NODE, f"{fill.portfolio!r} is no portfolio of the book")
    column = rules.column(fill.symbol, fill.event_ns)
    if column < 0:
        return refuse(Reason.UNKNOWN_INSTRUMENT, f"{fill.symbol!r} is no instrument of the book at that time")
    if fill.currency is not None and fill.currency != rules.currency_of[column]:
        return refuse(Reason.WRONG_CURRENCY, f"{fill.symbol} trades in {rules.currency_of[column]}, not {fill.currency}")
    problem = price_problem(fill.price, bool(rules.absolute[column]))
    if problem is not None:
        return refuse(problem, f"price {fill.price!r}")
    if not math.isfinite(fill.fees):
        return refuse(Reason.NOT_A_NUMBER if math.isnan(fill.fees) else Reason.INFINITE, f"fees {fill.fees!r}")
    try:
        quantity = parse_quantity(fill.quantity)
    except QuantityError as error:
        return refuse(Reason.BAD_QUANTITY, f"quantity {error}")
    if quantity == 0:
        return refuse(Reason.BAD_QUANTITY, "quantity 0: a fill trades something")
    if fill.event_ns > latest_ns:
        return refuse(Reason.FUTURE_TIMESTAMP, f"executed at {fill.event_ns}, and it is not later than {latest_ns} now")
    return Fill(fill.fill_id, node_id, int(rules.instrument_ids[column]), quantity, fill.price, fill.fees)


def check_split(rules: Rules, applied: Mapping[str, tuple[int, int]], split: RawSplit, latest_ns: int) -> Split | Rejection:
    """Judge one split; `applied` maps action ids taken before to (instrument_id, event_ns), and is not changed."""

    def refuse(reason: Reason, detail: str) -> Rejection:
        return Rejection(reason, f"split {split.action_id!r}: {detail}", _json({n: getattr(split, n) for n in RawSplit.__slots__}))

    column = rules.column(split.symbol, split.event_ns)
    if column < 0:
        return refuse(Reason.UNKNOWN_INSTRUMENT, f"{split.symbol!r} is no instrument of the book at that time")
    instrument_id = int(rules.instrument_ids[column])
    ratio = (split.numerator, split.denominator)
    if not all(1 <= part <= SPLIT_RATIO_MAX for part in ratio) or split.numerator == split.denominator:
        return refuse(Reason.BAD_SPLIT_RATIO, f"{split.numerator} for {split.denominator}")
    if split.action_id in applied or (instrument_id, split.event_ns) in applied.values():
        return refuse(Reason.SPLIT_ALREADY_APPLIED, f"{split.symbol} at {split.event_ns}")
    if split.event_ns > latest_ns:
        return refuse(Reason.FUTURE_TIMESTAMP, f"effective at {split.event_ns}, and it is not later than {latest_ns} now")
    return Split(split.action_id, instrument_id, split.numerator, split.denominator)


def price_problem(price: float, absolute: bool) -> Reason | None:
    """Return why a price is refused, or None; `absolute` instruments may have any finite one."""
    if math.isnan(price):
        return Reason.NOT_A_NUMBER
    if math.isinf(price):
        return Reason.INFINITE
    if absolute or price > 0.0:
        return None
    return Reason.ZERO_PRICE if price == 0.0 else Reason.NEGATIVE_PRICE


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True).encode()
