"""An alarm for correlations that break down, its threshold set by the false alarms that one is ready to bear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.breakdown import checked_components
from risk_core.correlation.checks import checked_day, checked_matrix, moving_rows
from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]


class BreakdownStatistic(StrEnum):
    """What is watched, of the correlation matrix (about zero) of a window."""

    AVERAGE_CORRELATION = "average_correlation"
    EXTREME_CORRELATION = "extreme_correlation"
    """The largest of all pairs."""
    ABSORPTION_RATIO = "absorption_ratio"
    """Share of the largest fifth of the principal components."""
    EFFECTIVE_RANK = "effective_rank"
    """Exponential of the entropy of the eigenvalues; low is bad."""


class AlarmStatus(StrEnum):
    """What an alarm says."""

    OK = "ok"
    BREAKDOWN = "breakdown"
    """The statistic is beyond what the reference days give in a horizon."""
    TOO_FEW = "too_few"
    """The window is not full yet."""


@dataclass(frozen=True, slots=True)
class AlarmReading:
    """A day's reading.

    Parameters
    ----------
    value : float or None
        None until the window is full, or where an instrument did not move in it.
    threshold : float
    p_value : float or None
        Share of the simulated horizons with a value at least as bad: (paths as bad + 1) / (paths + 1).
    status : AlarmStatus
    reason : str
    """

    value: float | None
    threshold: float
    p_value: float | None
    status: AlarmStatus
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationAlarm:
    """A calibrated threshold.

    Parameters
    ----------
    statistic : BreakdownStatistic
    window, horizon : int
        Days.
    false_alarms : float
        Probability of at least one alarm in a horizon of days like the reference.
    threshold : float
    extremes : float64[paths]
        Worst value of each simulated horizon, in order, least bad first.
    """

    statistic: BreakdownStatistic
    window: int
    horizon: int
    false_alarms: float
    threshold: float
    extremes: Floats = field(repr=False)

    def read(self, residuals: ArrayLike) -> AlarmReading:
        """Return the reading of the last `window` days of float64[N, T], oldest first; MeasureError if they are not finite."""
        given = checked_matrix(residuals, "residuals")
        if given.shape[1] < self.window:
            return AlarmReading(None, self.threshold, None, AlarmStatus.TOO_FEW, f"{given.shape[1]} days; the window has {self.window}")
        last = given[:, -self.window :]
        if not (np.abs(last).max(axis=1) > 0.0).all():
            still = int(np.argmin(np.abs(last).max(axis=1)))
            return AlarmReading(None, self.threshold, None, AlarmStatus.TOO_FEW, f"instrument {still} did not move in the window")
        value = float(rolling_statistic(last, self.window, self.statistic)[0])
        low_is_bad = self.statistic is BreakdownStatistic.EFFECTIVE_RANK
        as_bad = self.extremes <= value if low_is_bad else self.extremes >= value
        p = (int(as_bad.sum()) + 1) / (self.extremes.size + 1)
        if (value < self.threshold) if low_is_bad else (value > self.threshold):
            side = "below" if low_is_bad else "above"
            reason = f"{self.statistic} over {self.window} days is {value:.4g}, {side} {self.threshold:.4g}"
            return AlarmReading(value, self.threshold, p, AlarmStatus.BREAKDOWN, reason)
        return AlarmReading(value, self.threshold, p, AlarmStatus.OK)


def rolling_statistic(residuals: ArrayLike, window: int, statistic: BreakdownStatistic | str) -> Floats:
    """Return the statistic of each window of days, float64[T - window + 1], oldest first.

    Parameters
    ----------
    residuals : float64[N, T]
        Standardised, so that a change of volatility is not taken for one of correlation; no instrument still for a whole window.
    window : int
        At least two days.
    statistic : BreakdownStatistic or str
    """
    z = checked_matrix(residuals, "residuals")
    if statistic not in list(BreakdownStatistic):
        raise MeasureError(f"unknown statistic {statistic!r}; choose one of {', '.join(BreakdownStatistic)}")
    if not 2 <= window <= z.shape[1]:
        raise MeasureError(f"the window must be 2 to {z.shape[1]} days, not {window}")
    views = np.lib.stride_tricks.sliding_window_view(z, window, axis=1).transpose(1, 0, 2)
    moments = views @ views.transpose(0, 2, 1)
    diagonal = np.diagonal(moments, axis1=1, axis2=2)
    if not (diagonal > 0.0).all():
        raise MeasureError(f"instrument {int(np.argwhere(~(diagonal > 0.0))[0, 1])} does not move in a whole window: it has no correlation")
    unit = 1.0 / np.sqrt(diagonal)
    matrices = moments * unit[:, :, None] * unit[:, None, :]
    rows, columns = np.triu_indices(len(z), 1)
    if statistic == BreakdownStatistic.AVERAGE_CORRELATION:
        return np.asarray(matrices[:, rows, columns].mean(axis=1))
    if statistic == BreakdownStatistic.EXTREME_CORRELATION:
        return np.asarray(matrices[:, rows, columns].max(axis=1))
    values = np.maximum(np.linalg.eigvalsh(matrices), 0.0)
    shares = values / values.sum(axis=1, keepdims=True)
    if statistic == BreakdownStatistic.ABSORPTION_RATIO:
        return np.asarray(shares[:, -checked_components(0.2, len(z)) :].sum(axis=1))
    logs = np.log(np.where(shares > 0.0, shares, 1.0))
    return np.asarray(np.exp(-(shares * logs).sum(axis=1)))


def calibrate_alarm(
    residuals: ArrayLike,
    statistic: BreakdownStatistic | str = BreakdownStatistic.AVERAGE_CORRELATION,
    *,
    window: int = 60,
    horizon: int = 250,
    false_alarms: float = 0.05,
    paths: int = 500,
    block: int = 1,
    seed: int = 0,
) -> CorrelationAlarm:
    """Return an alarm whose threshold reference days cross within a horizon with probability `false_alarms`.

    Whole days of the reference are drawn with replacement, in blocks, into paths of window + horizon - 1 days; the threshold is a
    quantile of the worst value of each path, so that the many looks in a year are accounted for. What is not: the reference is one
    sample, and its correlation not the true one.

    Parameters
    ----------
    residuals : float64[N, T]
        Days on which correlations were whole, standardised by volatility; at least 100.
    statistic : BreakdownStatistic or str
    window, horizon : int
        Days of the statistic, and of the promise.
    false_alarms : float
        In (0, 1), at least one path's worth.
    paths : int
    block : int
        Days drawn together; more than one keeps their order.
    seed : int

    Raises
    ------
    MeasureError
        For residuals that are not finite or too few, or impossible numbers.
    """
    given = checked_matrix(residuals, "residuals")
    moving_rows(given, "residuals")
    days = given.shape[1]
    rate = checked_scalar(false_alarms, "false_alarms", above=0.0, most=1.0)
    if days < 100 or not window >= 2 or not horizon >= 1 or not 1 <= block <= days or not rate < 1.0 or rate * paths < 1.0:
        raise MeasureError(
            f"need 100 reference days, window >= 2, horizon >= 1, block of 1 to {days}, false_alarms < 1 and at least 1 / paths, not "
            f"{days}, {window}, {horizon}, {block}, {false_alarms} and {paths} paths"
        )
    if statistic not in list(BreakdownStatistic):
        raise MeasureError(f"unknown statistic {statistic!r}; choose one of {', '.join(BreakdownStatistic)}")
    kind = BreakdownStatistic(statistic)
    low_is_bad = kind is BreakdownStatistic.EFFECTIVE_RANK
    rng = np.random.Generator(np.random.PCG64(seed))
    length = window + horizon - 1
    extremes = np.empty(paths)
    for k in range(paths):
        starts = rng.integers(0, days, -(-length // block))
        chosen = ((starts[:, None] + np.arange(block)) % days).ravel()[:length]
        path = rolling_statistic(given[:, chosen], window, kind)
        extremes[k] = path.min() if low_is_bad else path.max()
    ordered = np.sort(extremes)[::-1] if low_is_bad else np.sort(extremes)
    rank = min(int(np.ceil((1.0 - rate) * (paths + 1))) - 1, paths - 1)
    return CorrelationAlarm(kind, window, horizon, rate, float(ordered[rank]), ordered)


class BreakdownMonitor:
    """A `CorrelationAlarm` on a stream: keeps the last window of residuals.

    Parameters
    ----------
    alarm : CorrelationAlarm
    count : int
        Number of instruments.
    """

    def __init__(self, alarm: CorrelationAlarm, count: int) -> None:
        if count < 2:
            raise MeasureError(f"there must be at least two instruments, not {count}")
        self._alarm, self._count = alarm, count
        self._rows: list[list[float]] = []

    def update(self, residuals: ArrayLike) -> None:
        """Take one day of residuals float64[N]; MeasureError, and no change, if one is missing or not finite."""
        day = checked_day(residuals, self._count, "residuals")
        self._rows = [*self._rows, day.tolist()][-self._alarm.window :]

    def value(self) -> AlarmReading:
        """Return the reading after the last day: that of `CorrelationAlarm.read` on the same days, to the bit."""
        if not self._rows:
            return AlarmReading(None, self._alarm.threshold, None, AlarmStatus.TOO_FEW, "no day was seen yet")
        return self._alarm.read(np.array(self._rows).T)

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        a = self._alarm
        alarm = {
            "statistic": str(a.statistic),
            "window": a.window,
            "horizon": a.horizon,
            "false_alarms": a.false_alarms,
            "threshold": a.threshold,
            "extremes": a.extremes.tolist(),
        }
        return {"kind": "breakdown", "version": 1, "count": self._count, "alarm": alarm, "rows": [list(r) for r in self._rows]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the monitor of a `state`; MeasureError if it is of another kind or incomplete."""
        if state.get("kind") != "breakdown" or state.get("version") != 1:
            raise MeasureError(f"not a breakdown state of version 1: kind {state.get('kind')!r}, version {state.get('version')!r}")
        try:
            held = dict(state["alarm"])
            held["statistic"], held["extremes"] = BreakdownStatistic(held["statistic"]), np.array(held["extremes"], np.float64)
            made = cls(CorrelationAlarm(**held), int(state["count"]))
            made._rows = [checked_day(r, made._count, "rows").tolist() for r in state["rows"]]
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return made
