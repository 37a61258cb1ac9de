"""One symbol's daily history as the service would see it: closes that ingest takes, and moves as the fold makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from risk_core.book import AssetClass, Shock
from risk_core.engine.market import Market, MarketLayout
from risk_core.measures.checks import LARGEST
from services.common.feeds.port import Feed, FeedDay, FeedError, FeedSymbol
from services.ingest.validate import price_problem

_COLUMN = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class Close:
    """A symbol at a day's close.

    Parameters
    ----------
    day : date
    price : float
        The last one seen.
    before : float
        At the close before, in units of today: splits are taken out. 0 where there was none.
    move : float or None
        A simple return, or a difference where shocks are absolute; None where the symbol has no price on this day or the one before.
    """

    day: date
    price: float
    before: float
    move: float | None


def chosen_symbol(feed: Feed, name: str | None) -> FeedSymbol:
    """Return the feed's symbol of that name, or its index.

    Raises
    ------
    FeedError
        There is none; names those there are.
    """
    found = next((s for s in feed.symbols if (s.asset_class is AssetClass.INDEX if name is None else s.symbol == name)), None)
    if found is None:
        known = ", ".join(s.symbol for s in feed.symbols)
        raise FeedError(
            f"{feed.name} has no index: name one of {known}" if name is None else f"{feed.name} has no symbol {name!r}; there are {known}"
        )
    return found


def chosen_days(feed: Feed, first: date | None, last: date | None) -> Sequence[date]:
    """Return the trading days from `first` to `last`, both included; None takes all there are.

    Raises
    ------
    FeedError
        The range is no range, reaches beyond the data, or holds no trading day.
    """
    dates = feed.available
    have = f"{feed.name} has {len(dates)} trading days, {dates[0]} to {dates[-1]}" if dates else f"{feed.name} has no trading day"
    if first is not None and last is not None and first > last:
        raise FeedError(f"--from {first} lies after --to {last}: swap them")
    if dates and ((first is not None and first < dates[0]) or (last is not None and last > dates[-1])):
        raise FeedError(f"--from {first or dates[0]} --to {last or dates[-1]} reaches beyond the data: {have}")
    chosen = [d for d in dates if (first is None or first <= d) and (last is None or d <= last)]
    if not chosen:
        raise FeedError(f"no trading day from {first} to {last}: {have}")
    return chosen


def closes(feed: Feed, symbol: FeedSymbol, days: Sequence[date]) -> Iterator[Close]:
    """Yield each day of `days` but the first, which has no move."""
    absolute = symbol.shock is Shock.ABSOLUTE
    market = Market(_layout(absolute))
    for day in map(feed.day, days):
        newest = _newest(day, symbol)
        if newest is not None:
            market.apply_ticks(_COLUMN, np.array([newest[0]], np.int64), np.array([newest[1]]))
        for split in day.actions:
            if split.symbol == symbol.symbol:
                market.apply_split(0, split.numerator, split.denominator, split.event_ns)
        moved = market.day_moves()
        if moved is not None:
            move, proxied = float(moved[0][0]), bool(moved[1][0])
            own = None if proxied or abs(move) > LARGEST else move
            yield Close(day.day, float(market.price[0]), float(market.baseline[0]), own)
        market.close(day.close_ns)


def _newest(day: FeedDay, symbol: FeedSymbol) -> tuple[int, float] | None:
    """Return time and price of the day's last tick that ingest takes; ticks are in the order of time."""
    ticks, absolute = day.ticks, symbol.shock is Shock.ABSOLUTE
    if symbol.symbol not in ticks.symbols:
        return None
    own = ticks.symbol == ticks.symbols.index(symbol.symbol)
    currencies = [c == symbol.currency for c in ticks.currencies] + [True]  # the last stands for -1, no currency named
    for at in np.flatnonzero(own & np.array(currencies, np.bool_)[ticks.currency])[::-1].tolist():
        if price_problem(float(ticks.price[at]), absolute) is None:
            return int(ticks.event_ns[at]), float(ticks.price[at])
    return None


def _layout(absolute: bool) -> MarketLayout:
    """Return a market of one instrument, its own currency the base, without a proxy."""
    none = np.array([-1], np.int64)
    return MarketLayout(
        currencies=("",),
        currency=np.zeros(1, np.int64),
        fx_column=none,
        cash_column=none,
        is_cash=np.array([False]),
        absolute=np.array([absolute]),
        proxy=none,
        default_proxy=-1,
    )
