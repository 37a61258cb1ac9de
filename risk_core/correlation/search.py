"""The maximum of a correlation likelihood over stationary models.

Coordinates are (total, news, losses), all in [0, 1]: total = alpha + reach gamma + beta, news its share of alpha + reach gamma, losses the
share of reach gamma in that. So the region of search is a box. Steps are of Newton's kind: the metric starts at the outer product of the
scores (Berndt, Hall, Hall and Hausman 1974) and is updated by BFGS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Evaluate = Callable[[Floats], tuple[float, Floats]]
"""From theta (alpha, gamma, beta) to a likelihood and the scores of each day float64[T, 3]."""

LARGEST_TOTAL: Final = 0.9999
CONVERGED: Final = 1e-7
"""Largest Newton decrement, in units of log-likelihood, of a search that has arrived."""
_STEPS: Final = 60
_UPPER: Final = np.array([LARGEST_TOTAL, 1.0, 1.0])
_STARTS: Final = ((0.98, 0.03), (0.95, 0.1), (0.8, 0.1), (0.99, 0.01))


def theta_of(point: Floats, reach: float) -> Floats:
    """Return (alpha, gamma, beta)."""
    total, news, losses = point
    return np.array([total * news * (1.0 - losses), total * news * losses / reach, total * (1.0 - news)])


def jacobian(point: Floats, reach: float) -> Floats:
    """Return its derivative, float64[3, 3]."""
    total, news, losses = point
    return np.array(
        [
            [news * (1.0 - losses), total * (1.0 - losses), -total * news],
            [news * losses / reach, total * losses / reach, total * news / reach],
            [1.0 - news, -total, 0.0],
        ]
    )


def best_start(evaluate: Evaluate, reach: float, asymmetric: bool) -> Floats:
    """Return the best of a few points."""
    points = [np.array([total, news, 0.3 if asymmetric else 0.0]) for total, news in _STARTS]
    return max(points, key=lambda p: evaluate(theta_of(p, reach))[0])


def maximise(evaluate: Evaluate, point: Floats, reach: float, moving: NDArray[np.bool_]) -> tuple[Floats, float, float, int]:
    """Return (point, likelihood, Newton decrement over the coordinates that may move, steps) at the end of the search."""

    def at(x: Floats) -> tuple[float, Floats, Floats]:
        value, scores = evaluate(theta_of(x, reach))
        each = scores @ jacobian(x, reach)
        return value, each.sum(axis=0), each.T @ each

    value, slope, metric = at(point)
    decrement = np.inf
    for step in range(_STEPS):
        free = moving & ~((point <= 0.0) & (slope <= 0.0)) & ~((point >= _UPPER) & (slope >= 0.0))
        if not free.any():
            return point, value, 0.0, step
        inner = metric[np.ix_(free, free)]
        inner = inner + 1e-12 * np.trace(inner) * np.eye(inner.shape[0])
        direction = np.zeros(3)
        direction[free] = np.linalg.solve(inner, slope[free])
        decrement = float(slope @ direction)
        if decrement <= CONVERGED:
            return point, value, decrement, step
        length, moved = 1.0, False
        for _ in range(25):
            trial = np.clip(point + length * direction, 0.0, _UPPER)
            found, new_slope, outer = at(trial)
            if found > value + 1e-4 * float(slope @ (trial - point)):
                moved = True
                break
            length *= 0.3
        if not moved:
            return point, value, decrement, step
        s, y = trial - point, slope - new_slope
        metric = _updated(metric, s, y) if float(s @ y) > 1e-10 * float(np.abs(s) @ np.abs(y)) else outer
        point, value, slope = trial, found, new_slope
    return point, value, decrement, _STEPS


def _updated(metric: Floats, s: Floats, y: Floats) -> Floats:
    moved = metric @ s
    result: Floats = metric - np.outer(moved, moved) / float(s @ moved) + np.outer(y, y) / float(s @ y)
    return result
