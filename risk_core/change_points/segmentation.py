"""Change points of a whole series: PELT, binary segmentation, and the best segmentation with a given number of changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.change_points import segment_kernels as kernels
from risk_core.measures.checks import MeasureError, checked_pnl, checked_scalar

Floats = NDArray[np.float64]


class Cost(StrEnum):
    """What a segment of n observations costs."""

    L2 = "l2"
    """Sum of squares about the segment's mean: changes of the mean at one variance."""
    NORMAL = "normal"
    """n log(variance + added), about the segment's own mean: changes of mean, variance or both. Twice a negative log-likelihood."""
    VARIANCE = "variance"
    """n log(mean square + added) about one mean for all: changes of the variance."""
    POISSON = "poisson"
    """Twice the negative log-likelihood of counts, without what no segmentation changes: changes of a rate, such as of exceptions."""


class Penalty(StrEnum):
    """What a change costs, with d parameters of a segment (2 for `normal`, else 1) and n observations, on the scale of -2 log-likelihood.

    The place of a change is a parameter too. For cost `l2` all are multiplied by the variance of the noise.
    """

    BIC = "bic"
    """(d + 1) log n. Also named SIC; `changepoint` of R calls it SIC1, and SIC what is d log n."""
    MBIC = "mbic"
    """(d + 2) log n for a change and log of its length for a segment: Zhang and Siegmund (2007), as `changepoint` of R."""
    AIC = "aic"
    """2 (d + 1): too many changes."""
    HANNAN_QUINN = "hannan_quinn"
    """2 (d + 1) log log n."""


class Pruning(StrEnum):
    """When PELT drops a start that has been beaten by an end s."""

    EXACT = "exact"
    """For ends from s + min_size on: the least cost, always."""
    AT_ONCE = "at_once"
    """Now, although s cannot start a segment before s + min_size: what `ruptures` does. The same with min_size 1, and mostly else."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Where a series changed.

    Parameters
    ----------
    changes : tuple of int
        First observation of each new segment, rising; positions in the series, oldest first: also how many observations lie before. Empty
        where none is found.
    cost : float
        Sum of the costs of the segments, without penalties.
    penalty : float
        Of one change, as used; 0 where their number was given.
    means, variances : tuple of float
        Of each segment, one more than changes; variances with ddof 0.
    observations : int
    """

    changes: tuple[int, ...]
    cost: float
    penalty: float
    means: tuple[float, ...]
    variances: tuple[float, ...]
    observations: int

    @property
    def breakpoints(self) -> tuple[int, ...]:
        """`changes` and then the length of the series, as `ruptures` returns them."""
        return (*self.changes, self.observations)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    values: Floats
    kind: int
    sums: Floats
    least: int
    added: float


_KINDS = {Cost.L2: kernels.L2, Cost.NORMAL: kernels.NORMAL, Cost.VARIANCE: kernels.VARIANCE, Cost.POISSON: kernels.POISSON}


def pelt(
    series: ArrayLike,
    *,
    cost: str = Cost.L2,
    penalty: float | str = Penalty.BIC,
    min_size: int = 2,
    mean: float | None = None,
    noise_variance: float | None = None,
    added_variance: float = 1e-6,
    pruning: str = Pruning.EXACT,
) -> Segmentation:
    """Return the segmentation with the least sum of costs and penalties, by PELT: every observation is a candidate.

    Parameters
    ----------
    series : float64[T]
        Oldest first.
    cost : Cost or str
    penalty : float or Penalty or str
        Of one change: a number, positive, in the unit of the cost (for `l2` the squared unit of the series); or by name.
    min_size : int
        Fewest observations of a segment; at least 2 for cost `normal`.
    mean : float, optional
        For cost `variance`: the mean of all segments; by default that of the series.
    noise_variance : float, optional
        For cost `l2` and a named penalty; by default `noise_variance(series)`.
    added_variance : float
        For costs `normal` and `variance`, positive, in the squared unit of the series: a segment of equal observations would cost minus
        infinity. 1e-6 is what `ruptures` adds to any series; give daily returns in percent, or 1e-10 for fractions.
    pruning : Pruning or str

    Returns
    -------
    Segmentation
        Without changes where the series is constant or shorter than two segments.

    Raises
    ------
    MeasureError
        For missing or infinite values, fewer observations than `min_size`, counts that are not, or impossible settings.

    Notes
    -----
    R. Killick, P. Fearnhead and I. A. Eckley, "Optimal detection of changepoints with a linear computational cost", Journal of the American
    Statistical Association 107 (2012) 1590-1598; N. R. Zhang and D. O. Siegmund, "A modified Bayes information criterion", Biometrics 63
    (2007) 22-32.
    """
    task = _problem(series, cost, min_size, mean, added_variance)
    if pruning not in tuple(Pruning):
        raise MeasureError(f"unknown pruning {pruning!r}; choose one of {', '.join(Pruning)}")
    amount, length_weight = _penalty(task, penalty, noise_variance)
    n = task.values.size
    slack = length_weight * max(log(n / 4.0), 0.0)  # log a + log b - log(a + b) is at most log(n / 4)
    arguments = (task.kind, task.sums, amount, task.least, length_weight, slack, task.added, pruning == Pruning.AT_ONCE)
    last, _ = kernels.pelt_search(*arguments)
    return _result(task, _walked(last, n), amount)


def binary_segmentation(
    series: ArrayLike,
    *,
    changes: int | None = None,
    cost: str = Cost.L2,
    penalty: float | str = Penalty.BIC,
    min_size: int = 2,
    mean: float | None = None,
    noise_variance: float | None = None,
    added_variance: float = 1e-6,
) -> Segmentation:
    """Return changes found by cutting the segment that gains most in two, again and again.

    Quick and not optimal: a segment that goes and returns may not be found. Parameters are those of `pelt`; with `changes` it stops at that
    many (fewer where no segment can be cut) in place of at a gain not above the penalty; `mbic` is not for it.

    Notes
    -----
    L. Vostrikova, "Detecting disorder in multidimensional random processes", Soviet Mathematics Doklady 24 (1981) 55-59.
    """
    task = _problem(series, cost, min_size, mean, added_variance)
    most = task.values.size // task.least - 1
    amount, least_gain = 0.0, -1e300
    if changes is None:
        amount, length_weight = _penalty(task, penalty, noise_variance)
        if length_weight:
            raise MeasureError("binary segmentation has no penalty 'mbic', which depends on all lengths; take pelt, or 'bic'")
        least_gain = amount
    else:
        most = min(_count(changes, "changes", 0), most)
    found, _ = kernels.halve(task.kind, task.sums, most, least_gain, task.least, task.added)
    return _result(task, sorted(int(c) for c in found), amount)


def optimal_segmentation(
    series: ArrayLike, *, changes: int, cost: str = Cost.L2, min_size: int = 2, mean: float | None = None, added_variance: float = 1e-6
) -> Segmentation:
    """Return the segmentation with exactly this number of changes and the least sum of costs: O(changes T²) by dynamic programming.

    Parameters are those of `pelt`.

    Raises
    ------
    MeasureError
        Also where the series is too short for so many changes.
    """
    task = _problem(series, cost, min_size, mean, added_variance)
    return _result(task, exact_changes(task.kind, task.sums, _count(changes, "changes", 0), task.least, task.added)[0][-1], 0.0)


def exact_changes(kind: int, sums: Floats, most: int, least: int, added: float = 1e-6) -> tuple[list[list[int]], Floats]:
    """Return the best changes of 0, 1, ..., `most` changes, and the cost of each."""
    n = sums.shape[1] - 1
    if (most + 1) * least > n:
        raise MeasureError(f"{most} changes need {most + 1} segments of {least} observations; there are {n}: ask for fewer")
    last, costs = kernels.exact_search(kind, sums, most + 1, least, added)
    chosen = []
    for k in range(most + 1):
        end, places = n, []
        for segment in range(k, 0, -1):
            end = int(last[segment, end])
            places.append(end)
        chosen.append(places[::-1])
    return chosen, costs


def noise_variance(series: ArrayLike) -> float:
    """Return the variance of independent normal noise about a mean that changes seldom, from the median size of first differences.

    A difference has twice the variance, and few differences hold a change. 0 where more than half of them are zero.
    """
    values = checked_pnl(series, "series")
    if values.size < 2:
        raise MeasureError("a variance of noise needs two observations")
    return 0.5 * (float(np.median(np.abs(np.diff(values)))) / 0.6744897501960817) ** 2


def running_sums(values: Floats) -> Floats:
    """Return float64[2, T + 1]: running sums of values and of squares, from zero."""
    sums = np.zeros((2, values.size + 1))
    np.cumsum(values, out=sums[0, 1:])
    np.cumsum(values * values, out=sums[1, 1:])
    return sums


def _problem(series: ArrayLike, cost: str, min_size: int, mean: float | None, added_variance: float) -> _Problem:
    values = checked_pnl(series, "series")
    if cost not in tuple(Cost):
        raise MeasureError(f"unknown cost {cost!r}; choose one of {', '.join(Cost)}")
    least = _count(min_size, "min_size", 2 if cost == Cost.NORMAL else 1)
    added = checked_scalar(added_variance, "added_variance", above=0.0)
    if values.size < least:
        raise MeasureError(f"series has {values.size} observations, fewer than one segment of min_size {least}")
    if mean is not None and cost != Cost.VARIANCE:
        raise MeasureError("mean is for cost 'variance': the others estimate it in each segment")
    if cost == Cost.POISSON and not ((values >= 0.0) & (values == np.floor(values))).all():
        raise MeasureError("cost 'poisson' is of counts: whole numbers, not negative")
    centre = 0.0 if cost == Cost.POISSON else float(values.mean()) if mean is None else checked_scalar(mean, "mean")
    return _Problem(values, _KINDS[Cost(cost)], running_sums(values - centre), least, added)


def _penalty(task: _Problem, penalty: float | str, given: float | None) -> tuple[float, float]:
    """Return (penalty of a change, weight of log(length) of a segment)."""
    if not isinstance(penalty, str):
        return checked_scalar(penalty, "penalty", above=0.0), 0.0
    if penalty not in tuple(Penalty):
        raise MeasureError(f"unknown penalty {penalty!r}; give a number, or one of {', '.join(Penalty)}")
    n, d = max(task.values.size, 3), 2 if task.kind == kernels.NORMAL else 1
    amounts = {
        Penalty.BIC: (d + 1) * log(n),
        Penalty.MBIC: (d + 2) * log(n),
        Penalty.AIC: 2.0 * (d + 1),
        Penalty.HANNAN_QUINN: 2.0 * (d + 1) * log(log(n)),
    }
    unit = 1.0
    if task.kind == kernels.L2:
        constant = float(np.ptp(task.values)) == 0.0  # any penalty will do
        unit = checked_scalar(given, "noise_variance", above=0.0) if given is not None else 1.0 if constant else noise_variance(task.values)
        if unit == 0.0:
            raise MeasureError("most observations repeat the one before: give noise_variance, or penalty as a number")
    return unit * amounts[Penalty(penalty)], unit * float(penalty == Penalty.MBIC)


def _walked(last: NDArray[np.int64], n: int) -> list[int]:
    places, end = [], int(last[n])
    while end > 0:
        places.append(end)
        end = int(last[end])
    return places[::-1]


def _result(task: _Problem, changes: list[int], penalty: float) -> Segmentation:
    edges = np.array([0, *changes, task.values.size])
    counts = np.diff(edges)
    means = np.add.reduceat(task.values, edges[:-1]) / counts
    variances = np.add.reduceat((task.values - np.repeat(means, counts)) ** 2, edges[:-1]) / counts
    total = kernels.total_cost(task.kind, task.sums, edges, task.added)
    return Segmentation(tuple(changes), total, penalty, tuple(means.tolist()), tuple(variances.tolist()), task.values.size)


def _count(value: int, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise MeasureError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)
