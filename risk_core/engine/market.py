"""Prices, prior closes and the day's joint moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass, BookIndex, Shock
from risk_core.engine.collapse import NEVER_NS


@dataclass(frozen=True, slots=True)
class MarketLayout:
    """Static facts of the instruments, by column (ascending id).

    `currency` and `fx_column` index `currencies`; `fx_column[c]` is the column of the FX instrument that prices
    currency c in the base currency, -1 for the base currency itself.
    """

    currencies: tuple[str, ...]
    currency: NDArray[np.int64]
    fx_column: NDArray[np.int64]
    cash_column: NDArray[np.int64]
    is_cash: NDArray[np.bool_]
    absolute: NDArray[np.bool_]
    proxy: NDArray[np.int64]
    default_proxy: int

    @staticmethod
    def of(index: BookIndex) -> MarketLayout:
        """Build from a validated book."""
        book = index.book
        by_id = {i.instrument_id: i for i in book.instruments}
        ordered = [by_id[k] for k in index.instrument_ids]
        currencies = tuple(sorted({i.currency for i in ordered} | {n.currency for n in book.nodes}))
        at = {c: k for k, c in enumerate(currencies)}
        fx_column = np.full(len(currencies), -1, np.int64)
        cash_column = np.full(len(currencies), -1, np.int64)
        for column, i in enumerate(ordered):
            if i.asset_class is AssetClass.FX and i.fx_currency in at:
                fx_column[at[i.fx_currency]] = column
            if i.asset_class is AssetClass.CASH:
                cash_column[at[i.currency]] = column
        default = index.column_of[book.default_proxy_id] if book.default_proxy_id is not None else -1
        return MarketLayout(
            currencies=currencies,
            currency=np.array([at[i.currency] for i in ordered], np.int64),
            fx_column=fx_column,
            cash_column=cash_column,
            is_cash=np.array([i.asset_class is AssetClass.CASH for i in ordered], np.bool_),
            absolute=np.array([i.shock is Shock.ABSOLUTE for i in ordered], np.bool_),
            proxy=np.array([index.column_of[i.proxy_id] if i.proxy_id is not None else default for i in ordered], np.int64),
            default_proxy=default,
        )

    def fx_to_base(self, price: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return base-currency price of one unit of each currency, 0 where its FX instrument has no price yet."""
        return np.array([1.0 if c < 0 else price[c] for c in self.fx_column], np.float64)


class Market:
    """Last prices with times, and the baseline: prices at the close before.

    `close_ns` is the time of the last day close (NEVER_NS before the first); `baseline_fresh` says which instruments
    ticked on that day: a return needs two closes in a row, a longer step is not a one-day return.
    """

    def __init__(self, layout: MarketLayout) -> None:
        n = len(layout.currency)
        self.layout = layout
        self.price = np.where(layout.is_cash, 1.0, 0.0)
        self.price_ns = np.full(n, NEVER_NS, np.int64)
        self.baseline = self.price.copy()
        self.baseline_ns = np.full(n, NEVER_NS, np.int64)
        self.baseline_fresh = np.zeros(n, np.bool_)
        self.close_ns = int(NEVER_NS)

    def apply_ticks(self, column: NDArray[np.int64], event_ns: NDArray[np.int64], price: NDArray[np.float64]) -> None:
        """Take prices that are not older than those held. Columns are unique."""
        newer = event_ns >= self.price_ns[column]
        at = column[newer]
        self.price[at] = price[newer]
        self.price_ns[at] = event_ns[newer]

    def apply_split(self, column: int, numerator: int, denominator: int, event_ns: int) -> None:
        """Scale prices seen before the split; later ones are in new units already."""
        if self.price_ns[column] < event_ns:
            self.price[column] = self.price[column] * denominator / numerator
        if self.baseline_ns[column] < event_ns:
            self.baseline[column] = self.baseline[column] * denominator / numerator

    def day_moves(self) -> tuple[NDArray[np.float64], NDArray[np.uint8]] | None:
        """Return (shock, proxied) of the day that ends now, or None at the first close.

        A missing move comes from the instrument's proxy, else the default proxy, else the mean of the moves observed.
        """
        if self.close_ns == NEVER_NS:
            return None
        layout = self.layout
        observed = (self.price_ns > self.close_ns) & self.baseline_fresh & (layout.absolute | (self.baseline > 0.0))
        moved = self.price - self.baseline
        relative = np.zeros_like(moved)
        usable = observed & (self.baseline > 0.0)
        relative[usable] = self.price[usable] / self.baseline[usable] - 1.0
        shock = np.where(layout.absolute, moved, relative)
        shock[layout.is_cash] = 0.0
        missing = np.flatnonzero(~observed & ~layout.is_cash)
        if len(missing):
            seen = relative[usable]
            mean = float(np.add.accumulate(seen)[-1]) / len(seen) if len(seen) else 0.0
            for j in missing:
                p = layout.proxy[j]
                if p < 0 or p == j or not usable[p]:
                    p = layout.default_proxy
                move = relative[p] if p >= 0 and p != j and usable[p] else mean
                shock[j] = move * self.baseline[j] if layout.absolute[j] else move
        proxied = np.zeros(len(shock), np.uint8)
        proxied[missing] = 1
        return shock, proxied

    def close(self, close_ns: int) -> None:
        """Make today's prices the baseline of tomorrow."""
        self.baseline_fresh = self.price_ns > self.close_ns
        self.baseline = self.price.copy()
        self.baseline_ns = self.price_ns.copy()
        self.close_ns = close_ns

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on."""
        return {
            "price": self.price.copy(),
            "price_ns": self.price_ns.copy(),
            "baseline": self.baseline.copy(),
            "baseline_ns": self.baseline_ns.copy(),
            "baseline_fresh": self.baseline_fresh.astype(np.uint8),
            "close_ns": self.close_ns,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.price = np.array(state["price"], np.float64)
        self.price_ns = np.array(state["price_ns"], np.int64)
        self.baseline = np.array(state["baseline"], np.float64)
        self.baseline_ns = np.array(state["baseline_ns"], np.int64)
        self.baseline_fresh = np.array(state["baseline_fresh"]).astype(np.bool_)
        self.close_ns = int(state["close_ns"])
