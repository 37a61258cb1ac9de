"""Compiled loops of conditional variances: the filter, and the GARCH likelihood with its first and second derivatives in one pass.

theta is (mean, level, reaction to gains, reaction to losses, persistence of the variance, degrees of freedom), float64[6]:

    h[t + 1] = level + reaction * e[t]² + persistence * h[t],    e = r - mean,

with the reaction to losses where e < 0. Before the first return both the variance and the square are `start`. Series are scaled to
variance one by the caller, `mass` sums to one, and sums run over all returns in their order, so that a machine repeats its bits.

T. Bollerslev, Journal of Econometrics 31 (1986) 307-327; G. Fiorentini, G. Calzolari and L. Panattoni, "Analytic derivatives and the
computation of GARCH estimates", Journal of Applied Econometrics 11 (1996) 399-417.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ten = tuple[float, float, float, float, float, float, float, float, float, float]

MEAN, LEVEL, UP, DOWN, PERSISTENCE, DF = range(6)
_LOG_TWO_PI: Final = log(2.0 * pi)


@njit(cache=True, nogil=True, error_model="numpy")
def components(r: Floats, mean: float, level: Floats, up: Floats, down: Floats, persistence: Floats, mass: Floats, held: Floats) -> Floats:
    """Return the variance before each return and after the last, float64[T + 1]; `held` float64[K] starts and ends the components."""
    path = np.empty(r.shape[0] + 1)
    for t in range(r.shape[0] + 1):
        total = 0.0
        for k in range(held.shape[0]):
            total += mass[k] * held[k]
        path[t] = total
        if t < r.shape[0]:
            e = r[t] - mean
            square = e * e
            for k in range(held.shape[0]):
                held[k] = level[k] + (down[k] if e < 0.0 else up[k]) * square + persistence[k] * held[k]
    return path


@njit(cache=True, nogil=True, error_model="numpy")
def _gamma_slopes(x: float) -> tuple[float, float]:
    """Return the digamma and trigamma functions: recurrence up to ten, then their asymptotic series."""
    first, second = 0.0, 0.0
    while x < 10.0:
        first -= 1.0 / x
        second += 1.0 / (x * x)
        x += 1.0
    y = 1.0 / (x * x)
    first += log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
    second += (1.0 + 0.5 / x + y * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * (5 / 66 - y * 691 / 2730)))))) / x
    return first, second


@njit(cache=True, nogil=True, error_model="numpy")
def height(df: float, normal: bool) -> tuple[float, float, float]:
    """Return the log density of the standardised law at zero and its two derivatives in the degrees of freedom."""
    if normal:
        return -0.5 * _LOG_TWO_PI, 0.0, 0.0
    a, b = _gamma_slopes(0.5 * (df + 1.0)), _gamma_slopes(0.5 * df)
    over = 1.0 / (df - 2.0)
    value = lgamma(0.5 * (df + 1.0)) - lgamma(0.5 * df) - 0.5 * log(pi * (df - 2.0))
    return value, 0.5 * (a[0] - b[0] - over), 0.25 * (a[1] - b[1]) + 0.5 * over * over


@njit(cache=True, nogil=True, error_model="numpy")
def _density(e: float, h: float, df: float, normal: bool) -> float:
    """Return the log density of e at variance h, less `height`."""
    if normal:
        return -0.5 * (log(h) + e * e / h)
    return -0.5 * (log(h) + (df + 1.0) * log(1.0 + e * e / ((df - 2.0) * h)))


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(e: float, h: float, df: float, normal: bool) -> Ten:
    """Return `_density` f with f_h, f_hh, f_e, f_ee, f_he, f_v, f_vv, f_hv, f_ev, where v is df."""
    g = 1.0 / h
    if normal:
        q = e * e * g
        return -0.5 * (log(h) + q), 0.5 * (q - 1.0) * g, (0.5 - q) * g * g, -e * g, -g, e * g * g, 0.0, 0.0, 0.0, 0.0
    over, m = 1.0 / (df - 2.0), 0.5 * (df + 1.0)
    q = e * e * g * over
    d = 1.0 / (1.0 + q)
    k = q * d
    tail = log(1.0 + q)
    pull = 2.0 * e * g * over * d  # d log(1 + q) / d e
    return (
        -0.5 * log(h) - m * tail,
        (m * k - 0.5) * g,
        (0.5 - m * k - m * k * d) * g * g,
        -m * pull,
        -2.0 * m * g * over * d * (1.0 - 2.0 * k),
        m * pull * d * g,
        m * k * over - 0.5 * tail,
        (k - m * (k * d + k) * over) * over,
        (0.5 * k - m * k * d * over) * g,
        pull * (m * over * d - 0.5),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def likelihood(x: Floats, mass: Floats, theta: Floats, start: float, normal: bool) -> float:
    """Return the weighted mean log density."""
    mean, level, up, down, persistence, df = theta[0], theta[1], theta[2], theta[3], theta[4], theta[5]
    h = level + (0.5 * (up + down) + persistence) * start
    value = height(df, normal)[0]
    for t in range(x.shape[0]):
        e = x[t] - mean
        value += mass[t] * _density(e, h, df, normal)
        h = level + (down if e < 0.0 else up) * e * e + persistence * h
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def derivatives(x: Floats, mass: Floats, theta: Floats, start: float, normal: bool, slope: Floats, curve: Floats) -> float:
    """Return the weighted mean log density; write its gradient to slope float64[6] and its Hessian to curve float64[6, 6]."""
    mean, level, up, down, persistence, df = theta[0], theta[1], theta[2], theta[3], theta[4], theta[5]
    h = level + (0.5 * (up + down) + persistence) * start
    value, slope_v, curve_vv = height(df, normal)
    # first derivatives of h, and the second ones that are not zero: m, lev, u, d, p for mean, level, up, down, persistence
    m, lev, u, d, p = 0.0, 1.0, 0.5 * start, 0.5 * start, start
    mm, mu, md, mp, lp, up2, dp, pp = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    slope_m, slope_l, slope_u, slope_d, slope_p = 0.0, 0.0, 0.0, 0.0, 0.0
    c_mm, c_ml, c_mu, c_md, c_mp, c_mv, c_ll, c_lu, c_ld, c_lp = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    c_lv, c_uu, c_ud, c_up, c_uv, c_dd, c_dp, c_dv, c_pp, c_pv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(x.shape[0]):
        w, e = mass[t], x[t] - mean
        f, f_h, f_hh, f_e, f_ee, f_he, f_v, f_vv, f_hv, f_ev = _slopes(e, h, df, normal)
        value += w * f
        one, two, mixed, by_v = w * f_h, w * f_hh, w * f_he, w * f_hv
        slope_m += one * m - w * f_e
        slope_l += one * lev
        slope_u += one * u
        slope_d += one * d
        slope_p += one * p
        slope_v += w * f_v
        c_mm += two * m * m + one * mm - 2.0 * mixed * m + w * f_ee
        across = two * m - mixed
        c_ml += across * lev
        c_mu += across * u + one * mu
        c_md += across * d + one * md
        c_mp += across * p + one * mp
        c_ll += two * lev * lev
        c_lu += two * lev * u
        c_ld += two * lev * d
        c_lp += two * lev * p + one * lp
        c_uu += two * u * u
        c_ud += two * u * d
        c_up += two * u * p + one * up2
        c_dd += two * d * d
        c_dp += two * d * p + one * dp
        c_pp += two * p * p + one * pp
        c_mv += by_v * m - w * f_ev
        c_lv += by_v * lev
        c_uv += by_v * u
        c_dv += by_v * d
        c_pv += by_v * p
        curve_vv += w * f_vv
        loss = e < 0.0
        reaction = down if loss else up
        gain_e, loss_e = (0.0, e) if loss else (e, 0.0)
        mp, lp, up2, dp, pp = (
            persistence * mp + m,
            persistence * lp + lev,
            persistence * up2 + u,
            persistence * dp + d,
            persistence * pp + 2.0 * p,
        )
        mm = persistence * mm + 2.0 * reaction
        mu = persistence * mu - 2.0 * gain_e
        md = persistence * md - 2.0 * loss_e
        m = persistence * m - 2.0 * reaction * e
        lev = persistence * lev + 1.0
        u = persistence * u + gain_e * gain_e
        d = persistence * d + loss_e * loss_e
        p = persistence * p + h
        h = level + reaction * e * e + persistence * h
    slope[:] = (slope_m, slope_l, slope_u, slope_d, slope_p, slope_v)
    curve[0] = (c_mm, c_ml, c_mu, c_md, c_mp, c_mv)
    curve[1] = (c_ml, c_ll, c_lu, c_ld, c_lp, c_lv)
    curve[2] = (c_mu, c_lu, c_uu, c_ud, c_up, c_uv)
    curve[3] = (c_md, c_ld, c_ud, c_dd, c_dp, c_dv)
    curve[4] = (c_mp, c_lp, c_up, c_dp, c_pp, c_pv)
    curve[5] = (c_mv, c_lv, c_uv, c_dv, c_pv, curve_vv)
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def scores(x: Floats, theta: Floats, start: float, normal: bool) -> tuple[Floats, Floats]:
    """Return the gradient of each log density, float64[T, 6], and that of the variance after the last return, float64[6]."""
    mean, level, up, down, persistence, df = theta[0], theta[1], theta[2], theta[3], theta[4], theta[5]
    each = np.empty((x.shape[0], 6))
    d = np.zeros(6)
    d[LEVEL], d[UP], d[DOWN], d[PERSISTENCE] = 1.0, 0.5 * start, 0.5 * start, start
    h = level + (0.5 * (up + down) + persistence) * start
    by_df = height(df, normal)[1]
    for t in range(x.shape[0]):
        e = x[t] - mean
        s = _slopes(e, h, df, normal)
        for i in range(5):
            each[t, i] = s[1] * d[i]
        each[t, MEAN] -= s[3]
        each[t, DF] = by_df + s[6]
        side, reaction = (DOWN, down) if e < 0.0 else (UP, up)
        for i in range(5):
            d[i] *= persistence
        d[MEAN] -= 2.0 * reaction * e
        d[LEVEL] += 1.0
        d[side] += e * e
        d[PERSISTENCE] += h
        h = level + reaction * e * e + persistence * h
    return each, d


@njit(cache=True, nogil=True, error_model="numpy")
def by_return(x: Floats, mass: Floats, theta: Floats, moved: Floats, start: float, normal: bool, last: float) -> tuple[Floats, float]:
    """Return the derivative by each return, float64[T], and by `start`, of last * h[T + 1] + moved @ gradient of the likelihood.

    Reverse accumulation through the pair (h, its derivative in the direction `moved`): one pass forwards, one backwards.
    """
    mean, level, up, down, persistence, df = theta[0], theta[1], theta[2], theta[3], theta[4], theta[5]
    count = x.shape[0]
    h, g = np.empty(count), np.empty(count)
    total, total_moved = 0.5 * (up + down) + persistence, 0.5 * (moved[UP] + moved[DOWN]) + moved[PERSISTENCE]
    now, drift = level + total * start, moved[LEVEL] + total_moved * start
    for t in range(count):
        h[t], g[t] = now, drift
        e = x[t] - mean
        reaction, moving = (down, moved[DOWN]) if e < 0.0 else (up, moved[UP])
        drift = moved[LEVEL] + moving * e * e - 2.0 * reaction * e * moved[MEAN] + moved[PERSISTENCE] * now + persistence * drift
        now = level + reaction * e * e + persistence * now
    result = np.empty(count)
    of_h, of_g = last, 0.0
    for t in range(count - 1, -1, -1):
        w, e = mass[t], x[t] - mean
        reaction, moving = (down, moved[DOWN]) if e < 0.0 else (up, moved[UP])
        _, f_h, f_hh, _, f_ee, f_he, _, _, f_hv, f_ev = _slopes(e, h[t], df, normal)
        result[t] = w * (f_he * g[t] - f_ee * moved[MEAN] + f_ev * moved[DF])
        result[t] += 2.0 * (of_h * reaction * e + of_g * (moving * e - reaction * moved[MEAN]))
        of_h = w * (f_hh * g[t] - f_he * moved[MEAN] + f_hv * moved[DF]) + moved[PERSISTENCE] * of_g + persistence * of_h
        of_g = w * f_h + persistence * of_g
    return result, of_h * total + of_g * total_moved
