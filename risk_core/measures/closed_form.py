"""Value at risk and expected shortfall of named distributions, in closed form.

K. Dowd, Measuring Market Risk (2nd ed., 2005), ch. 6; A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015),
ch. 2; P. Jorion, Value at Risk (3rd ed., 2006), ch. 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp, sqrt

from scipy.special import ndtr

from risk_core.conventions import tail_probability
from risk_core.measures.checks import MeasureError, checked_scalar
from risk_core.measures.result import Status
from risk_core.methods import normal_density, normal_quantile


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """Value at risk and expected shortfall, losses positive, never clipped.

    `status` is "ok" unless the formula left its domain; `reason` then says why.
    """

    value_at_risk: float
    expected_shortfall: float
    status: StrEnum = Status.OK
    reason: str = ""


def normal_closed_form(
    mean: float,
    standard_deviation: float,
    confidence: float | None = None,
    *,
    quantile: float | None = None,
    horizon: float = 1.0,
) -> ClosedForm:
    """Return VaR = z sd - mean and ES = sd pdf(z) / (1 - confidence) - mean of a normal P&L.

    Parameters
    ----------
    mean, standard_deviation : float
        Of the P&L of one period, or of the return for numbers per unit of value.
    confidence : float, optional
        In [0.5, 1). Give this or `quantile`, not both.
    quantile : float, optional
        z itself, for textbooks that round it (1.65, 2.33); ES then is that of the confidence it stands for.
    horizon : float
        Independent periods: the mean grows with it, the standard deviation with its square root.

    Raises
    ------
    MeasureError
        For numbers that are not finite, a negative standard deviation, a horizon that is not positive, or both or neither of confidence
        and quantile.
    ConventionError
        For an impossible confidence.
    """
    z, tail = normal_point(confidence, quantile)
    mu, sd = _location_and_spread(mean, standard_deviation, horizon)
    return ClosedForm(sd * z - mu, sd * normal_density(z) / tail - mu)


def student_t_closed_form(
    mean: float,
    standard_deviation: float | None,
    degrees_of_freedom: float,
    confidence: float,
    *,
    scale: float | None = None,
    horizon: float = 1.0,
) -> ClosedForm:
    """Return VaR and ES of a t-distributed P&L.

    With q the t quantile VaR = scale q - mean, and ES = scale pdf(q) (nu + q²) / ((nu - 1) (1 - confidence)) - mean.

    Parameters
    ----------
    mean : float
        Location of the P&L of one period.
    standard_deviation : float or None
        Needs nu > 2: the scale is sd sqrt((nu - 2) / nu) (Dowd 2005; Tsay's standardised t).
    degrees_of_freedom : float
        nu; more than 1, or expected shortfall does not exist.
    confidence : float
        In [0.5, 1).
    scale : float, optional
        In place of `standard_deviation`, given as None: of location + scale T, as in McNeil, Frey and Embrechts; 1 for the t itself.
    horizon : float
        Mean and scale grow as in `normal_closed_form`, the law kept (Dowd 2005): an approximation, as sums of t variables are not t.

    Raises
    ------
    MeasureError
        As `normal_closed_form`; for too few degrees of freedom, or both or neither of standard deviation and scale.
    ConventionError
        For an impossible confidence.
    """
    from scipy.stats import t  # takes a second to import

    nu = checked_scalar(degrees_of_freedom, "degrees_of_freedom", above=1.0)
    tail = tail_probability(confidence)
    if (scale is None) == (standard_deviation is None):
        raise MeasureError("give either standard_deviation or scale (then standard_deviation is None), not both")
    if scale is None:
        if not nu > 2.0:
            raise MeasureError(f"degrees_of_freedom must exceed 2, or there is no standard deviation: {nu!r}; give scale instead")
        mu, sd = _location_and_spread(mean, standard_deviation, horizon)
        width = sd * sqrt((nu - 2.0) / nu)
    else:
        mu, width = _location_and_spread(mean, scale, horizon, "scale")
    q = float(t.isf(tail, nu))
    shortfall = float(t.pdf(q, nu)) / tail * (nu + q * q) / (nu - 1.0)
    return ClosedForm(width * q - mu, width * shortfall - mu)


def lognormal_closed_form(
    value: float,
    mean: float,
    standard_deviation: float,
    confidence: float | None = None,
    *,
    quantile: float | None = None,
    horizon: float = 1.0,
) -> ClosedForm:
    """Return VaR and ES of a long position whose log return is normal.

    VaR = value (1 - exp(mean - z sd)); ES = value (1 - exp(mean + sd²/2) N(-z - sd) / (1 - confidence)).

    Parameters
    ----------
    value : float
        Present value, positive.
    mean, standard_deviation : float
        Of the log return of one period.
    confidence, quantile, horizon
        As `normal_closed_form`; for log returns the horizon is exact.

    Raises
    ------
    MeasureError, ConventionError
        As `normal_closed_form`; also for a value that is not positive.
    """
    z, tail = normal_point(confidence, quantile)
    mu, sd = _location_and_spread(mean, standard_deviation, horizon)
    if not checked_scalar(value, "value") > 0.0:
        raise MeasureError(f"value must be positive, not {value!r}: a lognormal price never changes sign")
    try:
        kept, left = exp(mu + 0.5 * sd * sd) * float(ndtr(-z - sd)) / tail, exp(mu - z * sd)
    except OverflowError:
        raise MeasureError(f"a log return of mean {mu:g} and standard deviation {sd:g} is too large: give fractions") from None
    return ClosedForm(value * (1.0 - left), value * (1.0 - kept))


def quantile_standard_error(confidence: float, count: float, density: float) -> float:
    """Return the asymptotic standard error of a sample quantile, sqrt(p (1 - p) / count) / density.

    Parameters
    ----------
    confidence : float
        p, in [0.5, 1).
    count : float
        Independent observations.
    density : float
        Of the P&L at the quantile, per unit of P&L: of a fitted law, for instance. From data: `uncertainty.value_at_risk_interval`.

    Raises
    ------
    MeasureError
        For a count or density that is not positive.

    Notes
    -----
    M. Kendall and A. Stuart, The Advanced Theory of Statistics, vol. 1; J. Hull, Risk Management and Financial Institutions, historical
    simulation chapter; Jorion (2006), ch. 5.
    """
    tail = tail_probability(confidence)
    size, height = checked_scalar(count, "count", above=0.0), checked_scalar(density, "density", above=0.0)
    return sqrt(tail * (1.0 - tail) / size) / height


def normal_point(confidence: float | None, quantile: float | None) -> tuple[float, float]:
    """Return (z, P(Z > z)) from a confidence, or from z itself.

    Raises
    ------
    MeasureError
        If both or neither are given, or the quantile is not finite or so large that no probability is left beyond it.
    ConventionError
        For an impossible confidence.
    """
    if quantile is not None and confidence is None:
        z = checked_scalar(quantile, "quantile")
        tail = float(ndtr(-z))
        if not tail > 0.0:
            raise MeasureError(f"quantile must be a standard normal quantile such as 2.33, not {quantile!r}")
        return z, tail
    if confidence is not None and quantile is None:
        tail = tail_probability(confidence)
        return normal_quantile(tail), tail
    raise MeasureError("give either confidence (0.99) or quantile (2.33), not both")


def _location_and_spread(mean: float, spread: float | None, horizon: float, name: str = "standard_deviation") -> tuple[float, float]:
    if spread is None:
        raise MeasureError(f"{name} is missing")
    mu, sd = checked_scalar(mean, "mean"), checked_scalar(spread, name)
    if sd < 0.0:
        raise MeasureError(f"{name} must not be negative, not {spread!r}")
    periods = checked_scalar(horizon, "horizon", above=0.0)
    return mu * periods, sd * sqrt(periods)
