"""Compiled recursions of GARCH, GJR, EGARCH and APARCH: the filter, the likelihood with its analytic gradient, and simulated paths.

theta is (mean, omega, alpha, gamma, beta, power, df, skew), float64[8], and the recursion carries a level v of the variance h:

    GARCH, GJR  v = h            v' = omega + (alpha + gamma [e < 0]) e² + beta v
    EGARCH      v = ln h         v' = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta v
    APARCH      v = h^(power/2)  v' = omega + alpha (|e| - gamma e)^power + beta v

with e = r - mean and z = e / sqrt(h). D. B. Nelson, "Conditional heteroskedasticity in asset returns: a new approach", Econometrica 59
(1991) 347-370; Z. Ding, C. W. J. Granger and R. F. Engle, "A long memory property of stock market returns and a
new model", Journal of Empirical Finance 1 (1993) 83-106.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.volatility.innovations import log_density, shape

Floats = NDArray[np.float64]

MEAN, OMEGA, ALPHA, GAMMA, BETA, POWER, DF, SKEW = range(8)
GARCH, EGARCH, APARCH = range(3)
MEAN_ABSOLUTE: Final = sqrt(2.0 / pi)
"""E|z| of the normal, the centre of EGARCH's news under every law (as arch has it); another centre moves omega only."""
_FARTHEST: Final = 600.0  # log variances beyond are held: their exponential is no number


@njit(cache=True, nogil=True, error_model="numpy")
def log_variance(v: float, power: float, model: int) -> float:
    """Return ln h of the level."""
    if model == EGARCH:
        return min(max(v, -_FARTHEST), _FARTHEST)
    return log(v) if model == GARCH else 2.0 / power * log(v)


@njit(cache=True, nogil=True, error_model="numpy")
def variance(v: float, power: float, model: int) -> float:
    """Return h of the level."""
    return v if model == GARCH else exp(log_variance(v, power, model))


@njit(cache=True, nogil=True, error_model="numpy")
def following(v: float, e: float, theta: Floats, model: int) -> float:
    """Return the level of the next day, after a return e off the mean."""
    omega: float = theta[OMEGA]
    alpha: float = theta[ALPHA]
    gamma: float = theta[GAMMA]
    held: float = theta[BETA] * v
    if model == GARCH:
        return omega + (alpha + (gamma if e < 0.0 else 0.0)) * e * e + held
    if model == EGARCH:
        z = e / exp(0.5 * log_variance(v, 2.0, model))
        return omega + alpha * (abs(z) - MEAN_ABSOLUTE) + gamma * z + held
    power: float = theta[POWER]
    return float(omega + alpha * (abs(e) - gamma * e) ** power + held)


@njit(cache=True, nogil=True, error_model="numpy")
def filtered(x: Floats, v: float, theta: Floats, model: int) -> tuple[Floats, float]:
    """Return the variance before each return, float64[T], and the level after the last, from the level before the first."""
    path = np.empty(x.shape[0])
    for t in range(x.shape[0]):
        path[t] = variance(v, theta[POWER], model)
        v = following(v, x[t] - theta[MEAN], theta, model)
    return path, v


@njit(cache=True, nogil=True, error_model="numpy")
def first_level(theta: Floats, model: int, before: float, of_first: bool) -> float:
    """Return the level of the first return, whose variance is `before` if `of_first`; else `before` is that of the day before."""
    omega: float = theta[OMEGA]
    beta: float = theta[BETA]
    news: float = theta[ALPHA] + (0.5 * theta[GAMMA] if model == GARCH else 0.0)
    half: float = 0.5 * theta[POWER]
    level = before if model == GARCH else log(before) if model == EGARCH else float(before**half)
    if of_first:
        return level
    return omega + (beta if model == EGARCH else news + beta) * level


@njit(cache=True, nogil=True, error_model="numpy")
def _first_slopes(theta: Floats, model: int, before: float, before_mean: float, of_first: bool, d: Floats) -> None:
    """Write the derivatives of `first_level` to d; `before_mean` is that of `before` by the mean."""
    half = 0.5 * theta[POWER]
    d[:] = 0.0
    if model == GARCH:
        reach = theta[ALPHA] + 0.5 * theta[GAMMA] + theta[BETA]
        d[MEAN] = before_mean * (1.0 if of_first else reach)
        if not of_first:
            d[OMEGA], d[ALPHA], d[GAMMA], d[BETA] = 1.0, before, 0.5 * before, before
    elif model == EGARCH:
        d[MEAN] = before_mean / before * (1.0 if of_first else theta[BETA])
        if not of_first:
            d[OMEGA], d[BETA] = 1.0, log(before)
    else:
        level, reach = before**half, 1.0 if of_first else theta[ALPHA] + theta[BETA]
        d[MEAN] = reach * half * level / before * before_mean
        d[POWER] = reach * level * 0.5 * log(before)
        if not of_first:
            d[OMEGA], d[ALPHA], d[BETA] = 1.0, level, level


@njit(cache=True, nogil=True, error_model="numpy")
def likelihood(
    x: Floats,
    theta: Floats,
    model: int,
    normal: bool,
    before: float,
    before_mean: float,
    of_first: bool,
    slope: Floats,
    each: Floats,
) -> float:
    """Return the mean log density; write its gradient to slope float64[8], and that of each log density to `each` if it has T rows."""
    v = first_level(theta, model, before, of_first)
    d, dl, by = np.empty(8), np.empty(8), np.zeros(8)
    _first_slopes(theta, model, before, before_mean, of_first, d)
    alpha, gamma, beta, power = theta[ALPHA], theta[GAMMA], theta[BETA], theta[POWER]
    df, skew = theta[DF], theta[SKEW]
    s = shape(df, skew, normal)
    total: float = 0.0
    slope[:] = 0.0
    wanted = each.shape[0] == x.shape[0]
    for t in range(x.shape[0]):
        e = x[t] - theta[MEAN]
        log_h = min(max(log_variance(v, power, model), -60.0), 60.0)
        inverse = exp(-0.5 * log_h)
        z = e * inverse
        f, f_z, f_df, f_skew = log_density(z, df, skew, normal, s)
        total += f - 0.5 * log_h
        scale = 1.0 if model == EGARCH else 1.0 / v if model == GARCH else 2.0 / (power * v)
        for i in range(6):
            dl[i] = scale * d[i]
        if model == APARCH:
            dl[POWER] -= log_h / power
        of_log_h = -0.5 - 0.5 * z * f_z
        for i in range(6):
            by[i] = of_log_h * dl[i]
        by[MEAN] -= f_z * inverse
        by[DF], by[SKEW] = f_df, f_skew
        for i in range(8):
            slope[i] += by[i]
        if wanted:
            each[t] = by
        for i in range(6):
            d[i] *= beta
        d[OMEGA] += 1.0
        d[BETA] += v
        if model == GARCH:
            reaction = alpha + (gamma if e < 0.0 else 0.0)
            d[MEAN] -= 2.0 * reaction * e
            d[ALPHA] += e * e
            if e < 0.0:
                d[GAMMA] += e * e
            v = theta[OMEGA] + reaction * e * e + beta * v
        elif model == EGARCH:
            side = 1.0 if z > 0.0 else -1.0 if z < 0.0 else 0.0
            pull = alpha * side + gamma
            for i in range(6):
                d[i] -= 0.5 * pull * z * dl[i]
            d[MEAN] -= pull * inverse
            d[ALPHA] += abs(z) - MEAN_ABSOLUTE
            d[GAMMA] += z
            v = theta[OMEGA] + alpha * (abs(z) - MEAN_ABSOLUTE) + gamma * z + beta * v
        else:
            size = abs(e) - gamma * e
            news = 0.0
            if size > 0.0:
                log_size = log(size)
                news = exp(power * log_size)
                steep = alpha * power * news / size
                d[MEAN] -= steep * ((1.0 if e > 0.0 else -1.0) - gamma)
                d[GAMMA] -= steep * e
                d[POWER] += alpha * news * log_size
            d[ALPHA] += news
            v = theta[OMEGA] + alpha * news + beta * v
    for i in range(8):
        slope[i] /= x.shape[0]
    count: int = x.shape[0]
    return total / count


@njit(cache=True, nogil=True, error_model="numpy")
def paths(v: float, theta: Floats, model: int, z: Floats) -> tuple[Floats, Floats]:
    """Return simulated variances and returns, float64[P, D], from the level of the next day and innovations float64[P, D]."""
    h, r = np.empty(z.shape), np.empty(z.shape)
    for p in range(z.shape[0]):
        level = v
        for day in range(z.shape[1]):
            h[p, day] = variance(level, theta[POWER], model)
            e = sqrt(h[p, day]) * z[p, day]
            r[p, day] = theta[MEAN] + e
            level = following(level, e, theta, model)
    return h, r
