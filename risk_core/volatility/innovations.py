"""Standardised innovations: normal, Student t and Hansen's skewed t, all of mean zero and variance one.

B. E. Hansen, "Autoregressive conditional density estimation", International Economic Review 35 (1994) 705-730. Its skew lies in (-1, 1):
the mode's left side is 1 - skew wide, the right side 1 + skew, so a negative skew has the heavier losses. A skew of zero is Student's t.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.methods import normal_quantile, normal_shortfall
from risk_core.volatility.kernels import height

Floats = NDArray[np.float64]
Shape = tuple[float, float, float, float, float, float, float, float]

_HALF_LOG_TWO_PI: Final = 0.5 * log(2.0 * pi)


@njit(cache=True, nogil=True, error_model="numpy")
def shape(df: float, skew: float, normal: bool) -> Shape:
    """Return Hansen's a, b, their derivatives by df and by skew, the log height and its derivative by df."""
    if normal:
        return 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -_HALF_LOG_TWO_PI, 0.0
    top, top_df, _ = height(df, False)
    slope = 4.0 * exp(top) * (df - 2.0) / (df - 1.0)
    a = slope * skew
    a_df = a * (top_df + 1.0 / (df - 2.0) - 1.0 / (df - 1.0))
    b = sqrt(1.0 + 3.0 * skew * skew - a * a)
    return a, b, a_df, slope, -a * a_df / b, (3.0 * skew - a * slope) / b, top, top_df


@njit(cache=True, nogil=True, error_model="numpy")
def log_density(z: float, df: float, skew: float, normal: bool, s: Shape) -> tuple[float, float, float, float]:
    """Return the log density at z and its derivatives by z, df and skew; s is `shape`."""
    if normal:
        return s[6] - 0.5 * z * z, -z, 0.0, 0.0
    a, b, a_df, a_skew, b_df, b_skew, top, top_df = s
    side = 1.0 if b * z + a >= 0.0 else -1.0
    wide = 1.0 + side * skew
    y = (b * z + a) / wide
    over = 1.0 / (df - 2.0)
    q = y * y * over
    pull = -(df + 1.0) * y * over / (1.0 + q)
    tail = log(1.0 + q)
    return (
        log(b) + top - 0.5 * (df + 1.0) * tail,
        pull * b / wide,
        b_df / b + top_df - 0.5 * tail + 0.5 * (df + 1.0) * q * over / (1.0 + q) + pull * (b_df * z + a_df) / wide,
        b_skew / b + pull * ((b_skew * z + a_skew) - y * side) / wide,
    )


def draw(rng: np.random.Generator, size: tuple[int, ...], df: float | None = None, skew: float | None = None) -> Floats:
    """Return independent innovations, float64[size]: normal without df, Student t without skew."""
    if df is None:
        return rng.standard_normal(size)
    t = rng.standard_t(df, size) * sqrt((df - 2.0) / df)
    if skew is None:
        return t
    a, b, *_ = shape(df, skew, False)
    left = rng.random(size) < 0.5 * (1.0 - skew)
    drawn: Floats = (np.where(left, skew - 1.0, 1.0 + skew) * np.abs(t) - a) / b
    return drawn


def lower_tail(probability: float, df: float | None = None, skew: float | None = None) -> tuple[float, float]:
    """Return the quantile at a probability in (0, 1) and the mean of the law below it, both negative in the left tail."""
    if df is None:
        return -normal_quantile(probability), -normal_shortfall(probability)
    from risk_core.parametric import two_piece

    tilt = 0.0 if skew is None else skew
    point, unit = two_piece.lower_tail(probability, tilt, df), sqrt(two_piece.variance(tilt, df))
    centre = 4.0 * tilt * two_piece.half_mean(df)[0]
    return (point.quantile - centre) / unit, (point.shortfall - centre) / unit


def power_moments(power: float, df: float | None = None, skew: float | None = None) -> tuple[float, float]:
    """Return E[|z|^power; z < 0] and E[|z|^power; z >= 0]; infinite where df <= power."""
    from scipy.integrate import quad
    from scipy.special import gamma, gammaln

    if df is None:
        half = float(2.0 ** (0.5 * power) * gamma(0.5 * (power + 1.0)) / sqrt(pi)) / 2.0
        return half, half
    if df <= power:
        return np.inf, np.inf
    if skew is None:
        logs = 0.5 * power * log(df - 2.0) + gammaln(0.5 * (power + 1.0)) + gammaln(0.5 * (df - power)) - gammaln(0.5 * df)
        half = float(np.exp(logs)) / sqrt(pi) / 2.0
        return half, half
    s = shape(df, skew, False)

    def mass(z: float) -> float:
        return float(abs(z) ** power * exp(log_density(z, df, skew, False, s)[0]))

    mode = abs(s[0] / s[1])
    below = quad(lambda z: mass(-z), 0.0, mode)[0] + quad(lambda z: mass(-z), mode, np.inf)[0]
    above = quad(mass, 0.0, mode)[0] + quad(mass, mode, np.inf)[0]
    return float(below), float(above)
