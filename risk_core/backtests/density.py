"""Tests of whole forecast laws by their probability integral transforms (PIT): uniform, and independent."""

from __future__ import annotations

from enum import StrEnum
from math import exp, lgamma, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import checked_pit
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_LEAST = 1e-300


class Uniformity(StrEnum):
    """Which distance between the sorted PITs and the uniform law."""

    KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov"
    ANDERSON_DARLING = "anderson_darling"
    """Weighs both tails more; infinite if a PIT is exactly 0 or 1."""
    CRAMER_VON_MISES = "cramer_von_mises"


def pit_uniformity_test(
    pit: ArrayLike,
    method: Uniformity | str = Uniformity.KOLMOGOROV_SMIRNOV,
    *,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test whether PITs are uniform, if they are independent and the forecast law was not estimated from them.

    p-values: Kolmogorov-Smirnov's limit and the exact one; the limits of Anderson-Darling and Cramer-von Mises, the latter also with
    the correction of order 1/n of S. Csorgo and J. Faraway, Journal of the Royal Statistical Society B 58 (1996) 221-234.

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger than what came.
    method : Uniformity
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "impossible_outcome" for Anderson-Darling with a PIT of 0 or 1.

    Raises
    ------
    BacktestError
        For NaN or PIT outside [0, 1].
    """
    from scipy import stats

    u = np.sort(checked_pit(pit))
    try:
        chosen = Uniformity(method)
    except ValueError:
        raise BacktestError(f"method must be one of {', '.join(Uniformity)}, not {method!r}") from None
    name, hypothesis = f"PIT uniformity, {str(chosen).replace('_', '-')}", "outcomes have the forecast law"
    details: dict[str, float | int | str] = {"mean_pit": float(u.mean())}
    exact: float | None = None
    if chosen is Uniformity.KOLMOGOROV_SMIRNOV:
        statistic = float(stats.kstest(u, "uniform").statistic)
        exact = min(1.0, float(stats.kstwo.sf(statistic, u.size)))
        p_value = float(stats.kstwobign.sf(sqrt(u.size) * statistic))
        details["p_value_exact_method"] = "exact"
    elif chosen is Uniformity.CRAMER_VON_MISES:
        ranks = (2.0 * np.arange(1, u.size + 1) - 1.0) / (2.0 * u.size)
        statistic = 1.0 / (12.0 * u.size) + float(((ranks - u) ** 2).sum())
        p_value = cramer_von_mises_p_value(statistic)
        if u.size > 1:
            exact = min(1.0, max(0.0, float(stats.cramervonmises(u, "uniform").pvalue)))
        details["p_value_exact_method"] = "asymptotic with a term of order 1/n"
    else:
        if u[0] <= 0.0 or u[-1] >= 1.0:
            reason = "a PIT is 0 or 1: the forecast law gave that outcome no chance"
            return not_applicable(name, "impossible_outcome", reason, observations=u.size, test_level=test_level, hypothesis=hypothesis)
        ranks = 2.0 * np.arange(1, u.size + 1) - 1.0
        statistic = -u.size - float((ranks * (np.log(u) + np.log1p(-u[::-1]))).sum()) / u.size
        p_value = anderson_darling_p_value(statistic)
        details["p_value_exact_reason"] = "the limit is good to 0.003 from 8 observations on"
    return judge(
        name,
        statistic,
        p_value,
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="P&L lower than foretold" if u.mean() < 0.5 else "P&L higher than foretold",
        observations=u.size,
        hypothesis=hypothesis,
        details=details,
    )


def anderson_darling_p_value(statistic: float) -> float:
    """Return the limiting probability of a larger A², law fully known.

    T. Anderson and D. Darling, Annals of Mathematical Statistics 23 (1952) 193-212, the series of their section 4; each integral by
    trapezia in a substitution under which it decays like a normal density.
    """
    z = max(statistic, 1e-3)
    if z > 60.0:
        return 0.0
    x = np.linspace(-8.0, 8.0, 4001)
    total, sign, size = 0.0, 1.0, 1.0
    for j in range(60):
        rate = (4 * j + 1) ** 2 * pi**2 / (8.0 * z)
        w = x / sqrt(rate)
        integral = 0.5 * float(np.exp(z / (8.0 * (w * w + 1.0)) - rate * w * w).sum()) * float(w[1] - w[0])
        term = sign * size * (4 * j + 1) * exp(-min(rate, 700.0)) * integral
        total += term
        if abs(term) < 1e-16:
            break
        sign, size = -sign, size * (j + 0.5) / (j + 1.0)
    return min(1.0, max(0.0, 1.0 - sqrt(2.0 * pi) / z * total))


def cramer_von_mises_p_value(statistic: float) -> float:
    """Return the limiting probability of a larger W², law fully known.

    T. Anderson and D. Darling, Annals of Mathematical Statistics 23 (1952) 193-212, equation 4.35: a series of Bessel functions.
    """
    from scipy.special import kve

    if statistic <= 0.0:
        return 1.0
    total = 0.0
    for k in range(40):
        y = (4 * k + 1) ** 2 / (16.0 * statistic)
        if y > 350.0:
            break
        weight = exp(lgamma(k + 0.5) - lgamma(k + 1.0)) / (pi**1.5 * sqrt(statistic))
        total += weight * sqrt(4.0 * k + 1.0) * exp(-2.0 * y) * float(kve(0.25, y))
    return min(1.0, max(0.0, 1.0 - total))
