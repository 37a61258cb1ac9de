"""How many states: BIC, AIC, and the likelihood of days that no parameter has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from risk_core.regimes.checks import RegimeError, checked_integer, checked_matrix, checked_states, member
from risk_core.regimes.fit import HmmFit, HmmStatus, fit_hmm
from risk_core.regimes.model import HiddenMarkovModel


class Criterion(StrEnum):
    """What decides."""

    BIC = "bic"
    AIC = "aic"
    OUT_OF_SAMPLE = "out_of_sample"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A number of states and what speaks for it.

    Parameters
    ----------
    states : int
    log_likelihood, bic, aic : float
        Of the fit to the whole series.
    out_of_sample : float
        Mean log density of a held-out day given the days before it, parameters from before its fold.
    status : HmmStatus
        Of the fit to the whole series.
    fit : HmmFit
    """

    states: int
    log_likelihood: float
    bic: float
    aic: float
    out_of_sample: float
    status: HmmStatus
    fit: HmmFit


@dataclass(frozen=True, slots=True, eq=False)
class StateChoice:
    """The candidates in the order asked for, and the best by each criterion."""

    candidates: tuple[Candidate, ...]
    criterion: Criterion

    def by(self, criterion: Criterion | str) -> Candidate:
        """Return the best by one criterion: of those without an empty or floored state, if there is one; of equal ones the smaller."""
        rule = member(Criterion, criterion, "criterion")
        sound = [c for c in self.candidates if c.status not in (HmmStatus.EMPTY_STATE, HmmStatus.FLOORED)] or list(self.candidates)
        if rule is Criterion.OUT_OF_SAMPLE:
            return min(sound, key=lambda c: (-c.out_of_sample, c.states))
        return min(sound, key=lambda c: (c.bic if rule is Criterion.BIC else c.aic, c.states))

    @property
    def best(self) -> Candidate:
        """By `criterion`."""
        return self.by(self.criterion)


def choose_states(
    series: ArrayLike,
    candidates: Sequence[int] = (2, 3, 4, 5, 6),
    *,
    criterion: Criterion | str = Criterion.BIC,
    folds: int = 4,
    first_share: float = 0.5,
    **options: Any,
) -> StateChoice:
    """Fit each number of states, and score it on days it has not seen.

    The days after the first share are cut into folds. The model of a fold is fitted to all days before it; its filter runs on through
    the fold, so that each day is forecast from the days before it alone.

    Parameters
    ----------
    series : float64[T] or float64[T, D]
        Returns, oldest first.
    candidates : sequence of int
        Numbers of states, 2 to 6, each once.
    criterion : Criterion or str
    folds : int
    first_share : float
        Of the days that the first fold's model is fitted to, in (0, 1).
    **options
        Of `fit_hmm`.

    Raises
    ------
    RegimeError
        For too few days before the first fold, or as `fit_hmm`.
    """
    wanted = [checked_states(k) for k in candidates]
    if not wanted or len(set(wanted)) != len(wanted):
        raise RegimeError(f"candidates must be different numbers of states, not {candidates!r}")
    rule = member(Criterion, criterion, "criterion")
    checked_integer(folds, "folds", 1)
    if not 0.0 < first_share < 1.0:
        raise RegimeError(f"first_share must lie strictly between 0 and 1, not {first_share!r}")
    y = checked_matrix(series)
    cuts = np.rint(np.linspace(first_share * len(y), len(y), folds + 1)).astype(np.int64)
    if (np.diff(cuts) < 1).any():
        raise RegimeError(f"{len(y)} observations are too few for {folds} folds")
    found = []
    for states in wanted:
        total = 0.0
        for begin, end in pairwise(cuts.tolist()):
            total += out_of_sample(fit_hmm(y[:begin], states, **options).model, y[:end], begin)
        fit = fit_hmm(y, states, **options)
        held = total / float(cuts[-1] - cuts[0])
        found.append(Candidate(states, fit.log_likelihood, fit.bic, fit.aic, held, fit.status, fit))
    return StateChoice(tuple(found), rule)


def out_of_sample(model: HiddenMarkovModel, series: ArrayLike, begin: int) -> float:
    """Return the sum of the log densities of the observations from `begin` on, each given all before it."""
    each = model.filter(series)[2]
    return float(np.sum(each[checked_integer(begin, "begin", 0, len(each)) :]))
