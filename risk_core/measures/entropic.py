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

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl, checked_weights
from risk_core.measures.compiled import tilting
from risk_core.measures.result import Measured, Status

Floats = NDArray[np.float64]

MASS_TOLERANCE: Final = 1e-12


def entropic_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return the least Chernoff bound of value at risk: the minimum over t > 0 of t log(E[exp(-X / t)] / (1 - confidence)).

    Equally the largest mean loss over all scenario weights q with relative entropy to the given ones of at most -log(1 - confidence)
    (its dual representation), so coherent. It is at least expected shortfall at the same confidence. The minimiser
    is the root of an increasing function, found by Newton's method within a bracket, so no starting value and no scale matters; by the
    envelope theorem the gradient is -q.

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
    gradient = np.empty_like(vector)
    value, at_worst = tilting.entropic(vector, mass, tail, MASS_TOLERANCE, gradient)
    if at_worst == 0.0:
        return Measured(value, gradient, confidence, conventions)
    reason = f"the worst loss, of probability {at_worst:.3g}, fills the tail of {tail:g} and is the measure"
    return Measured(value, gradient, confidence, conventions, Status.THIN_TAIL, reason)


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
    if total < 0.4:  # far from one its logarithm is exact as it is
        return grown / total, log(total)
    lacking = float(mass @ np.expm1(steepness * depth))
    return grown / total, log1p(lacking) if lacking > -0.5 else log(total)
