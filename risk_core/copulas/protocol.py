"""What a copula is to the rest of the library.

H. Joe, Dependence Modeling with Copulas (Chapman & Hall/CRC, 2014). Observations stand in rows: u is float64[n, d].
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class FitMethod(StrEnum):
    """How a parameter is found from pseudo-observations."""

    LIKELIHOOD = "likelihood"
    """Maximum pseudo-likelihood: C. Genest, K. Ghoudi and L.-P. Rivest, Biometrika 82 (1995) 543-552."""
    KENDALL_TAU = "kendall_tau"
    """The parameter at which the family has the Kendall tau of the sample: C. Genest and L.-P. Rivest, JASA 88 (1993) 1034-1043."""


class Dependence(Protocol):
    """A joint law of uniforms: what scenarios are drawn from."""

    @property
    def dimension(self) -> int:
        """Number of columns d >= 2."""
        ...

    @property
    def parameter_count(self) -> int:
        """Free parameters, as AIC and BIC count them."""
        ...

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the logarithm of the density, float64[n, d] to float64[n]."""
        ...

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1); the same seed gives the same bits."""
        ...


class Copula(Dependence, Protocol):
    """A parametric copula whose pairs have closed forms."""

    def distribution(self, u: ArrayLike) -> Floats:
        """Return P(U_1 <= u_1, ..., U_d <= u_d), float64[n, d] to float64[n]."""
        ...

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return Kendall's tau of columns i and j."""
        ...

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return (lower, upper): the limits of P(U_j <= q | U_i <= q) as q -> 0 and of P(U_j > q | U_i > q) as q -> 1."""
        ...


class PairCopula(Copula, Protocol):
    """A copula of two columns, with its conditional law."""

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return P(U <= u | V = v) = dC(u, v)/dv: the first column given the second (Aas et al. 2009)."""
        ...

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return the u at which h(u, v) = p."""
        ...

    def transposed(self) -> PairCopula:
        """Return the copula of (V, U): its h is the second column given the first."""
        ...


class FittableCopula(Copula, Protocol):
    """A copula whose class knows how to fit it: all but `RotatedCopula`, which must be told its base and angle."""

    @classmethod
    def fit(cls, u: ArrayLike, method: FitMethod = FitMethod.LIKELIHOOD) -> Self:
        """Return the copula fitted to pseudo-observations float64[n, d]."""
        ...
