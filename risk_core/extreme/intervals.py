"""Confidence intervals of a tail measure: profile likelihood, and the delta method.

A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 5.2; S. Coles, An Introduction to Statistical
Modeling of Extreme Values (2001), sec. 4.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, log, sqrt
from typing import TYPE_CHECKING

from risk_core.extreme.gpd import FitMethod
from risk_core.extreme.kernels import risk_factor
from risk_core.extreme.profile import profile_end
from risk_core.measures.checks import MeasureError
from risk_core.methods import normal_quantile

if TYPE_CHECKING:
    from risk_core.extreme.peaks import PeaksFit


class IntervalMethod(StrEnum):
    """How an interval is made."""

    PROFILE = "profile"
    """All values that a likelihood-ratio test does not reject: asymmetric, longer upwards."""
    DELTA = "delta"
    """The estimate plus and minus a multiple of its standard error: symmetric, and too short upwards."""


class IntervalStatus(StrEnum):
    """Whether both ends exist."""

    OK = "ok"
    AT_THRESHOLD = "at_threshold"
    """The interval reaches the threshold, below which the model says nothing: `lower` is the threshold."""
    UNBOUNDED = "unbounded"
    """Tails without a mean cannot be rejected, or no value however large: `upper` is None."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a tail measure.

    Parameters
    ----------
    lower : float
        Loss positive, in the unit of the P&L.
    upper : float or None
        None with status `unbounded`.
    level : float
        Such as 0.95.
    method : IntervalMethod
    status : IntervalStatus
        `unbounded` wins where both ends are missing.
    reason : str
    """

    lower: float
    upper: float | None
    level: float
    method: IntervalMethod
    status: IntervalStatus = IntervalStatus.OK
    reason: str = ""

    def __contains__(self, value: float) -> bool:
        return self.lower <= value and (self.upper is None or value <= self.upper)


def tail_interval(fit: PeaksFit, tail: float, level: float, shortfall: bool, method: IntervalMethod | str) -> Interval:
    """Return the interval of a measure at tail probability `tail`; `PeaksFit.interval` checks and documents its arguments."""
    if not 0.0 < level < 1.0:
        raise MeasureError(f"level must lie strictly between 0 and 1, such as 0.95, not {level!r}")
    try:
        chosen = IntervalMethod(method)
    except ValueError:
        raise MeasureError(f"unknown interval method {method!r}; choose one of {', '.join(IntervalMethod)}") from None
    if fit.gpd.covariance is None:
        raise MeasureError(f"this fit has no interval: {fit.gpd.reason}")
    z = normal_quantile(0.5 * (1.0 - level))
    error = standard_error(fit, tail, shortfall)
    if chosen is IntervalMethod.DELTA:
        value = fit.threshold + fit.gpd.scale * risk_factor(fit.gpd.shape, fit.depth(tail), shortfall)[0]
        return Interval(value - z * error, value + z * error, level, chosen)
    if fit.gpd.method is not FitMethod.ML:
        raise MeasureError("a profile interval belongs to a fit by maximum likelihood; use method 'delta', or fit with 'ml'")
    unit = float(fit.exceedance_mass @ fit.excesses) / fit.exceedance_probability
    mass = fit.exceedance_mass / fit.exceedance_probability
    scale = fit.gpd.scale / unit
    distance = scale * risk_factor(fit.gpd.shape, fit.depth(tail), shortfall)[0]
    step = min(max(z * error / unit / max(distance, scale), 1e-3), 1.0)
    lower, upper = (
        profile_end(
            direction,
            fit.gpd.shape,
            log(scale),
            distance,
            step,
            0.5 * z * z,
            tail,
            shortfall,
            fit.exceedance_probability,
            fit.effective_count,
            fit.gpd.effective_count,
            fit.excesses / unit,
            mass,
        )
        for direction in (-1.0, 1.0)
    )
    start = fit.threshold + unit * lower
    if not isfinite(upper):
        missing = "tails without a mean cannot be rejected" if shortfall else "no loss is too large for the likelihood"
        return Interval(start, None, level, chosen, IntervalStatus.UNBOUNDED, missing)
    end = fit.threshold + unit * upper
    if lower == 0.0:
        reason = "the lower end lies below the threshold, where the model says nothing"
        return Interval(start, end, level, chosen, IntervalStatus.AT_THRESHOLD, reason)
    return Interval(start, end, level, chosen)


def standard_error(fit: PeaksFit, tail: float, shortfall: bool) -> float:
    """Return the delta-method standard error, from the covariance of (shape, scale) and the binomial error of the exceedance number."""
    covariance = fit.gpd.covariance
    assert covariance is not None
    factor, by_shape, by_depth = risk_factor(fit.gpd.shape, fit.depth(tail), shortfall)[:3]
    slope_shape, slope_chance = fit.gpd.scale * by_shape, fit.gpd.scale * by_depth
    variance = slope_shape**2 * covariance[0, 0] + factor**2 * covariance[1, 1] + 2.0 * slope_shape * factor * covariance[0, 1]
    chance = fit.exceedance_probability
    return sqrt(float(variance) + slope_chance**2 * (1.0 - chance) / (chance * fit.effective_count))
