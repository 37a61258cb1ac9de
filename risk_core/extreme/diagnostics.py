"""Pictures of a tail as arrays: mean excess, stability of the parameters, goodness of fit, and Hill's estimator, over thresholds.

A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 5.2; S. Coles, An Introduction to Statistical
Modeling of Extreme Values (2001), sec. 4.3; B. Hill, "A simple general approach to inference about the tail of a distribution", Annals of
Statistics 3 (1975) 1163-1174.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import tail_probability
from risk_core.extreme.goodness import goodness
from risk_core.extreme.threshold import fitted_tails, tail_beyond
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.methods import normal_quantile

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CONFIDENCES: Final = tuple(round(0.75 + 0.005 * i, 3) for i in range(47))
"""Thresholds looked at by default, 0.75 to 0.98."""
_FEWEST: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class MeanExcess:
    """Mean excess over thresholds: rising and straight for xi in (0, 1), level for an exponential tail.

    Parameters
    ----------
    threshold : float64[m]
        Losses of the sample, rising.
    mean : float64[m]
        Mean of losses beyond each, less it.
    error : float64[m]
        Standard error: deviation of the excesses over the root of their effective number.
    count : int64[m]
    """

    threshold: Floats
    mean: Floats
    error: Floats
    count: Integers


@dataclass(frozen=True, slots=True, eq=False)
class HillCurve:
    """Hill's estimate of xi over thresholds, float64[m], thresholds rising; empty where no loss is positive.

    Parameters
    ----------
    threshold : float64[m]
        Positive losses.
    shape : float64[m]
        Mean of log(loss / threshold) beyond the threshold: an estimate of xi where xi > 0.
    error : float64[m]
        shape / sqrt(effective count).
    count : int64[m]
    """

    threshold: Floats
    shape: Floats
    error: Floats
    count: Integers


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdDiagnostics:
    """Everything that a picture of the threshold shows, one entry for each confidence, rising.

    Parameters
    ----------
    confidence, threshold : float64[m]
    count : int64[m]
    shape, shape_lower, shape_upper : float64[m]
        xi with its interval: level from a good threshold on.
    modified_scale, modified_scale_lower, modified_scale_upper : float64[m]
        beta - xi u, which does not depend on the threshold either (Coles 2001).
    anderson_darling_p, cramer_von_mises_p : float64[m]
    level : float
        Of the intervals, by the delta method.
    left_out : tuple of float
        Confidences without ten effective exceedances that differ, or whose fit has no standard errors.
    mean_excess : MeanExcess
    hill : HillCurve
    """

    confidence: Floats
    threshold: Floats
    count: Integers
    shape: Floats
    shape_lower: Floats
    shape_upper: Floats
    modified_scale: Floats
    modified_scale_lower: Floats
    modified_scale_upper: Floats
    anderson_darling_p: Floats
    cramer_von_mises_p: Floats
    level: float
    left_out: tuple[float, ...]
    mean_excess: MeanExcess
    hill: HillCurve


def mean_excess(pnl: ArrayLike, weights: ArrayLike | None = None, *, fewest: int = 5) -> MeanExcess:
    """Return the sample mean excess function over the losses of a P&L vector.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
    fewest : int
        Thresholds with fewer exceedances are left out: the last points are noise.

    Raises
    ------
    MeasureError
        For an impossible vector or weights, or if fewer than `fewest` losses lie beyond the smallest.
    """
    threshold, count, loss, mass = _steps(pnl, weights, fewest)
    total = np.cumsum(mass)[count - 1]
    height = loss - loss[0]  # near the worst loss, so that squares do not cancel
    first = np.cumsum(mass * height)[count - 1] / total
    second = np.cumsum(mass * height * height)[count - 1] / total
    effective = total**2 / np.cumsum(mass * mass)[count - 1]
    error = np.sqrt(np.maximum(second - first * first, 0.0) / effective)
    return MeanExcess(threshold, first - (threshold - loss[0]), error, count)


def hill(pnl: ArrayLike, weights: ArrayLike | None = None, *, fewest: int = 5) -> HillCurve:
    """Return Hill's estimate at every positive loss of a P&L vector; not translation-invariant. Parameters as `mean_excess`."""
    threshold, count, loss, mass = _steps(pnl, weights, fewest)
    held = threshold > 0.0
    threshold, count = threshold[held], count[held]
    logs = np.log(np.maximum(loss, threshold[0] if threshold.size else 1.0))
    total = np.cumsum(mass)[count - 1]
    shape = np.cumsum(mass * logs)[count - 1] / total - np.log(threshold)
    effective = total**2 / np.cumsum(mass * mass)[count - 1]
    return HillCurve(threshold, shape, shape / np.sqrt(effective), count)


def hill_shape(pnl: ArrayLike, threshold: float = 0.9, weights: ArrayLike | None = None) -> float:
    """Return Hill's estimate of xi beyond one threshold.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    threshold : float
        Confidence in [0.5, 1), as in `fit_peaks`.
    weights : float64[S], optional

    Raises
    ------
    MeasureError
        If the threshold is no loss, or nothing lies beyond it.
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    tail = tail_beyond(vector, mass, tail_probability(threshold))
    if tail.exceedances.size == 0:
        raise MeasureError(f"no scenario lies beyond the threshold {tail.threshold:.6g}; lower it, or give more scenarios")
    if not tail.threshold > 0.0:
        raise MeasureError(f"Hill's estimator needs a threshold that is a loss, not {tail.threshold:.6g}")
    weight = mass[tail.exceedances]
    return float(weight @ np.log1p(tail.excesses / tail.threshold) / weight.sum())


def threshold_diagnostics(
    pnl: ArrayLike, weights: ArrayLike | None = None, *, confidences: Sequence[float] = CONFIDENCES, level: float = 0.95
) -> ThresholdDiagnostics:
    """Return all diagnostics of the threshold; fits are by maximum likelihood.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
    confidences : sequence of float
        Thresholds, in [0.5, 1).
    level : float
        Of the intervals, in (0, 1).

    Raises
    ------
    MeasureError
        For an impossible vector, weights or level, or if every threshold is left out.
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    if not 0.0 < level < 1.0:
        raise MeasureError(f"level must lie strictly between 0 and 1, such as 0.95, not {level!r}")
    z = normal_quantile(0.5 * (1.0 - level))
    rows = []
    for confidence, tail, fit in fitted_tails(vector, mass, confidences, _FEWEST):
        if fit.covariance is None:
            continue
        slope = np.array([-tail.threshold, 1.0])
        half_shape, half_scale = z * np.sqrt(fit.covariance[0, 0]), z * np.sqrt(max(slope @ fit.covariance @ slope, 0.0))
        modified = fit.scale - fit.shape * tail.threshold
        tests = goodness(tail.excesses, mass[tail.exceedances], fit)
        interval = (fit.shape - half_shape, fit.shape + half_shape, modified, modified - half_scale, modified + half_scale)
        p_values = (tests.anderson_darling_p, tests.cramer_von_mises_p)
        rows.append((confidence, tail.threshold, tail.exceedances.size, fit.shape, *interval, *p_values))
    if not rows:
        raise MeasureError(f"no threshold leaves a tail that can be fitted in {vector.size} scenarios; give more scenarios")
    confidence, threshold, count, *rest = np.array(rows, np.float64).T
    shape, shape_lower, shape_upper, modified, modified_lower, modified_upper, anderson_darling, cramer_von_mises = rest
    kept = set(confidence.tolist())
    return ThresholdDiagnostics(
        confidence,
        threshold,
        count.astype(np.int64),
        shape,
        shape_lower,
        shape_upper,
        modified,
        modified_lower,
        modified_upper,
        anderson_darling,
        cramer_von_mises,
        level,
        tuple(c for c in sorted(set(confidences)) if c not in kept),
        mean_excess(pnl, weights),
        hill(pnl, weights),
    )


def _steps(pnl: ArrayLike, weights: ArrayLike | None, fewest: int) -> tuple[Floats, Integers, Floats, Floats]:
    """Return (distinct losses as thresholds, rising; exceedances of each; all losses, worst first; their weights)."""
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    order = np.argsort(vector, kind="stable")
    order = order[mass[order] > 0.0]
    loss = 0.0 - vector[order]
    new = np.flatnonzero(np.diff(loss)) + 1  # place of the first of each run of equal losses: as many lie beyond
    count = new[new >= max(fewest, 1)][::-1].astype(np.int64)
    if count.size == 0:
        raise MeasureError(f"fewer than {max(fewest, 1)} of {loss.size} losses differ from the rest: there is no tail to look at")
    return loss[count], count, loss, mass[order]
