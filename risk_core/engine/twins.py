"""Plain numpy twins of the canonical kernels: the definition that `risk_core.engine.kernels` must match bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE
from risk_core.conventions import MASS_SLACK

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def exposures(
    quantity: Integers,
    price: Floats,
    fx_to_base: Floats,
    instrument_currency: Integers,
    node_currency: Integers,
    absolute: NDArray[np.bool_],
    cash: Integers,
) -> Floats:
    """Twin of `kernels.exposures`."""
    fx = fx_to_base[instrument_currency][None, :] / fx_to_base[node_currency][:, None]
    units = quantity / float(QUANTITY_SCALE)
    out: Floats = np.where(quantity != 0, units * np.where(absolute, 1.0, price) * fx, 0.0)
    for j in np.flatnonzero(absolute):
        out[:, cash[j]] += np.where(quantity[:, j] != 0, units[:, j] * price[j] * fx[:, j], 0.0)
    return out


def currency_shocks(
    shocks: Floats, fx_shocks: Floats, instrument_currency: Integers, node_currency: int, absolute: NDArray[np.bool_]
) -> Floats:
    """Twin of `kernels.currency_shocks`."""
    factor = (1.0 + fx_shocks[instrument_currency]) / (1.0 + fx_shocks[node_currency])
    moved = np.where(absolute[:, None], shocks * factor, (1.0 + shocks) * factor - 1.0)
    return np.where((instrument_currency == node_currency)[:, None], shocks, moved)


def pnl_vectors(exposure: Floats, shocks: Floats) -> Floats:
    """Twin of `kernels.pnl_vectors`."""
    out = np.zeros((exposure.shape[0], shocks.shape[1]))
    for p, row in enumerate(exposure):
        for j in np.flatnonzero(row):
            out[p] += row[j] * shocks[j]
    return out


def evaluate(
    vectors: Floats,
    age_order: Integers,
    weights: Floats,
    empirical: NDArray[np.bool_],
    weight_of: Integers,
    tail: Floats,
    order: Integers,
    quantile: Floats,
    density: Floats,
) -> tuple[Floats, Floats]:
    """Twin of `kernels.evaluate` (`order` only speeds the kernel up)."""
    shape = (vectors.shape[0], weight_of.size, tail.size)
    var, es = np.empty(shape), np.empty(shape)
    for p, vector in enumerate(vectors[:, age_order]):
        by_value = np.argsort(vector, kind="stable")
        for m, w in enumerate(weight_of):
            if empirical[m]:
                x, mass = vector[by_value], _running(weights[w][by_value])
                total = _running(weights[w][by_value] * x)
                for c, alpha in enumerate(tail):
                    reached = mass[1:] >= alpha - MASS_SLACK
                    k = int(np.argmax(reached)) if reached.any() else x.size - 1
                    var[p, m, c] = 0.0 - x[k]
                    es[p, m, c] = 0.0 - (total[k] + (alpha - mass[k]) * x[k]) / alpha
            else:
                sigma = np.sqrt(_running(weights[w] * vector * vector)[-1])
                var[p, m], es[p, m] = quantile * sigma, density * sigma
    return var, es


def _running(terms: Floats) -> Floats:
    """Sequential running sums with a leading zero, length n + 1."""
    out: Floats = np.cumsum(np.concatenate(([0.0], terms)))
    return out


def intervals(
    vectors: Floats,
    age_order: Integers,
    weights: Floats,
    empirical: NDArray[np.bool_],
    weight_of: Integers,
    tail: Floats,
    order: Integers,
    quantile: Floats,
    density: Floats,
    effective: Floats,
    bounds: Floats,
    reach: float,
) -> Floats:
    """Twin of `kernels.intervals` (`order` is not read)."""
    out = np.full((vectors.shape[0], weight_of.size, tail.size, 6), np.nan)
    for p, vector in enumerate(vectors[:, age_order]):
        by_value = np.argsort(vector, kind="stable")
        for m, w in enumerate(weight_of):
            row = out[p, m]
            if empirical[m]:
                x, weight = vector[by_value], weights[w][by_value]
                depth = x - x[0]
                mass, total, square = _running(weight), _running(weight * depth), _running(weight * depth * depth)
                for c, alpha in enumerate(tail):
                    for place, bound in ((2, bounds[w, c, 0]), (1, bounds[w, c, 1])):
                        if bound > 0.0:
                            row[c, place] = 0.0 - x[_first(mass, bound)]
                    if row[c, 2] > row[c, 1]:
                        row[c, 0] = (row[c, 2] - row[c, 1]) / (2.0 * reach)
                    k = _first(mass, alpha)
                    d = depth[k]
                    first = mass[k] * d - total[k]
                    variance = mass[k] * d * d - 2.0 * d * total[k] + square[k] - first * first
                    if alpha * effective[w] < 2.0 - MASS_SLACK:
                        row[c, 4] = row[c, 1]
                    elif variance > 0.0:
                        error = np.sqrt(variance / effective[w]) / alpha
                        shortfall = 0.0 - (x[0] + (total[k] + (alpha - mass[k]) * d) / alpha)
                        row[c, 3:] = error, shortfall - reach * error, shortfall + reach * error
            else:
                power = vector * vector
                terms = (weights[w] * vector * vector, weights[w] * power * power, weights[w])
                second, fourth, weight_sum = (float(_running(t)[-1]) for t in terms)
                spread = fourth - 2.0 * second * second + weight_sum * second * second
                if second > 0.0 and spread > 1e-12 * second * second:
                    unit = np.sqrt(spread / effective[w]) / (2.0 * np.sqrt(second))
                    for place, factor in ((0, quantile), (3, density)):
                        error, number = factor * unit, factor * np.sqrt(second)
                        row[:, place : place + 3] = np.column_stack((error, number - reach * error, number + reach * error))
                        row[factor <= 0.0, place : place + 3] = np.nan
    return out


def _first(mass: Floats, wanted: float) -> int:
    """Return the first entry through which the mass is reached, else the last."""
    reached = mass[1:] >= wanted - MASS_SLACK
    return int(np.argmax(reached)) if reached.any() else len(reached) - 1
