"""Maximum likelihood of the two-piece t on a weighted vector, and the derivative of the estimate in every observation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import ConventionError, Conventions, EwmaStart, Mean
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.result import Measured
from risk_core.methods import effective_count
from risk_core.parametric import two_piece
from risk_core.parametric.result import FitStatus
from risk_core.parametric.two_piece import DF, LOG_SCALE, MEAN, SKEW

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats, Floats]]

LEAST_DF: Final = 2.05
LARGEST_DF: Final = 200.0
LARGEST_SKEW: Final = 0.99
"""Estimates stay within these bounds: below 2 there is no variance, above 200 the law is normal to three digits at 0.999."""

_STEPS: Final = 100
_DONE: Final = 1e-24  # squared Newton step in standard deviations of the estimate, times S
_ENOUGH: Final = 1e-16
_CLOSE: Final = 1e-10  # from here on values differ by rounding only, and full steps are taken unasked
_SYMMETRIC: Final = np.arange(4) != SKEW
_LONGEST: Final = np.array([1.0, 1.0, 0.3, 0.1])


@dataclass(frozen=True, slots=True, eq=False)
class TwoPieceFit:
    """What maximum likelihood found, in the unit of the P&L.

    Parameters
    ----------
    mean, scale, skew, df : float
        Of the two-piece t; `scale` is that of its t halves, not the standard deviation.
    slopes : float64[4, S]
        Derivatives of the four in each P&L.
    estimated : tuple of int
        Positions among the four that were estimated and stand inside their bounds.
    covariance : float64[k, k]
        Of the estimated parameters, from the observed information; empty without them.
    log_likelihood : float
        Sum of log densities: the weighted mean times the effective number of scenarios.
    effective_scenarios : float
    iterations : int
    status : FitStatus
    reason : str
    """

    mean: float
    scale: float
    skew: float
    df: float
    slopes: Floats = field(repr=False)
    estimated: tuple[int, ...]
    covariance: Floats = field(repr=False)
    log_likelihood: float | None
    effective_scenarios: float
    iterations: int
    status: FitStatus = FitStatus.OK
    reason: str = ""

    def risk(self, confidence: float, conventions: Conventions, level: float, by_skew: float, by_df: float) -> Measured:
        """Return -(mean + scale * level), where `level` stands at distance from the mode and depends on skew and df."""
        centre, centre_df, _ = two_piece.half_mean(self.df)
        level -= 4.0 * self.skew * centre
        by_skew -= 4.0 * centre
        by_df -= 4.0 * self.skew * centre_df
        weights = np.array([1.0, level, self.scale * by_skew, self.scale * by_df])
        value, gradient = -(self.mean + self.scale * level), -(weights @ self.slopes)
        return Measured(value, gradient, confidence, conventions, reason=self.reason, fit_status=self.status)


def fit_two_piece(pnl: ArrayLike, weights: ArrayLike | None, conventions: Conventions, *, df: float | None, skewed: bool) -> TwoPieceFit:
    """Return the maximum likelihood estimate of the two-piece t; a skew of zero unless `skewed`, the mean zero if the conventions say so.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or degrees of freedom outside (2, 200].
    ConventionError
        For ewma_start "zero": a likelihood needs weights that sum to one.
    """
    if conventions.ewma_start is EwmaStart.ZERO:
        raise ConventionError("a likelihood needs weights that sum to one; use ewma_start 'normalised'")
    if df is not None and not 2.0 < df <= LARGEST_DF:
        raise MeasureError(f"df must lie in (2, {LARGEST_DF:g}], or be None to be estimated, not {df!r}; for more use a normal measure")
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    sampled = conventions.mean is Mean.SAMPLE
    free = np.array([sampled, True, skewed, df is None])
    effective = effective_count(mass)
    used = mass > 0.0
    x, w = vector[used], mass[used]
    centre = float(x[0]) + float(w @ (x - x[0])) if sampled else 0.0
    largest = float(np.abs(x - centre).max())
    spread = largest * sqrt(float(w @ ((x - centre) / largest) ** 2)) if largest > 0.0 else 0.0
    refused = _no_maximum(x, w, effective, spread, sampled, int(free.sum()), df)
    if refused:
        return _by_moments(vector, mass, centre, spread, LARGEST_DF if df is None else df, sampled, effective, refused)
    unit = (x - centre) / spread

    def objective(u: Floats) -> tuple[float, Floats, Floats]:
        """Return the likelihood in (mean, log scale, skew, 1 / df): in 1 / df it is smooth up to the normal."""
        nu = 1.0 / u[DF]
        value, slope, curve = two_piece.log_likelihood(unit, w, np.array([u[MEAN], u[LOG_SCALE], u[SKEW], nu]))
        chain = np.array([1.0, 1.0, 1.0, -nu * nu])
        curve = curve * chain * chain[:, None]
        curve[DF, DF] += slope[DF] * 2.0 * nu**3
        return value, slope * chain, curve

    start = np.array([0.0, log(0.8), 0.0, 1.0 / 6.0 if df is None else 1.0 / df])
    lower = np.array([-np.inf, -np.inf, -LARGEST_SKEW, 1.0 / LARGEST_DF])
    upper = np.array([np.inf, np.inf, LARGEST_SKEW, 1.0 / LEAST_DF])
    if skewed:  # from the best symmetric law, so that no skewed one is worse
        start = maximise(objective, start, lower, upper, free & _SYMMETRIC, done=1e-6).point
    found = maximise(objective, start, lower, upper, free)
    nu = 1.0 / float(found.point[DF]) if df is None else df
    if df is None and found.point[DF] in (lower[DF], upper[DF]):
        nu = LARGEST_DF if found.point[DF] == lower[DF] else LEAST_DF
    theta = np.array([found.point[MEAN], found.point[LOG_SCALE], found.point[SKEW], nu])
    scale = float(np.exp(theta[LOG_SCALE]))
    inside = found.inside
    natural = np.array([spread, spread * scale, 1.0, -nu * nu])  # of (mean, scale, skew, df) in the searched coordinates
    inverse = np.linalg.inv(-found.curve[np.ix_(inside, inside)])
    cross = two_piece.score_slopes(unit, w, theta) / spread
    cross[DF] *= -nu * nu
    slopes = np.zeros((4, vector.size))
    slopes[np.ix_(inside, np.flatnonzero(used))] = natural[inside, None] * (inverse @ cross[inside])
    status, reason = _status(found, free, lower, upper)
    if status is FitStatus.NOT_CONVERGED:
        inside = inside[:0]
    covariance = inverse * natural[found.inside] * natural[found.inside, None] / effective
    return TwoPieceFit(
        mean=centre + spread * float(theta[MEAN]),
        scale=spread * scale,
        skew=float(theta[SKEW]),
        df=nu,
        slopes=slopes,
        estimated=tuple(int(i) for i in inside),
        covariance=covariance[: inside.size, : inside.size],
        log_likelihood=effective * (found.value - log(spread)),
        effective_scenarios=effective,
        iterations=found.iterations,
        status=status,
        reason=reason,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Maximum:
    """Where a search ended: `inside` are the moving coordinates not held by a bound."""

    point: Floats
    value: float
    curve: Floats
    inside: NDArray[np.int64]
    iterations: int
    decrement: float

    @property
    def converged(self) -> bool:
        """Whether the last Newton step was below rounding."""
        return self.decrement <= _ENOUGH


def maximise(objective: Objective, start: Floats, lower: Floats, upper: Floats, moving: NDArray[np.bool_], done: float = _DONE) -> Maximum:
    """Return the maximum of a smooth function in a box, by Newton steps with backtracking that stop at the first bound they meet.

    J. Nocedal and S. Wright, Numerical Optimization (2nd ed., 2006), sec. 3.4 and 16.5. Directions of positive curvature are turned round,
    so the search climbs from anywhere; a coordinate at its bound is held while the slope points out of the box.
    """
    point, last = start, np.inf
    value, slope, curve = objective(point)
    for iteration in range(_STEPS):
        held = ((point <= lower) & (slope < 0.0)) | ((point >= upper) & (slope > 0.0))
        inside = np.flatnonzero(moving & ~held)
        bends, basis = np.linalg.eigh(-curve[inside[:, None], inside])
        step = np.zeros_like(point)
        step[inside] = basis @ ((basis.T @ slope[inside]) / np.maximum(np.abs(bends), 1e-10))
        decrement = float(slope @ step)
        peaked = bool(bends.min() > 0.0)
        if peaked and (decrement <= done or (decrement <= _ENOUGH and decrement >= 0.25 * last)):
            return Maximum(point, value, curve, inside, iteration, decrement)
        last = decrement
        if np.any(((point <= lower) & (step < 0.0)) | ((point >= upper) & (step > 0.0))):
            step[inside] = slope[inside] / np.maximum(np.abs(curve[inside, inside]), 1e-10)  # Newton leaves the box, the slope does not
        step /= max(1.0, float((np.abs(step) / _LONGEST).max()))
        bound = np.where(step > 0.0, upper, lower)
        room = np.where(step == 0.0, np.inf, (bound - point) / np.where(step == 0.0, 1.0, step))
        share = min(1.0, float(room.min()))
        for _ in range(40):
            trial = np.where(room <= share, bound, point + share * step)
            reached = objective(trial)
            if (peaked and decrement < _CLOSE) or reached[0] >= value + 1e-4 * float(slope @ (trial - point)):
                break
            share *= 0.5
        else:
            break
        point, (value, slope, curve) = trial, reached
    return Maximum(point, value, curve, inside, iteration + 1, decrement if peaked else np.inf)


def _no_maximum(x: Floats, w: Floats, effective: float, spread: float, sampled: bool, parameters: int, df: float | None) -> str:
    """Return why the likelihood has no maximum to look for, or nothing."""
    if not spread > 1e-14 * float(np.abs(x).max()):
        return f"the P&L is {x[0]:g} in every scenario"
    if not effective > parameters:
        return f"{effective:.4g} effective scenarios are too few for {parameters} parameters"
    held = float(w[x == 0.0].sum())
    if sampled:
        values, which = np.unique(x, return_inverse=True)
        held = float(np.bincount(which, w).max()) if values.size < x.size else 0.0
    nu = LEAST_DF if df is None else df
    if held * (nu + 1.0) >= nu * (1.0 - 1e-9):
        return f"{held:.3g} of the weight has one and the same P&L: the likelihood grows without bound as the scale shrinks"
    return ""


def _by_moments(
    vector: Floats, mass: Floats, centre: float, spread: float, df: float, sampled: bool, effective: float, reason: str
) -> TwoPieceFit:
    share = sqrt((df - 2.0) / df)
    slopes = np.zeros((4, vector.size))
    slopes[0] = mass if sampled else 0.0
    if spread > 0.0:
        slopes[1] = share * mass * ((vector - centre) / spread)
    reason += f"; scale from the standard deviation, df {df:g}"
    return TwoPieceFit(centre, share * spread, 0.0, df, slopes, (), np.empty((0, 0)), None, effective, 0, FitStatus.MOMENTS, reason)


def _status(found: Maximum, free: NDArray[np.bool_], lower: Floats, upper: Floats) -> tuple[FitStatus, str]:
    if not found.converged:
        return FitStatus.NOT_CONVERGED, f"after {found.iterations} steps the Newton decrement is {found.decrement:.2g}"
    if free[SKEW] and abs(found.point[SKEW]) >= LARGEST_SKEW:
        return FitStatus.SKEW_AT_BOUND, f"the likelihood still rises at skew {found.point[SKEW]:g}"
    if free[DF] and found.point[DF] <= lower[DF]:
        return FitStatus.DF_AT_UPPER_BOUND, f"no heavier tail than the normal's is seen: df stands at its upper bound {LARGEST_DF:g}"
    if free[DF] and found.point[DF] >= upper[DF]:
        return FitStatus.DF_AT_LOWER_BOUND, f"the tail is heavier than any with a variance: df stands at its lower bound {LEAST_DF:g}"
    return FitStatus.OK, ""
