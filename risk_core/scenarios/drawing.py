"""What simulated sets are drawn with: weighted moves, mixing variables, mirrored pairs, Sobol sequences."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

from risk_core.scenarios.move_checks import checked_count
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.weights import WeightError, exponential_weights

Floats = NDArray[np.float64]

_END: Final = 2.0**-33


def sobol(dimensions: int, points: int, random: np.random.Generator) -> Floats:
    """Return a scrambled Sobol sequence float64[points, dimensions], inside (0, 1)."""
    from scipy.stats import qmc  # takes a second to import

    drawn = qmc.Sobol(dimensions, scramble=True, rng=random).random(points)
    return np.clip(drawn, _END, 1.0 - _END)


def checked_exposure(exposure: ArrayLike, count: int) -> Floats:
    """Return the exposure float64[N]; ScenarioError for another shape or one that is not finite."""
    held = np.asarray(exposure, np.float64)
    if held.shape != (count,):
        raise ScenarioError(f"exposure must have one entry for each of the {count} instruments, not shape {held.shape}")
    bad = np.flatnonzero(~np.isfinite(held))
    if bad.size:
        raise ScenarioError(f"exposure is {held[bad[0]]} for instrument {bad[0]}; a book without a price has no risk to simulate")
    return held


def generator(seed: int) -> np.random.Generator:
    """Return PCG64 of a seed; ScenarioError unless it is a whole number, not negative."""
    return np.random.Generator(np.random.PCG64(checked_count(seed, "seed", 0)))


def weighted_moves(given: Floats, decay: float, degrees_of_freedom: float | None) -> Floats:
    """Return A with A A' the weighted covariance, float64[N, S]; WeightError for an impossible decay or degrees of freedom."""
    if degrees_of_freedom is not None and not degrees_of_freedom > 2.0:
        raise WeightError(f"degrees_of_freedom must be more than 2 for a variance, not {degrees_of_freedom!r}")
    weighted: Floats = given * np.sqrt(exponential_weights(given.shape[1], decay)[::-1])
    return weighted


def mixing(uniforms: Floats, degrees_of_freedom: float | None) -> Floats:
    """Return what normals are multiplied with: sqrt((df - 2) / chi-square), one for each draw."""
    if degrees_of_freedom is None:
        return np.ones_like(uniforms)
    divisor = chdtri(degrees_of_freedom, np.clip(uniforms, _END, 1.0 - _END))
    return np.asarray(np.sqrt((degrees_of_freedom - 2.0) / divisor), np.float64)


def mirrored(half: Floats) -> Floats:
    """Return each column followed by its mirror image."""
    joint = np.empty((half.shape[0], 2 * half.shape[1]))
    joint[:, ::2], joint[:, 1::2] = half, -half
    return joint
