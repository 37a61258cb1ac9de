"""A feed over a table of closes, days by symbols; with invented intraday paths on demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.common.feeds.port import FeedDay, FeedError, FeedSymbol, RawSplit, RawTicks, content_hash
from services.common.feeds.sessions import Sessions

TICKS_PER_DAY_MAX: Final = 23_400
"""One a second of a New York session."""

INTRADAY_VOLATILITY: Final = 0.01
"""Standard deviation of an invented day's log-price bridge, scaled to the whole session."""

INTRADAY_DECIMALS: Final = 6
"""Invented prices are rounded, so that the last bit of exp() on another processor does not show."""


class MatrixFeed:
    """Closes of `symbols` on `sessions`, one tick a symbol and day at the close, or `ticks_per_day` on an invented path.

    Parameters
    ----------
    name, note : str
        For people; `note` says what is adjusted or invented.
    sessions : Sessions
        D trading days.
    symbols : sequence of FeedSymbol
        N things priced.
    closes : float64[D, N]
        NaN where a symbol has no price that day: it sends no tick. Every other value is sent as it is and judged by ingest.
    ticks_per_day : int
        1 sends the close alone. k > 1 sends k ticks evenly through the session: a Brownian bridge in log price from the close
        before to this one (Glasserman 2004, section 3.1), marked synthetic; the last tick is the close exactly.
    seed : int
        Of the bridges.
    actions : mapping of date to splits, optional
        Corporate actions, effective at the open of their day.
    """

    def __init__(
        self,
        name: str,
        note: str,
        sessions: Sessions,
        symbols: Sequence[FeedSymbol],
        closes: NDArray[np.float64],
        *,
        ticks_per_day: int = 1,
        seed: int = 0,
        actions: dict[date, tuple[RawSplit, ...]] | None = None,
    ) -> None:
        if closes.shape != (len(sessions.dates), len(symbols)):
            raise FeedError(f"{name}: closes {closes.shape} for {len(sessions.dates)} days and {len(symbols)} symbols")
        if not 1 <= ticks_per_day <= TICKS_PER_DAY_MAX:
            raise FeedError(f"{name}: ticks per day {ticks_per_day} must lie between 1 and {TICKS_PER_DAY_MAX}")
        self.name = name
        self.note = note if ticks_per_day == 1 else "; ".join(filter(None, [note, "synthetic intraday paths between closes"]))
        self.calendar = sessions.calendar
        self.symbols = tuple(symbols)
        self.available: Sequence[date] = sessions.dates
        self.sessions = sessions
        self.closes = closes
        self.actions = actions or {}
        self._names = tuple(s.symbol for s in self.symbols)
        self._currencies = tuple(sorted({s.currency for s in self.symbols}))
        self._currency = np.array([self._currencies.index(s.currency) for s in self.symbols], np.int32)
        self._ticks_per_day = ticks_per_day
        self._seed = seed
        priced = (~np.isnan(closes)).sum(axis=1) * ticks_per_day
        self._sequence_before = np.concatenate(([0], np.cumsum(priced)))
        self.hash = content_hash(
            name,
            sessions.calendar,
            repr(self.symbols),
            repr(sessions.dates),
            sessions.close_ns,
            np.ascontiguousarray(closes),
            repr((ticks_per_day, seed, INTRADAY_VOLATILITY, INTRADAY_DECIMALS) if ticks_per_day > 1 else 1),
            repr(sorted(self.actions.items())),
        )

    def day(self, day: date) -> FeedDay:
        """See `Feed.day`."""
        at = self.sessions.index(day)
        open_ns, close_ns = int(self.sessions.open_ns[at]), int(self.sessions.close_ns[at])
        traded = np.flatnonzero(~np.isnan(self.closes[at])).astype(np.int32)
        steps = self._ticks_per_day
        price = self.closes[at, traded] if steps == 1 else self._path(at, traded).ravel()
        at_ns = close_ns - (close_ns - open_ns) * np.arange(steps - 1, -1, -1, dtype=np.int64) // steps
        count = steps * len(traded)
        ticks = RawTicks(
            symbols=self._names,
            symbol=np.tile(traded, steps),
            price=price,
            event_ns=np.repeat(at_ns, len(traded)),
            currencies=self._currencies,
            currency=np.tile(self._currency[traded], steps),
            sequence=np.arange(1, count + 1, dtype=np.int64) + self._sequence_before[at],
        )
        return FeedDay(day, open_ns, close_ns, ticks, actions=self.actions.get(day, ()))

    def _path(self, at: int, traded: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return float64[steps, traded]: a bridge from the close before (this one on the first day) to the close."""
        steps = self._ticks_per_day
        close = self.closes[at, traded]
        before = self.closes[at - 1, traded] if at else close
        usable = np.isfinite(before) & (before > 0.0) & np.isfinite(close) & (close > 0.0)
        start, end = np.where(usable, before, 1.0), np.where(usable, close, 1.0)
        rng = np.random.default_rng([self._seed, self.sessions.dates[at].toordinal()])
        # All symbols draw, so that one symbol's path does not hang on which others traded.
        walk = np.cumsum(rng.standard_normal((steps, len(self.symbols)))[:, traded], axis=0) * (INTRADAY_VOLATILITY / np.sqrt(steps))
        share = (np.arange(1, steps + 1) / steps)[:, None]
        bridge = walk - share * walk[-1]
        smooth = start * np.exp(share * np.log(end / start) + bridge)
        path: NDArray[np.float64] = np.maximum(np.round(smooth, INTRADAY_DECIMALS), 10.0**-INTRADAY_DECIMALS)
        path[:, ~usable] = close[~usable]
        path[-1] = close
        return path
