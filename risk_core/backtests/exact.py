"""Exact finite-sample laws of Kupiec's and Christoffersen's statistics.

All three statistics are functions of the number of exceptions x, the number r of runs of exceptions, and whether the first and the last
day are exceptions. Sequences of N days with the same four number C(x - 1, r - 1) C(N - x - 1, s - 1), s runs of other days, and all have
probability p^x (1 - p)^(N - x). So the law is a sum over O(x^2) cells in closed form, not over 2^N sequences.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

from risk_core.backtests.likelihood import independence_ratio, proportion_ratio

Floats = NDArray[np.float64]

LARGEST_EXACT: Final = 10_000
"""Beyond so many observations the exact laws of independence and conditional coverage are not computed: chi-square is good there."""
_NEGLIGIBLE: Final = -60.0  # log of 1e-26: counts that no p-value can see
_TIE: Final = 1e-9


def exact_pof_p_value(statistic: float, observations: int, rate: float) -> float:
    """Return P(Kupiec's ratio >= statistic) for independent exceptions of probability `rate`."""
    return _tail(proportion_ratio(np.arange(observations + 1.0), observations, rate), binomial_mass(observations, rate), statistic)


def binomial_mass(observations: int, rate: float) -> Floats:
    """Return the probability of 0, 1, ... N exceptions, float64[N + 1]."""
    return np.exp(_log_binomial(np.arange(observations + 1.0), observations, rate))


def exact_independence_p_value(statistic: float, observations: int, rate: float) -> float:
    """Return P(Christoffersen's independence ratio >= statistic) for independent exceptions of probability `rate`."""
    return _lookup(_law(observations, rate)[0], statistic)


def exact_conditional_coverage_p_value(statistic: float, observations: int, rate: float) -> float:
    """Return P(conditional coverage ratio >= statistic) for independent exceptions of probability `rate`."""
    return _lookup(_law(observations, rate)[1], statistic)


def exact_independence_p_value_given_count(statistic: float, observations: int, exceptions: int) -> float:
    """Return P(independence ratio >= statistic | number of exceptions): free of the rate, which independence does not say."""
    _, ratio, log_count = _cells(observations, np.array([float(exceptions)]))
    mass = np.exp(log_count - log_count.max())
    return _tail(ratio, mass / mass.sum(), statistic)


def exact_law(observations: int, rate: float, true_rate: float | None = None) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (exceptions, POF ratio, independence ratio, probability) of every cell, for sizes and powers.

    Parameters
    ----------
    observations : int
    rate : float
        Of the hypothesis: enters the POF ratio.
    true_rate : float or None
        Of the probabilities; None for `rate`.
    """
    counts = np.arange(observations + 1.0)
    log_mass = _log_binomial(counts, observations, rate if true_rate is None else true_rate)
    kept = log_mass > _NEGLIGIBLE
    x, ratio, log_count = _cells(observations, counts[kept])
    return (
        x,
        proportion_ratio(x, observations, rate),
        ratio,
        np.exp(log_count + log_mass[x.astype(np.int64)] - _log_choose(observations, x)),
    )


def _cells(observations: int, counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (exceptions, independence ratio, log number of sequences) of the cells with these numbers of exceptions."""
    edges = counts[(counts == 0.0) | (counts == observations)]
    inner = counts[(counts > 0.0) & (counts < observations)]
    most = np.minimum(inner, observations - inner + 1.0).astype(np.int64)
    x = np.repeat(inner, most)
    runs = np.arange(x.size) - np.repeat(np.cumsum(most) - most, most) + 1.0
    parts = [(edges, np.zeros(edges.size), np.zeros(edges.size))]
    for first, last in ((1, 1), (1, 0), (0, 1), (0, 0)):
        others = runs + 1.0 - first - last
        fits = (others >= 1.0) & (others <= observations - x)
        ones, r, s = x[fits], runs[fits], np.asarray(others[fits], np.float64)
        zeros = np.asarray(observations - ones, np.float64)
        ratio = independence_ratio(zeros - s, r - last, r - first, ones - r)
        parts.append((ones, ratio, _log_choose(ones - 1.0, np.subtract(r, 1.0)) + _log_choose(zeros - 1.0, np.subtract(s, 1.0))))
    found = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return found[0], found[1], found[2]


@lru_cache(maxsize=32)
def _law(observations: int, rate: float) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    _, coverage, independence, mass = exact_law(observations, rate)
    return _survival(independence, mass), _survival(coverage + independence, mass)


def _survival(values: Floats, mass: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(values, kind="stable")
    beyond = np.cumsum(mass[order][::-1])[::-1]
    return values[order], np.append(beyond, 0.0)


def _lookup(law: tuple[Floats, Floats], statistic: float) -> float:
    values, beyond = law
    return float(min(beyond[np.searchsorted(values, _just_below(statistic))], 1.0))


def _tail(values: Floats, mass: Floats, statistic: float) -> float:
    return float(min(mass[values >= _just_below(statistic)].sum(), 1.0))


def _just_below(statistic: float) -> float:
    return statistic - _TIE * (1.0 + abs(statistic))  # the same counts may round differently


def _log_choose(n: Floats | float, k: Floats) -> Floats:
    return np.asarray(gammaln(np.add(n, 1.0)) - gammaln(k + 1.0) - gammaln(np.subtract(n, k) + 1.0))


def _log_binomial(counts: Floats, observations: int, rate: float) -> Floats:
    return np.asarray(_log_choose(observations, counts) + xlogy(counts, rate) + xlog1py(observations - counts, -rate))
