"""Live measures: a sorted tail of each P&L vector, kept between ticks with a certificate that it still is the tail."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.engine.kernels.tail import MASS_SLACK, lowest
from risk_core.engine.kernels.updates import BOUND, SLACK, States, flush

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LivePlan = tuple[Floats, Integers, Integers, Integers, Floats, Integers]
"""weights[W, S] by slot, runs[W, 2, 2] of slots that matter, tail_row[E] of weights, methods[M, 2], levels[C, 3], order[C]."""
TAIL_OF: Final = 0  # methods: which kept tail it reads, -1 if normal
WEIGHT_OF: Final = 1  # methods: which weights
TAIL: Final = 0  # levels: 1 - confidence
QUANTILE: Final = 1  # levels: normal quantile
DENSITY: Final = 2  # levels: normal expected shortfall

Tails = tuple[Integers, Floats, Integers, Integers, Floats]
"""slot[P, S], slot_weight[P, E, S], size[P, 2], cut[P, E, C], rest[P, E, C]: each node's lowest scenarios, sorted, with their weights;
where each tail ends and the weight left for its last scenario."""
KEPT: Final = 0  # size: scenarios kept, 0 if none are
NEEDED: Final = 1  # size: of which the widest tail reads

Scratch = tuple[Floats, Integers, Floats, Integers]

_FAST: Final = {"reassoc", "nsz", "contract", "nnan"}
_MARGIN: Final = 16  # scenarios kept beyond those needed, at least; or half as many again


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
def _weighted(weight: Floats, value: Floats, first: int, last: int) -> float:
    """Return the sum of weight * value over [first, last)."""
    total = 0.0
    w, v = weight[first:last], value[first:last]  # slices start at 0: a loop that cannot see a negative index is vectorised
    for i in range(w.size):
        total += w[i] * v[i]
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _squares(weight: Floats, vector: Floats, first: int, last: int) -> float:
    """Return the sum of weight * vector² over [first, last)."""
    total = 0.0
    w, v = weight[first:last], vector[first:last]
    for s in range(w.size):
        total += w[s] * (v[s] * v[s])
    return total


@njit(cache=True, nogil=True)
def _gather(vector: Floats, slot: Integers, count: int, value: Floats) -> int:
    """Read the kept scenarios' present values; return how many neighbours are out of order."""
    for i in range(count):
        value[i] = vector[slot[i]]
    falls = 0
    for i in range(count - 1):
        falls += 1 if value[i] > value[i + 1] else 0
    return falls


@njit(cache=True, nogil=True)
def _resort(value: Floats, slot: Integers, count: int) -> None:
    """Insertion sort of nearly sorted entries."""
    for i in range(1, count):
        x, k, at = value[i], slot[i], i
        while at > 0 and value[at - 1] > x:
            value[at], slot[at] = value[at - 1], slot[at - 1]
            at -= 1
        value[at], slot[at] = x, k


@njit(cache=True, nogil=True)
def _cut_all(p: int, plan: LivePlan, tails: Tails) -> int:
    """Refresh a node's kept weights and cuts from its kept slots; return entries needed, or 0 if some tail is too short."""
    weights, _, tail_row, _, levels, order = plan
    slot, slot_weight, size, cut, rest = tails
    needed, count = 0, size[p, KEPT]
    for e in range(tail_row.size):
        for q in range(count):
            slot_weight[p, e, q] = weights[tail_row[e], slot[p, q]]
        depth = _cut(slot_weight[p, e], count, count == slot.shape[1], levels[:, TAIL], order, cut[p, e], rest[p, e])
        if depth == 0:
            return 0
        needed = max(needed, depth)
    return needed


@njit(cache=True, nogil=True)
def _select(p: int, vector: Floats, scratch: Scratch, plan: LivePlan, tails: Tails) -> float:
    """Select a node's tail anew, its lowest scenarios sorted; return the bound that all others respect."""
    value, index, spare, spare_index = scratch
    slot, _, size, _, _ = tails
    guess = size[p, NEEDED]
    while True:
        wanted = min(vector.size, guess + max(_MARGIN, guess // 2))
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
def live_measures(which: Integers, shocks: Floats, nodes: Integers, states: States, plan: LivePlan, tails: Tails) -> tuple[Floats, Floats]:
    """Value at risk and expected shortfall of some nodes, exact on their present vectors; pending rows are added first.

    Each node keeps its lowest scenarios sorted, with a lower bound on all others. Since that selection every scenario lost at most the
    node's slack, so the kept ones are the true tail while the last one needed lies at or below bound - slack; otherwise they are
    selected again.

    Parameters
    ----------
    which : int64[n]
        Nodes.
    shocks : float64[G, N, S]
    nodes, states
        Of `updates`; SLACK and BOUND belong to the kept tail.
    plan, tails
        Arrays in the order of `LivePlan` and `Tails`.

    Returns
    -------
    value_at_risk, expected_shortfall : float64[n, M, C]
        Loss positive, never clipped.
    """
    weights, runs, tail_row, methods, levels, order = plan
    _, _, state, _, vectors, _, pending_row, pending_size = states
    slot, slot_weight, size, cut, rest = tails
    scenarios = vectors.shape[1]
    shape = (which.size, methods.shape[0], order.size)
    var, es = np.empty(shape), np.empty(shape)
    value = np.empty(scenarios)
    scratch = (value, np.empty(scenarios, np.int64), np.empty(scenarios), np.empty(scenarios, np.int64))
    for i in range(which.size):
        p = which[i]
        flush(p, shocks, nodes, vectors, pending_row, pending_size)
        vector = vectors[p]
        if tail_row.size > 0:
            valid = size[p, KEPT] > 0
            if valid and _gather(vector, slot[p], size[p, KEPT], value) > 0:
                _resort(value, slot[p], size[p, KEPT])
                depth = _cut_all(p, plan, tails)
                valid = depth > 0
                size[p, NEEDED] = depth if valid else size[p, NEEDED]
            if not valid or value[size[p, NEEDED] - 1] > state[p, BOUND] - state[p, SLACK] * (1.0 + 1e-9):
                state[p, BOUND] = _select(p, vector, scratch, plan, tails)
                state[p, SLACK] = 0.0
        for m in range(methods.shape[0]):
            e, row = methods[m, TAIL_OF], methods[m, WEIGHT_OF]
            if e >= 0:
                total, first = 0.0, 0
                for q in range(order.size):
                    c = order[q]
                    k = cut[p, e, c]
                    total += _weighted(slot_weight[p, e], value, first, k)
                    first = k
                    var[i, m, c] = 0.0 - value[k]
                    es[i, m, c] = 0.0 - (total + rest[p, e, c] * value[k]) / levels[c, TAIL]
            else:
                square = _squares(weights[row], vector, runs[row, 0, 0], runs[row, 0, 1])
                square += _squares(weights[row], vector, runs[row, 1, 0], runs[row, 1, 1])
                sigma = math.sqrt(square)
                for c in range(order.size):
                    var[i, m, c], es[i, m, c] = levels[c, QUANTILE] * sigma, levels[c, DENSITY] * sigma
    return var, es
