"""Value at risk and expected shortfall of named distributions, in closed form.

K. Dowd, Measuring Market Risk (2nd ed., 2005), ch. 6; A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015),
ch. 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

from scipy.special import ndtr

from risk_core.conventions import tail_probability
from risk_core.measures.checks import MeasureError
from risk_core.methods import normal_quantile, normal_shortfall


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """Value at risk and expected shortfall, losses positive, never clipped."""

    value_at_risk: float
    expected_shortfall: float


def normal_closed_form(mean: float, standard_deviation: float, confidence: float) -> ClosedForm:
    """Return VaR = z sd - mean and ES = sd pdf(z) / (1 - confidence) - mean of a normal P&L."""
    _check(standard_deviation)
    tail = tail_probability(confidence)
    return ClosedForm(standard_deviation * normal_quantile(tail) - mean, standard_deviation * normal_shortfall(tail) - mean)


def student_t_closed_form(mean: float, standard_deviation: float, degrees_of_freedom: float, confidence: float) -> ClosedForm:
    """Return VaR and ES of a t-distributed P&L with the given mean and standard deviation.

    The scale is sd sqrt((nu - 2) / nu), so nu > 2. ES = scale pdf(q) (nu + q²) / ((nu - 1) (1 - confidence)) - mean, with q the t quantile.
    """
    _check(standard_deviation)
    from scipy.stats import t  # takes a second to import

    nu = degrees_of_freedom
    if not nu > 2.0:
        raise MeasureError(f"degrees_of_freedom must exceed 2, or there is no standard deviation: {nu!r}")
    tail = tail_probability(confidence)
    scale, q = standard_deviation * sqrt((nu - 2.0) / nu), float(t.isf(tail, nu))
    shortfall = float(t.pdf(q, nu)) / tail * (nu + q * q) / (nu - 1.0)
    return ClosedForm(scale * q - mean, scale * shortfall - mean)


def lognormal_closed_form(value: float, mean: float, standard_deviation: float, confidence: float) -> ClosedForm:
    """Return VaR and ES of a long position whose log return is normal.

    VaR = value (1 - exp(mean - z sd)); ES = value (1 - exp(mean + sd²/2) N(-z - sd) / (1 - confidence)).

    Parameters
    ----------
    value : float
        Present value, positive.
    mean, standard_deviation : float
        Of the log return over the horizon.
    confidence : float
    """
    _check(standard_deviation)
    if not value > 0.0:
        raise MeasureError(f"value must be positive, not {value!r}: a lognormal price never changes sign")
    tail = tail_probability(confidence)
    z = normal_quantile(tail)
    kept = exp(mean + 0.5 * standard_deviation**2) * float(ndtr(-z - standard_deviation)) / tail
    return ClosedForm(value * (1.0 - exp(mean - z * standard_deviation)), value * (1.0 - kept))


def _check(standard_deviation: float) -> None:
    if not standard_deviation >= 0.0:
        raise MeasureError(f"standard_deviation must not be negative, not {standard_deviation!r}")
