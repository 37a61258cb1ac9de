"""The state of a volatility model after the returns so far, and its update by one more.

All models here are one recursion: components c of the variance, each with level, reaction and persistence, weighted by `mass`:

    h = mass @ c,    c' = level + reaction * e² + persistence * c,    e = r - mean,

where the reaction may differ between gains and losses. EWMA and GARCH have one component, RiskMetrics 2006 fifteen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from risk_core.measures.checks import LARGEST, MeasureError
from risk_core.volatility.kernels import components

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recursion:
    """How the components of a variance follow one another, in the unit of the returns.

    Parameters
    ----------
    mean : float
        Of the returns.
    level, up, down, persistence : float64[K]
        `up` and `down` are the reactions to e >= 0 and e < 0.
    mass : float64[K]
        Weights of the components in the variance.
    """

    mean: float
    level: Floats
    up: Floats
    down: Floats
    persistence: Floats
    mass: Floats


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityState:
    """What is known of the next return.

    Parameters
    ----------
    recursion : Recursion
    components : float64[K]
        Of the variance of the next return.
    """

    recursion: Recursion = field(repr=False)
    components: Floats

    @property
    def variance(self) -> float:
        """Of the next return."""
        return float(self.recursion.mass @ self.components)

    @property
    def volatility(self) -> float:
        """Its square root."""
        return sqrt(self.variance)


def garch_recursion(omega: float, alpha: float, beta: float, gamma: float = 0.0, mean: float = 0.0) -> Recursion:
    """Return h' = omega + (alpha + gamma [e < 0]) e² + beta h of given parameters; MeasureError unless all reactions are >= 0."""
    numbers = (omega, alpha, alpha + gamma, beta)
    if not (all(0.0 <= n < np.inf for n in numbers) and np.isfinite(mean)):
        raise MeasureError(f"omega, alpha, alpha + gamma and beta must be finite and not negative, not {numbers}")
    level, up, down, persistence = (np.array([float(n)]) for n in numbers)
    return Recursion(float(mean), level, up, down, persistence, np.ones(1))


def step(state: VolatilityState, r: float) -> VolatilityState:
    """Return the state after one more return: O(K), whatever came before, and the same bits as the filter of the whole series.

    Raises
    ------
    MeasureError
        If the return is missing or not finite: carry the state over such a day instead.
    """
    if not abs(r) <= LARGEST:
        raise MeasureError(f"the return is {r!r}: keep the state of the day before, or fill the return from a proxy")
    held = state.components.copy()
    a = state.recursion
    components(np.array([r], np.float64), a.mean, a.level, a.up, a.down, a.persistence, a.mass, held)
    return VolatilityState(a, held)


def run(state: VolatilityState, returns: Floats) -> tuple[Floats, VolatilityState]:
    """Return the variance before each return, float64[S], oldest first, and the state after the last. Returns are finite."""
    held = state.components.copy()
    a = state.recursion
    path = components(returns, a.mean, a.level, a.up, a.down, a.persistence, a.mass, held)
    return path[:-1], VolatilityState(a, held)


def expected_variances(state: VolatilityState, days: int) -> Floats:
    """Return the expected variance of each of the next days, float64[days]. MeasureError unless days >= 1."""
    if days < 1:
        raise MeasureError(f"a forecast needs at least one day, not {days!r}")
    a, held = state.recursion, state.components
    path = np.empty(days)
    for day in range(days):
        path[day] = a.mass @ held
        held = a.level + 0.5 * (a.up + a.down) * path[day] + a.persistence * held
    return path
