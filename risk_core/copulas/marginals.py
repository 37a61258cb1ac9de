"""Laws of single columns, to and from uniforms: empirical, kernel-smoothed, parametric, and empirical with Pareto tails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite, pi, sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from risk_core.copulas.checks import CopulaError, inside

Floats = NDArray[np.float64]

_GRID: Final = 2049
_BLOCK: Final = 512
_STEPS: Final = 60


class Marginal(Protocol):
    """The law of one column."""

    def to_uniform(self, values: ArrayLike) -> Floats:
        """Return P(X <= x) for each value."""
        ...

    def from_uniform(self, u: ArrayLike) -> Floats:
        """Return the quantile at each probability."""
        ...


class FrozenDistribution(Protocol):
    """What a frozen scipy distribution offers."""

    def cdf(self, x: Floats, /) -> Floats:
        """Return P(X <= x)."""
        ...

    def ppf(self, q: Floats, /) -> Floats:
        """Return the quantile at q."""
        ...


class Interpolation(StrEnum):
    """How an empirical quantile lies between observations."""

    LINEAR = "linear"
    """On the line between the points (k / (n + 1), k-th smallest): type 6 of Hyndman and Fan; values between observations occur."""
    STEP = "step"
    """The first observation whose rank / n reaches u: type 1; only observed values occur."""


def _checked(values: ArrayLike, least: int, what: str) -> Floats:
    vector = np.array(values, np.float64)
    if vector.ndim != 1 or vector.size < least:
        raise CopulaError(f"{what} needs a vector of at least {least} values, not shape {vector.shape}")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise CopulaError(f"{what}: values is {vector[bad[0]]} at position {bad[0]}; fill it from a proxy or drop the scenario")
    vector.sort()
    vector.setflags(write=False)
    return vector


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalMarginal:
    """The law of a sample: u = rank / (n + 1), linear between; nothing beyond the extremes seen.

    Equal values share their mean rank, and the line spreads an atom over the gaps beside it.

    Parameters
    ----------
    values : float64[n]
        At least one, finite; kept sorted.
    interpolation : Interpolation
        Of `from_uniform` alone.

    Raises
    ------
    CopulaError
        For an empty vector, NaN or infinite values.
    """

    values: Floats
    interpolation: Interpolation = Interpolation.LINEAR
    _points: Floats = field(init=False, repr=False)
    _levels: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        values = _checked(self.values, 1, "an empirical marginal")
        points, first = np.unique(values, return_index=True)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "interpolation", Interpolation(self.interpolation))
        object.__setattr__(self, "_points", points)
        object.__setattr__(self, "_levels", rankdata(values)[first] / (values.size + 1.0))

    def to_uniform(self, values: ArrayLike) -> Floats:
        """Return probabilities; beyond the extremes those of the extremes, so always inside (0, 1)."""
        return np.interp(np.asarray(values, np.float64), self._points, self._levels)

    def from_uniform(self, u: ArrayLike) -> Floats:
        """Return quantiles, never beyond the extremes."""
        levels = inside(np.asarray(u, np.float64), "u")
        if self.interpolation is Interpolation.LINEAR:
            return np.interp(levels, self._levels, self._points)
        place = np.ceil(levels * self.values.size - 1e-9).astype(np.int64) - 1
        return self.values[np.clip(place, 0, self.values.size - 1)]


@dataclass(frozen=True, slots=True, eq=False)
class KernelMarginal:
    """A sample smoothed by a normal kernel: F(x) = mean of Phi((x - x_i) / bandwidth).

    B. Silverman, Density Estimation for Statistics and Data Analysis (1986), sec. 3.4.2. The variance exceeds the sample's by bandwidth².

    Parameters
    ----------
    values : float64[n]
        At least two, finite, not all equal.
    bandwidth : float, optional
        In the unit of the values; 0.9 min(standard deviation, interquartile range / 1.34) n**(-1/5) if not given.

    Raises
    ------
    CopulaError
        For fewer than two values, NaN or infinite ones, or a bandwidth that is not positive (a sample without spread).
    """

    values: Floats
    bandwidth: float | None = None
    width: float = field(init=False)
    _grid: Floats = field(init=False, repr=False)
    _levels: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        values = _checked(self.values, 2, "a kernel marginal")
        width = self.bandwidth
        if width is None:
            spread = float(np.subtract(*np.percentile(values, [75.0, 25.0]))) / 1.34
            deviation = float(values.std(ddof=1))
            width = 0.9 * (min(deviation, spread) if spread > 0.0 else deviation) * values.size**-0.2
        if not (width > 0.0 and isfinite(width)):
            raise CopulaError(f"the bandwidth must be positive and finite, not {width!r}; a constant column has no kernel-smoothed law")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "width", float(width))
        grid = np.linspace(values[0] - 9.0 * width, values[-1] + 9.0 * width, _GRID)
        object.__setattr__(self, "_grid", grid)
        object.__setattr__(self, "_levels", self._distribution(grid))

    def to_uniform(self, values: ArrayLike) -> Floats:
        """Return probabilities, in [0, 1]."""
        return self._distribution(np.asarray(values, np.float64))

    def from_uniform(self, u: ArrayLike) -> Floats:
        """Return quantiles: Newton's steps inside a cell of the grid, bisection where they leave it, until probabilities fit to 1e-14."""
        levels = inside(np.asarray(u, np.float64), "u")
        wanted = levels.ravel()
        cell = np.clip(np.searchsorted(self._levels, wanted) - 1, 0, _GRID - 2)
        low, high = self._grid[cell], self._grid[cell + 1]
        x = low + (high - low) * np.clip((wanted - self._levels[cell]) / (self._levels[cell + 1] - self._levels[cell] + 1e-300), 0.0, 1.0)
        left = np.arange(wanted.size)
        for _ in range(_STEPS):
            reached, density = self._mean(x[left], ndtr), self._mean(x[left], _normal_density) / self.width
            miss = reached - wanted[left]
            high[left], low[left] = np.where(miss > 0.0, x[left], high[left]), np.where(miss > 0.0, low[left], x[left])
            step = x[left] - miss / np.maximum(density, 1e-300)
            outside = ~((step >= low[left]) & (step <= high[left]))
            x[left] = np.where(outside, 0.5 * (low[left] + high[left]), step)
            left = left[np.abs(miss) > 1e-14]
            if left.size == 0:
                break
        return x.reshape(levels.shape)

    def _distribution(self, x: Floats) -> Floats:
        return self._mean(x.ravel(), ndtr).reshape(x.shape)

    def _mean(self, x: Floats, kernel: Callable[[Floats], Floats]) -> Floats:
        means = np.empty_like(x)
        for start in range(0, x.size, _BLOCK):
            block = x[start : start + _BLOCK]
            means[start : start + _BLOCK] = kernel((block[:, None] - self.values) / self.width).mean(axis=1)
        return means


@dataclass(frozen=True, slots=True)
class ParametricMarginal:
    """A law given by its distribution and quantile functions.

    Parameters
    ----------
    distribution : FrozenDistribution
        Such as `scipy.stats.t(4, loc=0.0, scale=0.01)`.
    """

    distribution: FrozenDistribution

    def to_uniform(self, values: ArrayLike) -> Floats:
        """Return the distribution function."""
        return np.asarray(self.distribution.cdf(np.asarray(values, np.float64)), np.float64)

    def from_uniform(self, u: ArrayLike) -> Floats:
        """Return the quantiles; CopulaError where the distribution gives NaN or infinity (its parameters are wrong)."""
        quantiles = np.asarray(self.distribution.ppf(inside(np.asarray(u, np.float64), "u")), np.float64)
        if not np.all(np.isfinite(quantiles)):
            raise CopulaError("the distribution has NaN or infinite quantiles inside (0, 1): check its parameters")
        return quantiles


def _normal_density(z: Floats) -> Floats:
    density: Floats = np.exp(-0.5 * z * z) / sqrt(2.0 * pi)
    return density


TailFit = Callable[[Floats], tuple[float, float]]
"""Excesses over a threshold, float64[m], all >= 0, to (shape, scale) of their generalised Pareto law."""


@dataclass(frozen=True, slots=True, eq=False)
class SemiParametricMarginal:
    """An empirical body between two thresholds, generalised Pareto tails beyond them: the tails reach past the extremes seen.

    Beyond the upper threshold q, at probability 1 - share, P(X > x) = share (1 + shape (x - q) / scale)**(-1/shape); the lower tail
    likewise for -X. A. McNeil and R. Frey, Journal of Empirical Finance 7 (2000) 271-300.

    Parameters
    ----------
    values : float64[n]
        At least two, finite.
    tail_fit : callable, optional
        Excesses to (shape, scale), for example by maximum likelihood; without it the law is `EmpiricalMarginal`.
    share : float
        Probability of each tail, in (0, 0.5).

    Raises
    ------
    CopulaError
        For bad values or share, fewer than ten excesses in a tail, or a fit without a finite shape and a positive scale.
    """

    values: Floats
    tail_fit: TailFit | None = None
    share: float = 0.1
    tails: tuple[tuple[float, float, float], ...] = field(init=False)
    """(threshold, shape, scale) of the lower and the upper tail; empty without `tail_fit`. Of -X for the lower one."""
    _body: EmpiricalMarginal = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 0.5:
            raise CopulaError(f"share must lie in (0, 0.5), such as 0.1, not {self.share!r}")
        object.__setattr__(self, "_body", EmpiricalMarginal(_checked(self.values, 2, "a semi-parametric marginal")))
        object.__setattr__(self, "values", self._body.values)
        tails = [] if self.tail_fit is None else [_tail(self._body, sign, self.share, self.tail_fit) for sign in (-1.0, 1.0)]
        object.__setattr__(self, "tails", tuple(tails))

    def to_uniform(self, values: ArrayLike) -> Floats:
        """Return probabilities, in [0, 1]."""
        x = np.asarray(values, np.float64)
        reached = self._body.to_uniform(x)
        for sign, (threshold, shape, scale) in zip((-1.0, 1.0), self.tails, strict=False):
            excess = sign * x - threshold
            beyond = excess > 0.0
            mass = self.share * _pareto_survival(np.where(beyond, excess, 0.0), shape, scale)
            reached = np.where(beyond, mass if sign < 0.0 else 1.0 - mass, reached)
        return reached

    def from_uniform(self, u: ArrayLike) -> Floats:
        """Return quantiles."""
        levels = inside(np.asarray(u, np.float64), "u")
        quantiles = self._body.from_uniform(levels)
        for sign, (threshold, shape, scale) in zip((-1.0, 1.0), self.tails, strict=False):
            mass = levels if sign < 0.0 else 1.0 - levels
            beyond = mass < self.share
            excess = _pareto_quantile(np.where(beyond, mass, self.share) / self.share, shape, scale)
            quantiles = np.where(beyond, sign * (threshold + excess), quantiles)
        return quantiles


def _tail(body: EmpiricalMarginal, sign: float, share: float, fit: TailFit) -> tuple[float, float, float]:
    side = "upper" if sign > 0.0 else "lower"
    threshold = sign * float(body.from_uniform(1.0 - share if sign > 0.0 else share))
    excesses = sign * body.values - threshold
    excesses = excesses[excesses > 0.0]
    if excesses.size < 10:
        raise CopulaError(f"the {side} tail holds {excesses.size} excesses, a fit needs ten: raise share or give more values")
    shape, scale = (float(x) for x in fit(np.sort(excesses)))
    if not (isfinite(shape) and scale > 0.0 and isfinite(scale)):
        raise CopulaError(f"tail_fit gave shape {shape!r} and scale {scale!r} for the {side} tail; the scale must be positive")
    return threshold, shape, scale


def _pareto_survival(excess: Floats, shape: float, scale: float) -> Floats:
    if abs(shape) < 1e-12:
        return np.exp(-excess / scale)
    survival: Floats = np.maximum(1.0 + shape * excess / scale, 0.0) ** (-1.0 / shape)
    return survival


def _pareto_quantile(mass: Floats, shape: float, scale: float) -> Floats:
    """Return the excess that is passed with probability `mass`."""
    if abs(shape) < 1e-12:
        return -scale * np.log(mass)
    excess: Floats = scale * np.expm1(-shape * np.log(mass)) / shape
    return excess
