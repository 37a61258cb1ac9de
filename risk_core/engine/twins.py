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
