"""Forward, backward and best path for any emissions: the caller gives the density of each observation in each state.

L. Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proceedings of the IEEE 77 (1989) 257-286.

Indices: `transition[i, j]` is the chance of state j after state i (statsmodels has the transpose), and `initial` are the chances of the
state of the first observation (hmmlearn's `startprob_`); `initial_time="before"` takes them one step before it (statsmodels' "known").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.chain import stationary_distribution
from risk_core.regimes.checks import RegimeError, checked_chances, checked_transitions, member, numbers
from risk_core.regimes.kernels import backward, best_path, forward

Floats = NDArray[np.float64]


class InitialTime(StrEnum):
    """The time of the initial probabilities."""

    FIRST = "first"
    """Of the first observation (hmmlearn, Rabiner)."""
    BEFORE = "before"
    """One step before: the first observation's state has had one transition (statsmodels, Hamilton)."""


@dataclass(frozen=True, slots=True, eq=False)
class StateProbabilities:
    """Probabilities of the state at each step, oldest first; every row sums to one.

    Parameters
    ----------
    log_likelihood : float
        Of all observations, natural logarithm.
    log_likelihoods : float64[T]
        Of each observation given those before.
    predicted : float64[T, K]
        P(state of t | observations before t).
    filtered : float64[T, K]
        P(state of t | observations to t).
    smoothed : float64[T, K]
        P(state of t | all observations): knows the future of t.
    transitions : float64[K, K]
        Expected number of each transition, given all observations.
    ahead : float64[K] or None
        P(state of T + 1 | all observations); None where transitions vary and the next is not given.
    """

    log_likelihood: float
    log_likelihoods: Floats = field(repr=False)
    predicted: Floats = field(repr=False)
    filtered: Floats = field(repr=False)
    smoothed: Floats = field(repr=False)
    transitions: Floats
    ahead: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class StatePath:
    """The likeliest sequence of states: `states` int64[T] and its joint log probability with the observations."""

    states: NDArray[np.int64] = field(repr=False)
    log_probability: float

    @property
    def probability(self) -> float:
        """Its exponential; zero where that is too small for a float."""
        return float(np.exp(self.log_probability))


def forward_backward(
    densities: ArrayLike,
    transition: ArrayLike,
    initial: ArrayLike | None = None,
    *,
    logs: bool = False,
    initial_time: InitialTime | str = InitialTime.FIRST,
) -> StateProbabilities:
    """Return predicted, filtered and smoothed probabilities, by scaled passes that do not underflow.

    Parameters
    ----------
    densities : float64[T, K]
        Density (or probability) of each observation in each state, not negative; log densities if `logs`.
    transition : float64[K, K] or float64[T, K, K]
        Row i: chances of the next state after state i. If it varies, transition[t] leads into step t; the first is read only if
        `initial_time` is "before".
    initial : float64[K], optional
        Stationary if not given (of the first matrix).
    logs : bool
    initial_time : InitialTime or str

    Raises
    ------
    RegimeError
        For shapes that do not fit, NaN, rows that do not sum to one, or an observation that no reachable state can give.
    """
    dense, shift = _relative(densities, logs)
    matrices, first = _chain(transition, initial, dense.shape, initial_time)
    predicted, filtered, smoothed = np.empty_like(dense), np.empty_like(dense), np.empty_like(dense)
    scale, pairs = np.empty(len(dense)), np.empty(matrices.shape[1:])
    impossible = forward(dense, matrices, first, predicted, filtered, scale)
    if impossible >= 0:
        raise RegimeError(f"observation {impossible} has no density in any state that can be reached; mend it, or the emissions")
    backward(dense, matrices, filtered, scale, smoothed, pairs)
    each = np.log(scale) + shift
    following = np.asarray(filtered[-1] @ matrices[0], np.float64) if len(matrices) == 1 else None
    return StateProbabilities(float(np.sum(each)), each, predicted, filtered, smoothed, pairs, following)


def viterbi(
    densities: ArrayLike,
    transition: ArrayLike,
    initial: ArrayLike | None = None,
    *,
    logs: bool = False,
    initial_time: InitialTime | str = InitialTime.FIRST,
) -> StatePath:
    """Return the likeliest sequence of states (A. Viterbi 1967); of equal ones the lower state. Arguments as of `forward_backward`.

    Raises
    ------
    RegimeError
        As `forward_backward`, and where every path is impossible.
    """
    dense, shift = _relative(densities, logs)
    matrices, first = _chain(transition, initial, dense.shape, initial_time)
    path = np.empty(len(dense), np.int64)
    with np.errstate(divide="ignore"):
        value = float(best_path(np.log(dense), np.log(matrices), np.log(first), path))
    if value == -np.inf:
        raise RegimeError("no sequence of states can give these observations; mend them, or the emissions")
    return StatePath(path, value + float(np.sum(shift)))


def forward_probabilities(densities: ArrayLike, transition: ArrayLike, initial: ArrayLike | None = None) -> Floats:
    """Return alpha float64[T, K], unscaled: P(observations to t, state of t), as textbooks print it. For short series.

    Raises
    ------
    RegimeError
        As `forward_backward`, and where the numbers underflow.
    """
    found = forward_backward(densities, transition, initial)
    return _unscaled(np.exp(np.cumsum(found.log_likelihoods))[:, None] * found.filtered)


def backward_probabilities(densities: ArrayLike, transition: ArrayLike) -> Floats:
    """Return beta float64[T, K], unscaled: P(observations after t | state of t), ones in the last row. For short series.

    Raises
    ------
    RegimeError
        For shapes that do not fit, NaN, rows that do not sum to one, or where the numbers underflow.
    """
    dense, shift = _relative(densities, False)
    dense = dense * np.exp(shift)[:, None]
    matrices = checked_transitions(transition, len(dense))
    beta = np.ones_like(dense)
    for t in range(len(dense) - 2, -1, -1):
        beta[t] = matrices[t + 1 if len(matrices) > 1 else 0] @ (dense[t + 1] * beta[t + 1])
    return _unscaled(beta)


def categorical_densities(emission: ArrayLike, observations: ArrayLike) -> Floats:
    """Return the probability of each observed symbol in each state, float64[T, K], for `forward_backward` and `viterbi`.

    Parameters
    ----------
    emission : float64[K, M]
        Row k: probabilities of the M symbols in state k.
    observations : int[T]
        Symbols 0 to M - 1.

    Raises
    ------
    RegimeError
        For rows that do not sum to one, or a symbol that is none.
    """
    table = numbers(emission, "emission")
    if table.ndim != 2 or table.size == 0:
        raise RegimeError(f"emission must have the shape (states, symbols), not {table.shape}")
    rows = np.array([checked_chances(row, f"row {k} of emission") for k, row in enumerate(table)])
    seen = np.asarray(observations)
    if seen.ndim != 1 or seen.size == 0 or seen.dtype.kind not in "iu":
        raise RegimeError("observations must be a vector of whole numbers, one symbol for each step")
    bad = np.flatnonzero((seen < 0) | (seen >= rows.shape[1]))
    if bad.size:
        raise RegimeError(f"observation {bad[0]} is {seen[bad[0]]}: symbols are 0 to {rows.shape[1] - 1}")
    return np.ascontiguousarray(rows[:, seen].T)


def _relative(densities: ArrayLike, logs: bool) -> tuple[Floats, Floats]:
    """Return the densities over the largest of their step, and the logarithms of that."""
    array = numbers(densities, "densities")
    if array.ndim != 2 or array.size == 0:
        raise RegimeError(f"densities must have the shape (steps, states), not {array.shape}")
    bad = np.isnan(array) | (array == np.inf) | (not logs and array < 0.0)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise RegimeError(
            f"densities are {array[row, column]} at step {row}, state {column}: they must be finite{'' if logs else ' and not negative'}"
        )
    largest = array.max(axis=1)
    nothing = np.flatnonzero(largest == (-np.inf if logs else 0.0))
    if nothing.size:
        raise RegimeError(f"observation {nothing[0]} has no density in any state; mend it, or the emissions")
    if logs:
        return np.exp(array - largest[:, None]), largest
    return np.asarray(array / largest[:, None], np.float64), np.log(largest)


def _chain(transition: ArrayLike, initial: ArrayLike | None, shape: tuple[int, ...], time: InitialTime | str) -> tuple[Floats, Floats]:
    matrices = checked_transitions(transition, shape[0])
    states = matrices.shape[1]
    if shape[1] != states:
        raise RegimeError(f"densities have {shape[1]} states, the transition matrix {states}")
    first = stationary_distribution(matrices[0]) if initial is None else checked_chances(initial, "initial", states)
    if member(InitialTime, time, "initial_time") is InitialTime.BEFORE:
        first = first @ matrices[0]
    return matrices, first


def _unscaled(values: Floats) -> Floats:
    if not (values.max(axis=1) >= 1e-290).all():
        raise RegimeError("the probabilities are too small for unscaled numbers; use forward_backward")
    return values
