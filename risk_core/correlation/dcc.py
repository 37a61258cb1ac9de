"""CCC, DCC and ADCC with GARCH margins, by maximum likelihood in two stages.

T. Bollerslev, "Modelling the coherence in short-run nominal exchange rates: a multivariate generalized ARCH model", Review of Economics and
Statistics 72 (1990) 498-505; R. Engle, "Dynamic conditional correlation", Journal of Business & Economic Statistics 20 (2002) 339-350;
L. Cappiello, R. Engle and K. Sheppard, "Asymmetric dynamics in the correlations of global equity and bond returns", Journal of Financial
Econometrics 4 (2006) 537-572.
"""

from __future__ import annotations

from enum import StrEnum
from math import log, pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_covariance, checked_matrix, moving_rows
from risk_core.correlation.errors import evaluation
from risk_core.correlation.kernels import last_q
from risk_core.correlation.result import CorrelationFit, CorrelationStatus
from risk_core.correlation.search import CONVERGED, LARGEST_TOTAL, best_start, maximise, theta_of
from risk_core.correlation.targets import Target, Targets, targets
from risk_core.measures.checks import MeasureError
from risk_core.volatility import Innovation, Start, VolatilityFit, VolatilityStatus, fit_garch

Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]

SHORTEST: Final = 100
"""Fewer days have a constant correlation."""
UNIT_ROOT: Final = 0.999
_FLAT: Final = 1e-6


class Likelihood(StrEnum):
    """What the second stage maximises."""

    FULL = "full"
    """The normal likelihood of all instruments: O(N³) a day."""
    COMPOSITE = "composite"
    """The mean of bivariate likelihoods of neighbours (0, 1), (1, 2), ...: O(N) a day (Pakel, Shephard, Sheppard and Engle 2021)."""
    ALL_PAIRS = "all_pairs"
    """The same of all pairs: O(N²) a day."""


def fit_ccc(
    returns: ArrayLike,
    *,
    asymmetric_margins: bool = False,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    variance_start: Start | str = Start.BACKCAST,
    target: Target | str | ArrayLike = Target.SECOND_MOMENT,
) -> CorrelationFit:
    """Return GARCH margins joined by a constant conditional correlation (Bollerslev 1990): the target at a unit diagonal.

    Parameters and errors are those of `fit_dcc`.
    """
    given = checked_matrix(returns)
    moving_rows(given)
    margins = _margins(given, asymmetric_margins, innovation, constant_mean, variance_start)
    residuals = np.array([m.residuals for m in margins])
    goal = targets(residuals, target)
    status = _constant_status(given.shape[1], goal)
    return _constant("ccc", margins, residuals, goal, *status)


def fit_dcc(
    returns: ArrayLike,
    *,
    asymmetric: bool = False,
    likelihood: Likelihood | str = Likelihood.FULL,
    asymmetric_margins: bool = False,
    innovation: Innovation | str = Innovation.NORMAL,
    constant_mean: bool = False,
    variance_start: Start | str = Start.BACKCAST,
    target: Target | str | ArrayLike = Target.SECOND_MOMENT,
    start: ArrayLike | None = None,
) -> CorrelationFit:
    """Return the stationary DCC(1,1), or ADCC(1,1), of greatest likelihood, correlations targeted.

    Parameters
    ----------
    returns : float64[N, T]
        Instrument-major, oldest first, of any unit, days without gaps.
    asymmetric : bool
        True: joint losses may move correlations more (ADCC).
    likelihood : Likelihood or str
        "full", or for many instruments "composite" or "all_pairs".
    asymmetric_margins, innovation, constant_mean, variance_start
        Of the margins, as `asymmetric`, `innovation`, `constant_mean` and `start` of `fit_garch`.
    target : Target, str or float64[N, N]
        What Q returns to; a matrix, such as a shrunk one, where there are few days.
    start : float64[N, N], optional
        Q of the first day; the target if not given.

    Returns
    -------
    CorrelationFit
        With status `too_short` (fewer than 100 days), `singular` or `no_dynamics` where the correlation is constant.

    Raises
    ------
    MeasureError
        For returns that are not finite, an instrument that never moves, an impossible target or start, or an unknown name.
    """
    given = checked_matrix(returns)
    moving_rows(given)
    if likelihood not in list(Likelihood):
        raise MeasureError(f"unknown likelihood {likelihood!r}; choose one of {', '.join(Likelihood)}")
    count, days = given.shape
    first = None if start is None else checked_covariance(start, "start", count)
    margins = _margins(given, asymmetric_margins, innovation, constant_mean, variance_start)
    residuals = np.array([m.residuals for m in margins])
    goal = targets(residuals, target)
    begin = np.array(goal.level if first is None else first)
    model = "adcc" if asymmetric else "dcc"
    unfit = _constant_status(days, goal, needs_inverse=likelihood == Likelihood.FULL or asymmetric)
    if unfit[0] is not CorrelationStatus.OK:
        return _constant(model, margins, residuals, goal, *unfit)
    neighbours = np.array([(i, i + 1) for i in range(count - 1)], np.int64)
    pairs: Pairs | None = np.array(np.triu_indices(count, 1), np.int64).T.copy() if likelihood == Likelihood.ALL_PAIRS else neighbours
    moving = np.array([True, True, asymmetric])
    fast = evaluation(residuals, begin, goal, pairs)
    point, composite, decrement, steps = maximise(fast, best_start(fast, goal.reach, asymmetric), goal.reach, moving)
    value = composite
    if likelihood == Likelihood.FULL:
        whole = evaluation(residuals, begin, goal, None)
        near = np.clip(point, [0.5, 0.002, 0.02 if asymmetric else 0.0], [0.998, 0.5, 0.98])  # no start on a bound, where scores vanish
        point, value, decrement, steps = maximise(whole, near, goal.reach, moving)
        pairs = None
    still = evaluation(residuals, begin, goal, pairs)(np.zeros(3))[0]
    if value <= still + _FLAT or point[1] <= 0.0 or point[0] <= 0.0:
        return _constant(
            model,
            margins,
            residuals,
            goal,
            CorrelationStatus.NO_DYNAMICS,
            "no reaction to news is seen: the correlation is constant",
        )
    theta = theta_of(point, goal.reach)
    part = value if likelihood == Likelihood.FULL else None
    status, reason = _status(point, asymmetric, decrement, steps, margins)
    return CorrelationFit(
        model=model,
        parameters=_named(theta, asymmetric),
        margins=margins,
        residuals=residuals,
        targets=goal,
        start=begin,
        q=last_q(np.ascontiguousarray(residuals.T), begin, goal.omega(theta), theta),
        log_likelihood=_joint(margins, residuals, part),
        correlation_log_likelihood=part,
        composite_log_likelihood=None if likelihood == Likelihood.FULL else composite,
        pairs=pairs,
        status=status,
        reason=reason,
    )


def _margins(
    returns: Floats, asymmetric: bool, innovation: Innovation | str, constant_mean: bool, start: Start | str
) -> tuple[VolatilityFit, ...]:
    return tuple(fit_garch(r, asymmetric=asymmetric, innovation=innovation, constant_mean=constant_mean, start=start) for r in returns)


def _named(theta: Floats, asymmetric: bool) -> dict[str, float]:
    named = {"alpha": float(theta[0]), "beta": float(theta[2])}
    return {**named, "gamma": float(theta[1])} if asymmetric else named


def _constant_status(days: int, goal: Targets, *, needs_inverse: bool = True) -> tuple[CorrelationStatus, str]:
    if days < SHORTEST:
        return CorrelationStatus.TOO_SHORT, f"{days} days; a fit needs {SHORTEST}: the correlation is that of the sample"
    if goal.singular and needs_inverse:
        count = goal.level.shape[0]
        return (
            CorrelationStatus.SINGULAR,
            f"the target of {count} instruments over {days} days is singular (eigenvalue {goal.smallest:.2g}): drop an instrument that "
            "repeats others, or give a shrunk target, or the composite likelihood",
        )
    return CorrelationStatus.OK, ""


def _constant(
    model: str,
    margins: tuple[VolatilityFit, ...],
    residuals: Floats,
    goal: Targets,
    status: CorrelationStatus,
    reason: str,
) -> CorrelationFit:
    theta = np.zeros(3)
    part = None if goal.singular else evaluation(residuals, goal.level, goal, None)(theta)[0]
    if status is CorrelationStatus.OK:
        status, reason = _margin_status(margins)
    return CorrelationFit(
        model=model,
        parameters=_named(theta, model == "adcc"),
        margins=margins,
        residuals=residuals,
        targets=goal,
        start=np.array(goal.level),
        q=np.array(goal.level),
        log_likelihood=_joint(margins, residuals, part),
        correlation_log_likelihood=part,
        status=status,
        reason=reason,
    )


def _joint(margins: tuple[VolatilityFit, ...], residuals: Floats, part: float | None) -> float | None:
    variances = np.array([m.volatility for m in margins]) ** 2
    if part is None or not (variances > 0.0).all():
        return None
    return part - 0.5 * float(np.sum(log(2.0 * pi) + np.log(variances) + residuals**2))


def _margin_status(margins: tuple[VolatilityFit, ...]) -> tuple[CorrelationStatus, str]:
    grave = (VolatilityStatus.NOT_CONVERGED, VolatilityStatus.CONSTANT, VolatilityStatus.TOO_SHORT, VolatilityStatus.DF_AT_LOWER_BOUND)
    bad = [(i, m) for i, m in enumerate(margins) if m.status in grave]
    if not bad:
        return CorrelationStatus.OK, ""
    return CorrelationStatus.MARGIN, "; ".join(f"instrument {i} is {m.status}: {m.reason}" for i, m in bad[:3])


def _status(
    point: Floats, asymmetric: bool, decrement: float, steps: int, margins: tuple[VolatilityFit, ...]
) -> tuple[CorrelationStatus, str]:
    """Return the gravest status, and the reasons of all."""
    margin = _margin_status(margins)
    tests = (
        (
            not decrement <= 1e3 * CONVERGED,
            CorrelationStatus.NOT_CONVERGED,
            f"after {steps} steps the Newton decrement is {decrement:.2g}",
        ),
        (margin[0] is not CorrelationStatus.OK, *margin),
        (
            point[0] >= min(UNIT_ROOT, LARGEST_TOTAL),
            CorrelationStatus.NEAR_UNIT_ROOT,
            f"persistence is {point[0]:.6g}: the target is hardly ever reached",
        ),
        (point[1] >= 1.0, CorrelationStatus.AT_BOUND, "beta stands at zero: only the last day moves the correlation"),
        (
            asymmetric and point[2] <= 0.0,
            CorrelationStatus.AT_BOUND,
            "gamma stands at zero: joint losses move correlations no more than gains",
        ),
        (asymmetric and point[2] >= 1.0, CorrelationStatus.AT_BOUND, "alpha stands at zero: only joint losses move correlations"),
    )
    found = [(status, reason) for holds, status, reason in tests if holds]
    return (found[0][0], "; ".join(reason for _, reason in found)) if found else (CorrelationStatus.OK, "")
