"""Regimes and zones of a service that otherwise is one process: in another, which reads the recorded log and the judged days."""

from __future__ import annotations

import multiprocessing
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, Final

from services.common.beside import Died, end_with_parent
from services.common.config import Settings
from services.common.logs import configure_logging
from services.common.metrics import Metrics
from services.common.ports import Unavailable
from services.common.runtime import Group, SystemClock
from services.common.shard_kinds import WATCH_SHARD
from services.main import processes
from services.main.wiring import Addresses, Stores, recorded, stores

END_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2


class WorkersBeside:
    """The process, from `run` until its `stop` is set. One that dies ends the service: restart and recovery are one path."""

    def __init__(self, settings: Settings, where: Addresses, kept: Stores) -> None:
        self._kept = kept
        self._settings = settings
        spawn = multiprocessing.get_context("spawn")
        self._line, theirs = spawn.Pipe()
        self._process: Any = spawn.Process(target=_serve, args=(settings, where, theirs), name="beside", daemon=True)
        self._theirs = theirs

    def run(self, stop: Any) -> None:
        """Start it, watch it until stopped, and end it."""
        self._process.start()
        self._theirs.close()
        try:
            while not stop.wait(POLL_SECONDS):
                if not self._process.is_alive():
                    raise Died(f"the process of regimes and zones ended with exit code {self._process.exitcode}; its log lines say why")
        finally:
            self._line.close()
            self._process.join(END_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()

    def done(self, run_id: str, as_of_ns: int) -> bool:
        """Return whether the close at this as_of is out, and every judged day has its zones."""
        try:
            reached = self._kept.results.latest_checkpoint(run_id, WATCH_SHARD) if self._settings.regimes.enabled else None
            behind = self._settings.regimes.enabled and (reached is None or reached.as_of_ns < as_of_ns)
            return not behind and not (self._settings.backtests.enabled and self._kept.backtests.waiting())
        except Unavailable:
            return False


class Hangup:
    """Set once the other end of a line is closed; an event between processes would wait for one that was killed."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def is_set(self) -> bool:
        """Return whether it is closed."""
        return self._line.poll(0.0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for that."""
        return self._line.poll(timeout)


def _serve(settings: Settings, where: Addresses, line: Connection) -> None:
    end_with_parent()
    configure_logging("warning", settings.logging.json_lines)
    with ExitStack() as stack:
        kept: Stores = stores(settings, where, stack)
        parts = processes.Parts(settings, kept, SystemClock(), Metrics())
        log, publisher = recorded(kept)
        stop, group = Hangup(line), Group()
        if settings.regimes.enabled:
            group.start("regimes", lambda stopped: processes.regimes(parts, log, publisher, stopped))
        if settings.backtests.enabled:
            group.start("backtests", lambda stopped: processes.backtests(parts, publisher, stopped))
        while not stop.wait(POLL_SECONDS) and not group.stop.is_set():
            pass
        group.close()
        group.check()
