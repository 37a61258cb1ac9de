"""The history stores on the embedded servers: each figure against the bare cost of the same rows in the same run.

Alone: `python -m benchmarks.bench_history`.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks.rows import Row, row, show
from db.migrate import migrate
from risk_core.records import DayCloseRow, Record, RiskResult, ScenarioRow, Ticks
from services.common.adapters.embedded_servers import EmbeddedServers, ServerUrls
from services.common.adapters.postgres_columns import RESULTS
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.adapters.redis import RedisSnapshots
from services.common.codec import decode, encode
from services.common.ports import Checkpoint, Commit, Lease, LoggedEntry, Snapshot

RUN = "0123456789abcdef"
DAY_NS = 86_400_000_000_000
METHODS = ("historical", "age_weighted", "ewma_normal")
CONFIDENCES = (0.95, 0.975, 0.99, 0.999)
ROUNDS = 7


def results_of(day: int, nodes: int) -> tuple[RiskResult, ...]:
    """One bucket: 12 results a node."""
    return tuple(
        RiskResult(RUN, node, day * DAY_NS, method, 1, confidence, 0, "USD", 1e4 / (node + day), 1.3e4, 500, day + 1, 0.0, 0.01, 0.0, "ok")
        for node in range(1, nodes + 1)
        for method in METHODS
        for confidence in CONFIDENCES
    )


def commit_of(lease: Lease, day: int, nodes: int, state: bytes) -> Commit:
    """What a day close of a small book makes durable."""
    results = results_of(day, nodes)
    date = str(np.datetime64(day, "D"))
    days = tuple(
        DayCloseRow(RUN, r.node_id, date, r.as_of_ns, r.method, 1, r.confidence, 0, "USD", 1e4, 1.3e4, 5.0, 6.0, 0.0, False, False, "ok")
        for r in results
    )
    rng = np.random.default_rng(day)
    scenario = ScenarioRow(RUN, day * DAY_NS, date, 0, day + 1, rng.normal(size=30), np.zeros(30, dtype=np.uint8))
    checkpoint = Checkpoint(RUN, lease.shard_id, day * DAY_NS, day + 1, b"position", state, True, 1)
    return Commit(lease, checkpoint, results, days, (scenario,))


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def history_vs_copy(urls: ServerUrls, store: PostgresResultStore, lease: Lease) -> list[Row]:
    """A commit of 10,800 results against a bare binary COPY of them into a table with the same key and checks."""
    nodes, rows = 900, 10_800
    ratios, each = [], []
    with psycopg.connect(urls.history, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (LIKE risk_results INCLUDING ALL)")
        table = dataclasses.replace(RESULTS, name="bare")
        for day in range(20_000, 20_000 + ROUNDS):
            results = results_of(day, nodes)
            checkpoint = Checkpoint(RUN, lease.shard_id, day * DAY_NS, day + 1, b"", b"", False, 1)
            bare = _seconds(lambda results=results: table.copy(connection, results, lease.shard_id))  # type: ignore[misc]
            commit = Commit(lease, checkpoint, results)
            ours = _seconds(lambda commit=commit: store.commit(commit))  # type: ignore[misc]
            ratios.append(ours / bare)
            each.append(ours / rows)
        connection.execute("DROP TABLE bare")
    return [
        row("history_vs_copy", statistics.median(ratios), "ratio", "bare binary COPY of the same rows; goal 2.5, moonshot 1.3"),
        row("history_row_microseconds", statistics.median(each) * 1e6, "us", "performance.md: 3.1 bare COPY, 5.6 COPY and ON CONFLICT"),
    ]


def history_commits(urls: ServerUrls, store: PostgresResultStore, lease: Lease) -> list[Row]:
    """Small durable commits in a row: 108 results and a checkpoint of 32 KiB; and day closes, with 108 more rows and a scenario."""
    state = np.random.default_rng(1).bytes(32_768)
    count = 300
    one_by_one = [commit_of(lease, day, 9, state) for day in range(10_000, 10_000 + count)]
    batched = [commit_of(lease, day, 9, state) for day in range(11_000, 11_000 + count)]

    buckets = [
        dataclasses.replace(commit_of(lease, day, 9, state), day_closes=(), scenario_rows=()) for day in range(12_000, 12_000 + count)
    ]

    def write(batches: Iterable[Sequence[Commit]]) -> None:
        for batch in batches:
            store.commit_many(batch)

    with psycopg.connect(urls.history, autocommit=True) as connection:
        before, started = _server_seconds(connection), time.process_time()
        small = _seconds(lambda: write([commit] for commit in buckets))
        here, there = time.process_time() - started, _server_seconds(connection) - before
    single = _seconds(lambda: write([commit] for commit in one_by_one))
    many = _seconds(lambda: write(batched[at : at + 16] for at in range(0, count, 16)))
    again = _seconds(lambda: write([commit] for commit in one_by_one[:100]))
    return [
        row("history_commits_per_second", count / small, "1/s", "108 results each, durable; goal 300"),
        row("history_commit_client_cpu_milliseconds", here / count * 1e3, "ms", "of one such commit"),
        row("history_commit_server_cpu_milliseconds", there / count * 1e3, "ms", "of one such commit"),
        row("history_day_commits_per_second", count / single, "1/s", "108 results, 108 day closes and a scenario row each, durable"),
        row("history_day_commits_batched_per_second", count / many, "1/s", "the same, 16 a transaction"),
        row("history_day_commits_repeated_per_second", 100 / again, "1/s", "the same rows again, compared bit for bit"),
    ]


def history_ticks(urls: ServerUrls, log: PostgresLogStore) -> list[Row]:
    """20,000 ticks recorded, in records of 1,000: processor time here and in the server."""
    rng = np.random.default_rng(2)
    log_seq = log.last_log_seq()
    here, there, wall = [], [], []
    with psycopg.connect(urls.history, autocommit=True) as connection:
        for second in range(ROUNDS):
            entries = []
            for _ in range(20):
                at = (1_700_000_000 + second) * 1_000_000_000 + np.sort(rng.integers(0, 10**9, 1000))
                body = Ticks(rng.integers(1, 500, 1000).astype(np.int32), rng.lognormal(4, 1, 1000), at.astype(np.int64))
                log_seq += 1
                entries.append(LoggedEntry(log_seq, b"position", encode(Record(1, log_seq, int(at[0]), int(at[0]), int(at[-1]), body))))
            before, started = _server_seconds(connection), time.process_time()
            wall.append(_seconds(lambda entries=entries: log.record(entries)))  # type: ignore[misc]
            here.append(time.process_time() - started)
            there.append(_server_seconds(connection) - before)
    return [
        row("record_20000_ticks_client_cpu", statistics.median(here), "s", "one second of ticks; goal 0.3 of one core"),
        row("record_20000_ticks_server_cpu", statistics.mean(there), "s", "the PostgreSQL backend's share (clock of 10 ms)"),
        row("record_20000_ticks_seconds", statistics.median(wall), "s", "elapsed, durable"),
    ]


def snapshots(urls: ServerUrls) -> list[Row]:
    """Compare-and-set of 600-byte snapshots: a book of nine nodes, and a thousand keys in one call."""
    store = RedisSnapshots(urls.snapshots)
    rows = []
    order = 0
    for count, name in ((9, "snapshot_write_9_nodes_microseconds"), (1000, "snapshot_write_1000_nodes_microseconds")):
        times = []
        for _ in range(50):
            order += 1
            items = [Snapshot(node, (order, 0), b"x" * 600) for node in range(count)]
            times.append(_seconds(lambda items=items: store.write("0/1", 1, RUN, "live", items)))  # type: ignore[misc]
        rows.append(row(name, statistics.median(times) * 1e6, "us", "one Lua call; performance.md: 2.1-2.9 us a key for bare values"))
    store.close()
    return rows


def run() -> list[Row]:
    """Return every figure of this file."""
    with _servers() as urls:
        migrate(urls.history)
        database = PostgresDatabase(urls.history)
        lease = PostgresLeases(database).acquire("0/1", "bench", 3600.0)
        assert lease is not None
        store, log = PostgresResultStore(database), PostgresLogStore(database, decode)
        store.commit(commit_of(lease, 1, 9, b""))
        rows = history_vs_copy(urls, store, lease) + history_commits(urls, store, lease) + history_ticks(urls, log) + snapshots(urls)
        database.close()
    return rows


@contextmanager
def _servers() -> Iterator[ServerUrls]:
    with (
        tempfile.TemporaryDirectory(prefix="plimsoll-bench-", ignore_cleanup_errors=True) as directory,
        EmbeddedServers(Path(directory)) as urls,
    ):
        yield urls


def _server_seconds(connection: psycopg.Connection[Any]) -> float:
    """Processor time of the backends that serve the stores."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'plimsoll'"
    ticks = 0
    for (pid,) in connection.execute(query):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    show(run())
