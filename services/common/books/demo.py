"""The demo book: a firm with two desks and six portfolios on whatever a feed prices, and one of them trades every day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from risk_core.book import QUANTITY_SCALE, AssetClass, Book, Instrument, Node, NodeKind, Position, cash_instruments
from services.common.books.trading import TradedFeed, TradingPlan, units
from services.common.feeds.port import Feed, FeedError, FeedSymbol, Span, last_prices
from services.common.feeds.sp500 import INDEX_SYMBOL

STOCKS: Final = (
    *("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO"),
    *("LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM"),
)
"""Names the portfolios are written in. A feed without them gives its own stocks by rank."""

FIRM: Final = Node(1, "Firm", NodeKind.FIRM, None, "USD", "The whole book")
FUNDAMENTAL: Final = Node(2, "Fundamental", NodeKind.DESK, 1, "USD", "Stock pickers")
SYSTEMATIC: Final = Node(3, "Systematic", NodeKind.DESK, 1, "USD", "Models")


@dataclass(frozen=True, slots=True)
class DemoPortfolio:
    """A portfolio by value: `weights` of `notional` (in `currency`) per symbol, and `cash` in its currency."""

    node_id: int
    name: str
    desk: Node
    description: str
    notional: float
    weights: Mapping[str, float]
    currency: str = "USD"
    cash: float = 0.0


def _even(long: tuple[str, ...], short: tuple[str, ...] = (), size: float = 1.0) -> dict[str, float]:
    """Return weights of `size` spread evenly over the long side, and as much over the short side."""
    return {s: size / len(long) for s in long} | {s: -size / len(short) for s in short}


TRADING: Final = "Daily Trading"

PORTFOLIOS: Final = (
    DemoPortfolio(4, "US Long-Only", FUNDAMENTAL, "Twenty stocks, equal weights", 120e6, _even(STOCKS)),
    DemoPortfolio(5, "Concentrated", FUNDAMENTAL, "Four names", 40e6, _even(("AAPL", "AMD", "RRC", "UNH"))),
    DemoPortfolio(
        node_id=6,
        name="Euro Blend",
        desk=FUNDAMENTAL,
        description="US stocks held for a euro investor, and euro cash; synthetic FX history",
        notional=35e6,
        weights=_even(("JNJ", "KO", "PG", "XOM", "CVX", "MRK", "PFE", "WMT")),
        currency="EUR",
        cash=5e6,
    ),
    DemoPortfolio(
        node_id=7,
        name="Long-Short",
        desk=SYSTEMATIC,
        description="Quality against cyclicals, 30 % net long",
        notional=60e6,
        weights=_even(("MSFT", "JNJ", "LLY", "PG", "UNH", "WMT"), size=0.9) | _even((), ("BAC", "GE", "BBY"), 0.6),
    ),
    DemoPortfolio(
        node_id=8,
        name="Market-Neutral",
        desk=SYSTEMATIC,
        description="Six stocks against the index, value for value",
        notional=80e6,
        weights=_even(("AAPL", "JPM", "HD", "PEP", "XOM", "MRK"), (INDEX_SYMBOL,)),
    ),
    DemoPortfolio(
        node_id=9,
        name=TRADING,
        desk=SYSTEMATIC,
        description="Rebalances every day through fills",
        notional=25e6,
        weights=_even(("AMD", "BAC", "GE", "RRC"), (INDEX_SYMBOL,), 0.8),
    ),
)


def instruments_of(feed: Feed, base_currency: str = "USD") -> tuple[Instrument, ...]:
    """Return one instrument per symbol, ids 1, 2, ... in the feed's order, then the cash instruments."""
    priced = tuple(_instrument(k + 1, s) for k, s in enumerate(feed.symbols))
    return priced + cash_instruments(priced, base_currency, len(priced) + 1)


def demo(feed: Feed, span: Span) -> tuple[Book, Feed]:
    """Return the demo book and the feed with the trading portfolio's fills.

    Quantities come from notionals at the last close before the first day with results, as adjusted closes have no true
    share counts.

    Raises
    ------
    FeedError
        The feed has no stock, or a symbol without a usable price then.
    """
    instruments = instruments_of(feed)
    by_symbol = {i.symbol: i for i in instruments if i.asset_class is not AssetClass.CASH}
    prices = last_prices(feed, span.seed[-1])
    fx = {i.fx_currency: prices.get(i.symbol, 0.0) for i in instruments if i.fx_currency}
    nodes: list[Node] = [FIRM, FUNDAMENTAL, SYSTEMATIC]
    positions: list[Position] = []
    traded: Feed = feed
    for portfolio in PORTFOLIOS:
        currency = portfolio.currency if fx.get(portfolio.currency, 0.0) > 0.0 else "USD"
        weights = _on(feed, portfolio.weights)
        notional = portfolio.notional * (fx[currency] if currency != "USD" else 1.0)
        nodes.append(Node(portfolio.node_id, portfolio.name, NodeKind.PORTFOLIO, portfolio.desk.node_id, currency, portfolio.description))
        if portfolio.name == TRADING:
            plan = TradingPlan(portfolio.name, notional, tuple(sorted(weights.items())))
            trader = TradedFeed(feed, plan, span.days[0])
            held = trader.target(span.seed[-1])
            traded = trader
        else:
            held = {s: units(w * notional, _price(feed, prices, s, span.seed[-1])) for s, w in weights.items()}
        positions += [Position(portfolio.node_id, by_symbol[s].instrument_id, q * QUANTITY_SCALE) for s, q in held.items() if q]
        if portfolio.cash:
            cash = next(i for i in instruments if i.asset_class is AssetClass.CASH and i.currency == currency)
            positions.append(Position(portfolio.node_id, cash.instrument_id, round(portfolio.cash * QUANTITY_SCALE)))
    index = next((i.instrument_id for i in instruments if i.asset_class is AssetClass.INDEX), None)
    book = Book("USD", feed.calendar, instruments, tuple(nodes), tuple(positions), default_proxy_id=index)
    return book, traded


def _instrument(instrument_id: int, s: FeedSymbol) -> Instrument:
    return Instrument(
        instrument_id,
        s.symbol,
        s.asset_class,
        s.currency,
        shock=s.shock,
        fx_currency=s.fx_currency,
        adjusted=s.adjusted,
        synthetic=s.synthetic,
    )


def _on(feed: Feed, weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights on the feed's own symbols: the k-th stock name stands for its k-th stock, and round again."""
    stocks = [s.symbol for s in feed.symbols if s.asset_class is AssetClass.EQUITY]
    index = next((s.symbol for s in feed.symbols if s.asset_class is AssetClass.INDEX), None)
    if not stocks:
        raise FeedError(f"the demo book needs stocks, and {feed.name} prices none; import a book with: plimsoll book import FILE")
    named = set(STOCKS) <= set(stocks)
    # Without an index the last stock hedges.
    own = dict(zip(STOCKS, STOCKS if named else (stocks[k % len(stocks)] for k in range(len(STOCKS))), strict=True))
    own[INDEX_SYMBOL] = index or stocks[-1]
    placed: dict[str, float] = {}
    for symbol, weight in weights.items():
        placed[own[symbol]] = placed.get(own[symbol], 0.0) + weight
    return placed


def _price(feed: Feed, prices: Mapping[str, float], symbol: str, day: date) -> float:
    price = prices.get(symbol, 0.0)
    if not price > 0.0:
        raise FeedError(f"the demo book needs a price above zero for {symbol} at {day}, and {feed.name} has none")
    return price
