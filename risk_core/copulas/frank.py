"""The Frank copula: no tail dependence, either sign."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log1p, pi
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import spence

from risk_core.copulas.archimedean import ArchimedeanCopula
from risk_core.copulas.checks import CopulaError, checked_dimension

Floats = NDArray[np.float64]

_LARGEST: Final = 500.0
_LEAST: Final = 1e-6
_SERIES: Final = 0.1


def frank_tau(theta: float) -> float:
    """Return 1 - 4/theta (1 - D(theta)), D the first Debye function; theta > 0.

    C. Genest, "Frank's family of bivariate distributions", Biometrika 74 (1987) 549-555.
    """
    if theta < _SERIES:  # the difference would cancel
        return theta / 9.0 - theta**3 / 900.0 + theta**5 / 52920.0
    debye = (pi * pi / 6.0 + theta * log1p(-np.exp(-theta)) - float(spence(-expm1(-theta)))) / theta
    return 1.0 - 4.0 / theta * (1.0 - debye)


@dataclass(frozen=True, slots=True)
class FrankCopula(ArchimedeanCopula):
    """C(u, v) = -1/theta log(1 + (exp(-theta u) - 1)(exp(-theta v) - 1) / (exp(-theta) - 1)), theta != 0.

    tau by the Debye function (`frank_tau`), odd in theta; no tail dependence; radially symmetric. Negative dependence, theta < 0, is for
    two columns: it is theta > 0 seen in (u, 1 - v). M. Frank, Aequationes Mathematicae 19 (1979) 194-226.

    Parameters
    ----------
    theta : float
        In [-500, 500] and 1e-6 away from 0.
    dimension : int
    """

    LIMITS: ClassVar[tuple[float, float]] = (-_LARGEST, _LARGEST)
    MEANING: ClassVar[str] = "not 0, which would be independence: IndependenceCopula"
    SEARCH: ClassVar[tuple[float, float]] = (-100.0, 100.0)

    def __post_init__(self) -> None:
        ArchimedeanCopula.__post_init__(self)
        if abs(self.theta) < _LEAST:
            raise CopulaError(f"theta of Frank must not be 0, which would be independence: IndependenceCopula; it is {self.theta!r}")
        if self.theta < 0.0 and checked_dimension(self.dimension) > 2:
            raise CopulaError(f"Frank with theta {self.theta:g} < 0 exists for two columns, not {self.dimension}")

    @classmethod
    def theta_of_tau(cls, tau: float) -> float:
        """Return the root of the Debye relation; CopulaError unless 1e-6 < |tau| < 0.99."""
        if not _LEAST < abs(tau) < 0.99:
            raise CopulaError(f"Frank is fitted for Kendall's tau between 1e-6 and 0.99 in size, not {tau:.6g}; 0 is IndependenceCopula")
        root = brentq(lambda theta: frank_tau(theta) - abs(tau), _LEAST, _LARGEST, xtol=1e-12)
        return float(np.copysign(root, tau))

    @classmethod
    def _searched(cls, place: float) -> float:
        return float(np.copysign(max(abs(place), _LEAST), place))

    @property
    def _tau(self) -> float:
        return float(np.copysign(frank_tau(abs(self.theta)), self.theta))

    @property
    def _tails(self) -> tuple[float, float]:
        return 0.0, 0.0

    def _log_core(self, u: Floats, v: Floats) -> Floats:
        """Return log(a + b - a b - e) for a = exp(-theta u), b = exp(-theta v), e = exp(-theta): a (1 - b) + (b - e), both positive."""
        theta = abs(self.theta)
        one = -theta * u + np.log(-np.expm1(-theta * v))
        core: Floats = np.logaddexp(one, -theta * v + np.log(-np.expm1(-theta * np.maximum(1.0 - v, 1e-300))))
        return core

    def _log_density(self, u: Floats, v: Floats) -> Floats:
        theta = abs(self.theta)
        if self.theta < 0.0:
            v = 1.0 - v
        density: Floats = np.log(theta) + np.log(-np.expm1(-theta)) - theta * (u + v) - 2.0 * self._log_core(u, v)
        return density

    def _distribution(self, u: Floats, v: Floats) -> Floats:
        theta = abs(self.theta)
        second = 1.0 - v if self.theta < 0.0 else v
        if theta < 1.0:  # the difference of logarithms would cancel
            reached: Floats = -np.log1p(np.expm1(-theta * u) * np.expm1(-theta * second) / expm1(-theta)) / theta
        else:
            reached = (np.log(-np.expm1(-theta)) - self._log_core(u, second)) / theta
        return u - reached if self.theta < 0.0 else reached

    def _h(self, u: Floats, v: Floats) -> Floats:
        theta = abs(self.theta)
        if self.theta < 0.0:
            v = 1.0 - v
        below: Floats = np.exp(np.log(-np.expm1(-theta * u)) - theta * v - self._log_core(u, v))
        return below

    def _h_inverse(self, p: Floats, v: Floats) -> Floats:
        theta = abs(self.theta)
        if self.theta < 0.0:
            v = 1.0 - v
        shared = -theta * v + np.log1p(-p)
        whole = np.logaddexp(shared, np.log(p))
        near_one = whole - np.logaddexp(shared, np.log(p) - theta)
        near_zero = -np.log1p(np.maximum(np.exp(np.log(p) - whole) * expm1(-theta), -1.0 + 1e-16))
        place: Floats = np.where(near_zero < 0.5, near_zero, near_one) / theta
        return place

    def _sample(self, count: int, random: np.random.Generator) -> Floats:
        if self.dimension == 2:
            second, p = random.uniform(1e-15, 1.0, (2, count))
            return np.column_stack((self._h_inverse(p, second), second))
        # logarithmic frailty: A. Kemp, "Efficient generation of logarithmically distributed pseudo-random variables", Applied Statistics 30
        # (1981) 249-253
        one, two = random.uniform(1e-300, 1.0, (2, count, 1))
        frailty = np.floor(1.0 + np.log(two) / np.log1p(-np.exp(-self.theta * one)))
        share = np.maximum(random.standard_exponential((count, self.dimension)) / frailty, 1e-300)
        drawn: Floats = -np.logaddexp(np.log(-np.expm1(-share)), -share - self.theta) / self.theta
        return drawn
