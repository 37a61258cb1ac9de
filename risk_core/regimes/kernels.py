"""Compiled passes over a hidden Markov chain: filter, smoother, best path; and the same for the joint state of the last q + 1 steps.

Steps in rows, states in columns; `transition[n, i, j]` is the chance of state j after state i, n = 1 or one matrix for each step. Sums run
in a fixed order without reassociation, so a stream that repeats a step gives the bits of the batch.

L. Rabiner, "A tutorial on hidden Markov
models and selected applications in speech recognition", Proceedings of the IEEE 77 (1989) 257-286; J. Hamilton, Econometrica 57 (1989)
357-384; C.-J. Kim, Journal of Econometrics 60 (1994) 1-22.
"""

from __future__ import annotations

from math import inf
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_LEAST: Final = -690.0
"""Below, a density over the largest of its step counts as 1e-300: else a step that no reachable state knows would divide by zero."""
_ROUNDER: Final = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the lowest bits


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(x: float) -> float:
    """Return exp(x) for -690 <= x <= 700 within two units of the last place, 1e-300 (that of -690) below.

    Multiplications and additions only: compilers turn a loop of it into vector instructions, and every machine gives the same bits.
    """
    y = x if x > _LEAST else _LEAST
    shifted = y * _LOG2_E + _ROUNDER
    n = shifted - _ROUNDER
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    p = 1.0 / 479001600.0
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
    p = p * r + 1.0
    p = p * r + 1.0
    power = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    return p * power


@njit(cache=True, nogil=True, error_model="numpy")
def relative(logs: Floats, shift: Floats) -> None:
    """Turn log densities float64[T, K] into densities over the largest of their step; write the logarithm of that, float64[T]."""
    count, k = logs.shape
    for t in range(count):
        largest = logs[t, 0]
        for j in range(1, k):
            if logs[t, j] > largest:
                largest = logs[t, j]
        shift[t] = largest
        for j in range(k):
            logs[t, j] -= largest
    flat = logs.reshape(-1)
    for i in range(flat.shape[0]):
        flat[i] = exponential(flat[i])


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(predicted: Floats, densities: Floats, t: int, filtered: Floats) -> float:
    """Write the chances of the state given the densities of step t; return the density of the step."""
    k = densities.shape[1]
    total = 0.0
    for j in range(k):
        value = predicted[t, j] * densities[t, j]
        filtered[t, j] = value
        total += value
    if total > 0.0:
        part = 1.0 / total
        for j in range(k):
            filtered[t, j] *= part
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def forward(densities: Floats, transition: Floats, initial: Floats, predicted: Floats, filtered: Floats, scale: Floats) -> int:
    """Write the chances before and after each step and the step's density; return the first impossible step, or -1.

    `initial` are the chances of the first step's state. transition[t] leads into step t where it varies.
    """
    k = densities.shape[1]
    for t in range(densities.shape[0]):
        u = t if transition.shape[0] > 1 else 0
        for j in range(k):
            chance = initial[j]
            if t > 0:
                chance = 0.0
                for i in range(k):
                    chance += filtered[t - 1, i] * transition[u, i, j]
            predicted[t, j] = chance
        scale[t] = weigh(predicted, densities, t, filtered)
        if not scale[t] > 0.0:
            return t
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def backward(densities: Floats, transition: Floats, filtered: Floats, scale: Floats, smoothed: Floats, pairs: Floats) -> None:
    """Write P(state | all steps) and the expected number of each transition, after `forward`."""
    count, k = densities.shape
    after, link = np.ones(k), np.empty(k)
    pairs[:, :] = 0.0
    smoothed[count - 1] = filtered[count - 1]
    for t in range(count - 2, -1, -1):
        matrix = transition[t + 1 if transition.shape[0] > 1 else 0]
        for j in range(k):
            link[j] = densities[t + 1, j] * after[j] / scale[t + 1]
        for i in range(k):
            total = 0.0
            for j in range(k):
                step = matrix[i, j] * link[j]
                total += step
                pairs[i, j] += filtered[t, i] * step
            after[i] = total
        for i in range(k):
            smoothed[t, i] = filtered[t, i] * after[i]


@njit(cache=True, nogil=True, error_model="numpy")
def best_path(logs: Floats, transition: Floats, initial: Floats, path: Integers) -> float:
    """Write the likeliest sequence of states (Viterbi); return its log probability, all three arguments in logarithms.

    Of equal ones the lower state wins.
    """
    count, k = logs.shape
    from_ = np.empty((count, k), np.int64)
    score, former = initial + logs[0], np.empty(k)
    for t in range(1, count):
        matrix = transition[t if transition.shape[0] > 1 else 0]
        former[:] = score
        for j in range(k):
            best, where = -inf, 0
            for i in range(k):
                value = former[i] + matrix[i, j]
                if value > best:
                    best, where = value, i
            score[j], from_[t, j] = best + logs[t, j], where
    last = 0
    for j in range(1, k):
        if score[j] > score[last]:
            last = j
    path[count - 1] = last
    for t in range(count - 1, 0, -1):
        path[t - 1] = from_[t, path[t]]
    return float(score[last])


@njit(cache=True, nogil=True, error_model="numpy")
def joint_forward(densities: Floats, transition: Floats, initial: Floats, predicted: Floats, filtered: Floats, scale: Floats) -> int:
    """As `forward` for the joint state (s_t, ..., s_{t-q}), the newest the leading digit in base K, in O(K^(q+1)) a step.

    `initial` float64[K^q] are the chances of (s_{-1}, ..., s_{-q}); `densities` is float64[T, K^(q+1)]; transition[t] leads into step t.
    """
    count, size = densities.shape
    k = transition.shape[1]
    some = size // k
    lead = some // k
    held = initial.copy()
    for t in range(count):
        matrix = transition[t if transition.shape[0] > 1 else 0]
        if t > 0:
            for m in range(some):
                total = 0.0
                for last in range(k):
                    total += filtered[t - 1, m * k + last]
                held[m] = total
        for s in range(k):
            for m in range(some):
                predicted[t, s * some + m] = matrix[m // lead, s] * held[m]
        scale[t] = weigh(predicted, densities, t, filtered)
        if not scale[t] > 0.0:
            return t
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def joint_backward(densities: Floats, transition: Floats, filtered: Floats, scale: Floats, smoothed: Floats) -> None:
    """Write P(s_t, ..., s_{t-q} | all steps), after `joint_forward`."""
    count, size = densities.shape
    k = transition.shape[1]
    some = size // k
    lead = some // k
    after, former = np.ones(size), np.empty(some)
    smoothed[count - 1] = filtered[count - 1]
    for t in range(count - 2, -1, -1):
        matrix = transition[t + 1 if transition.shape[0] > 1 else 0]
        for m in range(some):
            total = 0.0
            for s in range(k):
                x = s * some + m
                total += matrix[m // lead, s] * densities[t + 1, x] * after[x]
            former[m] = total / scale[t + 1]
        for m in range(some):
            for last in range(k):
                after[m * k + last] = former[m]
                smoothed[t, m * k + last] = filtered[t, m * k + last] * former[m]
