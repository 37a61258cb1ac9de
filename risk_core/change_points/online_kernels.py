"""Compiled updates of the online detectors: each runs over a batch and leaves its memory as after the last observation.

One signature: `(xs, numbers, start, memory, out)`. `numbers` holds the settings, threshold and restart first; `memory` starts with
observations seen, value, alarm (0 or 1) and ready (0 or 1), then what the detector keeps; `start` is that memory before any observation, to
which a restart returns all but the first four. Row t of `out` is value and alarm of observation t, and what else the detector shows.
An alarm is a value strictly above the threshold.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HEAD: Final = 4
FARTHEST: Final = 1e100
"""Standard deviations from the mean at which an observation counts as no farther: its square stays a number."""
_MOST: Final = 1e250


@njit(cache=True, nogil=True, error_model="numpy")
def _placed(x: float, centre: float, scale: float) -> float:
    return max(-FARTHEST, min(FARTHEST, (x - centre) / scale))


@njit(cache=True, nogil=True, error_model="numpy")
def note(numbers: Floats, start: Floats, memory: Floats, out: Floats, t: int, value: float, ready: bool) -> None:
    """Write value and alarm, and restart after an alarm where asked for."""
    alarm = ready and value > numbers[0]
    memory[0] += 1.0
    memory[1], memory[2], memory[3] = value, 1.0 if alarm else 0.0, 1.0 if ready else 0.0
    out[t, 0], out[t, 1] = value, memory[2]
    if alarm and numbers[1] != 0.0:
        memory[HEAD:] = start[HEAD:]


@njit(cache=True, nogil=True, error_model="numpy")
def page(xs: Floats, numbers: Floats, start: Floats, memory: Floats, out: Floats) -> None:
    """Cumulative sums from zero up of a score and of another; scores are quadratic in the standardised observation.

    numbers: threshold, restart, centre, scale, transform, a0, a1, a2, b0, b1, b2, upper side, lower side. With a transform the score is
    taken of Hawkins' (sqrt|y| - 0.822) / 0.349, close to standard normal. memory, and out from column 2: upper, lower, and for how
    many observations each has been above zero.
    """
    centre, scale, transform = numbers[2], numbers[3], numbers[4]
    for t in range(xs.shape[0]):
        y = _placed(xs[t], centre, scale)
        if transform != 0.0:
            y = (sqrt(abs(y)) - 0.822) / 0.349
        if numbers[11] != 0.0:
            memory[4] = min(_MOST, max(0.0, memory[4] + (numbers[5] + (numbers[6] + numbers[7] * y) * y)))
            memory[6] = memory[6] + 1.0 if memory[4] > 0.0 else 0.0
        if numbers[12] != 0.0:
            memory[5] = min(_MOST, max(0.0, memory[5] + (numbers[8] + (numbers[9] + numbers[10] * y) * y)))
            memory[7] = memory[7] + 1.0 if memory[5] > 0.0 else 0.0
        for i in range(4):
            out[t, 2 + i] = memory[4 + i]
        note(numbers, start, memory, out, t, max(memory[4], memory[5]), True)


@njit(cache=True, nogil=True, error_model="numpy")
def ewma(xs: Floats, numbers: Floats, start: Floats, memory: Floats, out: Floats) -> None:
    """Exponentially weighted mean over its own standard deviation.

    numbers: threshold, restart, centre, scale, weight, whether the deviation is the exact one of each observation or its limit.
    memory: mean of the standardised observations, (1 - weight)^(2 t). out: mean and its lower and upper limit, in the unit of xs.
    """
    centre, scale, weight = numbers[2], numbers[3], numbers[4]
    for t in range(xs.shape[0]):
        memory[4] += weight * (_placed(xs[t], centre, scale) - memory[4])
        memory[5] *= (1.0 - weight) * (1.0 - weight)
        deviation = sqrt(weight / (2.0 - weight) * (1.0 - memory[5] if numbers[5] != 0.0 else 1.0))
        width = numbers[0] * deviation * scale
        out[t, 2], out[t, 3], out[t, 4] = centre + scale * memory[4], centre - width, centre + width
        note(numbers, start, memory, out, t, abs(memory[4]) / deviation, True)


@njit(cache=True, nogil=True, error_model="numpy")
def mosum(xs: Floats, numbers: Floats, start: Floats, memory: Floats, out: Floats) -> None:
    """Sum of the last `window` standardised observations over the root of their number.

    numbers: threshold, restart, centre, scale, window. memory: filled, place in the block, sum of the block so far, the block, and the sums
    from each place of the block before to its end. A moving sum is the end of one block and the beginning of the next: nothing is taken
    away, so that a huge observation leaves no rounding behind it. out: the signed sum over the root.
    """
    centre, scale, window = numbers[2], numbers[3], int(numbers[4])
    block, rest = HEAD + 3, HEAD + 3 + window
    for t in range(xs.shape[0]):
        y = _placed(xs[t], centre, scale)
        place = int(memory[5])
        memory[block + place] = y
        memory[6] += y
        total = memory[6] + (memory[rest + place + 1] if place + 1 < window else 0.0)
        memory[4] = min(memory[4] + 1.0, float(window))
        memory[5] = float(place + 1)
        if place + 1 == window:
            sum_ = 0.0
            for i in range(window - 1, -1, -1):
                sum_ += memory[block + i]
                memory[rest + i] = sum_
            memory[5], memory[6] = 0.0, 0.0
        ready = memory[4] >= window
        signed = total / sqrt(float(window)) if ready else 0.0
        out[t, 2] = signed
        note(numbers, start, memory, out, t, abs(signed), ready)


@njit(cache=True, nogil=True, error_model="numpy")
def breakout(xs: Floats, numbers: Floats, start: Floats, memory: Floats, out: Floats) -> None:
    """Fast exponentially weighted volatility over the slow one of the observation before.

    numbers: threshold, restart, mean, fast decay, slow decay, warm-up. memory: observations since the start, fast and slow variance; both
    are the mean square during the warm-up. Not ready while the slow variance is zero. out: the two volatilities.
    """
    for t in range(xs.shape[0]):
        y = _placed(xs[t], numbers[2], 1.0)
        square = y * y
        memory[4] += 1.0
        value, ready = 0.0, False
        if memory[4] <= numbers[5]:
            memory[5] += (square - memory[5]) / memory[4]
            memory[6] = memory[5]
        else:
            memory[5] = numbers[3] * memory[5] + (1.0 - numbers[3]) * square
            ready = memory[6] > 0.0
            value = min(_MOST, sqrt(memory[5]) / sqrt(memory[6])) if ready else 0.0
            memory[6] = numbers[4] * memory[6] + (1.0 - numbers[4]) * square
        out[t, 2], out[t, 3] = sqrt(memory[5]), sqrt(memory[6])
        note(numbers, start, memory, out, t, value, ready)
