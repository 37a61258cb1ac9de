"""Exposures, market values and daily P&L of nodes in their own currency: fixed operation order, sequential sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE
from risk_core.engine import kernels
from risk_core.engine.market import MarketLayout

Matrix = NDArray[np.float64]


def rates(layout: MarketLayout, price: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (base currency per unit of each currency, known): 1 and False where a rate has no price yet."""
    to_base = layout.fx_to_base(price)
    known = to_base != 0.0
    return np.where(known, to_base, 1.0), known


def conversion(layout: MarketLayout, price: NDArray[np.float64], node_currency: NDArray[np.int64]) -> Matrix:
    """Return fx[P, N]: units of node currency for one unit of the instrument's currency, 0 where a rate has no price yet."""
    to_base, known = rates(layout, price)
    table = np.where(known[:, None] & known[None, :], to_base[None, :] / to_base[:, None], 0.0)
    return table[node_currency][:, layout.currency]


def market_values(
    layout: MarketLayout, quantity: NDArray[np.int64], price: NDArray[np.float64], node_currency: NDArray[np.int64]
) -> Matrix:
    """Return ((quantity / scale) * price) * fx, float64[P, N], in node currency."""
    return quantity / QUANTITY_SCALE * price * conversion(layout, price, node_currency)


def exposures(layout: MarketLayout, quantity: NDArray[np.int64], price: NDArray[np.float64], node_currency: NDArray[np.int64]) -> Matrix:
    """Return x[P, N] such that P&L on a scenario is the sum over j of x[p, j] * shock[j]; 0 where a rate has no price yet."""
    to_base, known = rates(layout, price)
    held = np.where(known[node_currency][:, None] & known[layout.currency][None, :], quantity, 0)
    x: Matrix = kernels.exposures(
        held, price, to_base, layout.currency, node_currency, layout.absolute, layout.cash_column[layout.currency]
    )
    return x


def sequential_sum(values: Matrix) -> NDArray[np.float64]:
    """Return the sum along the last axis, left to right (numpy's own sum is pairwise and depends on length)."""
    if values.shape[-1] == 0:
        return np.zeros(values.shape[:-1], np.float64)
    total: NDArray[np.float64] = np.add.accumulate(values, axis=-1)[..., -1]
    return total


def shocks_in_currency(layout: MarketLayout, shock: NDArray[np.float64], currency: int) -> NDArray[np.float64]:
    """Return one day's shocks float64[N] seen from a currency: (1 + r)(1 + fx) - 1, or d (1 + fx) for an absolute shock d."""
    fx_shock = np.array([[shock[c] if c >= 0 else 0.0] for c in layout.fx_column], np.float64)
    seen: Matrix = kernels.currency_shocks(shock.reshape(-1, 1), fx_shock, layout.currency, currency, layout.absolute)
    return seen[:, 0]


def day_pnl(
    layout: MarketLayout,
    node_currency: NDArray[np.int64],
    opening: NDArray[np.int64],
    baseline: NDArray[np.float64],
    quantity: NDArray[np.int64],
    price: NDArray[np.float64],
    trade_cost: Matrix,
    fees: Matrix,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (hypothetical, actual, fees) per node, gain-positive, in node currency.

    Hypothetical P&L reprices the opening position from close to close, currency moves included. Actual P&L adds the
    day's trades against the closing price, converted at the closing rate. Fees and commissions are kept apart, since
    Basel MAR32 excludes them from actual P&L.
    """
    fx_close = conversion(layout, price, node_currency)
    fx_open = conversion(layout, baseline, node_currency)
    known = (baseline != 0.0) | layout.absolute
    moved = np.where(known, price * fx_close - baseline * fx_open, 0.0)
    hypothetical = sequential_sum(opening / QUANTITY_SCALE * moved)
    traded = (quantity - opening) / QUANTITY_SCALE
    trading = sequential_sum((traded * price - trade_cost) * fx_close)
    return hypothetical, hypothetical + trading, sequential_sum(fees * fx_close)
