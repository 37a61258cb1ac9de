"""The log on a real Pulsar broker: append to read, and how much it carries. And why its producer batches for a millisecond."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks.bench_service import LATENCY_NODES, latency
from benchmarks.rows import Row, row, show
from services.common.adapters import pulsar_sender
from services.common.adapters.pulsar import Connection, PulsarLog, connect
from services.common.adapters.pulsar_admin import ensure_topics
from services.common.config import LogSettings
from services.common.ports import LogReader
from services.common.topics import Topics
from tests.real_servers import run_pulsar

RECORD_OVERHEAD_BYTES = 56
TICK_BYTES = 20
TENANT, LIVE_TENANT = "benchmark", "benchmark-live"
MODES: Mapping[str, Mapping[str, Any]] = {
    "as set": pulsar_sender.BATCHING,
    "no batching": {"batching_enabled": False},
    "5 ms batching": {**pulsar_sender.BATCHING, "batching_max_publish_delay_ms": 5},
}
LOADS = (  # records a second, ticks in a record
    (20, 1000),
    (200, 100),
    (1000, 20),
    (1000, 1),
)
FLOODS = (  # records, bytes of each
    (20_000, RECORD_OVERHEAD_BYTES + TICK_BYTES),
    (2_000, RECORD_OVERHEAD_BYTES + 1000 * TICK_BYTES),
)
LOAD_SECONDS = 3.0
ROUNDS = 3


@contextmanager
def _broker() -> Iterator[LogSettings]:
    """The broker of the environment (RISK_LOG__URL, RISK_LOG__ADMIN_URL), else one of our own."""
    url = os.environ.get("RISK_LOG__URL", "")
    if url.startswith("pulsar"):
        admin_url = os.environ.get("RISK_LOG__ADMIN_URL", "")
        yield LogSettings.model_validate({"url": url, "admin_url": admin_url, "tenant": TENANT})
        return
    with run_pulsar() as server:
        yield LogSettings.model_validate({"url": server.url, "admin_url": server.admin_url, "tenant": TENANT})


def _open(connection: Connection, tenant: str = TENANT) -> PulsarLog:
    return PulsarLog(connection, Topics(tenant).address("log"), queue_max=1000, payload_bytes_max=1_000_000)


def _latencies_seconds(connection: Connection, reader: LogReader, rate: int, size: int) -> Any:
    """Return append-to-read times, float64[n], of records sent at an even pace; the first tenth warms up and is dropped."""
    log = _open(connection)
    count = int(rate * LOAD_SECONDS)
    took_ns = np.zeros(count)

    def read() -> None:
        k = 0
        while k < count:
            for entry in reader.read(500, 1.0):
                took_ns[k] = time.perf_counter_ns() - int.from_bytes(entry.payload[:8], "little")
                k += 1

    thread = threading.Thread(target=read)
    thread.start()
    began = time.perf_counter()
    for k in range(count):
        time.sleep(max(0.0, began + k / rate - time.perf_counter()))
        log.append(time.perf_counter_ns().to_bytes(8, "little") + bytes(size - 8))
    thread.join()
    log.close()
    return took_ns[count // 10 :] / 1e9


def _flood(connection: Connection, reader: LogReader, count: int, size: int) -> float:
    """Return records a second, appended as fast as the queue takes them and read at the same time."""
    log = _open(connection)
    payload = bytes(size)

    def read() -> None:
        left = count
        while left:
            left -= len(reader.read(500, 1.0))

    thread = threading.Thread(target=read)
    began = time.perf_counter()
    thread.start()
    for _ in range(count):
        log.append(payload)
    log.flush(120.0)
    thread.join()
    seconds = time.perf_counter() - began
    log.close()
    return count / seconds


def _sync_seconds() -> Any:
    """Return times of writing 4 KiB durably to this machine's disk, float64[n]: the floor of any durable log."""
    took = np.zeros(200)
    with tempfile.TemporaryFile() as file:
        for k in range(len(took)):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            took[k] = time.perf_counter() - began
    return took


def run() -> list[Row]:
    try:
        with _broker() as settings:
            for tenant in (TENANT, LIVE_TENANT):
                ensure_topics(settings.model_copy(update={"tenant": tenant}))
            connection = connect(settings.url)
            try:
                reader = _open(connection).reader(None)
                _flood(connection, reader, *FLOODS[0])  # the broker's compiler
                live = latency("pulsar_live", "<= 10", LATENCY_NODES, lambda store: (_open(connection, LIVE_TENANT), lambda log_seq: None))
                return live + _measure(connection, reader)
            finally:
                connection.close()
    except pytest.skip.Exception as reason:
        print(f"bench_pulsar: skipped: {reason}")
        return []


def _measure(connection: Connection, reader: LogReader) -> list[Row]:
    """Modes take turns, so that what else the machine does meets them alike; a figure is the median of its rounds."""
    rows = []
    for rate, ticks in LOADS:
        size = RECORD_OVERHEAD_BYTES + ticks * TICK_BYTES
        took: dict[str, list[Any]] = {mode: [] for mode in MODES}
        floor = np.zeros(0)
        for _ in range(ROUNDS):
            for mode, batching in MODES.items():
                with patch.object(pulsar_sender, "BATCHING", batching):
                    took[mode].append(_latencies_seconds(connection, reader, rate, size) * 1e3)
            floor = np.append(floor, _sync_seconds() * 1e3)
        for mode, rounds in took.items():
            for q, target in ((50, ""), (99, "; target 10 ms")):
                value = float(np.median([np.percentile(one, q) for one in rounds]))
                against = f"a durable 4 KiB write, p{q}: {np.percentile(floor, q):.2f} ms{target}"
                rows.append(row(f"append to read p{q}, {rate} records/s of {ticks} ticks, {mode}", value, "ms", against))
    for count, size in FLOODS:
        for mode, batching in MODES.items():
            with patch.object(pulsar_sender, "BATCHING", batching):
                value = float(np.median([_flood(connection, reader, count, size) for _ in range(ROUNDS)]))
            against = f"{value * (size - RECORD_OVERHEAD_BYTES) / TICK_BYTES:.0f} ticks/s"
            rows.append(row(f"flood of records of {size} bytes, {mode}", value, "records/s", against))
    return rows


if __name__ == "__main__":
    show(run())
