"""The processes of a stack: each a loop over ports, with its metrics."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event

from services.api.app import ApiDependencies, create_app
from services.api.server import ServeError, serve
from services.backtest.worker import BacktestPorts, BacktestWorker, backtest_loop
from services.common.config import Settings
from services.common.evidence import StoredEvidence
from services.common.metrics import Metrics, start_exporter
from services.common.ports import Clock, Log, Publisher
from services.common.run_identity import calculation_hash
from services.common.runtime import Group, Stopping, SystemClock, worker_name
from services.common.shard_kinds import INSTRUMENTS, NODES, ShardKind
from services.common.status import RunStatus
from services.embedded import Embedded
from services.jobs.pool import open_pool
from services.jobs.runner import JobPorts, JobRunner, job_loop
from services.main.stored_status import StoredStatus
from services.main.wiring import Broker, Stores, addresses, stores
from services.recorder.loop import record_loop
from services.recorder.recorder import Recorder
from services.risk import loops
from services.risk.finisher import FinisherPorts
from services.risk.observer import Observer
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings

logger = logging.getLogger("service")

POLL_SECONDS = 0.2
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What every process has."""

    settings: Settings
    stores: Stores
    clock: SystemClock
    metrics: Metrics

    @staticmethod
    def open(settings: Settings, stack: ExitStack, metrics: Metrics | None = None) -> Parts:
        """Connect to the stores, and serve metrics."""
        metrics = metrics or Metrics()
        exporter = start_exporter(metrics, settings.metrics.host, settings.metrics.port)
        if exporter is not None:
            stack.callback(exporter.close)
        return Parts(settings, stores(settings, addresses(settings, stack), stack), SystemClock(), metrics)


@dataclass(frozen=True, slots=True)
class IngestObserver:
    """Counts what ingest refuses."""

    metrics: Metrics
    refused_so_far: Counter[str] = field(default_factory=Counter)

    def accepted(self, kind: str, count: int) -> None:
        """Counted where ticks are folded."""

    def refused(self, reason: str, count: int) -> None:
        """Count refused messages by reason; the first of each is logged, then every tenfold."""
        self.metrics.rejected(str(reason), count)
        before = self.refused_so_far[reason]
        self.refused_so_far[reason] += count
        if len(str(before + count)) > len(str(before)) or not before:
            logger.warning("messages refused; see the dead letters", extra={"reason": str(reason), "refused": before + count})

    def warned(self, warning: str, count: int) -> None:
        """Strange, but taken."""


def record(parts: Parts, broker: Broker, stop: Event) -> None:
    """Keep the log until stopped."""
    recorder = Recorder(broker.log, parts.stores.log_store)

    def tell(kept: int | None) -> None:
        parts.metrics.log_seq(recorder.log_seq)
        if kept is None:
            parts.metrics.history_error()

    try:
        record_loop(recorder, stop, Event(), tell)
    finally:
        recorder.close()


def risk(parts: Parts, broker: Broker, stop: Event) -> None:
    """Fold and finish until stopped, or until a part fails."""
    _fold(parts, broker.log, broker.publisher, stop, NODES, parts.metrics)


def _fold(parts: Parts, log: Log, publisher: Publisher, stop: Stopping, kind: ShardKind, observer: Observer) -> None:
    settings, kept = parts.settings, parts.stores
    ports = WorkerPorts(
        log=log,
        leases=kept.leases,
        runs=kept.runs,
        finishing=FinisherPorts(kept.results, publisher, kept.snapshots, lambda log_seq: True, parts.clock, observer),
        clock=parts.clock,
        calculation=calculation_hash(),
        kind=kind,
    )
    shards = settings.shards
    name = worker_name(settings.worker_name)
    worker = RiskWorker(
        ports, WorkerSettings(name, shards.count, shards.per_worker_target, shards.lease_seconds, settings.history.pending_max)
    )
    group = Group()
    loops.start(group, worker)
    try:
        while not stop.is_set() and not group.stop.is_set():
            stop.wait(POLL_SECONDS)
    finally:
        group.close()
    group.check()


class SecondReader(Metrics):
    """The metrics of a process that folds what risk workers fold too: ticks, and what is wrong with them, are counted there."""

    def ticks(self, count: int) -> None:
        """Counted where risk is calculated."""

    def late(self, count: int) -> None:
        """Counted where risk is calculated."""

    def rejected(self, reason: str, count: int = 1) -> None:
        """Counted where risk is calculated."""


def regimes(parts: Parts, log: Log, publisher: Publisher, stop: Stopping) -> None:
    """Follow regimes and change points until stopped, or until a part fails."""
    _fold(parts, log, publisher, stop, INSTRUMENTS, parts.metrics)


def backtests(parts: Parts, publisher: Publisher, stop: Stopping) -> None:
    """Keep zones until stopped."""
    kept = parts.stores
    ports = BacktestPorts(kept.backtests, kept.queries, kept.runs, publisher, parts.metrics)
    backtest_loop(BacktestWorker(ports, parts.settings.backtests.windows), stop)


def jobs(parts: Parts, broker: Broker, stop: Event) -> None:
    """Evaluate challengers until stopped."""
    kept = parts.stores
    calculation = calculation_hash()
    pool = open_pool(parts.settings.jobs, calculation, stop.is_set)
    ports = JobPorts(kept.jobs, kept.results, kept.runs, broker.publisher, parts.clock, parts.metrics, pool.calculate, calculation)
    ports.on_run = lambda genesis: parts.metrics.book(genesis.book.nodes)
    try:
        job_loop(JobRunner(ports), stop)
    finally:
        pool.close()


def api(parts: Parts, stop: Event) -> None:
    """Serve the interface until stopped."""
    settings, kept = parts.settings, parts.stores
    deps = _dependencies(settings, kept, StoredStatus(settings, kept.runs, kept.queries).read, parts.clock, parts.metrics)
    serve(create_app(deps, settings.api), settings.api.host, settings.api.port, stop, lambda address: None)


def serve_console(settings: Settings, service: Embedded, kept: Stores, metrics: Metrics, stack: ExitStack) -> str:
    """Serve API and console from a thread of this process; return the address."""
    deps = _dependencies(settings, kept, service.status, service.universe.clock, metrics)
    app = create_app(deps, settings.api)
    answered: list[str] = []
    failed: list[BaseException] = []
    ready, stop = Event(), Event()

    def tell(address: str) -> None:
        answered.append(address)
        ready.set()

    def run() -> None:
        try:
            serve(app, settings.api.host, settings.api.port, stop, tell)
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="api", daemon=True)
    thread.start()
    stack.callback(thread.join, 5.0)
    stack.callback(stop.set)
    ready.wait(READY_SECONDS)
    if failed:
        raise failed[0]
    if not answered:
        raise ServeError(f"the interface did not answer within {READY_SECONDS:.0f} s")
    return answered[0]


def _dependencies(settings: Settings, kept: Stores, status: Callable[[], RunStatus], clock: Clock, metrics: Metrics) -> ApiDependencies:
    return ApiDependencies(
        runs=kept.runs,
        queries=kept.queries,
        snapshots=kept.snapshots,
        evidence=StoredEvidence(kept.runs, kept.results, kept.queries, kept.log_store, settings.shards.count),
        status=status,
        clock=clock,
        shard_count=settings.shards.count,
        metrics=metrics,
    )
