"""Nolde and Ziegel's tests of conditional calibration of VaR and expected shortfall together.

N. Nolde and J. Ziegel, "Elicitability and backtesting: perspectives for banking regulation", Annals of Applied Statistics 11 (2017)
1833-1874, section 2.2. With I whether loss > VaR and alpha = 1 - confidence, the identification function

    V1 = alpha - I,    V2 = ES - VaR - I (loss - VaR) / alpha

has mean zero, given the past, where both forecasts are right, and positive means where both are too careful. Both components are written
so that positive is careful; the paper's V2 has the other sign, which changes no statistic here.
"""

from __future__ import annotations

from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr

from risk_core.backtests.es_inputs import Outcomes, checked_like, checked_outcomes
from risk_core.backtests.result import BacktestError, TestResult, judge, not_applicable

Floats = NDArray[np.float64]


class Calibration(StrEnum):
    """Which weights the identification function is multiplied by."""

    SIMPLE = "simple"
    """None: V1 and V2 on average."""
    GENERAL = "general"
    """Two-sided: I (loss - ES) / (alpha scale), one number. One-sided: V1, VaR V1, V2, V2 / scale."""


class Correction(StrEnum):
    """How one-sided p-values of several components become one."""

    HOMMEL = "hommel"
    """m (1 + 1/2 + ... + 1/m) min p(i) / i: valid whatever the dependence."""
    BONFERRONI = "bonferroni"
    """m times the smallest."""


def conditional_calibration_test(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    version: Calibration | str = Calibration.SIMPLE,
    alternative: str = "greater",
    scale: ArrayLike | None = None,
    correction: Correction | str = Correction.HOMMEL,
    test_level: float = 0.95,
) -> TestResult:
    """Test calibration of VaR and ES.

    Two-sided: n times the quadratic form of the mean in the inverse of its second moment, chi-squared with 2 (simple) or 1 (general)
    degrees of freedom. One-sided: the studentised mean of each component, normal, joined by `correction`; the statistic is the smallest.
    There is no exact p-value: the test knows no law to simulate from.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    value_at_risk, expected_shortfall : float64[S] or float
        Loss positive.
    confidence : float
    version : Calibration
    alternative : str
        "greater" (default): risk is larger than foretold, against the hypothesis that forecasts are right or too careful; "two-sided".
    scale : float64[S] or float, optional
        Volatility forecasts, for `general`.
    correction : Correction
        Of the one-sided test.
    test_level : float

    Returns
    -------
    TestResult
        `not_applicable` with status "no_exceptions" or "singular" (two-sided: components without variation of their own).

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, ES below VaR, a scale that is missing or not positive, unknown names.
    """
    try:
        chosen, joined = Calibration(version), Correction(correction)
    except ValueError as error:
        raise BacktestError(f"{error}; versions are simple and general, corrections hommel and bonferroni") from None
    if alternative not in ("greater", "two-sided"):
        raise BacktestError(f'alternative must be "greater" or "two-sided", not {alternative!r}')
    o = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence)
    name = f"Nolde-Ziegel conditional calibration, {chosen}, {'one' if alternative == 'greater' else 'two'}-sided"
    hypothesis = "VaR and expected shortfall are right" + (" or too careful" if alternative == "greater" else "")
    if o.exceptions == 0:
        reason = "no loss is beyond VaR: the size of losses cannot be judged"
        return not_applicable(name, "no_exceptions", reason, test_level=test_level, hypothesis=hypothesis, **o.counts)
    width = None
    if chosen is Calibration.GENERAL:
        if scale is None:
            raise BacktestError("the general version needs scale: a volatility forecast for each day")
        width = checked_like(scale, o.pnl, "scale", positive=True)
    moments = _moments(o, width, alternative)
    details: dict[str, float | int | str] = {"p_value_exact_reason": "no law to simulate from", "components": moments.shape[0]}
    means = moments.mean(axis=1)
    second = moments @ moments.T / o.days
    if alternative == "two-sided":
        if np.linalg.cond(second / np.sqrt(np.outer(np.diag(second), np.diag(second)))) > 1e12:
            reason = "the second moments of the identification function are singular; more exceptions are needed"
            return not_applicable(name, "singular", reason, test_level=test_level, hypothesis=hypothesis, **o.counts)
        statistic = o.days * float(means @ np.linalg.solve(second, means))
        p_value = float(chdtrc(moments.shape[0], statistic))
        details["degrees_of_freedom"] = moments.shape[0]
    else:
        students = sqrt(o.days) * means / np.sqrt(np.diag(second))
        statistic, p_value = float(students.min()), joined_p_value(ndtr(students), joined)
        details |= {"correction": str(joined), **{f"component_{i + 1}": float(z) for i, z in enumerate(students)}}
    few = o.exceptions < 5
    return judge(
        name,
        statistic,
        p_value,
        test_level=test_level,
        direction="risk too small" if _leaning(o) < 0.0 else "risk too large",
        hypothesis=hypothesis,
        status="few_exceptions" if few else "ok",
        reason=f"{o.exceptions} exceptions: the asymptotic p-value is unreliable below 5" if few else "",
        details=details,
        **o.counts,
    )


def identification(pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float) -> tuple[Floats, Floats]:
    """Return (V1, V2) of each day. Parameters and errors: `conditional_calibration_test`."""
    return _identification(checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence))


def joined_p_value(p_values: ArrayLike, correction: Correction | str = Correction.HOMMEL) -> float:
    """Return one p-value of several, at most 1."""
    ordered = np.sort(np.asarray(p_values, np.float64))
    ranks = np.arange(1, ordered.size + 1)
    if Correction(correction) is Correction.BONFERRONI:
        return min(1.0, ordered.size * float(ordered[0]))
    return min(1.0, ordered.size * float((1.0 / ranks).sum()) * float((ordered / ranks).min()))


def _identification(o: Outcomes) -> tuple[Floats, Floats]:
    first: Floats = o.tail - o.exceeded.astype(np.float64)
    return first, o.expected_shortfall - o.value_at_risk - np.maximum(-o.pnl - o.value_at_risk, 0.0) / o.tail


def _leaning(o: Outcomes) -> float:
    return float(_identification(o)[1].mean())


def _moments(o: Outcomes, scale: Floats | None, alternative: str) -> Floats:
    """Return float64[components, S]."""
    first, second = _identification(o)
    if scale is None:
        return np.stack([first, second])
    if alternative == "two-sided":
        return (np.where(o.exceeded, -o.pnl - o.expected_shortfall, 0.0) / (o.tail * scale))[None]
    return np.stack([first, np.abs(o.value_at_risk) * first, second, second / scale])
