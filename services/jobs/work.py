"""What travels to the process that calculates, and back."""

from __future__ import annotations

from dataclasses import dataclass

from risk_core.records import DayCloseRow, RiskResult, ScenarioRow
from services.common.ports import Job


@dataclass(frozen=True, slots=True)
class Work:
    """A job with what it needs: the run's genesis, the window, and the forecasts of the close before."""

    job: Job
    genesis: bytes
    rows: tuple[ScenarioRow, ...]
    forecasts: tuple[RiskResult, ...]


@dataclass(frozen=True, slots=True)
class Calculated:
    """Rows of a job."""

    results: tuple[RiskResult, ...]
    day_closes: tuple[DayCloseRow, ...]
