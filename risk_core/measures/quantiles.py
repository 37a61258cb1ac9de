"""Sample quantiles by every published convention, as weights on observations.

Types 1 to 9 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996) 361-365. With
unequal weights types 1, 2, 4 and 5 have one natural meaning, on cumulative weight; the others are refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import MASS_SLACK, QuantileConvention
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights

Terms = tuple[tuple[int, float], ...]
"""(observation, coefficient): the quantile is the sum of coefficient * observation. Coefficients sum to one."""

_SNAP = 1e-9  # a rank this close to an integer is that integer: 0.07 * 100 is 7
_RANK_SHIFT = {
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
        By name, for example "inverted_cdf", "excel" or "type_6".
    weights : float64[n], optional
        Need not sum to one.

    Raises
    ------
    MeasureError
        For NaN, an empty sample, a level outside [0, 1], or weights with a convention that has no weighted form.
    """
    sample = checked_pnl(values)
    if not 0.0 <= level <= 1.0:
        raise MeasureError(f"level must lie in [0, 1], not {level!r}")
    mass = None if weights is None else checked_weights(weights, sample.size)
    return read(sample, quantile_terms(sample, level, QuantileConvention(convention), mass))


def read(values: NDArray[np.float64], terms: Terms) -> float:
    """Return the value of a quantile's terms; exact where the observations are equal."""
    (first, _), *rest = terms
    return float(values[first] + sum(share * (values[i] - values[first]) for i, share in rest))


def quantile_terms(
    values: NDArray[np.float64], level: float, convention: QuantileConvention, weights: NDArray[np.float64] | None = None
) -> Terms:
    """Return the observations that make the quantile. Trusts its input; `weights` sum to one, None when equal."""
    order = np.argsort(values, kind="stable")
    if weights is not None and not np.all(weights == weights[0]):
        return _weighted(order, weights[order], level, convention)
    n = values.size
    lower, share = _rank(n, level, convention)
    below, above = int(order[min(max(lower, 1), n) - 1]), int(order[min(max(lower + 1, 1), n) - 1])
    if share == 0.0 or below == above:
        return ((below, 1.0),)
    return ((below, 1.0 - share), (above, share)) if share < 1.0 else ((above, 1.0),)


def _rank(n: int, level: float, convention: QuantileConvention) -> tuple[int, float]:
    """Return (rank counted from one, share of the next observation)."""
    if convention in _RANK_SHIFT:
        a, b = _RANK_SHIFT[convention]
        rank = _snapped(n * level + a + b * level)
        return int(np.floor(rank)), float(rank - np.floor(rank))
    if convention is QuantileConvention.CLOSEST_OBSERVATION:
        rank = _snapped(n * level - 0.5)
        lower = int(np.floor(rank))
        return lower, 0.0 if rank == lower and lower % 2 == 0 else 1.0
    rank = _snapped(n * level)
    lower = int(np.floor(rank))
    if rank > lower:
        return lower, 1.0
    averaged = convention is QuantileConvention.AVERAGED_INVERTED_CDF and 1 <= lower < n
    return lower, 0.5 if averaged else 0.0


def _snapped(rank: float) -> float:
    return float(np.rint(rank)) if abs(rank - np.rint(rank)) < _SNAP else rank


def _weighted(order: NDArray[np.int64], weights: NDArray[np.float64], level: float, convention: QuantileConvention) -> Terms:
    """Weighted forms; `order` and `weights` are sorted by value."""
    counted = weights > 0.0
    order, weights = order[counted], weights[counted]
    mass = np.cumsum(weights)
    if convention in (QuantileConvention.INVERTED_CDF, QuantileConvention.AVERAGED_INVERTED_CDF):
        reached = np.flatnonzero(mass >= level - MASS_SLACK)
        k = int(reached[0]) if reached.size else order.size - 1
        if convention is QuantileConvention.AVERAGED_INVERTED_CDF and mass[k] <= level + MASS_SLACK and k + 1 < order.size:
            return ((int(order[k]), 0.5), (int(order[k + 1]), 0.5))
        return ((int(order[k]), 1.0),)
    if convention is QuantileConvention.HAZEN:
        mass = mass - 0.5 * weights
    elif convention is not QuantileConvention.INTERPOLATED_INVERTED_CDF:
        raise MeasureError(
            f"{convention} has no form for unequal weights; inverted_cdf, averaged_, interpolated_inverted_cdf and hazen have"
        )
    k = int(np.searchsorted(mass, level))
    if k == 0 or k == order.size:
        return ((int(order[min(k, order.size - 1)]), 1.0),)
    share = float((level - mass[k - 1]) / (mass[k] - mass[k - 1]))
    return ((int(order[k - 1]), 1.0 - share), (int(order[k]), share))
