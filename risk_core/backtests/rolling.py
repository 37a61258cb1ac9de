"""Backtests of value at risk day after day: coverage, clusters and the traffic light of the last days, and evidence since the first.

The numbers of a window are those of `coverage_tests` of the same days, but of counts alone (`rolling_counts`): a new day changes five
counts, and what was seen of them before is remembered. The e-value is the capital of a `BettingTest` of strategy `gree`, whose best bet
on exceptions has a closed form: (x / n - p) / (1 - p), within 0 and 1/2, of the window's x exceptions in n days.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, Final, Self

import numpy as np

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.es_inputs import checked_count
from risk_core.backtests.result import OK, BacktestError
from risk_core.backtests.rolling_counts import ZONES, Floats, Numbers, numbers_at
from risk_core.backtests.zones import Zone

_FORMAT: Final = 1
_LARGEST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of one series of forecasts at the end of a day.

    Parameters
    ----------
    observations : int
        Days in the window, at most its length.
    exceptions : int
        Of them with a loss beyond VaR.
    expected : float
        Exceptions that a right model has on average in so many days.
    zone : Zone
        "green", "yellow" or "red", of `traffic_light` for so many days.
    type_i : float
        Chance that a right model has so many exceptions or more.
    multiplier_mar32, multiplier_basel_2_5 : float
        On capital. At 250 days and 99 % Basel's table; elsewhere the formula behind it, as `traffic_light`.
    kupiec_p : float or None
        Of `kupiec_pof`, chi-square; None before the first day.
    independence_p : float or None
        Of `christoffersen_independence`, chi-square; None where the counts say nothing of it: `status` says why.
    conditional_p : float or None
        Of `christoffersen_conditional_coverage`, chi-square; None before the first day.
    days_since_exception : int or None
        0 where the last day is one; None where none has been since the first day.
    total, total_exceptions : int
        Days and exceptions since the first day.
    e_value : float
        Capital of the bet against the model since the first day, from one; the largest float where it would overflow. A right model
        ever takes it to 1 / a with a chance of at most a, however often one looks.
    status : str
        "ok", or why there is no independence test: "no_days", "too_short", "no_exceptions", "all_exceptions".
    """

    observations: int
    exceptions: int
    expected: float
    zone: Zone
    type_i: float
    multiplier_mar32: float
    multiplier_basel_2_5: float
    kupiec_p: float | None
    independence_p: float | None
    conditional_p: float | None
    days_since_exception: int | None
    total: int
    total_exceptions: int
    e_value: float
    status: str


class RollingBacktest:
    """The backtests of one series of exceptions, fed day by day; a day costs the same whatever the window.

    Parameters
    ----------
    confidence : float
        Of VaR, 0.99.
    window : int or None
        Days that are judged, 250 at Basel's; None for all since the first.

    Raises
    ------
    BacktestError
        If the confidence is not within (0, 1), or the window not a whole number of at least one day.
    """

    def __init__(self, confidence: float, window: int | None = 250) -> None:
        self.rate, self.confidence = rate_of(confidence), float(confidence)
        self.window = checked_window(window)
        self._places: deque[int] = deque()
        self._pairs = self._total = self._total_exceptions = 0
        self._last: int | None = None
        self._log_capital = 0.0

    def update(self, hit: bool) -> Judgement:
        """Count one more day.

        Parameters
        ----------
        hit : bool
            Whether the loss was beyond VaR.

        Raises
        ------
        BacktestError
            If `hit` is not true or false (1 or 0); the state is then as before.
        """
        if not (isinstance(hit, (bool, int, float, np.generic)) and hit in (0, 1)):
            raise BacktestError(f"hit must be True or False, not {hit!r}; leave out a day without P&L or VaR, or count it as an exception")
        numbers = self._numbers()
        self._log_capital += numbers.log_if_hit if hit else numbers.log_if_none
        if self.window is not None and self._total >= self.window:
            self._forget(self._total - self.window)
        if hit:
            self._pairs += bool(self._places) and self._places[-1] == self._total - 1
            self._places.append(self._total)
            self._last = self._total
            self._total_exceptions += 1
        self._total += 1
        return self.value

    def _forget(self, day: int) -> None:
        if self._places and self._places[0] == day:
            self._places.popleft()
            self._pairs -= bool(self._places) and self._places[0] == day + 1

    @property
    def value(self) -> Judgement:
        """What is known at the end of the last day."""
        numbers, (n, x, *_) = self._numbers(), self._counts()
        status = status_of(n, x)
        return Judgement(
            observations=n,
            exceptions=x,
            expected=n * self.rate,
            zone=ZONES[int(numbers.zone)],
            type_i=numbers.type_i,
            multiplier_mar32=numbers.multiplier_mar32,
            multiplier_basel_2_5=numbers.multiplier_basel_2_5,
            kupiec_p=numbers.kupiec_p if n else None,
            independence_p=numbers.independence_p if status == OK else None,
            conditional_p=numbers.conditional_p if n else None,
            days_since_exception=None if self._last is None else self._total - 1 - self._last,
            total=self._total,
            total_exceptions=self._total_exceptions,
            e_value=float(capitals(np.asarray(self._log_capital))),
            status=status,
        )

    def _counts(self) -> tuple[int, int, int, int, int]:
        n, places = self._total if self.window is None else min(self._total, self.window), self._places
        first = bool(places) and places[0] == self._total - n
        last = bool(places) and places[-1] == self._total - 1
        return n, len(places), self._pairs, int(first), int(last)

    def _numbers(self) -> Numbers[float]:
        return numbers_at(self.confidence, *self._counts())

    def state(self) -> dict[str, Any]:
        """Return everything as JSON's own types; `from_state` gives back a backtest that continues with the same bits."""
        return {
            "format": _FORMAT,
            "confidence": self.confidence,
            "window": self.window,
            "total": self._total,
            "total_exceptions": self._total_exceptions,
            "last": self._last,
            "places": list(self._places),
            "log_capital": self._log_capital,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the backtest of a state.

        Raises
        ------
        BacktestError
            If the state is of another format, a part is missing, or its parts contradict one another.
        """
        if state.get("format") != _FORMAT:
            raise BacktestError(f"the state has format {state.get('format')!r}, this version reads {_FORMAT}")
        try:
            test = cls(state["confidence"], state["window"])
            test._total, test._total_exceptions = int(state["total"]), int(state["total_exceptions"])
            test._last = None if state["last"] is None else int(state["last"])
            test._log_capital, places = float(state["log_capital"]), [int(day) for day in state["places"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BacktestError(f"the state is incomplete or not of this class: {error!r}") from None
        test._places = deque(places)
        test._pairs = sum(b - a == 1 for a, b in pairwise(places))
        test._check(places)
        return test

    def _check(self, places: list[int]) -> None:
        start = 0 if self.window is None else max(0, self._total - self.window)
        older = self._total_exceptions - len(places)
        rising = all(a < b for a, b in pairwise([start - 1, *places, self._total]))
        if places:
            told = self._last == places[-1]
        else:
            told = self._last is None if older == 0 else self._last is not None and older - 1 <= self._last < start
        if not (rising and told and 0 <= older <= start and isfinite(self._log_capital)):
            raise BacktestError("the state contradicts itself: its exceptions do not fit its days; it was not written by this class")


def status_of(observations: int, exceptions: int) -> str:
    """Return "ok", or why a window says nothing of clusters."""
    if observations < 2:
        return "too_short" if observations else "no_days"
    return "no_exceptions" if exceptions == 0 else "all_exceptions" if exceptions == observations else OK


def capitals(logs: Floats) -> Floats:
    """Return the capitals of logarithms, the largest float where they overflow."""
    with np.errstate(over="ignore"):
        return np.minimum(np.exp(logs), _LARGEST)


def checked_window(window: int | None) -> int | None:
    """Return the days of a window, None for all.

    Raises
    ------
    BacktestError
        Unless it is a whole number of at least one.
    """
    if window is None:
        return None
    try:
        return int(checked_count(window, "window"))
    except (TypeError, ValueError) as error:
        raise BacktestError(f"window must be a whole number of days, at least one, or None for all days, not {window!r}") from error
