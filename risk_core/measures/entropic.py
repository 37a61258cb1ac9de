"""Entropic value at risk, and the entropic risk measure.

A. Ahmadi-Javid, "Entropic value-at-risk: a new coherent risk measure", Journal of Optimization Theory and Applications 155 (2012)
1105-1123; H. Föllmer and A. Schied, "Convex measures of risk and trading constraints", Finance and Stochastics 6 (2002) 429-447.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, log1p
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl, checked_weights
from risk_core.measures.result import Measured, Status

Floats = NDArray[np.float64]

_STEEPEST: Final = 1e18  # of 1/t times the spread: beyond it the worst loss is reached to the last bit
_MASS_TOLERANCE: Final = 1e-12


def entropic_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return the least Chernoff bound of value at risk: the minimum over t > 0 of t log(E[exp(-X / t)] / (1 - confidence)).

    Equally the largest mean loss over all scenario weights q with relative entropy to the given ones of at most -log(1 - confidence)
    (its dual representation), so coherent. It is at least expected shortfall at the same confidence. The minimiser
    is the root of an increasing function, bracketed and bisected, so no starting value and no scale matters; by the envelope theorem the
    gradient is -q.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions
        Stored with the result; the measure needs none.

    Returns
    -------
    Measured
        Loss positive, in the unit of the P&L, never clipped. Where the worst loss alone has probability 1 - confidence or more, t goes to
        zero and the measure is the worst loss: status `thin_tail`. Worst losses that are equal share by weight.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, or impossible weights.
    ConventionError
        For an impossible confidence.
    """
    vector = checked_pnl(pnl)
    tail = tail_probability(confidence)
    mass = checked_weights(weights, pnl, vector.size)
    held = np.flatnonzero(mass > 0.0)
    mass_held, losses = mass[held], 0.0 - vector[held]
    worst = float(losses.max())
    spread = worst - float(losses.min())
    at_worst = float(mass_held[losses == worst].sum())
    steepness = None
    if at_worst < tail * (1.0 - _MASS_TOLERANCE):
        depth = (losses - worst) / spread
        steepness = _steepness(depth, mass_held, tail)
    gradient = np.zeros_like(vector)
    if steepness is None:
        gradient[held] = np.where(losses == worst, 0.0 - mass_held / at_worst, 0.0)
        reason = f"the worst loss, of probability {at_worst:.3g}, fills the tail of {tail:g} and is the measure"
        return Measured(worst, gradient, confidence, conventions, Status.THIN_TAIL, reason)
    tilted, _ = _tilted(depth, mass_held, steepness)
    gradient[held] = 0.0 - tilted
    return Measured(worst + spread * float(tilted @ depth), gradient, confidence, conventions)


@dataclass(frozen=True, slots=True, eq=False)
class EntropicRisk:
    """The entropic risk measure. It is convex but not homogeneous, so its gradient does not split it: it is no `Measured`.

    Parameters
    ----------
    value : float
        Loss positive, in the unit of the P&L; never clipped.
    gradient : float64[S]
        d value / d pnl[s]: minus the scenario weights tilted towards losses. `value == gradient @ pnl - relative_entropy / risk_aversion`.
    risk_aversion : float
        In one over the unit of the P&L.
    relative_entropy : float
        Of the tilted weights to the given ones; not negative.
    """

    value: float
    gradient: Floats = field(repr=False)
    risk_aversion: float
    relative_entropy: float

    def __float__(self) -> float:
        return self.value


def entropic_risk(pnl: ArrayLike, risk_aversion: float, weights: ArrayLike | None = None) -> EntropicRisk:
    """Return log(E[exp(-a X)]) / a: minus the certainty equivalent of exponential utility with risk aversion a.

    Convex, monotone and translation-invariant; not homogeneous (twice the book has more than twice the risk), so not coherent and without
    Euler components (Föllmer and Schied 2002). The mean loss as a goes to 0, the worst loss as it grows. Libraries that take a confidence
    as well return a point of the objective of entropic value at risk: this measure with a = 1/t, plus t log(1 / (1 - confidence)).

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    risk_aversion : float
        a > 0, in one over the unit of the P&L: 1e-6 is a tolerance of one million. Within [1e-150, 1e150].
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or an impossible risk aversion.
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    if not 1.0 / LARGEST <= risk_aversion <= LARGEST:
        raise MeasureError(f"risk_aversion must be positive, in one over the unit of the P&L (such as 1e-6), not {risk_aversion!r}")
    held = np.flatnonzero(mass > 0.0)
    losses = 0.0 - vector[held]
    worst = float(losses.max())
    depth = losses - worst
    tilted, log_mean = _tilted(depth, mass[held], risk_aversion)
    gradient = np.zeros_like(vector)
    gradient[held] = 0.0 - tilted
    entropy = max(risk_aversion * float(tilted @ depth) - log_mean, 0.0)
    return EntropicRisk(worst + log_mean / risk_aversion, gradient, risk_aversion, entropy)


def _tilted(depth: Floats, mass: Floats, steepness: float) -> tuple[Floats, float]:
    """Return (weights proportional to mass exp(steepness depth), log of their sum). Depths are at most 0, the largest is 0."""
    grown = mass * np.exp(steepness * depth)
    total = float(grown.sum())
    lacking = float(mass @ np.expm1(steepness * depth))
    return grown / total, log1p(lacking) if lacking > -0.5 else log(total)


def _steepness(depth: Floats, mass: Floats, tail: float) -> float | None:
    """Return spread / t at which relative entropy is -log(tail); None where it goes to infinity. Depths span [-1, 0]."""
    allowed = -log(tail)

    def excess(log_steepness: float) -> float:
        steepness = float(np.exp(log_steepness))
        tilted, log_mean = _tilted(depth, mass, steepness)
        return steepness * float(tilted @ depth) - log_mean - allowed

    lower = 0.5 * log(8.0 * allowed)  # on [-1, 0] relative entropy is at most steepness² / 8 (Hoeffding)
    upper = max(lower, 0.0) + 1.0
    while excess(upper) < 0.0:
        lower, upper = upper, upper + 1.0
        if upper > log(_STEEPEST):
            return None
    return float(np.exp(brentq(excess, lower, upper, xtol=1e-15, rtol=8.9e-16, maxiter=500)))
