"""GARCH, GJR, EGARCH and APARCH of one series with normal, Student t or skewed t innovations, by maximum likelihood.

The gradient of the likelihood is analytic and compiled; the search is Newton's in a box, its Hessian differences of that
gradient. `fit_garch` is the faster search of its two models for the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import log, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError, checked_pnl, checked_scalar
from risk_core.volatility import model_kernels
from risk_core.volatility.coordinates import (
    LARGEST_DF,
    LOSSES,
    LOWER,
    NEWS,
    TOTAL,
    UPPER,
    from_natural,
    grid,
    jacobian,
    parameters,
    searched,
    to_natural,
)
from risk_core.volatility.garch import SHORTEST, Innovation
from risk_core.volatility.model_fit import ModelEstimate, ModelFit
from risk_core.volatility.model_kernels import ALPHA, BETA, DF, EGARCH, GAMMA, GARCH, MEAN, POWER
from risk_core.volatility.model_search import Found, Problem, climb
from risk_core.volatility.model_states import CODES, NAMES, Model, ModelState, checked_model
from risk_core.volatility.model_status import judged
from risk_core.volatility.result import VolatilityStatus

Floats = NDArray[np.float64]

_EPSILON: Final = 1e-9


class StartVariance(StrEnum):
    """Where the variance begins."""

    BACKCAST = "backcast"
    """Squares of the first 75 returns off their mean, weights falling by 0.94 (arch; there about the mean being searched)."""
    MEAN_SQUARE = "mean_square"
    """The mean square of all returns, about their sample mean if a mean is estimated."""
    SAMPLE_VARIANCE = "sample_variance"
    """The mean square of the residuals, (1 / S) sum (r - mean)², moving with the mean as it is searched: the benchmark of Fiorentini,
    Calzolari and Panattoni (1996), and what rugarch, EViews and Stata print."""


def fit_volatility(
    returns: ArrayLike,
    model: Model | str = Model.GARCH,
    *,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    asymmetric: bool = True,
    power: float | None = None,
    start: StartVariance | str | float = StartVariance.BACKCAST,
    start_is_first: bool = False,
    initial: Mapping[str, float] | None = None,
) -> ModelFit:
    """Return the volatility model of greatest likelihood.

    Parameters
    ----------
    returns : float64[S]
        Oldest first, of any unit: scaled for the search.
    model : Model or str
        "garch", "gjr", "egarch" or "aparch", one lag each.
    innovation : Innovation or str
        "normal", "student_t" or "skewed_t" (Hansen), of variance one; df in [2.05, 1000], skew in [-0.99, 0.99].
    constant_mean : bool
        True: a constant mean is estimated with the rest. False: the mean is zero.
    asymmetric : bool
        False: gamma of EGARCH and APARCH is zero. GARCH has none, GJR always.
    power : float, optional
        Of APARCH, in [0.05, 4]: held there. 1 is Zakoian's threshold GARCH of standard deviations, 2 GJR in other parameters.
    start : StartVariance, str or float
        A rule, or the variance itself in the squared unit of the returns.
    start_is_first : bool
        False: the start is the variance (and the square of the news) of the day before the first return. True: that of the first return.
    initial : mapping, optional
        Parameters by name to search from, such as those of the last fit; those not given come from the grid.

    Returns
    -------
    ModelFit
        With status `constant` or `too_short` (fewer than 100 returns) where there is nothing to estimate: the variance then is
        the mean square.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values, unknown names, an impossible power or start.
    """
    kind, law, begin = checked_model(model), _checked_law(innovation), _checked_start(start)
    if power is not None and (kind is not Model.APARCH or not LOWER[CODES[kind]][POWER] <= power <= UPPER[CODES[kind]][POWER]):
        raise MeasureError(f"power is of aparch, in [0.05, 4], not {power!r} of {kind.value}")
    series = np.array(checked_pnl(returns, "returns"))
    centre = float(series.mean()) if constant_mean else 0.0
    largest = float(np.abs(series - centre).max())
    scale = largest * sqrt(float(np.mean(((series - centre) / largest) ** 2))) if largest > 0.0 else 0.0
    if float(np.ptp(series)) <= 1e-12 * float(np.abs(series).max()):
        return _unfitted(kind, law, series, centre, scale, VolatilityStatus.CONSTANT, f"every return is {series[0]:g}")
    if series.size < SHORTEST or scale == 0.0:
        return _unfitted(kind, law, series, centre, scale, VolatilityStatus.TOO_SHORT, f"{series.size} returns; a fit needs {SHORTEST}")
    unit = (series - centre) / scale
    code, normal = CODES[kind], law is Innovation.NORMAL
    moving_start = begin is StartVariance.SAMPLE_VARIANCE
    before = _start_value(unit, begin, scale)
    problem = Problem(unit, code, normal, before, moving_start, start_is_first)
    moving = np.array(
        [
            constant_mean,
            True,
            True,
            _has_gamma(kind, asymmetric),
            True,
            kind is Model.APARCH and power is None,
            not normal,
            law is Innovation.SKEWED_T,
        ]
    )
    if code != EGARCH:  # coordinates: total, news, and losses or gamma in the places of alpha, gamma and beta
        moving[[TOTAL, NEWS, LOSSES]] = True, True, _has_gamma(kind, asymmetric)
    first = _first_point(code, normal, power)
    found = _search(problem, _starts(problem, first, asymmetric, power, initial, centre, scale), moving)
    constant = _constant_fit(problem, first, moving)
    flat = constant.value >= found.value - 1e-10 or (code != EGARCH and found.point[TOTAL] * found.point[NEWS] <= _EPSILON)
    if flat:
        found = constant
    return _fitted(kind, law, series, centre, scale, problem, found, moving, flat)


def fit_egarch(
    returns: ArrayLike,
    *,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    start: StartVariance | str | float = StartVariance.BACKCAST,
) -> ModelFit:
    """Fit EGARCH(1,1) of Nelson (1991): ln h' = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta ln h. See `fit_volatility`."""
    return fit_volatility(returns, Model.EGARCH, innovation=innovation, constant_mean=constant_mean, start=start)


def fit_aparch(
    returns: ArrayLike,
    *,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    power: float | None = None,
    start: StartVariance | str | float = StartVariance.BACKCAST,
) -> ModelFit:
    """Fit APARCH(1,1) of Ding, Granger and Engle (1993): s' = omega + alpha (|e| - gamma e)^power + beta s, h = s^(2 / power).

    See `fit_volatility`.
    """
    return fit_volatility(returns, Model.APARCH, innovation=innovation, constant_mean=constant_mean, power=power, start=start)


def _has_gamma(kind: Model, asymmetric: bool) -> bool:
    return kind is Model.GJR or (kind is not Model.GARCH and asymmetric)


def _checked_law(innovation: Innovation | str) -> Innovation:
    if innovation not in list(Innovation):
        raise MeasureError(f"unknown innovation {innovation!r}; choose one of {', '.join(Innovation)}")
    return Innovation(innovation)


def _checked_start(start: StartVariance | str | float) -> StartVariance | float:
    if isinstance(start, str):
        if start not in list(StartVariance):
            raise MeasureError(f"unknown start {start!r}; choose one of {', '.join(StartVariance)}, or give the variance")
        return StartVariance(start)
    return checked_scalar(start, "the start variance", above=0.0)


def _start_value(unit: Floats, start: StartVariance | float, scale: float) -> float:
    if isinstance(start, float):
        return start / scale**2
    if start is not StartVariance.BACKCAST:
        return float(np.mean(unit * unit))
    weights = 0.94 ** np.arange(min(75, unit.size))
    # returns of zero at the beginning would start the logarithm at nothing
    return max(float(weights @ unit[:75] ** 2 / weights.sum()), 1e-8)


def _first_point(code: int, normal: bool, power: float | None) -> Floats:
    first = np.zeros(8)
    first[POWER] = 2.0 if power is None else power
    first[DF] = 0.0 if normal else 0.125
    if code == GARCH:
        first[LOSSES] = 0.5
    return first


def _starts(
    problem: Problem,
    first: Floats,
    asymmetric: bool,
    power: float | None,
    initial: Mapping[str, float] | None,
    centre: float,
    scale: float,
) -> list[Floats]:
    """Return points to search from, the likeliest first: of each persistence of the grid the best, behind the parameters given."""
    points = grid(problem.model, first, asymmetric, power)
    likely = np.array([problem.value(p)[0] for p in points])
    persistence = points[:, BETA if problem.model == EGARCH else TOTAL]
    best = [np.flatnonzero(persistence == p)[np.argmax(likely[persistence == p])] for p in np.unique(persistence)]
    chosen = [points[k] for k in sorted(best, key=lambda k: -likely[k])]
    if initial is not None:
        unknown = set(initial) - set(NAMES)
        if unknown:
            raise MeasureError(f"unknown initial parameters {sorted(unknown)}; known are {', '.join(NAMES)}")
        theta, _ = to_natural(parameters(chosen[0], problem.model), problem.model, centre, scale)
        for at, name in enumerate(NAMES):
            theta[at] = initial.get(name, theta[at])
        warm = searched(from_natural(theta, problem.model, centre, scale), problem.model)
        if problem.normal:
            warm[DF] = 0.0
        chosen.insert(0, warm)
    return chosen


def _search(problem: Problem, points: list[Floats], moving: NDArray[np.bool_]) -> Found:
    """Return the highest maximum. One that is reached is enough for GARCH and GJR; the others have several, and all points are tried."""
    found: list[Found] = []
    for point in points:
        found.append(climb(problem, point, moving))
        if problem.model == GARCH and found[-1].arrived:
            break
    return max(found, key=lambda f: (f.arrived, f.value))


def _constant_fit(problem: Problem, first: Floats, moving: NDArray[np.bool_]) -> Found:
    """Return the fit without news: a constant variance."""
    still = moving.copy()
    still[[ALPHA, GAMMA, BETA, POWER]] = False
    return climb(problem, first, still)


def _fitted(
    kind: Model,
    law: Innovation,
    series: Floats,
    centre: float,
    scale: float,
    problem: Problem,
    found: Found,
    moving: NDArray[np.bool_],
    flat: bool,
) -> ModelFit:
    theta = parameters(found.point, problem.model)
    natural, _ = to_natural(theta, problem.model, centre, scale)
    each = np.empty((series.size, 8))
    problem.value(found.point, each)
    before = problem.start(float(theta[MEAN]))
    natural_before = before * scale**2
    level = float(model_kernels.first_level(natural, problem.model, natural_before, problem.of_first))
    named = {n: float(natural[i]) for i, n in enumerate(NAMES) if n in _names_of(kind, law)}
    path, state = ModelState(kind, named, level, natural).filter(series)
    status, reason = judged(kind, found, moving, state, flat)
    volatility = np.sqrt(path)
    estimate = ModelEstimate(
        unit=problem.unit,
        point=found.point,
        hessian=found.hessian,
        free=found.free & found.arrived,
        model=kind,
        normal=problem.normal,
        centre=centre,
        scale=scale,
        scores=each @ jacobian(found.point, problem.model),
    )
    return ModelFit(
        model=kind,
        innovation=law.value,
        parameters=named,
        volatility=volatility,
        residuals=(series - natural[MEAN]) / volatility,
        state=state,
        start_variance=natural_before,
        log_likelihood=series.size * (found.value - log(scale)),
        status=status,
        reason=reason,
        estimate=estimate,
    )


def _names_of(kind: Model, law: Innovation) -> set[str]:
    names = {"mean", "omega", "alpha", "beta"}
    names |= {"gamma"} if kind is not Model.GARCH else set()
    names |= {"power"} if kind is Model.APARCH else set()
    names |= {"df"} if law is not Innovation.NORMAL else set()
    return names | ({"skew"} if law is Innovation.SKEWED_T else set())


def _unfitted(kind: Model, law: Innovation, series: Floats, centre: float, scale: float, status: VolatilityStatus, reason: str) -> ModelFit:
    """Return the constant variance of the mean square: a GARCH state without news, under whatever law was asked for."""
    theta = np.array([centre, scale**2, 0.0, 0.0, 0.0, 2.0, np.inf, 0.0])
    named = {"mean": centre, "omega": scale**2, "alpha": 0.0, "beta": 0.0}
    if law is not Innovation.NORMAL:
        theta[DF] = named["df"] = LARGEST_DF
    if law is Innovation.SKEWED_T:
        named["skew"] = 0.0
    state = ModelState(Model.GARCH, named, scale**2, theta)
    residuals = (series - centre) / scale if scale > 0.0 else np.zeros_like(series)
    reason += "; the variance is the mean square"
    return ModelFit(kind, law.value, named, np.full(series.size, scale), residuals, state, scale**2, None, status, reason)
