"""The hidden chain by itself: stationary distribution, durations, transition matrices that vary."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, checked_integer, checked_transition, numbers
from risk_core.regimes.em_kernels import steady

Floats = NDArray[np.float64]


def stationary_distribution(transition: ArrayLike) -> Floats:
    """Return the long-run share of each state, float64[K]: pi = pi P, summing to one.

    Parameters
    ----------
    transition : float64[K, K]
        Row i: chances of the next state after state i.

    Raises
    ------
    RegimeError
        For rows that are no probabilities, or a chain that has no single stationary distribution (two sets of states that are never left).
    """
    matrix = checked_transition(transition)
    if _closed_classes(matrix) > 1:
        raise RegimeError("the chain has no single stationary distribution: it has more than one set of states that is never left")
    reach = _reachable(matrix)
    recurrent = np.flatnonzero((~reach | reach.T).all(axis=1))
    result = np.zeros(len(matrix))
    result[recurrent] = steady(np.ascontiguousarray(matrix[np.ix_(recurrent, recurrent)]))
    return result


def expected_durations(transition: ArrayLike) -> tuple[float | None, ...]:
    """Return the mean length of a stay in each state, in steps: 1 / (1 - transition[k, k]); None for a state that is never left.

    Raises
    ------
    RegimeError
        For rows that are no probabilities.
    """
    matrix = checked_transition(transition)
    leaves = matrix.sum(axis=1) - np.diag(matrix)
    return tuple(1.0 / float(p) if p > 0.0 else None for p in leaves)


def logistic_transitions(covariates: ArrayLike, coefficients: ArrayLike) -> Floats:
    """Return transition matrices that vary with covariates, float64[T, K, K] (Filardo 1994; Diebold, Lee and Weinbach 1994).

    P(s_t = j | s_{t-1} = i) is proportional to exp(covariates[t] @ coefficients[i, j]) for j < K - 1 and to one for the last state.

    Parameters
    ----------
    covariates : float64[T, M]
        Of the step that the transition leads into; a column of ones gives a constant.
    coefficients : float64[K, K - 1, M]

    Raises
    ------
    RegimeError
        For shapes that do not fit or values that are not finite.
    """
    x, b = numbers(covariates, "covariates"), numbers(coefficients, "coefficients")
    if x.ndim != 2 or b.ndim != 3 or b.shape[1] != b.shape[0] - 1 or b.shape[2] != x.shape[1]:
        raise RegimeError(f"covariates must be (T, M) and coefficients (K, K - 1, M), not {x.shape} and {b.shape}")
    if not (np.isfinite(x).all() and np.isfinite(b).all()):
        raise RegimeError("covariates and coefficients must be finite")
    logits = np.concatenate([np.einsum("tm,ijm->tij", x, b), np.zeros((len(x), len(b), 1))], axis=2)
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(shares / shares.sum(axis=2, keepdims=True), np.float64)


def simulate_chain(transition: ArrayLike, count: int, seed: int, initial: ArrayLike | None = None) -> NDArray[np.int64]:
    """Return a path of states, int64[count]; the first from `initial`, or from the stationary distribution.

    Raises
    ------
    RegimeError
        For rows that are no probabilities, a count below one or a negative seed.
    """
    matrix = checked_transition(transition)
    start = stationary_distribution(matrix) if initial is None else numbers(initial, "initial")
    if start.shape != matrix.shape[:1]:
        raise RegimeError(f"initial must have the shape ({len(matrix)},), not {start.shape}")
    levels = np.random.Generator(np.random.PCG64(checked_integer(seed, "seed", 0))).random(checked_integer(count, "count", 1))
    cumulated = np.cumsum(matrix, axis=1)
    cumulated[:, -1] = 1.0
    path = np.empty(count, np.int64)
    path[0] = min(int(np.searchsorted(np.cumsum(start), levels[0], side="right")), len(matrix) - 1)
    for t in range(1, count):
        path[t] = int(np.searchsorted(cumulated[path[t - 1]], levels[t], side="right"))
    return path


def _reachable(matrix: Floats) -> NDArray[np.bool_]:
    reach = (matrix > 0.0) | np.eye(len(matrix), dtype=bool)
    for _ in range(len(matrix)):
        reach = reach @ reach
    return np.asarray(reach, np.bool_)


def _closed_classes(matrix: Floats) -> int:
    reach = _reachable(matrix)
    both = reach & reach.T
    closed = [tuple(np.flatnonzero(row)) for row, out in zip(both, reach, strict=True) if (row == out).all()]
    return len(set(closed))
