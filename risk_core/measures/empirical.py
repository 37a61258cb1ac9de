"""Historical value at risk and expected shortfall: order statistics of a weighted P&L vector.

Vectors and weights come in one order, any order. Among equal P&L the first position comes first, and sums run by value; given newest
first, as the engine's vectors are by age, results equal its canonical kernel bit for bit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, QuantileSide, TailWeight, tail_probability
from risk_core.measures.checks import checked_pnl, checked_weights
from risk_core.measures.compiled import kernels
from risk_core.measures.quantiles import filled, quantile_terms, read, sequential_sum, tail_masses
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count
from risk_core.scenarios.weights import equal_weights

Floats = NDArray[np.float64]


def value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk: the loss that is not exceeded with the given confidence.

    Minus the (1 - confidence) quantile of the P&L, or the `confidence` quantile of the losses (`conventions.quantile_side`), by the
    quantile convention named. The default is an observed loss: the first, from the worst, at which cumulative weight reaches 1 -
    confidence.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1), such as 0.99.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions

    Returns
    -------
    Measured
        Loss positive, never clipped. Status `thin_tail` where (1 - confidence) times the effective number of scenarios is below one.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or a quantile convention that has no weighted form.
    ConventionError
        For an impossible confidence.

    Examples
    --------
    >>> value_at_risk([-3.0, 1.0, -1.0, 2.0], 0.75).value
    3.0
    """
    vector, tail = checked_pnl(pnl), probability(confidence)
    if (taken := _plan(vector, tail, weights, conventions)) is not None:
        keys, order = _lowest(vector, taken)
        gradient = np.zeros_like(vector)
        gradient[order[-1]] = -1.0
        return Measured(0.0 - (float(keys[-1]) + 0.0), gradient, confidence, conventions, *thin_equal(tail, vector.size))
    mass = checked_weights(weights, pnl, vector.size)
    value, gradient = _value_at_risk(vector, tail, mass, conventions)
    return Measured(value, gradient, confidence, conventions, *_thin(tail, mass))


def expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall: the mean loss of the tail beyond value at risk.

    By default value at risk averaged over all confidences above the one given. With inverted_cdf that is the mean of the 1 - confidence
    worst weight, the observation at its edge taken with the fraction that is left: the coherent form of C. Acerbi and D. Tasche, "On the
    coherence of expected shortfall", Journal of Banking & Finance 26 (2002) 1487-1503. `conventions.tail_weight` names the other two in
    use.

    Parameters and errors are those of `value_at_risk`.

    Returns
    -------
    Measured
        Loss positive. Status `empty_tail` where a strict tail holds no scenario: the value then is value at risk.
    """
    vector, tail = checked_pnl(pnl), probability(confidence)
    gradient = np.zeros_like(vector)
    if (taken := _plan(vector, tail, weights, conventions)) is not None:
        keys, order = _lowest(vector, taken)
        gradient[order] = 0.0 - taken / tail
        value = 0.0 - kernels.tail_sum(keys, taken) / tail
        return Measured(value, gradient, confidence, conventions, *thin_equal(tail, vector.size))
    mass = checked_weights(weights, pnl, vector.size)
    thin = _thin(tail, mass)
    if conventions.tail_weight is TailWeight.FRACTIONAL:
        order, taken = tail_masses(vector, tail, conventions.quantile, conventions.quantile_side, mass)
        total = tail
    else:
        threshold, slope = _value_at_risk(vector, tail, mass, conventions)
        inside = vector < -threshold if conventions.tail_weight is TailWeight.STRICT else vector <= -threshold
        inside &= mass > 0.0
        if not inside.any():
            reason = "no scenario lies beyond value at risk, which stands in"
            return Measured(threshold, slope, confidence, conventions, Status.EMPTY_TAIL, reason)
        order = np.argsort(vector, kind="stable")
        order = order[inside[order]]
        taken = mass[order]
        total = sequential_sum(taken)
    gradient[order] = 0.0 - taken / total
    return Measured(0.0 - sequential_sum(taken * vector[order]) / total, gradient, confidence, conventions, *thin)


def probability(confidence: float) -> float:
    """Return `tail_probability`, remembered for floats."""
    return _remembered(confidence) if type(confidence) is float else tail_probability(confidence)


@lru_cache(maxsize=1024)
def thin_equal(tail: float, count: int) -> tuple[Status, str]:
    """Return status and reason of a tail over `count` equally weighted scenarios."""
    return _thin(tail, equal_weights(count))


@lru_cache(maxsize=1024)
def equal_plan(count: int, tail: float) -> Floats | None:
    """Return the mass of each of the worst equally weighted scenarios that fills the tail; None where sorting is needed."""
    return filled(count, 1.0 / count, tail)


_remembered = lru_cache(maxsize=1024)(tail_probability)


def _plan(vector: Floats, tail: float, weights: ArrayLike | None, conventions: Conventions) -> Floats | None:
    """Return the plan of the case that is asked for most: equal weights and default conventions."""
    if weights is None and (conventions is DEFAULT_CONVENTIONS or conventions == DEFAULT_CONVENTIONS):
        return equal_plan(vector.size, tail)
    return None


def _lowest(vector: Floats, taken: Floats) -> tuple[Floats, NDArray[np.int64]]:
    keys, positions = np.empty(taken.size), np.empty(taken.size, np.int64)
    kernels.lowest(vector, keys, positions)
    return keys, positions


def _value_at_risk(vector: Floats, tail: float, mass: Floats, conventions: Conventions) -> tuple[float, Floats]:
    losing = conventions.quantile_side is QuantileSide.LOSS
    sample, level = (0.0 - vector, 1.0 - tail) if losing else (vector, tail)
    terms = quantile_terms(sample, level, conventions.quantile, mass)
    gradient = np.zeros_like(vector)
    for observation, share in terms:
        gradient[observation] = -share
    value = read(sample, terms)
    return value if losing else 0.0 - value, gradient


def _thin(tail: float, mass: Floats) -> tuple[Status, str]:
    effective = effective_count(mass)
    if tail * effective < 1.0 - 1e-9:
        return Status.THIN_TAIL, f"the tail of {tail:g} holds {tail * effective:.3g} of {effective:.4g} effective scenarios"
    return Status.OK, ""
