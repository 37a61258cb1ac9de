"""Standard error of any statistic of a P&L vector, by leaving out blocks of it.

B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), ch. 11; H. Künsch, "The jackknife and the bootstrap for general
stationary observations", Annals of Statistics 17 (1989) 1217-1241.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from risk_core.uncertainty.interval import Interval, IntervalStatus, checked_level

Floats = NDArray[np.float64]

GROUPS: Final = 10
METHOD: Final = "group_jackknife"


def group_jackknife(
    statistics: Callable[[Floats, Floats], Sequence[float]],
    pnl: Floats,
    weights: Floats,
    estimates: Sequence[float],
    *,
    level: float = 0.95,
    groups: int = GROUPS,
    keep_days: bool = False,
) -> tuple[Interval, ...]:
    """Return an interval for each of several statistics of one vector, fitted together.

    The vector is cut into consecutive blocks, so that dependence within a block is kept; each is left out once, and the weights are scaled
    to one again. The variance is (G - 1) / G times the sum of squares about the mean of the G values; the interval is the estimate and
    Student t with G - 1 degrees of freedom. Meant for smooth statistics (fits); for one order statistic use `order_statistic_interval`.

    Parameters
    ----------
    statistics : callable
        (P&L float64[n], weights float64[n]) to K numbers. A ValueError says that there are none.
    pnl, weights : float64[S]
        In time order, either way.
    estimates : K floats
        Of the whole vector.
    level : float
        Nominal coverage, in (0, 1).
    groups : int
        Blocks, at least 2; no more than scenarios.
    keep_days : bool
        True: a block left out stays in the vector with a weight of zero, for fits that filter through all days.

    Returns
    -------
    K Interval
        `unknown` where a block's weight is all there is, the fit fails without a block, or the values do not differ.

    Raises
    ------
    MeasureError
        For an impossible level.
    """
    checked_level(level)
    blocks = np.array_split(np.arange(pnl.size), min(groups, pnl.size))
    count = len(blocks)
    values = np.empty((count, len(estimates)))
    for g, block in enumerate(blocks):
        mass = weights.copy()
        mass[block] = 0.0
        total = float(mass.sum())
        if count < 2 or not total > 0.0:
            return _unknown(estimates, level, "leaving a block out leaves nothing")
        try:
            kept = slice(None) if keep_days else np.delete(np.arange(pnl.size), block)
            values[g] = statistics(pnl[kept], mass[kept] / total)
        except (ValueError, np.linalg.LinAlgError) as error:
            return _unknown(estimates, level, f"there is no number without block {g + 1} of {count}: {error}")
    errors = np.sqrt((count - 1) / count * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    reach = -float(stdtrit(count - 1, 0.5 * (1.0 - level)))
    return tuple(_interval(float(e), float(s), reach, level) for e, s in zip(estimates, errors, strict=True))


def _interval(estimate: float, error: float, reach: float, level: float) -> Interval:
    if not (isfinite(error) and error > 1e-12 * abs(estimate)):
        return _unknown([estimate], level, "the number is the same whatever is left out")[0]
    return Interval(estimate - reach * error, estimate + reach * error, level, error, METHOD)


def _unknown(estimates: Sequence[float], level: float, reason: str) -> tuple[Interval, ...]:
    return tuple(Interval(None, None, level, None, METHOD, IntervalStatus.UNKNOWN, reason) for _ in estimates)
