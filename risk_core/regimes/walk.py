"""Regimes as they were known at the time: parameters of day t from data up to t, probabilities filtered."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import FEWEST, RegimeError, checked_integer, checked_matrix, checked_states
from risk_core.regimes.fit import HmmFit, HmmStatus, fit_hmm
from risk_core.regimes.labels import MatchStatus, match_states
from risk_core.regimes.model import HiddenMarkovModel

Floats = NDArray[np.float64]

_UNUSABLE = (HmmStatus.EMPTY_STATE, HmmStatus.FLOORED)


class RefitStatus(StrEnum):
    """What became of a refit."""

    OK = "ok"
    HELD = "held"
    """The fit failed or is degenerate: the former parameters stay in use."""
    RELABELLED = "relabelled"
    """States moved far, or the rule would name them otherwise: labels were given anew. The name means another state from here on."""


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """One refit.

    Parameters
    ----------
    day : int
        Its last day: the parameters come from the rows to `day`, and are in use from the filter of `day` on.
    model : HiddenMarkovModel
        In use afterwards; states and labels in the order of the first, unless relabelled.
    status : RefitStatus
    fit_status : HmmStatus or None
        Of the fit; None where it raised.
    reason : str
    """

    day: int
    model: HiddenMarkovModel
    status: RefitStatus
    fit_status: HmmStatus | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """Regimes as known at each close.

    Parameters
    ----------
    first : int
        The first day with an answer.
    filtered : float64[T - first, K]
        P(state of t | observations to t), with the parameters in use on t.
    ahead : float64[T - first, K]
        P(state of t + 1 | observations to t).
    log_densities : float64[T - first]
        Log density of the observation of t + 1 given those to t is entry t + 1 - first; the first entry is of `first` itself and of a day
        that its parameters have seen, as is that of each refit day.
    labels : tuple of tuple of str
        Of the states, each day.
    refits : tuple of Refit
    """

    first: int
    filtered: Floats = field(repr=False)
    ahead: Floats = field(repr=False)
    log_densities: Floats = field(repr=False)
    labels: tuple[tuple[str, ...], ...] = field(repr=False)
    refits: tuple[Refit, ...]

    def probability(self, label: str) -> Floats:
        """Return the filtered probability of the states of that label, float64[T - first]."""
        return np.array(
            [sum(p for p, n in zip(row, names, strict=True) if n == label) for row, names in zip(self.filtered, self.labels, strict=True)]
        )


def walk_forward(
    series: ArrayLike,
    states: int = 4,
    *,
    first: int = 500,
    every: int = 21,
    window: int | None = None,
    starts: int = 4,
    keep_labels: bool = True,
    **options: Any,
) -> WalkForward:
    """Refit on a schedule and filter, day after day; what comes after a day changes nothing of it.

    Parameters
    ----------
    series : float64[T] or float64[T, D]
        Returns, oldest first.
    states : int
    first : int
        Days of the first fit; the first answer is that of day `first` - 1, counted from zero.
    every : int
        Days from one refit to the next.
    window : int, optional
        Days that a refit looks back, at most; all if not given.
    starts : int
        Of each fit, in addition to the fixed ones (`fit_hmm`) and the former parameters.
    keep_labels : bool
        True: states of a refit are matched to the former ones and keep their labels while they lie near them. False: the rule names them
        anew each time.
    **options
        Of `fit_hmm`, but `warm` and `initial` chances.

    Raises
    ------
    RegimeError
        For too few observations, or a first fit that fails.
    """
    y = checked_matrix(series)
    checked_states(states)
    checked_integer(first, "first", max(FEWEST, 15 * states))
    checked_integer(every, "every", 1)
    if window is not None:
        checked_integer(window, "window", max(FEWEST, 15 * states))
    if len(y) < first:
        raise RegimeError(f"{len(y)} observations are fewer than the first fit asks for, {first}")
    weights = options.get("label_weights")
    filtered, ahead = np.empty((len(y) - first + 1, states)), np.empty((len(y) - first + 1, states))
    densities, labels, refits = np.empty(len(filtered)), [], []
    model: HiddenMarkovModel | None = None
    for day in range(first - 1, len(y), every):
        seen = y[max(0, day + 1 - window) if window else 0 : day + 1]
        refit = refit_model(seen, model, states, day=day, starts=starts, keep_labels=keep_labels, weights=weights, **options)
        model = refit.model
        refits.append(refit)
        end = min(day + every, len(y))
        chances, _, each = model.filter(y[:end])
        rows = slice(day - first + 1, end - first + 1)
        filtered[rows], densities[rows] = chances[day:], each[day:]
        ahead[rows] = chances[day:] @ model.transition
        labels += [model.labels] * (end - day)
    return WalkForward(first - 1, filtered, ahead, densities, tuple(labels), tuple(refits))


def refit_model(
    seen: Floats,
    former: HiddenMarkovModel | None,
    states: int = 4,
    *,
    day: int = 0,
    starts: int = 4,
    keep_labels: bool = True,
    weights: ArrayLike | None = None,
    **options: Any,
) -> Refit:
    """Fit again, and say whether the fit is used and what its states are called: one step of `walk_forward`, whose parameters these are.

    Parameters
    ----------
    seen : float64[T] or float64[T, D]
        All that may be known, oldest first.
    former : HiddenMarkovModel or None
        In use so far.

    Raises
    ------
    RegimeError
        Where there is no former model and the fit fails.
    """
    try:
        fit: HmmFit = fit_hmm(seen, states, starts=starts, warm=former, **options)
    except RegimeError as error:
        if former is None:
            raise
        return Refit(day, former, RefitStatus.HELD, None, str(error))
    if former is None:
        return Refit(day, fit.model, RefitStatus.OK, fit.status, fit.reason)
    if fit.status in _UNUSABLE:
        return Refit(day, former, RefitStatus.HELD, fit.status, fit.reason)
    if not keep_labels:
        return Refit(day, fit.model, RefitStatus.OK, fit.status, fit.reason)
    match = match_states(former.means, former.covariances, fit.model.means, fit.model.covariances, former.labels, weights=weights)
    if match.status is MatchStatus.OK:
        return Refit(day, fit.model.reordered(match.order, former.labels), RefitStatus.OK, fit.status, fit.reason)
    # the rule's own names: a name stays with what it means, and the change is said
    return Refit(day, fit.model, RefitStatus.RELABELLED, fit.status, match.reason)
