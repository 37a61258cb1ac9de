"""A small run on memory adapters, played to its end by the real worker and recorder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI

from risk_core.records import Record, RiskResult
from services.api.app import ApiDependencies, create_app
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_queries import MemoryQueries
from services.common.adapters.memory_snapshots import MemorySnapshots
from services.common.adapters.memory_stores import MemoryDatabase, MemoryLeases, MemoryLogStore, MemoryResultStore, MemoryRunStore
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.codec import decode, encode
from services.common.config import ApiSettings
from services.common.evidence import StoredEvidence
from services.common.metrics import Metrics
from services.common.status import RunStatus
from services.recorder.recorder import Recorder
from services.risk.finisher import FinisherPorts
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings
from tests.worlds import close_ns, interleave, make_world


class ManualClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.ns = 10**18

    def now_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@dataclass
class SmallRun:
    """One universe. `play(count)` appends and finishes the next records."""

    records: list[Record]
    shard_count: int = 1
    keep_days: int = 260
    clock: ManualClock = field(default_factory=ManualClock)
    state: str = "running"

    def __post_init__(self) -> None:
        self.database = MemoryDatabase(self.clock)
        self.log = MemoryLog()
        self.runs = MemoryRunStore(self.database, decode)
        self.results = MemoryResultStore(self.database, self.keep_days)
        self.log_store = MemoryLogStore(self.database, decode)
        self.queries = MemoryQueries(self.database)
        self.snapshots = MemorySnapshots(self.clock)
        self.metrics = Metrics()
        publisher = MemoryPublisher(MemoryBroker(retained_max=100_000))
        finishing = FinisherPorts(self.results, publisher, self.snapshots, lambda log_seq: True, self.clock)
        ports = WorkerPorts(self.log, MemoryLeases(self.database), self.runs, finishing, self.clock, "test")
        settings = WorkerSettings("worker", self.shard_count, 0, 5.0, 1_000, 0.0)
        self.worker = RiskWorker(ports, settings)
        self.recorder = Recorder(self.log, self.log_store)
        self.appended = 0

    def play(self, count: int | None = None) -> SmallRun:
        """Append the next records (all for None), and let worker and recorder come to rest."""
        upto = len(self.records) if count is None else min(len(self.records), self.appended + count)
        for record in self.records[self.appended : upto]:
            self.log.append(encode(record))
        self.appended = upto
        self.log.flush(1.0)
        for _ in range(10_000):
            moved = self.worker.step()
            for finisher in self.worker.finishers():
                for _done in finisher.steps():
                    pass
                moved = True
            moved |= self.recorder.step(0.0) > 0
            self.clock.ns += 300_000_000
            shards = self.worker.shards()
            shown = all(s.live is not None or not s.node_ids for s in shards) or not self.database.results
            if not moved and len(shards) == self.shard_count and self.worker.idle(upto) and shown:
                break
        return self

    def status(self) -> RunStatus:
        run = self.worker.run
        return RunStatus(
            run_id=run.run_id if run else "",
            profile="embedded",
            mode="replay",
            state=self.state,
            as_of_ns=max((r.as_of_ns for r in self.database.results.values()), default=None),
            first_ns=close_ns(2),
            last_ns=close_ns(11),
            days_done=3,
            days_total=10,
            seed_done=2,
            seed_total=2,
            speed="20",
            days_per_second=19.5,
            log_seq=self.appended,
            ticks=100,
            results=len(self.database.results),
            late=1,
            rejected={"stale": 2},
            data_note="synthetic",
        )

    def evidence(self, **options: object) -> StoredEvidence:
        return StoredEvidence(self.runs, self.results, self.queries, self.log_store, self.shard_count, **options)  # type: ignore[arg-type]

    def stored(self) -> list[RiskResult]:
        return list(self.database.results.values())

    def app(self, console: Path | None = None, **settings: object) -> FastAPI:
        deps = ApiDependencies(
            runs=self.runs,
            queries=self.queries,
            snapshots=self.snapshots,
            evidence=self.evidence(),
            status=self.status,
            clock=self.clock,
            shard_count=self.shard_count,
            metrics=self.metrics,
            console=console if console is not None else Path("nowhere"),
        )
        return create_app(deps, ApiSettings(**settings))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def away(self, database: bool = False, cache: bool = False):  # type: ignore[no-untyped-def]
        """Take servers away for a while; the clock moves on so that nothing is answered from memory alone."""
        self.database.available, self.snapshots.available = not database, not cache
        self.clock.ns += 10_000_000_000
        try:
            yield
        finally:
            self.database.available = self.snapshots.available = True
            self.clock.ns += 10_000_000_000


def small_run(seed: int = 3, shard_count: int = 1, keep_days: int = 260, **world: object) -> SmallRun:
    """Return a run of a small random world that has been played."""
    records = interleave(make_world(seed, **world), seed)  # type: ignore[arg-type]
    return SmallRun(records, shard_count, keep_days).play()
