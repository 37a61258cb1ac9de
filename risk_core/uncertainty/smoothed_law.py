"""Value at risk and expected shortfall of a sample smoothed over P&L: each scenario a small normal law of its own.

C. Gourieroux, J. P. Laurent and O. Scaillet, "Sensitivity analysis of values at risk", Journal of Empirical Finance 7 (2000) 225-245;
O. Scaillet, "Nonparametric estimation and sensitivity analysis of expected shortfall", Mathematical Finance 14 (2004) 115-129.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.quantiles import sequential_sum
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count, normal_density, normal_quantile
from risk_core.uncertainty.smooth import refuse_conventions

Floats = NDArray[np.float64]

REFERENCE: Final = 1.06
"""Bandwidth over standard deviation, times n_eff**(1/5): best for the density of a normal law (B. W. Silverman 1986, eq. 3.28)."""


def smoothed_value_at_risk(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    factor: float = REFERENCE,
) -> Measured:
    """Return value at risk of the P&L plus independent normal noise: minus the q that solves sum of w Phi((q - V) / h) = 1 - confidence.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions
        Only those that keep the default for quantile and tail.
    factor : float
        The bandwidth h is factor x standard deviation x n_eff**(-1/5). Positive. The noise raises the variance by h², and with it VaR.

    Returns
    -------
    Measured
        Loss positive. The gradient is exact, by implicit differentiation and with that of h, so Euler's rule holds. Status `thin_tail`
        where the tail holds less than one effective scenario. A vector without variance is its own quantile.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, other conventions or an impossible factor.
    ConventionError
        For an impossible confidence.
    """
    refuse_conventions(conventions)
    vector, mass, tail, width, slope = _input(pnl, confidence, weights, factor)
    if width == 0.0:
        return _measured(-vector[np.argmax(mass > 0.0)], -mass, confidence, conventions, tail, mass)
    q = _quantile(vector, mass, tail, width)
    u = (q - vector) / width
    pull = mass * np.exp(-0.5 * u * u)
    pull /= sequential_sum(pull)
    gradient = -pull - sequential_sum(pull * u) * slope
    return _measured(-q, gradient, confidence, conventions, tail, mass)


def smoothed_expected_shortfall(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    factor: float = REFERENCE,
) -> Measured:
    """Return expected shortfall of the P&L plus independent normal noise: -sum of w (V Phi(u) - h phi(u)) / (1 - confidence).

    u = (q - V) / h at the smoothed quantile q. Scaillet (2004) leaves out the term in h, and so is lower by h E[phi(u)] / (1 - confidence).
    Parameters and errors are those of `smoothed_value_at_risk`.
    """
    refuse_conventions(conventions)
    vector, mass, tail, width, slope = _input(pnl, confidence, weights, factor)
    if width == 0.0:
        return _measured(-vector[np.argmax(mass > 0.0)], -mass, confidence, conventions, tail, mass)
    q = _quantile(vector, mass, tail, width)
    u = (q - vector) / width
    below = mass * ndtr(u) / tail
    height = normal_density(0.0) * sequential_sum(mass * np.exp(-0.5 * u * u)) / tail
    gap = q - vector  # value and gradient from the quantile: its own derivative cancels
    value = -q + sequential_sum(below * gap) + width * height
    return _measured(value, height * slope - below, confidence, conventions, tail, mass)


def _input(pnl: ArrayLike, confidence: float, weights: ArrayLike | None, factor: float) -> tuple[Floats, Floats, float, float, Floats]:
    """Return (P&L, weights, tail, bandwidth, its gradient)."""
    if not (0.0 < factor < 1e3):
        raise MeasureError(f"factor is the bandwidth in standard deviations and must be positive, such as 1.06, not {factor!r}")
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    from_first = vector - vector[np.argmax(mass > 0.0)]  # exactly none where all that counts is equal
    centred = from_first - sequential_sum(mass * from_first)
    deviation = sqrt(sequential_sum(mass * centred * centred))
    scale = factor * effective_count(mass) ** -0.2
    slope = scale * mass * centred / deviation if deviation > 0.0 else np.zeros_like(vector)
    return vector, mass, tail_probability(confidence), scale * deviation, slope


def _quantile(vector: Floats, mass: Floats, tail: float, width: float) -> float:
    reach = (1.0 + normal_quantile(tail)) * width
    kept = vector[mass > 0.0]
    low, high = float(kept.min()) - reach, float(kept.max()) + reach
    loosest = 1e-14 * max(high - low, width)
    return float(brentq(lambda q: float(mass @ ndtr((q - vector) / width)) - tail, low, high, xtol=loosest, rtol=1e-15))


def _measured(value: float, gradient: Floats, confidence: float, conventions: Conventions, tail: float, mass: Floats) -> Measured:
    held = tail * effective_count(mass)
    thin = held < 1.0 - 1e-9
    reason = f"the tail of {tail:g} holds {held:.3g} of {effective_count(mass):.4g} effective scenarios" if thin else ""
    return Measured(float(value), gradient, confidence, conventions, Status.THIN_TAIL if thin else Status.OK, reason)
