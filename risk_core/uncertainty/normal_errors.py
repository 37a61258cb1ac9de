"""How far a normal value at risk or expected shortfall can be trusted: the delta method for factor x volatility - mean.

The interval is for what the normal method aims at, k sigma - mean of the law the scenarios come from. Where that law is not normal, this
is not its quantile, and no interval here says how far off it is.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, Mean, tail_probability
from risk_core.measures.attribution import Measure
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.quantiles import sequential_sum
from risk_core.methods import effective_count, normal_quantile, normal_shortfall
from risk_core.uncertainty.interval import Interval, IntervalStatus, checked_level


class Moments(StrEnum):
    """What the standard error of a volatility rests on."""

    SAMPLE = "sample"
    """The fourth (and third) sample moments: right for any law that has a fourth moment."""
    NORMAL = "normal"
    """Those of the normal law: sigma / sqrt(2 n). Too narrow for heavy tails."""
    CHI_SQUARED = "chi_squared"
    """The exact law of the sum of squares of normal scenarios of mean zero; not symmetric."""


def normal_value_at_risk_interval(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    level: float = 0.95,
    moments: Moments | str = Moments.SAMPLE,
) -> Interval:
    """Return the interval of `normal_value_at_risk`, z sigma (minus the mean).

    With influence function z (V² - sigma²) / (2 sigma), for mean "sample" z ((V - m)² - sigma²) / (2 sigma) - (V - m): a standard error of
    z sigma sqrt((kurtosis - 1) / (4 n_eff)), which is z sigma / sqrt(2 n_eff) for a normal law (P. Jorion, "Risk2: measuring the risk in
    value at risk", Financial Analysts Journal 52 (1996) 47-56).

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        Of the measure, in [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`. Unequal ones enter through Kish's effective number, an approximation.
    conventions : Conventions
        As `normal_value_at_risk`.
    level : float
        Of the interval, in (0, 1).
    moments : Moments or str
        "sample", "normal" or "chi_squared".

    Returns
    -------
    Interval
        `unknown` where the vector has no variance. `coverage` is the level for "chi_squared" and equal weights, if the law is normal.

    Raises
    ------
    MeasureError, ConventionError
        As `normal_value_at_risk`; also for an impossible level, or "chi_squared" with a sample mean.
    """
    return _interval(normal_value_at_risk, normal_quantile, pnl, confidence, weights, conventions, level, moments)


def normal_expected_shortfall_interval(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    level: float = 0.95,
    moments: Moments | str = Moments.SAMPLE,
) -> Interval:
    """Return the interval of `normal_expected_shortfall`; all else is that of `normal_value_at_risk_interval`."""
    return _interval(normal_expected_shortfall, normal_shortfall, pnl, confidence, weights, conventions, level, moments)


def _interval(
    measure: Measure,
    factor_of: Callable[[float], float],
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None,
    conventions: Conventions,
    level: float,
    moments: Moments | str,
) -> Interval:
    checked_level(level)
    chosen = _moments(moments)
    sampled = conventions.mean is Mean.SAMPLE
    if sampled and chosen is Moments.CHI_SQUARED:
        raise MeasureError("chi_squared is the law of a volatility about a mean of zero; use mean 'zero', or moments 'sample' or 'normal'")
    factor = factor_of(tail_probability(confidence))
    estimate = measure(pnl, confidence, weights, conventions).value
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    effective = effective_count(mass)
    centred = vector - sequential_sum(mass * vector) if sampled else vector
    variance = sequential_sum(mass * centred * centred)
    method = f"delta_{chosen}" if chosen is not Moments.CHI_SQUARED else str(chosen)
    if not variance > 1e-28 * float(np.max(vector * vector)):
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, "the P&L has no variance to judge the volatility by")
    sigma = sqrt(variance)
    if chosen is Moments.SAMPLE:
        influence = factor * (centred * centred - variance) / (2.0 * sigma) - (centred if sampled else 0.0)
        squared = sequential_sum(mass * influence * influence)
    else:
        squared = variance * (0.5 * factor * factor + (1.0 if sampled else 0.0))
    error = sqrt(squared / effective)
    if not error > 1e-12 * sigma:  # rounding
        reason = "all squares of the P&L are equal: its fourth moment says nothing about the volatility"
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, reason)
    miss = 0.5 * (1.0 - level)
    if chosen is Moments.CHI_SQUARED:
        lower, upper = (estimate * sqrt(effective / float(chi2.ppf(q, effective))) for q in (1.0 - miss, miss))
        equal = bool(np.all(mass == mass[0]))
        return Interval(lower, upper, level, error, method, coverage=level if equal else None)
    reach = normal_quantile(miss) * error
    return Interval(estimate - reach, estimate + reach, level, error, method)


def _moments(moments: Moments | str) -> Moments:
    try:
        return Moments(moments)
    except ValueError:
        raise MeasureError(f"unknown moments {moments!r}; choose one of {', '.join(Moments)}") from None
