"""How far each canonical VaR and ES can be trusted: standard errors and intervals, from the sorted tail alone."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.conventions import MASS_SLACK
from risk_core.engine.kernels.tail import Flags, Floats, Integers, lowest


@njit(cache=True, nogil=True)
def intervals(
    vectors: Floats,
    age_order: Integers,
    weights: Floats,
    empirical: Flags,
    weight_of: Integers,
    tail: Floats,
    order: Integers,
    quantile: Floats,
    density: Floats,
    effective: Floats,
    bounds: Floats,
    reach: float,
) -> NDArray[np.float64]:
    """Standard error, lower and upper bound of VaR, then of ES, of each vector by every method and confidence of a plan.

    Empirical VaR lies between two order statistics, and its standard error is their distance over 2 `reach`; that of ES is
    sqrt(Var[(q - V)+] / n) / (1 - confidence). Normal: the delta method with the fourth moment. See docs/methods/uncertainty.md.

    Parameters
    ----------
    vectors, age_order, weights, empirical, weight_of, tail, order, quantile, density
        As `evaluate`.
    effective, bounds, reach
        `IntervalPlan.arrays`: float64[W], float64[W, C, 2] and a number.

    Returns
    -------
    float64[P, M, C, 6]
        Losses positive; NaN where the sample sets no bound, or says nothing of the spread.
    """
    nodes, scenarios = vectors.shape
    methods, levels = weight_of.size, tail.size
    out = np.full((nodes, methods, levels, 6), np.nan)
    aged = np.empty(scenarios)
    value, index = np.empty(scenarios), np.empty(scenarios, np.int64)
    spare_value, spare_index = np.empty(scenarios), np.empty(scenarios, np.int64)
    widest = min(1.0, max(tail.max(), bounds.max()))
    start = min(scenarios, int(1.25 * widest * scenarios) + 8)
    for p in range(nodes):
        for a in range(scenarios):
            aged[a] = vectors[p, age_order[a]]
        wanted, count = start, 0
        for m in range(methods):
            row = weight_of[m]
            weight = weights[row]
            if empirical[m]:
                if count == 0:
                    count = lowest(aged, wanted, value, index, spare_value, spare_index)
                for c in range(levels):
                    while not _tail_interval(value, index, count, weight, tail[c], effective[row], bounds[row, c], reach, out[p, m, c]):
                        wanted = min(scenarios, 2 * wanted)
                        count = lowest(aged, wanted, value, index, spare_value, spare_index)
            else:
                _normal_interval(aged, weight, effective[row], quantile, density, reach, out[p, m])
    return out


@njit(cache=True, nogil=True)
def _tail_interval(
    value: Floats,
    index: Integers,
    count: int,
    weight: Floats,
    tail: float,
    effective: float,
    bounds: Floats,
    reach: float,
    out: Floats,
) -> bool:
    """Fill one interval from sorted (value, index); return whether `count` entries were enough."""
    mass, total, square = 0.0, 0.0, 0.0  # of the entries before the one at hand
    worst = value[0]  # losses are counted from the worst, so that squares are of like numbers
    at_tail, at_upper, at_lower = False, bounds[0] <= 0.0, bounds[1] <= 0.0
    for i in range(count):
        x, w = value[i], weight[index[i]]
        beyond = mass + w
        last = i == weight.size - 1
        if not at_upper and (last or beyond >= bounds[0] - MASS_SLACK):
            out[2], at_upper = 0.0 - x, True
        if not at_lower and (last or beyond >= bounds[1] - MASS_SLACK):
            out[1], at_lower = 0.0 - x, True
        if not at_tail and (last or beyond >= tail - MASS_SLACK):
            at_tail = True
            depth = x - worst
            first = mass * depth - total
            second = mass * depth * depth - 2.0 * depth * total + square
            variance = second - first * first
            shortfall = 0.0 - (worst + (total + (tail - mass) * depth) / tail)
            if tail * effective >= 2.0 - MASS_SLACK and variance > 0.0:
                error = math.sqrt(variance / effective) / tail
                out[3], out[4], out[5] = error, shortfall - reach * error, shortfall + reach * error
        if at_tail and at_upper and at_lower:
            break
        mass = beyond
        total += w * (x - worst)
        square += w * (x - worst) * (x - worst)
    if not (at_tail and at_upper and at_lower):
        return False
    if out[2] > out[1]:
        out[0] = (out[2] - out[1]) / (2.0 * reach)
    if tail * effective < 2.0 - MASS_SLACK:
        out[4] = out[1]  # expected shortfall is no less than value at risk
    return True


@njit(cache=True, nogil=True)
def _normal_interval(aged: Floats, weight: Floats, effective: float, quantile: Floats, density: Floats, reach: float, out: Floats) -> None:
    """Fill the intervals of every confidence of the normal law about zero."""
    square, fourth, mass = 0.0, 0.0, 0.0
    for a in range(aged.size):
        x = aged[a] * aged[a]
        square += weight[a] * aged[a] * aged[a]
        fourth += weight[a] * x * x
        mass += weight[a]
    spread = fourth - 2.0 * square * square + mass * square * square
    if not (square > 0.0 and spread > 1e-12 * square * square):
        return
    sigma = math.sqrt(square)
    unit = math.sqrt(spread / effective) / (2.0 * sigma)
    for c in range(quantile.size):
        for first, factor in ((0, quantile[c]), (3, density[c])):
            if factor <= 0.0:
                continue
            error = factor * unit
            out[c, first], out[c, first + 1], out[c, first + 2] = error, factor * sigma - reach * error, factor * sigma + reach * error
