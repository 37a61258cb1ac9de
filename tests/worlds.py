"""Small random worlds: a book and the records that sources send, with every kind of disorder the log can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from risk_core.book import QUANTITY_SCALE, AssetClass, Book, Fill, Instrument, Node, NodeKind, Position, Shock, cash_instruments
from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import (
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

DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
FIRST_DAY = 19_000
STREAMED = ("historical", "age_weighted", "ewma_normal")
MARKET_A, MARKET_B, CALENDAR, BOOKING, DESK = 1, 2, 3, 4, 5


def close_ns(day: int) -> int:
    """Close of a world's day, 21:00 UTC."""
    return (FIRST_DAY + day) * DAY_NS + 21 * HOUR_NS


def small_book() -> Book:
    """A firm with two desks and four portfolios in two currencies, six instruments, one with absolute shocks."""
    priced = (
        Instrument(1, "INDEX", AssetClass.INDEX, "USD"),
        Instrument(2, "AAA", AssetClass.EQUITY, "USD"),
        Instrument(3, "BBB", AssetClass.EQUITY, "USD", proxy_id=2),
        Instrument(4, "EURX", AssetClass.EQUITY, "EUR"),
        Instrument(5, "EURUSD", AssetClass.FX, "USD", fx_currency="EUR"),
        Instrument(6, "OIL", AssetClass.FUTURE, "EUR", shock=Shock.ABSOLUTE),
    )
    return Book(
        base_currency="USD",
        calendar="TEST",
        instruments=priced + cash_instruments(priced, "USD", 7),
        nodes=(
            Node(1, "Firm", NodeKind.FIRM, None, "USD"),
            Node(2, "Desk one", NodeKind.DESK, 1, "USD"),
            Node(3, "Desk two", NodeKind.DESK, 1, "EUR"),
            Node(4, "Long", NodeKind.PORTFOLIO, 2, "USD"),
            Node(5, "Spread", NodeKind.PORTFOLIO, 2, "USD"),
            Node(6, "Euro", NodeKind.PORTFOLIO, 3, "EUR"),
            Node(7, "Trader", NodeKind.PORTFOLIO, 3, "EUR"),
        ),
        positions=(
            Position(4, 1, 10 * QUANTITY_SCALE),
            Position(4, 2, 100 * QUANTITY_SCALE),
            Position(5, 2, 80 * QUANTITY_SCALE),
            Position(5, 3, -120 * QUANTITY_SCALE),
            Position(6, 4, 50 * QUANTITY_SCALE),
            Position(6, 6, -30 * QUANTITY_SCALE),
            Position(7, 1, 3 * QUANTITY_SCALE),
        ),
        default_proxy_id=1,
    )


@dataclass(frozen=True, slots=True)
class World:
    """Genesis, and each source's records in its own order; interleaving them is the log's business."""

    genesis: Record
    sources: tuple[tuple[Record, ...], ...]


def make_world(
    seed: int, days: int = 12, window: int = 6, cadence_ns: int = 0, disorder: bool = True, challengers: tuple[str, ...] = ()
) -> World:
    """Return a world whose closes number `days`; results are emitted from the third close on."""
    rng = np.random.default_rng(seed)
    book = small_book()
    configuration = ModelConfiguration(window=window, methods=(*STREAMED, *challengers), confidences=(0.75, 0.99))
    genesis = Genesis(book, "feed", "book", f"world-{seed}", close_ns(2), cadence_ns, configuration.to_json())
    start = Record(0, 0, close_ns(-1), close_ns(-1), 0, genesis)
    sources = [
        _market(rng, MARKET_A, (1, 2, 5), days, disorder),
        _market(rng, MARKET_B, (3, 4, 6), days, disorder),
        _calendar(days),
        _bookings(rng, days, disorder, reverse_split=disorder and seed % 7 == 3),
    ]
    if disorder:
        sources.append(_desk(rng, days, sources))
    return World(start, tuple(tuple(s) for s in sources))


def _numbered(source_id: int, items: list[tuple[int, int, object]]) -> list[Record]:
    """Stamp (event_ns, watermark_ns, body) items with sequence numbers."""
    return [Record(source_id, k + 1, t, t, w, body) for k, (t, w, body) in enumerate(items)]  # type: ignore[arg-type]


def _ticks(ids: list[int], prices: list[float], times: list[int]) -> Ticks:
    return Ticks(np.array(ids, np.int32), np.array(prices, np.float64), np.array(times, np.int64))


def _market(rng: np.random.Generator, source_id: int, ids: tuple[int, ...], days: int, disorder: bool) -> list[Record]:
    opening = close_ns(-1)
    items: list[tuple[int, int, object]] = [(opening, opening, SourceOpen(f"market-{source_id}"))]
    price = {i: float(rng.uniform(20, 200)) for i in ids}
    if 5 in price:
        price[5] = 1.1
    late: list[tuple[int, float, int]] = []
    for day in range(days):
        start, end = close_ns(day - 1), close_ns(day)
        for part in range(3):
            through = start + (end - start) * (part + 1) // 3
            arrived = [rng.random() < 0.4 for _ in late]
            rows = [tick for tick, now in zip(late, arrived, strict=True) if now]
            late = [tick for tick, now in zip(late, arrived, strict=True) if not now]
            for i in ids:
                if disorder and rng.random() < 0.15:
                    continue  # a missing instrument takes its proxy's return
                step = float(rng.normal(0, 0.02))
                price[i] = price[i] + 3 * step if i == 6 else price[i] * (1 + step)
                at = end if part == 2 else int(rng.integers(through - (end - start) // 3 + 1, through + 1))
                if disorder and rng.random() < 0.08:
                    late.append((i, price[i], at))
                else:
                    rows.append((i, price[i], at))
            if rows:
                rng.shuffle(rows)  # type: ignore[arg-type]
                items.append((through, through, _ticks([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])))
            else:
                items.append((through, through, Heartbeat()))
    items.append((close_ns(days - 1), close_ns(days - 1), SourceClose()))
    return _numbered(source_id, items)


def _calendar(days: int) -> list[Record]:
    opening = close_ns(-1)
    items: list[tuple[int, int, object]] = [(opening, opening, SourceOpen("calendar"))]
    for day in range(days):
        items.append((close_ns(day) - 1, close_ns(day) - 1, Heartbeat()))
        items.append((close_ns(day), close_ns(day), DayClose("TEST", f"2022-01-{8 + day:02d}")))
    items.append((close_ns(days - 1), close_ns(days - 1), SourceClose()))
    return _numbered(CALENDAR, items)


def _bookings(rng: np.random.Generator, days: int, disorder: bool, reverse_split: bool) -> list[Record]:
    opening = close_ns(-1)
    items: list[tuple[int, int, object]] = [(opening, opening, SourceOpen("bookings"))]
    split_done = False
    for day in range(days):
        start, end = close_ns(day - 1), close_ns(day)
        when = sorted(int(rng.integers(start + 1, end)) for _ in range(int(rng.integers(0, 3))))
        for k, t in enumerate(when):
            late_by = DAY_NS if disorder and day > 1 and rng.random() < 0.1 else 0
            fill = Fill(
                f"f{day}-{k}",
                int(rng.choice([4, 5, 6, 7])),
                int(rng.choice([1, 2, 3, 4, 5])),
                int(rng.integers(-40, 40)) * QUANTITY_SCALE,
                float(rng.uniform(20, 200)),
                float(rng.uniform(0, 2)),
            )
            items.append((t - late_by, t, Fills((fill,))))
        if disorder and not split_done and day == days // 2:
            items.append((start + 10, start + 10 if not when else when[-1], Split("split-1", 2, 2, 1)))
            split_done = True
        if reverse_split and day == days // 2 + 1:  # three for one: quantities are rounded; and it comes late
            items.append((start - DAY_NS // 3, start + 10 if not when else when[-1], Split("split-2", 3, 1, 3)))
        if disorder and day == days // 3:
            items.append((start + 1, start + 1 if not when else when[-1], BookChange((Position(4, 1, 12 * QUANTITY_SCALE),), "import-1")))
        items.append((end, end, Heartbeat()))
    items.append((close_ns(days - 1), close_ns(days - 1), SourceClose()))
    return _numbered(BOOKING, items)


def _desk(rng: np.random.Generator, days: int, sources: list[list[Record]]) -> list[Record]:
    """Corrections of prices and fills some days back; an unopened source, so it never holds the watermark."""
    ticks = [(r, k) for s in sources for r in s if isinstance(r.body, Ticks) for k in range(len(r.body.price))]
    fills = [r for s in sources for r in s if isinstance(r.body, Fills)]
    items: list[tuple[int, int, object]] = []
    for k in range(int(rng.integers(0, 3))):
        logged = close_ns(int(rng.integers(days // 2, days - 1))) + 1
        before = [(r, i) for r, i in ticks if logged - 5 * DAY_NS < int(r.body.event_ns[i]) < logged]  # type: ignore[union-attr]
        if before:
            record, i = before[int(rng.integers(len(before)))]
            body = record.body
            assert isinstance(body, Ticks)
            fixed = None if rng.random() < 0.3 else float(body.price[i]) * float(rng.uniform(0.9, 1.1))
            items.append((logged, 0, PriceCorrection(f"p{k}", int(body.event_ns[i]), int(body.instrument_id[i]), fixed, "test")))
    if fills and rng.random() < 0.7:
        record = fills[int(rng.integers(len(fills)))]
        body = record.body
        assert isinstance(body, Fills)
        old = body.fills[0]
        new = None if rng.random() < 0.5 else replace(old, quantity=old.quantity // 2)
        items.append(
            (
                max(record.source_watermark_ns, record.event_ns) + DAY_NS,
                0,
                FillCorrection("c-fill", record.event_ns, old.fill_id, new, "test"),
            )
        )
    items.sort(key=lambda item: item[0])
    return _numbered(DESK, items)


def interleave(world: World, seed: int, repeats: bool = False) -> list[Record]:
    """Return one log: genesis, then the sources merged by a seeded draw that keeps near event time and each source's order.

    Corrections come after every record up to their own event time. With `repeats`, some records are appended twice.
    """
    rng = np.random.default_rng(seed)
    waiting = [list(s) for s in world.sources]
    log = [world.genesis]
    while any(waiting):
        heads = [k for k, s in enumerate(waiting) if s]
        soonest = min(_time(waiting[k][0]) for k in heads)
        near = [k for k in heads if _time(waiting[k][0]) <= soonest + HOUR_NS * 6]
        k = int(rng.choice(near))
        record = waiting[k].pop(0)
        log.append(record)
        if repeats and rng.random() < 0.1:
            log.append(record)
    return log


def _time(record: Record) -> int:
    return max(record.event_ns, record.source_watermark_ns)
