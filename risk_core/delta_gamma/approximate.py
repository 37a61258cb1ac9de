"""Value at risk from the first moments: delta-normal and Cornish-Fisher."""

from __future__ import annotations

import numpy as np

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.model import DeltaGamma
from risk_core.delta_gamma.result import DeltaGammaRisk, DeltaGammaStatus, Method
from risk_core.methods import normal_quantile, normal_shortfall


def delta_value_at_risk(book: DeltaGamma, confidence: float) -> DeltaGammaRisk:
    """Return z sd - mean of the book without its gamma: exact where gamma is zero.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1), such as 0.99.

    Raises
    ------
    ConventionError
        For an impossible confidence.
    """
    return _linear(book, confidence, normal_quantile(tail_probability(confidence)))


def delta_expected_shortfall(book: DeltaGamma, confidence: float) -> DeltaGammaRisk:
    """Return sd pdf(z) / (1 - confidence) - mean of the book without its gamma.

    Parameters and errors are those of `delta_value_at_risk`.
    """
    return _linear(book, confidence, normal_shortfall(tail_probability(confidence)))


def cornish_fisher_value_at_risk(book: DeltaGamma, confidence: float) -> DeltaGammaRisk:
    """Return value at risk by the Cornish-Fisher expansion with four moments.

    The loss quantile is mean + sd (z + (z² - 1) S/6 + (z³ - 3z) K/24 - (2z³ - 5z) S²/36), S and K the skewness and excess kurtosis of the
    loss (E. A. Cornish and R. A. Fisher, 1938; J. Zangari, "A VaR methodology for portfolios that include options", RiskMetrics Monitor,
    1996). As ORE's, on the mirror book.

    Returns
    -------
    DeltaGammaRisk
        Status `not_monotone` where the cubic in z is not increasing throughout: then quantiles cross and the number means nothing (the
        domain of D. Maillard, "A user's guide to the Cornish Fisher expansion", 2012). Inside the domain the error is not bounded either.

    Raises
    ------
    ConventionError
        For an impossible confidence.
    """
    z = normal_quantile(tail_probability(confidence))
    deviation = book.standard_deviation
    if deviation == 0.0:
        return constant_risk(book, confidence, Method.CORNISH_FISHER)
    s, k = -book.skewness, book.excess_kurtosis
    point = z + (z * z - 1.0) * s / 6.0 + (z**3 - 3.0 * z) * k / 24.0 - (2.0 * z**3 - 5.0 * z) * s * s / 36.0
    value = deviation * point - book.expected_pnl
    a, b, c = k / 8.0 - s * s / 6.0, s / 3.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0
    if (a > 0.0 and b * b < 4.0 * a * c) or (a == b == 0.0 and c > 0.0):
        return DeltaGammaRisk(value, confidence, Method.CORNISH_FISHER)
    reason = f"with skewness {-s:.4g} and excess kurtosis {k:.4g} the expansion is not increasing; use saddlepoint or exact"
    return DeltaGammaRisk(value, confidence, Method.CORNISH_FISHER, DeltaGammaStatus.NOT_MONOTONE, reason)


def constant_risk(book: DeltaGamma, confidence: float, method: Method) -> DeltaGammaRisk:
    """Return minus the P&L of a book that does not vary."""
    return DeltaGammaRisk(-book.quadratic.constant, confidence, method, DeltaGammaStatus.CONSTANT, "the P&L does not depend on any factor")


def _linear(book: DeltaGamma, confidence: float, factor: float) -> DeltaGammaRisk:
    delta, mean = np.asarray(book.delta), np.asarray(book.mean)
    deviation = float(np.sqrt(max(delta @ np.asarray(book.covariance) @ delta, 0.0)))
    value = factor * deviation - book.theta - float(delta @ mean)
    if deviation == 0.0:
        reason = "the P&L does not depend on any factor to first order"
        return DeltaGammaRisk(value, confidence, Method.DELTA_NORMAL, DeltaGammaStatus.CONSTANT, reason)
    return DeltaGammaRisk(value, confidence, Method.DELTA_NORMAL)
