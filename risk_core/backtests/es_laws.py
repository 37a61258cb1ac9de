"""Laws and models that forecasts rest on: normal, Student t, and simulated days; and the law of a random number of tail losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, inf, lgamma, log, log2, pi, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from risk_core.backtests.es_inputs import checked_like, checked_vector
from risk_core.backtests.result import BacktestError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Law:
    """Standard normal, or Student t with scale one (its variance is df / (df - 2)).

    Parameters
    ----------
    degrees_of_freedom : float
        More than 1; infinite (default) is the normal law.
    """

    degrees_of_freedom: float = inf

    def __post_init__(self) -> None:
        if not self.degrees_of_freedom > 1.0:
            raise BacktestError(f"degrees_of_freedom must be more than 1 for ES to exist, not {self.degrees_of_freedom!r}")

    @property
    def is_normal(self) -> bool:
        """Return whether it is the normal law."""
        return self.degrees_of_freedom == inf

    def cdf(self, x: Floats | float) -> Floats:
        """Return the probability of a value no larger."""
        return np.asarray(ndtr(x) if self.is_normal else stdtr(self.degrees_of_freedom, x), np.float64)

    def quantile(self, u: Floats | float) -> Floats:
        """Return the quantile of probability `u`."""
        return np.asarray(ndtri(u) if self.is_normal else stdtrit(self.degrees_of_freedom, u), np.float64)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw values."""
        return rng.standard_normal(shape) if self.is_normal else rng.standard_t(self.degrees_of_freedom, shape)

    def value_at_risk(self, tail: float) -> float:
        """Return VaR, loss positive, of tail probability `tail`."""
        return -float(self.quantile(tail))

    def expected_shortfall(self, tail: float) -> float:
        """Return ES, loss positive."""
        q, df = self.value_at_risk(tail), self.degrees_of_freedom
        if self.is_normal:
            return exp(-0.5 * q * q) / sqrt(2.0 * pi) / tail
        density = exp(lgamma(0.5 * (df + 1.0)) - lgamma(0.5 * df) - 0.5 * (df + 1.0) * log(1.0 + q * q / df)) / sqrt(df * pi)
        return density / tail * (df + q * q) / (df - 1.0)

    def shortfall_deviation(self, tail: float) -> float:
        """Return the standard deviation of losses beyond VaR.

        Raises
        ------
        BacktestError
            If degrees of freedom are 2 or fewer: it is infinite.
        """
        q, df = -self.value_at_risk(tail), self.degrees_of_freedom
        if df <= 2.0:
            raise BacktestError(f"a Student t with {df:g} degrees of freedom has no shortfall deviation; it needs more than 2")
        shortfall = self.expected_shortfall(tail)
        if self.is_normal:
            second = 1.0 - q * shortfall
        else:
            second = df * (df - 1.0) / (df - 2.0) * float(stdtr(df - 2.0, q * sqrt((df - 2.0) / df))) / tail - df
        return sqrt(second - shortfall * shortfall)


NORMAL = Law()


def as_law(law: Law | str | float) -> Law:
    """Return a law by name: "normal", "t" and degrees of freedom such as "t3", or the degrees of freedom themselves.

    Raises
    ------
    BacktestError
        For any other.
    """
    if isinstance(law, Law):
        return law
    if isinstance(law, str):
        name = law.strip().lower()
        try:
            return NORMAL if name == "normal" else Law(float(name.removeprefix("t")))
        except ValueError:
            raise BacktestError(f'law must be "normal", "t3" (any degrees of freedom above 1) or a Law, not {law!r}') from None
    return Law(float(law))


class ForecastModel(Protocol):
    """What a model foretold for each of S days."""

    @property
    def days(self) -> int:
        """Return S."""

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw float64[count, S]: P&L of each day, independent between days."""

    def pit(self, pnl: ArrayLike) -> Floats:
        """Return float64[S]: the forecast probability of a P&L no larger."""


@dataclass(frozen=True, slots=True, eq=False)
class LocationScale:
    """P&L of each day is location + scale times a law.

    Parameters
    ----------
    location, scale : float64[S]
        In the unit of the P&L; the scale is that of `Law`, not a standard deviation.
    law : Law
    """

    location: Floats
    scale: Floats
    law: Law = NORMAL

    @property
    def days(self) -> int:
        """Return S."""
        return int(self.scale.size)

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw float64[count, S]."""
        return self.location + self.scale * self.law.sample(rng, (count, self.days))

    def pit(self, pnl: ArrayLike) -> Floats:
        """Return float64[S]."""
        return self.law.cdf((checked_like(pnl, self.scale, "pnl") - self.location) / self.scale)


def location_scale_model(location: ArrayLike, scale: ArrayLike, law: Law | str | float = "normal") -> LocationScale:
    """Return the model of days with a location and a scale; one location stands for every day.

    Raises
    ------
    BacktestError
        For lengths that differ, NaN, or a scale that is not positive.
    """
    width = checked_vector(scale, "scale")
    return LocationScale(checked_like(location, width, "location"), checked_like(width, width, "scale", positive=True), as_law(law))


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Simulated P&L of each day.

    Parameters
    ----------
    sorted_draws : float64[S, M]
        Each row in ascending order.
    """

    sorted_draws: Floats

    @property
    def days(self) -> int:
        """Return S."""
        return int(self.sorted_draws.shape[0])

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw float64[count, S]."""
        chosen = rng.integers(0, self.sorted_draws.shape[1], (count, self.days))
        return self.sorted_draws[np.arange(self.days), chosen]

    def pit(self, pnl: ArrayLike) -> Floats:
        """Return float64[S]: ties count half, and the two ends stay inside (0, 1)."""
        x = checked_like(pnl, self.sorted_draws[:, 0], "pnl")[:, None]
        rank = (self.sorted_draws < x).sum(axis=1) + 0.5 * (self.sorted_draws == x).sum(axis=1)
        pit: Floats = (rank + 0.5) / (self.sorted_draws.shape[1] + 1.0)
        return pit

    def quantiles(self, u: Floats) -> Floats:
        """Return float64[S, len(u)]: linear between draws, which stand at (i + 1/2) / M."""
        count = self.sorted_draws.shape[1]
        place = np.clip(u * count - 0.5, 0.0, count - 1.0)
        left = np.minimum(place.astype(np.int64), max(count - 2, 0))
        share = place - left
        mixed: Floats = (1.0 - share) * self.sorted_draws[:, left] + share * self.sorted_draws[:, np.minimum(left + 1, count - 1)]
        return mixed


def draws_model(draws: ArrayLike) -> Draws:
    """Return the model of simulated days.

    Parameters
    ----------
    draws : float64[S, M]
        M simulated P&L for each day.

    Raises
    ------
    BacktestError
        If it has not two dimensions, fewer than 2 draws, or numbers that are not finite.
    """
    matrix = np.asarray(draws, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 1 or matrix.shape[1] < 2:
        raise BacktestError(f"draws must be a matrix of days by at least 2 draws, not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        day, draw = np.argwhere(~np.isfinite(matrix))[0]
        raise BacktestError(f"draws are {matrix[day, draw]} at day {day}, draw {draw}; they must be finite")
    return Draws(np.sort(matrix, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class CompoundLaw:
    """Law of the sum of severities of a binomial number of exceptions, on a grid of step `step`.

    `cumulative[i]` is the probability of a sum below (i + 1/2) step.
    """

    step: float
    cumulative: Floats
    none: float

    def less(self, total: float) -> float:
        """Return the probability of a sum no larger."""
        if total < 0.0:
            return 0.0
        return float(min(1.0, max(self.none, np.interp(total / self.step - 0.5, np.arange(self.cumulative.size), self.cumulative))))

    def greater(self, total: float) -> float:
        """Return the probability of a sum no smaller."""
        if total <= 0.0:
            return 1.0
        return max(0.0, 1.0 - float(np.interp(total / self.step - 0.5, np.arange(self.cumulative.size), self.cumulative)))

    def quantile(self, probability: float) -> float:
        """Return the sum that is exceeded with probability 1 - `probability`."""
        place = float(np.interp(probability, self.cumulative, np.arange(self.cumulative.size)))
        return max(0.0, (place + 0.5) * self.step) if probability > self.none else 0.0


def compound_law(survival: Callable[[Floats], Floats], days: int, probability: float, reach: float, step: float) -> CompoundLaw:
    """Return the law of a sum of severities, by fast Fourier transform: exact up to the grid.

    Parameters
    ----------
    survival : callable
        Probability of a severity beyond each point of an array; severities are positive.
    days : int
        Binomial trials.
    probability : float
        Of an exception each day.
    reach : float
        Where the grid ends; the chance of a sum beyond must be negligible, since it would come back at the start.
    step : float
        Of the grid, made larger where it would have more than 2**20 cells.
    """
    cells = 1 << min(20, max(10, ceil(log2(reach / step))))
    width = max(step, reach / cells)
    edges = (np.arange(cells) + 0.5) * width
    beyond = survival(np.asarray(edges, np.float64))
    mass = np.diff(1.0 - beyond, prepend=0.0)
    character = np.fft.rfft(mass)
    total = np.fft.irfft((1.0 - probability + probability * character) ** days, cells)
    return CompoundLaw(width, np.minimum(np.maximum.accumulate(np.cumsum(np.maximum(total, 0.0))), 1.0), (1.0 - probability) ** days)


@lru_cache(maxsize=64)
def uniform_severity_law(days: int, tail: float) -> CompoundLaw:
    """Return the law of a sum of (1 - u / tail) over the days with u below `tail`, u uniform."""
    mean, spread = 0.5 * days * tail, sqrt(days * tail * (1.0 / 3.0 - 0.25 * tail))
    return compound_law(lambda y: np.clip(1.0 - y, 0.0, 1.0), days, tail, min(float(days), mean + 12.0 * spread + 12.0) + 1.0, 1.0 / 4096.0)


@lru_cache(maxsize=64)
def ratio_severity_law(days: int, tail: float, law: Law, location: float) -> CompoundLaw:
    """Return the law of the sum of loss / ES over days beyond VaR, where P&L is location + law.

    Raises
    ------
    BacktestError
        If VaR is negative: severities then change sign.
    """
    var, shortfall = law.value_at_risk(tail) - location, law.expected_shortfall(tail) - location
    if var < 0.0 or shortfall <= 0.0:
        raise BacktestError(f"location {location:g} makes VaR negative at a tail of {tail:g}: the law of Z2 is for positive VaR")

    def survival(y: Floats) -> Floats:
        return np.minimum(law.cdf(-y * shortfall - location) / tail, 1.0)

    reach = 4.0 * days * tail + 60.0
    while days * tail * float(survival(np.array([reach]))[0]) > 1e-9 and reach < 1e5:
        reach *= 1.5
    return compound_law(survival, days, tail, reach, 1e-3)
