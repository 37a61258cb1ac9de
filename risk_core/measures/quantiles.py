"""Sample quantiles by every published convention, as shares of observations, and the mean of the tail below one.

Types 1 to 9 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996) 361-365. With
unequal weights types 1, 2, 4 and 5 have one natural meaning, on cumulative weight; the others are refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import MASS_SLACK, QuantileConvention, QuantileSide
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.compiled import kernels

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Terms = tuple[tuple[int, float], ...]
"""(observation, share): the quantile is the sum of share * observation. Shares sum to one."""

_SNAP: Final = 1e-9  # a rank this close to an integer is that integer: 0.07 * 100 is 7
_STEPS: Final = (QuantileConvention.INVERTED_CDF, QuantileConvention.AVERAGED_INVERTED_CDF)
_RANK_SHIFT: Final = {
    QuantileConvention.INTERPOLATED_INVERTED_CDF: (0.0, 0.0),
    QuantileConvention.HAZEN: (0.5, 0.0),
    QuantileConvention.WEIBULL: (0.0, 1.0),
    QuantileConvention.LINEAR: (1.0, -1.0),
    QuantileConvention.MEDIAN_UNBIASED: (1.0 / 3.0, 1.0 / 3.0),
    QuantileConvention.NORMAL_UNBIASED: (3.0 / 8.0, 1.0 / 4.0),
}
"""Interpolating types: rank = n * level + a + b * level, counted from one."""


def quantile(
    values: ArrayLike,
    level: float,
    convention: QuantileConvention | str = QuantileConvention.INVERTED_CDF,
    weights: ArrayLike | None = None,
) -> float:
    """Return the quantile of a sample.

    Parameters
    ----------
    values : float64[n]
    level : float
        In [0, 1]: the share of the sample at or below the quantile.
    convention : QuantileConvention or str
        By name, for example "inverted_cdf", "index_above", "excel" or "type_6".
    weights : float64[n], optional
        Need not sum to one.

    Raises
    ------
    MeasureError
        For NaN, an empty sample, a level outside [0, 1], or unequal weights with a convention that has no weighted form.
    """
    sample, mass = _sample(values, level, weights)
    return read(sample, quantile_terms(sample, level, QuantileConvention(convention), mass))


def lower_tail_mean(
    values: ArrayLike,
    level: float,
    convention: QuantileConvention | str = QuantileConvention.INVERTED_CDF,
    weights: ArrayLike | None = None,
) -> float:
    """Return the mean of the quantile function below a level: 1/level times its integral over [0, level], level > 0.

    Parameters and errors are those of `quantile`. OpenGamma Strata calls it the expected shortfall of a sample at a level.
    """
    sample, mass = _sample(values, level, weights)
    if level <= 0.0:
        raise MeasureError(f"level must be above 0, not {level!r}: an empty tail has no mean")
    order, taken = tail_masses(sample, level, QuantileConvention(convention), QuantileSide.PROFIT, mass)
    return sequential_sum(taken * sample[order]) / level


def sequential_sum(terms: Floats) -> float:
    """Return the sum from left to right, starting from zero, as the engine's kernels do."""
    return float(np.add.accumulate(terms)[-1]) + 0.0 if terms.size else 0.0


def read(values: Floats, terms: Terms) -> float:
    """Return the value of a quantile's terms; exact where the observations are equal."""
    (first, _), *rest = terms
    return float(values[first] + sum(share * (values[i] - values[first]) for i, share in rest))


def quantile_terms(values: Floats, level: float, convention: QuantileConvention, mass: Floats) -> Terms:
    """Return the observations that make the quantile. Trusts its input; `mass` sums to one."""
    if convention is QuantileConvention.INVERTED_CDF and (plan := _equal_plan(mass, level)) is not None:
        return ((int(_lowest(values, plan.size)[-1]), 1.0),)
    if convention in _STEPS:
        return _by_mass(*_sorted(values, mass), level, convention)
    order, mass = _sorted(values, mass)
    if not _equal(mass):
        return _by_mass(order, mass, level, convention)
    n = order.size
    lower, share = _rank(n, level, convention)
    below, above = int(order[min(max(lower, 1), n) - 1]), int(order[min(max(lower + 1, 1), n) - 1])
    if share == 0.0 or below == above:
        return ((below, 1.0),)
    return ((below, 1.0 - share), (above, share)) if share < 1.0 else ((above, 1.0),)


def tail_masses(values: Floats, level: float, convention: QuantileConvention, side: QuantileSide, mass: Floats) -> tuple[Integers, Floats]:
    """Return the integral of the quantile function over [0, level] as (observations by value, mass of each); masses sum to the level.

    On the profit side the quantile function is that of `values`; on the loss side that of -values, read from its upper end. Observations
    beyond the tail may be left out.
    """
    if convention in _STEPS and (plan := _equal_plan(mass, level)) is not None:
        return _lowest(values, plan.size), plan
    if convention in _STEPS:
        order, mass = _sorted(values, mass)
        return order, _fill(mass, level)
    order, mass = _sorted(values, mass)
    if order.size == 1:
        return order, np.array([level])
    if convention is QuantileConvention.CLOSEST_OBSERVATION:
        _require_equal(mass, convention)
        shift = 0.5 if side is QuantileSide.PROFIT else -0.5
        edges = (np.arange(1, order.size + 1) + shift) / order.size
        edges[-1] = 1.0
        return order, np.diff(np.minimum(edges, level), prepend=0.0)
    return order, _under_hats(_knots(mass, convention, side), level)


def _sample(values: ArrayLike, level: float, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    sample = checked_pnl(values, "values")
    if not 0.0 <= level <= 1.0:
        raise MeasureError(f"level must lie in [0, 1], not {level!r}")
    return sample, checked_weights(weights, values, sample.size)


def _sorted(values: Floats, mass: Floats) -> tuple[Integers, Floats]:
    """Return observations in the order (value, position) and their masses, those without mass left out."""
    order = np.argsort(values, kind="stable")
    order = order[mass[order] > 0.0]
    return order, mass[order]


def _equal_plan(mass: Floats, level: float) -> Floats | None:
    """Return the masses that fill a level below one half, where all are equal: then selecting is enough. None where sorting is needed."""
    return filled(mass.size, float(mass[0]), level) if _equal(mass) else None


@lru_cache(maxsize=1024)
def filled(count: int, each: float, level: float) -> Floats | None:
    """Return the masses that fill a level, of `count` observations with the same mass; None where most of them are needed."""
    enough = int(np.ceil(count * level)) + 2
    if 2 * enough > count:
        return None
    taken = _fill(np.full(enough, each), level)
    held = np.flatnonzero(taken)
    if not held.size or held[-1] == enough - 1:
        return None
    taken = taken[: int(held[-1]) + 1]
    taken.flags.writeable = False
    return taken


def _lowest(values: Floats, count: int) -> Integers:
    """Return the first observations in the order (value, position), by selection."""
    positions = np.empty(count, np.int64)
    kernels.lowest(np.ascontiguousarray(values), np.empty(count), positions)
    return positions


def _equal(mass: Floats) -> bool:
    return bool((mass == mass[0]).all())


def _require_equal(mass: Floats, convention: QuantileConvention) -> None:
    if not _equal(mass):
        raise MeasureError(
            f"quantile convention {convention} has no form for unequal weights; "
            "inverted_cdf, averaged_inverted_cdf, interpolated_inverted_cdf and hazen have"
        )


def _fill(mass: Floats, level: float) -> Floats:
    """Return the mass taken of each sorted observation until the level is full; the last one gives the fraction that is left."""
    reached = np.cumsum(np.concatenate(([0.0], mass)))
    full = np.flatnonzero(reached[1:] >= level - MASS_SLACK)
    last = int(full[0]) if full.size else mass.size - 1
    taken = np.zeros_like(mass)
    taken[:last] = mass[:last]
    taken[last] = level - reached[last]
    return taken


def _knots(mass: Floats, convention: QuantileConvention, side: QuantileSide) -> Floats:
    """Return the level at which the quantile function passes each sorted observation, seen from the worst profit."""
    if convention is QuantileConvention.HAZEN:
        return np.cumsum(mass) - 0.5 * mass
    if convention is QuantileConvention.INTERPOLATED_INVERTED_CDF:
        return np.cumsum(mass) - (0.0 if side is QuantileSide.PROFIT else mass)
    _require_equal(mass, convention)
    a, b = _RANK_SHIFT[convention]
    knots: Floats = (np.arange(1.0, mass.size + 1.0) - a) / (mass.size + b)
    return knots


def _under_hats(knots: Floats, level: float) -> Floats:
    """Return the integral over [0, level] of each hat function on the knots, flat beyond the ends."""
    width = np.diff(knots)
    covered = np.clip(level - knots[:-1], 0.0, width)
    rising = 0.5 * covered * covered / width
    taken = np.zeros_like(knots)
    taken[:-1] += covered - rising
    taken[1:] += rising
    taken[0] += min(level, max(knots[0], 0.0))
    taken[-1] += max(level - knots[-1], 0.0)
    return taken


def _rank(n: int, level: float, convention: QuantileConvention) -> tuple[int, float]:
    """Return (rank counted from one, share of the next observation) for equal weights."""
    if convention is QuantileConvention.CLOSEST_OBSERVATION:
        rank = _snapped(n * level - 0.5)
        lower = int(np.floor(rank))
        return lower, 0.0 if rank == lower and lower % 2 == 0 else 1.0
    a, b = _RANK_SHIFT[convention]
    rank = _snapped(n * level + a + b * level)
    return int(np.floor(rank)), float(rank - np.floor(rank))


def _snapped(rank: float) -> float:
    return float(np.rint(rank)) if abs(rank - np.rint(rank)) < _SNAP else rank


def _by_mass(order: Integers, mass: Floats, level: float, convention: QuantileConvention) -> Terms:
    """Quantile by cumulative weight."""
    if convention in _STEPS:
        reached = np.cumsum(mass)
        full = np.flatnonzero(reached >= level - MASS_SLACK)
        k = int(full[0]) if full.size else order.size - 1
        if (
            convention is QuantileConvention.AVERAGED_INVERTED_CDF
            and k + 1 < order.size
            and level > 0.0
            and reached[k] <= level + MASS_SLACK
        ):
            return ((int(order[k]), 0.5), (int(order[k + 1]), 0.5))
        return ((int(order[k]), 1.0),)
    if convention is QuantileConvention.CLOSEST_OBSERVATION:
        _require_equal(mass, convention)
    knots = _knots(mass, convention, QuantileSide.PROFIT)
    k = int(np.searchsorted(knots, level))
    if k in (0, order.size):
        return ((int(order[min(k, order.size - 1)]), 1.0),)
    share = float((level - knots[k - 1]) / (knots[k] - knots[k - 1]))
    return ((int(order[k - 1]), 1.0 - share), (int(order[k]), share))
