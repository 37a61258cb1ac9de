"""Du and Escanciano's tests of expected shortfall, by cumulative violations of the forecast law.

Z. Du and J. C. Escanciano, "Backtesting expected shortfall: accounting for tail risk", Management Science 63 (2017) 940-958. With u the PIT
and alpha = 1 - confidence, H = (alpha - u) / alpha where u <= alpha, else 0: the mean over all tail levels of the violations. Where the law
is right, H is independent with mean alpha / 2 and variance alpha (1/3 - alpha / 4).
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from risk_core.backtests.es_inputs import checked_count, checked_pit, checked_tail, chunks, normal_p_value, pick_side, simulated_p_value
from risk_core.backtests.es_laws import uniform_severity_law
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, checked_probability, judge, not_applicable

Floats = NDArray[np.float64]

_UNCONDITIONAL = "Du-Escanciano unconditional"
_CONDITIONAL = "Du-Escanciano conditional"


def cumulative_violations(pit: ArrayLike, confidence: float) -> Floats:
    """Return H of each day, within [0, 1].

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger than what came: near zero for a large loss.
    confidence : float

    Raises
    ------
    BacktestError
        For NaN or numbers outside [0, 1].
    """
    return _violations(checked_pit(pit), checked_tail(confidence))


def _violations(u: Floats, tail: float) -> Floats:
    violations: Floats = np.maximum(tail - u, 0.0) / tail
    return violations


def violation_moments(observations: int, confidence: float) -> tuple[float, float]:
    """Return mean and standard deviation of the mean of H over independent days: alpha / 2, sqrt(alpha (1/3 - alpha / 4) / n)."""
    days, tail = checked_count(observations, "observations"), checked_tail(confidence)
    return 0.5 * tail, sqrt(tail * (1.0 / 3.0 - 0.25 * tail) / days)


def du_escanciano_unconditional_p_value(
    statistic: float, observations: int, confidence: float, *, alternative: str = "two-sided", method: str = "asymptotic"
) -> float:
    """Return the p-value of a mean of cumulative violations.

    Parameters
    ----------
    statistic : float
        Mean of H.
    observations : int
    confidence : float
    alternative : str
        "two-sided" (default), "greater" (tail losses too large), "less".
    method : str
        "asymptotic" (normal), or "exact": the number of violations is binomial, each is uniform.

    Raises
    ------
    BacktestError
        For a method or alternative of another name.
    """
    mean, error = violation_moments(observations, confidence)
    if method == "asymptotic":
        return normal_p_value((statistic - mean) / error, alternative)
    if method != "exact":
        raise BacktestError(f'method must be "asymptotic" or "exact", not {method!r}')
    law = uniform_severity_law(int(observations), checked_tail(confidence))
    total = statistic * observations
    return pick_side(law.less(total), law.greater(total), alternative)


def du_escanciano_unconditional(
    pit: ArrayLike,
    confidence: float,
    *,
    alternative: str = "two-sided",
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test whether cumulative violations have mean alpha / 2.

    The statistic is their mean. The asymptotic p-value is normal; the other is exact. Neither knows that the law was estimated: with as
    many days behind the estimate as in the test the true size is larger (Du and Escanciano, section 3.2).

    Parameters
    ----------
    pit, confidence
        As `cumulative_violations`.
    alternative : str
        "two-sided" (default), "greater" (tail losses too large), "less".
    test_level : float
    decide_by : DecideBy

    Raises
    ------
    BacktestError
        As `cumulative_violations`.
    """
    violations = cumulative_violations(pit, confidence)
    days, level = violations.size, checked_probability(test_level, "test_level")
    mean, error = violation_moments(days, confidence)
    statistic = float(violations.mean())
    exceptions, expected = int(np.count_nonzero(violations)), days * 2.0 * mean
    thin = expected < 2.0
    return judge(
        _UNCONDITIONAL,
        statistic,
        du_escanciano_unconditional_p_value(statistic, days, confidence, alternative=alternative),
        p_value_exact=du_escanciano_unconditional_p_value(statistic, days, confidence, alternative=alternative, method="exact"),
        test_level=level,
        decide_by=decide_by,
        direction="tail losses too large" if statistic > mean else "tail losses smaller than foretold",
        observations=days,
        exceptions=exceptions,
        expected_exceptions=expected,
        hypothesis="the forecast tail has the right probability and depth",
        status="thin_tail" if thin else "ok",
        reason=f"{expected:.2g} days beyond VaR are expected: the normal p-value is rough" if thin else "",
        details={
            "expected_value": mean,
            "standard_error": error,
            "z": (statistic - mean) / error,
            "alternative": alternative,
            "p_value_exact_method": "exact",
        },
    )


def conditional_statistic(violations: Floats, tail: float, lags: int) -> tuple[Floats, Floats]:
    """Return (n times the sum of squared autocorrelations, the autocorrelations[..., lags]) of rows of violations.

    About the known mean alpha / 2; the autocovariance of lag j is divided by n - j, the variance by n. Rows without a violation still have
    a variance, since the mean is known.
    """
    centred = violations - 0.5 * tail
    days = centred.shape[-1]
    variance = (centred * centred).mean(axis=-1)
    rho = np.stack([(centred[..., j:] * centred[..., :-j]).sum(axis=-1) / ((days - j) * variance) for j in range(1, lags + 1)], axis=-1)
    return days * (rho * rho).sum(axis=-1), rho


@lru_cache(maxsize=64)
def simulated_conditional(observations: int, tail: float, lags: int, simulations: int, seed: int) -> Floats:
    """Return simulated statistics of the conditional test, float64[simulations], from uniform PITs; cached, not to be written to."""
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = [
        conditional_statistic(_violations(rng.random((n, observations)), tail), tail, lags)[0] for n in chunks(simulations, observations)
    ]
    found = np.concatenate(parts)
    found.flags.writeable = False
    return found


def du_escanciano_conditional_p_value(statistic: float, lags: int) -> float:
    """Return the asymptotic p-value of the conditional statistic: chi-squared with `lags` degrees of freedom."""
    return float(chdtrc(checked_count(lags, "lags"), statistic))


def du_escanciano_conditional(
    pit: ArrayLike,
    confidence: float,
    *,
    lags: int = 1,
    simulations: int = 2_000,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test whether cumulative violations are uncorrelated: the Box-Pierce statistic of `lags` autocorrelations.

    The asymptotic law is chi-squared with `lags` degrees of freedom. With few violations it is far off (most samples have none in a row),
    and the simulated p-value decides by default.

    Parameters
    ----------
    pit, confidence
        As `cumulative_violations`.
    lags : int
    simulations, seed : int
        Of the p-value; cached by (days, confidence, lags, simulations, seed). 0 simulations: none.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        Autocorrelations in `details`. `not_applicable` with status "too_few_observations" (at most `lags` + 1 days) or "no_exceptions".

    Raises
    ------
    BacktestError
        As `cumulative_violations`.
    """
    violations, tail, depth = cumulative_violations(pit, confidence), checked_tail(confidence), checked_count(lags, "lags")
    count = checked_count(simulations, "simulations", 0)
    days, exceptions = violations.size, int(np.count_nonzero(violations))
    hypothesis = "violations in the tail do not follow one another"
    counts: dict[str, Any] = {"observations": days, "exceptions": exceptions, "expected_exceptions": days * tail}
    if days <= depth + 1:
        reason = f"{days} days for {depth} lags; at least {depth + 2} are needed"
        return not_applicable(_CONDITIONAL, "too_few_observations", reason, test_level=test_level, hypothesis=hypothesis, **counts)
    if exceptions == 0:
        reason = "no PIT is in the tail: nothing can follow anything"
        return not_applicable(_CONDITIONAL, "no_exceptions", reason, test_level=test_level, hypothesis=hypothesis, **counts)
    value, rho = conditional_statistic(violations, tail, depth)
    statistic = float(value)
    exact = simulated_p_value(simulated_conditional(days, tail, depth, count, seed), statistic, "greater") if count else None
    how: dict[str, float | int | str] = {"p_value_exact_reason": "not asked for"}
    if count:
        how = {"p_value_exact_method": "simulated", "simulations": count, "seed": seed}
    return judge(
        _CONDITIONAL,
        statistic,
        du_escanciano_conditional_p_value(statistic, depth),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="clustered" if float(rho.sum()) > 0.0 else "not clustered",
        observations=days,
        exceptions=exceptions,
        expected_exceptions=days * tail,
        hypothesis=hypothesis,
        details={
            "lags": depth,
            "degrees_of_freedom": depth,
            **how,
            **{f"autocorrelation_{j + 1}": float(rho[j]) for j in range(depth)},
        },
    )
