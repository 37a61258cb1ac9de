"""Live updates of P&L vectors: ticks, fills, currency moves and window rolls, each at the cost of the holdings it touches.

The arrays of `risk_core.engine.live.LiveVectors` arrive in four tuples, in the order of `Market`, `Holdings`, `Nodes` and `Vectors` below.
Holdings are linked lists through `next_*`, first entries in `first_*`, -1 at the end.

A *leg* is what a node holds in one foreign currency: its own vector in that currency, so that a rate's move is one pass over the leg.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Market = tuple[Floats, Floats, Integers, Integers, Flags, Integers]
"""price[N], fx_to_base[K], instrument_currency[N], rate_currency[N], absolute[N], cash[N]."""
Holdings = tuple[Integers, Integers, Integers, Integers, Integers, Integers, Integers]
"""first_of_instrument[N], next_of_instrument[H], first_of_node[P], next_of_node[H], node[H], instrument[H], quantity[H]."""
Nodes = tuple[Integers, Integers, Integers, Integers, Integers, Floats, Floats, Flags]
"""currency[P], group[P], leg_of[P, K], leg_node[L], leg_currency[L], state[P, 4], leg_state[L, 2], dirty[P]."""
Vectors = tuple[Floats, Floats, Floats, Floats, Floats, Integers, Floats, Integers, Integers]
"""shocks[G, N, S], falls[G, N], rises[G, N], node[P, S], leg[L, S], pending_row[P, B], pending_size[P, B], pending_count[P],
touched[P + 2].

`touched` lists the nodes with pending updates; its last two entries are their number and whether some node needs a rebuild.
"""

VALUE: Final = 0  # market value, node currency (leg: the leg's currency)
GROSS: Final = 1  # sum of absolute exposures
WEAR: Final = 2  # gross exposure summed over updates since the last rebuild: bounds rounding
SLACK: Final = 3  # most that any scenario can have lost since the tail was last selected

PENDING: Final = 16
"""Updates of one node that may wait inside a batch, to be added four rows at a time."""

WORN: Final = 50_000.0  # wear over gross that asks for a rebuild: rounding then is below 1e-10 of gross times the largest shock
_SCALE: Final = float(QUANTITY_SCALE)
_FAST: Final = {"reassoc", "nsz", "contract", "nnan"}


@njit(cache=True, nogil=True)
def _rate(fx_to_base: Floats, of: int, into: int) -> float:
    """Return units of currency `into` for one of `of`; 0 while either has no rate."""
    if of == into:
        return 1.0
    return fx_to_base[of] / fx_to_base[into] if fx_to_base[into] != 0.0 else 0.0


@njit(cache=True, nogil=True, fastmath=_FAST)
def _flush(vector: Floats, shocks: Floats, row: Integers, size: Floats, count: int) -> None:
    """Add the pending updates: vector += sum of size * shocks[row]."""
    for q in range(count, count + (-count) % 4):
        row[q], size[q] = row[0], 0.0
    if count == 1:
        r0, a0 = shocks[row[0]], size[0]
        for s in range(vector.size):
            vector[s] += a0 * r0[s]
        return
    for q in range(0, count, 4):
        r0, r1, r2, r3 = shocks[row[q]], shocks[row[q + 1]], shocks[row[q + 2]], shocks[row[q + 3]]
        a0, a1, a2, a3 = size[q], size[q + 1], size[q + 2], size[q + 3]
        for s in range(vector.size):
            vector[s] += (a0 * r0[s] + a1 * r1[s]) + (a2 * r2[s] + a3 * r3[s])


@njit(cache=True, nogil=True)
def _add(p: int, row: int, change: float, rate: float, leg: int, nodes: Nodes, vectors: Vectors) -> None:
    """Add an exposure change (in the instrument's currency) to a node's vector, pending, and to its leg, at once."""
    _, group, _, _, _, state, _, _ = nodes
    shocks, falls, rises, node_vector, leg_vector, pending_row, pending_size, pending_count, touched = vectors
    size = change * rate
    g = group[p]
    if leg >= 0:
        target, source = leg_vector[leg], shocks[g, row]
        for s in range(target.size):
            target[s] += change * source[s]
    state[p, SLACK] += size * falls[g, row] if size > 0.0 else -size * rises[g, row]
    if pending_count[p] == 0:
        touched[touched[-2]] = p
        touched[-2] += 1
    if pending_count[p] == PENDING:
        _flush(node_vector[p], shocks[g], pending_row[p], pending_size[p], PENDING)
        pending_count[p] = 0
    pending_row[p, pending_count[p]] = row
    pending_size[p, pending_count[p]] = size
    pending_count[p] += 1


@njit(cache=True, nogil=True)
def _settle(nodes: Nodes, vectors: Vectors) -> bool:
    """Flush every node's pending updates; return whether some node needs a rebuild."""
    group = nodes[1]
    shocks, _, _, node_vector, _, pending_row, pending_size, pending_count, touched = vectors
    for i in range(touched[-2]):
        p = touched[i]
        _flush(node_vector[p], shocks[group[p]], pending_row[p], pending_size[p], pending_count[p])
        pending_count[p] = 0
    worn = bool(touched[-1] != 0)
    touched[-2:] = 0
    return worn


@njit(cache=True, nogil=True)
def _wear(p: int, nodes: Nodes, vectors: Vectors) -> None:
    """Count one update's rounding against a node."""
    state, dirty, touched = nodes[5], nodes[7], vectors[8]
    state[p, WEAR] += state[p, GROSS]
    if state[p, WEAR] > WORN * state[p, GROSS]:
        touched[-1] = 1
    dirty[p] = True


@njit(cache=True, nogil=True)
def _move(h: int, price: float, quantity: int, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors) -> None:
    """Take one holding from its present (price, quantity) to a new pair; the caller then stores them."""
    old_price, fx_to_base, instrument_currency, _, absolute, cash = market
    _, _, _, _, holder, held, old_quantity = holdings
    currency, _, leg_of, _, _, state, leg_state, _ = nodes
    p, j = holder[h], held[h]
    at = instrument_currency[j]
    rate, leg = _rate(fx_to_base, at, currency[p]), leg_of[p, at]
    before, after = old_quantity[h] / _SCALE * old_price[j], quantity / _SCALE * price
    change, grown = after - before, abs(after) - abs(before)
    state[p, VALUE] += change * rate
    state[p, GROSS] += grown * rate
    _wear(p, nodes, vectors)
    if leg >= 0:
        leg_state[leg, VALUE] += change
        leg_state[leg, GROSS] += grown
    if not absolute[j]:
        _add(p, j, change, rate, leg, nodes, vectors)
        return
    units = (quantity - old_quantity[h]) / _SCALE
    if units != 0.0:
        _add(p, j, units, rate, leg, nodes, vectors)
    if leg >= 0:
        _add(p, cash[j], change, rate, leg, nodes, vectors)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _scale_leg(vector: Floats, leg: Floats, change: float) -> float:
    """Add change * leg to vector; return the most that any scenario lost."""
    lowest = 0.0
    for s in range(vector.size):
        move = change * leg[s]
        vector[s] += move
        lowest = min(lowest, move)
    return -lowest


@njit(cache=True, nogil=True)
def _reprice_currency(k: int, price: float, market: Market, nodes: Nodes, vectors: Vectors) -> None:
    """Move one currency's rate: every leg in it, and every leg of nodes valued in it."""
    _, fx_to_base, _, _, _, _ = market
    currency, _, _, leg_node, leg_currency, state, leg_state, _ = nodes
    _, _, _, node_vector, leg_vector, _, _, _, _ = vectors
    before = fx_to_base[k]
    for leg in range(leg_node.size):
        p = leg_node[leg]
        if leg_currency[leg] == k or currency[p] == k:
            old = _rate(fx_to_base, leg_currency[leg], currency[p])
            fx_to_base[k] = price
            change = _rate(fx_to_base, leg_currency[leg], currency[p]) - old
            fx_to_base[k] = before
            state[p, SLACK] += _scale_leg(node_vector[p], leg_vector[leg], change)
            state[p, VALUE] += change * leg_state[leg, VALUE]
            state[p, GROSS] += change * leg_state[leg, GROSS]
            _wear(p, nodes, vectors)
    fx_to_base[k] = price


@njit(cache=True, nogil=True)
def apply_prices(column: Integers, price: Floats, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors) -> bool:
    """Apply ticks in order, every holder of each; return whether some node needs a rebuild."""
    last, _, _, rate_currency, _, _ = market
    first_of_instrument, next_of_instrument, _, _, _, _, quantity = holdings
    for i in range(column.size):
        j = column[i]
        if price[i] == last[j]:
            continue
        h = first_of_instrument[j]
        while h >= 0:
            if quantity[h] != 0:
                _move(h, price[i], quantity[h], market, holdings, nodes, vectors)
            h = next_of_instrument[h]
        last[j] = price[i]
        if rate_currency[j] >= 0:
            _reprice_currency(rate_currency[j], price[i], market, nodes, vectors)
    return _settle(nodes, vectors)


@njit(cache=True, nogil=True)
def apply_quantities(holding: Integers, change: Integers, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors) -> bool:
    """Add quantity changes to holdings at present prices; return whether some node needs a rebuild."""
    price = market[0]
    held, quantity = holdings[5], holdings[6]
    for i in range(holding.size):
        h = holding[i]
        _move(h, price[held[h]], quantity[h] + change[i], market, holdings, nodes, vectors)
        quantity[h] += change[i]
    return _settle(nodes, vectors)


@njit(cache=True, nogil=True)
def reset_instrument(
    j: int, price: float, quantity_of: Integers, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors
) -> bool:
    """Set one instrument's price and every holder's quantity (int64[P]) together; return whether some node needs a rebuild."""
    first_of_instrument, next_of_instrument, _, _, holder, _, quantity = holdings
    h = first_of_instrument[j]
    while h >= 0:
        _move(h, price, quantity_of[holder[h]], market, holdings, nodes, vectors)
        quantity[h] = quantity_of[holder[h]]
        h = next_of_instrument[h]
    market[0][j] = price
    return _settle(nodes, vectors)


@njit(cache=True, nogil=True)
def rebuild(which: Integers, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors) -> None:
    """Recompute vectors, legs and values of some nodes from positions, prices and shocks."""
    price, fx_to_base, instrument_currency, _, absolute, cash = market
    _, _, first_of_node, next_of_node, _, held, quantity = holdings
    currency, group, leg_of, _, _, state, leg_state, dirty = nodes
    shocks, _, _, node_vector, leg_vector, pending_row, pending_size, pending_count, touched = vectors
    for p in which:
        node_vector[p, :] = 0.0
        state[p, :] = 0.0
        pending_count[p] = 0
        dirty[p] = True
        for k in range(leg_of.shape[1]):
            if leg_of[p, k] >= 0:
                leg_vector[leg_of[p, k], :] = 0.0
                leg_state[leg_of[p, k], :] = 0.0
        h = first_of_node[p]
        while h >= 0:
            if quantity[h] != 0:
                j = held[h]
                at = instrument_currency[j]
                rate, leg = _rate(fx_to_base, at, currency[p]), leg_of[p, at]
                units = quantity[h] / _SCALE
                value = units * price[j]
                state[p, VALUE] += value * rate
                state[p, GROSS] += abs(value) * rate
                if leg >= 0:
                    leg_state[leg, VALUE] += value
                    leg_state[leg, GROSS] += abs(value)
                _add(p, j, units if absolute[j] else value, rate, leg, nodes, vectors)
                if absolute[j] and leg >= 0:
                    _add(p, cash[j], value, rate, leg, nodes, vectors)
            h = next_of_node[h]
        if touched[-2] > 0:
            _flush(node_vector[p], shocks[group[p]], pending_row[p], pending_size[p], pending_count[p])
            pending_count[p] = 0
            touched[-2] = 0


@njit(cache=True, nogil=True)
def roll(slot: int, column: Floats, market: Market, holdings: Holdings, nodes: Nodes, vectors: Vectors) -> None:
    """Replace scenario `slot` by new shocks float64[G, N] in every vector: O(holdings)."""
    price, fx_to_base, instrument_currency, _, absolute, cash = market
    _, _, first_of_node, next_of_node, _, held, quantity = holdings
    currency, group, leg_of, _, _, _, _, dirty = nodes
    shocks, falls, rises, node_vector, leg_vector, _, _, _, _ = vectors
    for g in range(column.shape[0]):
        for j in range(column.shape[1]):
            shocks[g, j, slot] = column[g, j]
            falls[g, j] = max(falls[g, j], -column[g, j])
            rises[g, j] = max(rises[g, j], column[g, j])
    for p in range(currency.size):
        for k in range(leg_of.shape[1]):
            if leg_of[p, k] >= 0:
                leg_vector[leg_of[p, k], slot] = 0.0
        total, g, h = 0.0, group[p], first_of_node[p]
        while h >= 0:
            if quantity[h] != 0:
                j = held[h]
                at = instrument_currency[j]
                units, leg = quantity[h] / _SCALE, leg_of[p, at]
                gain = units * (1.0 if absolute[j] else price[j]) * column[g, j]
                if absolute[j] and leg >= 0:
                    gain += units * price[j] * column[g, cash[j]]
                total += gain * _rate(fx_to_base, at, currency[p])
                if leg >= 0:
                    leg_vector[leg, slot] += gain
            h = next_of_node[h]
        node_vector[p, slot] = total
        dirty[p] = True
