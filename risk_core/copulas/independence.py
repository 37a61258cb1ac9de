"""The independence copula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.copulas.checks import checked_dimension, checked_members, checked_pair, checked_sample, checked_uniforms, generator, kept
from risk_core.copulas.protocol import FitMethod

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IndependenceCopula:
    """C(u) = u_1 ... u_d.

    Parameters
    ----------
    dimension : int
        At least 2.
    """

    dimension: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", checked_dimension(self.dimension))

    @property
    def parameter_count(self) -> int:
        """None: 0."""
        return 0

    @property
    def parameter_at_end(self) -> bool:
        """False."""
        return False

    def log_density(self, u: ArrayLike) -> Floats:
        """Return zeros, float64[n]."""
        return np.zeros(checked_uniforms(u, self.dimension).shape[0])

    def distribution(self, u: ArrayLike) -> Floats:
        """Return the product of each row."""
        product: Floats = np.prod(checked_uniforms(u, self.dimension), axis=1)
        return product

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return u."""
        return checked_pair(u, v)[0]

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return p."""
        return checked_pair(p, v)[0]

    def transposed(self) -> Self:
        """Return itself."""
        return self

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return 0."""
        checked_members(i, j, self.dimension)
        return 0.0

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return (0, 0)."""
        checked_members(i, j, self.dimension)
        return 0.0, 0.0

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1)."""
        return kept(generator(count, seed).random((count, self.dimension)))

    @classmethod
    def fit(cls, u: ArrayLike, method: FitMethod = FitMethod.LIKELIHOOD) -> Self:
        """Return the copula of as many columns; there is nothing to fit."""
        FitMethod(method)
        return cls(checked_sample(u).shape[1])
