"""Compiled loops of a Markov-switching normal law: scaled forward and backward passes, and expectation-maximisation.

Days in rows, states in columns; `transition[i, j]` is the chance of state j after state i. L. Rabiner, "A tutorial on hidden Markov models
and selected applications in speech recognition", Proceedings of the IEEE 77 (1989) 257-286.
"""

from __future__ import annotations

from math import exp, log, pi
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NOTHING: Final = 1e-300
_LOG_TWO_PI: Final = log(2.0 * pi)


@njit(cache=True, nogil=True)
def normal_densities(y: Floats, means: Floats, variances: Floats, densities: Floats) -> float:
    """Write the density of each day in each state, each day's over its largest; return the sum of the logarithms of these."""
    k = means.shape[0]
    total = 0.0
    for t in range(y.shape[0]):
        largest = -np.inf
        for j in range(k):
            gap = y[t] - means[j]
            densities[t, j] = -0.5 * (_LOG_TWO_PI + log(variances[j]) + gap * gap / variances[j])
            largest = max(largest, densities[t, j])
        total += largest
        for j in range(k):
            densities[t, j] = max(exp(densities[t, j] - largest), _NOTHING)  # else a day that no reachable state knows divides by zero
    return total


@njit(cache=True, nogil=True)
def forward_backward(densities: Floats, transition: Floats, initial: Floats, filtered: Floats, smoothed: Floats, pairs: Floats) -> float:
    """Write P(state | days so far), P(state | all days) and the expected number of each transition; return the log-likelihood."""
    count, k = densities.shape
    scale = np.empty(count)
    likelihood = 0.0
    for t in range(count):
        total = 0.0
        for j in range(k):
            ahead = initial[j]
            if t > 0:
                ahead = 0.0
                for i in range(k):
                    ahead += filtered[t - 1, i] * transition[i, j]
            filtered[t, j] = ahead * densities[t, j]
            total += filtered[t, j]
        scale[t] = total
        likelihood += log(total)
        for j in range(k):
            filtered[t, j] /= total
    after, before = np.ones(k), np.empty(k)
    pairs[:, :] = 0.0
    for j in range(k):
        smoothed[count - 1, j] = filtered[count - 1, j]
    for t in range(count - 2, -1, -1):
        for i in range(k):
            before[i] = 0.0
            for j in range(k):
                link = transition[i, j] * densities[t + 1, j] * after[j] / scale[t + 1]
                before[i] += link
                pairs[i, j] += filtered[t, i] * link
        for i in range(k):
            after[i] = before[i]
            smoothed[t, i] = filtered[t, i] * before[i]
    return likelihood


@njit(cache=True, nogil=True)
def expectation_maximisation(
    y: Floats,
    means: Floats,
    variances: Floats,
    transition: Floats,
    initial: Floats,
    free_means: bool,
    floor: float,
    steps: int,
    tolerance: float,
) -> tuple[float, int, bool, Floats, Floats]:
    """Improve the parameters in place until a step gains less than the tolerance.

    Returns (log-likelihood, steps taken, whether it settled, filtered, smoothed), all of the parameters that are left.
    """
    count, k = y.shape[0], means.shape[0]
    densities, filtered, smoothed = np.empty((count, k)), np.empty((count, k)), np.empty((count, k))
    pairs = np.empty((k, k))
    likelihood = normal_densities(y, means, variances, densities)
    likelihood += forward_backward(densities, transition, initial, filtered, smoothed, pairs)
    for step in range(1, steps + 1):
        for j in range(k):
            mass, first, second = 0.0, 0.0, 0.0
            for t in range(count):
                mass += smoothed[t, j]
                first += smoothed[t, j] * y[t]
            mass = max(mass, _NOTHING)
            if free_means:
                means[j] = first / mass
            for t in range(count):
                gap = y[t] - means[j]
                second += smoothed[t, j] * gap * gap
            variances[j] = max(second / mass, floor)
            initial[j] = smoothed[0, j]
            left = 0.0
            for i in range(k):
                left += pairs[j, i]
            for i in range(k):
                transition[j, i] = pairs[j, i] / left if left > 0.0 else 1.0 / k
        former = likelihood
        likelihood = normal_densities(y, means, variances, densities)
        likelihood += forward_backward(densities, transition, initial, filtered, smoothed, pairs)
        if likelihood - former < tolerance:
            return likelihood, step, True, filtered, smoothed
    return likelihood, steps, False, filtered, smoothed
