"""Compiled searches for the segmentation of a series with the least cost.

All costs here are functions of a segment's length and of sums of x and x². `sums` is float64[2, n + 1]: running sums of the two, from zero,
of a series that the caller has centred, so that differences of them keep their digits. Searches run in one fixed order: ties go to the
earliest change.
"""

from __future__ import annotations

from math import inf, log
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

L2, NORMAL, VARIANCE, POISSON = range(4)
_ROUNDING: Final = 1e-13
_REST: Final = 8
"""Ends between two looks for starts to drop: to look costs more than to keep a few too long."""


@njit(cache=True, nogil=True, error_model="numpy")
def cost_of(kind: int, count: float, total: float, squares: float, added: float) -> float:
    """Return the cost of a segment of `count` observations with these sums; `added` is a variance added under the logarithm."""
    if kind == L2:
        return squares - total * total / count
    if kind == NORMAL:
        return count * log(max((squares - total * total / count) / count, 0.0) + added)
    if kind == VARIANCE:
        return count * log(squares / count + added)
    return 0.0 if total <= 0.0 else 2.0 * total * (1.0 - log(total / count))


@njit(cache=True, nogil=True, error_model="numpy")
def segment_cost(kind: int, sums: Floats, start: int, end: int, added: float) -> float:
    """Return the cost of the observations start, ..., end - 1."""
    return cost_of(kind, float(end - start), sums[0, end] - sums[0, start], sums[1, end] - sums[1, start], added)


@njit(cache=True, nogil=True, error_model="numpy")
def total_cost(kind: int, sums: Floats, edges: Ints, added: float) -> float:
    """Return the cost of all segments between edges, first and last included."""
    total = 0.0
    for i in range(edges.shape[0] - 1):
        total += segment_cost(kind, sums, edges[i], edges[i + 1], added)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _least(value: Floats, count: int) -> int:
    """Return the first place of the least of `count` values, by four minima at a time."""
    a, b, c, d = inf, inf, inf, inf
    whole = count - count % 4
    for i in range(0, whole, 4):
        a, b = min(a, value[i]), min(b, value[i + 1])
        c, d = min(c, value[i + 2]), min(d, value[i + 3])
    low = min(min(a, b), min(c, d))
    for i in range(whole, count):
        low = min(low, value[i])
    for i in range(count):
        if value[i] == low:
            return i
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def pelt_search(
    kind: int, sums: Floats, penalty: float, least: int, length_weight: float, slack: float, added: float, at_once: bool
) -> tuple[Ints, float]:
    """Return (for each end, the start of its last segment; the penalised cost of all), by PELT.

    A start t with F(t) + C(t, s) > F(s) + slack is worse than s for each end from s + `least` on. Before that s cannot start a segment and
    t may still be best: it stays until then, unless `at_once`. `length_weight` multiplies log(length), added to the cost of each segment.
    """
    n = sums.shape[1] - 1
    best, last = np.full(n + 1, inf), np.zeros(n + 1, np.int64)
    best[0] = 0.0
    place, held, total, squares = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1), np.empty(n + 1)
    value, doomed = np.empty(n + 1), np.empty(n + 1)
    wait, rest = (0.0, 1) if at_once else (float(least), _REST)
    count = 0
    for end in range(least, n + 1):
        new = end - least
        if new == 0 or new >= least:
            place[count], held[count], total[count], squares[count], doomed[count] = new, best[new], sums[0, new], sums[1, new], inf
            count += 1
        at, x, xx = float(end), sums[0, end], sums[1, end]
        if kind == L2:
            for i in range(count):  # no branch: the compiler takes several starts at once
                d = x - total[i]
                value[i] = held[i] + ((xx - squares[i]) - d * d / (at - place[i]))
        else:
            for i in range(count):
                value[i] = held[i] + cost_of(kind, at - place[i], x - total[i], xx - squares[i], added)
        if length_weight != 0.0:
            for i in range(count):
                value[i] += length_weight * log(at - place[i])
        chosen = _least(value, count)
        best[end] = value[chosen] + penalty
        last[end] = np.int64(place[chosen])
        if end % rest:
            continue
        bar = best[end] + slack + _ROUNDING * (abs(best[end]) + xx)
        kept = 0
        for i in range(count):
            until = min(doomed[i], at + wait if value[i] > bar else inf)
            place[kept], held[kept], total[kept], squares[kept], doomed[kept] = place[i], held[i], total[i], squares[i], until
            kept += until > at + 1.0
        count = kept
    return last, best[n]


@njit(cache=True, nogil=True, error_model="numpy")
def exact_search(kind: int, sums: Floats, segments: int, least: int, added: float) -> tuple[Ints, Floats]:
    """Return (last[k, end], cost[k]): the start of the last of k + 1 segments that end there; the least cost of k + 1 segments of all."""
    n = sums.shape[1] - 1
    last = np.zeros((segments, n + 1), np.int64)
    costs = np.full(segments, inf)
    before = np.full(n + 1, inf)
    for end in range(least, n + 1):
        before[end] = segment_cost(kind, sums, 0, end, added)
    costs[0] = before[n]
    for k in range(1, segments):
        after = np.full(n + 1, inf)
        for end in range((k + 1) * least, n + 1):
            for start in range(k * least, end - least + 1):
                value = before[start] + segment_cost(kind, sums, start, end, added)
                if value < after[end]:
                    after[end], last[k, end] = value, start
        before = after
        costs[k] = after[n]
    return last, costs


@njit(cache=True, nogil=True, error_model="numpy")
def best_split(kind: int, sums: Floats, start: int, end: int, least: int, added: float) -> tuple[float, int]:
    """Return (gain, first observation of the second part) of the best cut in two, the latest of equals; (-inf, start) where none fits."""
    whole = segment_cost(kind, sums, start, end, added)
    gain, place = -inf, start
    for cut in range(start + least, end - least + 1):
        value = whole - segment_cost(kind, sums, start, cut, added) - segment_cost(kind, sums, cut, end, added)
        if value >= gain:
            gain, place = value, cut
    return gain, place


@njit(cache=True, nogil=True, error_model="numpy")
def halve(kind: int, sums: Floats, most: int, least_gain: float, least: int, added: float) -> tuple[Ints, Floats]:
    """Return the cuts of binary segmentation as found, with the gain of each; it stops at `most`, or at a gain <= `least_gain`."""
    n = sums.shape[1] - 1
    starts, ends, places = np.zeros(most + 1, np.int64), np.zeros(most + 1, np.int64), np.zeros(most + 1, np.int64)
    gains = np.empty(most + 1)
    cuts, found = np.empty(most, np.int64), np.empty(most)
    ends[0] = n
    gains[0], places[0] = best_split(kind, sums, 0, n, least, added)
    count = 0
    while count < most:
        chosen = 0
        for i in range(1, count + 1):
            if gains[i] > gains[chosen] or (gains[i] == gains[chosen] and starts[i] < starts[chosen]):
                chosen = i
        if not gains[chosen] > least_gain:
            break
        cut, end = places[chosen], ends[chosen]
        cuts[count], found[count] = cut, gains[chosen]
        count += 1
        ends[chosen] = cut
        starts[count], ends[count] = cut, end
        gains[chosen], places[chosen] = best_split(kind, sums, starts[chosen], cut, least, added)
        gains[count], places[count] = best_split(kind, sums, cut, end, least, added)
    return cuts[:count], found[:count]
