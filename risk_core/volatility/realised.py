"""Realised variance of a day from its intraday prices: sums of squared log returns, plain, averaged over subsamples, or without jumps.

T. G. Andersen, T. Bollerslev, F. X. Diebold and P. Labys, "Modeling and forecasting realized volatility", Econometrica 71 (2003) 579-625;
L. Zhang, P. A. Mykland and Y. Aït-Sahalia, "A tale of two time scales", JASA 100 (2005) 1394-1411 (subsampling); O. E. Barndorff-Nielsen
and N. Shephard, "Power and bipower variation with stochastic volatility and jumps", Journal of Financial Econometrics 2 (2004) 1-37.
"""

from __future__ import annotations

from math import pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]

TRADING_DAYS: Final = 252


def realised_variance(prices: ArrayLike, *, every: int = 1, subsample: bool = False) -> float:
    """Return the sum of squared log returns between every `every`-th price.

    Parameters
    ----------
    prices : float64[M]
        Of one day, in order of time, positive: closes of bars, the first being the open. M >= every + 1.
    every : int
        1: all prices. 5 of one-minute closes: five-minute returns, from the first price; prices after the last whole step are not read.
    subsample : bool
        True: the mean over the grids that begin at the first, second, ... `every`-th price, each scaled to the whole day by the number of
        steps: less noise from the choice of grid.

    Returns
    -------
    float
        Variance of the day, not a yearly rate; zero where no price moved.

    Raises
    ------
    MeasureError
        For prices that are missing, not finite or not positive, too few of them, or an impossible step.
    """
    logs = _logs(prices, every)
    if not subsample:
        moves = np.diff(logs[::every])
        return float(moves @ moves)
    whole = (logs.size - 1) / every
    found = []
    for begin in range(min(every, logs.size - every)):
        moves = np.diff(logs[begin::every])
        found.append(float(moves @ moves) * whole / moves.size)
    return float(np.mean(found))


def bipower_variation(prices: ArrayLike, *, every: int = 1) -> float:
    """Return (pi / 2) M / (M - 1) times the sum of products of neighbouring absolute log returns: the variance without jumps.

    Parameters
    ----------
    prices, every
        As in `realised_variance`; at least two returns.

    Raises
    ------
    MeasureError
        As `realised_variance`.
    """
    moves = np.abs(np.diff(_logs(prices, every)[::every]))
    if moves.size < 2:
        raise MeasureError("bipower variation needs at least two returns")
    return float(0.5 * pi * moves.size / (moves.size - 1) * (moves[1:] @ moves[:-1]))


def realised_volatility(prices: ArrayLike, *, every: int = 1, subsample: bool = False, days_per_year: float | None = None) -> float:
    """Return the square root of `realised_variance`: of the day, or a yearly rate if `days_per_year` is given, such as 252."""
    if days_per_year is not None and not 0.0 < days_per_year < np.inf:
        raise MeasureError(f"days_per_year must be positive and finite, not {days_per_year!r}")
    factor = 1.0 if days_per_year is None else days_per_year
    return float(np.sqrt(realised_variance(prices, every=every, subsample=subsample) * factor))


def daily_realised_variance(
    prices: ArrayLike, days: ArrayLike, *, every: int = 1, subsample: bool = False, overnight: bool = False
) -> tuple[NDArray[np.generic], Floats]:
    """Return days and the realised variance of each.

    Parameters
    ----------
    prices : float64[M]
        In order of time.
    days : [M]
        The day of each price (dates, or numbers), never falling.
    every, subsample
        As in `realised_variance`, within each day.
    overnight : bool
        True: the squared return from the last price of the day before to the first of the day is added (none on the first day).

    Raises
    ------
    MeasureError
        As `realised_variance`; for labels of another length, or days that go back.
    """
    quoted, labels = checked_pnl(prices, "prices"), np.asarray(days)
    if labels.shape != quoted.shape:
        raise MeasureError(f"days must name the day of each price, shape {quoted.shape}, not {labels.shape}")
    if (labels[1:] < labels[:-1]).any():
        at = int(np.flatnonzero(labels[1:] < labels[:-1])[0]) + 1
        raise MeasureError(f"days go back at position {at}: sort the prices by time")
    begins = np.flatnonzero(np.concatenate([[True], labels[1:] != labels[:-1]]))
    ends = np.append(begins[1:], quoted.size)
    variances = np.empty(begins.size)
    for k, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        if end - begin < every + 1:
            raise MeasureError(f"day {labels[begin]} has {end - begin} prices; a step of {every} needs {every + 1}: drop the day")
        variances[k] = realised_variance(quoted[begin:end], every=every, subsample=subsample)
        if overnight and k > 0:
            variances[k] += float(np.log(quoted[begin] / quoted[begin - 1])) ** 2
    return labels[begins], variances


def _logs(prices: ArrayLike, every: int) -> Floats:
    if every < 1:
        raise MeasureError(f"every counts prices between returns, at least 1, not {every!r}")
    quoted = checked_pnl(prices, "prices")
    if not (quoted > 0.0).all():
        at = int(np.flatnonzero(quoted <= 0.0)[0])
        raise MeasureError(f"prices is {quoted[at]} at position {at}: log returns need positive prices")
    if quoted.size < every + 1:
        raise MeasureError(f"{quoted.size} prices; a step of {every} needs at least {every + 1}")
    logs: Floats = np.log(quoted)
    return logs
