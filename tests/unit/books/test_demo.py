"""The demo book: six portfolios of the stated kinds, whose quantities give the stated values, and one that trades."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from risk_core.book import QUANTITY_SCALE, AssetClass, Book, NodeKind
from services.common.books.demo import PORTFOLIOS, TRADING, demo
from services.common.books.quantity import parse_quantity
from services.common.books.trading import TradedFeed, TradingPlan
from services.common.feeds.matrix import MatrixFeed
from services.common.feeds.port import Feed, FeedError, FeedSymbol, RawSplit, Span, last_prices, select_days
from services.common.feeds.sp500 import sp500_feed
from services.common.feeds.synthetic import synthetic_feed


@pytest.fixture(scope="module")
def world() -> tuple[MatrixFeed, Span, Book, Feed]:
    feed = sp500_feed()
    span = select_days(feed, date(2008, 1, 2), date(2008, 3, 31), 500)
    return feed, span, *demo(feed, span)


def values(feed: Feed, book: Book, day: date) -> dict[str, dict[str, float]]:
    """Return value in USD per portfolio and symbol."""
    prices = last_prices(feed, day)
    prices |= {"USD": 1.0, "EUR": prices.get("EURUSD", 0.0)}
    symbols = {i.instrument_id: i.symbol for i in book.instruments}
    names = {n.node_id: n.name for n in book.nodes}
    out: dict[str, dict[str, float]] = {}
    for p in book.positions:
        out.setdefault(names[p.node_id], {})[symbols[p.instrument_id]] = p.quantity / QUANTITY_SCALE * prices[symbols[p.instrument_id]]
    return out


def test_tree_and_ids(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    feed, _, book, _ = world
    kinds = [n.kind for n in book.nodes]
    assert (kinds.count(NodeKind.FIRM), kinds.count(NodeKind.DESK), kinds.count(NodeKind.PORTFOLIO)) == (1, 2, 6)
    assert [(i.instrument_id, i.symbol) for i in book.instruments[:22]] == [(k + 1, s.symbol) for k, s in enumerate(feed.symbols)]
    assert [(i.instrument_id, i.symbol, i.asset_class) for i in book.instruments[22:]] == [
        (23, "EUR", AssetClass.CASH),
        (24, "USD", AssetClass.CASH),
    ]
    assert book.default_proxy_id == 21
    assert (book.base_currency, book.calendar) == ("USD", "XNYS")
    assert {n.name: n.currency for n in book.nodes if n.currency != "USD"} == {"Euro Blend": "EUR"}
    assert [i.symbol for i in book.instruments if i.synthetic] == ["EURUSD"]


def test_values_are_the_stated_notionals(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    feed, span, book, _ = world
    held = values(feed, book, span.seed[-1])
    total = {name: sum(v.values()) for name, v in held.items()}
    gross = {name: sum(map(abs, v.values())) for name, v in held.items()}
    near = pytest.approx
    assert total["US Long-Only"] == near(120e6, rel=1e-4)
    assert min(held["US Long-Only"].values()) > 0
    assert (total["Long-Short"], gross["Long-Short"]) == (near(18e6, rel=1e-3), near(90e6, rel=1e-4))
    assert (total["Market-Neutral"], gross["Market-Neutral"]) == (near(0.0, abs=1e4), near(160e6, rel=1e-4))
    assert len(held["Concentrated"]) == 4
    euro = last_prices(feed, span.seed[-1])["EURUSD"]
    assert total["Euro Blend"] == near(40e6 * euro, rel=1e-4)
    assert held["Euro Blend"]["EUR"] == near(5e6 * euro)


def test_positions_are_whole_units(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    assert all(p.quantity % QUANTITY_SCALE == 0 for p in world[2].positions)


def test_fills_take_the_trading_portfolio_from_target_to_target(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    feed, span, book, traded = world
    assert isinstance(traded, TradedFeed)
    symbols = {i.instrument_id: i.symbol for i in book.instruments}
    node_id = next(n.node_id for n in book.nodes if n.name == TRADING)
    held = {symbols[p.instrument_id]: p.quantity for p in book.positions if p.node_id == node_id}
    for day in span.days:
        fed = traded.day(day)
        assert fed.fills
        for fill in fed.fills:
            held[fill.symbol] += parse_quantity(fill.quantity)
            close = last_prices(feed, day)[fill.symbol]
            assert fill.portfolio == TRADING
            assert fed.open_ns < fill.event_ns < fed.close_ns
            assert 0 < abs(fill.price / close - 1) <= 0.00051
            assert fill.fees == pytest.approx(abs(parse_quantity(fill.quantity)) / 1e6 * fill.price * 0.00005, abs=0.006)
        assert held == {s: q * QUANTITY_SCALE for s, q in traded.target(day).items()}
    ids = [f.fill_id for d in span.days for f in traded.day(d).fills]
    assert len(ids) == len(set(ids))


def test_no_fills_before_the_first_day(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    _, span, _, traded = world
    assert not any(traded.day(d).fills for d in span.seed[-20:])


def test_fills_do_not_look_ahead(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    """A market that ends with the day gives the same fills."""
    feed, span, _, traded = world
    end = feed.sessions.index(span.days[10]) + 1
    short = MatrixFeed("sp500", feed.note, feed.sessions.only(tuple(feed.available[:end])), feed.symbols, feed.closes[:end])
    _, again = demo(short, Span(span.seed, span.days[:11]))
    assert again.day(span.days[10]).fills == traded.day(span.days[10]).fills


def test_targets_scale_with_a_split() -> None:
    sessions = sp500_feed().sessions
    days = sessions.dates[:6]
    closes = np.array([[10.0, 30.0], [11.0, 30.0], [10.5, 31.0], [5.3, 31.0], [5.2, 32.0], [5.1, 31.0]])
    split = RawSplit("s", "A", 2, 1, int(sessions.open_ns[3]))
    feed = MatrixFeed("m", "", sessions.only(days), [FeedSymbol("A"), FeedSymbol("B")], closes, actions={days[3]: (split,)})
    traded = TradedFeed(feed, TradingPlan("P", 10_000.0, (("A", 0.5), ("B", 0.5))), days[2])
    before, after = traded.target(days[2]), traded.target(days[3])
    fill = next(f for f in traded.day(days[3]).fills if f.symbol == "A")
    assert before["A"] * 2 + int(fill.quantity) == after["A"]


def test_the_hash_knows_the_plan_and_the_first_day(world: tuple[MatrixFeed, Span, Book, Feed]) -> None:
    feed, span, _, traded = world
    later = demo(feed, Span(span.seed, span.days[1:]))[1]
    assert len({feed.hash, traded.hash, later.hash}) == 3
    assert demo(feed, span)[1].hash == traded.hash


def test_other_feeds_get_the_same_portfolios_on_their_own_stocks() -> None:
    feed = synthetic_feed()
    span = select_days(feed, None, None, 100)
    book, traded = demo(feed, span)
    assert [n.name for n in book.nodes[3:]] == [p.name for p in PORTFOLIOS]
    assert {n.currency for n in book.nodes} == {"USD"}
    assert values(feed, book, span.seed[-1])["US Long-Only"]["S01"] == pytest.approx(12e6, rel=1e-3)
    assert traded.day(span.days[0]).fills
    assert book.default_proxy_id == next(i.instrument_id for i in book.instruments if i.symbol == "INDEX")


def test_feeds_that_cannot_carry_the_book_are_refused() -> None:
    base = sp500_feed()
    days, closes = tuple(base.available[:20]), base.closes[:20]
    only_fx = MatrixFeed("fx", "", base.sessions.only(days), base.symbols[21:], closes[:, 21:])
    with pytest.raises(FeedError, match="needs stocks, and fx prices none"):
        demo(only_fx, Span(days[:5], days[5:]))
    gone = closes.copy()
    gone[:, 3] = np.nan
    no_bby = MatrixFeed("gone", "", base.sessions.only(days), base.symbols, gone)
    with pytest.raises(FeedError, match=f"above zero for BBY at {days[14]}"):
        demo(no_bby, Span(days[:15], days[15:]))
