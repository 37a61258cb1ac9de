"""The generalised Pareto law of excesses over a threshold, fitted by maximum likelihood or probability-weighted moments.

Sign of the shape: xi > 0 is a heavy tail of index 1 / xi, xi = 0 the exponential law, xi < 0 a tail that ends at scale / -xi. Hosking and
Wallis (1987), Grimshaw (1993) and Choulakian and Stephens (2001) write k = -xi.

S. Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution", Technometrics 35 (1993) 185-191;
J. Hosking and J. Wallis, "Parameter and quantile estimation for the generalized Pareto distribution", Technometrics 29 (1987) 339-349.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import log
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.extreme.kernels import likelihood, maximise
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.methods import effective_count

Floats = NDArray[np.float64]

FEW: Final = 20.0
"""Fewer (effective) excesses than this give status `few_exceedances`."""
LEAST: Final = 3
"""Fewer excesses than this are refused."""


class FitMethod(StrEnum):
    """How the two parameters are estimated."""

    ML = "ml"
    """Maximum likelihood over shapes xi >= -1: efficient for xi > -1/2, any tail above."""
    PWM = "pwm"
    """Probability-weighted moments: closed form, steadier in small samples, for xi < 1/2."""


class FitStatus(StrEnum):
    """How far a fitted tail can be trusted; where several hold, the last in this list is named."""

    OK = "ok"
    FEW_EXCEEDANCES = "few_exceedances"
    """Fewer than 20 effective excesses: the shape is hardly known."""
    IRREGULAR = "irregular"
    """xi <= -1/2, or xi >= 1/2 with moments: there are no asymptotic standard errors and no intervals."""
    INFEASIBLE = "infeasible"
    """Moments put the end of the tail below the worst excess seen."""
    BOUNDARY = "boundary"
    """The likelihood rises up to xi = -1, a uniform tail that ends at the worst excess."""
    INFINITE_MEAN = "infinite_mean"
    """xi >= 1: value at risk exists, expected shortfall does not."""
    BODY = "body"
    """Not of a fit but of a measure: the confidence lies below the threshold's, and the empirical number stands in."""


@dataclass(frozen=True, slots=True, eq=False)
class GpdFit:
    """A fitted generalised Pareto law.

    Parameters
    ----------
    shape : float
        xi, positive for a heavy tail.
    scale : float
        beta > 0, in the unit of the excesses.
    covariance : float64[2, 2] or None
        Of (shape, scale): inverse observed information, or the asymptotic covariance of moments. None where there is none (`irregular`,
        `infeasible`, `boundary`).
    log_likelihood : float or None
        Summed over excesses; with weights, scaled to their effective number. None with status `infeasible`: an excess has density zero.
    count : int
        Excesses with positive weight.
    effective_count : float
        Kish's number, the count for equal weights.
    method : FitMethod
    status : FitStatus
    reason : str
        Empty when "ok".
    """

    shape: float
    scale: float
    covariance: NDArray[np.float64] | None = field(repr=False)
    log_likelihood: float | None
    count: int
    effective_count: float
    method: FitMethod
    status: FitStatus = FitStatus.OK
    reason: str = ""

    @property
    def shape_error(self) -> float | None:
        """Standard error of xi, or None."""
        return None if self.covariance is None else float(np.sqrt(self.covariance[0, 0]))

    @property
    def scale_error(self) -> float | None:
        """Standard error of the scale, or None."""
        return None if self.covariance is None else float(np.sqrt(self.covariance[1, 1]))


def fit_gpd(excesses: ArrayLike, weights: ArrayLike | None = None, *, method: FitMethod | str = FitMethod.ML) -> GpdFit:
    """Fit a generalised Pareto law to excesses over a threshold.

    Maximum likelihood follows Grimshaw (1993): along tau = xi / beta the best xi is the mean of log(1 + tau y), so that one dimension is
    left; its stationary points are bracketed on a fixed grid and compared, also with the end xi = -1 (below, the likelihood has no bound).
    The same input gives the same bits.

    Parameters
    ----------
    excesses : float64[k]
        Losses less the threshold, positive, any order.
    weights : float64[k], optional
        Of each excess in the likelihood or the moments; equal if not given. Errors then rest on Kish's effective number.
    method : FitMethod or str
        "ml" or "pwm".

    Raises
    ------
    MeasureError
        For NaN, fewer than three excesses with weight, an excess that is not positive, excesses all equal, or an unknown method.

    Examples
    --------
    >>> fit_gpd([0.1, 0.2, 0.4, 0.8, 1.6, 3.2]).shape > 0
    True
    """
    vector = checked_pnl(excesses, "excesses")
    mass = checked_weights(weights, excesses, vector.size)
    chosen = fit_method(method)
    held = mass > 0.0
    vector, mass = vector[held], mass[held]
    bad = np.flatnonzero(vector <= 0.0)
    if bad.size:
        raise MeasureError(f"excesses must be positive, not {vector[bad[0]]!r}: give losses less the threshold, those above it only")
    return fit_excesses(vector, mass, chosen)


def fit_method(method: FitMethod | str) -> FitMethod:
    """Return the member of that name; MeasureError for an unknown one."""
    try:
        return FitMethod(method)
    except ValueError:
        raise MeasureError(f"unknown method {method!r}; choose one of {', '.join(FitMethod)}") from None


def fit_excesses(excesses: Floats, mass: Floats, method: FitMethod) -> GpdFit:
    """Return the fit; as `fit_gpd`, of positive excesses with positive weights."""
    if excesses.size < LEAST:
        raise MeasureError(f"{excesses.size} excesses cannot show a tail's shape; lower the threshold or give more scenarios")
    if excesses.min() == excesses.max():
        raise MeasureError("all excesses are equal: there is no tail to fit")
    mass = mass / mass.sum()
    unit = float(mass @ excesses)
    scaled = excesses / unit
    effective = effective_count(mass)
    inside = True
    if method is FitMethod.ML:
        shape, scale, inside = maximise(scaled, mass)
        covariance = _information_inverse(shape, scale, scaled, mass, effective) if inside else None
    else:
        shape, scale = _moments(scaled, mass)
        covariance = _moment_covariance(shape, scale, effective)
    value = likelihood(shape, log(scale), scaled, mass)[0] if inside else -log(scale)
    status, reason = _state(shape, effective, method, inside, bool(np.isfinite(value)))
    if status in (FitStatus.BOUNDARY, FitStatus.IRREGULAR, FitStatus.INFEASIBLE):
        covariance = None
    elif covariance is None and status in (FitStatus.OK, FitStatus.FEW_EXCEEDANCES):
        status, reason = FitStatus.IRREGULAR, "the likelihood is flat at its maximum: there are no standard errors"
    if covariance is not None:
        covariance = covariance * np.array([[1.0, unit], [unit, unit * unit]])
    total = effective * (value - log(unit)) if np.isfinite(value) else None
    return GpdFit(shape, scale * unit, covariance, total, excesses.size, effective, method, status, reason)


def gpd_cdf(excesses: ArrayLike, shape: float, scale: float) -> Floats:
    """Return the probability of an excess at most y: 1 - (1 + xi y / beta)**(-1/xi), 1 - exp(-y / beta) for xi = 0.

    Parameters
    ----------
    excesses : float64[...]
    shape, scale : float
        xi and beta > 0.
    """
    x = np.maximum(np.asarray(excesses, np.float64) / _positive(scale), 0.0)
    if shape == 0.0:
        return np.asarray(-np.expm1(-x))
    inner = np.maximum(shape * x, -1.0)
    with np.errstate(divide="ignore"):  # at and beyond the end point log(0) gives probability one
        return np.asarray(-np.expm1(-np.log1p(inner) / shape))


def gpd_quantile(level: ArrayLike, shape: float, scale: float) -> Floats:
    """Return the excess not exceeded with probability `level`, float64[...] in [0, 1): beta ((1 - level)**(-xi) - 1) / xi.

    Raises
    ------
    MeasureError
        For a level outside [0, 1), or a scale that is not positive.
    """
    p = np.asarray(level, np.float64)
    if not np.all((p >= 0.0) & (p < 1.0)):
        raise MeasureError("level must lie in [0, 1): a tail may have no end")
    depth = -np.log1p(-p)
    return np.asarray(_positive(scale) * (depth if shape == 0.0 else np.expm1(shape * depth) / shape))


def parameter_gradients(excesses: Floats, mass: Floats, fit: GpdFit) -> tuple[Floats, Floats]:
    """Return the derivatives of (shape, scale) by each excess, float64[k] each.

    Maximum likelihood by the implicit function theorem on the two score equations; moments are linear in the sorted excesses; at the
    boundary the scale is the worst excess. sum(d shape * y) = 0 and sum(d scale * y) = scale: a change of unit leaves the shape.
    """
    mass = mass / mass.sum()
    if fit.status is FitStatus.BOUNDARY:
        worst = np.zeros_like(excesses)
        worst[int(np.argmax(excesses))] = 1.0
        return np.zeros_like(excesses), worst
    unit = float(mass @ excesses)
    scaled, scale = excesses / unit, fit.scale / unit
    if fit.method is FitMethod.PWM:
        by_shape, by_scale = _moment_gradients(scaled, mass)
        return by_shape / unit, by_scale
    _, _, _, bent, cross, curved = likelihood(fit.shape, log(scale), scaled, mass)
    x = scaled / scale
    thin = mass / (scale * (1.0 + fit.shape * x) ** 2)
    by_shape, by_scale = thin * (x - 1.0), thin * (1.0 + fit.shape)
    determinant = bent * curved - cross * cross
    shape = -(curved * by_shape - cross * by_scale) / determinant
    log_scale = -(bent * by_scale - cross * by_shape) / determinant
    return shape / unit, scale * log_scale


def _positive(scale: float) -> float:
    if not scale > 0.0:
        raise MeasureError(f"scale must be positive, not {scale!r}")
    return scale


def _information_inverse(shape: float, scale: float, scaled: Floats, mass: Floats, effective: float) -> Floats | None:
    _, _, _, bent, cross, curved = likelihood(shape, log(scale), scaled, mass)
    determinant = bent * curved - cross * cross
    if not (determinant > 0.0 and bent < 0.0):
        return None
    log_covariance = np.array([[-curved, cross], [cross, -bent]]) / (determinant * effective)
    return np.asarray(log_covariance * np.array([[1.0, scale], [scale, scale * scale]]))


def _ranked(excesses: Floats, mass: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return (order, coefficients of the mean, of the mean weighted by the exceedance probability).

    Both are means over pairs of different observations, so that the scale is positive with any weights; with equal weights they are the
    usual unbiased ones.
    """
    order = np.argsort(excesses, kind="stable")
    weight = mass[order]
    above = 1.0 - np.cumsum(weight)
    above[-1] = 0.0
    pairs = 1.0 - float(weight @ weight)
    return order, weight * (1.0 - weight) / pairs, weight * above / pairs


def _moments(excesses: Floats, mass: Floats) -> tuple[float, float]:
    order, first, second = _ranked(excesses, mass)
    a, b = float(first @ excesses[order]), float(second @ excesses[order])
    return 2.0 - a / (a - 2.0 * b), 2.0 * a * b / (a - 2.0 * b)


def _moment_gradients(excesses: Floats, mass: Floats) -> tuple[Floats, Floats]:
    order, first, second = _ranked(excesses, mass)
    a, b = float(first @ excesses[order]), float(second @ excesses[order])
    gap = (a - 2.0 * b) ** 2
    shape, scale = np.empty_like(excesses), np.empty_like(excesses)
    shape[order] = (2.0 * b * first - 2.0 * a * second) / gap
    scale[order] = (2.0 * a * a * second - 4.0 * b * b * first) / gap
    return shape, scale


def _moment_covariance(shape: float, scale: float, effective: float) -> Floats | None:
    """Hosking and Wallis (1987), asymptotic, for xi < 1/2; their k is -xi."""
    k = -shape
    if k <= -0.5:
        return None
    top = 1.0 / ((1.0 + 2.0 * k) * (3.0 + 2.0 * k) * effective)
    of_scale = scale * scale * (7.0 + 18.0 * k + 11.0 * k * k + 2.0 * k**3)
    between = -scale * (2.0 + k) * (2.0 + 6.0 * k + 7.0 * k * k + 2.0 * k**3)
    of_shape = (1.0 + k) * (2.0 + k) ** 2 * (1.0 + k + 2.0 * k * k)
    return top * np.array([[of_shape, between], [between, of_scale]])


def _state(shape: float, effective: float, method: FitMethod, inside: bool, feasible: bool) -> tuple[FitStatus, str]:
    states = (
        (shape >= 1.0, FitStatus.INFINITE_MEAN, f"the shape is {shape:.3g}, and from 1 on the tail has no mean"),
        (not inside, FitStatus.BOUNDARY, "the likelihood rises up to the shape -1: the tail looks uniform up to the worst excess"),
        (
            not feasible,
            FitStatus.INFEASIBLE,
            "the fitted tail ends below the worst excess; fit by maximum likelihood, or move the threshold",
        ),
        (shape <= -0.5, FitStatus.IRREGULAR, f"the shape is {shape:.3g}; up to -1/2 there are no standard errors"),
        (method is FitMethod.PWM and shape >= 0.5, FitStatus.IRREGULAR, f"the shape is {shape:.3g}; moments have no errors from 1/2 on"),
        (effective < FEW, FitStatus.FEW_EXCEEDANCES, f"{effective:.3g} effective excesses; below {FEW:g} the shape is hardly known"),
    )
    return next(((status, reason) for holds, status, reason in states if holds), (FitStatus.OK, ""))
