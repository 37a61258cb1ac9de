"""The processes of a stack: each a loop over ports, with its metrics."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event

from services.common.config import Settings
from services.common.run_identity import calculation_hash
from services.common.runtime import Group, SystemClock, worker_name
from services.embedded import Embedded
from services.main.wiring import Broker, Stores, addresses, stores
from services.recorder.recorder import Recorder
from services.risk.finisher import FinisherPorts
from services.risk.loops import finish_loop, read_loop
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Parts:
    """What every process has."""

    settings: Settings
    stores: Stores
    clock: SystemClock

    @staticmethod
    def open(settings: Settings, stack: ExitStack) -> Parts:
        """Connect to the stores."""
        return Parts(settings, stores(settings, addresses(settings, stack), stack), SystemClock())


def record(parts: Parts, broker: Broker, stop: Event) -> None:
    """Keep the log until stopped."""
    recorder = Recorder(broker.log, parts.stores.log_store, parts.stores.runs, calculation_hash())
    try:
        while not stop.is_set():
            if recorder.try_step(POLL_SECONDS) is None:
                stop.wait(POLL_SECONDS)
    finally:
        recorder.close()


def risk(parts: Parts, broker: Broker, stop: Event) -> None:
    """Fold and finish until stopped, or until a part fails."""
    settings, kept = parts.settings, parts.stores
    ports = WorkerPorts(
        log=broker.log,
        leases=kept.leases,
        runs=kept.runs,
        finishing=FinisherPorts(kept.results, broker.publisher, kept.snapshots, lambda log_seq: True),
        clock=parts.clock,
        calculation=calculation_hash(),
    )
    shards = settings.shards
    worker = RiskWorker(
        ports,
        WorkerSettings(
            worker_name(settings.worker_name), shards.count, shards.per_worker_target, shards.lease_seconds, settings.history.pending_max
        ),
    )
    group = Group()
    group.start("risk worker", lambda stopped: read_loop(worker, stopped))
    group.start("finisher", lambda stopped: finish_loop(worker, stopped))
    try:
        while not stop.is_set() and not group.stop.is_set():
            stop.wait(POLL_SECONDS)
    finally:
        group.close()
    group.check()


def serve_console(settings: Settings, service: Embedded, kept: Stores, stack: ExitStack) -> str:
    """Serve API and console in this process; return the address."""
    return "not built yet"
