"""Health as a list of conditions, each checked by asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias

from services.common.ports import Clock, Unavailable
from services.common.status import RunStatus

Check: TypeAlias = Callable[[], str]
"""Returns what was seen, in a few words; raises when the condition does not hold."""

CACHED_NS: Final = 1_000_000_000
STALE_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 2.0


class Unhealthy(Exception):
    """A condition that does not hold; the message says why."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one check."""

    ok: bool
    detail: str


class Health:
    """Runs checks, at most once a second however often it is asked."""

    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._lock = Lock()
        self._known: dict[str, CheckResult] = {}
        self._due_ns = 0

    def results(self) -> dict[str, CheckResult]:
        """Return the outcome of every check by name."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return {"health": CheckResult(False, f"a check has not answered for {PATIENCE_SECONDS:.0f} s")}
        try:
            now_ns = self._clock.now_ns()
            if now_ns >= self._due_ns:
                self._known = {name: checked(check) for name, check in self._checks.items()}
                self._due_ns = now_ns + CACHED_NS
            return dict(self._known)
        finally:
            self._lock.release()


def checked(check: Check) -> CheckResult:
    """Run one check."""
    try:
        return CheckResult(True, check())
    except (Unhealthy, Unavailable) as error:
        return CheckResult(False, str(error))
    except Exception as error:
        return CheckResult(False, f"{type(error).__name__}: {error}")


class Progress:
    """Check that a running run moves: its log must grow, by the wall clock, however old the prices of a replay are.

    Sources that are idle send heartbeats, so a log that stands still means that ingest or the worker does.
    """

    def __init__(self, status: Callable[[], RunStatus], clock: Clock, stale_seconds: float = STALE_SECONDS) -> None:
        self._status = status
        self._clock = clock
        self._stale_seconds = stale_seconds
        self._seen: tuple[str, int, str] = ("", -1, "")
        self._since_ns = clock.now_ns()

    def __call__(self) -> str:
        """Return how fresh the run is; raise Unhealthy when it stands still."""
        status = self._status()
        now_ns = self._clock.now_ns()
        seen = (status.run_id, status.log_seq, status.state)
        if seen != self._seen:
            self._seen, self._since_ns = seen, now_ns
        if status.state == "finished":
            return "the replay has ended"
        if status.state == "stopped":
            raise Unhealthy("the run was stopped")
        quiet_seconds = (now_ns - self._since_ns) / 1e9
        if quiet_seconds > max(self._stale_seconds, _day_seconds(status.speed) * 2):
            raise Unhealthy(f"nothing new in the log for {quiet_seconds:.0f} s while the run is {status.state}")
        return f"{status.state}, last record {quiet_seconds:.0f} s ago"


def _day_seconds(speed: str) -> float:
    """Return the wall time of one replayed day: a slow replay is quiet between its days."""
    try:
        return 1.0 / float(speed)
    except (ValueError, ZeroDivisionError):
        return 0.0
