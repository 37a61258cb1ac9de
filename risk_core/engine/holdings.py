"""Netted positions of the nodes a shard owns, and the day's trading in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE, BookIndex, Fill, Position


def scale_quantity(quantity: int, numerator: int, denominator: int) -> int:
    """Return quantity * numerator / denominator in millionths, rounded toward zero."""
    scaled = abs(quantity) * numerator // denominator
    return scaled if quantity >= 0 else -scaled


class Holdings:
    """Positions in millionths, int64[P, N], rows in ascending node id.

    `opening` is the position at the last close (the P&L basis of the hypothetical day); `trade_cost` float64[P, N] sums
    quantity times price of the day's fills in instrument currency; `fees` float64[P, N] likewise.
    """

    def __init__(self, index: BookIndex, node_ids: tuple[int, ...]) -> None:
        self.index = index
        self.node_ids = node_ids
        self.row_of = {node_id: row for row, node_id in enumerate(node_ids)}
        shape = (len(node_ids), len(index.instrument_ids))
        self.quantity = np.zeros(shape, np.int64)
        self.opening = np.zeros(shape, np.int64)
        self.trade_cost = np.zeros(shape, np.float64)
        self.fees = np.zeros(shape, np.float64)
        # start-of-day positions are absolute, so those of every owned node's portfolios are remembered
        self.portfolio: dict[tuple[int, int], int] = {}
        self.set_positions(index.book.positions)

    def rows(self, node_id: int) -> list[int]:
        """Return owned rows that a trade in this node touches: itself and its ancestors."""
        return [self.row_of[a] for a in self.index.ancestors[node_id] if a in self.row_of]

    def set_positions(self, positions: tuple[Position, ...]) -> list[tuple[int, int, int]]:
        """Set start-of-day positions; return the (row, column, change) it made."""
        changes = []
        for p in positions:
            rows = self.rows(p.node_id)
            if not rows:
                continue
            change = p.quantity - self.portfolio.get((p.node_id, p.instrument_id), 0)
            self.portfolio[p.node_id, p.instrument_id] = p.quantity
            column = self.index.column_of[p.instrument_id]
            for row in rows:
                self.quantity[row, column] += change
                self.opening[row, column] += change
                changes.append((row, column, change))
        return changes

    def apply_fill(self, fill: Fill) -> list[tuple[int, int, int]]:
        """Add a fill to its portfolio and ancestors; return the (row, column, change) it made."""
        rows = self.rows(fill.node_id)
        if not rows:
            return []
        key = (fill.node_id, fill.instrument_id)
        self.portfolio[key] = self.portfolio.get(key, 0) + fill.quantity
        column = self.index.column_of[fill.instrument_id]
        cost = fill.quantity / QUANTITY_SCALE * fill.price
        for row in rows:
            self.quantity[row, column] += fill.quantity
            self.trade_cost[row, column] += cost
            self.fees[row, column] += fill.fees
        return [(row, column, fill.quantity) for row in rows]

    def apply_split(self, instrument_id: int, numerator: int, denominator: int) -> None:
        """Scale every holding of one instrument; a node's position stays the sum of its portfolios'."""
        column = self.index.column_of[instrument_id]
        for row in range(len(self.node_ids)):
            self.opening[row, column] = scale_quantity(int(self.opening[row, column]), numerator, denominator)
        self.quantity[:, column] = 0
        for (node_id, held), quantity in self.portfolio.items():
            if held == instrument_id:
                scaled = scale_quantity(quantity, numerator, denominator)
                self.portfolio[node_id, held] = scaled
                for row in self.rows(node_id):
                    self.quantity[row, column] += scaled

    def close(self) -> None:
        """Start a new day from today's positions."""
        self.opening = self.quantity.copy()
        self.trade_cost = np.zeros_like(self.trade_cost)
        self.fees = np.zeros_like(self.fees)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on."""
        keys = sorted(self.portfolio)
        return {
            "quantity": self.quantity.copy(),
            "opening": self.opening.copy(),
            "trade_cost": self.trade_cost.copy(),
            "fees": self.fees.copy(),
            "portfolio_keys": np.array(keys, np.int64).reshape(-1, 2),
            "portfolio_quantity": np.array([self.portfolio[k] for k in keys], np.int64),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.quantity = np.array(state["quantity"], np.int64)
        self.opening = np.array(state["opening"], np.int64)
        self.trade_cost = np.array(state["trade_cost"], np.float64)
        self.fees = np.array(state["fees"], np.float64)
        keys: NDArray[np.int64] = np.array(state["portfolio_keys"], np.int64)
        values: NDArray[np.int64] = np.array(state["portfolio_quantity"], np.int64)
        self.portfolio = {(int(k[0]), int(k[1])): int(v) for k, v in zip(keys, values, strict=True)}
