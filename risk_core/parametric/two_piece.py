"""The two-piece Student t of unit scale: two halves of a t about one mode, 1 - skew wide on the left and 1 + skew on the right.

Hansen's skewed t is this law in other parameters, and a skew of zero is Student's t, so one set of derivatives serves both.

B. E. Hansen, "Autoregressive conditional density estimation", International Economic Review 35 (1994) 705-730; C. Fernández and M. F. J.
Steel, "On Bayesian modeling of fat tails and skewness", JASA 93 (1998) 359-371.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import asinh, copysign, exp, log, log1p, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, stdtr, stdtrit, zeta

Floats = NDArray[np.float64]

_NODES, _MASSES = np.polynomial.legendre.leggauss(48)
_IDENTITY = np.eye(4)
MEAN, LOG_SCALE, SKEW, DF = range(4)


@dataclass(frozen=True, slots=True)
class TailPoint:
    """The lower tail of the standard law at one probability, with derivatives.

    Parameters
    ----------
    quantile : float
        Of the law of unit scale about mode zero.
    shortfall : float
        Mean of the law below the quantile.
    quantile_skew, quantile_df, shortfall_skew, shortfall_df : float
        Derivatives at a fixed probability.
    """

    quantile: float
    shortfall: float
    quantile_skew: float
    quantile_df: float
    shortfall_skew: float
    shortfall_df: float


@lru_cache(maxsize=256)
def log_height(df: float) -> tuple[float, float, float]:
    """Return the log of the Student t density at zero, and its two derivatives in the degrees of freedom."""
    half = 0.5 * df
    value = float(gammaln(half + 0.5) - gammaln(half)) - 0.5 * log(df * pi)
    first = 0.5 * (float(digamma(half + 0.5) - digamma(half)) - 1.0 / df)
    second = 0.25 * float(zeta(2.0, half + 0.5) - zeta(2.0, half)) + 0.5 / (df * df)
    return value, first, second


@lru_cache(maxsize=256)
def half_mean(df: float) -> tuple[float, float, float]:
    """Return the integral of y t(y) over y > 0, and its two derivatives in the degrees of freedom."""
    height, first, second = log_height(df)
    value = exp(height) * df / (df - 1.0)
    slope = first + 1.0 / df - 1.0 / (df - 1.0)
    bend = second - 1.0 / (df * df) + 1.0 / (df - 1.0) ** 2
    return value, value * slope, value * (slope * slope + bend)


def variance(skew: float, df: float) -> float:
    """Return the variance at unit scale; df > 2."""
    return (1.0 + 3.0 * skew * skew) * df / (df - 2.0) - (4.0 * skew * half_mean(df)[0]) ** 2


def student_density(y: float, df: float) -> float:
    """Return Student's t density."""
    return exp(log_height(df)[0] - 0.5 * (df + 1.0) * log1p(y * y / df))


def student_quantile(p: float, df: float) -> float:
    """Return Student's t quantile, corrected by one Newton step on the distribution function."""
    y = float(stdtrit(df, p))
    return y - (float(stdtr(df, y)) - p) / student_density(y, df)


def student_distribution_df(y: float, df: float) -> float:
    """Return the derivative of Student's t distribution function in the degrees of freedom.

    The integral of d density / d df from zero, where the distribution function is one half whatever df: Gauss-Legendre after y = sqrt(df)
    sinh t, relative error below 1e-12 for df > 2 and |y| < 1e3.
    """
    root = sqrt(df)
    top = asinh(abs(y) / root)
    t = 0.5 * top * (_NODES + 1.0)
    at = root * np.sinh(t)
    height, first, _ = log_height(df)
    density = np.exp(height - 0.5 * (df + 1.0) * np.log1p(at * at / df))
    total = float(_MASSES @ (density * _score_df(at, df, first) * root * np.cosh(t))) * 0.5 * top
    return copysign(total, y)


def distribution(y: Floats, skew: float, df: float) -> Floats:
    """Return the distribution function at unit scale, mode zero."""
    left = (1.0 - skew) * stdtr(df, np.minimum(y, 0.0) / (1.0 - skew))
    result: Floats = np.where(y < 0.0, left, (1.0 + skew) * stdtr(df, np.maximum(y, 0.0) / (1.0 + skew)) - skew)
    return result


def quantile(p: Floats, skew: float, df: float) -> Floats:
    """Return the quantile function at unit scale, mode zero."""
    below = p < 0.5 * (1.0 - skew)
    left = (1.0 - skew) * stdtrit(df, np.where(below, p / (1.0 - skew), 0.5))
    result: Floats = np.where(below, left, (1.0 + skew) * stdtrit(df, np.where(below, 0.5, (p + skew) / (1.0 + skew))))
    return result


def lower_tail(p: float, skew: float, df: float) -> TailPoint:
    """Return quantile and lower tail mean at probability p, and their derivatives."""
    below = p < 0.5 * (1.0 - skew)
    side = 1.0 - skew if below else 1.0 + skew
    share = p / side if below else (p + skew) / side
    y = student_quantile(share, df)
    density = student_density(y, df)
    y_df = -student_distribution_df(y, df) / density
    first = log_height(df)[1]
    partial = density * (df + y * y) / (df - 1.0)  # the integral of t f(t) over t > |y|
    score = float(_score_df(np.array(y), df, first))
    partial_df = partial * (score + 1.0 / (df + y * y) - 1.0 / (df - 1.0)) - y * density * y_df
    if below:
        mean = -side * side * partial
        mean_skew = 2.0 * side * partial + side * y * share
        mean_df = -side * side * partial_df
        slope = share / density - y
    else:
        centre, centre_df, _ = half_mean(df)
        mean = 4.0 * skew * centre - side * side * partial
        mean_skew = 4.0 * centre - 2.0 * side * partial + side * y * (1.0 - share)
        mean_df = 4.0 * skew * centre_df - side * side * partial_df
        slope = y + (1.0 - share) / density
    return TailPoint(side * y, mean / p, slope, side * y_df, mean_skew / p, mean_df / p)


def log_likelihood(x: Floats, w: Floats, theta: Floats) -> tuple[float, Floats, Floats]:
    """Return the weighted mean log density, its gradient float64[4] and Hessian float64[4, 4].

    Parameters
    ----------
    x, w : float64[S]
        Values, and weights that sum to one.
    theta : float64[4]
        Mean of the law, log scale, skew, degrees of freedom.
    """
    log_scale, skew, df = float(theta[LOG_SCALE]), float(theta[SKEW]), float(theta[DF])
    y, e, r = _standardised(x, theta)
    height, height_1, height_2 = log_height(df)
    d, a, b, a_df = _in_y(y, df)
    wa, share = w * a, w * y * y * d
    moves = np.stack((e, y, y * r))  # minus the derivatives of y in mode, log scale and skew
    pull = moves @ wa
    ratio = float(share.sum())
    tail = -log(df) - float(w @ np.log(d))  # the mean of log(1 + y²/df)
    value = height - log_scale - 0.5 * (df + 1.0) * tail
    slope = np.array([pull[0], pull[1] - 1.0, pull[2], height_1 - 0.5 * tail + 0.5 * (df + 1.0) / df * ratio])
    curve = np.empty((4, 4))
    curve[:3, :3] = -((moves * (w * b)) @ moves.T)
    curve[0, 1] -= pull[0]
    curve[0, 2] -= (e * r) @ wa
    curve[1, 1] -= pull[1]
    curve[1, 2] -= pull[2]
    curve[2, 2] -= 2.0 * float((moves[2] * r) @ wa)
    curve[1, 0], curve[2, 0], curve[2, 1] = curve[0, 1], curve[0, 2], curve[1, 2]
    curve[3, :3] = curve[:3, 3] = moves @ (w * a_df)
    curve[3, 3] = height_2 + 0.5 / df * ratio - 0.5 / (df * df) * ((df * df + df) * float(share @ d) + ratio)
    first, second = _mode_derivatives(log_scale, skew, df)
    jacobian = _IDENTITY.copy()
    jacobian[0] = first
    return value, slope @ jacobian, jacobian.T @ curve @ jacobian + slope[0] * second


def score_slopes(x: Floats, w: Floats, theta: Floats) -> Floats:
    """Return the derivative of the gradient of `log_likelihood` in each value: float64[4, S]."""
    df = float(theta[DF])
    y, e, r = _standardised(x, theta)
    _, a, b, a_df = _in_y(y, df)
    c = a + b * y
    rows = np.stack((b * e, c, c * r, -a_df)) * (w * e)
    first, _ = _mode_derivatives(float(theta[LOG_SCALE]), float(theta[SKEW]), df)
    moved: Floats = rows + first[:, None] * rows[0]
    moved[0] = rows[0]
    return moved


def _in_y(y: Floats, df: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return 1 / (df + y²), minus the derivative of the log density in y, and the derivatives of that in y and df."""
    d = 1.0 / (df + y * y)
    yd = y * d
    return d, (df + 1.0) * yd, (df + 1.0) * d * (2.0 * df * d - 1.0), yd * (1.0 - (df + 1.0) * d)


def _standardised(x: Floats, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Return distance from the mode over the scale of its side, one over that scale, and d log(side) / d skew."""
    scale, skew = exp(float(theta[LOG_SCALE])), float(theta[SKEW])
    gap = x - (float(theta[MEAN]) - 4.0 * skew * scale * half_mean(float(theta[DF]))[0])
    r: Floats = np.where(gap >= 0.0, 1.0 / (1.0 + skew), -1.0 / (1.0 - skew))
    e = np.abs(r) / scale
    return gap * e, e, r


def _mode_derivatives(log_scale: float, skew: float, df: float) -> tuple[Floats, Floats]:
    """Return gradient and Hessian of mode = mean - 4 skew scale half_mean(df)."""
    scale = exp(log_scale)
    h, h1, h2 = (-4.0 * scale * each for each in half_mean(df))
    first = np.array([1.0, skew * h, h, skew * h1])
    second = np.zeros((4, 4))
    second[1, 1] = skew * h
    second[1, 2] = second[2, 1] = h
    second[1, 3] = second[3, 1] = skew * h1
    second[2, 3] = second[3, 2] = h1
    second[3, 3] = skew * h2
    return first, second


def _score_df(y: Floats, df: float, height_1: float) -> Floats:
    """Return d log density / d df of Student's t."""
    square = y * y
    score: Floats = height_1 - 0.5 * np.log1p(square / df) + 0.5 * (df + 1.0) / df * square / (df + square)
    return score
