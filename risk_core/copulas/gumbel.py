"""The Gumbel copula: dependent in the upper tail, an extreme-value copula."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from risk_core.copulas.archimedean import ArchimedeanCopula
from risk_core.copulas.checks import CopulaError

Floats = NDArray[np.float64]

_STEPS: Final = 100


@dataclass(frozen=True, slots=True)
class GumbelCopula(ArchimedeanCopula):
    """C(u, v) = exp(-t), t = ((-log u)**theta + (-log v)**theta)**(1/theta), theta >= 1.

    tau = 1 - 1/theta; upper tail dependence 2 - 2**(1/theta), lower none. theta = 1 is independence. E. Gumbel, Publications de l'Institut
    de Statistique de l'Université de Paris 9 (1960) 171-173.

    Parameters
    ----------
    theta : float
        In [1, 200].
    dimension : int
    """

    LIMITS: ClassVar[tuple[float, float]] = (1.0, 200.0)
    MEANING: ClassVar[str] = "1 is independence; for negative dependence rotate by 90 or 270 degrees"
    SEARCH: ClassVar[tuple[float, float]] = (0.0, 0.98)

    @classmethod
    def theta_of_tau(cls, tau: float) -> float:
        """Return 1 / (1 - tau); CopulaError unless 0 <= tau < 1."""
        if not 0.0 <= tau < 1.0:
            raise CopulaError(f"Gumbel has Kendall's tau in [0, 1), not {tau:.6g}; rotate by 90 or 270 degrees for negative dependence")
        return 1.0 / (1.0 - tau)

    @property
    def _tau(self) -> float:
        return 1.0 - 1.0 / self.theta

    @property
    def _tails(self) -> tuple[float, float]:
        return 0.0, float(2.0 - 2.0 ** (1.0 / self.theta))

    def _log_norm(self, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """Return log x, log y and log t, with x = -log u and y = -log v."""
        log_x, log_y = np.log(-np.log(u)), np.log(-np.log(v))
        log_t: Floats = np.logaddexp(self.theta * log_x, self.theta * log_y) / self.theta
        return log_x, log_y, log_t

    def _log_density(self, u: Floats, v: Floats) -> Floats:
        theta = self.theta
        log_x, log_y, log_t = self._log_norm(u, v)
        t = np.exp(log_t)
        density: Floats = (
            np.exp(log_x) + np.exp(log_y) - t + (theta - 1.0) * (log_x + log_y) + (1.0 - 2.0 * theta) * log_t + np.log(t + theta - 1.0)
        )
        return density

    def _distribution(self, u: Floats, v: Floats) -> Floats:
        reached: Floats = np.exp(-np.exp(self._log_norm(u, v)[2]))
        return reached

    def _h(self, u: Floats, v: Floats) -> Floats:
        _, log_y, log_t = self._log_norm(u, v)
        below: Floats = np.exp(np.exp(log_y) - np.exp(log_t) + (1.0 - self.theta) * (log_t - log_y))
        return below

    def _h_inverse(self, p: Floats, v: Floats) -> Floats:
        # With s = log(t/y) the equation h = p reads y (exp(s) - 1) + (theta - 1) s = -log p: increasing and convex in s, so Newton's steps
        # from the upper bound log(1 - log(p)/y), its root for theta = 1, fall to the root.
        y, wanted, slope = -np.log(v), -np.log(p), self.theta - 1.0
        s = np.log1p(wanted / y)
        for _ in range(_STEPS):
            step = (y * np.expm1(s) + slope * s - wanted) / (y * np.exp(s) + slope)
            s = np.maximum(s - step, 0.0)
            if np.all(np.abs(step) <= 1e-15 + 1e-15 * s):
                break
        log_x = np.log(y) + s + np.log(-np.expm1(-self.theta * np.maximum(s, 1e-300))) / self.theta
        place: Floats = np.exp(-np.exp(log_x))
        return place

    def _sample(self, count: int, random: np.random.Generator) -> Floats:
        index = 1.0 / self.theta
        angle = random.uniform(0.0, pi, (count, 1))
        wait = np.maximum(random.standard_exponential((count, 1)), 1e-300)
        waits = np.maximum(random.standard_exponential((count, self.dimension)), 1e-300)
        if index == 1.0:
            return np.exp(-waits)
        # positive stable frailty of index 1/theta: M. Kanter, Annals of Probability 3 (1975) 697-707
        angle = np.clip(angle, 1e-15, pi - 1e-15)
        log_frailty = (
            np.log(np.sin(index * angle))
            - np.log(np.sin(angle)) / index
            + (1.0 - index) / index * (np.log(np.sin((1.0 - index) * angle)) - np.log(wait))
        )
        drawn: Floats = np.exp(-np.exp(index * (np.log(waits) - log_frailty)))
        return drawn
