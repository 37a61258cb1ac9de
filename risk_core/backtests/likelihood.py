"""Likelihood ratios of exception counts. 0 log 0 is 0 throughout; every function takes arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, xlog1py, xlogy

Floats = NDArray[np.float64]


def free(zeros: ArrayLike, ones: ArrayLike) -> Floats:
    """Return the log-likelihood of Bernoulli counts at their own rate; 0 where there are none."""
    a, b = np.asarray(zeros, np.float64), np.asarray(ones, np.float64)
    return np.asarray(xlogy(a, a) + xlogy(b, b) - xlogy(a + b, a + b))


def proportion_ratio(count: ArrayLike, observations: ArrayLike, rate: float) -> Floats:
    """Return Kupiec's likelihood ratio of `count` exceptions against `rate`, never negative."""
    x, n = np.asarray(count, np.float64), np.asarray(observations, np.float64)
    return np.asarray(np.maximum(2.0 * (free(n - x, x) - xlogy(x, rate) - xlog1py(n - x, -rate)), 0.0))


def independence_ratio(n00: ArrayLike, n10: ArrayLike, n01: ArrayLike, n11: ArrayLike) -> Floats:
    """Return Christoffersen's likelihood ratio of transition counts against one rate for both states, never negative."""
    a, b, c, d = (np.asarray(n, np.float64) for n in (n00, n10, n01, n11))
    return np.asarray(np.maximum(2.0 * (free(a, c) + free(b, d) - free(a + b, c + d)), 0.0))


def first_failure_ratio(gap: ArrayLike, rate: float) -> Floats:
    """Return Kupiec's likelihood ratio of the days to an exception, gap >= 1, against a geometric law of `rate`, never negative."""
    n = np.asarray(gap, np.float64)
    return np.asarray(np.maximum(2.0 * (free(n - 1.0, 1.0) - np.log(rate) - xlog1py(n - 1.0, -rate)), 0.0))


def chi_square_tail(statistic: float, degrees: float) -> float:
    """Return P(chi-square with `degrees` degrees of freedom >= statistic)."""
    return float(chdtrc(degrees, statistic))
