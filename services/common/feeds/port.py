"""The feed port: history, by trading day, in event time. A feed is pure data: no broker, no clock, no pace.

A feed is deterministic and open at any day, so a replay resumes at the day after the last one closed and gives the same bytes.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass, Shock

LOOK_BACK_DAYS_MAX: Final = 10
"""How far `last_prices` looks for a symbol that did not trade."""


class FeedError(ValueError):
    """Data that cannot be fed; the message says what, where, and what would be right."""


@dataclass(frozen=True, slots=True)
class FeedSymbol:
    """What a feed prices under one symbol; `fx_currency` is the currency that an FX symbol prices in `currency`."""

    symbol: str
    asset_class: AssetClass = AssetClass.EQUITY
    currency: str = "USD"
    fx_currency: str | None = None
    shock: Shock = Shock.RELATIVE
    adjusted: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RawTicks:
    """Prices as a source sends them, before any check: columns of one length, in event-time order.

    Parameters
    ----------
    symbols, currencies : tuple of str
        Dictionaries of the two coded columns.
    symbol : int32[n]
        Index into `symbols`.
    price : float64[n]
        In units of `currency`; any float, NaN too.
    event_ns : int64[n]
        Nanoseconds UTC.
    currency : int32[n]
        Index into `currencies`; -1 where the source names none.
    sequence : int64[n]
        The source's own numbering, from 0 or 1; -1 where it has none.
    raw : tuple of bytes, optional
        What arrived, one payload per tick, for dead letters; without it a refused tick is kept as JSON of its columns.
    """

    symbols: tuple[str, ...]
    symbol: NDArray[np.int32]
    price: NDArray[np.float64]
    event_ns: NDArray[np.int64]
    currencies: tuple[str, ...]
    currency: NDArray[np.int32]
    sequence: NDArray[np.int64]
    raw: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        return len(self.price)


@dataclass(frozen=True, slots=True)
class RawSplit:
    """`numerator` new units for `denominator` old ones, effective at `event_ns` (the open of its day)."""

    action_id: str
    symbol: str
    numerator: int
    denominator: int
    event_ns: int


@dataclass(frozen=True, slots=True)
class RawFill:
    """A trade as reported. `quantity` is decimal text in units, negative sells; `price` and `fees` are in `currency`."""

    fill_id: str
    portfolio: str
    symbol: str
    quantity: str
    price: float
    event_ns: int
    fees: float = 0.0
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class FeedDay:
    """One trading day: everything with event time in (close before, `close_ns`]."""

    day: date
    open_ns: int
    close_ns: int
    ticks: RawTicks
    actions: tuple[RawSplit, ...] = ()
    fills: tuple[RawFill, ...] = ()


class Feed(Protocol):
    """A source of trading days."""

    @property
    def name(self) -> str:
        """Short name, for people."""
        ...

    @property
    def note(self) -> str:
        """What a reader of the numbers must know about the data; empty when nothing."""
        ...

    @property
    def hash(self) -> str:
        """Content hash of data and parameters: equal hashes give equal days."""
        ...

    @property
    def calendar(self) -> str:
        """Exchange calendar of the trading days."""
        ...

    @property
    def symbols(self) -> tuple[FeedSymbol, ...]:
        """What is priced."""
        ...

    @property
    def available(self) -> Sequence[date]:
        """Every trading day with data, ascending."""
        ...

    def day(self, day: date) -> FeedDay:
        """Return one available day; FeedError for another."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """The days of a replay: `seed` fill the window, results are emitted for `days`."""

    seed: tuple[date, ...]
    days: tuple[date, ...]
    all: tuple[date, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "all", self.seed + self.days)


def select_days(feed: Feed, from_date: date | None, to_date: date | None, window: int) -> Span:
    """Return the trading days of a replay: `window` + 1 closes (`window` returns) before `from_date` seed it.

    Parameters
    ----------
    feed : Feed
        The data.
    from_date, to_date : date or None
        First and last day with results, moved inward to trading days; None takes the earliest or latest that the data allow.
    window : int
        Scenarios in the window.

    Raises
    ------
    FeedError
        The range holds no trading day of the data, or too few days come before it.
    """
    dates = tuple(feed.available)
    needed = window + 1
    have = f"{feed.name} has {len(dates)} trading days, {dates[0]} to {dates[-1]}" if dates else f"{feed.name} has no trading day"
    if len(dates) <= needed:
        raise FeedError(
            f"{have}; a window of {window} needs {needed} before the first result: take a window below {max(len(dates) - 1, 0)}"
        )
    earliest = dates[needed]
    if from_date is not None and to_date is not None and from_date > to_date:
        raise FeedError(f"from {from_date} lies after to {to_date}: swap them")
    first = earliest if from_date is None else from_date
    last = dates[-1] if to_date is None else to_date
    if last > dates[-1] or (from_date is not None and from_date < dates[0]):
        raise FeedError(
            f"{first} to {last} reaches beyond the data: {have}; take --from {earliest} or later and --to {dates[-1]} or earlier"
        )
    chosen = tuple(d for d in dates if first <= d <= last)
    if not chosen:
        raise FeedError(f"no trading day from {first} to {last}: {have}; the earliest --from is {earliest}")
    at = bisect_left(dates, chosen[0])
    if at < needed:
        raise FeedError(
            f"from {chosen[0]}: only {at} trading days come before it and a window of {window} needs {needed}; "
            f"take --from {earliest} or later, or a window of at most {max(at - 1, 0)}"
        )
    return Span(dates[at - needed : at], chosen)


def last_prices(feed: Feed, day: date) -> dict[str, float]:
    """Return each symbol's last usable price at the close of `day`, or of the nearest of the ten trading days before."""
    dates = feed.available
    at = bisect_left(dates, day)
    prices: dict[str, float] = {}
    for k in range(at, max(at - LOOK_BACK_DAYS_MAX, -1), -1):
        ticks = feed.day(dates[k]).ticks
        for code, price in zip(ticks.symbol[::-1].tolist(), ticks.price[::-1].tolist(), strict=True):
            if np.isfinite(price):
                prices.setdefault(ticks.symbols[code], price)
        if len(prices) == len(feed.symbols):
            break
    return prices


def content_hash(*parts: bytes | str | NDArray[np.generic]) -> str:
    """Return a sha256 over parts, each with its length, so that no two lists of parts run together."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part.tobytes() if isinstance(part, np.ndarray) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
