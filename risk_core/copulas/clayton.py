"""The Clayton copula: dependent in the lower tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from risk_core.copulas.archimedean import ArchimedeanCopula
from risk_core.copulas.checks import CopulaError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClaytonCopula(ArchimedeanCopula):
    """C(u, v) = (u**-theta + v**-theta - 1)**(-1/theta), theta > 0.

    tau = theta / (theta + 2); lower tail dependence 2**(-1/theta), upper none. Negative dependence is left to `RotatedCopula`: the members
    with theta < 0 have no density near the origin. D. Clayton, Biometrika 65 (1978) 141-151.

    Parameters
    ----------
    theta : float
        In [1e-6, 500]; 0 would be independence.
    dimension : int
    """

    LIMITS: ClassVar[tuple[float, float]] = (1e-6, 500.0)
    MEANING: ClassVar[str] = "0 would be independence: IndependenceCopula; for negative dependence rotate by 90 or 270 degrees"
    SEARCH: ClassVar[tuple[float, float]] = (1e-4, 0.98)

    @classmethod
    def theta_of_tau(cls, tau: float) -> float:
        """Return 2 tau / (1 - tau); CopulaError unless 0 < tau < 1."""
        if not 0.0 < tau < 1.0:
            raise CopulaError(f"Clayton has Kendall's tau in (0, 1), not {tau:.6g}; rotate by 90 or 270 degrees for negative dependence")
        return 2.0 * tau / (1.0 - tau)

    @property
    def _tau(self) -> float:
        return self.theta / (self.theta + 2.0)

    @property
    def _tails(self) -> tuple[float, float]:
        return float(2.0 ** (-1.0 / self.theta)), 0.0

    def _log_sum(self, x: Floats, y: Floats) -> Floats:
        """Return log(exp(theta x) + exp(theta y) - 1) for x, y >= 0."""
        least, most = self.theta * np.minimum(x, y), self.theta * np.maximum(x, y)
        total: Floats = most + np.log1p(np.exp(least - most) - np.exp(-most))
        return total

    def _log_density(self, u: Floats, v: Floats) -> Floats:
        x, y, theta = -np.log(u), -np.log(v), self.theta
        density: Floats = np.log1p(theta) + (1.0 + theta) * (x + y) - (2.0 + 1.0 / theta) * self._log_sum(x, y)
        return density

    def _distribution(self, u: Floats, v: Floats) -> Floats:
        reached: Floats = np.exp(-self._log_sum(-np.log(u), -np.log(v)) / self.theta)
        return reached

    def _h(self, u: Floats, v: Floats) -> Floats:
        y, theta = -np.log(v), self.theta
        below: Floats = np.exp((1.0 + theta) * y - (1.0 + 1.0 / theta) * self._log_sum(-np.log(u), y))
        return below

    def _h_inverse(self, p: Floats, v: Floats) -> Floats:
        theta = self.theta
        grown = np.log(np.expm1(-theta / (1.0 + theta) * np.log(p))) - theta * np.log(v)
        place: Floats = np.exp(-np.logaddexp(0.0, grown) / theta)
        return place

    def _sample(self, count: int, random: np.random.Generator) -> Floats:
        # a gamma of shape 1/theta is one of shape 1 + 1/theta times uniform**theta: in logarithms, as small shapes underflow
        shape = 1.0 / self.theta
        log_frailty = np.log(random.standard_gamma(1.0 + shape, (count, 1))) - self.theta * random.standard_exponential((count, 1))
        waits = np.maximum(random.standard_exponential((count, self.dimension)), 1e-300)
        drawn: Floats = np.exp(-np.logaddexp(0.0, np.log(waits) - log_frailty) / self.theta)
        return drawn
