"""Compiled loops of the measures of one P&L vector: a check, a product, a selection, a path and its gradient.

No fast mathematics: every sum has one order, written here, so that a machine repeats its bits. Input is trusted; `checks` stands before.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True)
def all_within(values: Floats, bound: float) -> bool:
    """Return whether no number is missing or beyond the bound."""
    beyond = 0
    for i in range(values.shape[0]):
        beyond += not abs(values[i]) <= bound
    return beyond == 0


@njit(cache=True, nogil=True)
def row_products(returns: Floats, exposures: Floats) -> Floats:
    """Return the P&L vector float64[S] of returns float64[S, N] that lie row by row."""
    out = np.empty(returns.shape[0])
    for s in range(returns.shape[0]):
        out[s] = np.dot(returns[s], exposures)  # row by row BLAS starts no threads
    return out


@njit(cache=True, nogil=True)
def column_products(series: Floats, exposures: Floats) -> Floats:
    """Return the P&L vector float64[S] of returns float64[N, S], an instrument in each row."""
    out = np.zeros(series.shape[1])
    for n in range(series.shape[0]):
        row, held = series[n], exposures[n]
        for s in range(row.shape[0]):
            out[s] += held * row[s]
    return out


@njit(cache=True, nogil=True)
def _sink(keys: Floats, positions: Integers, size: int, key: float, position: int) -> None:
    """Put one element at the root of a heap whose root is last in the order (key, position)."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (keys[other] > keys[child] or (keys[other] == keys[child] and positions[other] > positions[child])):
            child = other
        if keys[child] < key or (keys[child] == key and positions[child] < position):
            break
        keys[hole], positions[hole] = keys[child], positions[child]
        hole = child
    keys[hole], positions[hole] = key, position


@njit(cache=True, nogil=True)
def _insert(keys: Floats, positions: Integers, size: int, key: float, position: int) -> None:
    """Add one element to such a heap of `size` elements."""
    hole = size
    while hole > 0:
        parent = (hole - 1) // 2
        if keys[parent] > key or (keys[parent] == key and positions[parent] > position):
            break
        keys[hole], positions[hole] = keys[parent], positions[parent]
        hole = parent
    keys[hole], positions[hole] = key, position


@njit(cache=True, nogil=True)
def lowest(values: Floats, keys: Floats, positions: Integers) -> None:
    """Fill `keys` and `positions` with the first observations in the order (value, position), as many as they hold."""
    count = keys.shape[0]
    for i in range(count):
        _insert(keys, positions, i, values[i], i)
    for i in range(count, values.shape[0]):
        if values[i] < keys[0]:
            _sink(keys, positions, count, values[i], i)
    for size in range(count - 1, 0, -1):
        key, position = keys[size], positions[size]
        keys[size], positions[size] = keys[0], positions[0]
        _sink(keys, positions, size, key, position)


@njit(cache=True, nogil=True)
def tail_sum(keys: Floats, taken: Floats) -> float:
    """Return the sum of the sorted observations times the mass taken of each, from the worst."""
    total = 0.0
    for i in range(taken.shape[0]):
        total += taken[i] * keys[i]
    return total + 0.0


@njit(cache=True, nogil=True)
def tail_ends(values: Floats, taken: Floats) -> tuple[float, float]:
    """Return (the last observation of the tail that `taken` fills, `tail_sum`)."""
    count = taken.shape[0]
    keys = np.empty(count)
    lowest(values, keys, np.empty(count, np.int64))
    return keys[count - 1], tail_sum(keys, taken)


@njit(cache=True, nogil=True, error_model="numpy")
def fall(series: Floats, compounded: bool, residue: float, out: Floats) -> tuple[float, float]:
    """Fill `out` with drawdowns; return (least of the series, largest level, infinite where the path left the numbers).

    What lies within `residue` of the largest level so far is no drawdown.
    """
    level, peak = (1.0, 1.0) if compounded else (0.0, 0.0)
    largest, least = peak, np.inf
    for t in range(series.shape[0]):
        x = series[t]
        least = min(least, x)
        level = level * (1.0 + x) if compounded else level + x
        peak = max(peak, level)
        largest = max(largest, abs(level))
        depth = peak - level
        if depth <= residue * largest:
            depth = 0.0
        out[t] = depth / peak if compounded else depth
    return least, largest


@njit(cache=True, nogil=True, error_model="numpy")
def path_moments(drawdowns: Floats, mass: Floats) -> tuple[float, float, int]:
    """Return (mean, root mean square, position of the first maximum)."""
    trough = 0
    for t in range(drawdowns.shape[0]):
        if drawdowns[t] > drawdowns[trough]:
            trough = t
    deepest = drawdowns[trough]
    mean, square = 0.0, 0.0
    if deepest == 0.0:
        return 0.0, 0.0, 0
    for t in range(drawdowns.shape[0]):
        scaled = drawdowns[t] / deepest  # squares neither overflow nor vanish
        mean += mass[t] * drawdowns[t]
        square += mass[t] * scaled * scaled
    return mean, deepest * sqrt(square), trough


@njit(cache=True, nogil=True, error_model="numpy")
def path_gradient(series: Floats, drawdowns: Floats, share: Floats, compounded: bool) -> Floats:
    """Return the derivative of sum(share * drawdown) by the series: each drawdown depends on the observations since its peak."""
    out = np.empty(series.shape[0])
    since = 0.0
    for t in range(series.shape[0] - 1, -1, -1):
        if drawdowns[t] == 0.0:  # a new fall is summed from nothing: no residue where nothing depends
            since = 0.0
        elif compounded:
            since += share[t] * (1.0 - drawdowns[t])
        else:
            since += share[t]
        out[t] = 0.0 - (since / (1.0 + series[t]) if compounded else since)
    return out
