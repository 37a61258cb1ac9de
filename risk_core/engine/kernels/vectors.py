"""Canonical exposures, shocks and P&L vectors: rules in the package's docstring."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SCALE: Final = float(QUANTITY_SCALE)
_ROWS: Final = 16  # instruments a block: 16 rows of 1,024 scenarios stay in a second-level cache
_TILE: Final = 1024  # scenarios a tile


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
