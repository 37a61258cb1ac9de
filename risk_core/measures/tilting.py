"""Compiled: scenario weights tilted exponentially towards losses, as far as a relative entropy allows.

The inner problem of entropic value at risk (A. Ahmadi-Javid, 2012) on depths that span [-1, 0]. The exponential is our own: a polynomial
that compilers vectorise, the same bits on every machine, within two units in the last place.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEEPEST: Final = 1e18
"""Of the steepness: beyond it the worst loss is reached to the last bit."""
_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_ROUND: Final = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_LEAST: Final = -700.0
_NEAR: Final = 1e-8
_CLOSED: Final = 1e-15
_STEPS: Final = 400
_SHORT: Final = 0.05
_LANES: Final = 64
_BINS: Final = 64


@njit(cache=True, nogil=True, error_model="numpy")
def exponentials(x: Floats, scale: float, rounded: Floats, out: Floats) -> None:
    """Fill `out` with exp(scale * x) for scale * x <= 0; 0 below -700. `rounded` float64[n] is work space."""
    for i in range(x.shape[0]):
        y = max(scale * x[i], _LEAST)
        z = y * _LOG2_E + _ROUND
        k = z - _ROUND
        r = (y - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * (r * r) + r
        out[i] = p + 1.0
        rounded[i] = z
    bits, powers = out.view(np.int64), rounded.view(np.int64)
    for i in range(x.shape[0]):
        bits[i] += powers[i] << 52
    for i in range(x.shape[0]):
        out[i] = out[i] if scale * x[i] >= _LEAST else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(depth: Floats, step: float, out: Floats) -> None:
    """Multiply by exp(step * depth), |step| at most _SHORT: nine terms of its series are exact."""
    for i in range(depth.shape[0]):
        y = step * depth[i]
        square = y * y
        upper = (1.0 / 24.0 + y * (1.0 / 120.0)) + square * ((1.0 / 720.0 + y * (1.0 / 5040.0)) + square * (1.0 / 40320.0))
        out[i] *= (1.0 + y) + square * ((0.5 + y * (1.0 / 6.0)) + square * upper)


@njit(cache=True, nogil=True, error_model="numpy")
def _sum(values: Floats, lanes: Floats) -> float:
    """Return the sum, by columns of a table of _LANES and then by halves: an order that is fixed and fast."""
    lanes[:] = 0.0
    for start in range(0, values.shape[0], _LANES):
        row = values[start : start + _LANES]
        for j in range(row.shape[0]):
            lanes[j] += row[j]
    half = _LANES // 2
    while half > 0:
        for j in range(half):
            lanes[j] += lanes[j + half]
        half //= 2
    total: float = lanes[0]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(grown: Floats, depth: Floats, work: Floats, lanes: Floats) -> tuple[float, float, float]:
    """Return the sums of `grown` with 1, depth and depth squared."""
    total = _sum(grown, lanes)
    for i in range(grown.shape[0]):
        work[i] = grown[i] * depth[i]
    first = _sum(work, lanes)
    for i in range(grown.shape[0]):
        work[i] *= depth[i]
    return total, first, _sum(work, lanes)


@njit(cache=True, nogil=True, error_model="numpy")
def _steepness(depth: Floats, mass: Floats, allowed: float, s: float, grown: Floats, work: Floats) -> tuple[float, float, float]:
    """Return (steepness, sum of `grown`, its mean depth) with relative entropy `allowed`; fill `grown` with mass exp(steepness depth).

    Newton's method on the square root of relative entropy, near a line for smooth laws, within a bracket that always shrinks, from a first
    guess. The steepness is beyond STEEPEST where relative entropy never reaches `allowed`.
    """
    n, target, lanes = depth.shape[0], sqrt(allowed), np.empty(_LANES)
    low, high = sqrt(8.0 * allowed), np.inf  # on [-1, 0] relative entropy is at most steepness² / 8 (Hoeffding)
    s, step, last, total, mean = max(low, s), np.inf, False, 1.0, 0.0
    for _ in range(_STEPS):
        if abs(step) <= _SHORT:
            _moved(depth, step, grown)
        else:
            exponentials(depth, s, work, grown)
            for i in range(n):
                grown[i] *= mass[i]
        total, first, second = _moments(grown, depth, work, lanes)
        mean = first / total
        excess = s * mean - log(total) - allowed
        if last or excess == 0.0:
            break
        if excess < 0.0:
            low = max(low, s)
        else:
            high = min(high, s)
        last = high - low <= _CLOSED * low
        reached, variance = sqrt(max(excess + allowed, 0.0)), second / total - mean * mean
        new = s + (target - reached) * 2.0 * reached / (s * variance) if variance > 0.0 else np.inf
        if abs(new - s) <= _NEAR * s and low <= new <= high:
            last = True  # the error of a step is the square of the step
        elif not low < new < min(high, 8.0 * s):
            new = sqrt(low) * sqrt(high) if high < np.inf else exp(1.0) * s
        s, step = new, new - s
        if s > STEEPEST:
            break
    return s, total, mean


@njit(cache=True, nogil=True, error_model="numpy")
def _guess(depth: Floats, mass: Floats, allowed: float) -> float:
    """Return the steepness of a histogram of the depths, each bin at the mean of what it holds."""
    weights, depths = np.zeros(_BINS), np.zeros(_BINS)
    for i in range(depth.shape[0]):
        b = int((_BINS - 1) * (1.0 + depth[i]) + 0.5)
        weights[b] += mass[i]
        depths[b] += mass[i] * depth[i]
    held = 0
    for b in range(_BINS):
        if weights[b] > 0.0:
            weights[held], depths[held] = weights[b], depths[b] / weights[b]
            held += 1
    s = _steepness(depths[:held], weights[:held], allowed, 0.0, np.empty(held), np.empty(held))[0]
    return min(s, 4.0 * _BINS)


@njit(cache=True, nogil=True, error_model="numpy")
def entropic(vector: Floats, mass: Floats, tail: float, slack: float, gradient: Floats) -> tuple[float, float]:
    """Return (entropic value at risk, weight of the worst loss if that fills the tail, else 0) and fill `gradient`."""
    n = vector.shape[0]
    worst, best = -np.inf, np.inf
    for i in range(n):
        if mass[i] > 0.0:
            worst, best = max(worst, 0.0 - vector[i]), min(best, 0.0 - vector[i])
    spread, at_worst = worst - best, 0.0
    for i in range(n):
        at_worst += mass[i] if 0.0 - vector[i] == worst else 0.0
    if at_worst < tail * (1.0 - slack):
        depth = np.empty(n)
        for i in range(n):
            depth[i] = max(min(((0.0 - vector[i]) - worst) / spread, 0.0), -1.0)  # beyond lies only what has no mass
        allowed = -log(tail)
        s, total, mean = _steepness(depth, mass, allowed, _guess(depth, mass, allowed), gradient, np.empty(n))
        if s <= STEEPEST:
            for i in range(n):
                gradient[i] = 0.0 - gradient[i] / total
            return worst + spread * mean, 0.0
    for i in range(n):
        gradient[i] = 0.0 - mass[i] / at_worst if 0.0 - vector[i] == worst else 0.0
    return worst, at_worst
