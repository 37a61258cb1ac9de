"""Order statistics of P&L vectors, and the canonical evaluation of VaR and ES from them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.conventions import MASS_SLACK

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

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
def lowest(vector: Floats, wanted: int, value: Floats, index: Integers, spare_value: Floats, spare_index: Integers) -> int:
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
                    count = lowest(aged, wanted, value, index, spare_value, spare_index)
                while not _read_tail(value, index, count, weight, tail, order, var[p, m], es[p, m]) and wanted < scenarios:
                    wanted = min(scenarios, 2 * wanted)
                    count = lowest(aged, wanted, value, index, spare_value, spare_index)
            else:
                square = 0.0
                for a in range(scenarios):
                    square += weight[a] * aged[a] * aged[a]
                sigma = math.sqrt(square)
                for c in range(levels):
                    var[p, m, c] = quantile[c] * sigma
                    es[p, m, c] = density[c] * sigma
    return var, es
