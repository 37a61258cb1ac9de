"""Costanzino and Curran's traffic light of expected shortfall: Basel's zones for the depth of exceptions, not their number.

N. Costanzino and M. Curran, "A simple traffic light approach to backtesting expected shortfall", Risks 6 (2018) 2. The breach value is the
sum over days of (1 - u / alpha) where the PIT u is at most alpha = 1 - confidence: each exception counts by how far beyond VaR it lies in
the forecast law, 0 at VaR, 1 at the far end. Its mean is n alpha / 2, its variance n alpha (1/3 - alpha / 4).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from risk_core.backtests.es_du_escanciano import cumulative_violations, violation_moments
from risk_core.backtests.es_inputs import checked_count, checked_tail
from risk_core.backtests.es_laws import uniform_severity_law
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, checked_probability, judge

YELLOW_FROM: Final = 0.95
RED_FROM: Final = 0.9999


class ShortfallZone(StrEnum):
    """Zone by the probability, where the law is right, of a breach value no larger."""

    GREEN = "green"
    """Below 95 %."""
    YELLOW = "yellow"
    RED = "red"
    """99.99 % and more."""


def shortfall_breach_probability(breach_value: float, observations: int, confidence: float, *, method: str = "exact") -> float:
    """Return the probability of a breach value no larger where the forecast law is right.

    Parameters
    ----------
    breach_value : float
        Sum of cumulative violations, not their mean.
    observations : int
    confidence : float
    method : str
        "exact" (binomial number of uniform severities), or "asymptotic" (normal, the paper's).

    Raises
    ------
    BacktestError
        For a method of another name.
    """
    days = checked_count(observations, "observations")
    mean, error = violation_moments(days, confidence)
    if method == "asymptotic":
        return float(ndtr((breach_value / days - mean) / error))
    if method != "exact":
        raise BacktestError(f'method must be "exact" or "asymptotic", not {method!r}')
    return uniform_severity_law(days, checked_tail(confidence)).less(breach_value)


def shortfall_zone_bounds(observations: int, confidence: float, *, method: str = "exact") -> tuple[float, float]:
    """Return the breach values from which the zone is yellow, and red. Parameters and errors: `shortfall_breach_probability`."""
    days = checked_count(observations, "observations")
    mean, error = violation_moments(days, confidence)
    if method == "asymptotic":
        return days * (mean + error * float(ndtri(YELLOW_FROM))), days * (mean + error * float(ndtri(RED_FROM)))
    if method != "exact":
        raise BacktestError(f'method must be "exact" or "asymptotic", not {method!r}')
    law = uniform_severity_law(days, checked_tail(confidence))
    return law.quantile(YELLOW_FROM), law.quantile(RED_FROM)


def shortfall_zone(probability: float) -> ShortfallZone:
    """Return the zone of a cumulative probability."""
    if probability >= RED_FROM:
        return ShortfallZone.RED
    return ShortfallZone.YELLOW if probability >= YELLOW_FROM else ShortfallZone.GREEN


def costanzino_curran_test(
    pit: ArrayLike, confidence: float, *, test_level: float = 0.95, decide_by: DecideBy | str = DecideBy.EXACT
) -> TestResult:
    """Test expected shortfall by the traffic light; one-sided, against tail losses that are too large.

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger than what came.
    confidence : float
        Basel's is 0.975.
    test_level : float
        Of the decision; zones have their own levels, 95 % and 99.99 %.
    decide_by : DecideBy
        Also says whose probability the zone is.

    Returns
    -------
    TestResult
        Statistic: the breach value. `details`: zone, cumulative probability (exact and asymptotic), bounds of the zones.

    Raises
    ------
    BacktestError
        For NaN, or PIT outside [0, 1].
    """
    violations = cumulative_violations(pit, confidence)
    days, level, preferred = violations.size, checked_probability(test_level, "test_level"), DecideBy(decide_by)
    value = float(violations.sum())
    mean, error = violation_moments(days, confidence)
    methods = ("exact", "asymptotic")
    probabilities = {m: shortfall_breach_probability(value, days, confidence, method=m) for m in methods}
    yellow, red = shortfall_zone_bounds(days, confidence, method=str(preferred))
    law = uniform_severity_law(days, checked_tail(confidence))
    return judge(
        "Costanzino-Curran traffic light",
        value,
        float(ndtr(-(value / days - mean) / error)),
        p_value_exact=law.greater(value),
        test_level=level,
        decide_by=preferred,
        direction="tail losses too large" if value > days * mean else "tail losses smaller than foretold",
        observations=days,
        exceptions=int(np.count_nonzero(violations)),
        expected_exceptions=2.0 * days * mean,
        hypothesis="the forecast tail is no thinner than the true one",
        details={
            "zone": str(shortfall_zone(probabilities[str(preferred)])),
            "cumulative_probability": probabilities["exact"],
            "cumulative_probability_asymptotic": probabilities["asymptotic"],
            "expected_value": days * mean,
            "standard_deviation": error * days,
            "yellow_from": yellow,
            "red_from": red,
            "p_value_exact_method": "exact",
        },
    )
