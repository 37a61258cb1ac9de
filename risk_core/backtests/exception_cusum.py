"""A CUSUM of exceptions, which shows soon that their rate is too high.

M. Reynolds and Z. Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously", Journal of Quality Technology 31
(1999) 87-108. Each day without an exception takes 1 off a sum that never falls below zero, each exception adds m - 1; an alarm is at H.
Then 1 / m lies between the two rates that are to be told apart, all sums are whole numbers, and the average run length is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any, Final, Self

import numpy as np

from risk_core.backtests.es_inputs import checked_count, checked_tail
from risk_core.backtests.result import BacktestError, checked_probability

_FORMAT: Final = 1
_LARGEST: Final = 20_000


def reference_days(probability: float, shifted_probability: float) -> int:
    """Return m: the days that one exception pays for, from the likelihood ratio of the two rates, to the nearest whole number.

    Raises
    ------
    BacktestError
        Unless 0 < probability < shifted_probability < 1.
    """
    low, high = checked_probability(probability, "probability"), checked_probability(shifted_probability, "shifted_probability")
    if not low < high:
        raise BacktestError(f"shifted_probability {high} must be more than probability {low}")
    drop = log((1.0 - low) / (1.0 - high))
    return max(2, round((drop + log(high / low)) / drop))


@lru_cache(maxsize=512)
def average_run_length(probability: float, days_per_exception: int, limit: int, head_start: int = 0) -> float:
    """Return the mean number of days to an alarm, where exceptions are independent with one probability. Exact.

    Parameters
    ----------
    probability : float
        True probability of an exception.
    days_per_exception : int
        m, at least 2.
    limit : int
        H: an alarm is where the sum reaches it.
    head_start : int
        Sum on the first day, below `limit`.
    """
    from scipy.linalg import solve_banded

    p, m, h = (
        checked_probability(probability, "probability"),
        checked_count(days_per_exception, "days_per_exception", 2),
        checked_count(limit, "limit"),
    )
    if not 0 <= head_start < h:
        raise BacktestError(f"head_start must lie within 0 and {h - 1}, not {head_start}")
    if h <= m - 1:
        return 1.0 / p  # the first exception is an alarm, wherever the sum is
    bands = np.zeros((m + 1, h))
    bands[0, m - 1 :], bands[m - 1], bands[m, :-1] = -p, 1.0, p - 1.0
    bands[m - 1, 0] = p
    return float(solve_banded((1, m - 1), bands, np.ones(h))[head_start])


@lru_cache(maxsize=128)
def calibrated_limit(probability: float, days_per_exception: int, run_length: float) -> int:
    """Return the smallest H whose average run length is at least `run_length` where the rate is right.

    Raises
    ------
    BacktestError
        If it would be more than 20,000.
    """
    if not run_length >= 1.0:
        raise BacktestError(f"run_length must be at least one day, not {run_length!r}")
    low, high = 0, days_per_exception
    while average_run_length(probability, days_per_exception, high) < run_length:
        low, high = high, 2 * high
        if high > _LARGEST:
            raise BacktestError(
                f"no limit up to {_LARGEST} gives a run of {run_length:g} days; ask for a shorter one or rates further apart"
            )
    while high - low > 1:
        middle = (low + high) // 2
        if average_run_length(probability, days_per_exception, middle) < run_length:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True)
class CusumValue:
    """Where the chart stands.

    Parameters
    ----------
    statistic, limit : float
        In exceptions: the sum and H over m.
    alarm : bool
        Whether the last day gave one.
    alarms, days, exceptions : int
        So far.
    """

    statistic: float
    limit: float
    alarm: bool
    alarms: int
    days: int
    exceptions: int


class ExceptionCusum:
    """A chart of one forecast series, fed day by day; it starts again after an alarm.

    Parameters
    ----------
    confidence : float
        Of VaR: exceptions have probability 1 - confidence where it is right.
    shifted_probability : float, optional
        Rate that is to be found soon; twice the right one by default.
    run_length : float
        Mean days to a false alarm, at least; 2,500 (ten years) by default.
    head_start : float
        Share of the limit at the start and after an alarm, in [0, 1): a fast initial response finds a fault that is there already.

    Raises
    ------
    BacktestError
        For numbers outside their range.
    """

    def __init__(
        self, confidence: float, *, shifted_probability: float | None = None, run_length: float = 2_500.0, head_start: float = 0.0
    ) -> None:
        self.confidence, self.run_length = confidence, float(run_length)
        self.probability = checked_tail(confidence)
        self.shifted_probability = min(2.0 * self.probability, 0.99) if shifted_probability is None else float(shifted_probability)
        if not 0.0 <= head_start < 1.0:
            raise BacktestError(f"head_start must lie in [0, 1), not {head_start!r}")
        self.head_start = float(head_start)
        self.days_per_exception = reference_days(self.probability, self.shifted_probability)
        self.limit = calibrated_limit(self.probability, self.days_per_exception, self.run_length)
        self._start = int(self.head_start * self.limit)
        self._sum, self._alarm = self._start, False
        self._alarms = self._days = self._exceptions = 0

    def update(self, exception: bool) -> CusumValue:
        """Count one more day, with an exception or without."""
        if self._alarm:
            self._sum, self._alarm = self._start, False
        self._sum = max(0, self._sum + (self.days_per_exception - 1 if exception else -1))
        self._alarm = self._sum >= self.limit
        self._days += 1
        self._exceptions += bool(exception)
        self._alarms += self._alarm
        return self.value

    @property
    def value(self) -> CusumValue:
        """Where the chart stands."""
        m = self.days_per_exception
        return CusumValue(self._sum / m, self.limit / m, self._alarm, self._alarms, self._days, self._exceptions)

    def expected_run_length(self, probability: float) -> float:
        """Return the mean days to an alarm, from the start, at a true rate of exceptions."""
        return average_run_length(probability, self.days_per_exception, self.limit, self._start)

    def state(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON and `from_state`."""
        return {
            "format": _FORMAT,
            "confidence": self.confidence,
            "shifted_probability": self.shifted_probability,
            "run_length": self.run_length,
            "head_start": self.head_start,
            "days_per_exception": self.days_per_exception,
            "limit": self.limit,
            "sum": self._sum,
            "alarm": self._alarm,
            "alarms": self._alarms,
            "days": self._days,
            "exceptions": self._exceptions,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the chart of a state.

        Raises
        ------
        BacktestError
            If the state is of another format, incomplete, or calibrated otherwise.
        """
        if state.get("format") != _FORMAT:
            raise BacktestError(f"the state has format {state.get('format')!r}, this version reads {_FORMAT}")
        try:
            names = ("shifted_probability", "run_length", "head_start")
            chart = cls(state["confidence"], **{name: state[name] for name in names})
            counts = [int(state[name]) for name in ("sum", "alarms", "days", "exceptions")]
            calibration, alarm = (state["days_per_exception"], state["limit"]), bool(state["alarm"])
        except (KeyError, TypeError) as error:
            raise BacktestError(f"the state is incomplete: {error}") from None
        if calibration != (chart.days_per_exception, chart.limit):
            raise BacktestError("the state was calibrated otherwise: start a new chart")
        chart._sum, chart._alarms, chart._days, chart._exceptions = counts
        chart._alarm = alarm
        return chart
