"""Newton's search for the maximum of a volatility model's likelihood, inside the box of `coordinates`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.volatility import model_kernels
from risk_core.volatility.coordinates import LOWER, UPPER, jacobian, parameters
from risk_core.volatility.model_kernels import MEAN

Floats = NDArray[np.float64]

_CONVERGED: Final = 1e-4
"""Largest Newton decrement of the whole log likelihood at a maximum: the likelihoods of EGARCH and APARCH have kinks in the mean."""
_STEPS: Final = 60
_DONE: Final = 1e-17
_CLOSE: Final = 1e-10
_EDGE: Final = 1e-12
_GAIN: Final = 1e-12
"""Three steps of less end a search that has arrived: kinks let Newton creep."""
_NEAR: Final = 1e-4
"""Decrement from which Hessians are central differences, at twice the price."""
_NOT_WANTED: Final = np.empty((0, 8))


@dataclass(frozen=True, slots=True)
class Problem:
    """The likelihood of one scaled series."""

    unit: Floats
    model: int
    normal: bool
    before: float
    moving_start: bool
    of_first: bool

    def value(self, u: Floats, each: Floats = _NOT_WANTED) -> tuple[float, Floats]:
        """Return the mean log density and its gradient in the searched coordinates; scores by theta are written to `each`.

        Minus infinity, and no gradient, where the variances run away.
        """
        theta, slope = parameters(u, self.model), np.empty(8)
        before, by_mean = self.before, 0.0
        if self.moving_start:
            away = self.unit - theta[MEAN]
            before, by_mean = float(away @ away) / away.size, -2.0 * float(away.sum()) / away.size
        found = model_kernels.likelihood(self.unit, theta, self.model, self.normal, before, by_mean, self.of_first, slope, each)
        climbing = slope @ jacobian(u, self.model) if np.isfinite(slope).all() else slope
        if not (np.isfinite(found) and np.isfinite(climbing).all()):
            return -np.inf, np.zeros(8)
        return found, climbing

    def start(self, mean: float) -> float:
        """Return the start variance at a mean."""
        return float(np.mean((self.unit - mean) ** 2)) if self.moving_start else self.before


@dataclass(frozen=True, slots=True)
class Found:
    """Where a search ended: coordinates, mean log density, its Hessian, which are free, and what a Newton step would still gain."""

    point: Floats
    value: float
    hessian: Floats
    free: NDArray[np.bool_]
    decrement: float
    count: int

    @property
    def arrived(self) -> bool:
        """Whether this is a maximum."""
        return self.decrement * self.count <= _CONVERGED


def climb(problem: Problem, point: Floats, moving: NDArray[np.bool_]) -> Found:
    """Take Newton steps inside the box until the decrement is nothing; indefinite Hessians are turned round."""
    lower, upper = LOWER[problem.model], UPPER[problem.model]
    point = np.where(moving, np.clip(point, lower, upper), point)
    value, slope = problem.value(point)
    hessian, free, decrement = np.zeros((8, 8)), moving.copy(), np.inf
    silent = 0
    if not np.isfinite(value):
        return Found(point, value, hessian, free, decrement, problem.unit.size)
    for _ in range(_STEPS):
        low, high = point <= lower + _EDGE, point >= upper - _EDGE
        free = moving & ~(low & (slope <= 0.0)) & ~(high & (slope >= 0.0))
        at = np.flatnonzero(free)
        if not at.size:
            return Found(point, value, hessian, free, 0.0, problem.unit.size)
        central = decrement < _NEAR
        hessian = _hessian(problem, point, slope, at, central)
        part = -hessian[np.ix_(at, at)]
        bends, basis = np.linalg.eigh(part)
        step = basis @ ((basis.T @ slope[at]) / np.maximum(np.abs(bends), 1e-6))
        decrement = float(slope[at] @ step) if bends[0] > 0.0 else np.inf
        if decrement <= _DONE:
            if central:
                break
            continue  # once more, with the Hessian that standard errors are read from
        if ((low[at] & (step < 0.0)) | (high[at] & (step > 0.0))).any():  # Newton leaves the box where the slope does not
            step = slope[at] / np.maximum(np.abs(np.diag(part)), 1e-6)
        if not step.any():  # nothing moves the likelihood: news at zero, and all that it would carry
            decrement = 0.0
            break
        share, moved = min(1.0, 2.0 / float(np.abs(step).max())), False
        for _ in range(20):
            trial = point.copy()
            trial[at] = np.clip(point[at] + share * step, lower[at], upper[at])
            new, new_slope = problem.value(trial)
            if new > value + 1e-4 * float(slope[at] @ (trial - point)[at]) or (decrement < _CLOSE and new >= value - 1e-13):
                moved = True
                break
            share *= 0.5
        if not moved:
            break
        silent = silent + 1 if new - value < _GAIN else 0
        point, value, slope = trial, new, new_slope
        if silent > 2 and central and decrement * problem.unit.size <= _CONVERGED:
            break
    return Found(point, value, hessian, free, decrement, problem.unit.size)


def _hessian(problem: Problem, point: Floats, slope: Floats, at: NDArray[np.int64], central: bool) -> Floats:
    """Return differences of the gradient in the coordinates `at`, inside the box; zero elsewhere."""
    lower, upper = LOWER[problem.model], UPPER[problem.model]
    hessian = np.zeros((8, 8))
    for i in at:
        size = 1e-5 * max(abs(point[i]), 0.1)
        above, below, high, low = point.copy(), point.copy(), slope, slope
        if central or point[i] + size <= upper[i]:
            above[i] = min(point[i] + size, upper[i])
            high = problem.value(above)[1]
        if central or above[i] == point[i]:
            below[i] = max(point[i] - size, lower[i])
            low = problem.value(below)[1]
        hessian[i, at] = (high - low)[at] / (above[i] - below[i])
    symmetric: Floats = 0.5 * (hessian + hessian.T)
    return symmetric
