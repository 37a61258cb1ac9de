"""Backtests of many series on every day at once: the judgements of `RollingBacktest`, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.result import OK, BacktestError
from risk_core.backtests.rolling import Judgement, capitals, checked_window, status_of
from risk_core.backtests.rolling_counts import ZONES, Counts, Floats, Integers, Numbers, tests_of

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class RollingTable:
    """The judgements of N series at the end of each of T days: arrays [T, N], finite, oldest day first.

    Parameters
    ----------
    observations, exceptions, total, total_exceptions : int64[T, N]
        Counts in the window, and since the first day.
    expected, type_i, multiplier_mar32, multiplier_basel_2_5, kupiec_p, conditional_p, e_value : float64[T, N]
        As `Judgement`.
    zone : int8[T, N]
        0 green, 1 yellow, 2 red.
    independence_p : float64[T, N]
        1 where `independence_known` is false.
    independence_known : bool[T, N]
        Whether the window has days with and days without an exception: else it says nothing of clusters.
    days_since_exception : int64[T, N]
        -1 where none has been since the first day.
    """

    observations: Integers
    exceptions: Integers
    expected: Floats
    zone: NDArray[np.int8]
    type_i: Floats
    multiplier_mar32: Floats
    multiplier_basel_2_5: Floats
    kupiec_p: Floats
    independence_p: Floats
    independence_known: Bools
    conditional_p: Floats
    days_since_exception: Integers
    total: Integers
    total_exceptions: Integers
    e_value: Floats

    def at(self, day: int, series: int) -> Judgement:
        """Return one cell as `RollingBacktest` gives it."""
        cell = {name: getattr(self, name)[day, series].item() for name in self.__slots__ if name != "independence_known"}
        status = status_of(cell["observations"], cell["exceptions"])
        cell["zone"] = ZONES[cell["zone"]]
        cell["independence_p"] = cell["independence_p"] if status == OK else None
        cell["days_since_exception"] = None if cell["days_since_exception"] < 0 else cell["days_since_exception"]
        return Judgement(**cell, status=status)


def rolling_backtests(hits: ArrayLike, confidences: ArrayLike, window: int | None = 250) -> RollingTable:
    """Return the judgements of N series at the end of every day: what `RollingBacktest` gives, day by day, at once.

    Parameters
    ----------
    hits : array_like[T, N] of 0 and 1
        Exceptions, oldest day first.
    confidences : array_like[N] or float
        Of each series' VaR.
    window : int or None
        Days that are judged; None for all since the first.

    Raises
    ------
    BacktestError
        If hits are not 0 and 1 in two dimensions, the confidences not one for each series and within (0, 1), or the window is not a whole
        number of at least one day.
    """
    series, days = _checked_table(hits), checked_window(window)
    levels = _checked_confidences(confidences, series.shape[1])
    counts = _rolling_counts(series, days)
    numbers = _numbers_of(counts, levels)
    ran = np.cumsum(np.where(series[1:], numbers.log_if_hit[:-1], numbers.log_if_none[:-1]), axis=0)
    place = np.arange(series.shape[0])[:, None]
    last = np.maximum.accumulate(np.where(series, place, -1), axis=0)
    n, x = counts.observations, counts.exceptions
    return RollingTable(
        observations=n,
        exceptions=x,
        expected=n * np.array([rate_of(level) for level in levels]),
        zone=numbers.zone.astype(np.int8),
        type_i=numbers.type_i,
        multiplier_mar32=numbers.multiplier_mar32,
        multiplier_basel_2_5=numbers.multiplier_basel_2_5,
        kupiec_p=numbers.kupiec_p,
        independence_p=numbers.independence_p,
        independence_known=(n > 1) & (x > 0) & (x < n),
        conditional_p=numbers.conditional_p,
        days_since_exception=np.where(last < 0, -1, place - last),
        total=np.broadcast_to(place + 1, series.shape),
        total_exceptions=np.cumsum(series, axis=0, dtype=np.int64),
        e_value=capitals(np.concatenate([np.zeros((1, series.shape[1])), ran])),
    )


def _rolling_counts(series: Bools, window: int | None) -> Counts:
    """Return the counts of every window, int64[T, N] each."""
    days = series.shape[0]
    start = np.zeros(days, np.int64) if window is None else np.maximum(np.arange(days) + 1 - window, 0)
    pair = np.zeros_like(series)
    pair[1:] = series[1:] & series[:-1]
    return Counts(
        np.broadcast_to((np.arange(days) + 1 - start)[:, None], series.shape),
        _between(series, start),
        _between(pair, start + 1),
        series[start].astype(np.int64),
        series.astype(np.int64),
    )


def _between(marks: Bools, start: Integers) -> Integers:
    """Return how many marks lie from day `start[t]` to day t."""
    sums = np.zeros((marks.shape[0] + 1, marks.shape[1]), np.int64)
    np.cumsum(marks, axis=0, out=sums[1:])
    return sums[1:] - sums[np.minimum(start, np.arange(start.size) + 1)]


def _numbers_of(counts: Counts, levels: Floats) -> Numbers[Floats]:
    """Return the numbers of every cell [T, N], each set of counts judged once."""
    found = Numbers(*(np.empty(counts.exceptions.shape) for _ in Numbers._fields))
    base = int(counts.observations.max()) + 1
    code = (((counts.observations * base + counts.exceptions) * base + counts.pairs) * 2 + counts.first) * 2 + counts.last
    for level in np.unique(levels):
        columns = np.flatnonzero(levels == level)
        _, first, inverse = np.unique(code[:, columns], return_index=True, return_inverse=True)
        distinct = Counts(*(part[:, columns].ravel()[first] for part in counts))
        for into, values in zip(found, tests_of(distinct, float(level)), strict=True):
            into[:, columns] = values[inverse].reshape(-1, columns.size)
    return found


def _checked_table(hits: ArrayLike) -> Bools:
    try:
        values = np.asarray(hits)
        table = values if values.dtype == np.bool_ else values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BacktestError(f"hits must be numbers 0 and 1: {error}") from None
    if table.ndim != 2 or 0 in table.shape:
        raise BacktestError(f"hits must have days and series, at least one of each, not shape {table.shape}; one series is hits[:, None]")
    odd = (table != 0) & (table != 1)
    if odd.any():
        day, column = (int(place) for place in np.argwhere(odd)[0])
        raise BacktestError(f"hits must be 0 or 1, not {table[day, column]} on day {day} of series {column}; use exception_series")
    return table.astype(np.bool_)


def _checked_confidences(confidences: ArrayLike, series: int) -> Floats:
    try:
        levels = np.asarray(confidences, np.float64)
    except (TypeError, ValueError) as error:
        raise BacktestError(f"confidences must be numbers: {error}") from None
    if levels.ndim > 1 or levels.size not in (1, series):
        raise BacktestError(f"confidences must be one number, or one for each of {series} series, not shape {levels.shape}")
    return np.broadcast_to(levels, (series,))
