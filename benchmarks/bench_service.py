"""The whole embedded loop: log, recorder, worker, finisher, PostgreSQL and Valkey, a hundred nodes that hold a thousand instruments.

Alone: `python -m benchmarks.bench_service`.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, row, show
from db.migrate import migrate
from risk_core.book import QUANTITY_SCALE, AssetClass, Book, Instrument, Node, NodeKind, Position, cash_instruments
from risk_core.engine.configuration import NS_PER_SECOND, ModelConfiguration
from risk_core.records import DayClose, Genesis, Heartbeat, Record, SourceOpen, Ticks
from services.common.adapters.embedded_servers import EmbeddedServers
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.adapters.postgres_runs import PostgresRunStore
from services.common.adapters.recording_process import RecordingProcess
from services.common.adapters.redis import RedisSnapshots
from services.common.codec import decode, encode
from services.common.ports import NODE_KINDS, Log, LogStore, Snapshot, SnapshotKind
from services.common.runtime import Group, SystemClock
from services.recorder.loop import Recorded, record_loop
from services.recorder.recorder import Recorder
from services.risk import loops
from services.risk.finisher import FinisherPorts
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings

NODES = 100
LATENCY_NODES = 10
SMALLEST_NODES = 3
"""A firm, a desk and a portfolio."""
INSTRUMENTS = 1_000
SCENARIOS = 1_000
BATCH = 500
TICKS_A_SECOND = 20_000
SECONDS = 10
MOVE = 5e-4
"""Standard deviation of a tick's relative move."""
LATENCY_BATCHES = 4_000
LATENCY_BATCH = 5
LATENCY_PAUSE_SECONDS = 0.002
DAY_NS = 86_400 * NS_PER_SECOND
START_NS = 10_000 * DAY_NS
MARKET, CALENDAR = 1, 2


Trim: TypeAlias = Callable[[int], None]
OpenLog: TypeAlias = Callable[[LogStore], tuple[Log, Trim]]


class WatchedSnapshots:
    """The cache, noting when each entry of the log became visible."""

    def __init__(self, inner: RedisSnapshots) -> None:
        self._inner = inner
        self.visible: list[tuple[int, float]] = []
        self.newest: Sequence[Snapshot] = ()

    def write(self, shard_id: str, epoch: int, run_id: str, kind: SnapshotKind, items: Sequence[Snapshot]) -> int:
        taken = self._inner.write(shard_id, epoch, run_id, kind, items)
        if kind == "live":
            self.visible.append((max(i.order[0] for i in items), time.perf_counter()))
            self.newest = items
        return taken

    def read(self, shard_of_node: Mapping[int, str], kinds: Sequence[SnapshotKind] = NODE_KINDS) -> dict[int, dict[str, bytes]]:
        return self._inner.read(shard_of_node, kinds)

    def refresh(self, shard_id: str, epoch: int, node_ids: Sequence[int]) -> None:
        self._inner.refresh(shard_id, epoch, node_ids)


@dataclass
class Loop:
    """A running service and the two sources that feed it."""

    log: Log
    worker: RiskWorker
    recorder: Recorder
    snapshots: WatchedSnapshots
    group: Group
    price: NDArray[np.float64]
    appended: int = 0
    recorded: Recorded = field(default_factory=Recorded)
    sequence: dict[int, int] = field(default_factory=dict)
    sent: dict[int, float] = field(default_factory=dict)
    """When each entry was appended."""

    def send(self, source: int, event_ns: int, watermark_ns: int, body: Any) -> None:
        """Append one record."""
        self.sequence[source] = self.sequence.get(source, 0) + 1
        self.append(Record(source, self.sequence[source], event_ns, event_ns, watermark_ns, body))

    def append(self, record: Record) -> None:
        """Append, and count: the n-th entry has log_seq n."""
        self.appended += 1
        payload = encode(record)
        self.sent[self.appended] = time.perf_counter()
        self.log.append(payload)

    def send_ticks(self, rng: np.random.Generator, event_ns: NDArray[np.int64]) -> None:
        """Append a batch of ticks of random instruments, whose prices walk on."""
        ids = rng.integers(1, INSTRUMENTS + 1, len(event_ns)).astype(np.int32)
        steps = np.exp(MOVE * rng.standard_normal(len(ids)))
        prices = np.empty(len(ids))
        for k, i in enumerate(ids - 1):
            prices[k] = self.price[i] = self.price[i] * steps[k]
        self.send(MARKET, int(event_ns[-1]), int(event_ns[-1]), Ticks(ids, prices, event_ns))

    def settle(self) -> None:
        """Wait until everything is recorded, folded and final."""
        while True:
            self.group.check()
            if self.recorded.holds(self.appended) and self.worker.idle(self.appended):
                return
            time.sleep(0.002)


def book(count: int) -> Book:
    """A firm, up to nine desks and portfolios below them; every portfolio holds every instrument."""
    rng = np.random.default_rng(1)
    priced = tuple(Instrument(k, f"I{k}", AssetClass.EQUITY, "USD") for k in range(1, INSTRUMENTS + 1))
    nodes = [Node(1, "Firm", NodeKind.FIRM, None, "USD")]
    desks = max(1, count // 11)
    nodes += [Node(k, f"Desk {k}", NodeKind.DESK, 1, "USD") for k in range(2, 2 + desks)]
    nodes += [Node(k, f"Portfolio {k}", NodeKind.PORTFOLIO, 2 + k % desks, "USD") for k in range(2 + desks, count + 1)]
    positions = tuple(
        Position(n.node_id, i.instrument_id, int(rng.integers(-500, 1_000)) * QUANTITY_SCALE)
        for n in nodes
        if n.kind is NodeKind.PORTFOLIO
        for i in priced
    )
    return Book("USD", "BENCH", priced + cash_instruments(priced, "USD", INSTRUMENTS + 1), tuple(nodes), positions, default_proxy_id=1)


def memory_log(store: LogStore) -> tuple[Log, Trim]:
    """Return the embedded log, and how it learns what is recorded."""
    log = MemoryLog(older=store.entries, flush_waits_for_record=True, payload_bytes_max=5_000_000)
    return log, log.trim


@contextmanager
def running(cadence_ns: int, nodes: int, open_log: OpenLog = memory_log) -> Iterator[Loop]:
    """Run the loop on private servers, its window filled."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        urls = stack.enter_context(EmbeddedServers(Path(directory) / "data"))
        migrate(urls.history)
        database = PostgresDatabase(urls.history)
        stack.callback(database.close)
        store = RecordingProcess(urls.history, PostgresLogStore(database, decode), decode)
        stack.callback(store.close)
        log, trim = open_log(store)
        snapshots = WatchedSnapshots(RedisSnapshots(urls.snapshots))
        clock = SystemClock()
        results = PostgresResultStore(database)
        publisher = MemoryPublisher(MemoryBroker(retained_max=1))
        held: list[Loop] = []
        recorder = Recorder(log, store, lambda seq: _recorded(held[0], trim, seq))
        finishing = FinisherPorts(results, publisher, snapshots, lambda seq: held[0].recorded.holds(seq), clock)
        ports = WorkerPorts(log, PostgresLeases(database), PostgresRunStore(database, decode), finishing, clock, "bench")
        worker = RiskWorker(ports, WorkerSettings("bench"))
        loop = Loop(log, worker, recorder, snapshots, Group(), np.random.default_rng(1).uniform(10, 300, INSTRUMENTS))
        held.append(loop)
        configuration = ModelConfiguration(window=SCENARIOS, correction_days=2)
        close = START_NS + (SCENARIOS + 1) * DAY_NS
        genesis = Genesis(book(nodes), "", "", "", close + 1, cadence_ns, configuration.to_json())
        loop.append(Record(0, 0, START_NS, START_NS, 0, genesis))
        loop.group.start("recorder", lambda stop: record_loop(recorder, stop, loop.recorded.hurry))
        loops.start(loop.group, worker)
        stack.callback(loop.group.close)
        _fill_window(loop)
        yield loop


def _recorded(loop: Loop, trim: Trim, log_seq: int) -> None:
    loop.recorded.log_seq = log_seq
    trim(log_seq)


def _fill_window(loop: Loop) -> None:
    """Close a thousand and one days, one tick an instrument each, then open the day that is measured."""
    rng = np.random.default_rng(2)
    ids = np.arange(1, INSTRUMENTS + 1, dtype=np.int32)
    loop.send(MARKET, START_NS, START_NS, SourceOpen("market"))
    loop.send(CALENDAR, START_NS, START_NS, SourceOpen("calendar"))
    for day in range(1, SCENARIOS + 2):
        close = START_NS + day * DAY_NS
        loop.price *= 1.0 + 0.01 * rng.standard_t(4, INSTRUMENTS)
        loop.send(MARKET, close, close, Ticks(ids, loop.price.copy(), np.full(INSTRUMENTS, close, np.int64)))
        loop.send(CALENDAR, close, close, DayClose("BENCH", str(np.datetime64(close // DAY_NS, "D"))))
    far = START_NS + (SCENARIOS + 2) * DAY_NS
    loop.send(CALENDAR, far - 1, far - 1, Heartbeat())
    loop.settle()


def throughput() -> Row:
    """Return ticks a second through the whole loop on one core: every process is pinned to it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with running(NS_PER_SECOND, NODES) as loop:
            rng = np.random.default_rng(3)
            open_ns = START_NS + (SCENARIOS + 1) * DAY_NS
            total = TICKS_A_SECOND * SECONDS
            began = time.perf_counter()
            for first in range(0, total, BATCH):
                event_ns = open_ns + np.arange(first + 1, first + BATCH + 1, dtype=np.int64) * (NS_PER_SECOND // TICKS_A_SECOND)
                loop.send_ticks(rng, event_ns)
            loop.settle()
            seconds = time.perf_counter() - began
    finally:
        os.sched_setaffinity(0, before)
    against = f">= 20,000: {NODES} nodes x {INSTRUMENTS} instruments, 1 s cadence, every tick recorded, servers on the same core"
    return row("ticks_per_second_core_p100", total / seconds, "ticks/s", against)


def floor_ms(snapshots: WatchedSnapshots) -> NDArray[np.float64]:
    """Return what the least of all services would need, float64[n]: a message to another thread, and as many bytes to the cache."""
    items, took = snapshots.newest, np.zeros(LATENCY_BATCHES // 4)
    sent: SimpleQueue[tuple[int, float]] = SimpleQueue()

    def show() -> None:
        for _ in took:
            k, at = sent.get()
            snapshots.write("floor", 1, "floor", "final", [item._replace(order=(k, 0)) for item in items])
            took[k] = (time.perf_counter() - at) * 1e3

    thread = threading.Thread(target=show)
    thread.start()
    for k in range(len(took)):
        sent.put((k, time.perf_counter()))
        time.sleep(LATENCY_PAUSE_SECONDS)
    thread.join()
    return took


def latency(name: str, target: str, nodes: int, open_log: OpenLog = memory_log) -> list[Row]:
    """Return the delay from append to visible in the cache, batches of five ticks, one every two milliseconds."""
    with running(0, nodes, open_log) as loop:
        rng = np.random.default_rng(4)
        open_ns = START_NS + (SCENARIOS + 1) * DAY_NS
        first = loop.appended + 1
        for k in range(LATENCY_BATCHES):
            loop.send_ticks(rng, open_ns + np.full(LATENCY_BATCH, k + 1, np.int64) * 1_000_000)
            time.sleep(LATENCY_PAUSE_SECONDS)
        time.sleep(0.2)
        shown = np.array([log_seq for log_seq, _ in loop.snapshots.visible])
        at = [moment for _, moment in loop.snapshots.visible]
        places = {log_seq: int(np.searchsorted(shown, log_seq)) for log_seq in range(first, loop.appended + 1)}
        floor = floor_ms(loop.snapshots)
        delays = [(at[k] - loop.sent[log_seq]) * 1e3 for log_seq, k in places.items() if k < len(at)]
    assert len(delays) > LATENCY_BATCHES * 0.99, f"only {len(delays)} of {LATENCY_BATCHES} batches became visible"
    settled = np.array(delays[100:])
    suffix = "" if nodes == LATENCY_NODES else f"_p{nodes}"
    against = f"append to visible, {nodes} nodes all changed by each batch of {LATENCY_BATCH} ticks, every 2 ms, S = N = {SCENARIOS}"
    least = {q: f"a thread's turn and one write to the cache took {np.percentile(floor, q):.2f} ms" for q in (50, 99)}
    return [
        row(f"{name}_p99_ms{suffix}", float(np.percentile(settled, 99)), "ms", f"{target}: {against}; {least[99]}"),
        row(f"{name}_p50_ms{suffix}", float(np.percentile(settled, 50)), "ms", f"{against}; {least[50]}"),
    ]


def run() -> list[Row]:
    """Measure."""
    curve = [one for nodes in (LATENCY_NODES, SMALLEST_NODES, NODES) for one in latency("embedded_live", "<= 1", nodes)]
    return [throughput(), *curve]


if __name__ == "__main__":
    show(run())
