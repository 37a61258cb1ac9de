"""Live measures: a sorted tail of each P&L vector, kept between ticks with a certificate that it still is the tail."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.conventions import MASS_SLACK
from risk_core.engine.kernels.tail import lowest
from risk_core.engine.kernels.updates import BOUND, GROUP, SEEN, SLACK, STALE, WAITING, States, Tables, flush, restore

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Slots = NDArray[np.uint32]

LivePlan = tuple[Floats, Integers, Integers, Integers, Floats, Integers]
"""weights[W, S] by slot, runs[W, 2, 2] of slots that matter, tail_row[E] of weights, methods[M, 2], levels[C, 4], order[C]."""
TAIL_OF: Final = 0  # methods: which kept tail it reads, -1 if normal
WEIGHT_OF: Final = 1  # methods: which weights
TAIL: Final = 0  # levels: 1 - confidence
QUANTILE: Final = 1  # levels: normal quantile
DENSITY: Final = 2  # levels: normal expected shortfall
PER_TAIL: Final = 3  # levels: 1 / (1 - confidence)

Tails = tuple[Slots, Floats, Floats, Integers, Integers, Floats]
"""slot[P, D], slot_value[P, D], slot_weight[P, E, D], size[P, 2], cut[P, E, C], rest[P, E, C]: each node's lowest scenarios, sorted, with
their weights; where each tail ends and the weight left for its last scenario. Values are kept only where no method reads whole vectors."""
KEPT: Final = 0  # size: scenarios kept, 0 if none are
NEEDED: Final = 1  # size: of which the widest tail reads

_FAST: Final = {"reassoc", "nsz", "contract", "nnan"}
_MARGIN: Final = 12  # scenarios kept beyond those needed, at least; or a quarter more


@njit(cache=True, nogil=True)
def _cut(weight: Floats, count: int, complete: bool, tail: Floats, order: Integers, cut: Integers, rest: Floats) -> int:
    """Find where each tail ends in sorted weights: position and the weight left for it; return entries needed, or 0 if too few."""
    reached, mass = 0, 0.0
    for i in range(count):
        beyond = mass + weight[i]
        last = complete and i == count - 1
        while reached < order.size and (last or beyond >= tail[order[reached]] - MASS_SLACK):
            cut[order[reached]], rest[order[reached]] = i, tail[order[reached]] - mass
            reached += 1
        if reached == order.size:
            return i + 1
        mass = beyond
    return 0


@njit(cache=True, nogil=True, fastmath=_FAST)
def _axpy_squares(vector: Floats, p: int, shocks: Floats, g: int, j: int, size: float, weight: Floats, row: int) -> float:
    """Add size * shocks[g, j] to vector[p] and return the sum of weight[row] * vector[p]², in one pass."""
    total = 0.0
    for s in range(vector.shape[1]):
        x = vector[p, s] + size * shocks[g, j, s]
        vector[p, s] = x
        total += weight[row, s] * (x * x)
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _squares(weight: Floats, row: int, vector: Floats, p: int, first: int, last: int) -> float:
    """Return the sum of weight[row] * vector[p]² over [first, last)."""
    total = 0.0
    for s in range(np.uint64(first), np.uint64(last)):  # unsigned: no negative index to look for, so the loop is vectorised
        total += weight[row, s] * (vector[p, s] * vector[p, s])
    return total


@njit(cache=True, nogil=True, fastmath={"contract"})
def _running(weight: Floats, p: int, e: int, value: Floats, count: int, total: Floats) -> None:
    """Put the sums of weight[p, e] * value before each of `count` entries into total[e].

    Two sums run side by side to hide the latency of an addition; `reassoc` would let the compiler join them again.
    """
    even, odd, one = 0.0, 0.0, np.uint64(1)
    for q in range(np.uint64(0), np.uint64(count - count % 2), np.uint64(2)):  # unsigned: no negative index to look for
        total[e, q] = even + odd
        even += weight[p, e, q] * value[q]
        total[e, q + one] = even + odd
        odd += weight[p, e, q + one] * value[q + one]
    if count % 2 == 1:
        total[e, count - 1] = even + odd


@njit(cache=True, nogil=True)
def _gather(vector: Floats, p: int, slot: Slots, count: int, value: Floats) -> int:
    """Read the kept scenarios' present values; return how many neighbours are out of order."""
    for i in range(count):
        value[i] = vector[p, slot[p, i]]
    return _falls(value, count)


@njit(cache=True, nogil=True)
def _falls(value: Floats, count: int) -> int:
    falls = 0
    for i in range(count - 1):
        falls += 1 if value[i] > value[i + 1] else 0
    return falls


@njit(inline="always")  # twelve arguments cost more to pass than their arithmetic
def _follow(
    p: int,
    g: int,
    seen: int,
    waiting: int,
    shocks: Floats,
    vector: Floats,
    pending_row: Integers,
    pending_size: Floats,
    slot: Slots,
    slot_value: Floats,
    count: int,
    value: Floats,
) -> int:
    """Bring the kept values up to date with pending rows, without touching the vector; return how many are out of order."""
    if seen < 0:
        for i in range(count):
            value[i] = vector[p, slot[p, i]]
    else:
        for i in range(count):
            value[i] = slot_value[p, i]
    for q in range(max(seen, 0), waiting):
        j, size = pending_row[p, q], pending_size[p, q]
        for i in range(count):
            value[i] += size * shocks[g, j, slot[p, i]]
    return _falls(value, count)


@njit(cache=True, nogil=True)
def _resort(value: Floats, slot: Slots, p: int, count: int) -> None:
    """Insertion sort of nearly sorted entries."""
    for i in range(1, count):
        x, k, at = value[i], slot[p, i], i
        while at > 0 and value[at - 1] > x:
            value[at], slot[p, at] = value[at - 1], slot[p, at - 1]
            at -= 1
        value[at], slot[p, at] = x, k


@njit(cache=True, nogil=True)
def _cut_all(p: int, plan: LivePlan, tails: Tails) -> int:
    """Refresh a node's kept weights and cuts from its kept slots; return entries needed, or 0 if some tail is too short."""
    weights, _, tail_row, _, levels, order = plan
    slot, _, slot_weight, size, cut, rest = tails
    needed, count = 0, size[p, KEPT]
    for e in range(tail_row.size):
        for q in range(count):
            slot_weight[p, e, q] = weights[tail_row[e], slot[p, q]]
        depth = _cut(slot_weight[p, e], count, count == weights.shape[1], levels[:, TAIL], order, cut[p, e], rest[p, e])
        if depth == 0:
            return 0
        needed = max(needed, depth)
    return needed


@njit(cache=True, nogil=True)
def _select(p: int, vector: Floats, value: Floats, plan: LivePlan, tails: Tails) -> float:
    """Select a node's tail anew, its lowest scenarios sorted into `value`; return the bound that all others respect.

    NaN if the tails have too little room: NEEDED then says how much is wanted, and nothing is kept.
    """
    slot, _, _, size, _, _ = tails
    index, spare, spare_index = np.empty(vector.size, np.int64), np.empty(vector.size), np.empty(vector.size, np.int64)
    guess = size[p, NEEDED]
    while True:
        wanted = min(vector.size, guess + max(_MARGIN, guess // 4))
        if wanted > slot.shape[1]:
            size[p, KEPT], size[p, NEEDED] = 0, wanted
            return np.nan
        found = lowest(vector, min(vector.size, wanted + 1), value, index, spare, spare_index)
        size[p, KEPT] = min(found, wanted)
        for q in range(size[p, KEPT]):
            slot[p, q] = index[q]
        depth = _cut_all(p, plan, tails)
        if depth > 0:
            size[p, NEEDED] = depth
            return value[wanted] if found > wanted else np.inf
        guess = wanted


@njit(cache=True, nogil=True)
def live_measures(
    which: Integers, shocks: Floats, tables: Tables, states: States, plan: LivePlan, tails: Tails
) -> tuple[Floats, Floats, int]:
    """Value at risk and expected shortfall of some nodes, exact on their present vectors, pending rows included.

    Each node keeps its lowest scenarios sorted, with a lower bound on all others. Since that selection every scenario lost at most the
    node's slack, so the kept ones are the true tail while the last one needed lies at or below bound - slack; otherwise they are
    selected again. Where no method reads whole vectors, pending rows are followed on the kept scenarios alone and the vector waits.

    Parameters
    ----------
    which : int64[n]
        Nodes.
    shocks : float64[G, N, S]
    tables, states
        Of `updates`.
    plan, tails
        Arrays in the order of `LivePlan` and `Tails`.

    Returns
    -------
    value_at_risk, expected_shortfall : float64[n, M, C]
        Loss positive, never clipped.
    room : int
        0, or the room that some node's tail needs: widen `tails` and call again.
    """
    weights, runs, tail_row, methods, levels, order = plan
    nodes = tables[2]
    _, _, state, _, vectors, _, pending_row, pending_size = states
    slot, slot_value, slot_weight, size, cut, rest = tails
    scenarios, count, tailed = vectors.shape[1], which.size, tail_row.size > 0
    shape = (count, methods.shape[0], order.size)
    var, es = np.empty(shape), np.empty(shape)
    value, total = np.empty(scenarios), np.empty((tail_row.size, scenarios))
    normal = -1  # weights of the first normal method: its sum of squares shares the pass that adds a single pending row
    for m in range(methods.shape[0]):
        normal = methods[m, WEIGHT_OF] if normal < 0 and methods[m, TAIL_OF] < 0 else normal
    # the scattered tables are read ahead, many nodes at once: in the loop below each would be waited for
    ahead, ahead_float = np.empty((count, 6), np.int64), np.empty((count, 2))
    for i in range(count):
        p = which[i]
        ahead[i, 0], ahead[i, 1], ahead[i, 2] = nodes[p, WAITING], nodes[p, GROUP], pending_row[p, 0]
        ahead[i, 3], ahead[i, 4], ahead[i, 5] = size[p, KEPT], size[p, NEEDED], nodes[p, SEEN]
        ahead_float[i, 0], ahead_float[i, 1] = pending_size[p, 0], state[p, BOUND] - state[p, SLACK] * (1.0 + 1e-9)
    for i in range(count):
        p = which[i]
        waiting, g, row, kept, needed = ahead[i, 0], ahead[i, 1], ahead[i, 2], ahead[i, 3], ahead[i, 4]
        row_size, limit = ahead_float[i, 0], ahead_float[i, 1]
        known, square = -1, 0.0
        if waiting == 1 and normal >= 0:
            square, known = _axpy_squares(vectors, p, shocks, g, row, row_size, weights, normal), normal
            nodes[p, WAITING] = 0
        elif normal >= 0:
            flush(p, shocks, nodes, vectors, pending_row, pending_size)
        if tailed:
            valid = kept > 0
            if valid and normal >= 0:
                falls = _gather(vectors, p, slot, kept, value)
            elif valid:
                seen = ahead[i, 5]
                falls = _follow(p, g, seen, waiting, shocks, vectors, pending_row, pending_size, slot, slot_value, kept, value)
                nodes[p, SEEN] = waiting
            if valid and falls > 0:
                _resort(value, slot, p, kept)
                depth = _cut_all(p, plan, tails)
                valid = depth > 0
                if valid:
                    needed = size[p, NEEDED] = depth
            if not valid or value[needed - 1] > limit:
                if nodes[p, STALE] > 0:
                    restore(p, shocks, tables, states)
                else:
                    flush(p, shocks, nodes, vectors, pending_row, pending_size)
                state[p, BOUND] = _select(p, vectors[p], value, plan, tails)
                state[p, SLACK] = 0.0
                needed, kept = size[p, NEEDED], size[p, KEPT]
                if math.isnan(state[p, BOUND]):
                    return var, es, needed
                nodes[p, SEEN] = 0
            if normal < 0:
                for q in range(kept):
                    slot_value[p, q] = value[q]
        for e in range(tail_row.size):
            _running(slot_weight, p, e, value, needed, total)
        for m in range(methods.shape[0]):
            e, w = methods[m, TAIL_OF], methods[m, WEIGHT_OF]
            if e >= 0:
                for c in range(order.size):
                    k = cut[p, e, c]
                    var[i, m, c] = 0.0 - value[k]
                    es[i, m, c] = 0.0 - (total[e, k] + rest[p, e, c] * value[k]) * levels[c, PER_TAIL]
                continue
            if w != known:
                square = _squares(weights, w, vectors, p, runs[w, 0, 0], runs[w, 0, 1])
                square += _squares(weights, w, vectors, p, runs[w, 1, 0], runs[w, 1, 1])
                known = w
            sigma = math.sqrt(square)
            for c in range(order.size):
                var[i, m, c], es[i, m, c] = levels[c, QUANTILE] * sigma, levels[c, DENSITY] * sigma
    return var, es, 0
