"""Order statistics of P&L vectors: the canonical evaluation, and the live measures that keep a sorted tail between ticks."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

MASS_SLACK: Final = 1e-12
"""A tail is reached when cumulative weight >= (1 - confidence) - MASS_SLACK: rounding of weights never moves an order statistic."""

SLACK: Final = 3
"""Column of a node's state that bounds what any scenario lost since its tail was selected; as in `updates`."""

LivePlan = tuple[Floats, Integers, Integers, Integers, Integers, Floats, Integers, Floats, Floats]
"""weights[W, S] by slot, runs[W, 2, 2] of slots that matter, tail_row[E] of weights, tail_of[M] (-1: normal), weight_of[M], tail[C],
order[C], quantile[C], density[C]."""
Tails = tuple[Integers, Floats, Integers, Integers, Floats, Integers, Floats]
"""slot[P, S], weight[P, E, S], count[P], needed[P], bound[P], cut[P, E, C], rest[P, E, C]: each node's kept tail."""

_FAST: Final = {"reassoc", "nsz", "contract", "nnan"}
_MARGIN: Final = 16  # scenarios kept beyond the ones needed, at least; at most half as many again
_RUN: Final = 8  # presorted run of the merge sort
_SAMPLE: Final = 64  # sampled scenarios that guess the tail's threshold


@njit(cache=True, nogil=True)
def _sort_pairs(value: Floats, index: Integers, count: int, spare_value: Floats, spare_index: Integers) -> None:
    """Stable merge sort of the first `count` pairs by value, in place."""
    for first in range(0, count, _RUN):
        for i in range(first + 1, min(count, first + _RUN)):
            x, k, at = value[i], index[i], i
            while at > first and value[at - 1] > x:
                value[at], index[at] = value[at - 1], index[at - 1]
                at -= 1
            value[at], index[at] = x, k
    width = _RUN
    while width < count:
        for first in range(0, count, 2 * width):
            middle, last = min(count, first + width), min(count, first + 2 * width)
            a, b = first, middle
            for i in range(first, last):
                if a < middle and (b >= last or value[a] <= value[b]):
                    spare_value[i], spare_index[i] = value[a], index[a]
                    a += 1
                else:
                    spare_value[i], spare_index[i] = value[b], index[b]
                    b += 1
        for i in range(count):
            value[i], index[i] = spare_value[i], spare_index[i]
        width *= 2


@njit(cache=True, nogil=True)
def _lowest(vector: Floats, wanted: int, value: Floats, index: Integers, spare_value: Floats, spare_index: Integers) -> int:
    """Put the lowest entries of `vector`, sorted by (value, position), into (value, index); return how many: >= `wanted`, or all.

    A sample guesses a threshold and every entry at or below it is taken, so what is returned is always a prefix of the full stable order.
    """
    size = vector.size
    stride = max(1, size // _SAMPLE)
    sampled = size // stride
    for i in range(sampled):
        x, at = vector[i * stride], i
        while at > 0 and spare_value[at - 1] > x:
            spare_value[at] = spare_value[at - 1]
            at -= 1
        spare_value[at] = x
    rank = wanted * sampled // size + 1
    while True:
        threshold = spare_value[rank] if rank < sampled else np.inf
        count = 0
        for s in range(size):
            x = vector[s]
            value[count], index[count] = x, s
            count += 1 if x <= threshold else 0
        if count >= wanted or rank >= sampled:
            break
        rank += 2 + rank // 2
    _sort_pairs(value, index, count, spare_value, spare_index)
    return count


@njit(cache=True, nogil=True)
def _read_tail(value: Floats, index: Integers, count: int, weight: Floats, tail: Floats, order: Integers, var: Floats, es: Floats) -> bool:
    """Walk sorted (value, index) until every tail is filled; return whether `count` entries were enough."""
    reached, mass, total = 0, 0.0, 0.0
    for i in range(count):
        x, w = value[i], weight[index[i]]
        beyond = mass + w
        last = i == weight.size - 1
        while reached < order.size and (last or beyond >= tail[order[reached]] - MASS_SLACK):
            c = order[reached]
            var[c] = 0.0 - x
            es[c] = 0.0 - (total + (tail[c] - mass) * x) / tail[c]
            reached += 1
        if reached == order.size:
            return True
        mass = beyond
        total += w * x
    return False


@njit(cache=True, nogil=True)
def evaluate(
    vectors: Floats,
    age_order: Integers,
    weights: Floats,
    empirical: Flags,
    weight_of: Integers,
    tail: Floats,
    order: Integers,
    quantile: Floats,
    density: Floats,
) -> tuple[Floats, Floats]:
    """Value at risk and expected shortfall of each vector by every method and confidence of a plan.

    Empirical: the vector is ordered by (value, age); VaR is the loss at the first entry where cumulative weight reaches
    1 - confidence, ES is the mean loss of the 1 - confidence worst weight, the VaR entry taken with the fraction that is left.
    Normal: sigma² = sum over age of w v v, VaR = quantile * sigma, ES = density * sigma.

    Parameters
    ----------
    vectors : float64[P, S]
        P&L by scenario slot, gains positive.
    age_order : int64[S]
        Slot of age 0 (newest), 1, …: the outcome depends on ages only, not on where a ring buffer stands.
    weights, empirical, weight_of, tail, order, quantile, density
        `MeasurePlan.arrays`: float64[W, S] by age, bool[M], int64[M], float64[C], int64[C], float64[C], float64[C].

    Returns
    -------
    value_at_risk, expected_shortfall : float64[P, M, C]
        Loss positive, never clipped.
    """
    nodes, scenarios = vectors.shape
    methods, levels = weight_of.size, tail.size
    var, es = np.full((nodes, methods, levels), np.nan), np.full((nodes, methods, levels), np.nan)
    aged = np.empty(scenarios)
    value, index = np.empty(scenarios), np.empty(scenarios, np.int64)
    spare_value, spare_index = np.empty(scenarios), np.empty(scenarios, np.int64)
    start = min(scenarios, 2 * int(tail[order[levels - 1]] * scenarios) + 8)
    for p in range(nodes):
        for a in range(scenarios):
            aged[a] = vectors[p, age_order[a]]
        wanted, count = start, 0
        for m in range(methods):
            weight = weights[weight_of[m]]
            if empirical[m]:
                if count == 0:
                    count = _lowest(aged, wanted, value, index, spare_value, spare_index)
                while not _read_tail(value, index, count, weight, tail, order, var[p, m], es[p, m]) and wanted < scenarios:
                    wanted = min(scenarios, 2 * wanted)
                    count = _lowest(aged, wanted, value, index, spare_value, spare_index)
            else:
                square = 0.0
                for a in range(scenarios):
                    square += weight[a] * aged[a] * aged[a]
                sigma = math.sqrt(square)
                for c in range(levels):
                    var[p, m, c] = quantile[c] * sigma
                    es[p, m, c] = density[c] * sigma
    return var, es


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
    for i in range(first, last):
        total += weight[i] * value[i]
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def _squares(weight: Floats, vector: Floats, first: int, last: int) -> float:
    """Return the sum of weight * vector² over [first, last)."""
    total = 0.0
    for s in range(first, last):
        total += weight[s] * (vector[s] * vector[s])
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
def _cut_all(p: int, complete: bool, plan: LivePlan, tails: Tails) -> int:
    """Refresh a node's kept weights and cuts from its kept slots; return entries needed, or 0 if some tail is too short."""
    weights, _, tail_row, _, _, tail, order, _, _ = plan
    kept, kept_weight, kept_count, _, _, cut, rest = tails
    needed = 0
    for e in range(tail_row.size):
        for q in range(kept_count[p]):
            kept_weight[p, e, q] = weights[tail_row[e], kept[p, q]]
        depth = _cut(kept_weight[p, e], kept_count[p], complete, tail, order, cut[p, e], rest[p, e])
        if depth == 0:
            return 0
        needed = max(needed, depth)
    return needed


@njit(cache=True, nogil=True)
def _select(
    p: int, vector: Floats, value: Floats, index: Integers, spare: Floats, spare_index: Integers, plan: LivePlan, tails: Tails
) -> None:
    """Select a node's tail anew: its lowest scenarios, sorted, and the bound that all others respect."""
    kept, _, kept_count, needed, bound, _, _ = tails
    guess, depth = needed[p], 0
    while depth == 0:
        wanted = min(vector.size, guess + max(_MARGIN, guess // 2))
        found = _lowest(vector, min(vector.size, wanted + 1), value, index, spare, spare_index)
        kept_count[p] = wanted if found > wanted else found
        bound[p] = value[wanted] if found > wanted else np.inf
        for q in range(kept_count[p]):
            kept[p, q] = index[q]
        depth = _cut_all(p, wanted == vector.size, plan, tails)
        guess = wanted
    needed[p] = depth


@njit(cache=True, nogil=True)
def live_measures(which: Integers, vectors: Floats, state: Floats, plan: LivePlan, tails: Tails) -> tuple[Floats, Floats]:
    """Value at risk and expected shortfall of some nodes, exact on their present vectors.

    Each node keeps its lowest scenarios sorted, with a lower bound on all others. Since that selection every scenario lost at most the
    node's slack, so the kept ones are the true tail while the last one needed lies at or below bound - slack; otherwise they are
    selected again. `tests/unit/engine/test_live.py` holds it against `evaluate`.

    Parameters
    ----------
    which : int64[n]
        Nodes.
    vectors : float64[P, S]
        By slot.
    state : float64[P, 4]
        Node state: column SLACK is read, and set to zero at a selection.
    plan, tails
        Arrays in the order of `LivePlan` and `Tails`.

    Returns
    -------
    value_at_risk, expected_shortfall : float64[n, M, C]
        Loss positive, never clipped.
    """
    weights, runs, tail_row, tail_of, weight_of, tail, order, quantile, density = plan
    _, kept_weight, kept_count, needed, bound, cut, rest = tails
    scenarios, methods, levels = vectors.shape[1], weight_of.size, tail.size
    var, es = np.empty((which.size, methods, levels)), np.empty((which.size, methods, levels))
    value, index = np.empty(scenarios), np.empty(scenarios, np.int64)
    spare, spare_index = np.empty(scenarios), np.empty(scenarios, np.int64)
    for i in range(which.size):
        p = which[i]
        vector = vectors[p]
        if tail_row.size > 0:
            valid = kept_count[p] > 0
            if valid and _gather(vector, tails[0][p], kept_count[p], value) > 0:
                _resort(value, tails[0][p], kept_count[p])
                depth = _cut_all(p, kept_count[p] == scenarios, plan, tails)
                valid = depth > 0
                needed[p] = depth if valid else needed[p]
            if not valid or value[needed[p] - 1] > bound[p] - state[p, SLACK] * (1.0 + 1e-9):
                _select(p, vector, value, index, spare, spare_index, plan, tails)
                state[p, SLACK] = 0.0
        for m in range(methods):
            e = tail_of[m]
            if e >= 0:
                total, first = 0.0, 0
                for q in range(levels):
                    c = order[q]
                    k = cut[p, e, c]
                    total += _weighted(kept_weight[p, e], value, first, k)
                    first = k
                    var[i, m, c] = 0.0 - value[k]
                    es[i, m, c] = 0.0 - (total + rest[p, e, c] * value[k]) / tail[c]
            else:
                row = weight_of[m]
                square = _squares(weights[row], vector, runs[row, 0, 0], runs[row, 0, 1])
                square += _squares(weights[row], vector, runs[row, 1, 0], runs[row, 1, 1])
                sigma = math.sqrt(square)
                for c in range(levels):
                    var[i, m, c], es[i, m, c] = quantile[c] * sigma, density[c] * sigma
    return var, es
