"""Which forecast is better: Diebold and Mariano's test, Murphy diagrams, and three zones against a standard model.

All take losses of `risk_core.backtests.scores`, day by day, smaller is better. The model confidence set is in `confidence_set`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from risk_core.backtests.es_inputs import (
    checked_count,
    checked_like,
    checked_outcomes,
    checked_tail,
    checked_vector,
    normal_p_value,
    pick_side,
)
from risk_core.backtests.result import BacktestError, TestResult, checked_probability, judge, not_applicable

Floats = NDArray[np.float64]

_NAME = "Diebold-Mariano"


class Kernel(StrEnum):
    """Weights of autocovariances in a long-run variance; L is `lags`."""

    BARTLETT = "bartlett"
    """1 - j / (L + 1): never negative (Newey and West)."""
    RECTANGULAR = "rectangular"
    """1 up to L: Diebold and Mariano's own, L = horizon - 1."""


def newey_west_lags(observations: int) -> int:
    """Return floor(4 (n / 100)^(2/9)), the common choice for the Bartlett kernel."""
    return int(4.0 * (observations / 100.0) ** (2.0 / 9.0))


def long_run_variance(series: ArrayLike, lags: int, kernel: Kernel | str = Kernel.BARTLETT) -> float:
    """Return the variance of root n times the mean: autocovariances about the mean, divided by n, weighted.

    Parameters
    ----------
    series : float64[n]
    lags : int
        Autocovariances on each side, fewer than n.
    kernel : Kernel

    Raises
    ------
    BacktestError
        For NaN, or as many lags as observations.
    """
    values, reach, chosen = checked_vector(series, "series"), checked_count(lags, "lags", 0), Kernel(kernel)
    if reach >= values.size:
        raise BacktestError(f"{reach} lags need more than {values.size} observations")
    centred = values - values.mean()
    covariances = np.array([float(centred[j:] @ centred[: values.size - j]) / values.size for j in range(reach + 1)])
    weights = 2.0 * (1.0 - np.arange(reach + 1) / (reach + 1.0) if chosen is Kernel.BARTLETT else np.ones(reach + 1))
    weights[0] = 1.0
    return float(weights @ covariances)


def diebold_mariano_test(
    losses: ArrayLike,
    other_losses: ArrayLike,
    *,
    horizon: int = 1,
    lags: int | None = None,
    kernel: Kernel | str = Kernel.BARTLETT,
    small_sample: bool = False,
    alternative: str = "two-sided",
    test_level: float = 0.95,
) -> TestResult:
    """Test whether two forecasts have the same expected loss.

    F. Diebold and R. Mariano, "Comparing predictive accuracy", Journal of Business and Economic Statistics 13 (1995) 253-263. The statistic
    is the mean of `losses - other_losses` over its standard error. There is no exact p-value without a law of the losses.

    Parameters
    ----------
    losses, other_losses : float64[n]
        One number for each day, smaller is better.
    horizon : int
        Days that a forecast looks ahead.
    lags : int, optional
        Autocovariances in the standard error; horizon - 1 for the rectangular kernel, else the larger of that and `newey_west_lags`.
    kernel : Kernel
    small_sample : bool
        Correction and Student t of D. Harvey, S. Leybourne and P. Newbold, International Journal of Forecasting 13 (1997) 281-291.
    alternative : str
        "two-sided"; "greater": the first forecast is worse; "less": better.
    test_level : float

    Returns
    -------
    TestResult
        `not_applicable` with status "no_variation" (losses differ by a constant, or not at all), "negative_variance" (rectangular
        kernel) or "too_few_observations".

    Raises
    ------
    BacktestError
        For NaN, or lengths that differ.
    """
    mine, ahead = checked_vector(losses, "losses"), checked_count(horizon, "horizon")
    theirs = checked_vector(other_losses, "other_losses")
    if mine.size != theirs.size:
        raise BacktestError(f"losses have {mine.size} days and other_losses {theirs.size}; align them by day")
    chosen = Kernel(kernel)
    default = ahead - 1 if chosen is Kernel.RECTANGULAR else max(ahead - 1, newey_west_lags(mine.size))
    reach = default if lags is None else checked_count(lags, "lags", 0)
    hypothesis = "both forecasts lose the same on average"
    if mine.size <= reach + 1:
        reason = f"{mine.size} days for {reach} lags; at least {reach + 2} are needed"
        return not_applicable(_NAME, "too_few_observations", reason, observations=mine.size, test_level=test_level, hypothesis=hypothesis)
    difference = mine - theirs
    mean, size = float(difference.mean()), float(np.abs(mine).max() + np.abs(theirs).max())
    variance = long_run_variance(difference, reach, chosen)
    if float(difference.std()) <= 1e-13 * size:
        reason = "the losses differ by the same number every day: there is no standard error"
        return not_applicable(_NAME, "no_variation", reason, observations=mine.size, test_level=test_level, hypothesis=hypothesis)
    if variance <= 0.0:
        reason = "the long-run variance is not positive; take the Bartlett kernel or fewer lags"
        return not_applicable(_NAME, "negative_variance", reason, observations=mine.size, test_level=test_level, hypothesis=hypothesis)
    days = mine.size
    statistic = mean / sqrt(variance / days)
    if small_sample:
        statistic *= sqrt(max(days + 1.0 - 2.0 * ahead + ahead * (ahead - 1.0) / days, 0.0) / days)
        p_value = pick_side(float(stdtr(days - 1.0, statistic)), float(stdtr(days - 1.0, -statistic)), alternative)
    else:
        p_value = normal_p_value(statistic, alternative)
    return judge(
        _NAME,
        statistic,
        p_value,
        test_level=test_level,
        direction="first forecast worse" if mean > 0.0 else "first forecast better",
        observations=days,
        hypothesis=hypothesis,
        details={
            "mean_difference": mean,
            "standard_error": sqrt(variance / days),
            "lags": reach,
            "kernel": str(chosen),
            "alternative": alternative,
            "law": "student_t" if small_sample else "normal",
            "p_value_exact_reason": "no law of the losses to simulate from",
        },
    )


class ComparisonZone(StrEnum):
    """Where an internal model stands against the standard one."""

    GREEN = "green"
    """Significantly better."""
    YELLOW = "yellow"
    """Neither can be said at this level."""
    RED = "red"
    """Significantly worse."""


@dataclass(frozen=True, slots=True)
class ThreeZones:
    """Comparison with a standard model.

    Parameters
    ----------
    zone : ComparisonZone
    mean_difference : float
        Internal less standard; negative where the internal model is better.
    statistic : float or None
        Diebold-Mariano's; None where it has no standard error.
    p_value_worse, p_value_better : float or None
        Of "at least as good as the standard" (rejected: red) and "at most as good" (rejected: green).
    test_level : float
    status, reason : str
        As the test's.
    """

    zone: ComparisonZone
    mean_difference: float
    statistic: float | None
    p_value_worse: float | None
    p_value_better: float | None
    test_level: float
    status: str
    reason: str


def three_zone_comparison(
    internal_losses: ArrayLike,
    standard_losses: ArrayLike,
    *,
    test_level: float = 0.95,
    horizon: int = 1,
    lags: int | None = None,
    kernel: Kernel | str = Kernel.BARTLETT,
) -> ThreeZones:
    """Return whether an internal model is better or worse than a standard one, or whether it cannot be said.

    T. Fissler, J. Ziegel and T. Gneiting, Risk (January 2016); Nolde and Ziegel (2017), section 2.3. Two one-sided tests at one level; the
    burden of proof can be put on the bank (green only is passed) or on the supervisor (red only fails).

    Parameters and errors: `diebold_mariano_test`. Without a standard error the zone is yellow, with the status of the test.
    """
    level = checked_probability(test_level, "test_level")
    worse = diebold_mariano_test(
        internal_losses, standard_losses, horizon=horizon, lags=lags, kernel=kernel, alternative="greater", test_level=level
    )
    mean = float(np.mean(np.asarray(internal_losses, np.float64) - np.asarray(standard_losses, np.float64)))
    if worse.p_value is None:
        return ThreeZones(ComparisonZone.YELLOW, mean, None, None, None, level, worse.status, worse.reason)
    better = 1.0 - worse.p_value
    zone = ComparisonZone.RED if worse.p_value < 1.0 - level else ComparisonZone.GREEN if better < 1.0 - level else ComparisonZone.YELLOW
    return ThreeZones(zone, mean, worse.statistic, worse.p_value, better, level, worse.status, worse.reason)


@dataclass(frozen=True, slots=True, eq=False)
class MurphyDiagram:
    """Mean elementary score of a forecast at each threshold.

    Parameters
    ----------
    thresholds : float64[T]
        In the sign of the P&L.
    score : float64[T]
        Smaller is better; a forecast below another at every threshold is better under every consistent score.
    """

    thresholds: Floats
    score: Floats


def murphy_diagram(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    confidence: float,
    expected_shortfall: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
) -> MurphyDiagram:
    """Return the Murphy diagram of VaR, or of expected shortfall with its VaR.

    VaR: W. Ehm, T. Gneiting, A. Jordan and F. Krueger, Journal of the Royal Statistical Society B 78 (2016) 505-562, theorem 1:
    (1{x < q} - alpha)(1{t < q} - 1{t < x}), q = -VaR. ES: J. Ziegel, F. Krueger, A. Jordan and F. Fasciati, "Robust forecast evaluation of
    expected shortfall", Journal of Financial Econometrics 18 (2020) 95-120: with e = -ES,
    1{t <= e} (max(q - x, 0) / alpha - (q - t)) + 1{t <= x} (x - t). Every score of the pair with G1 = 0 is a mixture of these.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    value_at_risk, expected_shortfall : float64[S] or float
        Loss positive. With ES the diagram is that of ES.
    confidence : float
    thresholds : float64[T], optional
        In the sign of the P&L; by default 200 even ones that span the forecasts and the outcomes below the largest forecast.

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, ES below VaR.
    """
    x, tail = checked_vector(pnl, "pnl"), checked_tail(confidence)
    q = -checked_like(value_at_risk, x, "value_at_risk")
    e = q if expected_shortfall is None else -checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence).expected_shortfall
    low, high = min(float(x.min()), float(e.min())), max(float(q.max()), float(e.max()))
    grid = np.linspace(low, high, 200) if thresholds is None else checked_vector(thresholds, "thresholds")
    t = grid[:, None]
    if expected_shortfall is None:
        scores = ((x < q) - tail) * ((t < q).astype(np.float64) - (t < x))
    else:
        scores = (t <= e) * (np.maximum(q - x, 0.0) / tail - (q - t)) + (t <= x) * (x - t)
    return MurphyDiagram(grid, scores.mean(axis=1))
