"""Every part of the service in one process: what `plimsoll run` does."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Event
from typing import Protocol

from risk_core.book import Book
from risk_core.methods import methods_named
from risk_core.records import RiskResult
from services.common.config import Settings
from services.common.feeds.port import Feed
from services.common.ports import (
    KEPT_BY_JOBS,
    Clock,
    DeadLetters,
    Inbox,
    Jobs,
    Leases,
    Log,
    LogStore,
    Publisher,
    ResultStore,
    RunStore,
    Snapshots,
    Unavailable,
)
from services.common.run_identity import calculation_hash
from services.common.runtime import Group, worker_name
from services.common.status import RunStatus
from services.ingest.driver import FeedDriver
from services.ingest.log_state import LogState
from services.ingest.replay import FLUSH_SECONDS_MAX, Replayer
from services.jobs.pool import open_pool
from services.jobs.runner import JobPorts, JobRunner, job_loop
from services.jobs.runner import Observer as JobObserver
from services.recorder.loop import Recorded, record_loop
from services.recorder.recorder import Recorder
from services.risk import loops
from services.risk.finisher import FinisherPorts
from services.risk.observer import Observer as RiskObserver
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings

POLL_SECONDS = 0.05
DRAIN_SECONDS = 5.0


class Observer(RiskObserver, JobObserver, Protocol):
    """Hears what the parts do."""


class Beside(Protocol):
    """The workers that run in a process beside the service."""

    def run(self, stop: Event) -> None:
        """Run it until stopped; raise when it ends before."""
        ...

    def done(self, run_id: str, as_of_ns: int) -> bool:
        """Return whether the close at this as_of is out."""
        ...


@dataclass(frozen=True, slots=True)
class Universe:
    """The adapters of one risk universe, as the composition root made them."""

    clock: Clock
    log: Log
    last_log_seq: Callable[[], int]
    trim: Callable[[int], None]
    publisher: Publisher
    leases: Leases
    results: ResultStore
    log_store: LogStore
    runs: RunStore
    dead_letters: DeadLetters
    snapshots: Snapshots
    orders: Inbox
    ticks: Inbox
    jobs: Jobs


@dataclass
class Embedded:
    """A replay with everything behind it, started by `start`, watched by `status`, ended by `close`."""

    settings: Settings
    universe: Universe
    feed: Feed
    book: Book
    state: LogState
    observer: Observer
    anew: bool = False
    nonce: str = ""
    beside: Beside | None = None
    group: Group = field(default_factory=Group)
    _recorded: Recorded = field(default_factory=Recorded)
    _started: float = field(default_factory=time.monotonic)
    _rate: tuple[float, int, float] = (0.0, 0, 0.0)

    def __post_init__(self) -> None:
        u, s = self.universe, self.settings
        calculation = calculation_hash()
        self.replayer = Replayer(
            self.feed, self.book, s, u.log, u.dead_letters, u.clock, state=self.state, nonce=self.nonce, anew=self.anew
        )
        self.driver = FeedDriver(self.replayer, u.orders, u.ticks if s.live.enabled else None, u.clock, 0, s.live)
        self.recorder = Recorder(u.log, u.log_store, self._on_recorded)
        ports = WorkerPorts(
            log=u.log,
            leases=u.leases,
            runs=u.runs,
            finishing=FinisherPorts(u.results, u.publisher, u.snapshots, self._recorded.holds, u.clock, self.observer),
            clock=u.clock,
            calculation=calculation,
        )
        # a feed keeps caches and belongs to the replayer's thread: asked here, before that starts
        span = self.replayer.span
        self._first_ns, self._last_ns = self.feed.day(span.days[0]).close_ns, self.feed.day(span.days[-1]).close_ns
        self.challenged = any(not m.streamed for m in methods_named(s.model.methods))
        self.pool = open_pool(s.jobs, calculation, self.group.stop.is_set)
        self.jobs = JobRunner(JobPorts(u.jobs, u.results, u.runs, u.publisher, u.clock, self.observer, self.pool.calculate, calculation))
        settings = WorkerSettings(worker_name(s.worker_name), s.shards.count, 0, s.shards.lease_seconds, s.history.pending_max)
        self.worker = RiskWorker(ports, settings)

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Start recorder, worker and feed, each in its thread."""
        self.group.start("recorder", self._record_loop)
        loops.start(self.group, self.worker)
        self.group.start("feed", self._feed_loop)
        if self.challenged:
            self.group.start("jobs", lambda stop: job_loop(self.jobs, stop))
        if self.beside is not None:
            self.group.start("workers beside", self.beside.run)

    def finished(self) -> bool:
        """Return whether the replay has ended and everything it closed is out."""
        last = self.universe.last_log_seq()
        done = self.replayer.progress.finished and self._recorded.log_seq >= last and self.worker.idle(last)
        return done and not (self.challenged and self._jobs_wait()) and not self._beside_waits()

    def _beside_waits(self) -> bool:
        run, shards = self.worker.run, self.worker.shards()
        if self.beside is None or run is None:
            return False
        return not self.beside.done(run.run_id, max((s.finisher.committed_as_of_ns for s in shards), default=0))

    def _jobs_wait(self) -> bool:
        run = self.worker.run
        try:
            return run is not None and self.universe.jobs.waiting(run.run_id) > 0
        except Unavailable:
            return True

    def wait(self, watch: Callable[[RunStatus], None], until_finished: bool, stop: Event) -> None:
        """Call `watch` until stopped, or finished if asked; raise what a part died of."""
        while not stop.is_set() and not self.group.stop.is_set():
            watch(self.status())
            if until_finished and self.finished():
                break
            stop.wait(POLL_SECONDS)
        self.group.check()

    def close(self) -> None:
        """Stop all parts; what was logged is recorded first, as far as the store answers."""
        deadline = time.monotonic() + DRAIN_SECONDS
        self.group.close()
        self.pool.close()
        while self._recorded.log_seq < self.universe.last_log_seq() and time.monotonic() < deadline:
            if self.recorder.try_step(0.0) is None:
                break
        self.recorder.close()

    # ------------------------------------------------------------- reading

    def status(self) -> RunStatus:
        """Return where the run stands."""
        progress, span = self.replayer.progress, self.replayer.span
        shards = self.worker.shards()
        as_of = min((s.finisher.committed_as_of_ns for s in shards if s.finisher.committed_as_of_ns), default=None)
        counts = self.replayer.counts
        closes = self._days_through(as_of)
        live = self.driver.market is not None
        if progress.finished and self.finished() and not live:
            state = "finished"
        elif self.group.stop.is_set():
            state = "stopped"
        else:
            state = "running" if closes else "seeding"
        return RunStatus(
            run_id=self.worker.run.run_id if self.worker.run else "",
            profile=self.settings.profile,
            mode="live" if live else "replay",
            state=state,
            as_of_ns=as_of,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            days_done=closes,
            days_total=len(span.days),
            seed_done=progress.seed_done if as_of is None else self._seeded(as_of),
            seed_total=len(span.seed),
            speed=self.settings.replay.speed,
            days_per_second=self._days_per_second(closes),
            log_seq=self._recorded.log_seq,
            ticks=sum(s.fold.ticks for s in shards[:1]),
            results=sum(s.finisher.counts["results"] for s in shards),
            late=max((s.fold.dropped["late"] for s in shards), default=0),
            rejected={str(k): v for k, v in counts.rejected.items()},
            data_note=self.feed.note,
        )

    def _days_through(self, as_of_ns: int | None) -> int:
        """Return how many days with results are final."""
        return 0 if as_of_ns is None else bisect_right(self.replayer.span.days, _date(as_of_ns))

    def _seeded(self, as_of_ns: int | None) -> int:
        return 0 if as_of_ns is None else bisect_right(self.replayer.span.seed, _date(as_of_ns))

    def newest_results(self) -> list[RiskResult]:
        """Return the newest final rows of every node."""
        run = self.worker.run
        if run is None:
            return []
        store, rows = self.universe.results, list[RiskResult]()
        for k in range(self.settings.shards.count):
            checkpoint = store.latest_checkpoint(run.run_id, str(k))
            if checkpoint is not None:
                rows += _newest(store.committed_results(checkpoint.run_id, str(k), checkpoint.as_of_ns)[0])
        if rows and self.challenged:
            last = store.checkpoint_before(run.run_id, "0", max(r.as_of_ns for r in rows) + 1)
            rows += [] if last is None else _newest(store.committed_results(last.run_id, KEPT_BY_JOBS, last.as_of_ns)[0])
        return rows

    # -------------------------------------------------------------- inside

    def _feed_loop(self, stop: Event) -> None:
        while not stop.is_set():
            wait = self.driver.step()
            if wait > 0.0:
                stop.wait(wait)
        self.replayer.ingest.flush(FLUSH_SECONDS_MAX)
        self.universe.orders.close()
        self.universe.ticks.close()

    def _record_loop(self, stop: Event) -> None:
        record_loop(self.recorder, stop, self._recorded.hurry)

    def _on_recorded(self, log_seq: int) -> None:
        self._recorded.log_seq = log_seq
        self.universe.trim(log_seq)

    def _days_per_second(self, closes: int) -> float:
        now = time.monotonic()
        since, before, rate = self._rate
        if now - since >= 1.0:
            rate = (closes - before) / (now - since) if since else 0.0
            self._rate = (now, closes, rate)
        return self._rate[2]


def _newest(rows: Sequence[RiskResult]) -> list[RiskResult]:
    """Return the rows of the newest revision."""
    newest = max((r.revision for r in rows), default=0)
    return [r for r in rows if r.revision == newest]


def _date(as_of_ns: int) -> date:
    return datetime.fromtimestamp(as_of_ns / 1e9, UTC).date()
