"""Compiled loops of many portfolios at once: which scenarios can lie in a tail, their exact P&L, and the gradient through shocks.

An approximate P&L within a proven distance of the exact one tells which scenarios lie in a tail and which do not, but for a few near its
edge, whose P&L is summed again in double precision. So the product of all portfolios with all scenarios may be taken in single precision,
and the result does not depend on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.measures.kernels import lowest

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_TILE: Final = 32
_VANISHING: Final = 1e-140
_NOTHING: Final = 1e-290


@njit(cache=True, nogil=True, error_model="numpy")
def _norm(row: Floats) -> float:
    """Return the norm of a row, or more where its squares vanish; nan or infinite if a number is missing."""
    norm: float = np.sqrt(np.dot(row, row))
    if norm < _VANISHING:
        largest = 0.0
        for i in range(row.shape[0]):
            largest = max(largest, abs(row[i]))
        norm = max(largest * np.sqrt(row.shape[0]), _NOTHING)
    return norm


@njit(cache=True, nogil=True, error_model="numpy")
def scaled_moves(moves: Floats, out: Singles, norms: Floats, squares: Floats) -> None:
    """Fill `out` with rows of norm one, `norms` float64[N] with what they were divided by, `squares` with the sums of out**2 by column."""
    squares[:] = 0.0
    for n in range(moves.shape[0]):
        row, single = moves[n], out[n]
        norms[n] = _norm(row)
        scale = 1.0 / norms[n]
        for s in range(row.shape[0]):
            x = row[s] * scale
            single[s] = np.float32(x)
            squares[s] += x * x


@njit(cache=True, nogil=True, error_model="numpy")
def scaled_exposures(exposures: Floats, norms: Floats, out: Singles) -> tuple[float, float]:
    """Fill `out` with exposures times the norms of their moves, each row of norm one.

    Returns bounds of an exposure and of what a row was divided by; infinite if a number is missing.
    """
    largest, divisor = 0.0, 0.0
    worth = np.empty(exposures.shape[1])
    for p in range(exposures.shape[0]):
        row, single = exposures[p], out[p]
        for n in range(row.shape[0]):
            worth[n] = row[n] * norms[n]
        held, norm = _norm(row), _norm(worth)
        if not (held < np.inf and norm < np.inf):
            return np.inf, np.inf
        largest, divisor = max(largest, held), max(divisor, norm)
        scale = 1.0 / norm
        for n in range(row.shape[0]):
            single[n] = np.float32(worth[n] * scale)
    return largest, divisor


@njit(cache=True, nogil=True)
def transpose(values: Floats, out: Floats) -> None:
    """Fill `out` with the transpose, tile by tile."""
    for i in range(0, values.shape[0], _TILE):
        for j in range(0, values.shape[1], _TILE):
            for k in range(j, min(j + _TILE, values.shape[1])):
                for m in range(i, min(i + _TILE, values.shape[0])):
                    out[k, m] = values[m, k]


@njit(cache=True, nogil=True, error_model="numpy")
def tail_rows(
    approximate: Singles,
    distance: float,
    exposures: Floats,
    moves: Floats,
    shares: Floats,
    value: Floats,
    component: Floats,
    marginal: Floats,
) -> None:
    """Fill value float64[P], component and marginal float64[P, N] of a tail.

    Parameters
    ----------
    approximate : float32[P, S]
        P&L, each row in a unit of its own, in which it is within `distance` of the exact one.
    exposures, moves : float64[P, N], float64[S, N]
    shares : float64[K]
        Of the K worst scenarios in the tail, all the same but the last; they sum to one.
    """
    count, scenarios = shares.shape[0], moves.shape[0]
    keys, positions = np.empty(count), np.empty(count, np.int64)
    inside, near = np.empty(scenarios, np.int64), np.empty(scenarios, np.int64)
    level, pnl = np.empty(scenarios), np.empty(scenarios)
    for p in range(exposures.shape[0]):
        held, rough = exposures[p], approximate[p]
        for s in range(scenarios):
            level[s] = rough[s]
        lowest(level, keys, positions)
        edge, sure, open_ = keys[count - 1], 0, 0
        for s in range(scenarios):
            inside[sure] = near[open_] = s  # overwritten unless it counts
            below = level[s] < edge - 2.0 * distance
            sure += below
            open_ += (level[s] <= edge + 2.0 * distance) and not below
        for k in range(open_):
            pnl[k] = np.dot(held, moves[near[k]])
        left = count - sure  # at least one: the scenario at the edge, which has the last share
        lowest(pnl[:open_], keys[:left], positions[:left])  # in the order of scenarios, so ties keep it
        for k in range(left):
            inside[sure + k] = near[positions[k]]
        slope, part = marginal[p], component[p]
        slope[:] = 0.0
        whole = count - count % 4
        for k in range(0, whole, 4):  # four at once: the gradient is read and written a quarter as often
            r0, r1, r2, r3 = moves[inside[k]], moves[inside[k + 1]], moves[inside[k + 2]], moves[inside[k + 3]]
            c0, c1, c2, c3 = shares[k], shares[k + 1], shares[k + 2], shares[k + 3]
            for n in range(slope.shape[0]):
                slope[n] -= (c0 * r0[n] + c1 * r1[n]) + (c2 * r2[n] + c3 * r3[n])
        for k in range(whole, count):
            row, share = moves[inside[k]], shares[k]
            for n in range(slope.shape[0]):
                slope[n] -= share * row[n]
        for n in range(slope.shape[0]):
            part[n] = held[n] * slope[n]
        value[p] = np.dot(held, slope)
