"""The likelihood of a Markov-switching autoregression in one compiled pass."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.regimes.kernels import exponential

Floats = NDArray[np.float64]

_ROOT_TWO_PI: Final = sqrt(2.0 * pi)
_LARGEST: Final = 1e300


@njit(cache=True, nogil=True, error_model="numpy")
def likelihood(y: Floats, centres: Floats, lags: Floats, deviations: Floats, transition: Floats, first: Floats) -> float:
    """Return the log-likelihood of rows p to T - 1 given the first p.

    `centres` float64[T, K] are the means of each row in each state, `lags` float64[K, p], `first` the chances of the state of row 0. The
    joint state (s_t, ..., s_{t-p}) has its newest as the leading digit in base K.
    """
    count, k = centres.shape
    p = lags.shape[1]
    some = k**p
    lead = some // k if p > 0 else 1
    size = some * k
    held = np.empty(some)
    held[0] = 1.0
    if p > 0:
        held[:k] = first
    filled, room = k, np.empty(size)
    for _ in range(1, p):
        for s in range(k):
            for m in range(filled):
                room[s * filled + m] = transition[m // (filled // k), s] * held[m]
        filled *= k
        held[:filled] = room[:filled]
    heights = np.empty(k)
    for s in range(k):
        heights[s] = -log(deviations[s] * _ROOT_TWO_PI)
    chances = first.copy()
    logs = np.empty(size)
    value = 0.0
    for t in range(p, count):
        largest = -_LARGEST
        for x in range(size):
            s, rest = x // some, x % some
            error, digit = y[t] - centres[t, s], lead
            for i in range(p):
                state = rest // digit
                rest -= state * digit
                error -= lags[s, i] * (y[t - 1 - i] - centres[t - 1 - i, state])
                digit //= k
            error /= deviations[s]
            logs[x] = heights[s] - 0.5 * min(error * error, _LARGEST)
            if logs[x] > largest:
                largest = logs[x]
        total = 0.0
        for x in range(size):
            chance = chances[x] if p == 0 else transition[(x % some) // lead, x // some] * held[x % some]
            room[x] = chance * exponential(logs[x] - largest)
            total += room[x]
        value += largest + log(total)
        part = 1.0 / total
        if p == 0:
            for s in range(k):
                chance = 0.0
                for i in range(k):
                    chance += room[i] * transition[i, s]
                chances[s] = chance * part
        else:
            for m in range(some):
                mass = 0.0
                for last in range(k):
                    mass += room[m * k + last]
                held[m] = mass * part
    return value
