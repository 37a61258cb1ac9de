"""Health tells the truth, and asks no more than once a second."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.health import Health, Progress, Unhealthy, checked
from services.common.ports import Unavailable
from services.common.status import RunStatus
from tests.unit.api.small_run import ManualClock

STATUS = RunStatus("run", "embedded", "replay", "running", 1, 0, 2, 1, 2, 0, 0, "20", 0.0, 5, 5, 5, 0)


def raising(error: Exception) -> str:
    raise error


def test_a_check_holds_or_says_why() -> None:
    assert checked(lambda: "answers").ok
    for error, detail in (
        (Unavailable("the database is away"), "the database is away"),
        (Unhealthy("no"), "no"),
        (KeyError("x"), "KeyError: 'x'"),
    ):
        told = checked(lambda error=error: raising(error))  # type: ignore[misc]
        assert (told.ok, told.detail) == (False, detail)


def test_checks_are_asked_once_a_second() -> None:
    clock, asked = ManualClock(), []
    health = Health({"one": lambda: asked.append(1) or "fine"}, clock)  # type: ignore[func-returns-value]
    for _ in range(5):
        assert health.results()["one"].ok
    assert len(asked) == 1
    clock.sleep(1.0)
    health.results()
    assert len(asked) == 2


def test_a_run_that_stands_still_is_not_ready() -> None:
    clock, status = ManualClock(), STATUS
    progress = Progress(lambda: status, clock, stale_seconds=30.0)
    assert "running" in progress()
    clock.sleep(29.0)
    assert "29 s ago" in progress()
    clock.sleep(2.0)
    with pytest.raises(Unhealthy, match="nothing new in the log for 31 s while the run is running"):
        progress()
    status = replace(STATUS, log_seq=6)
    assert "0 s ago" in progress()


def test_states_that_need_no_progress() -> None:
    clock, status = ManualClock(), replace(STATUS, state="finished")
    progress = Progress(lambda: status, clock)
    clock.sleep(1e6)
    assert "ended" in progress()
    status = replace(STATUS, state="stopped")
    with pytest.raises(Unhealthy, match="stopped"):
        progress()


def test_a_slow_replay_is_quiet_between_its_days() -> None:
    clock, status = ManualClock(), replace(STATUS, speed="0.01")  # a day each 100 seconds
    progress = Progress(lambda: status, clock, stale_seconds=30.0)
    progress()
    clock.sleep(150.0)
    assert "150 s ago" in progress()
    clock.sleep(100.0)
    with pytest.raises(Unhealthy):
        progress()
