"""A whole risk cluster in one thread: the real fold, workers, finishers and recovery under a seeded scheduler.

One seed fixes the world, the interleaving and every fault: what it finds, it finds again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
import numpy as np

from risk_core.records import DayCloseRow, Record, RiskResult
from services.common.adapters.lineage import LineageResultStore
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_snapshots import MemorySnapshots
from services.common.adapters.memory_stores import MemoryDatabase, MemoryLeases, MemoryResultStore, MemoryRunStore
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.codec import decode, encode
from services.common.ports import Commit, Fenced, Unavailable
from services.risk.finisher import Finisher, FinisherPorts
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings
from tests.oracle import ResultKey, ResultNumbers, expected, numbers_of
from tests.worlds import HOUR_NS, interleave, make_world

Row = TypeVar("Row", RiskResult, DayCloseRow)

ROUND_NS = 50_000_000
LEASE_SECONDS = 2.0
ROUNDS_MAX = 60_000


class Violation(AssertionError):
    """A broken promise; the message starts with its kind."""


class SimClock:
    """Time that the scheduler moves."""

    def __init__(self) -> None:
        self.ns = 10**18

    def now_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@dataclass(slots=True, eq=False)
class Process:
    """A worker process: its logic, and how far each finisher is between two steps."""

    worker: RiskWorker
    running: dict[Finisher, Iterator[str]] = field(default_factory=dict)
    asleep_until: int = 0


@dataclass(slots=True)
class Parts:
    """Constructors of what a planted bug may replace."""

    snapshots: Callable[[SimClock], MemorySnapshots] = MemorySnapshots
    store: Callable[[MemoryDatabase], MemoryResultStore] = MemoryResultStore
    leases: Callable[[MemoryDatabase], MemoryLeases] = MemoryLeases
    worker: type[RiskWorker] = RiskWorker


class Cluster:
    """One simulated run. `run()` plays it to the end and raises Violation."""

    def __init__(self, seed: int, parts: Parts | None = None, faults: bool = True) -> None:
        self.seed = seed
        self.rng = np.random.default_rng([seed, 77])
        self.parts = parts or Parts()
        self.faults = faults
        self.clock = SimClock()
        self.database = MemoryDatabase(self.clock)
        self.store = self.parts.store(self.database)
        self._watch_commits()
        self.leases = self.parts.leases(self.database)
        self.runs = MemoryRunStore(self.database, decode)
        self.snapshots = self.parts.snapshots(self.clock)
        self.broker = MemoryBroker(retained_max=1_000_000)
        self.log = MemoryLog(released_by_hand=True)
        cadence_ns = 4 * HOUR_NS if seed % 3 == 0 else 0
        world = make_world(seed, days=6 if cadence_ns else 11, cadence_ns=cadence_ns, disorder=seed % 5 != 0)
        self.records = interleave(world, seed, repeats=seed % 2 == 0)
        self.shard_count = int(self.rng.integers(1, 4))
        self.process_count = int(self.rng.choice([1, 2, 2, 3]))
        self.upgrades = seed % 4 == 1  # a process may start under another calculation, an older one again too
        self.processes: list[Process] = []
        self.born = 0
        self.round = 0
        self.appended = 0
        self.away_until = {"database": 0, "cache": 0}
        self.seen_orders: dict[tuple[str, int, str], tuple[int, tuple[int, int]]] = {}
        self._counted = (0, 0), (0, 0)
        self.fenced = 0
        self.crashed = 0
        for _ in range(self.process_count):
            self._start()

    # -------------------------------------------------------------- run

    def run(self) -> None:
        """Play all records under faults, heal, and check."""
        wanted = expected([_as_logged(r) for r in self.records])
        while self.appended < len(self.records):
            self._round(faults=self.faults)
        self._heal()
        settled = 0
        while settled < 300:
            self._round(faults=False)
            if self.round > ROUNDS_MAX:
                raise Violation(f"liveness: {self.round} rounds did not bring every row; {self._progress(wanted.results)}")
            settled = settled + 1 if self._complete(len(wanted.results), len(wanted.day_closes)) and self._idle() else 0
        self._check(wanted.results, wanted.day_closes)

    def _round(self, faults: bool) -> None:
        self.round += 1
        self.clock.ns += ROUND_NS
        for name, part in (("database", self.database), ("cache", self.snapshots)):
            part.available = self.round >= self.away_until[name]  # type: ignore[attr-defined]
        if self.appended < len(self.records) and self.rng.random() < 0.4:
            self._append()
        if not self.processes or (len(self.processes) < self.process_count and self.rng.random() < 0.02):
            self._start()
        awake = [p for p in self.processes if p.asleep_until <= self.round]
        if awake:
            process = awake[int(self.rng.integers(len(awake)))]
            if self.rng.random() < 0.45:
                self._read(process)
            else:
                self._finish(process)
        if faults:
            self._break_something()
        self._watch_snapshots()

    def _append(self) -> None:
        self.log.append(encode(self.records[self.appended]))
        self.appended += 1
        if self.rng.random() < 0.7 or self.appended == len(self.records):
            self.log.release()  # otherwise delayed: readers see it with a later one

    # -------------------------------------------------------- processes

    def _start(self) -> None:
        self.born += 1
        store = LineageResultStore(self.runs, self.store)
        ports = WorkerPorts(
            log=self.log,
            leases=self.leases,
            runs=self.runs,
            finishing=FinisherPorts(store, MemoryPublisher(self.broker), self.snapshots, lambda log_seq: True, self.clock),
            clock=self.clock,
            calculation=f"simulated {self.rng.integers(1, 4) if self.upgrades and self.faults else 1}",
        )
        settings = WorkerSettings(
            owner=f"worker-{self.born}",
            shard_count=self.shard_count,
            shard_target=int(self.rng.integers(0, self.shard_count + 1)),
            lease_seconds=LEASE_SECONDS,
            pending_max=int(self.rng.integers(1, 5)),
            group_max=int(self.rng.integers(1, 4)),
            read_timeout_seconds=0.0,
        )
        self.processes.append(Process(self.parts.worker(ports, settings)))

    def _read(self, process: Process) -> None:
        process.worker.step()

    def _finish(self, process: Process) -> None:
        for finisher in [f for f in process.running if f.lease.shard_id not in process.worker.leases]:
            del process.running[finisher]
        idle = [f for f in process.worker.finishers() if f not in process.running]
        if idle and (not process.running or self.rng.random() < 0.5):
            process.running[idle[0]] = idle[0].steps()
        if not process.running:
            return
        finishers = list(process.running)
        finisher = finishers[int(self.rng.integers(len(finishers)))]
        try:
            done = next(process.running[finisher])
            if self.faults and self.appended < len(self.records):
                self._strike(process, done)
        except StopIteration:
            del process.running[finisher]
        except Unavailable:
            self._crash(process)
        except Fenced:
            self.fenced += 1
            del process.running[finisher]
            finisher.fenced = True

    def _strike(self, process: Process, done: str) -> None:
        """Crash or pause right between two steps of a checkpoint, where it hurts most."""
        draw = self.rng.random()
        if done != "wait" and draw < 0.01:
            self._crash(process)
        elif done in ("committed", "published") and draw < 0.04:
            process.asleep_until = self.round + int(self.rng.integers(150, 400))

    def _crash(self, process: Process) -> None:
        """The process is gone between two steps: nothing is released, nothing is flushed."""
        self.crashed += 1
        for cursor in process.worker.cursors:
            cursor.reader.close()
        self.processes.remove(process)

    # ----------------------------------------------------------- faults

    def _break_something(self) -> None:
        draw = self.rng.random()
        if draw < 0.006 and self.processes:
            self._crash(self.processes[int(self.rng.integers(len(self.processes)))])
        elif draw < 0.012 and self.processes:  # SIGSTOP: long enough, often, for a takeover
            self.processes[int(self.rng.integers(len(self.processes)))].asleep_until = self.round + int(self.rng.integers(10, 150))
        elif draw < 0.016:
            self.away_until["cache"] = self.round + int(self.rng.integers(5, 80))
        elif draw < 0.020:
            self.away_until["database"] = self.round + int(self.rng.integers(5, 80))
        elif draw < 0.022:
            self.snapshots.clear()  # the cache comes back empty
            self.seen_orders.clear()
        elif draw < 0.026:  # a lease is lost while its owner goes on
            self.clock.ns += round(2 * LEASE_SECONDS * 1e9)

    def _heal(self) -> None:
        self.log.release()
        if self.rng.random() < 0.3:  # empty, and nothing new will come: refreshing must fill it
            self.snapshots.clear()
            self.seen_orders.clear()
        self.database.available = True
        self.away_until = {"database": 0, "cache": self.round + 200 if self.rng.random() < 0.3 else 0}
        for process in list(self.processes):
            process.asleep_until = 0
            if process.worker.superseded():  # the upgrade is completed: a process of the newest calculation comes instead
                self._crash(process)
        self.upgrades = False

    # ------------------------------------------------------------ checks

    def _watch_commits(self) -> None:
        """A commit that succeeds under an epoch that no longer stands is a broken promise, whatever it wrote."""
        commit_many = self.store.commit_many

        def watched(commits: Sequence[Commit]) -> None:
            commit_many(commits)
            lease = commits[0].lease
            if self.database.shards[lease.shard_id].epoch != lease.epoch:
                raise Violation(f"stale owner wrote: {lease}")

        self.store.commit_many = watched  # type: ignore[method-assign]

    def _watch_snapshots(self) -> None:
        for key, held in self.snapshots._held.items():
            before = self.seen_orders.get(key)
            if before is not None and held.order < before[1]:
                raise Violation(f"snapshot went back: {key} from {before[1]} to {held.order}")
            self.seen_orders[key] = (held.epoch, held.order)

    def results(self) -> dict[tuple[object, ...], RiskResult]:
        return _of_all_runs(self.database.results.values())

    def day_closes(self) -> dict[tuple[object, ...], DayCloseRow]:
        return _of_all_runs(self.database.day_closes.values())

    def _complete(self, results: int, day_closes: int) -> bool:
        kept = len(self.database.results), len(self.database.day_closes)
        if kept != self._counted[0]:
            self._counted = kept, (len(self.results()), len(self.day_closes()))
        found = self._counted[1]
        return found[0] >= results and found[1] >= day_closes

    def _idle(self) -> bool:
        held = {s for p in self.processes for s in p.worker.leases}
        busy = any(s.finisher.pending or s.finisher.busy or s.refold for p in self.processes for s in p.worker.shards())
        behind = any(c.log_seq < len(self.records) for p in self.processes for c in p.worker.cursors)
        return len(held) == self.shard_count and not busy and not behind

    def _progress(self, wanted: dict[ResultKey, ResultNumbers]) -> str:
        missing = sorted(set(wanted) - set(self.results()))
        return f"{len(missing)} of {len(wanted)} results missing, first {missing[:1]}"

    def _check(
        self,
        results: dict[ResultKey, ResultNumbers],
        day_closes: dict[tuple[int, int, str, float, int], tuple[float, float, float, float, float]],
    ) -> None:
        got = {k: numbers_of(r) for k, r in self.results().items()}
        _compare("result rows", got, results)
        judged = {
            k: (
                d.forecast_value_at_risk,
                d.forecast_expected_shortfall,
                d.hypothetical_pnl,
                d.actual_pnl,
                d.fees,
            )
            for k, d in self.day_closes().items()
        }
        _compare("day close rows", judged, day_closes)
        published = {_published_key(m.payload) for m in self.broker.retained("results")}
        missing = set(got) - published
        if missing:
            raise Violation(f"topic: {len(missing)} rows were never published, first {sorted(missing)[:1]}")
        self._check_snapshots()

    def _check_snapshots(self) -> None:
        newest: dict[int, tuple[int, int]] = {}
        for node_id, as_of_ns, _, _, revision in self.results():
            newest[node_id] = max(newest.get(node_id, (0, 0)), (as_of_ns, revision))  # type: ignore[call-overload, type-var]
        shown = {node_id: held.order for (_, node_id, kind), held in self.snapshots._held.items() if kind == "final"}
        if shown != newest:
            raise Violation(f"snapshots: {shown} are not the newest rows {newest}")


def _of_all_runs(rows: Iterable[Row]) -> dict[tuple[object, ...], Row]:
    """Return rows by key; a run and its child may both have one, and then the same."""
    found: dict[tuple[object, ...], Row] = {}
    for row in rows:
        other = found.setdefault((row.node_id, row.as_of_ns, row.method, row.confidence, row.revision), row)
        if other is not row and replace(other, run_id="") != replace(row, run_id=""):
            raise Violation(f"runs: {row} is not {other}")
    return found


def _compare(what: str, got: Mapping[Any, ResultNumbers], wanted: Mapping[Any, ResultNumbers]) -> None:
    if set(got) != set(wanted):
        missing, extra = set(wanted) - set(got), set(got) - set(wanted)
        raise Violation(f"{what}: {len(missing)} missing, {len(extra)} unasked, first {sorted(missing or extra)[:1]}")
    wrong = [k for k in got if _bits(got[k]) != _bits(wanted[k])]
    if wrong:
        raise Violation(f"{what}: {len(wrong)} differ, first {wrong[0]}: {got[wrong[0]]} is not {wanted[wrong[0]]}")


def _bits(numbers: ResultNumbers) -> list[str | None]:
    return [None if x is None else x.hex() for x in numbers]


def _published_key(payload: bytes) -> tuple[object, ...]:
    message = msgspec.json.decode(payload)
    return (message["node_id"], int(message["as_of_ns"]), message["method"], message["confidence"], message["revision"])


def _as_logged(record: Record) -> Record:
    return decode(encode(record))
