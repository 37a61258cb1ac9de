"""Compiled maximum likelihood of GARCH in a box: a small grid, then projected Newton steps.

Searched are (mean, log level, persistence, share of news in it, share of losses in the news, 1 / degrees of freedom): in these the models
up to the unit root are a box, an equal share of losses is the symmetric model, and 1 / df is smooth up to the normal. A seventh number, the
anchor, stays as given: 0, or 1 for variance targeting, where the level is exp(log level) (1 - persistence).

D. Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM Journal on Control and Optimization 20
(1982) 221-246.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.volatility.kernels import derivatives, likelihood

Floats = NDArray[np.float64]
Found = tuple[Floats, float, Floats, NDArray[np.bool_], int, float]

CENTRE, LOG_LEVEL, TOTAL, NEWS, LOSSES, THICKNESS, ANCHOR = range(7)
_STEPS: Final = 100
_DONE: Final = 1e-22  # squared Newton step in standard deviations of the estimate, over the number of returns
_ENOUGH: Final = 1e-16
_PATIENCE: Final = 3  # steps that news may stand at zero, where nothing else can be told either
_CLOSE: Final = 1e-10  # from here on values differ by rounding only, and full steps are taken unasked


@njit(cache=True, nogil=True, error_model="numpy")
def parameters(u: Floats) -> Floats:
    """Return theta of the searched coordinates, see `kernels`."""
    p, s, k = u[TOTAL], u[NEWS], u[LOSSES]
    df = 1.0 / u[THICKNESS] if u[THICKNESS] > 0.0 else np.inf
    return np.array([u[CENTRE], exp(u[LOG_LEVEL]) * (1.0 - u[ANCHOR] * p), 2.0 * p * s * (1.0 - k), 2.0 * p * s * k, p * (1.0 - s), df])


@njit(cache=True, nogil=True, error_model="numpy")
def jacobian(u: Floats) -> Floats:
    """Return d theta / d u, float64[6, 6]."""
    p, s, k = u[TOTAL], u[NEWS], u[LOSSES]
    v, anchor = exp(u[LOG_LEVEL]), u[ANCHOR]
    j = np.zeros((6, 6))
    j[0, CENTRE] = 1.0
    j[1, LOG_LEVEL], j[1, TOTAL] = v * (1.0 - anchor * p), -anchor * v
    j[2, TOTAL], j[2, NEWS], j[2, LOSSES] = 2.0 * s * (1.0 - k), 2.0 * p * (1.0 - k), -2.0 * p * s
    j[3, TOTAL], j[3, NEWS], j[3, LOSSES] = 2.0 * s * k, 2.0 * p * k, 2.0 * p * s
    j[4, TOTAL], j[4, NEWS] = 1.0 - s, -p
    if u[THICKNESS] > 0.0:
        j[5, THICKNESS] = -1.0 / u[THICKNESS] ** 2
    return j


@njit(cache=True, nogil=True, error_model="numpy")
def _bends(u: Floats, slope: Floats) -> Floats:
    """Return the sum of slope[i] times the second derivatives of theta[i], float64[6, 6]."""
    p, s, k = u[TOTAL], u[NEWS], u[LOSSES]
    v, anchor = exp(u[LOG_LEVEL]), u[ANCHOR]
    bend = np.zeros((6, 6))
    bend[LOG_LEVEL, LOG_LEVEL] = slope[1] * v * (1.0 - anchor * p)
    bend[LOG_LEVEL, TOTAL] = -slope[1] * anchor * v
    bend[TOTAL, NEWS] = 2.0 * (slope[2] * (1.0 - k) + slope[3] * k) - slope[4]
    bend[TOTAL, LOSSES] = 2.0 * s * (slope[3] - slope[2])
    bend[NEWS, LOSSES] = 2.0 * p * (slope[3] - slope[2])
    if u[THICKNESS] > 0.0:
        bend[THICKNESS, THICKNESS] = 2.0 * slope[5] / u[THICKNESS] ** 3
    for i in range(6):
        for j in range(i):
            bend[i, j] = bend[j, i]
    return bend


@njit(cache=True, nogil=True, error_model="numpy")
def starts(x: Floats, mass: Floats, start: float, first: Floats, totals: Floats, news: Floats) -> tuple[Floats, Floats]:
    """Return `first` with every persistence and share of news of a grid and the long-run variance one, float64[G, 7], and likelihoods.

    The likelihood is the normal one, which is the cheaper, whatever the law.
    """
    points, values = np.empty((totals.shape[0] * news.shape[0], first.shape[0])), np.empty(totals.shape[0] * news.shape[0])
    for i in range(totals.shape[0]):
        for k in range(news.shape[0]):
            at = i * news.shape[0] + k
            points[at] = first
            points[at, TOTAL], points[at, NEWS] = totals[i], news[k]
            points[at, LOG_LEVEL] = (1.0 - first[ANCHOR]) * log(1.0 - totals[i])
            values[at] = likelihood(x, mass, parameters(points[at]), start, True)
    return points, values


@njit(cache=True, nogil=True, error_model="numpy")
def maximise(
    x: Floats, mass: Floats, start: float, normal: bool, first: Floats, lower: Floats, upper: Floats, moving: NDArray[np.bool_]
) -> Found:
    """Return (point, value, Hessian in the searched coordinates, which move and stand inside, steps, Newton decrement)."""
    point, last = first.copy(), np.inf
    slope, curve = np.empty(6), np.empty((6, 6))
    value, decrement, iteration, silent = -np.inf, np.inf, 0, 0
    free = moving.copy()
    hessian = np.zeros((6, 6))
    for iteration in range(_STEPS):
        value = derivatives(x, mass, parameters(point), start, normal, slope, curve)
        if normal:
            slope[5] = 0.0
        j = jacobian(point)
        hessian = j.T @ curve @ j + _bends(point, slope)
        climb = j.T @ slope
        for i in range(6):
            free[i] = moving[i] and not ((point[i] <= lower[i] and climb[i] < 0.0) or (point[i] >= upper[i] and climb[i] > 0.0))
        inside = np.flatnonzero(free)
        silent = silent + 1 if moving[NEWS] and not free[NEWS] and point[NEWS] <= lower[NEWS] else 0
        if inside.shape[0] == 0 or silent > _PATIENCE:
            return point, value, hessian, free, iteration, 0.0
        part, up = np.empty((inside.shape[0], inside.shape[0])), np.empty(inside.shape[0])
        for a in range(inside.shape[0]):
            up[a] = climb[inside[a]]
            for b in range(inside.shape[0]):
                part[a, b] = -hessian[inside[a], inside[b]]
        bends, basis = np.linalg.eigh(part)
        along = basis.T @ up
        for a in range(along.shape[0]):
            along[a] /= max(abs(bends[a]), 1e-8)
        step = basis @ along
        decrement = np.sum(up * step)
        peaked = bends[0] > 0.0
        if peaked and (decrement <= _DONE or (decrement <= _ENOUGH and decrement >= 0.25 * last)):
            return point, value, hessian, free, iteration, decrement
        last = decrement
        blocked = False
        for a in range(inside.shape[0]):
            i = inside[a]
            blocked |= (point[i] <= lower[i] and step[a] < 0.0) or (point[i] >= upper[i] and step[a] > 0.0)
        if blocked:  # Newton leaves the box where the slope does not
            for a in range(inside.shape[0]):
                step[a] = up[a] / max(abs(part[a, a]), 1e-8)
        share, trial = 1.0, point.copy()
        for a in range(inside.shape[0]):  # no coordinate crosses its whole range at once
            if abs(step[a]) > 2.0:
                share = min(share, 2.0 / abs(step[a]))
        moved = False
        for _ in range(50):
            rise = 0.0
            for a in range(inside.shape[0]):
                i = inside[a]
                trial[i] = min(max(point[i] + share * step[a], lower[i]), upper[i])
                rise += up[a] * (trial[i] - point[i])
            if peaked and decrement < _CLOSE and not blocked:
                moved = True
                break
            if likelihood(x, mass, parameters(trial), start, normal) >= value + 1e-4 * rise:
                moved = True
                break
            share *= 0.5
        if not moved:
            break
        point = trial
    return point, value, hessian, free, iteration + 1, decrement
