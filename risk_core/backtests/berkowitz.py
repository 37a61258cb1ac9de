"""Berkowitz's tests of forecast laws, by likelihood ratios of normal scores of the PIT.

J. Berkowitz, "Testing density forecasts, with applications to risk management", Journal of Business and Economic Statistics 19 (2001)
465-474. Where the law is right, z = Phi^-1(u) is independent and standard normal.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, log_ndtr, ndtri, ndtri_exp

from risk_core.backtests.es_inputs import checked_count, checked_pit, checked_tail, simulated_p_value
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_WHOLE: Final = "Berkowitz"
_TAIL: Final = "Berkowitz tail"
_STATIONARY: Final = 1.0 - 1e-9
"""Largest partial autocorrelation: at one the variance of the process is infinite."""


def berkowitz_test(
    pit: ArrayLike,
    *,
    lags: int = 1,
    likelihood: str = "exact",
    simulations: int = 0,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test standard normal scores against an autoregression with any mean and variance; chi-squared with 2 + lags degrees of freedom.

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger, strictly within (0, 1).
    lags : int
        0: mean and variance alone.
    likelihood : str
        "exact" (default, Gaussian and stationary), or "conditional" on the first `lags` scores, by least squares; the hypothesis is then
        judged on the days that remain.
    simulations, seed : int
        Of a simulated p-value; 0 (default): none.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        Mean (of the process), standard deviation of the innovations and coefficients in `details`. `not_applicable` with status
        "impossible_outcome" (PIT of 0 or 1), "too_few_observations" (fewer than lags + 3) or "no_variation".

    Raises
    ------
    BacktestError
        For NaN, PIT outside [0, 1], or a likelihood of another name.
    """
    u, depth = checked_pit(pit), checked_count(lags, "lags", 0)
    if likelihood not in ("exact", "conditional"):
        raise BacktestError(f'likelihood must be "exact" or "conditional", not {likelihood!r}')
    hypothesis = "scores of the PIT are independent and standard normal"
    status, reason = "", ""
    if not ((u > 0.0) & (u < 1.0)).all():
        status, reason = "impossible_outcome", "a PIT is 0 or 1: the forecast law gave that outcome no chance"
    elif u.size < 2 * depth + 3:
        status, reason = "too_few_observations", f"{u.size} days for {depth} lags; at least {2 * depth + 3} are needed"
    elif float(np.ptp(u)) < 1e-12:
        status, reason = "no_variation", "all PITs are alike: there is no variance to estimate"
    if status:
        return not_applicable(_WHOLE, status, reason, observations=u.size, test_level=test_level, hypothesis=hypothesis)
    statistic, mean, deviation, coefficients = _whole(ndtri(u), depth, likelihood)
    count = checked_count(simulations, "simulations", 0)
    exact = None
    how: dict[str, float | int | str] = {"p_value_exact_reason": "not asked for"}
    if count:
        exact = simulated_p_value(_simulated_whole(u.size, depth, likelihood, count, seed), statistic, "greater")
        how = {"p_value_exact_method": "simulated", "simulations": count, "seed": seed}
    return judge(
        _WHOLE,
        statistic,
        float(chdtrc(2 + depth, statistic)),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="law too narrow" if deviation > 1.0 else "law too wide",
        observations=u.size,
        hypothesis=hypothesis,
        details={
            "degrees_of_freedom": 2 + depth,
            "likelihood": likelihood,
            "mean": mean,
            "standard_deviation": deviation,
            **{f"autoregression_{i + 1}": float(c) for i, c in enumerate(coefficients)},
            **how,
        },
    )


def _whole(z: Floats, lags: int, likelihood: str) -> tuple[float, float, float, Floats]:
    """Return (likelihood ratio, mean, innovation deviation, coefficients)."""
    if likelihood == "conditional":
        seen = z[lags:]
        design = np.column_stack([np.ones(seen.size), *[z[lags - i : z.size - i] for i in range(1, lags + 1)]])
        beta = np.linalg.lstsq(design, seen, rcond=None)[0]
        variance = max(float(((seen - design @ beta) ** 2).mean()), 1e-300)
        slack = 1.0 - float(beta[1:].sum())
        mean = float(beta[0]) / slack if abs(slack) > 1e-9 else float(seen.mean())
        fitted = -0.5 * seen.size * (log(2.0 * pi * variance) + 1.0)
        return max(0.0, 2.0 * (fitted - _standard(seen))), mean, sqrt(variance), np.asarray(beta[1:], np.float64)
    if lags == 0:
        value, mean, variance = _autoregressive(z, np.empty(0))[:3]
        return max(0.0, 2.0 * (value - _standard(z))), mean, sqrt(variance), np.empty(0)
    from scipy.optimize import minimize

    centred = z - z.mean()
    start = np.zeros(lags)
    start[0] = np.clip(float(centred[1:] @ centred[:-1]) / float(centred @ centred), -0.9, 0.9)

    def objective(x: Floats) -> float:
        return -_autoregressive(z, _STATIONARY * np.tanh(x))[0] / z.size

    found = minimize(objective, np.arctanh(start), method="BFGS", tol=1e-9)
    value, mean, variance, coefficients = _autoregressive(z, _STATIONARY * np.tanh(found.x))
    return max(0.0, 2.0 * (value - _standard(z))), mean, sqrt(variance), coefficients


def _standard(z: Floats) -> float:
    return -0.5 * (z.size * log(2.0 * pi) + float(z @ z))


def _autoregressive(z: Floats, partial: Floats) -> tuple[float, float, float, Floats]:
    """Return (log-likelihood, mean, innovation variance, coefficients) at partial autocorrelations; mean and variance at their best.

    Levinson's recursion whitens the first scores by their own shorter regressions.
    """
    order = partial.size
    white, ones = z.astype(np.float64), np.ones(z.size)
    scale = 1.0 / float(np.prod(1.0 - partial * partial)) if order else 1.0
    coefficients = np.empty(0)
    logarithms = 0.0
    for t in range(min(order, z.size)):
        root = scale**0.5
        white[t] = (z[t] - coefficients @ z[t - 1 :: -1][:t] if t else z[0]) / root
        ones[t] = (1.0 - coefficients.sum()) / root
        logarithms += log(scale)
        coefficients = np.append(coefficients - partial[t] * coefficients[::-1], partial[t])
        scale *= 1.0 - partial[t] * partial[t]
    for i, c in enumerate(coefficients, 1):
        white[order:] -= c * z[order - i : z.size - i]
        ones[order:] -= c
    mean = float(white @ ones) / max(float(ones @ ones), 1e-300)
    variance = float(((white - mean * ones) ** 2).mean())
    value = -0.5 * (z.size * (log(2.0 * pi * max(variance, 1e-300)) + 1.0) + logarithms)
    return value, mean, variance, coefficients


def berkowitz_tail_test(
    pit: ArrayLike,
    confidence: float,
    *,
    simulations: int = 0,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test the lower tail of forecast laws: scores above the alpha-quantile count as "not in the tail" only.

    The censored normal likelihood of (mean, deviation), maximised where it is concave (R. Olsen, Econometrica 46 (1978) 1211-1215), against
    (0, 1); chi-squared with 2 degrees of freedom.

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger; above 0.
    confidence : float
        alpha is one minus it.
    simulations, seed : int
        Of a simulated p-value, about a millisecond each; 0 (default): none.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "too_few_exceptions" (fewer than 2 in the tail), "too_few_observations" (none outside) or
        "impossible_outcome" (a PIT of 0).

    Raises
    ------
    BacktestError
        For NaN or PIT outside [0, 1].
    """
    u, tail = checked_pit(pit), checked_tail(confidence)
    inside = u < tail
    exceptions = int(inside.sum())
    hypothesis = "outcomes in the tail have the forecast law"
    status, reason = "", ""
    if (u <= 0.0).any():
        status, reason = "impossible_outcome", "a PIT is 0: the forecast law gave that loss no chance"
    elif exceptions < 2:
        status, reason = "too_few_exceptions", f"{exceptions} PITs are in the tail; at least 2 are needed for a mean and a deviation"
    elif exceptions == u.size:
        status, reason = "too_few_observations", "every PIT is in the tail"
    elif float(np.ptp(u[inside])) < 1e-15:
        status, reason = "no_variation", "all PITs in the tail are alike"
    if status:
        return not_applicable(
            _TAIL,
            status,
            reason,
            observations=u.size,
            exceptions=exceptions,
            expected_exceptions=u.size * tail,
            test_level=test_level,
            hypothesis=hypothesis,
        )
    statistic, mean, deviation = _censored(ndtri(u[inside]), u.size - exceptions, float(ndtri(tail)))
    count = checked_count(simulations, "simulations", 0)
    exact = None
    how: dict[str, float | int | str] = {"p_value_exact_reason": "not asked for"}
    if count:
        exact = simulated_p_value(_simulated_tail(u.size, tail, count, seed), statistic, "greater")
        how = {"p_value_exact_method": "simulated", "simulations": count, "seed": seed}
    depth = float(np.mean(1.0 - u[inside] / tail)) * exceptions
    return judge(
        _TAIL,
        statistic,
        float(chdtrc(2, statistic)),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="tail losses too large" if depth > 0.5 * tail * u.size else "tail losses smaller than foretold",
        observations=u.size,
        exceptions=exceptions,
        expected_exceptions=u.size * tail,
        hypothesis=hypothesis,
        details={"degrees_of_freedom": 2, "mean": mean, "standard_deviation": deviation, **how},
    )


def _censored(z: Floats, outside: int, limit: float) -> tuple[float, float, float]:
    """Return (likelihood ratio, mean, deviation) of scores below `limit` with `outside` above, by Newton's method.

    In g = 1 / deviation and d = mean / deviation the likelihood is concave: k log g - sum (g z - d)² / 2 + outside log Phi(d - g limit).
    """
    count, first, second = z.size, float(z.sum()), float(z @ z)

    def value(g: float, d: float) -> float:
        if g <= 0.0:
            return -np.inf
        squares = g * g * second - 2.0 * g * d * first + count * d * d
        return count * log(g) - 0.5 * squares + outside * float(log_ndtr(d - g * limit))

    g, d = 1.0, 0.0
    base = best = value(g, d)
    for _ in range(200):
        x = d - g * limit
        mills = float(np.exp(-0.5 * x * x - 0.5 * log(2.0 * pi) - log_ndtr(x)))
        bend = outside * mills * (x + mills)
        gradient = np.array([count / g - g * second + d * first - outside * mills * limit, g * first - count * d + outside * mills])
        hessian = -np.array([[count / (g * g) + second + bend * limit**2, -first - bend * limit], [-first - bend * limit, count + bend]])
        step = np.linalg.solve(hessian, -gradient)
        size = 1.0
        while (ahead := value(g + size * step[0], d + size * step[1])) < best and size > 1e-12:
            size *= 0.5
        if size <= 1e-12:
            break
        g, d, gained, best = g + size * float(step[0]), d + size * float(step[1]), ahead - best, ahead
        if gained < 1e-12 * (1.0 + abs(best)):
            break
    return max(0.0, 2.0 * (best - base)), d / g, 1.0 / g


@lru_cache(maxsize=32)
def _simulated_whole(days: int, lags: int, likelihood: str, simulations: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.array([_whole(rng.standard_normal(days), lags, likelihood)[0] for _ in range(simulations)])


@lru_cache(maxsize=32)
def _simulated_tail(days: int, tail: float, simulations: int, seed: int) -> Floats:
    """Return simulated ratios; samples that the test would not judge are left out."""
    rng = np.random.Generator(np.random.PCG64(seed))
    found, limit = [], float(ndtri(tail))
    for count in rng.binomial(days, tail, simulations):
        scores = ndtri_exp(np.log(tail) + np.log(1.0 - rng.random(int(count))))
        if 2 <= count < days:
            found.append(_censored(scores, days - int(count), limit)[0])
    return np.array(found)
