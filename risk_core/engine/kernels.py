"""Canonical numba kernels: exposures, shocks, P&L vectors and their evaluation, the same bits on every machine.

Rules kept here: instruments in ascending column order, sums strictly sequential, no BLAS, no fastmath, no fused multiply-add and no
transcendental but the square root. Each kernel has a plain numpy twin of the same name in `risk_core.engine.twins`, equal bit for bit.
Arguments are trusted: finite, C-contiguous float64 or int64 of the stated shapes (`risk_core.engine.live` and the fold see to it).
Everything that a kernel calls lives in this file, because numba's cache only watches the file of the caller.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

MASS_SLACK: Final = 1e-12
"""A tail is reached when cumulative weight >= (1 - confidence) - MASS_SLACK: rounding of weights never moves an order statistic."""

_SCALE: Final = float(QUANTITY_SCALE)
_ROWS: Final = 16  # instruments a block: 16 rows of 1,024 scenarios stay in a second-level cache
_TILE: Final = 1024  # scenarios a tile
_RUN: Final = 8  # presorted run of the merge sort
_SAMPLE: Final = 64  # sampled scenarios that guess the tail's threshold


@njit(cache=True, nogil=True)
def exposures(
    quantity: Integers,
    price: Floats,
    fx_to_base: Floats,
    instrument_currency: Integers,
    node_currency: Integers,
    absolute: Flags,
    cash: Integers,
) -> Floats:
    """Exposure of every node to every instrument's shock, in the node's currency.

    Relative shocks: x = quantity/1e6 * price * fx with fx = fx_to_base[instrument] / fx_to_base[node]. Absolute shocks:
    x = quantity/1e6 * fx, and quantity/1e6 * price * fx is added (instruments ascending) to the cash of the instrument's
    currency, which carries its currency risk.

    Parameters
    ----------
    quantity : int64[P, N]
        Millionths of a unit.
    price : float64[N]
        In the instrument's currency.
    fx_to_base : float64[K]
        Base currency per unit; 1.0 for the base.
    instrument_currency : int64[N]
    node_currency : int64[P]
    absolute : bool[N]
        Instruments with absolute shocks.
    cash : int64[N]
        Column of the cash instrument of each instrument's currency (read where `absolute`).

    Returns
    -------
    float64[P, N]
    """
    nodes, instruments = quantity.shape
    out = np.zeros((nodes, instruments))
    for p in range(nodes):
        own = fx_to_base[node_currency[p]]
        for j in range(instruments):
            if quantity[p, j] != 0:
                fx = fx_to_base[instrument_currency[j]] / own
                unit = 1.0 if absolute[j] else price[j]
                out[p, j] = quantity[p, j] / _SCALE * unit * fx
        for j in range(instruments):
            if absolute[j] and quantity[p, j] != 0:
                fx = fx_to_base[instrument_currency[j]] / own
                out[p, cash[j]] += quantity[p, j] / _SCALE * price[j] * fx
    return out


@njit(cache=True, nogil=True)
def currency_shocks(shocks: Floats, fx_shocks: Floats, instrument_currency: Integers, node_currency: int, absolute: Flags) -> Floats:
    """Shocks seen from one node currency.

    (1 + r)(1 + f) - 1 for relative rows and a(1 + f) for absolute ones, with 1 + f = (1 + s_instrument)/(1 + s_node). Rows already in the
    node's currency are copied untouched.

    Parameters
    ----------
    shocks : float64[N, S]
        In each instrument's own currency.
    fx_shocks : float64[K, S]
        Relative shocks of fx_to_base; a row of zeros for the base currency.
    instrument_currency : int64[N]
    node_currency : int
    absolute : bool[N]

    Returns
    -------
    float64[N, S]
    """
    instruments, scenarios = shocks.shape
    out = np.empty((instruments, scenarios))
    for j in range(instruments):
        at = instrument_currency[j]
        for s in range(scenarios):
            if at == node_currency:
                out[j, s] = shocks[j, s]
            else:
                factor = (1.0 + fx_shocks[at, s]) / (1.0 + fx_shocks[node_currency, s])
                if absolute[j]:
                    out[j, s] = shocks[j, s] * factor
                else:
                    out[j, s] = (1.0 + shocks[j, s]) * factor - 1.0
    return out


@njit(cache=True, nogil=True)
def pnl_vectors(exposure: Floats, shocks: Floats) -> Floats:
    """P&L vectors of nodes that share a currency: V[p] = sum over j ascending of exposure[p, j] * shocks[j].

    The sum starts at +0.0 and takes one instrument after the other; exact zeros are skipped, which changes no bit for finite
    shocks. Two nodes share each pass over four rows, so that a row is read once for both.

    Parameters
    ----------
    exposure : float64[P, N]
        In the nodes' currency.
    shocks : float64[N, S]
        In that same currency.

    Returns
    -------
    float64[P, S]
        Gains positive.
    """
    nodes, instruments = exposure.shape
    scenarios = shocks.shape[1]
    out = np.zeros((nodes + nodes % 2, scenarios))
    held = np.empty(_ROWS + 4, np.int64)
    pair = np.zeros((2, _ROWS + 4))
    for first in range(0, instruments, _ROWS):
        last = min(instruments, first + _ROWS)
        for p in range(0, nodes, 2):
            other = min(p + 1, nodes - 1)
            count = 0
            for j in range(first, last):
                x, y = exposure[p, j], exposure[other, j]
                if x != 0.0 or y != 0.0:
                    held[count], pair[0, count], pair[1, count] = j, x, y
                    count += 1
            if count == 0:
                continue
            while count % 4 != 0:
                held[count], pair[0, count], pair[1, count] = held[0], 0.0, 0.0
                count += 1
            for start in range(0, scenarios, _TILE):
                stop = min(scenarios, start + _TILE)
                v, w = out[p, start:stop], out[p + 1, start:stop]
                for q in range(0, count, 4):
                    a0, a1, a2, a3 = pair[0, q], pair[0, q + 1], pair[0, q + 2], pair[0, q + 3]
                    b0, b1, b2, b3 = pair[1, q], pair[1, q + 1], pair[1, q + 2], pair[1, q + 3]
                    r0, r1 = shocks[held[q], start:stop], shocks[held[q + 1], start:stop]
                    r2, r3 = shocks[held[q + 2], start:stop], shocks[held[q + 3], start:stop]
                    for s in range(stop - start):
                        x, y = v[s], w[s]
                        x += a0 * r0[s]
                        y += b0 * r0[s]
                        x += a1 * r1[s]
                        y += b1 * r1[s]
                        x += a2 * r2[s]
                        y += b2 * r2[s]
                        x += a3 * r3[s]
                        y += b3 * r3[s]
                        v[s] = x
                        w[s] = y
    return out[:nodes]


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
