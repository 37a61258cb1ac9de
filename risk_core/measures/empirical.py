"""Historical value at risk and expected shortfall: order statistics of a weighted P&L vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, MASS_SLACK, Conventions, QuantileSide, TailWeight, tail_probability
from risk_core.measures.checks import checked_pnl, checked_weights
from risk_core.measures.quantiles import quantile_terms, read
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count

Floats = NDArray[np.float64]


def value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk: the loss that is not exceeded with the given confidence.

    Minus the (1 - confidence) quantile of the P&L, or the `confidence` quantile of the losses (`conventions.quantile_side`), by the
    quantile convention named. The default is an observed loss: the first, from the worst, at which cumulative weight reaches
    1 - confidence.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1), such as 0.99.
    weights : float64[S], optional
        Not negative; equal if not given; need not sum to one.
    conventions : Conventions

    Returns
    -------
    Measured
        Loss positive, never clipped. Status `thin_tail` where (1 - confidence) times the effective number of scenarios is below one.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, and impossible weights.
    ConventionError
        For an impossible confidence.
    """
    vector = checked_pnl(pnl)
    tail = tail_probability(confidence)
    mass = checked_weights(weights, vector.size)
    return _value_at_risk(vector, tail, mass, conventions)


def expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall: the mean loss of the tail beyond value at risk.

    By default the 1 - confidence worst weight, the observation at its edge with the fraction that is left: the coherent form of
    C. Acerbi and D. Tasche, "On the coherence of expected shortfall", Journal of Banking & Finance 26 (2002) 1487-1503, which equals the
    minimum of R. T. Rockafellar and S. Uryasev (2000). `conventions.tail_weight` names the other two in use.

    Parameters and errors are those of `value_at_risk`.

    Returns
    -------
    Measured
        Loss positive. Status `empty_tail` where a strict tail holds no scenario: the value then is value at risk.
    """
    vector = checked_pnl(pnl)
    tail = tail_probability(confidence)
    mass = checked_weights(weights, vector.size)
    if conventions.tail_weight is TailWeight.FRACTIONAL:
        gradient = -_fractional_tail(vector, tail, mass)
        return Measured(_exact(gradient, vector), gradient, *_thin(tail, mass))
    threshold = _value_at_risk(vector, tail, mass, conventions)
    inside = vector < -threshold.value if conventions.tail_weight is TailWeight.STRICT else vector <= -threshold.value
    inside &= mass > 0.0
    if not inside.any():
        return Measured(threshold.value, threshold.gradient, Status.EMPTY_TAIL, "no scenario lies beyond value at risk, which stands in")
    gradient = np.where(inside, -mass / mass[inside].sum(), 0.0)
    return Measured(_exact(gradient, vector), gradient, *_thin(tail, mass))


def _value_at_risk(vector: Floats, tail: float, mass: Floats, conventions: Conventions) -> Measured:
    losing = conventions.quantile_side is QuantileSide.LOSS
    sample, level = (0.0 - vector, 1.0 - tail) if losing else (vector, tail)
    terms = quantile_terms(sample, level, conventions.quantile, mass)
    gradient = np.zeros_like(vector)
    for observation, share in terms:
        gradient[observation] = -share
    value = read(sample, terms)
    return Measured(value if losing else 0.0 - value, gradient, *_thin(tail, mass))


def _fractional_tail(vector: Floats, tail: float, mass: Floats) -> Floats:
    """Return each scenario's share of the tail: sums to one."""
    order = np.argsort(vector, kind="stable")
    reached = np.cumsum(mass[order])
    filled = np.flatnonzero(reached >= tail - MASS_SLACK)
    last = int(filled[0]) if filled.size else order.size - 1
    share = np.zeros_like(vector)
    share[order[:last]] = mass[order[:last]] / tail
    share[order[last]] = (tail - (reached[last - 1] if last else 0.0)) / tail
    return share


def _exact(gradient: Floats, vector: Floats) -> float:
    return float(gradient @ vector) + 0.0


def _thin(tail: float, mass: Floats) -> tuple[Status, str]:
    effective = effective_count(mass)
    if tail * effective < 1.0 - 1e-9:
        return Status.THIN_TAIL, f"the tail of {tail:g} holds {tail * effective:.3g} of {effective:.4g} effective scenarios"
    return Status.OK, ""
