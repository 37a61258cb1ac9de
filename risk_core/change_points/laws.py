"""Laws that thresholds are calibrated on: independent normal and Student t, GARCH(1,1), exceptions. Mean zero and variance one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]
Law = Callable[[np.random.Generator, int], Floats]
"""Takes a generator and a number of observations, gives as many, oldest first."""

_BURN = 500


@dataclass(frozen=True, slots=True)
class NormalLaw:
    """Independent standard normal."""

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw."""
        return rng.standard_normal(count)


@dataclass(frozen=True, slots=True)
class StudentTLaw:
    """Independent Student t of variance one; df > 2."""

    df: float = 5.0

    def __post_init__(self) -> None:
        checked_scalar(self.df, "df", above=2.0)

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw."""
        return rng.standard_t(self.df, count) * sqrt((self.df - 2.0) / self.df)


@dataclass(frozen=True, slots=True)
class GarchLaw:
    """GARCH(1,1) of variance one, after a burn-in of 500; normal innovations, or Student t with `df`. alpha + beta < 1."""

    alpha: float = 0.08
    beta: float = 0.9
    df: float | None = None

    def __post_init__(self) -> None:
        alpha, beta = checked_scalar(self.alpha, "alpha", least=0.0), checked_scalar(self.beta, "beta", least=0.0)
        if not alpha + beta < 1.0:
            raise MeasureError(f"alpha + beta is {alpha + beta}: below 1 there is a variance to set to one")

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw."""
        shocks = (NormalLaw() if self.df is None else StudentTLaw(self.df))(rng, count + _BURN)
        return _garch(shocks, self.alpha, self.beta)[_BURN:]


@dataclass(frozen=True, slots=True)
class BernoulliLaw:
    """Independent exceptions: 1 with this probability, else 0."""

    probability: float = 0.01

    def __post_init__(self) -> None:
        if not 0.0 < self.probability < 1.0:
            raise MeasureError(f"probability must lie strictly between 0 and 1, not {self.probability!r}")

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw."""
        return (rng.random(count) < self.probability).astype(np.float64)


@njit(cache=True, nogil=True, error_model="numpy")
def _garch(shocks: Floats, alpha: float, beta: float) -> Floats:
    out, h = np.empty(shocks.shape[0]), 1.0
    for t in range(shocks.shape[0]):
        out[t] = sqrt(h) * shocks[t]
        h = 1.0 - alpha - beta + alpha * out[t] * out[t] + beta * h
    return out
