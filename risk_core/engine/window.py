"""The rolling window of scenarios: a ring of day moves, seen from each node currency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.market import MarketLayout
from risk_core.engine.valuation import Matrix, shocks_in_currency
from risk_core.records import ScenarioRow


class Window:
    """The last S day moves, instrument-major.

    `shock[c]` is float64[N, S] seen from currency c, for every currency that a node uses; slot `head` is filled next.
    """

    def __init__(self, layout: MarketLayout, size: int, currencies: Sequence[int]) -> None:
        n = len(layout.currency)
        self.layout = layout
        self.size = size
        self.count = 0
        self.head = 0
        self.shock = {int(c): np.zeros((n, size), np.float64) for c in sorted(set(currencies))}
        self.proxied = np.zeros((n, size), np.uint8)
        self.proxied_count = np.zeros(n, np.int64)
        self.dates = [""] * size

    def roll(self, shock: NDArray[np.float64], proxied: NDArray[np.uint8], date: str) -> int:
        """Add a day, dropping the oldest when full; return the slot it took."""
        slot = self.head
        for currency, matrix in self.shock.items():
            matrix[:, slot] = shocks_in_currency(self.layout, shock, currency)
        self.proxied_count += proxied.astype(np.int64) - self.proxied[:, slot]
        self.proxied[:, slot] = proxied
        self.dates[slot] = date
        self.head = (slot + 1) % self.size
        self.count = min(self.count + 1, self.size)
        return slot

    def copy(self) -> Window:
        """Return an independent window with the same days."""
        twin = Window(self.layout, self.size, list(self.shock))
        twin.count, twin.head, twin.dates = self.count, self.head, list(self.dates)
        twin.shock = {c: m.copy() for c, m in self.shock.items()}
        twin.proxied, twin.proxied_count = self.proxied.copy(), self.proxied_count.copy()
        return twin

    def fill(self, rows: Sequence[ScenarioRow]) -> None:
        """Start from stored rows, oldest first."""
        for row in rows[-self.size :]:
            self.roll(row.shock, row.proxied, row.date)

    def age_order(self) -> NDArray[np.int64]:
        """Return the slots from newest to oldest, int64[count]."""
        return (self.head - 1 - np.arange(self.count, dtype=np.int64)) % self.size

    def matrix(self, currency: int) -> Matrix:
        """Return shocks seen from a currency, float64[N, count], slots in ring order."""
        full = self.shock[currency]
        return full if self.count == self.size else np.ascontiguousarray(full[:, : self.count])
