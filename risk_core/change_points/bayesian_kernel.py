"""Compiled update of Bayesian online change-point detection.

The logarithms and exponentials of all run lengths are most of the work. They are computed here without a branch, so that the compiler takes
several at once; both are within two units in the last place, and no library's version changes their bits.
"""

from __future__ import annotations

from math import inf, log
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.change_points.online_kernels import FARTHEST, HEAD, note

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TABLES: Final = 9
"""Place in `numbers` of the first of five tables over run lengths."""
_MANTISSA: Final = 0x000FFFFFFFFFFFFF
_ONE: Final = 0x3FF0000000000000
_TWO_52: Final = 0x4330000000000000
_ROUND: Final = 6755399441055744.0
"""1.5 * 2**52: added to a small number, it leaves the nearest integer in the lowest bits."""
_LOWEST: Final = -700.0


@njit(cache=True, nogil=True, error_model="numpy")
def logarithms(x: Floats, out: Floats, count: int, whole: Ints, part: Ints) -> None:
    """Write log of `count` positive normal numbers; `whole` and `part` are room to work in. log 2^e m = e log 2 + 2 artanh((m-1)/(m+1))."""
    bits, exponent, mantissa = x.view(np.int64), whole.view(np.float64), part.view(np.float64)
    for i in range(count):
        whole[i] = _TWO_52 | ((bits[i] >> 52) & 0x7FF)
        part[i] = (bits[i] & _MANTISSA) | _ONE
    for i in range(count):
        m, e = mantissa[i], exponent[i] - 4503599627370496.0 - 1023.0
        high = m > 1.4142135623730951
        m = 0.5 * m if high else m
        e = e + 1.0 if high else e
        f = (m - 1.0) / (m + 1.0)
        s = f * f
        series = 1 / 11 + s * (1 / 13 + s * (1 / 15 + s * (1 / 17 + s * (1 / 19))))
        series = s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * (1 / 9 + s * series))))
        out[i] = e * 0.6931471803691238 + (e * 1.9082149292705877e-10 + 2.0 * (f + f * series))


@njit(cache=True, nogil=True, error_model="numpy")
def exponentials(x: Floats, out: Floats, count: int, whole: Ints) -> None:
    """Write exp of `count` numbers of at most zero; below -700 it is exp(-700). `whole` is room to work in."""
    rounded, bits = whole.view(np.float64), out.view(np.int64)
    for i in range(count):
        y = max(x[i], _LOWEST)
        rounded[i] = y * 1.4426950408889634 + _ROUND
        k = rounded[i] - _ROUND
        r = (y - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        p = 1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))))
        p = 1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * p))))
        out[i] = 1.0 + (r + r * r * (0.5 + r * (1 / 6 + r * p)))
    for i in range(count):
        bits[i] += whole[i] << 52


@njit(cache=True, nogil=True, error_model="numpy")
def _largest(weight: Floats, chance: Floats, count: int) -> float:
    """Return the largest weight among those with a chance, by four maxima at a time."""
    a, b, c, d = -inf, -inf, -inf, -inf
    whole = count - count % 4
    for i in range(0, whole, 4):
        a = max(a, weight[i] if chance[i] > 0.0 else -inf)
        b = max(b, weight[i + 1] if chance[i + 1] > 0.0 else -inf)
        c = max(c, weight[i + 2] if chance[i + 2] > 0.0 else -inf)
        d = max(d, weight[i + 3] if chance[i + 3] > 0.0 else -inf)
    for i in range(whole, count):
        a = max(a, weight[i] if chance[i] > 0.0 else -inf)
    return max(max(a, b), max(c, d))


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(weight: Floats, number: Floats, count: int) -> tuple[float, float]:
    """Return the sum of weights and of weight times number, by four sums at a time."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = count - count % 4
    for i in range(0, whole, 4):
        a, e = a + weight[i], e + weight[i] * number[i]
        b, f = b + weight[i + 1], f + weight[i + 1] * number[i + 1]
        c, g = c + weight[i + 2], g + weight[i + 2] * number[i + 2]
        d, h = d + weight[i + 3], h + weight[i + 3] * number[i + 3]
    for i in range(whole, count):
        a, e = a + weight[i], e + weight[i] * number[i]
    return (a + b) + (c + d), (e + f) + (g + h)


@njit(cache=True, nogil=True, error_model="numpy")
def run_lengths(xs: Floats, numbers: Floats, start: Floats, memory: Floats, out: Floats) -> None:
    """Probabilities of the time since the last change, for normal data and a normal-inverse-gamma prior.

    numbers: threshold, restart, hazard, recent, prior mean, beta, bound N, log beta, unused; then, of each run length r, the constant of
    its predictive density, alpha + r / 2, k / (2 (k + 1)) and 1 / (k + 1) with k = kappa + r, and r itself. memory: observations since the
    start, then N each of probability, mean, beta and log beta. The last run length stands for itself and all longer ones, with the sums of
    the last N - 1 observations. out: most probable and expected run length, log predictive density of the observation.
    """
    hazard, recent, n = numbers[2], int(numbers[3]), int(numbers[6])
    constant, shape = numbers[TABLES : TABLES + n], numbers[TABLES + n : TABLES + 2 * n]
    reach, step, number = numbers[TABLES + 2 * n : TABLES + 3 * n], numbers[TABLES + 3 * n : TABLES + 4 * n], numbers[TABLES + 4 * n :]
    chance, mean = memory[HEAD + 1 : HEAD + 1 + n], memory[HEAD + 1 + n : HEAD + 1 + 2 * n]
    beta, logs = memory[HEAD + 1 + 2 * n : HEAD + 1 + 3 * n], memory[HEAD + 1 + 3 * n : HEAD + 1 + 4 * n]
    weight, bent, spread, moved, risen = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    whole, part = np.empty(n, np.int64), np.empty(n, np.int64)
    for t in range(xs.shape[0]):
        x = max(-FARTHEST, min(FARTHEST, xs[t]))
        seen = int(memory[HEAD])
        live = min(seen + 1, n)
        for r in range(live):
            d = x - mean[r]
            bent[r] = beta[r] + reach[r] * d * d
            moved[r] = mean[r] + d * step[r]
        logarithms(bent, spread, live, whole, part)
        for r in range(live):
            weight[r] = constant[r] + shape[r] * logs[r] - (shape[r] + 0.5) * spread[r]
        top = _largest(weight, chance, live)
        for r in range(live):
            risen[r] = min(weight[r] - top, 0.0)
        exponentials(risen, weight, live, whole)
        for r in range(live):
            weight[r] *= chance[r]
        total, expected = _sums(weight, number, live)
        grown = (1.0 - hazard) / total
        kept = min(live, n - 1)
        beyond = weight[n - 1] if live == n else 0.0
        for r in range(kept):
            chance[r + 1] = weight[r] * grown
        for r in range(kept):
            mean[r + 1] = moved[r]
        for r in range(kept):
            beta[r + 1] = bent[r]
        for r in range(kept):
            logs[r + 1] = spread[r]
        chance[kept] += beyond * grown
        chance[0], mean[0], beta[0], logs[0] = hazard, numbers[4], numbers[5], numbers[7]
        memory[HEAD] = float(seen + 1)
        value, likely = 0.0, 0
        for r in range(min(recent, kept + 1)):
            value += chance[r]
        for r in range(kept + 1):
            if chance[r] > chance[likely]:
                likely = r
        ready = seen + 1 > recent
        out[t, 2], out[t, 3] = float(likely), (expected + total - beyond) * grown
        out[t, 4] = top + log(total)
        note(numbers, start, memory, out, t, min(value, 1.0) if ready else 0.0, ready)
