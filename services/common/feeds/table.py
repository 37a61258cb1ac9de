"""Prices from CSV and Parquet files, long (time, symbol, price, currency) or wide (time and one column per symbol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass
from services.common.feeds.port import FeedDay, FeedError, FeedSymbol, RawSplit, RawTicks, content_hash
from services.common.feeds.sessions import Sessions, load_sessions
from services.common.feeds.table_files import Rows, raise_all, read_rows, read_splits
from services.common.feeds.times import iso_of_ns

CURRENCIES: Final = frozenset(
    {
        *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR"),
        *("JPY", "KRW", "MXN", "NOK", "NZD", "PLN", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR"),
    }
)
EMPTY_SHARE_MAX: Final = 0.2
"""A file with fewer ticks than this many days can hold is for another calendar, or not daily."""


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    symbols: tuple[str, ...]
    symbol: NDArray[np.int32]
    price: NDArray[np.float64]
    event_ns: NDArray[np.int64]
    currencies: tuple[str, ...]
    currency: NDArray[np.int32]


class TableFeed:
    """See `table_feed`. Every session from the first tick's to the last's is a trading day; one without ticks is an empty day."""

    def __init__(self, name: str, sessions: Sessions, columns: _Columns, base_currency: str, splits: Sequence[RawSplit]) -> None:
        self.name = name
        self.note = f"prices from the file {name}"
        self.calendar = sessions.calendar
        self.available: Sequence[date] = sessions.dates
        self.symbols = tuple(_describe(s, k, columns, base_currency) for k, s in enumerate(columns.symbols))
        self._sessions = sessions
        self._columns = columns
        self._from = np.concatenate(([0], np.searchsorted(columns.event_ns, sessions.close_ns, side="right")))
        self._splits = tuple(splits)
        self.hash = content_hash(
            sessions.calendar,
            repr(self.symbols),
            sessions.close_ns,
            columns.symbol,
            columns.price,
            columns.event_ns,
            columns.currency,
            repr((columns.symbols, columns.currencies, self._splits)),
        )

    def day(self, day: date) -> FeedDay:
        """See `Feed.day`."""
        at = self._sessions.index(day)
        start, stop = int(self._from[at]), int(self._from[at + 1])
        c, here = self._columns, slice(start, stop)
        sequence = np.arange(start + 1, stop + 1, dtype=np.int64)
        ticks = RawTicks(c.symbols, c.symbol[here], c.price[here], c.event_ns[here], c.currencies, c.currency[here], sequence)
        open_ns = int(self._sessions.open_ns[at])
        actions = tuple(s for s in self._splits if s.event_ns == open_ns)
        return FeedDay(day, open_ns, int(self._sessions.close_ns[at]), ticks, actions=actions)


def table_feed(path: Path, calendar: str = "XNYS", base_currency: str = "USD") -> TableFeed:
    """Return the prices of a file as a feed; docs/feeds.md describes the columns.

    A time that is a date stands for the close of that session. Splits are read from `<name>.splits.csv` beside the file.
    A price that is a number, however odd, is sent and judged by ingest; anything else in the file is an error.

    Raises
    ------
    FeedError
        What is wrong, with file, line and column, up to twenty at once.
    """
    rows = read_rows(path)
    stamped = np.array([t for t in rows.when if isinstance(t, int)], np.int64)
    dated = [t for t in rows.when if isinstance(t, date)]
    ends = [date.fromisoformat(iso_of_ns(int(t))[:10]) for t in (stamped.min(), stamped.max())] if len(stamped) else []
    first, last = min([*ends, *dated]), max([*ends, *dated])
    sessions = load_sessions(calendar, first - timedelta(days=7), last + timedelta(days=7))
    event_ns = _event_times(path, rows, sessions)
    in_time = np.argsort(event_ns, kind="stable")
    event_ns = event_ns[in_time]
    at_first, at_last = np.searchsorted(sessions.close_ns, event_ns[[0, -1]], side="left")
    sessions = Sessions(
        calendar, sessions.dates[at_first : at_last + 1], *(a[at_first : at_last + 1] for a in (sessions.open_ns, sessions.close_ns))
    )
    _refuse_sparse(path, sessions, event_ns)
    symbols = tuple(sorted(set(rows.symbol)))
    currencies = tuple(sorted({c for c in rows.currency if c is not None}))
    symbol_code = {s: k for k, s in enumerate(symbols)}
    currency_code: dict[str | None, int] = {c: k for k, c in enumerate(currencies)} | {None: -1}
    columns = _Columns(
        symbols=symbols,
        symbol=np.array([symbol_code[s] for s in rows.symbol], np.int32)[in_time],
        price=np.array(rows.price, np.float64)[in_time],
        event_ns=event_ns,
        currencies=currencies,
        currency=np.array([currency_code[c] for c in rows.currency], np.int32)[in_time],
    )
    return TableFeed(path.stem, sessions, columns, base_currency, _splits(path, sessions))


def _event_times(path: Path, rows: Rows, sessions: Sessions) -> NDArray[np.int64]:
    """Return int64[n]; a date becomes its session's close."""
    close_of = dict(zip(sessions.dates, sessions.close_ns.tolist(), strict=True))
    problems = []
    times = np.zeros(len(rows.when), np.int64)
    for k, when in enumerate(rows.when):
        if isinstance(when, int):
            times[k] = when
        elif when in close_of:
            times[k] = close_of[when]
        else:
            problems.append(f"{rows.where(k)}: {when} is no trading day of {sessions.calendar}")
    raise_all(path, problems)
    return times


def _refuse_sparse(path: Path, sessions: Sessions, event_ns: NDArray[np.int64]) -> None:
    at = np.searchsorted(event_ns, sessions.close_ns, side="right")
    empty = sum(1 for before, after in pairwise([0, *at.tolist()]) if after == before)
    if empty > EMPTY_SHARE_MAX * len(sessions.dates):
        raise FeedError(
            f"{path}: no tick on {empty} of the {len(sessions.dates)} {sessions.calendar} trading days from {sessions.dates[0]} to "
            f"{sessions.dates[-1]}; the feed needs daily prices, and the right calendar"
        )


def _splits(path: Path, sessions: Sessions) -> list[RawSplit]:
    beside = path.with_suffix(".splits.csv")
    splits = read_splits(beside) if beside.exists() else []
    opens = dict(zip(sessions.dates, sessions.open_ns.tolist(), strict=True))
    raise_all(beside, [f"line {s.line}: {s.day} is no trading day of the prices" for s in splits if s.day not in opens])
    return [RawSplit(f"split/{s.symbol}/{s.day}", s.symbol, s.numerator, s.denominator, opens[s.day]) for s in splits]


def _describe(symbol: str, code: int, columns: _Columns, base_currency: str) -> FeedSymbol:
    """Six letters that name a currency and the base currency, EURUSD, are an FX rate; anything else is a stock."""
    if len(symbol) == 6 and symbol[:3] in CURRENCIES and symbol[3:] == base_currency:
        return FeedSymbol(symbol, AssetClass.FX, base_currency, fx_currency=symbol[:3])
    named = columns.currency[columns.symbol == code]
    named = named[named >= 0]
    return FeedSymbol(symbol, currency=columns.currencies[named[0]] if len(named) else base_currency)
