"""Names of regimes, by a rule; and their states found again after a refit, so that a name never changes its meaning silently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, numbers

Floats = NDArray[np.float64]

BULL: Final = "bull"
BEAR: Final = "bear"
NEUTRAL: Final = "neutral"
CRISIS: Final = "crisis"
CALM: Final = "calm"
FAR: Final = 0.5
"""Hellinger distance from which a matched state is called another one: two normal laws of one mean whose deviations differ threefold are
0.48 apart."""


class MatchStatus(StrEnum):
    """Whether labels still mean what they did."""

    OK = "ok"
    MOVED = "moved"
    """A matched state lies `FAR` or more from the one whose label it takes."""
    RULE_DISAGREES = "rule_disagrees"
    """The rule applied afresh would name the states otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class StateMatch:
    """The states of a refit in the order of a reference.

    Parameters
    ----------
    order : int64[K]
        State `order[k]` of the refit is state k of the reference.
    distances : float64[K]
        Hellinger distance of each pair, 0 (one law) to 1.
    status : MatchStatus
    reason : str
        Empty when "ok".
    """

    order: NDArray[np.int64]
    distances: Floats
    status: MatchStatus
    reason: str


def label_states(means: ArrayLike, deviations: ArrayLike) -> tuple[str, ...]:
    """Return a name for each state.

    The rule: the state of the greatest volatility is "crisis". Of the others the one of the greatest mean is "bull" and the one of the
    least mean "bear"; between them stand "neutral" states, numbered by rising mean where there are several ("neutral_1", ...). With two
    states the other is "calm". Equal means go by volatility, the calmer being the better; all else equal, by position.

    Parameters
    ----------
    means, deviations : float64[K]
        Of each state's returns (gains positive), in one unit. K from 2 to 6.

    Raises
    ------
    RegimeError
        For other shapes, or values that are not finite.

    Examples
    --------
    >>> label_states([0.1, -0.2, 0.0, -0.1], [0.7, 3.0, 0.9, 1.2])
    ('bull', 'crisis', 'neutral', 'bear')
    """
    m, s = numbers(means, "means"), numbers(deviations, "deviations")
    if m.ndim != 1 or m.shape != s.shape or not 2 <= m.size <= 6:
        raise RegimeError(f"means and deviations must have one shape (K,), K from 2 to 6, not {m.shape} and {s.shape}")
    if not (np.isfinite(m).all() and (s >= 0.0).all() and np.isfinite(s).all()):
        raise RegimeError("means and deviations must be finite, deviations not negative")
    wildest = max(range(m.size), key=lambda k: (s[k], -m[k], -k))
    others = sorted((k for k in range(m.size) if k != wildest), key=lambda k: (m[k], -s[k], k))
    names = {wildest: CRISIS}
    if len(others) == 1:
        names[others[0]] = CALM
    else:
        between = others[1:-1]
        names |= {others[0]: BEAR, others[-1]: BULL}
        names |= {k: NEUTRAL if len(between) == 1 else f"{NEUTRAL}_{n}" for n, k in enumerate(between, 1)}
    return tuple(names[k] for k in range(m.size))


def hellinger(means: ArrayLike, covariances: ArrayLike, other_means: ArrayLike, other_covariances: ArrayLike) -> Floats:
    """Return the Hellinger distance of the normal law of each state from that of each other, float64[K, L]: no unit, 0 to 1.

    Parameters
    ----------
    means, other_means : float64[K, D], float64[L, D]
    covariances, other_covariances : float64[K, D, D], float64[L, D, D]
        Positive definite.

    Raises
    ------
    RegimeError
        For shapes that do not fit or a matrix that is not positive definite.
    """
    m, c = numbers(means, "means"), numbers(covariances, "covariances")
    n, d = numbers(other_means, "other_means"), numbers(other_covariances, "other_covariances")
    if m.ndim != 2 or n.ndim != 2 or m.shape[1] != n.shape[1] or c.shape != (*m.shape, m.shape[1]) or d.shape != (*n.shape, n.shape[1]):
        raise RegimeError("means must be (K, D) and covariances (K, D, D), with one D")
    result = np.empty((len(m), len(n)))
    for k in range(len(m)):
        for j in range(len(n)):
            middle = 0.5 * (c[k] + d[j])
            signs, logs = np.linalg.slogdet(np.stack([c[k], d[j], middle]))
            if not (signs > 0.0).all():
                raise RegimeError(f"the covariance of state {k} or {j} is not positive definite")
            gap = m[k] - n[j]
            overlap = 0.25 * (logs[0] + logs[1]) - 0.5 * logs[2] - 0.125 * gap @ np.linalg.solve(middle, gap)
            result[k, j] = np.sqrt(max(0.0, -np.expm1(min(overlap, 0.0))))
    return result


def match_states(
    means: ArrayLike,
    covariances: ArrayLike,
    other_means: ArrayLike,
    other_covariances: ArrayLike,
    labels: tuple[str, ...] | None = None,
    *,
    weights: ArrayLike | None = None,
    far: float = FAR,
) -> StateMatch:
    """Find the states of a reference again in a refit: the assignment of least total squared Hellinger distance.

    Parameters
    ----------
    means, covariances : float64[K, D], float64[K, D, D]
        Of the reference.
    other_means, other_covariances : float64[K, D], float64[K, D, D]
        Of the refit.
    labels : tuple of str, optional
        Of the reference; given, the rule is applied to the refit and compared.
    weights : float64[D], optional
        Of the columns in the return that the rule looks at; equal if not given.
    far : float
        Distance from which a state has moved.

    Raises
    ------
    RegimeError
        For shapes that do not fit or another number of states.
    """
    from scipy.optimize import linear_sum_assignment

    distance = hellinger(means, covariances, other_means, other_covariances)
    if distance.shape[0] != distance.shape[1]:
        raise RegimeError(f"the reference has {distance.shape[0]} states, the refit {distance.shape[1]}: labels cannot be carried over")
    order = np.asarray(linear_sum_assignment(distance**2)[1], np.int64)
    kept = distance[np.arange(len(order)), order]
    if labels is not None:
        m, s = index_moments(numbers(other_means, "other_means")[order], numbers(other_covariances, "other_covariances")[order], weights)
        fresh = label_states(m, s)
        changed = [f"{old} would be {new}" for old, new in zip(labels, fresh, strict=True) if old != new]
        if changed:
            return StateMatch(order, kept, MatchStatus.RULE_DISAGREES, "by the rule " + ", ".join(changed))
    worst = int(np.argmax(kept))
    if kept[worst] >= far:
        name = labels[worst] if labels else f"state {worst}"
        return StateMatch(order, kept, MatchStatus.MOVED, f"{name} lies {kept[worst]:.2f} (Hellinger) from where it was; {far:g} is far")
    return StateMatch(order, kept, MatchStatus.OK, "")


def index_moments(means: Floats, covariances: Floats, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return mean and deviation of one combination of the columns in each state, float64[K] each; equal weights if none are given."""
    size = means.shape[1]
    w = np.full(size, 1.0 / size) if weights is None else numbers(weights, "weights")
    if w.shape != (size,):
        raise RegimeError(f"weights must have the shape ({size},), not {w.shape}")
    return np.asarray(means @ w, np.float64), np.sqrt(np.maximum(np.einsum("i,kij,j->k", w, covariances, w), 0.0))
