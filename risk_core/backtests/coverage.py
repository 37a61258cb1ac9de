"""Is the number of exceptions right: binomial test, Kupiec's proportion of failures, time until first failure, detectable rates."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from math import sqrt
from typing import Final, TypedDict

import numpy as np
from scipy.special import bdtr, bdtrc, betainc, betaincinv, chdtrc, ndtr

from risk_core.backtests.exact import binomial_mass, exact_pof_p_value
from risk_core.backtests.exceptions import checked_counts
from risk_core.backtests.likelihood import chi_square_tail, first_failure_ratio, proportion_ratio
from risk_core.backtests.result import (
    DEFAULT_TEST_LEVEL,
    TOO_FEW,
    TOO_MANY,
    BacktestError,
    DecideBy,
    TestResult,
    checked_choice,
    checked_probability,
    direction_of,
    judge,
    not_applicable,
)

DEFAULT_POWER: Final = 0.8
_TIE: Final = 1e-9


class Alternative(StrEnum):
    """What counts as evidence against the model."""

    TWO_SIDED = "two-sided"
    """Too many exceptions, and too few: the printed definitions."""
    GREATER = "greater"
    """Too many only: VaR is too low."""
    LESS = "less"
    """Too few only: VaR is too high."""


def binomial_test(
    exceptions: int,
    observations: int,
    confidence: float,
    *,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    power: float = DEFAULT_POWER,
) -> TestResult:
    """Test the number of exceptions by its normal score, and by the binomial law itself.

    Parameters
    ----------
    exceptions, observations : int
    confidence : float
        Of VaR, 0.99.
    alternative : Alternative
    test_level : float
        Confidence of the decision.
    decide_by : DecideBy
    power : float
        For the minimum detectable rate, which is that of Kupiec's two-sided test.

    Returns
    -------
    TestResult
        Statistic (x - N p) / sqrt(N p (1 - p)); `p_value` normal (Jorion; MATLAB's `bin`); `p_value_exact` binomial, two-sided the total
        probability of counts no likelier than the observed one.

    Raises
    ------
    BacktestError
        If the counts cannot be, or a probability is not within (0, 1).
    """
    x, n = checked_counts(exceptions, observations)
    rate = rate_of(confidence)
    side = checked_choice(Alternative, alternative, "alternative")
    score = (x - n * rate) / sqrt(n * rate * (1.0 - rate))
    normal = {
        Alternative.TWO_SIDED: 2.0 * float(ndtr(-abs(score))),
        Alternative.GREATER: float(ndtr(-score)),
        Alternative.LESS: float(ndtr(score)),
    }[side]
    return judge(
        "Binomial test",
        score,
        normal,
        p_value_exact=_binomial_p_value(x, n, rate, side),
        test_level=test_level,
        decide_by=decide_by,
        details={"alternative": str(side), "rate": x / n, "p_value_exact_method": "exact"},
        **_context(x, n, rate, test_level, power),
    )


def kupiec_pof(
    exceptions: int,
    observations: int,
    confidence: float,
    *,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    power: float = DEFAULT_POWER,
) -> TestResult:
    """Test the proportion of failures (Kupiec 1995): the likelihood ratio of x of N against p, chi-square with one degree of freedom.

    Parameters
    ----------
    exceptions, observations : int
    confidence : float
        Of VaR, 0.99.
    alternative : Alternative
        Two-sided as printed: no exception in 255 days at 99 % is rejected (ratio 5.13). One-sided p-values are those of the signed root
        of the ratio, and of the binomial tail.
    test_level : float
        Confidence of the decision.
    decide_by : DecideBy
    power : float
        For the minimum detectable rate, which is that of Kupiec's two-sided test.

    Returns
    -------
    TestResult
        `p_value_exact` is the probability of a ratio as large, under the binomial law.

    Raises
    ------
    BacktestError
        If the counts cannot be, or a probability is not within (0, 1).
    """
    x, n = checked_counts(exceptions, observations)
    rate = rate_of(confidence)
    side = checked_choice(Alternative, alternative, "alternative")
    ratio = float(proportion_ratio(x, n, rate))
    if side is Alternative.TWO_SIDED:
        p_value, exact = chi_square_tail(ratio, 1), exact_pof_p_value(ratio, n, rate)
    else:
        root = np.copysign(sqrt(ratio), x - n * rate)
        p_value = float(ndtr(-root if side is Alternative.GREATER else root))
        exact = _binomial_p_value(x, n, rate, side)
    return judge(
        "Kupiec proportion of failures",
        ratio,
        p_value,
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        details={"alternative": str(side), "degrees_of_freedom": 1, "rate": x / n, "p_value_exact_method": "exact"},
        **_context(x, n, rate, test_level, power),
    )


def kupiec_tuff(
    first_failure: int | None,
    confidence: float,
    *,
    observations: int | None = None,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test the time until first failure (Kupiec 1995): chi-square with one degree of freedom.

    Parameters
    ----------
    first_failure : int or None
        Day of the first exception, counted from one. None: there was none in `observations` days. Then the model is rejected if the next
        day would already be too late for any level of p (N > 1/p and the test fails at N + 1, the ratio reported); else it is too
        early to say (as MATLAB's `tuff`).
    confidence : float
        Of VaR, 0.99.
    observations : int or None
        Days in the sample; needed where `first_failure` is None.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `p_value_exact` is the probability of a ratio as large under the geometric law.

    Raises
    ------
    BacktestError
        If `first_failure` is not a whole number of days within the sample, or both counts are None.
    """
    rate = rate_of(confidence)
    if first_failure is None and observations is None:
        raise BacktestError("without a first failure give the number of observations that had none")
    n = checked_counts(0, observations)[1] if observations is not None else checked_counts(1, first_failure or 0)[1]
    day = n + 1 if first_failure is None else checked_counts(1, first_failure)[1]
    if first_failure is not None and day > n:
        raise BacktestError(f"the first failure on day {day} lies beyond the {n} observations")
    name, words = "Kupiec time until first failure", f"the first exception comes with a chance of {100 * rate:.4g} % a day"
    ratio = float(first_failure_ratio(day, rate))
    p_value = chi_square_tail(ratio, 1)
    censored = first_failure is None
    if censored and not (n > 1.0 / rate and p_value < 1.0 - checked_probability(test_level, "test_level")):
        reason = f"no exception in {n} days, and it is too early to call that too few"
        return not_applicable(name, "no_exceptions", reason, observations=n, test_level=test_level, hypothesis=words)
    return judge(
        name,
        ratio,
        p_value,
        p_value_exact=_geometric_p_value(ratio, rate),
        test_level=test_level,
        decide_by=decide_by,
        direction=TOO_FEW if day > 1.0 / rate else TOO_MANY,
        observations=n,
        hypothesis=words,
        status="censored" if censored else "ok",
        reason=f"no exception in {n} days: the ratio is that of a first exception on day {day}, the earliest that is left"
        if censored
        else "",
        details={"first_failure": day, "degrees_of_freedom": 1, "p_value_exact_method": "exact"},
    )


@lru_cache(maxsize=1024)
def minimum_detectable_rate(
    observations: int, confidence: float, *, power: float = DEFAULT_POWER, test_level: float = DEFAULT_TEST_LEVEL
) -> float | None:
    """Return the smallest true rate of exceptions that Kupiec's two-sided test calls too many with probability `power`.

    None where no count of exceptions would be called so.

    Raises
    ------
    BacktestError
        If a probability is not within (0, 1), or `observations` is not positive.
    """
    _, most = pof_acceptance_region(observations, confidence, test_level=test_level)
    if most >= observations:
        return None
    return float(betaincinv(most + 1.0, observations - most, checked_probability(power, "power")))


@lru_cache(maxsize=1024)
def pof_acceptance_region(observations: int, confidence: float, *, test_level: float = DEFAULT_TEST_LEVEL) -> tuple[int, int]:
    """Return the least and the most exceptions that Kupiec's two-sided test accepts (its asymptotic p-value)."""
    n = checked_counts(0, observations)[1]
    rate, level = rate_of(confidence), checked_probability(test_level, "test_level")
    accepted = np.flatnonzero(chdtrc(1.0, proportion_ratio(np.arange(n + 1), n, rate)) >= 1.0 - level)
    if accepted.size == 0:  # a level so low that only an impossible fraction of a day would pass
        nearest = round(n * rate)
        return nearest, nearest
    return int(accepted[0]), int(accepted[-1])


def rejection_probability(observations: int, confidence: float, true_rate: float, *, test_level: float = DEFAULT_TEST_LEVEL) -> float:
    """Return the exact probability that Kupiec's two-sided test rejects where exceptions are independent with `true_rate`: its power."""
    least, most = pof_acceptance_region(observations, confidence, test_level=test_level)
    truth = checked_probability(true_rate, "true_rate")
    above = float(betainc(most + 1.0, observations - most, truth)) if most < observations else 0.0
    return above + (float(bdtr(least - 1, observations, truth)) if least > 0 else 0.0)


def rate_of(confidence: float) -> float:
    """Return the expected share of exceptions, 1 - confidence, without the rounding of the subtraction."""
    return round(1.0 - checked_probability(confidence, "confidence"), 15)


def _binomial_p_value(x: int, n: int, rate: float, side: Alternative) -> float:
    if side is Alternative.GREATER:
        return 1.0 if x == 0 else float(bdtrc(x - 1, n, rate))
    if side is Alternative.LESS:
        return float(bdtr(x, n, rate))
    mass = binomial_mass(n, rate)
    return float(min(mass[mass <= mass[x] * (1.0 + _TIE)].sum(), 1.0))


def _geometric_p_value(ratio: float, rate: float) -> float:
    """Return P(ratio of a geometric day >= ratio): the ratio falls to its least near 1 / rate, then rises."""
    days = np.arange(1.0, max(40.0 / rate, 2.0))  # beyond lies a probability of e^-40
    mass = rate * np.exp((days - 1.0) * np.log1p(-rate))
    inside = first_failure_ratio(days, rate) < ratio - _TIE * (1.0 + ratio)
    return float(min(max(1.0 - mass[inside].sum(), 0.0), 1.0))


class _Context(TypedDict):
    direction: str
    observations: int
    exceptions: int
    expected_exceptions: float
    hypothesis: str
    minimum_detectable_rate: float | None
    power: float


def _context(x: int, n: int, rate: float, test_level: float, power: float) -> _Context:
    return {
        "direction": direction_of(x, n * rate),
        "observations": n,
        "exceptions": x,
        "expected_exceptions": n * rate,
        "hypothesis": f"losses exceed VaR on {100 * rate:.4g} % of days",
        "minimum_detectable_rate": minimum_detectable_rate(n, 1.0 - rate, power=power, test_level=test_level),
        "power": power,
    }
