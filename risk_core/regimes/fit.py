"""Hidden Markov models of returns by expectation-maximisation from many starts; the same seed gives the same bits.

L. Baum, T. Petrie, G. Soules and N. Weiss, Annals of Mathematical Statistics 41 (1970) 164-171; J. Hamilton, Journal of Econometrics 45
(1990) 39-70; D. Peel and G. McLachlan, "Robust mixture modelling using the t distribution", Statistics and Computing 10 (2000) 339-348.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import log, pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import (
    RegimeError,
    checked_chances,
    checked_integer,
    checked_sample,
    checked_states,
    member,
)
from risk_core.regimes.em_kernels import FIXED, FREE, STATIONARY, maximise, steady
from risk_core.regimes.labels import index_moments, label_states
from risk_core.regimes.model import HiddenMarkovModel, Law
from risk_core.regimes.passes import StateProbabilities
from risk_core.regimes.starts import groupings, start

Floats = NDArray[np.float64]

THIN: Final = 20.0
"""Expected days of a state below which its numbers are not to be trusted."""
EMPTY: Final = 1.0
SPURIOUS: Final = 10.0
"""Expected days (or twice the columns) of a state below which a start gives way to one whose states all have more."""
FLOOR: Final = 1e-4
"""Least eigenvalue of a state's scale matrix, over the variances of the whole series: a deviation of a hundredth."""
_SHORT: Final = 40
_FINISHED: Final = 3
_FIRST_DF: Final = 8.0
_DF_RANGE: Final = (2.06, 199.0)


class Initial(StrEnum):
    """What becomes of the chances of the first state."""

    FREE = "free"
    """Estimated (hmmlearn)."""
    STATIONARY = "stationary"
    """The stationary distribution of the transition matrix of each step (statsmodels)."""


class HmmStatus(StrEnum):
    """How far the regimes of a fit can be trusted: the first that applies."""

    OK = "ok"
    EMPTY_STATE = "empty_state"
    """A state has less than one expected day: it is not there. Ask for fewer states."""
    FLOORED = "floored"
    """A state sits on observations that are all but equal (or columns all but collinear): its variance stopped at the floor."""
    NOT_CONVERGED = "not_converged"
    """The likelihood still rose when the steps were spent."""
    ONE_REGIME = "one_regime"
    """One law without regimes has the better BIC."""
    THIN_STATE = "thin_state"
    """A state has fewer than `THIN` expected days."""
    DF_AT_BOUND = "df_at_bound"
    """Degrees of freedom at 2.05 or 200: thicker tails than have a variance, or a normal law."""


@dataclass(frozen=True, slots=True, eq=False)
class HmmFit:
    """A fitted model with its likelihood and the probabilities of every day. States in rising order of (index) volatility.

    Parameters
    ----------
    model : HiddenMarkovModel
        With labels.
    log_likelihood : float
    parameters : int
        Free ones, those of the first state included.
    observations : int
    bic_of_one : float
        Of one law without regimes (normal, or Student t where that is fitted).
    steps : int
        Of the best start.
    starts : int
        Tried.
    agreeing : int
        Of the starts that were run to the end, those that reached the best likelihood within 0.01.
    probabilities : StateProbabilities
    status : HmmStatus
    reason : str
        Empty when "ok".
    """

    model: HiddenMarkovModel
    log_likelihood: float
    parameters: int
    observations: int
    bic_of_one: float
    steps: int
    starts: int
    agreeing: int
    probabilities: StateProbabilities = field(repr=False)
    status: HmmStatus
    reason: str

    @property
    def bic(self) -> float:
        """log(T) parameters - 2 log-likelihood: less is better."""
        return log(self.observations) * self.parameters - 2.0 * self.log_likelihood

    @property
    def aic(self) -> float:
        """2 parameters - 2 log-likelihood: less is better."""
        return 2.0 * self.parameters - 2.0 * self.log_likelihood

    @property
    def expected_days(self) -> Floats:
        """Days of the sample in each state, float64[K]: the sum of its smoothed probabilities."""
        return np.asarray(self.probabilities.smoothed.sum(axis=0), np.float64)


@dataclass(frozen=True, slots=True)
class _Rules:
    law: Law
    df: float | None
    free_means: bool
    diagonal: bool
    opening: int
    floor: float
    transition_prior: float
    variance_prior: float


@dataclass(frozen=True, slots=True)
class _Run:
    value: float
    steps: int
    settled: bool
    days: Floats
    floored: bool
    parameters: tuple[Floats, Floats, Floats, Floats, Floats]


def fit_hmm(
    series: ArrayLike,
    states: int = 4,
    *,
    law: Law | str = Law.NORMAL,
    df: float | None = None,
    free_means: bool = True,
    diagonal: bool = False,
    initial: Initial | str | ArrayLike = Initial.FREE,
    starts: int = 8,
    seed: int = 0,
    warm: HiddenMarkovModel | None = None,
    steps: int = 2_000,
    tolerance: float = 1e-5,
    transition_prior: float = 1.0,
    variance_prior: float = 0.0,
    floor: float = FLOOR,
    label_weights: ArrayLike | None = None,
) -> HmmFit:
    """Return the hidden Markov model of greatest likelihood among many starts.

    Parameters
    ----------
    series : float64[T] or float64[T, D]
        Returns, oldest first, gains positive, of any unit: columns are standardised for the search. Finite; at least 60 rows and 15 for
        each state.
    states : int
        2 to 6.
    law : Law or str
        "normal" or "student_t".
    df : float, optional
        Degrees of freedom of every state, held; estimated for each state in [2.05, 200] if not given.
    free_means : bool
        False: every state has mean zero.
    diagonal : bool
        True: columns are uncorrelated within a state.
    initial : Initial or str or float64[K]
        Of the first state: "free", "stationary" (its part in the likelihood is not maximised over: an approximate step), or given chances
        in the order of `warm`, held.
    starts : int
        Seeded clusterings, in addition to twelve fixed cuts; with `warm` 0 takes that alone.
    seed : int
        Not negative; of PCG64.
    warm : HiddenMarkovModel, optional
        A first start, such as the former fit; of the same law and shape.
    steps : int
        At most, from the best starts; 0 leaves `warm` as it is.
    tolerance : float
        Least gain of log-likelihood in a step; -inf takes all steps.
    transition_prior : float
        Dirichlet concentration of each row, at least one. 1: none.
    variance_prior : float
        Days of the whole series' variance that each state's scale is mixed with. 0: none. (A prior that is not in the unit of the returns,
        as hmmlearn's default of 0.01, would swamp them.)
    floor : float
        Least eigenvalue of a state's scale matrix in standardised units.
    label_weights : float64[D], optional
        Of the columns in the return that labels and order look at; equal if not given.

    Returns
    -------
    HmmFit

    Raises
    ------
    RegimeError
        For a series that is empty, not finite, too short or constant, or impossible options.

    Examples
    --------
    >>> truth = HiddenMarkovModel([0.5, 0.5], [[0.98, 0.02], [0.05, 0.95]], [0.05, -0.1], [0.5, 6.0])
    >>> fit_hmm(truth.simulate(1500, 1)[1], 2).model.labels
    ('calm', 'crisis')
    """
    count = checked_states(states)
    raw = checked_sample(series, count)
    rules = _Rules(
        member(Law, law, "law"),
        None if df is None else _between(df, "df", 2.05, 1e6),
        free_means,
        diagonal,
        _opening(initial),
        _between(floor, "floor", 1e-12, 1.0),
        _between(transition_prior, "transition_prior", 1.0, 1e12),
        _between(variance_prior, "variance_prior", 0.0, 1e12),
    )
    checked_integer(starts, "starts", 0)
    checked_integer(steps, "steps", 0)
    checked_integer(seed, "seed", 0)
    if np.isnan(tolerance):
        raise RegimeError("tolerance must be a number, not NaN")
    centre = raw.mean(axis=0) if free_means else np.zeros(raw.shape[1])
    unit = np.sqrt(np.mean((raw - centre) ** 2, axis=0))
    y = np.ascontiguousarray((raw - centre) / unit)
    points: list[tuple[Floats, ...]] = []
    if warm is not None:
        points.append(_standardised(warm, centre, unit, rules, (count, raw.shape[1])))
    if warm is None or starts > 0:
        first_df = np.full(count, _FIRST_DF if rules.df is None else rules.df)
        points += [(*start(y, g, count, diagonal, free_means), first_df) for g in groupings(y, count, starts, seed)]
    if rules.opening == FIXED:
        given = checked_chances(initial, "initial", count)
        points = [(given, *p[1:]) for p in points]
    elif rules.opening == STATIONARY:
        points = [(steady(p[1]), *p[1:]) for p in points]
    run, agreeing = _best(y, points, rules, steps, tolerance)
    return _result(raw, run, rules, (centre, unit), len(points), agreeing, label_weights)


def _best(y: Floats, points: list[tuple[Floats, ...]], rules: _Rules, steps: int, tolerance: float) -> tuple[_Run, int]:
    """Run every start a little, the best few to the end; of equal ones the first."""
    if len(points) == 1:
        return _run(y, points[0], rules, steps, tolerance), 1
    short = [_run(y, p, rules, min(_SHORT, steps), tolerance) for p in points]
    order = sorted(range(len(short)), key=lambda r: (*_worth(short[r], y), -r), reverse=True)[:_FINISHED]
    ends = []
    for r in order:
        end = _run(y, short[r].parameters, rules, max(steps - short[r].steps, 0), tolerance)
        ends.append(replace(end, steps=end.steps + short[r].steps))
    best = max(range(len(ends)), key=lambda r: (*_worth(ends[r], y), -order[r]))
    return ends[best], sum(abs(end.value - ends[best].value) <= 0.01 for end in ends)


def _worth(run: _Run, y: Floats) -> tuple[bool, float]:
    """A likelihood without bound at a state of a few days or of no variance is no maximum that is sought."""
    return not run.floored and float(run.days.min()) >= max(SPURIOUS, 2.0 * y.shape[1]), run.value


def _run(y: Floats, point: tuple[Floats, ...], rules: _Rules, steps: int, tolerance: float) -> _Run:
    initial, transition, means, scales, df = (np.array(array, np.float64, order="C") for array in point)
    student = rules.law is Law.STUDENT_T
    value, taken, settled, days, floored = maximise(
        y,
        initial,
        transition,
        means,
        scales,
        df,
        student,
        student and rules.df is None,
        rules.free_means,
        rules.diagonal,
        rules.opening,
        rules.floor,
        rules.transition_prior,
        rules.variance_prior,
        steps,
        float(tolerance),
    )
    return _Run(value, taken, settled, days, bool(floored.any()), (initial, transition, means, scales, df))


def _result(
    raw: Floats, run: _Run, rules: _Rules, unit: tuple[Floats, Floats], starts: int, agreeing: int, label_weights: ArrayLike | None
) -> HmmFit:
    initial, transition, means, scales, df = run.parameters
    centre, size = unit
    count, d = raw.shape
    k = len(initial)
    student = rules.law is Law.STUDENT_T
    transition = transition / transition.sum(axis=1, keepdims=True)
    model = HiddenMarkovModel(
        initial / initial.sum(), transition, means * size + centre, scales * np.outer(size, size), df if student else None
    )
    m, s = index_moments(model.means, model.covariances, label_weights)
    model = model.reordered(np.argsort(s, kind="stable"))
    m, s = index_moments(model.means, model.covariances, label_weights)
    model = model.labelled(label_states(m, s))
    each = (d if rules.free_means else 0) + (d if rules.diagonal else d * (d + 1) // 2) + (1 if student and rules.df is None else 0)
    parameters = k * (k - 1) + (k - 1 if rules.opening == FREE else 0) + k * each
    one = _one(raw, rules)
    probabilities = model.probabilities(raw)
    fit = HmmFit(
        model=model,
        log_likelihood=run.value - count * float(np.log(size).sum()),
        parameters=parameters,
        observations=count,
        bic_of_one=log(count) * each - 2.0 * one,
        steps=run.steps,
        starts=starts,
        agreeing=agreeing,
        probabilities=probabilities,
        status=HmmStatus.OK,
        reason="",
    )
    status, reason = _verdict(fit, run, rules)
    object.__setattr__(fit, "status", status)
    object.__setattr__(fit, "reason", reason)
    return fit


def _verdict(fit: HmmFit, run: _Run, rules: _Rules) -> tuple[HmmStatus, str]:
    days, names = fit.expected_days, fit.model.labels
    least = int(np.argmin(days))
    if days[least] < EMPTY:
        return HmmStatus.EMPTY_STATE, f"{names[least]} has {days[least]:.2g} expected days of {fit.observations}; ask for fewer states"
    if run.floored:
        return HmmStatus.FLOORED, "a state's variance stopped at the floor: drop days without moves, or columns that repeat one another"
    if not run.settled:
        return HmmStatus.NOT_CONVERGED, f"the likelihood still rose after {run.steps} steps"
    if fit.bic >= fit.bic_of_one:
        return HmmStatus.ONE_REGIME, f"BIC {fit.bic:.6g} is no better than {fit.bic_of_one:.6g} of one law"
    if days[least] < THIN:
        return HmmStatus.THIN_STATE, f"{names[least]} has {days[least]:.3g} expected days of {fit.observations}; {THIN:g} are wanted"
    df = fit.model.df
    if df is not None and rules.df is None:
        edge = np.flatnonzero((df <= _DF_RANGE[0]) | (df >= _DF_RANGE[1]))
        if edge.size:
            return HmmStatus.DF_AT_BOUND, f"degrees of freedom of {names[edge[0]]} stopped at {df[edge[0]]:.4g}"
    return HmmStatus.OK, ""


def _one(raw: Floats, rules: _Rules) -> float:
    """Return the log-likelihood of one law without regimes."""
    count, d = raw.shape
    centre = raw.mean(axis=0) if rules.free_means else np.zeros(d)
    unit = np.sqrt(np.mean((raw - centre) ** 2, axis=0))
    y = np.ascontiguousarray((raw - centre) / unit)
    spread = np.eye(d) if rules.diagonal else y.T @ y / count
    shift = count * float(np.log(unit).sum())
    if rules.law is Law.NORMAL:
        values = np.maximum(np.linalg.eigvalsh(spread), rules.floor)
        return float(-0.5 * count * (d * (log(2.0 * pi) + 1.0) + np.log(values).sum()) - shift)
    point: tuple[Floats, ...] = (
        np.ones(1),
        np.ones((1, 1)),
        np.zeros((1, d)),
        spread[None],
        np.array([_FIRST_DF if rules.df is None else rules.df]),
    )
    return float(_run(y, point, rules, 500, 1e-6).value - shift)


def _standardised(
    warm: HiddenMarkovModel, centre: Floats, unit: Floats, rules: _Rules, shape: tuple[int, int]
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    if (warm.states, warm.dimensions) != shape or warm.law is not rules.law:
        raise RegimeError(f"warm is a {warm.law} model of {warm.states} states and {warm.dimensions} columns; the fit is another")
    df = np.full(warm.states, _FIRST_DF) if warm.df is None else warm.df if rules.df is None else np.full(warm.states, rules.df)
    return warm.initial, warm.transition, (warm.means - centre) / unit, warm.scales / np.outer(unit, unit), df


def _opening(initial: Initial | str | ArrayLike) -> int:
    if not isinstance(initial, str):
        return FIXED
    return FREE if member(Initial, initial, "initial") is Initial.FREE else STATIONARY


def _between(value: float, name: str, least: float, most: float) -> float:
    if not least <= value <= most:
        raise RegimeError(f"{name} must lie between {least:g} and {most:g}, not {value!r}")
    return float(value)
