"""How the time to finish the same log falls with the number of worker processes, each owning its share of the shards.

Alone: `python -m benchmarks.bench_workers`.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from benchmarks.bench_service import CALENDAR, DAY_NS, INSTRUMENTS, MARKET, START_NS, book
from benchmarks.rows import Row, row, show
from db.migrate import migrate
from risk_core.engine.configuration import NS_PER_SECOND, ModelConfiguration
from risk_core.records import Body, DayClose, Genesis, Heartbeat, Record, SourceOpen, Ticks
from services.common.adapters.embedded_servers import EmbeddedServers, ServerUrls
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.adapters.postgres_runs import PostgresRunStore
from services.common.adapters.redis import RedisSnapshots
from services.common.codec import decode, encode
from services.common.ports import LoggedEntry
from services.common.runtime import Group, SystemClock
from services.risk.finisher import FinisherPorts
from services.risk.loops import finish_loop
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings

NODES = 100
WINDOW = 250
BUCKETS = 120
BUCKET_NS = 60 * NS_PER_SECOND
TICKS_A_BUCKET = 500
SHARDS = 4
WORKERS = (1, 2, 4)


def records() -> list[Record]:
    """Return a log: the window's closes, then buckets of a minute with final results of every node in each."""
    rng = np.random.default_rng(5)
    configuration = ModelConfiguration(window=WINDOW, correction_days=2)
    ids = np.arange(1, INSTRUMENTS + 1, dtype=np.int32)
    price = rng.uniform(10, 300, INSTRUMENTS)
    close = START_NS + (WINDOW + 1) * DAY_NS
    genesis = Genesis(book(NODES), "", "", "", close + 1, BUCKET_NS, configuration.to_json())
    log = [Record(0, 0, START_NS, START_NS, 0, genesis)]

    def add(source: int, event_ns: int, body: Body) -> None:
        log.append(Record(source, len(log), event_ns, event_ns, event_ns, body))

    add(MARKET, START_NS, SourceOpen("market"))
    add(CALENDAR, START_NS, SourceOpen("calendar"))
    for day in range(1, WINDOW + 2):
        at = START_NS + day * DAY_NS
        price = price * (1.0 + 0.01 * rng.standard_t(4, INSTRUMENTS))
        add(MARKET, at, Ticks(ids, price, np.full(INSTRUMENTS, at, np.int64)))
        add(CALENDAR, at, DayClose("BENCH", str(np.datetime64(at // DAY_NS, "D"))))
    add(CALENDAR, close + DAY_NS - 1, Heartbeat())
    for bucket in range(BUCKETS):
        times = close + bucket * BUCKET_NS + np.sort(rng.integers(1, BUCKET_NS, TICKS_A_BUCKET))
        chosen = rng.choice(ids, TICKS_A_BUCKET).astype(np.int32)
        add(MARKET, int(times[-1]), Ticks(chosen, price[chosen - 1] * rng.uniform(0.99, 1.01, TICKS_A_BUCKET), times))
    add(MARKET, close + BUCKETS * BUCKET_NS, Heartbeat())
    return log


def work(urls: ServerUrls, owner: str, workers: int, last_log_seq: int, together: Barrier) -> None:
    """Be one worker process: fold the whole log, finish the nodes of its shards."""
    database = PostgresDatabase(urls.history)
    log = MemoryLog(after_log_seq=last_log_seq, older=PostgresLogStore(database, decode).entries)
    snapshots, clock = RedisSnapshots(urls.snapshots), SystemClock()
    publisher = MemoryPublisher(MemoryBroker(retained_max=1))
    finishing = FinisherPorts(PostgresResultStore(database), publisher, snapshots, lambda log_seq: True, clock)
    ports = WorkerPorts(log, PostgresLeases(database), PostgresRunStore(database, decode), finishing, clock, "bench")
    worker = RiskWorker(ports, WorkerSettings(owner, SHARDS, SHARDS // workers))
    group = Group()
    group.start("finisher", lambda stop: finish_loop(worker, stop))
    together.wait()
    while not worker.idle(last_log_seq):
        group.check()
        worker.step()
    together.wait()
    group.close()
    database.close()


def seconds(workers: int) -> float:
    """Return the time from the start of all workers, up and connected, to the last result of the last."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedServers(Path(directory) / "data") as urls:
        migrate(urls.history)
        database = PostgresDatabase(urls.history)
        log = [LoggedEntry(k, k.to_bytes(8, "big"), encode(record)) for k, record in enumerate(records(), 1)]
        PostgresLogStore(database, decode).record(log)
        spawn = multiprocessing.get_context("spawn")
        together = spawn.Barrier(workers + 1)
        started = [spawn.Process(target=work, args=(urls, f"w{k}", workers, len(log), together)) for k in range(workers)]
        for process in started:
            process.start()
        together.wait(120.0)
        began = time.perf_counter()
        together.wait(300.0)
        took = time.perf_counter() - began
        for process in started:
            process.join(30.0)
        with database.session() as connection:
            found = connection.execute("SELECT count(*) FROM risk_results").fetchone()
        assert found == (BUCKETS * NODES * 12,), found
        database.close()
        return took


def run() -> list[Row]:
    """Measure each count in a fresh database."""
    took = {workers: seconds(workers) for workers in WORKERS}
    book_size = f"{NODES} nodes, {BUCKETS} buckets, S = {WINDOW}, N = {INSTRUMENTS}, {SHARDS} shards"
    against = f"{book_size}; {os.cpu_count()} cores, the database and loading of kernels among it"
    rows = [row(f"finish_seconds_w{workers}", took[workers], "s", against) for workers in WORKERS]
    return rows + [row(f"workers_speedup_w{workers}", took[1] / took[workers], "x", "one worker") for workers in WORKERS[1:]]


if __name__ == "__main__":
    show(run())
