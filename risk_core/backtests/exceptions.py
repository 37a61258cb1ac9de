"""Exception series: on which days the loss was beyond VaR."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.result import BacktestError, checked_choice

Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


class Ties(StrEnum):
    """A loss of exactly VaR."""

    STRICT = "strict"
    """No exception: loss > VaR (Basel, MATLAB)."""
    INCLUSIVE = "inclusive"
    """An exception: loss >= VaR (Costanzino and Curran, and the R packages that follow them)."""


class Missing(StrEnum):
    """A day after warm-up whose P&L or VaR is not there."""

    EXCEPTION = "exception"
    """Counts as an exception, and is marked (Basel MAR32)."""
    DROP = "drop"
    """Is left out; its neighbours count as consecutive days."""
    ERROR = "error"
    """Is refused."""


@dataclass(frozen=True, slots=True, eq=False)
class ExceptionSeries:
    """Days that were judged, oldest first.

    Parameters
    ----------
    hits : bool[N]
        Whether the day was an exception.
    missing : bool[N]
        Whether it counts as one only because P&L or VaR was missing.
    days : int64[N]
        Position of the day in the input.
    """

    hits: Bools = field(repr=False)
    missing: Bools = field(repr=False)
    days: Integers = field(repr=False)

    @property
    def observations(self) -> int:
        """Days judged."""
        return int(self.hits.size)

    @property
    def exceptions(self) -> int:
        """Days with an exception, missing ones included."""
        return int(self.hits.sum())

    @property
    def missing_count(self) -> int:
        """Exceptions that are only missing data."""
        return int(self.missing.sum())

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NDArray[np.bool_]:
        return np.array(self.hits, dtype=dtype, copy=copy)  # type: ignore[call-overload, no-any-return]

    def __len__(self) -> int:
        return self.observations


def exception_series(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    *,
    ties: Ties | str = Ties.STRICT,
    missing: Missing | str = Missing.EXCEPTION,
    warm_up: int | None = None,
) -> ExceptionSeries:
    """Return the exception series of outcomes and the forecasts made for the same days.

    Parameters
    ----------
    pnl : array_like[T]
        Gains positive, oldest first. NaN is missing.
    value_at_risk : array_like[T] or float
        Forecast for each day, loss positive, any sign, in the unit of the P&L. NaN is missing.
    ties : Ties
    missing : Missing
    warm_up : int or None
        Leading days that are not judged. None: those before the first VaR that is there.

    Raises
    ------
    BacktestError
        If lengths differ, a number is infinite, nothing is left to judge, or a day is missing and `missing` is "error".
    """
    losses, limits = -_vector(pnl, "pnl"), _numbers(value_at_risk, "value_at_risk")
    if limits.ndim == 0:
        limits = np.full(losses.size, float(limits))
    if limits.shape != losses.shape:
        raise BacktestError(
            f"pnl has {losses.size} days and value_at_risk shape {limits.shape}; align them day by day, with NaN where one is missing"
        )
    for name, values in (("pnl", losses), ("value_at_risk", limits)):
        if np.isinf(values).any():
            raise BacktestError(f"{name} is infinite at position {int(np.isinf(values).argmax())}; give NaN for a day without a number")
    if warm_up is None:
        known = ~np.isnan(limits)
        warm_up = int(known.argmax()) if known.any() else losses.size
    if warm_up < 0:
        raise BacktestError(f"warm_up must not be negative, not {warm_up}")
    days = np.arange(warm_up, losses.size, dtype=np.int64)
    losses, limits = losses[days], limits[days]
    gone = np.isnan(losses) | np.isnan(limits)
    policy = checked_choice(Missing, missing, "missing")
    if policy is Missing.ERROR and gone.any():
        raise BacktestError(f"{int(gone.sum())} days lack P&L or VaR, the first at position {int(days[gone][0])}")
    with np.errstate(invalid="ignore"):
        hits = losses >= limits if checked_choice(Ties, ties, "ties") is Ties.INCLUSIVE else losses > limits
    hits |= gone
    if policy is Missing.DROP:
        hits, days, gone = hits[~gone], days[~gone], gone[~gone]
    if hits.size == 0:
        raise BacktestError("no day is left to judge: every one is warm-up or missing")
    return ExceptionSeries(hits, gone, days)


def checked_hits(hits: ExceptionSeries | ArrayLike) -> Bools:
    """Return an exception series as bool[N].

    Raises
    ------
    BacktestError
        If it is empty, not one-dimensional, or has values other than 0 and 1.
    """
    if isinstance(hits, ExceptionSeries):
        return hits.hits
    values = _vector(hits, "hits")
    odd = ~((values == 0.0) | (values == 1.0))
    if odd.any():
        place = int(odd.argmax())
        raise BacktestError(f"hits must be 0 or 1, not {values[place]} at position {place}; use exception_series(pnl, value_at_risk)")
    return values.astype(np.bool_)


def checked_counts(count: int, observations: int) -> tuple[int, int]:
    """Return (exceptions, observations) as whole numbers.

    Raises
    ------
    BacktestError
        If they are not whole, `observations` is not positive, or `exceptions` is not within [0, observations].
    """
    whole = []
    for name, value in (("exceptions", count), ("observations", observations)):
        number = float(value)
        if not number.is_integer():
            raise BacktestError(f"{name} must be a whole number, not {value!r}")
        whole.append(int(number))
    if whole[1] < 1 or not 0 <= whole[0] <= whole[1]:
        raise BacktestError(
            f"{whole[0]} exceptions in {whole[1]} observations cannot be: 0 <= exceptions <= observations and observations >= 1"
        )
    return whole[0], whole[1]


@dataclass(frozen=True, slots=True)
class TransitionCounts:
    """Pairs of consecutive days: `n01` is a day without an exception followed by one with. They sum to N - 1."""

    n00: int
    n10: int
    n01: int
    n11: int


def transition_counts(hits: ExceptionSeries | ArrayLike) -> TransitionCounts:
    """Return the counts of the first-order Markov chain of an exception series."""
    series = checked_hits(hits)
    kinds = np.bincount(2 * series[:-1].astype(np.int64) + series[1:], minlength=4)
    return TransitionCounts(n00=int(kinds[0]), n01=int(kinds[1]), n10=int(kinds[2]), n11=int(kinds[3]))


def gaps(hits: ExceptionSeries | ArrayLike) -> Integers:
    """Return days to the first exception, counted from one, and between each and the next: int64[exceptions]."""
    places = np.flatnonzero(checked_hits(hits)) + 1
    return np.diff(places, prepend=0).astype(np.int64)


def _vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    vector = _numbers(values, name)
    if vector.ndim != 1 or vector.size == 0:
        raise BacktestError(f"{name} must have one dimension and at least one day, not shape {vector.shape}")
    return vector


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BacktestError(f"{name} must be numbers: {error}") from None
