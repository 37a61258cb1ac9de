"""Tests of the size of losses beyond VaR: McNeil and Frey's exceedance residuals, Righi and Ceretta's standardised by the tail."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from risk_core.backtests.es_inputs import (
    Outcomes,
    checked_count,
    checked_like,
    checked_outcomes,
    chunks,
    normal_p_value,
    pick_side,
    simulated_p_value,
)
from risk_core.backtests.es_laws import Law, as_law
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_MCNEIL_FREY = "McNeil-Frey exceedance residuals"
_RIGHI_CERETTA = "Righi-Ceretta"
_HYPOTHESIS = "the mean loss beyond VaR is expected shortfall"
_ROUNDING = 1e-12


def exceedance_residuals(
    pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float, scale: ArrayLike | None = None
) -> Floats:
    """Return (loss - ES) / scale of the days with a loss beyond VaR.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    value_at_risk, expected_shortfall : float64[S] or float
        Loss positive.
    confidence : float
    scale : float64[S] or float, optional
        Volatility forecasts; not standardised without.

    Returns
    -------
    float64[exceptions]
        Mean zero where ES is right, positive where it is too small.

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, ES below VaR, or a scale that is not positive.
    """
    return _residuals(checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence), scale)


def _residuals(o: Outcomes, scale: ArrayLike | None) -> Floats:
    residuals = -o.pnl - o.expected_shortfall
    if scale is not None:
        residuals = residuals / checked_like(scale, o.pnl, "scale", positive=True)
    return residuals[o.exceeded]


def mcneil_frey_test(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    scale: ArrayLike | None = None,
    alternative: str = "greater",
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test whether exceedance residuals have mean zero.

    A. McNeil and R. Frey, "Estimation of tail-related risk measures for heteroscedastic financial time series: an extreme value
    approach", Journal of Empirical Finance 7 (2000) 271-300, section 3.2. The statistic is the mean over its standard error (ddof 1).
    Its p-value is Student's t with n - 1 degrees of freedom; the other is bootstrapped: residuals less their mean, redrawn and
    studentised again (B. Efron and R. Tibshirani, *An Introduction to the Bootstrap* (1993), section 16.4).

    Parameters
    ----------
    pnl, value_at_risk, expected_shortfall, confidence, scale
        As `exceedance_residuals`.
    alternative : str
        "greater" (default): losses beyond VaR are larger than ES; "less", "two-sided".
    simulations, seed : int
        Bootstrap samples; those without variation are left out.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "too_few_exceptions" (fewer than 2) or "no_variation" (residuals all alike).

    Raises
    ------
    BacktestError
        As `exceedance_residuals`.
    """
    o = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence)
    residuals = _residuals(o, scale)
    count = residuals.size
    if count < 2:
        reason = f"{count} losses are beyond VaR, and a standard error needs 2"
        return not_applicable(_MCNEIL_FREY, "too_few_exceptions", reason, test_level=test_level, hypothesis=_HYPOTHESIS, **o.counts)
    mean, spread = float(residuals.mean()), float(residuals.std(ddof=1))
    if spread <= _ROUNDING * float(np.abs(residuals).max()):
        reason = "all exceedance residuals are alike: there is no standard error"
        return not_applicable(_MCNEIL_FREY, "no_variation", reason, test_level=test_level, hypothesis=_HYPOTHESIS, **o.counts)
    statistic = mean / spread * sqrt(count)
    less, greater = float(stdtr(count - 1.0, statistic)), float(stdtr(count - 1.0, -statistic))
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = [
        _studentised((residuals - mean)[rng.integers(0, count, (n, count))])
        for n in chunks(checked_count(simulations, "simulations"), count)
    ]
    drawn = np.concatenate(parts)
    few = count < 10
    return judge(
        _MCNEIL_FREY,
        statistic,
        pick_side(less, greater, alternative),
        p_value_exact=simulated_p_value(drawn, statistic, alternative),
        test_level=test_level,
        decide_by=decide_by,
        direction="losses too large" if mean > 0.0 else "losses smaller than foretold",
        hypothesis=_HYPOTHESIS,
        status="few_exceptions" if few else "ok",
        reason=f"{count} exceptions: neither Student's t nor the bootstrap is reliable below 10" if few else "",
        details={
            "mean_residual": mean,
            "standard_deviation": spread,
            "standardised": "no" if scale is None else "yes",
            "alternative": alternative,
            "p_value_exact_method": "bootstrap",
            "simulations": simulations,
            "seed": seed,
        },
        **o.counts,
    )


def _studentised(samples: Floats) -> Floats:
    spread = samples.std(axis=1, ddof=1)
    valid = spread > _ROUNDING * np.abs(samples).max(axis=1)
    statistics: Floats = samples.mean(axis=1)[valid] / spread[valid] * sqrt(samples.shape[1])
    return statistics


def righi_ceretta_test(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    shortfall_deviation: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    law: Law | str | float = "normal",
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test whether losses beyond VaR have mean ES, each divided by the standard deviation that the law has beyond VaR.

    M. Righi and P. Ceretta, "A comparison of expected shortfall estimation models", Journal of Economics and Business 78 (2015) 14-47.
    BT_t = (loss - ES) / (shortfall deviation), positive where losses are larger than foretold; the paper's with the sign of the P&L.
    It judges single exceptions too: `details["largest_p_value"]` is the chance that the law gives a worst exception as large. Here the
    mean of BT over n exceptions is tested, times sqrt(n): standard normal in the limit, and simulated from the law's own tail.

    Parameters
    ----------
    pnl, value_at_risk, expected_shortfall, confidence
        As `exceedance_residuals`.
    shortfall_deviation : float64[S] or float, optional
        Standard deviation of losses beyond VaR, in the unit of the P&L.
    scale : float64[S] or float, optional
        Of the law (not a standard deviation for Student t), from which the deviation follows; give one of the two.
    law : Law, str or float
        "normal", "t5", ...; more than 2 degrees of freedom.
    simulations, seed : int
    test_level : float
        One-sided, against larger losses.
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "no_exceptions".

    Raises
    ------
    BacktestError
        As `exceedance_residuals`; if neither or both of deviation and scale are given; for a law without variance.
    """
    o, chosen = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence), as_law(law)
    if (shortfall_deviation is None) is (scale is None):
        raise BacktestError("give shortfall_deviation, or scale for the law to give it; one of the two")
    unit = chosen.shortfall_deviation(o.tail)
    deviation = unit * checked_like(scale, o.pnl, "scale", positive=True) if scale is not None else shortfall_deviation
    residuals = _residuals(o, deviation)
    count = residuals.size
    if count == 0:
        reason = "no loss is beyond VaR"
        return not_applicable(_RIGHI_CERETTA, "no_exceptions", reason, test_level=test_level, hypothesis=_HYPOTHESIS, **o.counts)
    statistic = float(residuals.mean()) * sqrt(count)
    rng = np.random.Generator(np.random.PCG64(seed))
    shortfall = chosen.expected_shortfall(o.tail)
    parts = [
        (-chosen.quantile(o.tail * (1.0 - rng.random((n, count)))) - shortfall).sum(axis=1) / (unit * sqrt(count))
        for n in chunks(checked_count(simulations, "simulations"), count)
    ]
    worst = float(chosen.cdf(-(shortfall + unit * float(residuals.max())))) / o.tail
    return judge(
        _RIGHI_CERETTA,
        statistic,
        normal_p_value(statistic, "greater"),
        p_value_exact=simulated_p_value(np.concatenate(parts), statistic, "greater"),
        test_level=test_level,
        decide_by=decide_by,
        direction="losses too large" if statistic > 0.0 else "losses smaller than foretold",
        hypothesis=_HYPOTHESIS,
        details={
            "mean_residual": float(residuals.mean()),
            "largest_residual": float(residuals.max()),
            "largest_p_value": float(1.0 - (1.0 - min(worst, 1.0)) ** count),
            "p_value_exact_method": "simulated",
            "simulations": simulations,
            "seed": seed,
        },
        **o.counts,
    )
