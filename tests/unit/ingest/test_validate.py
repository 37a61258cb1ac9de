"""The vectorised judge against one that takes ticks one by one, and its speed."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.book import AssetClass, Book, Instrument, Node, NodeKind, Shock, cash_instruments
from services.common.feeds.port import RawTicks
from services.ingest.reasons import Reason, Warn
from services.ingest.validate import Newest, Rules, Sequence, check_ticks
from tests.worlds import small_book

SYMBOLS = ("INDEX", "AAA", "BBB", "EURX", "EURUSD", "OIL", "NONE", "USD")
CURRENCIES = ("USD", "EUR")
LATEST_NS, WATERMARK_NS = 100, 50


def batch(rows: list[tuple[int, float, int, int, int]]) -> RawTicks:
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], [], []]
    return RawTicks(
        SYMBOLS,
        np.array(columns[0], np.int32),
        np.array(columns[1], np.float64),
        np.array(columns[2], np.int64),
        CURRENCIES,
        np.array(columns[3], np.int32),
        np.array(columns[4], np.int64),
    )


class OneByOne:
    """The rules in plain words, one tick after the other."""

    def __init__(self) -> None:
        self.book = small_book()
        self.newest: dict[str, tuple[int, float]] = {}
        self.seen: set[int] = set()
        self.last = -1
        self.newest_ns = -1

    def judge(self, symbol: str, price: float, event_ns: int, currency: str | None, number: int) -> Reason | Warn | None:
        warning = None
        if number >= 0:
            if number > self.last:
                warning = Warn.SEQUENCE_GAP if 0 <= self.last < number - 1 else None
                if self.last < 0:
                    self.seen = set(range(number))  # what came before it joined is not missing
                self.last = number
                self.seen.add(number)
            elif number not in self.seen:
                self.seen.add(number)
            elif number <= 1 and event_ns > self.newest_ns:
                warning = Warn.SEQUENCE_RESET
                self.last, self.seen = number, set(range(number + 1))
            else:
                return Reason.DUPLICATE
        if event_ns <= LATEST_NS:
            self.newest_ns = max(self.newest_ns, event_ns)
        instrument = next((i for i in self.book.instruments if i.symbol == symbol and i.asset_class is not AssetClass.CASH), None)
        reason = None
        if instrument is None:
            reason = Reason.UNKNOWN_INSTRUMENT
        elif math.isnan(price):
            reason = Reason.NOT_A_NUMBER
        elif math.isinf(price):
            reason = Reason.INFINITE
        elif currency not in (None, instrument.currency):
            reason = Reason.WRONG_CURRENCY
        elif price == 0 and instrument.shock is Shock.RELATIVE:
            reason = Reason.ZERO_PRICE
        elif price < 0 and instrument.shock is Shock.RELATIVE:
            reason = Reason.NEGATIVE_PRICE
        elif event_ns > LATEST_NS:
            reason = Reason.FUTURE_TIMESTAMP
        elif symbol in self.newest and (event_ns, price) == self.newest[symbol]:
            reason = Reason.DUPLICATE
        elif symbol in self.newest and event_ns < self.newest[symbol][0]:
            reason = Reason.OUT_OF_ORDER if event_ns <= WATERMARK_NS else None
            return reason or (warning if warning else Warn.REORDERED)
        if reason is None:
            self.newest[symbol] = (event_ns, price)
        return reason or warning


ROW = st.tuples(
    st.integers(0, len(SYMBOLS) - 1),
    st.sampled_from([1.0, 2.0, 2.5, 0.0, -0.0, -1.0, math.nan, math.inf, -math.inf]),
    st.integers(1, 110),
    st.sampled_from([-1, 0, 1]),
    st.just(-1),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(ROW, max_size=12), max_size=4))
def test_a_batch_is_judged_like_its_ticks_one_by_one(batches: list[list[tuple[int, float, int, int, int]]]) -> None:
    rules, sequence, newest, plain = Rules(small_book()), Sequence(), Newest.empty(8), OneByOne()
    for rows in batches:
        expected = [plain.judge(SYMBOLS[s], p, t, CURRENCIES[c] if c >= 0 else None, n) for s, p, t, c, n in rows]
        checked = check_ticks(rules, sequence, newest, batch(rows), WATERMARK_NS, LATEST_NS)
        assert [r.reason for r in checked.rejections] == [e for e in expected if isinstance(e, Reason)]
        passed = [row for row, e in zip(rows, expected, strict=True) if not isinstance(e, Reason)]
        assert checked.price.tolist() == [row[1] for row in passed]
        assert checked.event_ns.tolist() == [row[2] for row in passed]
        assert checked.instrument_id.tolist() == [row[0] + 1 for row in passed]
        assert checked.warnings.get(Warn.REORDERED, 0) == sum(e is Warn.REORDERED for e in expected)
        for symbol, (event_ns, price) in plain.newest.items():
            column = SYMBOLS.index(symbol)
            assert (newest.event_ns[column], newest.price[column]) == (event_ns, price)


NUMBERED = st.tuples(st.integers(0, 5), st.just(1.0), st.integers(1, 100), st.just(-1), st.integers(-1, 12))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(NUMBERED, max_size=8), max_size=5))
def test_sequences_are_judged_like_one_by_one(batches: list[list[tuple[int, float, int, int, int]]]) -> None:
    sequence, plain = Sequence(), OneByOne()
    for rows in batches:
        duplicate, warnings = sequence.check(batch(rows), LATEST_NS)
        plain.newest.clear()
        expected = []
        for s, p, t, _, n in rows:
            before = (plain.last, set(plain.seen), plain.newest_ns)
            verdict = plain.judge(SYMBOLS[s], p, t, None, n)
            plain.newest.clear()
            expected.append((verdict, before))
        assert duplicate.tolist() == [v is Reason.DUPLICATE for v, _ in expected]
        for warning in (Warn.SEQUENCE_GAP, Warn.SEQUENCE_RESET):
            assert warnings.get(warning, 0) == sum(v is warning for v, _ in expected)


def test_what_is_missing_is_remembered_within_a_bound() -> None:
    sequence = Sequence()
    rows = [(1, 1.0, 10, -1, 5), (1, 1.0, 11, -1, 5 + 3 * Sequence.MISSING_MAX)]
    assert sequence.check(batch(rows), LATEST_NS)[1] == {Warn.SEQUENCE_GAP: 1}
    late = [(1, 1.0, 12, -1, 5 + 3 * Sequence.MISSING_MAX - 1), (1, 1.0, 12, -1, 6)]
    assert sequence.check(batch(late), LATEST_NS)[0].tolist() == [False, True]


def test_every_refused_tick_is_kept_as_its_columns() -> None:
    checked = check_ticks(Rules(small_book()), Sequence(), Newest.empty(8), batch([(1, math.nan, 7, 0, 3)]), 0, 100)
    assert checked.rejections[0].raw == b'{"currency": "USD", "event_ns": 7, "price": "nan", "sequence": 3, "symbol": "AAA"}'


def wide_book(instruments: int) -> Book:
    priced = tuple(Instrument(k + 1, f"S{k:04d}", AssetClass.EQUITY, "USD") for k in range(instruments))
    return Book("USD", "XNYS", priced + cash_instruments(priced, "USD", instruments + 1), (Node(1, "P", NodeKind.PORTFOLIO, None, "USD"),))


def test_twenty_thousand_ticks_cost_a_small_part_of_a_core() -> None:
    """20,000 ticks a second in batches of 1,000 must leave 85 % of a core to others: 7.5 us a tick."""
    rng = np.random.default_rng(0)
    book = wide_book(1000)
    rules, sequence, newest = Rules(book), Sequence(), Newest.empty(1001)
    symbols = tuple(i.symbol for i in book.instruments[:1000])
    batches = [
        RawTicks(
            symbols,
            rng.integers(0, 1000, 1000).astype(np.int32),
            rng.uniform(10, 20, 1000),
            np.sort(rng.integers(k * 10**6, (k + 1) * 10**6, 1000)),
            ("USD",),
            np.zeros(1000, np.int32),
            np.arange(k * 1000, (k + 1) * 1000),
        )
        for k in range(40)
    ]
    best = math.inf
    for raw in batches:
        start = time.perf_counter()
        checked = check_ticks(rules, sequence, newest, raw, 0, 10**9)
        best = min(best, (time.perf_counter() - start) / len(raw))
        assert len(checked.price) == 1000
    assert best < 7.5e-6


@pytest.mark.parametrize("disorder", [False, True])
def test_a_million_ticks_of_one_symbol(disorder: bool) -> None:
    rules, sequence, newest = Rules(small_book()), Sequence(), Newest.empty(8)
    event_ns = np.arange(20_000, dtype=np.int64)
    if disorder:
        event_ns[10] = 3
    zeros = np.zeros(20_000, np.int32)
    for k in range(50 if not disorder else 3):
        raw = RawTicks(SYMBOLS, zeros, np.full(20_000, 5.0) + event_ns, event_ns + 20_000 * k, CURRENCIES, zeros, np.full(20_000, -1))
        checked = check_ticks(rules, sequence, newest, raw, -1, 10**9)
        assert len(checked.price) == 20_000
    assert int(newest.event_ns[0]) == 20_000 * (k + 1) - 1
