"""Profile likelihood of a tail measure, over the shape and the exceedance probability.

The likelihood is that of the excesses times the binomial one of their number, so that an interval also carries the chance of more or
fewer exceedances: without it, value at risk at the threshold's own confidence would be certain.
"""

from __future__ import annotations

from math import exp, inf, log, log1p
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.extreme.kernels import likelihood, risk_factor

Floats = NDArray[np.float64]

_NEWTON: Final = 60
_SEARCH: Final = 80
_WIDEST: Final = 1e5
"""An upper end this many times the estimate's distance from the threshold is no end."""
_NARROWEST: Final = 1e-7


@njit(cache=True, nogil=True)
def _joint(
    shape: float,
    log_probability: float,
    log_distance: float,
    tail: float,
    shortfall: bool,
    chance: float,
    trials: float,
    effective: float,
    y: Floats,
    mass: Floats,
) -> tuple[float, float, float, float, float, float]:
    """Return the joint log-likelihood, given the measure's distance from the threshold, and its derivatives in the other two."""
    none = (-inf, 0.0, 0.0, 0.0, 0.0, 0.0)
    depth = log_probability - log(tail)
    if not (depth > 0.0 and log_probability < 0.0 and -1.0 < shape < (1.0 if shortfall else inf)):
        return none
    f, f_s, f_d, f_ss, f_sd, f_dd = risk_factor(shape, depth, shortfall)
    if not 0.0 < f < inf:
        return none
    value, g, h, a, b, c = likelihood(shape, log_distance - log(f), y, mass)
    if value == -inf:
        return none
    s, d = -f_s / f, -f_d / f  # derivatives of the log scale
    ss, sd, dd = s * s - f_ss / f, s * d - f_sd / f, d * d - f_dd / f
    p = exp(log_probability)
    odds = p / (1.0 - p)
    return (
        effective * value + trials * (chance * log_probability + (1.0 - chance) * log1p(-p)),
        effective * (g + h * s),
        effective * h * d + trials * (chance - (1.0 - chance) * odds),
        effective * (a + 2.0 * b * s + c * s * s + h * ss),
        effective * (b * d + c * s * d + h * sd),
        effective * (c * d * d + h * dd) - trials * (1.0 - chance) * odds / (1.0 - p),
    )


@njit(cache=True, nogil=True)
def _profile(
    shape: float,
    log_probability: float,
    log_distance: float,
    tail: float,
    shortfall: bool,
    chance: float,
    trials: float,
    effective: float,
    y: Floats,
    mass: Floats,
) -> tuple[float, float, float]:
    """Return (largest joint log-likelihood at this distance, shape, log probability there), by damped Newton steps."""
    now = _joint(shape, log_probability, log_distance, tail, shortfall, chance, trials, effective, y, mass)
    tries = 0
    while now[0] == -inf and tries < 60:  # a start outside the law's support: a heavier tail holds every excess
        shape = 0.5 * (shape + 0.9)
        log_probability = 0.5 * (log_probability + log(chance if chance > tail * 1.01 else min(1.05 * tail, 0.5 * (1.0 + tail))))
        now = _joint(shape, log_probability, log_distance, tail, shortfall, chance, trials, effective, y, mass)
        tries += 1
    damping = 0.0
    for _ in range(_NEWTON):
        value, g, h, a, b, c = now
        a, c = a - damping, c - damping
        determinant = a * c - b * b
        if not (determinant > 0.0 and a < 0.0):
            damping = max(4.0 * damping, 1e-3 * effective)
            continue
        right, up = -(c * g - b * h) / determinant, -(a * h - b * g) / determinant
        room = 0.9 * (log_probability - log(tail))
        if up < -room:  # the best probability may be the tail's own, the end of its range: approach it without leaving the range
            up = -room
            right = -(g + b * up) / a
        gain = g * right + h * up
        if gain <= 1e-13 * effective:
            break
        ahead = _joint(shape + right, log_probability + up, log_distance, tail, shortfall, chance, trials, effective, y, mass)
        if ahead[0] >= value:
            shape, log_probability, now = shape + right, log_probability + up, ahead
            damping = 0.1 * damping if damping > 1e-6 * effective else 0.0
        else:
            damping = max(4.0 * damping, 1e-3 * effective)
    return now[0], shape, log_probability


@njit(cache=True, nogil=True)
def profile_end(
    direction: float,
    shape: float,
    log_scale: float,
    distance: float,
    step: float,
    fall: float,
    tail: float,
    shortfall: bool,
    chance: float,
    trials: float,
    effective: float,
    y: Floats,
    mass: Floats,
) -> float:
    """Return where, above (direction 1) or below (-1) `distance`, the profile has fallen by `fall`; 0 or inf where it does not.

    `distance` is the estimate less the threshold; `step` a first step on its logarithm.
    """
    unit = max(distance, exp(log_scale))
    level = effective * likelihood(shape, log_scale, y, mass)[0] - fall
    level += trials * (chance * log(chance) + (1.0 - chance) * log1p(-chance))
    inner, at_shape, at_probability = log(max(distance, _NARROWEST * unit)), shape, max(log(chance), log(tail) + 1e-4)
    over = fall
    outer, under = inner, over
    for _ in range(_SEARCH):
        outer = inner + direction * step
        if not shortfall:  # near the threshold the last point may be a poor start: another has the fitted scale
            stretch = shape * exp(outer - log_scale)
            if stretch > -0.9:
                other = log(tail) + (log1p(stretch) / shape if shape != 0.0 else exp(outer - log_scale))
                here = _joint(at_shape, at_probability, outer, tail, shortfall, chance, trials, effective, y, mass)[0]
                if _joint(shape, other, outer, tail, shortfall, chance, trials, effective, y, mass)[0] > here:
                    at_shape, at_probability = shape, other
        value, new_shape, new_probability = _profile(at_shape, at_probability, outer, tail, shortfall, chance, trials, effective, y, mass)
        under = value - level
        if under <= 0.0:
            break
        inner, over, at_shape, at_probability = outer, under, new_shape, new_probability
        step *= 1.5
        if direction > 0.0 and outer > log(_WIDEST * unit):
            return inf
        if direction < 0.0 and outer < log(_NARROWEST * unit):
            return 0.0
    for turn in range(_SEARCH):
        if abs(outer - inner) < 1e-9:
            break
        share = 0.5 if turn % 3 == 2 or under == -inf else over / (over - under)
        middle = inner + min(max(share, 0.02), 0.98) * (outer - inner)
        value, new_shape, new_probability = _profile(at_shape, at_probability, middle, tail, shortfall, chance, trials, effective, y, mass)
        if value > level:
            inner, over, at_shape, at_probability = middle, value - level, new_shape, new_probability
        else:
            outer, under = middle, value - level
    return exp(0.5 * (inner + outer))
