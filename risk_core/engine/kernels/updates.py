"""Live updates of P&L vectors: ticks, fills, currency moves and window rolls, each at the cost of the holdings it touches.

A tick first waits: it is booked on each holder (value, gross, slack) and put in the holder's short list of pending rows, which `flush` adds
four at a time when the whole vector is read or the list is full. So ticks share passes over the vector. Rows of a full list that the
node's kept tail has followed already are dropped instead: the vector is stale then, and made anew when it is next needed.

A *leg* is what a node holds in one foreign currency: its own vector in that currency, so that a rate's move is one pass over the leg.

Tables are int64 with named columns, because a kernel call costs a little for every array it is given.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# instrument table [N, 5]
FIRST: Final = 0  # first holding, -1 if none
CURRENCY: Final = 1
RATE_OF: Final = 2  # currency whose rate is this price, -1 if none
ABSOLUTE: Final = 3  # 1: shocks are price differences
CASH: Final = 4  # column of the cash of its currency
# holding table [H, 5]: linked lists of the holders of an instrument, and of the holdings of a node
NEXT: Final = 0  # next holding of the same instrument, -1 at the end
NODE: Final = 1
INSTRUMENT: Final = 2
QUANTITY: Final = 3  # millionths
NEXT_OF_NODE: Final = 4  # next holding of the same node, -1 at the end
# node table [P, 8 + K]
NODE_CURRENCY: Final = 0
GROUP: Final = 1  # row of shocks
DIRTY: Final = 2
WAITING: Final = 3  # pending rows
SEEN: Final = 4  # how many of them the node's kept tail follows already, -1 if it must be read from the vector again
STALE: Final = 5  # 1: the vector misses dropped rows; below 0: how many more full lists are added before any is dropped
FIRST_OF_NODE: Final = 6  # first holding, -1 if none
LEGS: Final = 7  # number of legs
LEG: Final = 8  # LEG + k: leg in currency k, -1 if none
# leg table [L, 2]
LEG_NODE: Final = 0
LEG_CURRENCY: Final = 1
# node state float64[P, 5]; a leg's state has VALUE and GROSS
VALUE: Final = 0  # market value, in the node's (the leg's) currency
GROSS: Final = 1  # sum of absolute holdings' values
WEAR: Final = 2  # gross before and after each update since the last rebuild, summed: bounds rounding
SLACK: Final = 3  # most that any scenario can have lost since the tail was last selected
BOUND: Final = 4  # what every scenario outside the kept tail was worth at least, at that selection
# bounds float64[G, N, 2]
FALL: Final = 0  # largest loss per unit of exposure
RISE: Final = 1

PENDING: Final = 16
"""Rows of one node that may wait."""
_PATIENCE: Final = 256  # full lists added after a vector was restored for want of room: restoring stays rare in bursts
WORN: Final = 100_000.0
"""Wear over gross that asks for a rebuild: rounding is then below 1e-10 of gross times the largest shock."""

Tables = tuple[Integers, Integers, Integers, Integers]
"""instrument, holding, node, leg."""
States = tuple[Floats, Floats, Floats, Floats, Floats, Floats, Integers, Floats]
"""price[N], fx_to_base[K], state[P, 5], leg_state[L, 2], vector[P, S], leg_vector[L, S], pending_row[P, B], pending_size[P, B]."""

_SCALE: Final = float(QUANTITY_SCALE)
_FAST: Final = {"reassoc", "nsz", "contract", "nnan"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def axpy(vector: Floats, p: int, shocks: Floats, g: int, j: int, size: float) -> None:
    """Add size * shocks[g, j] to vector[p]."""
    for s in range(vector.shape[1]):
        vector[p, s] += size * shocks[g, j, s]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _axpy4(vector: Floats, p: int, shocks: Floats, g: int, row: Integers, size: Floats, q: int) -> None:
    """Add four pending rows, q to q + 3."""
    j0, j1, j2, j3 = row[p, q], row[p, q + 1], row[p, q + 2], row[p, q + 3]
    a0, a1, a2, a3 = size[p, q], size[p, q + 1], size[p, q + 2], size[p, q + 3]
    for s in range(vector.shape[1]):
        vector[p, s] += (a0 * shocks[g, j0, s] + a1 * shocks[g, j1, s]) + (a2 * shocks[g, j2, s] + a3 * shocks[g, j3, s])


@njit(cache=True, nogil=True)
def flush(p: int, shocks: Floats, nodes: Integers, vector: Floats, pending_row: Integers, pending_size: Floats) -> None:
    """Add a node's pending rows to its vector. Whole arrays and indices, no slices: a slice is reference-counted, and that is slow."""
    waiting, g = nodes[p, WAITING], nodes[p, GROUP]
    nodes[p, SEEN] = 0 if nodes[p, SEEN] == waiting else -1
    nodes[p, WAITING] = 0
    if waiting == 1:
        axpy(vector, p, shocks, g, pending_row[p, 0], pending_size[p, 0])
        return
    for q in range(waiting, waiting + (-waiting) % 4):
        pending_row[p, q], pending_size[p, q] = pending_row[p, 0], 0.0
    for q in range(0, waiting, 4):
        _axpy4(vector, p, shocks, g, pending_row, pending_size, q)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _scale_leg(vector: Floats, p: int, legs: Floats, leg: int, change: float) -> float:
    """Add change * legs[leg] to vector[p]; return the most that any scenario lost."""
    lowest = 0.0
    for s in range(vector.shape[1]):
        move = change * legs[leg, s]
        vector[p, s] += move
        lowest = min(lowest, move)
    return -lowest


@njit(cache=True, nogil=True)
def _rate(fx_to_base: Floats, of: int, into: int) -> float:
    """Return units of currency `into` for one of `of`; 0 while either has no rate."""
    if of == into:
        return 1.0
    return fx_to_base[of] / fx_to_base[into] if fx_to_base[into] != 0.0 else 0.0


@njit(cache=True, nogil=True)
def restore(p: int, shocks: Floats, tables: Tables, states: States) -> None:
    """Make a node's vector anew from its holdings at present prices; its kept tail must then be read again."""
    instruments, holdings, nodes, _ = tables
    price, fx_to_base, _, _, vector, _, pending_row, pending_size = states
    vector[p, :] = 0.0
    nodes[p, WAITING], nodes[p, STALE] = 0, 0
    h = nodes[p, FIRST_OF_NODE]
    while h >= 0:
        if holdings[h, QUANTITY] != 0:
            j = holdings[h, INSTRUMENT]
            at, absolute = instruments[j, CURRENCY], instruments[j, ABSOLUTE] != 0
            rate, units = _rate(fx_to_base, at, nodes[p, NODE_CURRENCY]), holdings[h, QUANTITY] / _SCALE
            for part in range(2):
                if part == 0:
                    row, size = j, units * rate * (1.0 if absolute else price[j])
                else:
                    row, size = instruments[j, CASH], units * rate * price[j] if absolute and nodes[p, LEG + at] >= 0 else 0.0
                if size == 0.0:
                    continue
                if nodes[p, WAITING] == PENDING:
                    flush(p, shocks, nodes, vector, pending_row, pending_size)
                pending_row[p, nodes[p, WAITING]], pending_size[p, nodes[p, WAITING]] = row, size
                nodes[p, WAITING] += 1
        h = holdings[h, NEXT_OF_NODE]
    flush(p, shocks, nodes, vector, pending_row, pending_size)
    nodes[p, SEEN] = -1


@njit(cache=True, nogil=True)
def _make_room(p: int, shocks: Floats, tables: Tables, states: States) -> int:
    """Make room in a node's full list; return how many rows still wait.

    Rows that the kept tail follows are dropped, and the vector goes stale; unless there are none, or a leg's moves need the vector whole.
    """
    nodes = tables[2]
    vector, pending_row, pending_size = states[4], states[6], states[7]
    seen = nodes[p, SEEN]
    if seen > 0 and nodes[p, LEGS] == 0 and nodes[p, STALE] >= 0:
        for q in range(PENDING - seen):
            pending_row[p, q], pending_size[p, q] = pending_row[p, q + seen], pending_size[p, q + seen]
        nodes[p, STALE], nodes[p, SEEN], nodes[p, WAITING] = 1, 0, PENDING - seen
    elif nodes[p, STALE] > 0:
        restore(p, shocks, tables, states)
        nodes[p, STALE] = -_PATIENCE
    else:
        flush(p, shocks, nodes, vector, pending_row, pending_size)
        nodes[p, STALE] = min(0, nodes[p, STALE] + 1)
    return int(nodes[p, WAITING])


@njit(cache=True, nogil=True)
def apply(
    column: Integers,
    price: Floats,
    holding: Integers,
    quantity: Integers,
    shocks: Floats,
    bounds: Floats,
    tables: Tables,
    states: States,
) -> bool:
    """Apply moves in order, and return whether some node needs a rebuild.

    Move i takes instrument `column[i]` to `price[i]`. With `holding` empty it is a tick: every holder keeps its quantity, the price is
    stored and, for an FX instrument, every leg in its currency and every leg of nodes valued in it is repriced. Otherwise only
    `holding[i]` moves, to `quantity[i]` as well, and the caller sees to the price.
    """
    instruments, holdings, nodes, legs = tables
    last, fx_to_base, state, leg_state, vector, leg_vector, pending_row, pending_size = states
    ticking, worn = holding.size == 0, False
    for i in range(column.size):
        j, new = column[i], price[i]
        at, old = instruments[j, CURRENCY], last[j]
        absolute = instruments[j, ABSOLUTE] != 0
        if ticking and new == old:
            continue
        h = instruments[j, FIRST] if ticking else holding[i]
        while h >= 0:
            was = holdings[h, QUANTITY]
            now = was if ticking else quantity[i]
            if was != 0 or now != 0:
                p = holdings[h, NODE]
                g, leg = nodes[p, GROUP], nodes[p, LEG + at]
                rate = _rate(fx_to_base, at, nodes[p, NODE_CURRENCY])
                before, after = was / _SCALE * old, now / _SCALE * new
                change, grown = after - before, abs(after) - abs(before)
                gross = state[p, GROSS] + grown * rate
                state[p, VALUE] += change * rate
                state[p, WEAR] += state[p, GROSS] + gross
                state[p, GROSS] = gross
                worn = worn or state[p, WEAR] > WORN * gross
                nodes[p, DIRTY] = 1
                if leg >= 0:
                    leg_state[leg, VALUE] += change
                    leg_state[leg, GROSS] += grown
                for part in range(2):
                    # an absolute shock scales with units, and the value moves with the currency: a second exposure, to cash
                    if part == 0:
                        row, amount = j, (now - was) / _SCALE if absolute else change
                    else:
                        row, amount = instruments[j, CASH], change if absolute and leg >= 0 else 0.0
                    if amount == 0.0:
                        continue
                    size = amount * rate
                    state[p, SLACK] += size * bounds[g, row, FALL] if size > 0.0 else -size * bounds[g, row, RISE]
                    if leg >= 0:
                        axpy(leg_vector, leg, shocks, g, row, amount)
                    waiting = nodes[p, WAITING]
                    if waiting == PENDING:
                        waiting = _make_room(p, shocks, tables, states)
                    pending_row[p, waiting], pending_size[p, waiting] = row, size
                    nodes[p, WAITING] = waiting + 1
                if not ticking:
                    holdings[h, QUANTITY] = now
            h = holdings[h, NEXT] if ticking else -1
        if not ticking:
            continue
        last[j] = new
        k = instruments[j, RATE_OF]
        if k < 0:
            continue
        previous = fx_to_base[k]
        for leg in range(legs.shape[0]):
            p, of = legs[leg, LEG_NODE], legs[leg, LEG_CURRENCY]
            into = nodes[p, NODE_CURRENCY]
            if of == k or into == k:
                fx_to_base[k] = previous
                change = -_rate(fx_to_base, of, into)
                fx_to_base[k] = new
                change += _rate(fx_to_base, of, into)
                state[p, SLACK] += _scale_leg(vector, p, leg_vector, leg, change)
                state[p, VALUE] += change * leg_state[leg, VALUE]
                gross = state[p, GROSS] + change * leg_state[leg, GROSS]
                state[p, WEAR] += state[p, GROSS] + gross
                state[p, GROSS] = gross
                worn = worn or state[p, WEAR] > WORN * gross
                nodes[p, DIRTY], nodes[p, SEEN] = 1, -1
        fx_to_base[k] = new
    return worn


@njit(cache=True, nogil=True)
def settle(shocks: Floats, tables: Tables, states: States) -> None:
    """Bring every vector up to date."""
    _, _, nodes, _ = tables
    _, _, _, _, vector, _, pending_row, pending_size = states
    for p in range(nodes.shape[0]):
        if nodes[p, STALE] > 0:
            restore(p, shocks, tables, states)
        else:
            flush(p, shocks, nodes, vector, pending_row, pending_size)


@njit(cache=True, nogil=True)
def roll(slot: int, column: Floats, shocks: Floats, bounds: Floats, tables: Tables, states: States) -> None:
    """Replace scenario `slot` by new shocks float64[G, N] in every vector: O(holdings). Nothing may be pending."""
    instruments, holdings, nodes, _ = tables
    price, fx_to_base, _, _, vector, leg_vector, _, _ = states
    for g in range(column.shape[0]):
        for j in range(column.shape[1]):
            shocks[g, j, slot] = column[g, j]
            bounds[g, j, FALL] = max(bounds[g, j, FALL], -column[g, j])
            bounds[g, j, RISE] = max(bounds[g, j, RISE], column[g, j])
    vector[:, slot] = 0.0
    leg_vector[:, slot] = 0.0
    nodes[:, DIRTY] = 1
    for h in range(holdings.shape[0]):
        if holdings[h, QUANTITY] != 0:
            p, j = holdings[h, NODE], holdings[h, INSTRUMENT]
            g, at, absolute = nodes[p, GROUP], instruments[j, CURRENCY], instruments[j, ABSOLUTE] != 0
            leg, units = nodes[p, LEG + at], holdings[h, QUANTITY] / _SCALE
            gain = units * (1.0 if absolute else price[j]) * column[g, j]
            if leg >= 0:
                if absolute:
                    gain += units * price[j] * column[g, instruments[j, CASH]]
                leg_vector[leg, slot] += gain
            vector[p, slot] += gain * _rate(fx_to_base, at, nodes[p, NODE_CURRENCY])
