"""Compiled loops of the generalised Pareto likelihood: one pass over the excesses for each evaluation.

Excesses `y` are positive, `mass` sums to one. Everything is written so that nothing cancels where the shape goes through zero.
"""

from __future__ import annotations

from math import exp, expm1, inf, log, log1p
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SERIES: Final = 0.03  # below, 12 terms are exact to rounding; above, closed forms lose at most four digits
_TERMS: Final = 14
_NEAREST: Final = 1e-3
_FIRST: Final = 0.01
_FARTHEST: Final = 1e12
_NOTHING: Final = 1e-300
_ROUNDING: Final = 1e-12


@njit(cache=True, nogil=True)
def _log_ratio(z: float) -> float:
    """Return log(1 + z) / z, 1 at zero."""
    return log1p(z) / z if z != 0.0 else 1.0


@njit(cache=True, nogil=True)
def _fall(z: float) -> float:
    """Return -d/dz of log(1 + z) / z: (log(1 + z) - z / (1 + z)) / z², 1/2 at zero."""
    if abs(z) > _SERIES:
        return (log1p(z) - z / (1.0 + z)) / (z * z)
    total, power = 0.0, 1.0
    for k in range(1, _TERMS):
        total += power * k / (k + 1.0)
        power *= -z
    return total


@njit(cache=True, nogil=True)
def _curve(z: float) -> float:
    """Return the second derivative of log(1 + z) / z: 2/3 at zero."""
    if abs(z) > _SERIES:
        return (2.0 * log1p(z) - 2.0 * z / (1.0 + z) - (z / (1.0 + z)) ** 2) / (z * z * z)
    total, power = 0.0, 1.0
    for k in range(2, _TERMS):
        total += power * k * (k - 1.0) / (k + 1.0)
        power *= -z
    return total


@njit(cache=True, nogil=True)
def profile_slope(tau: float, y: Floats, mass: Floats) -> float:
    """Return the derivative, for one observation, of the likelihood profiled along tau = shape / scale."""
    level, fall, harmonic = 0.0, 0.0, 0.0
    for i in range(y.shape[0]):
        z = tau * y[i]
        w, q = mass[i] * y[i], 1.0 / (1.0 + z)
        harmonic += w * q
        if abs(z) > _SERIES:
            ratio = log1p(z) / z
            level += w * ratio
            fall += w * y[i] * (ratio - q) / z
        else:
            level += w * _log_ratio(z)
            fall += w * y[i] * _fall(z)
    return fall / level - harmonic


@njit(cache=True, nogil=True)
def _scale_at(tau: float, y: Floats, mass: Floats) -> float:
    total = 0.0
    for i in range(y.shape[0]):
        total += mass[i] * y[i] * _log_ratio(tau * y[i])
    return total


@njit(cache=True, nogil=True)
def _root(left: float, right: float, rise: float, fall: float, y: Floats, mass: Floats) -> float:
    """Return the zero of the slope in a bracket, by regula falsi (Illinois), every third step a bisection."""
    side = 0
    for step in range(200):
        if abs(right - left) <= 1e-13 * (abs(left) + abs(right)):
            break
        middle = 0.5 * (left + right)
        tau = middle if step % 3 == 2 else (left * fall - right * rise) / (fall - rise)
        if not left < tau < right:
            tau = middle
        slope = profile_slope(tau, y, mass)
        if slope == 0.0:
            return tau
        if slope > 0.0:
            left, rise = tau, slope
            if side == 1:
                fall *= 0.5
            side = 1
        else:
            right, fall = tau, slope
            if side == -1:
                rise *= 0.5
            side = -1
    return 0.5 * (left + right)


@njit(cache=True, nogil=True)
def likelihood(shape: float, log_scale: float, y: Floats, mass: Floats) -> tuple[float, float, float, float, float, float]:
    """Return (value, d/dshape, d/dlog scale, and the three second derivatives) of the log-likelihood of one observation.

    -inf and zeros where an excess lies beyond the end point.
    """
    value, by_shape, by_scale, bent, cross, curved = -log_scale, 0.0, -1.0, 0.0, 0.0, 0.0
    inverse = exp(-log_scale)
    for i in range(y.shape[0]):
        x = y[i] * inverse
        z = shape * x
        d = 1.0 + z
        if d <= 0.0:
            return -inf, 0.0, 0.0, 0.0, 0.0, 0.0
        w, q = mass[i], x / d
        value -= w * (x * _log_ratio(z) + log1p(z))
        by_shape += w * (x * x * _fall(z) - q)
        by_scale += w * (1.0 + shape) * q
        bent += w * (q * q - x * x * x * _curve(z))
        cross -= w * q * (x - 1.0) / d
        curved -= w * (1.0 + shape) * q / d
    return value, by_shape, by_scale, bent, cross, curved


@njit(cache=True, nogil=True)
def maximise(y: Floats, mass: Floats) -> tuple[float, float, bool]:
    """Return (shape, scale, whether inside) of the largest likelihood over shapes >= -1. `y` has mean near one.

    Stationary points of the profile likelihood are bracketed on a grid that reaches Grimshaw's bounds, refined, compared with one
    another and with the end shape = -1, scale = the worst excess, and polished by Newton steps in both parameters.
    """
    least, worst, mean, heaviest = inf, 0.0, 0.0, 0.0
    for i in range(y.shape[0]):
        if y[i] > worst:
            worst, heaviest = y[i], mass[i]
        least = min(least, y[i])
        mean += mass[i] * y[i]
    best, shape, scale, inside = -log(worst), -1.0, worst, False
    end = min(2.0 * (mean - least) / max(least * least, _NOTHING), _FARTHEST / mean)
    gap = max(heaviest * _NEAREST, _ROUNDING)  # 1 + tau worst; where it is smaller yet, the slope has no further sign change above shape -1
    tau = (gap - 1.0) / worst
    slope = profile_slope(tau, y, mass)
    while tau <= end:
        gap *= 2.0
        beyond = _FIRST / mean if tau < 0.0 else 4.0 * tau
        ahead = (gap - 1.0) / worst if gap < 1.0 else beyond
        slope_ahead = profile_slope(ahead, y, mass)
        if slope > 0.0 >= slope_ahead:
            found = _root(tau, ahead, slope, slope_ahead, y, mass)
            width = _scale_at(found, y, mass)
            value = likelihood(found * width, log(width), y, mass)[0]
            if value > best and found * width > -1.0:
                best, shape, scale, inside = value, found * width, width, True
        tau, slope = ahead, slope_ahead
    if inside:
        for _ in range(3):
            value, g, h, a, b, c = likelihood(shape, log(scale), y, mass)
            determinant = a * c - b * b
            if not (determinant > 0.0 and a < 0.0):
                break
            new_shape, new_scale = shape - (c * g - b * h) / determinant, scale * exp(-(a * h - b * g) / determinant)
            if not likelihood(new_shape, log(new_scale), y, mass)[0] >= value - 1e-15 * abs(value):
                break
            shape, scale = new_shape, new_scale
    return shape, scale, inside


@njit(cache=True, nogil=True)
def _moment(t: float, order: int) -> float:
    """Return the integral of u**order exp(t u) over [0, 1], order 1 or 2."""
    if abs(t) > _SERIES:
        e = exp(t)
        first = (t * e - expm1(t)) / (t * t)
        return first if order == 1 else (e - 2.0 * first) / t
    total, power = 0.0, 1.0
    for k in range(_TERMS):
        total += power / (k + order + 1.0)
        power *= t / (k + 1.0)
    return total


@njit(cache=True, nogil=True)
def risk_factor(shape: float, depth: float, shortfall: bool) -> tuple[float, float, float, float, float, float]:
    """Return (measure - threshold) / scale with its derivatives (by shape, by depth, shape twice, mixed, depth twice).

    `depth` is log(exceedance probability / tail probability) >= 0; a shortfall needs shape < 1.
    """
    t = shape * depth
    grown = exp(t)
    value = depth * (expm1(t) / t if t != 0.0 else 1.0)
    by_shape, by_depth = depth * depth * _moment(t, 1), grown
    bent, mixed, curved = depth**3 * _moment(t, 2), depth * grown, shape * grown
    if not shortfall:
        return value, by_shape, by_depth, bent, mixed, curved
    r = 1.0 / (1.0 - shape)
    value = (1.0 + value) * r
    slope = by_shape * r + value * r
    return value, slope, by_depth * r, bent * r + 2.0 * slope * r, (mixed + by_depth * r) * r, curved * r
