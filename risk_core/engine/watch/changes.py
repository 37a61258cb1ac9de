"""One instrument's detectors, of a rise of its volatility and of a turn of its drift.

Both know no scale of their own: the fast volatility is held against the slow one, and returns are counted in units of the slow one. They
begin anew after an alarm. Thresholds are calibrated on GARCH(1,1) with Student t innovations, so that clusters and fat tails do not cry
wolf: `python -m benchmarks.watch_thresholds` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from risk_core.change_points import Cusum, VolatilityBreakout

DRIFT_K: Final = 0.25
"""Reference value of the CUSUM of drift, in slow volatilities: half the shift to be found soonest."""

THRESHOLDS: Final = MappingProxyType({250: (2.06, 8.7), 500: (2.45, 10.7), 1_250: (2.95, 13.7), 2_500: (3.4, 16.2)})
"""Closes to a false alarm: (ratio of volatilities, CUSUM of drift)."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A detector's alarm."""

    detector: str
    direction: str
    statistic: float
    threshold: float


class InstrumentChanges:
    """Watches the moves of one instrument.

    Parameters
    ----------
    run_length : int
        One of `RUN_LENGTHS`.
    """

    def __init__(self, run_length: int) -> None:
        ratio, drift = THRESHOLDS[run_length]
        self.breakout = VolatilityBreakout(threshold=ratio, restart=True)
        self.drift = Cusum(k=DRIFT_K, h=drift, restart=True)
        self.slow = 0.0
        """Volatility before the next move; 0 while the detector warms up."""

    def take(self, move: float) -> list[Alarm]:
        """Take a move; return the alarms it sets off."""
        alarms = []
        before = self.slow
        way = self.breakout.run([move])
        signal = self.breakout.signal
        if signal.alarm:
            alarms.append(Alarm("volatility", "up", signal.value, self.breakout.threshold))
        self.slow = float(way.columns["slow"][0]) if signal.ready and not signal.alarm else 0.0
        if before > 0.0:
            sums = self.drift.run([move / before])
            if self.drift.signal.alarm:
                rose = sums.columns["upper"][0] >= sums.columns["lower"][0]
                alarms.append(Alarm("drift", "up" if rose else "down", self.drift.signal.value, self.drift.threshold))
        return alarms

    def state(self) -> dict[str, Any]:
        """Return plain data."""
        return {"breakout": self.breakout.state(), "drift": self.drift.state(), "slow": self.slow}

    @staticmethod
    def from_state(run_length: int, state: dict[str, Any]) -> InstrumentChanges:
        """Inverse of `state`."""
        found = InstrumentChanges(run_length)
        found.breakout = VolatilityBreakout.from_state(state["breakout"])
        found.drift = Cusum.from_state(state["drift"])
        found.slow = state["slow"]
        return found
