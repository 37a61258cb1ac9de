"""Archimedean copulas: one parameter, exchangeable, sampled by frailty.

The three families share everything but their generator. A. Marshall and I. Olkin, "Families of multivariate distributions", JASA 83 (1988)
834-841; A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 7.4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from risk_core.copulas.checks import (
    CopulaError,
    checked_dimension,
    checked_members,
    checked_pair,
    checked_parameter,
    checked_sample,
    checked_uniforms,
    generator,
    kept,
)
from risk_core.copulas.dependence import sample_tau
from risk_core.copulas.protocol import FitMethod

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArchimedeanCopula(ABC):
    """The common part of Clayton, Gumbel and Frank.

    Density, h and likelihood are those of two columns; distribution, sampling, tau, tail dependence and the fit by Kendall's tau hold in
    every dimension.

    Parameters
    ----------
    theta : float
        Within `LIMITS`.
    dimension : int
        At least 2.

    Raises
    ------
    CopulaError
        For a parameter outside its limits.
    """

    theta: float
    dimension: int = 2

    LIMITS: ClassVar[tuple[float, float]]
    """Least and greatest parameter taken."""
    MEANING: ClassVar[str]
    """What the limits are, for messages."""
    SEARCH: ClassVar[tuple[float, float]]
    """Where `fit` looks: the argument of `_searched`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", checked_dimension(self.dimension))
        object.__setattr__(self, "theta", checked_parameter(self.theta, "theta", *self.LIMITS, self.MEANING))

    @classmethod
    @abstractmethod
    def theta_of_tau(cls, tau: float) -> float:
        """Return the parameter at which Kendall's tau is `tau`; CopulaError where the family has no such member."""

    @property
    @abstractmethod
    def _tau(self) -> float: ...

    @property
    @abstractmethod
    def _tails(self) -> tuple[float, float]: ...

    @abstractmethod
    def _log_density(self, u: Floats, v: Floats) -> Floats: ...

    @abstractmethod
    def _distribution(self, u: Floats, v: Floats) -> Floats: ...

    @abstractmethod
    def _h(self, u: Floats, v: Floats) -> Floats: ...

    @abstractmethod
    def _h_inverse(self, p: Floats, v: Floats) -> Floats: ...

    @abstractmethod
    def _sample(self, count: int, random: np.random.Generator) -> Floats: ...

    @classmethod
    def _searched(cls, place: float) -> float:
        return cls.theta_of_tau(place)

    @property
    def parameter_count(self) -> int:
        """One."""
        return 1

    @property
    def parameter_at_end(self) -> bool:
        """Whether the parameter is where `fit` stops looking."""
        ends = [self._searched(place) for place in self.SEARCH]
        return any(abs(self.theta - end) <= 1e-2 * abs(end) for end in ends)

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return Kendall's tau, the same for every pair."""
        checked_members(i, j, self.dimension)
        return self._tau

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return (lower, upper), the same for every pair."""
        checked_members(i, j, self.dimension)
        return self._tails

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the log density, float64[n, 2] to float64[n]; CopulaError for more than two columns."""
        self._two("density")
        pair = checked_uniforms(u, 2)
        return self._log_density(pair[:, 0], pair[:, 1])

    def distribution(self, u: ArrayLike) -> Floats:
        """Return C(u), float64[n, d] to float64[n]: C(C(u_1, u_2), u_3) and so on, as Archimedean copulas are associative."""
        columns = checked_uniforms(u, self.dimension).T
        reached = columns[0]
        for column in columns[1:]:
            reached = self._distribution(reached, column)
        bounded: Floats = np.minimum(np.maximum(reached, 0.0), 1.0)
        return bounded

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return P(U <= u | V = v); CopulaError for more than two columns."""
        self._two("h")
        return np.clip(self._h(*checked_pair(u, v)), 0.0, 1.0)

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return u with h(u, v) = p; CopulaError for more than two columns."""
        self._two("h_inverse")
        return np.clip(self._h_inverse(*checked_pair(p, v)), 0.0, 1.0)

    def transposed(self) -> Self:
        """Return itself: exchangeable."""
        return self

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1)."""
        return kept(self._sample(count, generator(count, seed)))

    @classmethod
    def fit(cls, u: ArrayLike, method: FitMethod = FitMethod.LIKELIHOOD) -> Self:
        """Return the copula fitted to pseudo-observations.

        Parameters
        ----------
        u : float64[n, d]
            Inside (0, 1): `pseudo_observations`.
        method : FitMethod
            By likelihood (d = 2) over `SEARCH`, or by Kendall's tau: the mean over all pairs.

        Raises
        ------
        CopulaError
            For fewer than ten observations, values at 0 or 1, a constant column, more than two columns by likelihood, or a tau that the
            family does not have. By likelihood, data of the wrong sign end at the edge of the search: `fit_pair` says so.
        """
        sample = checked_sample(u)
        d = sample.shape[1]
        if FitMethod(method) is FitMethod.KENDALL_TAU:
            taus = [sample_tau(sample[:, i], sample[:, j]) for i, j in combinations(range(d), 2)]
            return cls(cls.theta_of_tau(float(np.mean(taus))), d)
        if d != 2:
            raise CopulaError(
                f"{cls.__name__} has a likelihood for two columns, not {d}; fit by FitMethod.KENDALL_TAU, or fit a VineCopula"
            )
        first, second = sample.T

        def cost(place: float) -> float:
            return -float(cls(cls._searched(place))._log_density(first, second).sum())

        found = minimize_scalar(cost, bounds=cls.SEARCH, method="bounded", options={"xatol": 1e-9, "maxiter": 200})
        return cls(cls._searched(float(found.x)))

    def _two(self, what: str) -> None:
        if self.dimension != 2:
            raise CopulaError(f"{what} of {type(self).__name__} is for two columns, not {self.dimension}; a VineCopula takes more")
