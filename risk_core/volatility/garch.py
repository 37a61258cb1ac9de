"""GARCH(1,1) and GJR-GARCH(1,1) of one series, by maximum likelihood.

T. Bollerslev, "Generalized autoregressive conditional heteroskedasticity", Journal of Econometrics 31 (1986) 307-327; L. Glosten, R.
Jagannathan and D. Runkle, "On the relation between the expected value and the volatility of the nominal excess return on stocks", Journal
of Finance 48 (1993) 1779-1801; T. Bollerslev, "A conditionally heteroskedastic time series model for speculative prices and rates of
return", Review of Economics and Statistics 69 (1987) 542-547 (Student t); C. Francq and J.-M. Zakoian, GARCH Models (2010), ch. 7 and 9.
"""

from __future__ import annotations

from enum import StrEnum
from math import log, sqrt
from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.methods import effective_count
from risk_core.volatility.estimate import GarchEstimate
from risk_core.volatility.kernels import DF, DOWN, LEVEL, MEAN, PERSISTENCE, UP
from risk_core.volatility.result import VolatilityFit, VolatilityStatus
from risk_core.volatility.search import CENTRE, LOG_LEVEL, LOSSES, NEWS, THICKNESS, TOTAL, maximise, parameters, starts
from risk_core.volatility.state import Recursion, VolatilityState, run

Floats = NDArray[np.float64]

SHORTEST: Final = 100
"""Fewer effective returns are not fitted."""
UNIT_ROOT: Final = 0.999
"""Persistence from which the long-run variance is not used: a half-life of 690 days."""
CONVERGED: Final = 1e-16
"""Largest Newton decrement, for one return, of a search that has arrived."""
LEAST_DF: Final = 2.05
LARGEST_DF: Final = 200.0

_LOWER = np.array([-3.0, -14.0, 0.0, 0.0, 0.0, 1.0 / LARGEST_DF])
_UPPER = np.array([3.0, 4.0, 1.0, 1.0, 1.0, 1.0 / LEAST_DF])
_ANCHORED = np.array([1.0, 1.0, 1.0 - 1e-6, 1.0, 1.0, 1.0])
_TOTALS = np.array([0.8, 0.95, 0.99])
_NEWS = np.array([0.04, 0.1, 0.25])
_FURTHER = (1, 7)  # points of the grid that are tried as well where the best one leads nowhere
_EPSILON = 1e-9

_CONSTANT = np.array([True, True, False, False, False, True])

Named = TypeVar("Named", bound=StrEnum)


class Innovation(StrEnum):
    """The law of standardised residuals; variance one."""

    NORMAL = "normal"
    STUDENT_T = "student_t"
    SKEWED_T = "skewed_t"
    """Hansen's (1994): of `fit_volatility`."""


class Start(StrEnum):
    """The variance, and the square, before the first return."""

    BACKCAST = "backcast"
    """Squares of the first 75 returns, weights falling by 0.94 (arch)."""
    MEAN_SQUARE = "mean_square"
    """The mean square of all returns (Fiorentini, Calzolari and Panattoni 1996; rugarch, EViews): looks ahead, by one number."""


def fit_garch(
    returns: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    asymmetric: bool = False,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    variance_targeting: bool = False,
    start: Start | str = Start.BACKCAST,
) -> VolatilityFit:
    """Return the stationary GARCH(1,1) of greatest likelihood.

    Parameters
    ----------
    returns : float64[S]
        Oldest first, of any unit: the series is scaled for the search, so that percent and fractions give one answer.
    weights : float64[S], optional
        Of each return in the likelihood (the variances run through all). Not negative; equal if not given; scaled unless they sum to one.
    asymmetric : bool
        True: GJR, in which losses may move the variance more (or less) than gains.
    innovation : Innovation or str
        "normal" (a quasi-likelihood if the law is another) or "student_t", standardised, degrees of freedom estimated in [2.05, 200].
    constant_mean : bool
        True: a constant mean is estimated with the rest. False: the mean is zero.
    variance_targeting : bool
        True: the long-run variance is the weighted mean square (about the weighted mean, if there is one), and omega follows.
    start : Start or str

    Returns
    -------
    VolatilityFit
        With status `constant` or `too_short` where there is nothing to estimate: the variance then is the mean square.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values, impossible weights, an unknown innovation or start; skewed t innovations,
        which `fit_volatility` has.

    Examples
    --------
    >>> rng = np.random.Generator(np.random.PCG64(0))
    >>> fit_garch(rng.standard_normal(50)).status.value
    'too_short'
    """
    law, begin = _member(Innovation, innovation, "innovation"), _member(Start, start, "start")
    if law is Innovation.SKEWED_T:
        raise MeasureError("fit_garch has normal and Student t innovations; for skewed_t use fit_volatility(returns, 'garch' or 'gjr')")
    series = np.array(checked_pnl(returns, "returns"))
    mass = checked_weights(weights, returns, series.size)
    effective = effective_count(mass)
    centre = float(series[0]) + float(mass @ (series - series[0])) if constant_mean else 0.0
    away = series - centre
    largest = float(np.abs(away).max())
    scale = largest * sqrt(float(mass @ (away / largest) ** 2)) if largest > 0.0 else 0.0
    model = "gjr" if asymmetric else "garch"
    if float(np.ptp(series)) <= 1e-12 * float(np.abs(series).max()):
        return _unfitted(model, series, centre, scale, law, VolatilityStatus.CONSTANT, f"every return is {series[0]:g}")
    if effective < SHORTEST * (1.0 - _EPSILON) or scale == 0.0:
        reason = f"{effective:.4g} effective returns; a fit needs {SHORTEST}"
        return _unfitted(model, series, centre, scale, law, VolatilityStatus.TOO_SHORT, reason)
    unit = away / scale
    early = _start_weights(series.size, begin)
    before = float(early @ (unit * unit))
    normal = law is Innovation.NORMAL
    moving = np.array([constant_mean, not variance_targeting, True, True, asymmetric, not normal])
    first = np.array([0.0, 0.0, 0.0, 0.0, 0.5, 0.0 if normal else 0.125, 1.0 if variance_targeting else 0.0])
    upper = _UPPER * _ANCHORED if variance_targeting else _UPPER
    problem = (unit, mass, before, normal)
    points, likely = starts(unit, mass, before, first, _TOTALS, _NEWS)
    best = int(np.argmax(likely))
    found = maximise(*problem, points[best], _LOWER, upper, moving)
    if _flat(found[0]) or not found[5] <= CONVERGED:
        others = [maximise(*problem, points[k], _LOWER, upper, moving) for k in _FURTHER if k != best]
        found = max([found, *others], key=lambda f: (not _flat(f[0]), f[5] <= CONVERGED, f[1]))
        constant = first.copy()
        still = moving & _CONSTANT
        constant[LOG_LEVEL] = 0.0
        without = maximise(*problem, constant, _LOWER, upper, still)
        if _flat(found[0]) or without[1] >= found[1]:
            found, moving = without, still
    point, value, hessian, free, steps, decrement = found
    flat = _flat(point)
    estimate = GarchEstimate(
        unit=unit,
        mass=mass,
        centre=centre,
        scale=scale,
        start=before,
        start_by=2.0 * early * unit,
        point=point,
        hessian=hessian,
        free=free & (decrement <= CONVERGED),
        normal=normal,
        centred=constant_mean,
        effective=effective,
    )
    status, reason = _status(point, moving, flat, steps, decrement)
    theta = parameters(point)
    recursion = _recursion(theta, centre, scale)
    opening = scale**2 * (theta[LEVEL] + (0.5 * (theta[UP] + theta[DOWN]) + theta[PERSISTENCE]) * before)
    variances, state = run(VolatilityState(recursion, np.array([opening])), series)
    volatility = np.sqrt(variances)
    return VolatilityFit(
        model=model,
        parameters=_named(recursion, asymmetric, None if normal else float(theta[DF])),
        volatility=volatility,
        residuals=(series - recursion.mean) / volatility,
        state=state,
        log_likelihood=effective * (value - log(scale)),
        status=status,
        reason=reason,
        estimate=estimate,
    )


def _flat(point: Floats) -> bool:
    """Return whether nothing reacts: then nothing tells the persistence either."""
    return bool(point[NEWS] <= _EPSILON or point[TOTAL] <= _EPSILON)


def _member(kind: type[Named], value: str, name: str) -> Named:
    if value not in list(kind):
        raise MeasureError(f"unknown {name} {value!r}; choose one of {', '.join(kind)}")
    return kind(value)


def _start_weights(count: int, start: Start) -> Floats:
    if start is Start.MEAN_SQUARE:
        return np.full(count, 1.0 / count)
    weights = np.zeros(count)
    weights[:75] = 0.94 ** np.arange(min(75, count))
    return np.asarray(weights / weights.sum())


def _recursion(theta: Floats, centre: float, scale: float) -> Recursion:
    level, up, down, persistence = (np.array([theta[i]]) for i in (LEVEL, UP, DOWN, PERSISTENCE))
    return Recursion(centre + scale * float(theta[MEAN]), scale**2 * level, up, down, persistence, np.ones(1))


def _named(recursion: Recursion, asymmetric: bool, df: float | None) -> dict[str, float]:
    alpha, down = float(recursion.up[0]), float(recursion.down[0])
    named = {"mean": recursion.mean, "omega": float(recursion.level[0]), "alpha": alpha}
    if asymmetric:
        named["gamma"] = down - alpha
    named["beta"] = float(recursion.persistence[0])
    if df is not None:
        named["df"] = df
    return named


def _unfitted(
    model: str, series: Floats, centre: float, scale: float, law: Innovation, status: VolatilityStatus, reason: str
) -> VolatilityFit:
    """Return the constant variance of the mean square."""
    recursion = _recursion(np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]), centre, scale)
    residuals = (series - centre) / scale if scale > 0.0 else np.zeros_like(series)
    df = LARGEST_DF if law is Innovation.STUDENT_T else None
    reason += "; the variance is the mean square"
    state = VolatilityState(recursion, np.array([scale**2]))
    return VolatilityFit(model, _named(recursion, model == "gjr", df), np.full(series.size, scale), residuals, state, None, status, reason)


def _status(point: Floats, moving: NDArray[np.bool_], flat: bool, steps: int, decrement: float) -> tuple[VolatilityStatus, str]:
    """Return the gravest status, and the reasons of all."""
    k = point[LOSSES]
    tests = (
        (not decrement <= CONVERGED, VolatilityStatus.NOT_CONVERGED, f"after {steps} steps the Newton decrement is {decrement:.2g}"),
        (
            moving[LOG_LEVEL] and not _LOWER[LOG_LEVEL] < point[LOG_LEVEL] < _UPPER[LOG_LEVEL],
            VolatilityStatus.AT_BOUND,
            "omega stands at the edge of what is searched: the variance would fall to nothing (many returns of zero?)",
        ),
        (
            moving[CENTRE] and not _LOWER[CENTRE] < point[CENTRE] < _UPPER[CENTRE],
            VolatilityStatus.AT_BOUND,
            "the mean stands at the edge of what is searched, three standard deviations from the average",
        ),
        (
            moving[THICKNESS] and point[THICKNESS] >= _UPPER[THICKNESS],
            VolatilityStatus.DF_AT_LOWER_BOUND,
            f"the tail is heavier than any with a variance: df stands at its lower bound {LEAST_DF:g}",
        ),
        (
            point[TOTAL] >= UNIT_ROOT,
            VolatilityStatus.NEAR_UNIT_ROOT,
            f"persistence is {point[TOTAL]:.6g}: the long-run variance is not known",
        ),
        (flat, VolatilityStatus.NO_CLUSTERING, "no reaction to news is seen: alpha and beta are zero"),
        (point[NEWS] >= 1.0, VolatilityStatus.AT_BOUND, "beta stands at zero: only the last return moves the variance"),
        (moving[LOSSES] and k >= 1.0, VolatilityStatus.AT_BOUND, "alpha stands at zero: only losses move the variance"),
        (moving[LOSSES] and k <= 0.0, VolatilityStatus.AT_BOUND, "alpha + gamma stands at zero: only gains move the variance"),
        (
            moving[THICKNESS] and point[THICKNESS] <= _LOWER[THICKNESS],
            VolatilityStatus.DF_AT_UPPER_BOUND,
            f"no heavier tail than the normal's is seen: df stands at its upper bound {LARGEST_DF:g}",
        ),
    )
    found = [(status, reason) for holds, status, reason in tests if holds]
    return (found[0][0], "; ".join(reason for _, reason in found)) if found else (VolatilityStatus.OK, "")
