"""Control charts: CUSUM of a mean and of a variance, exponentially weighted mean, moving sum."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.change_points import online_kernels as kernels
from risk_core.change_points.detector import Detector, Kernel
from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]


class Sides(StrEnum):
    """Changes a detector watches for."""

    BOTH = "both"
    UPPER = "upper"
    """Towards more: a higher mean, a larger variance, more exceptions."""
    LOWER = "lower"


def checked_sides(sides: str) -> tuple[float, float]:
    """Return (1 for upper, 1 for lower); MeasureError for an unknown name."""
    if sides not in tuple(Sides):
        raise MeasureError(f"unknown sides {sides!r}; choose one of {', '.join(Sides)}")
    return float(sides != Sides.LOWER), float(sides != Sides.UPPER)


def checked_count(value: int, name: str, least: int, most: int = 1_000_000) -> int:
    """Return a whole number within bounds; MeasureError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise MeasureError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(value)


@dataclass(eq=False, kw_only=True)
class _Standardised(Detector):
    """A detector of y = (x - mean) / standard_deviation."""

    mean: float = 0.0
    standard_deviation: float = 1.0

    def observations_of(self, draws: Floats) -> Floats:
        """Return mean + standard_deviation * draws."""
        return self.mean + self.standard_deviation * draws

    def _placing(self) -> list[float]:
        return [checked_scalar(self.mean, "mean"), checked_scalar(self.standard_deviation, "standard_deviation", above=0.0)]


class _Sums(Detector):
    """A detector of two sums from zero up."""

    columns: ClassVar[tuple[str, ...]] = ("upper", "lower", "upper_run", "lower_run")
    _kernel: ClassVar[Kernel] = staticmethod(kernels.page)

    @property
    def upper(self) -> float:
        """Sum that rises with the observations."""
        return float(self._memory[4])

    @property
    def lower(self) -> float:
        """Sum that rises as they fall, not negative either."""
        return float(self._memory[5])

    @property
    def upper_run(self) -> int:
        """Observations since the upper sum was last zero: at an alarm, since the most likely change (Montgomery's N+)."""
        return int(self._memory[6])

    @property
    def lower_run(self) -> int:
        """The same of the lower sum (N-)."""
        return int(self._memory[7])


@dataclass(eq=False, kw_only=True)
class Cusum(_Sums, _Standardised):
    """Tabular CUSUM of a mean, two-sided.

    With y = (x - mean) / standard_deviation, upper' = max(0, upper + y - k) and lower' = max(0, lower - y - k): an alarm where either
    exceeds h.

    Parameters
    ----------
    mean, standard_deviation : float
        Before any change, in the unit of the observations.
    k : float
        Reference value in standard deviations: half the shift to be found soonest.
    h : float
        Decision interval in standard deviations: the threshold.
    head_start : float
        Of both sums, in standard deviations, below h: half of it is the fast initial response of Lucas and Crosier (1982).
    sides : Sides or str
    restart : bool
        See `Detector`. A restart goes back to the head start.

    Notes
    -----
    D. C. Montgomery, *Introduction to Statistical Quality Control*, chapter 9, there with K = k sigma and H = h sigma; E. S. Page,
    "Continuous inspection schemes", Biometrika 41 (1954) 100-115.
    """

    k: float = 0.5
    h: float = 5.0
    head_start: float = 0.0
    sides: str = Sides.BOTH

    threshold_name: ClassVar[str] = "h"
    _transform: ClassVar[float] = 0.0

    def _settings(self) -> list[float]:
        k = checked_scalar(self.k, "k", least=0.0)
        checked_head_start(self.head_start, self.h)
        return [*self._placing(), self._transform, -k, 1.0, 0.0, -k, -1.0, 0.0, *checked_sides(self.sides)]

    def _memory_at_start(self) -> ArrayLike:
        return sums_at_start(self.head_start, self.sides)


@dataclass(eq=False, kw_only=True)
class CusumVariance(Cusum):
    """Scale CUSUM: the tabular CUSUM of v = (sqrt(|y|) - 0.822) / 0.349, which for normal y is close to standard normal.

    Parameters are those of `Cusum`; `k`, `h` and `head_start` are in the unit of v. A shift of the mean moves it as well.

    Notes
    -----
    D. M. Hawkins, "A CUSUM for a scale parameter", Journal of Quality Technology 13 (1981) 228-231.
    """

    _transform: ClassVar[float] = 1.0


def checked_head_start(head_start: float, threshold: float) -> float:
    """Return a head start; MeasureError unless 0 <= it < threshold."""
    value = checked_scalar(head_start, "head_start", least=0.0)
    if not value < threshold:
        raise MeasureError(f"head_start {value} must be below the threshold {threshold}: half of it is usual")
    return value


def sums_at_start(head_start: float, sides: str) -> list[float]:
    """Return the sums and runs before any observation."""
    up, down = checked_sides(sides)
    return [head_start * up, head_start * down, 0.0, 0.0]


@dataclass(eq=False, kw_only=True)
class Ewma(_Standardised):
    """Chart of the exponentially weighted mean z' = weight x + (1 - weight) z, from z = mean.

    The value is |z - mean| over the standard deviation of z; columns `ewma`, `lower_limit`, `upper_limit` are in the unit of x.

    Parameters
    ----------
    mean, standard_deviation : float
        Before any change.
    weight : float
        Of the newest observation, in (0, 1]: Montgomery's lambda, the decay of volatility models is 1 - weight.
    limit : float
        Width of the limits in standard deviations of z: the threshold, Montgomery's L.
    exact : bool
        Limits for each observation, narrow at first; False takes their limit throughout.

    Notes
    -----
    S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959) 239-250; Montgomery, chapter 9.
    """

    weight: float = 0.1
    limit: float = 2.7
    exact: bool = True

    threshold_name: ClassVar[str] = "limit"
    columns: ClassVar[tuple[str, ...]] = ("ewma", "lower_limit", "upper_limit")
    _kernel: ClassVar[Kernel] = staticmethod(kernels.ewma)

    def _settings(self) -> list[float]:
        return [*self._placing(), checked_scalar(self.weight, "weight", above=0.0, most=1.0), float(self.exact)]

    def _memory_at_start(self) -> ArrayLike:
        return [0.0, 1.0]


@dataclass(eq=False, kw_only=True)
class Mosum(_Standardised):
    """Moving sum of the last `window` standardised observations, over sqrt(window); the value is its size, `moving_sum` has the sign.

    Not ready before `window` observations.

    Parameters
    ----------
    mean, standard_deviation : float
        Before any change.
    window : int
    threshold : float
        In standard deviations of the sum.

    Notes
    -----
    P. Bauer and P. Hackl, "The use of MOSUMs for quality control", Technometrics 20 (1978) 431-436.
    """

    window: int = 20
    threshold: float = 3.5

    columns: ClassVar[tuple[str, ...]] = ("moving_sum",)
    _kernel: ClassVar[Kernel] = staticmethod(kernels.mosum)

    def _settings(self) -> list[float]:
        return [*self._placing(), float(checked_count(self.window, "window", 2))]

    def _memory_at_start(self) -> ArrayLike:
        return np.zeros(4 + 2 * self.window)
