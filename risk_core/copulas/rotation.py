"""Rotated pair copulas: dependence moved to another corner of the unit square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.copulas.archimedean import ArchimedeanCopula
from risk_core.copulas.checks import CopulaError, checked_members, checked_pair, checked_sample, checked_uniforms
from risk_core.copulas.protocol import FitMethod

Floats = NDArray[np.float64]

_FLIPS: Final = {90: (True, False), 180: (True, True), 270: (False, True)}
_BACK: Final = {90: 270, 180: 180, 270: 90}


@dataclass(frozen=True, slots=True)
class RotatedCopula:
    """The law of (1 - U, V), (1 - U, 1 - V) or (U, 1 - V) for (U, V) under `base`: 90, 180 or 270 degrees.

    The convention of the R package VineCopula: the density at 90 degrees is c(1 - u, v). Some systems exchange 90 and 270. 180 is the
    survival copula; 90 and 270 turn the sign of the dependence.

    Parameters
    ----------
    base : ArchimedeanCopula
        Of two columns.
    degrees : int
        90, 180 or 270.

    Raises
    ------
    CopulaError
        For another angle or dimension.
    """

    base: ArchimedeanCopula
    degrees: int

    def __post_init__(self) -> None:
        if self.degrees not in _FLIPS:
            raise CopulaError(f"degrees must be 90, 180 or 270, not {self.degrees!r}; at 0 use the copula itself")
        if self.base.dimension != 2:
            raise CopulaError(f"rotations are for two columns, not {self.base.dimension}")

    @property
    def dimension(self) -> int:
        """Two."""
        return 2

    @property
    def parameter_count(self) -> int:
        """That of the base: 1."""
        return self.base.parameter_count

    @property
    def parameter_at_end(self) -> bool:
        """That of the base."""
        return self.base.parameter_at_end

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the log density, float64[n, 2] to float64[n]."""
        return self.base.log_density(self._turned(checked_uniforms(u, 2)))

    def distribution(self, u: ArrayLike) -> Floats:
        """Return v - C(1 - u, v), u + v - 1 + C(1 - u, 1 - v) or u - C(u, 1 - v)."""
        pair = checked_uniforms(u, 2)
        inner = self.base.distribution(self._turned(pair))
        first, second = pair.T
        outer = {90: second - inner, 180: first + second - 1.0 + inner, 270: first - inner}[self.degrees]
        reached: Floats = np.minimum(np.maximum(outer, 0.0), 1.0)
        return reached

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return P(U <= u | V = v)."""
        return self._conditional(self.base.h, u, v)

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return u with h(u, v) = p."""
        return self._conditional(self.base.h_inverse, p, v)

    def transposed(self) -> RotatedCopula:
        """Return the rotation by 360 - degrees."""
        return RotatedCopula(self.base, _BACK[self.degrees])

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return tau of the base, its sign turned at 90 and 270 degrees."""
        tau = self.base.kendall_tau(i, j)
        return tau if self.degrees == 180 else -tau

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return those of the base exchanged at 180 degrees; none at 90 and 270, where they lie in the other corners."""
        checked_members(i, j, 2)
        lower, upper = self.base.tail_dependence()
        return (upper, lower) if self.degrees == 180 else (0.0, 0.0)

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, 2] inside (0, 1)."""
        return self._turned(self.base.sample(count, seed))

    @classmethod
    def fit(cls, u: ArrayLike, family: type[ArchimedeanCopula], degrees: int, method: FitMethod = FitMethod.LIKELIHOOD) -> RotatedCopula:
        """Return a family fitted to pseudo-observations turned back. Errors as `ArchimedeanCopula.fit`."""
        if degrees not in _FLIPS:
            raise CopulaError(f"degrees must be 90, 180 or 270, not {degrees!r}; at 0 use the copula itself")
        return cls(family.fit(_turned(checked_sample(u, 2), degrees), method), degrees)

    def _turned(self, pair: Floats) -> Floats:
        return _turned(pair, self.degrees)

    def _conditional(self, base: Callable[[Floats, Floats], Floats], value: ArrayLike, given: ArrayLike) -> Floats:
        first, second = checked_pair(value, given)
        flip_first, flip_second = _FLIPS[self.degrees]
        turned = base(1.0 - first if flip_first else first, 1.0 - second if flip_second else second)
        return 1.0 - turned if flip_first else turned


def _turned(pair: Floats, degrees: int) -> Floats:
    turned: Floats = np.where(_FLIPS[degrees], 1.0 - pair, pair)
    return turned
