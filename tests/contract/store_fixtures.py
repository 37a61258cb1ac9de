"""One set of stores over memory, the embedded PostgreSQL and TimescaleDB, and rows to put into them.

The servers are shared by a session; each test starts with empty tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from db.migrate import migrate
from risk_core.records import DayCloseRow, RiskResult, ScenarioRow
from services.common.adapters.embedded_servers import EmbeddedServers, ServerUrls
from services.common.adapters.memory_backtests import MemoryBacktests
from services.common.adapters.memory_queries import MemoryQueries
from services.common.adapters.memory_stores import (
    MemoryDatabase,
    MemoryDeadLetters,
    MemoryJobs,
    MemoryLeases,
    MemoryLogStore,
    MemoryResultStore,
    MemoryRunStore,
)
from services.common.adapters.postgres_backtests import PostgresBacktests
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_jobs import PostgresJobs
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.adapters.postgres_queries import PostgresQueries
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.adapters.postgres_runs import PostgresDeadLetters, PostgresRunStore
from services.common.codec import decode
from services.common.ports import (
    Backtests,
    Checkpoint,
    Commit,
    DeadLetters,
    Job,
    Jobs,
    Lease,
    Leases,
    LogStore,
    Queries,
    ResultStore,
    RunStore,
)
from tests.real_servers import HistoryServer, unavailable

DAY_NS = 86_400_000_000_000
RUN = "run-a"
KEEP_DAYS = 3
LETTERS_MAX = 4
TABLES = [
    "shards",
    "checkpoints",
    "jobs",
    "risk_results",
    "day_closes",
    "scenario_sets",
    "log_records",
    "ticks",
    "fills",
    "runs",
    "instruments",
    "nodes",
    "dead_letters",
    "inbox",
    "log_lines",
    "regime_states",
    "regime_models",
    "change_points",
    "backtest_results",
    "backtests_due",
]


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def now_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@dataclass(slots=True)
class Stores:
    """The stores under test. `pass_time` makes leases older; `admin` is another session of the server, None in memory."""

    name: str
    leases: Leases
    results: ResultStore
    log: LogStore
    runs: RunStore
    letters: DeadLetters
    queries: Queries
    pass_time: Callable[[float], None]
    url: str | None
    admin: psycopg.Connection[Any] | None
    open_jobs: Callable[[], Jobs]
    open_backtests: Callable[[], Backtests]
    """Another runner's queue, with a connection of its own."""

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return a table's rows (real servers only)."""
        assert self.admin is not None
        return self.admin.execute(f"SELECT * FROM {table}").fetchall()


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[ServerUrls]:
    """Servers from the wheels, in a directory of their own."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-test-") as directory, EmbeddedServers(Path(directory)) as urls:
        migrate(urls.history)
        yield urls


_timescale_databases: dict[str, str] = {}
"""Server → its one database for these suites."""


@pytest.fixture(params=["memory", "embedded", pytest.param("timescale", marks=pytest.mark.docker)])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Every adapter in turn, empty."""
    if request.param == "memory":
        yield memory_stores()
    else:
        yield from server_stores(request.param, server_url(request, request.param))


@pytest.fixture(params=["embedded", pytest.param("timescale", marks=pytest.mark.docker)])
def server(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """The real servers in turn, empty: for what memory cannot show."""
    yield from server_stores(request.param, server_url(request, request.param))


def server_url(request: pytest.FixtureRequest, name: str) -> str:
    """Return the migrated database of a server."""
    if name == "embedded":
        return str(request.getfixturevalue("embedded_servers").history)
    server: HistoryServer = request.getfixturevalue("timescale_server")
    if not server.has_timescale:
        unavailable("TimescaleDB in a container")
    url = _timescale_databases.get(server.url) or server.new_database()
    _timescale_databases[server.url] = url
    migrate(url)
    return url


def memory_stores() -> Stores:
    """Return stores over one database in memory."""
    clock = ManualClock()
    database = MemoryDatabase(clock)
    return Stores(
        "memory",
        MemoryLeases(database),
        MemoryResultStore(database, KEEP_DAYS),
        MemoryLogStore(database, decode),
        MemoryRunStore(database, decode),
        MemoryDeadLetters(database, LETTERS_MAX),
        MemoryQueries(database),
        clock.sleep,
        None,
        None,
        lambda: MemoryJobs(database),
        lambda: MemoryBacktests(database),
    )


def server_stores(name: str, url: str) -> Iterator[Stores]:
    """Yield stores over an emptied server."""
    database = PostgresDatabase(url, lock_seconds=2.0, abandoned_seconds=1.0)
    with psycopg.connect(url, autocommit=True, application_name="contract tests") as admin:
        admin.execute("; ".join(f"DELETE FROM {table}" for table in TABLES))

        opened: list[PostgresJobs | PostgresBacktests] = []

        def open_backtests() -> Backtests:
            made = PostgresBacktests(PostgresDatabase(url, lock_seconds=2.0))
            opened.append(made)
            return made

        def open_jobs() -> Jobs:
            made = PostgresJobs(PostgresDatabase(url, lock_seconds=2.0), lambda run_id: (run_id,))
            opened.append(made)
            return made

        def pass_time(seconds: float) -> None:
            admin.execute("UPDATE shards SET lease_until = lease_until - make_interval(secs => %s)", (seconds,))

        yield Stores(
            name,
            PostgresLeases(database),
            PostgresResultStore(database, KEEP_DAYS),
            PostgresLogStore(database, decode),
            PostgresRunStore(database, decode),
            PostgresDeadLetters(database, LETTERS_MAX),
            PostgresQueries(database),
            pass_time,
            url,
            admin,
            open_jobs,
            open_backtests,
        )
    for queue in opened:
        queue.close()
    database.close()


# ------------------------------------------------------------------- rows


def lease_of(stores: Stores, shard_id: str = "0/1", owner: str = "worker-1") -> Lease:
    """Take a shard that is free."""
    lease = stores.leases.acquire(shard_id, owner, 5.0)
    assert lease is not None
    return lease


def as_of(day: int) -> int:
    """Close of a day, in nanoseconds."""
    return (19_000 + day) * DAY_NS + 21 * 3_600_000_000_000


def date_of(day: int) -> str:
    """Its date."""
    return str(np.datetime64(19_000 + day, "D"))


def result(day: int, node_id: int = 1, **changes: Any) -> RiskResult:
    """A result whose numbers use all their bits."""
    values: dict[str, Any] = {
        "run_id": RUN,
        "node_id": node_id,
        "as_of_ns": as_of(day),
        "method": "historical",
        "horizon_days": 1,
        "confidence": 0.99,
        "revision": 0,
        "currency": "USD",
        "value_at_risk": 1000.0 / 3.0 + node_id,
        "expected_shortfall": -0.1 * day,
        "scenario_count": 500,
        "log_seq": 10 * (day + 1),
        "stale_share": 0.0,
        "proxied_share": 1.0 / 7.0,
        "thin_share": 5e-324,
        "status": "ok",
        "value_at_risk_error": 1.0 / 3.0,
        "value_at_risk_lower": -0.1,
        "expected_shortfall_upper": 1e300,
        "measures": {"spectral_risk": 1.0 / 3.0, "tiny": 5e-324, "huge": -1.7976931348623157e308} if day % 2 else None,
    }
    return RiskResult(**{**values, **changes})


def day_close(day: int, node_id: int = 1, **changes: Any) -> DayCloseRow:
    """A day close."""
    values: dict[str, Any] = {
        "run_id": RUN,
        "node_id": node_id,
        "date": date_of(day),
        "as_of_ns": as_of(day),
        "method": "historical",
        "horizon_days": 1,
        "confidence": 0.99,
        "revision": 0,
        "currency": "USD",
        "forecast_value_at_risk": 100.1,
        "forecast_expected_shortfall": 120.3,
        "hypothetical_pnl": -0.0,
        "actual_pnl": -1e-300,
        "fees": 0.25,
        "exception_hypothetical": False,
        "exception_actual": True,
        "status": "ok",
    }
    return DayCloseRow(**{**values, **changes})


def scenario(day: int, revision: int = 0, **changes: Any) -> ScenarioRow:
    """A row of the scenario set."""
    shock = np.random.default_rng(day).normal(size=5)
    values: dict[str, Any] = {
        "run_id": RUN,
        "as_of_ns": as_of(day),
        "date": date_of(day),
        "revision": revision,
        "log_seq": 10 * (day + 1) + revision,
        "shock": shock,
        "proxied": np.array([0, 1, 0, 0, 1], dtype=np.uint8),
    }
    return ScenarioRow(**{**values, **changes})


def checkpoint(day: int, shard_id: str = "0/1", **changes: Any) -> Checkpoint:
    """A checkpoint with bytes of every kind."""
    values: dict[str, Any] = {
        "run_id": RUN,
        "shard_id": shard_id,
        "as_of_ns": as_of(day),
        "log_seq": 10 * (day + 1),
        "position": bytes([day % 256, 0, 255]),
        "state": bytes(range(256)) * 20,
        "day_close": True,
        "format_version": 1,
    }
    return Checkpoint(**{**values, **changes})


def job(day: int, **changes: Any) -> Job:
    """A heavy job."""
    values: dict[str, Any] = {
        "job_key": f"job-{day}",
        "run_id": RUN,
        "shard_id": "0/1",
        "kind": "monte_carlo",
        "as_of_ns": as_of(day),
        "payload": b"\x00frozen",
    }
    return Job(**{**values, **changes})


def bucket(lease: Lease, day: int, nodes: tuple[int, ...] = (1, 2), **changes: Any) -> Commit:
    """A whole commit of one day."""
    values: dict[str, Any] = {
        "lease": lease,
        "checkpoint": checkpoint(day, lease.shard_id),
        "results": tuple(result(day, n) for n in nodes),
        "day_closes": tuple(day_close(day, n) for n in nodes),
        "scenario_rows": (scenario(day),),
        "jobs": (job(day, shard_id=lease.shard_id, job_key=f"{lease.shard_id}-{day}"),),
    }
    return Commit(**{**values, **changes})
