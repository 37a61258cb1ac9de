"""Searched coordinates of the volatility models: a box each, with the parameters they stand for and their derivatives.

GARCH and GJR: (mean, log omega, persistence, share of news in it, share of losses in the news, -, 1 / df, skew). EGARCH: its own
parameters, and 1 / df; alpha >= 0, since below the filter may never forget its start (D. Straumann and T. Mikosch, Annals of Statistics 34
(2006) 2449-2495). APARCH: (mean, log omega, persistence, share of news in it, gamma, power, 1 / df, skew). Persistence is that under normal
innovations, up to one: so the box of every law is the same. Series are scaled to variance one.
"""

from __future__ import annotations

from itertools import product
from math import lgamma, log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from risk_core.volatility.model_kernels import ALPHA, APARCH, BETA, DF, EGARCH, GAMMA, GARCH, MEAN, OMEGA, POWER

Floats = NDArray[np.float64]

LEAST_DF, LARGEST_DF, LARGEST_SKEW = 2.05, 1000.0, 0.99
LOWER: Final = {
    GARCH: np.array([-3.0, -14.0, 0.0, 0.0, 0.0, 2.0, 1.0 / LARGEST_DF, -LARGEST_SKEW]),
    EGARCH: np.array([-3.0, -10.0, 0.0, -3.0, -1.0, 2.0, 1.0 / LARGEST_DF, -LARGEST_SKEW]),
    APARCH: np.array([-3.0, -14.0, 0.0, 0.0, -0.9997, 0.05, 1.0 / LARGEST_DF, -LARGEST_SKEW]),
}
UPPER: Final = {
    GARCH: np.array([3.0, 4.0, 1.0, 1.0, 1.0, 2.0, 1.0 / LEAST_DF, LARGEST_SKEW]),
    EGARCH: np.array([3.0, 10.0, 3.0, 3.0, 1.0, 2.0, 1.0 / LEAST_DF, LARGEST_SKEW]),
    APARCH: np.array([3.0, 4.0, 1.0, 1.0, 0.9997, 4.0, 1.0 / LEAST_DF, LARGEST_SKEW]),
}
TOTAL, NEWS, LOSSES = ALPHA, GAMMA, BETA
"""Of GARCH and APARCH, in place of alpha, gamma and beta; APARCH has gamma itself in place of the share of losses."""


def normal_news(gamma: float, power: float) -> tuple[float, float, float]:
    """Return E(|z| - gamma z)^power of the normal, and its derivatives by gamma and by power."""
    half_sum = 0.5 * (power + 1.0)
    moment = np.exp(0.5 * power * log(2.0) + lgamma(half_sum)) / sqrt(pi)
    down, up = (1.0 - gamma) ** power, (1.0 + gamma) ** power
    value = 0.5 * moment * (down + up)
    by_gamma = 0.5 * moment * power * (up / (1.0 + gamma) - down / (1.0 - gamma))
    by_power = 0.5 * moment * (down * log(1.0 - gamma) + up * log(1.0 + gamma))
    return value, by_gamma, by_power + value * 0.5 * (log(2.0) + float(digamma(half_sum)))


def parameters(u: Floats, model: int) -> Floats:
    """Return theta of `model_kernels`, float64[8]."""
    theta = u.copy()
    theta[DF] = 1.0 / u[DF] if u[DF] > 0.0 else np.inf
    if model == EGARCH:
        return theta
    total, news = u[TOTAL], u[NEWS]
    theta[OMEGA], theta[BETA] = np.exp(u[OMEGA]), total * (1.0 - news)
    if model == GARCH:
        theta[ALPHA], theta[GAMMA] = 2.0 * total * news * (1.0 - u[LOSSES]), 2.0 * total * news * (2.0 * u[LOSSES] - 1.0)
    else:
        theta[ALPHA], theta[GAMMA] = total * news / normal_news(u[LOSSES], u[POWER])[0], u[LOSSES]
    return theta


def jacobian(u: Floats, model: int) -> Floats:
    """Return d theta / d u, float64[8, 8]."""
    j = np.eye(8)
    j[DF, DF] = -1.0 / u[DF] ** 2 if u[DF] > 0.0 else 0.0
    if model == EGARCH:
        return j
    total, news, k = u[TOTAL], u[NEWS], u[LOSSES]
    j[OMEGA, OMEGA] = np.exp(u[OMEGA])
    j[BETA, BETA], j[BETA, TOTAL], j[BETA, NEWS] = 0.0, 1.0 - news, -total
    if model == GARCH:
        j[ALPHA, [TOTAL, NEWS, LOSSES]] = 2.0 * news * (1.0 - k), 2.0 * total * (1.0 - k), -2.0 * total * news
        j[GAMMA, [TOTAL, NEWS, LOSSES]] = 2.0 * news * (2.0 * k - 1.0), 2.0 * total * (2.0 * k - 1.0), 4.0 * total * news
        return j
    value, by_gamma, by_power = normal_news(k, u[POWER])
    alpha = total * news / value
    j[ALPHA, [TOTAL, NEWS, LOSSES, POWER]] = news / value, total / value, -alpha * by_gamma / value, -alpha * by_power / value
    j[GAMMA, [GAMMA, LOSSES]] = 0.0, 1.0
    return j


def searched(theta: Floats, model: int) -> Floats:
    """Return the coordinates of given parameters, held inside the box: where a warm search begins."""
    u = theta.copy()
    u[DF] = 1.0 / theta[DF]
    if model != EGARCH:
        alpha, gamma, beta = theta[ALPHA], theta[GAMMA], theta[BETA]
        weight = alpha + 0.5 * gamma if model == GARCH else alpha * normal_news(gamma, theta[POWER])[0]
        u[OMEGA] = log(max(theta[OMEGA], 1e-300))
        u[TOTAL] = weight + beta
        u[NEWS] = weight / (weight + beta) if weight + beta > 0.0 else 0.0
        u[LOSSES] = gamma if model == APARCH else 0.5 * (1.0 + 0.5 * gamma / weight) if weight > 0.0 else 0.5
    return np.clip(u, LOWER[model], UPPER[model])


def grid(model: int, first: Floats, asymmetric: bool, power: float | None) -> Floats:
    """Return starting points around `first`, float64[G, 8], with long-run variance one."""
    points = []
    if model == EGARCH:
        for alpha, gamma, beta in product((0.1, 0.25), (-0.1, 0.0, 0.1) if asymmetric else (0.0,), (0.7, 0.95, 0.985)):
            points.append(_moved(first, {OMEGA: 0.0, ALPHA: alpha, GAMMA: gamma, BETA: beta}))
        return np.array(points)
    for total, news in product((0.8, 0.95, 0.99), (0.04, 0.1, 0.25)):
        base = _moved(first, {OMEGA: log(1.0 - total), TOTAL: total, NEWS: news})
        if model == GARCH:
            points.append(base)
            continue
        for gamma, delta in product((-0.4, 0.0, 0.4) if asymmetric else (0.0,), (1.0, 2.0) if power is None else (power,)):
            points.append(_moved(base, {LOSSES: gamma, POWER: delta}))
    return np.array(points)


def to_natural(theta: Floats, model: int, centre: float, scale: float) -> tuple[Floats, Floats]:
    """Return parameters of the series centre + scale * x from those of x, and their derivatives by these, float64[8, 8]."""
    natural, by = theta.copy(), np.eye(8)
    natural[MEAN] = centre + scale * theta[MEAN]
    by[MEAN, MEAN] = scale
    if model == EGARCH:
        shift = 2.0 * log(scale)
        natural[OMEGA] = theta[OMEGA] + (1.0 - theta[BETA]) * shift
        by[OMEGA, BETA] = -shift
        return natural, by
    unit = scale ** theta[POWER]
    natural[OMEGA] = theta[OMEGA] * unit
    by[OMEGA, OMEGA] = unit
    if model == APARCH:
        by[OMEGA, POWER] = natural[OMEGA] * log(scale)
    return natural, by


def from_natural(natural: Floats, model: int, centre: float, scale: float) -> Floats:
    """Return the inverse of `to_natural`."""
    theta = natural.copy()
    theta[MEAN] = (natural[MEAN] - centre) / scale
    if model == EGARCH:
        theta[OMEGA] = natural[OMEGA] - (1.0 - natural[BETA]) * 2.0 * log(scale)
    else:
        theta[OMEGA] = natural[OMEGA] / scale ** natural[POWER]
    return theta


def _moved(point: Floats, to: dict[int, float]) -> Floats:
    moved = point.copy()
    for at, value in to.items():
        moved[at] = value
    return moved
