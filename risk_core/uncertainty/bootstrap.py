"""The bootstrap of any measure: resampled values, and intervals from them.

Weights travel with their scenarios: a resample draws pairs of P&L and weight and scales the weights to sum to one again. The spread then
is that of the weighted estimate, sum of w² (..)², of which Kish's effective number is the summary. Scenarios of weight zero are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, EwmaStart, tail_probability
from risk_core.measures.attribution import Measure
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count
from risk_core.uncertainty.interval import Interval, IntervalStatus, checked_level
from risk_core.uncertainty.resampling import Integers, Resampling
from risk_core.uncertainty.standard_errors import FEW
from risk_core.uncertainty.tail_draws import tail_draws, tail_jackknife

Floats = NDArray[np.float64]
Statistic = Callable[[Integers], Floats]
"""Scenarios of one resample, int64[b], to the numbers measured on them, float64[K]."""

DEFAULT_RESAMPLING: Final = Resampling()
_FAST: Final[tuple[Measure, ...]] = (value_at_risk, expected_shortfall)


class IntervalKind(StrEnum):
    """How resampled values become an interval: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), ch. 13, 14."""

    PERCENTILE = "percentile"
    """Their quantiles."""
    BASIC = "basic"
    """Their quantiles mirrored at the estimate."""
    BCA = "bca"
    """Their quantiles at levels corrected for bias and for a standard error that changes with the value (B. Efron, "Better bootstrap
    confidence intervals", Journal of the American Statistical Association 82 (1987) 171-185)."""


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapEstimate:
    """A measure averaged over resamples, with its interval.

    Parameters
    ----------
    measured : Measured
        Value and gradient are means over the resamples, so that Euler's rule holds and component risk follows.
    interval : Interval
        Of the measure.
    plain : float
        The measure of the sample itself; `measured.value` minus this estimates its bias.
    block_length : float
        As used; 1 for independent draws.
    """

    measured: Measured
    interval: Interval
    plain: float
    block_length: float


def bootstrap_draws(
    pnl: ArrayLike,
    measure: Measure,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Floats:
    """Return a measure of each resample, float64[resamples], losses positive.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive; in time order, either way, unless draws are independent.
    measure : callable
        Any `Measure`. `value_at_risk` and `expected_shortfall` with default conventions take the fast way of `tail_draws`.
    confidence, weights, conventions
        Of the measure.
    resampling : Resampling

    Raises
    ------
    MeasureError, ConventionError
        From the measure; also for ewma_start "zero".
    """
    refuse_unscaled_weights(conventions)
    fast = _fast(measure, conventions)
    if fast is not None:
        drawn = tail_draws(pnl, (confidence,), weights, resampling=resampling)
        return (drawn.value_at_risk, drawn.expected_shortfall)[fast][:, 0]
    vector, mass = _sample(pnl, weights)
    return resampled(_statistic(vector, mass, weights is None, measure, confidence, conventions), vector, resampling)[:, 0]


def bootstrap_interval(
    pnl: ArrayLike,
    measure: Measure,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    level: float = 0.95,
    kind: IntervalKind | str = IntervalKind.PERCENTILE,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Interval:
    """Return the bootstrap interval of any measure.

    Parameters
    ----------
    pnl, measure, confidence, weights, conventions, resampling
        As `bootstrap_draws`.
    level : float
        Of the interval, in (0, 1).
    kind : IntervalKind or str
        "percentile", "basic" or "bca". The acceleration of BCa comes from the jackknife, by scenario or by block; ties between draws and
        the estimate, the rule for an order statistic, count half to its bias.

    Returns
    -------
    Interval
        The standard error is that of the draws. `few_in_tail` where the measure leans on fewer than ten effective scenarios, `one_sided`
        where its tail holds less than one (no resample exceeds the worst loss, so draws bound nothing from above), `unknown` where all
        draws agree.

    Raises
    ------
    MeasureError, ConventionError
        From the measure; also for an impossible level or kind.
    """
    draws = bootstrap_draws(pnl, measure, confidence, weights, conventions, resampling=resampling)
    return _interval(draws, pnl, measure, confidence, weights, conventions, level, kind, resampling)


def block_bootstrap_value_at_risk(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    kind: IntervalKind | str = IntervalKind.PERCENTILE,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> BootstrapEstimate:
    """Return value at risk averaged over resamples, with its interval.

    The mean over resamples is steadier than one order statistic and spreads its gradient over those around it (L. Breiman, "Bagging
    predictors", Machine Learning 24 (1996) 123-140). Parameters and errors are those of `bootstrap_interval`.
    """
    return _estimate(value_at_risk, pnl, confidence, weights, level, kind, resampling)


def block_bootstrap_expected_shortfall(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    kind: IntervalKind | str = IntervalKind.PERCENTILE,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> BootstrapEstimate:
    """Return expected shortfall averaged over resamples, with its interval.

    The mean over resamples lies below the expected shortfall of the sample, which itself is below that of the law. Parameters and errors
    are those of `bootstrap_interval`.
    """
    return _estimate(expected_shortfall, pnl, confidence, weights, level, kind, resampling)


def resampled(statistic: Statistic, vector: Floats, resampling: Resampling) -> Floats:
    """Return a statistic of each resample, float64[resamples, K]; `vector` is what a block length is chosen from."""
    return np.array([statistic(row) for rows in resampling.indices(vector) for row in rows])


def jackknife(statistic: Statistic, count: int, block: float = 1.0) -> Floats:
    """Return a statistic with each block of neighbours left out in turn, float64[blocks, K]."""
    positions, size = np.arange(count), ceil(block)
    starts = range(0, count, size)
    return np.array([statistic(np.delete(positions, slice(start, start + size))) for start in starts if count > size])


def interval_of_draws(
    draws: Floats, estimate: float, level: float, kind: IntervalKind, left_out: Floats | None = None
) -> tuple[float, float]:
    """Return (lower, upper) from draws float64[B]; `left_out` are jackknife values, read by BCa only."""
    miss = 0.5 * (1.0 - level)
    tails = np.array([miss, 1.0 - miss])
    if kind is IntervalKind.BCA:
        half = 0.5 / draws.size
        tied = np.abs(draws - estimate) <= 1e-12 * float(np.abs(draws).max())
        share = float(np.mean((draws < estimate) & ~tied) + 0.5 * np.mean(tied))
        bias = float(ndtri(min(max(share, half), 1.0 - half)))
        shifted = bias + ndtri(tails)
        room = 1.0 - _acceleration(left_out) * shifted
        # past its pole the correction has reached the most extreme draw
        tails = np.where(room > 0.0, ndtr(bias + shifted / np.where(room > 0.0, room, 1.0)), shifted > 0.0)
    lower, upper = (float(q) for q in np.quantile(draws, np.clip(tails, 0.0, 1.0)))
    return (2.0 * estimate - upper, 2.0 * estimate - lower) if kind is IntervalKind.BASIC else (lower, upper)


def checked_kind(kind: IntervalKind | str) -> IntervalKind:
    """Return the kind of interval; MeasureError, with those known, for another."""
    try:
        return IntervalKind(kind)
    except ValueError:
        raise MeasureError(f"unknown kind of interval {kind!r}; choose one of {', '.join(IntervalKind)}") from None


def refuse_unscaled_weights(conventions: Conventions) -> None:
    """Raise MeasureError for ewma_start "zero": weights that do not sum to one have no meaning once they are drawn."""
    if conventions.ewma_start is EwmaStart.ZERO:
        raise MeasureError("a resample scales its weights to sum to one; use ewma_start 'normalised'")


def trust(measured: Measured, mass: Floats) -> tuple[IntervalStatus, str]:
    """Return status and reason of a bootstrap interval, by the number of effective scenarios that the measured number leans on."""
    if measured.status is not Status.OK:
        return IntervalStatus.ONE_SIDED, f"{measured.reason}: no resample exceeds the worst loss, so none bounds the measure from above"
    slope = np.abs(measured.gradient)
    spread = float(slope.sum() ** 2 / (slope * slope).sum()) if slope.any() else 0.0
    held = max(spread, tail_probability(measured.confidence) * effective_count(mass))
    if held < FEW - 1e-9:
        return IntervalStatus.FEW_IN_TAIL, f"the measure leans on {held:.3g} effective scenarios: coverage may be well below the level"
    return IntervalStatus.OK, ""


def _acceleration(left_out: Floats | None) -> float:
    if left_out is None or left_out.size < 2:
        return 0.0
    gaps = left_out.mean() - left_out
    largest = float(np.abs(gaps).max())
    if not largest > 1e-12 * float(np.abs(left_out).max()):  # leaving out changes nothing but rounding
        return 0.0
    gaps /= largest
    return float(np.sum(gaps**3)) / (6.0 * sqrt(float(gaps @ gaps)) ** 3)


def _fast(measure: Measure, conventions: Conventions) -> int | None:
    return next((i for i, known in enumerate(_FAST) if measure is known and conventions == DEFAULT_CONVENTIONS), None)


def _sample(pnl: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    kept = mass > 0.0
    return vector[kept], mass[kept]


def _statistic(vector: Floats, mass: Floats, equal: bool, measure: Measure, confidence: float, conventions: Conventions) -> Statistic:
    def statistic(rows: Integers) -> Floats:
        return np.array([measure(vector[rows], confidence, None if equal else mass[rows], conventions).value])

    return statistic


def _interval(
    draws: Floats,
    pnl: ArrayLike,
    measure: Measure,
    confidence: float,
    weights: ArrayLike | None,
    conventions: Conventions,
    level: float,
    kind: IntervalKind | str,
    resampling: Resampling,
) -> Interval:
    checked_level(level)
    chosen = checked_kind(kind)
    vector, mass = _sample(pnl, weights)
    measured = measure(pnl, confidence, weights, conventions)
    left_out = None
    if chosen is IntervalKind.BCA:
        fast, block = _fast(measure, conventions), resampling.block(vector)
        if fast is not None:
            left_out = tail_jackknife(pnl, confidence, weights, ceil(block))[fast]
        else:
            left_out = jackknife(_statistic(vector, mass, weights is None, measure, confidence, conventions), vector.size, block).ravel()
    method = f"{resampling.scheme}_bootstrap_{chosen}"
    return interval_around(draws, measured.value, level, chosen, left_out, method, *trust(measured, mass))


def interval_around(
    draws: Floats,
    estimate: float,
    level: float,
    kind: IntervalKind,
    left_out: Floats | None,
    method: str,
    status: IntervalStatus,
    reason: str,
) -> Interval:
    """Return the interval of draws float64[B] about an estimate, under the status that `trust` found."""
    if not np.ptp(draws) > 1e-14 * float(np.abs(draws).max()):
        reason = f"every resample gives {estimate:g}: the sample has no spread to resample"
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, reason)
    error = sqrt(float(np.mean((draws - draws.mean()) ** 2)) * draws.size / (draws.size - 1))
    one_sided = status is IntervalStatus.ONE_SIDED
    lower, upper = interval_of_draws(draws, estimate, 2.0 * level - 1.0 if one_sided else level, kind, left_out)
    return Interval(lower, None if one_sided else upper, level, error, method, status, reason)


def _estimate(
    measure: Measure,
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None,
    level: float,
    kind: IntervalKind | str,
    resampling: Resampling,
) -> BootstrapEstimate:
    drawn = tail_draws(pnl, (confidence,), weights, resampling=resampling)
    draws, gradient = (
        (drawn.value_at_risk, drawn.value_at_risk_gradient)
        if measure is value_at_risk
        else (drawn.expected_shortfall, drawn.expected_shortfall_gradient)
    )
    plain = measure(pnl, confidence, weights)
    interval = _interval(draws[:, 0], pnl, measure, confidence, weights, DEFAULT_CONVENTIONS, level, kind, resampling)
    averaged = Measured(float(draws.mean()), gradient[0], confidence, plain.conventions, plain.status, plain.reason)
    return BootstrapEstimate(averaged, interval, plain.value, drawn.block_length)
