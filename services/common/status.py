"""Where a run stands, for people: what the API, the CLI and the progress display show."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A moment of a run. Times are nanoseconds of the run's own clock (event time)."""

    run_id: str
    profile: str
    mode: str
    state: str
    """starting, seeding, running, finished or stopped"""
    as_of_ns: int | None
    first_ns: int | None
    last_ns: int | None
    days_done: int
    days_total: int | None
    seed_done: int
    seed_total: int
    speed: str
    days_per_second: float
    log_seq: int
    ticks: int
    results: int
    late: int
    rejected: dict[str, int] = field(default_factory=dict)
    data_note: str = ""
