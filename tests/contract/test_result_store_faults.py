"""What only a real server can show: sessions that wait, die or stall in the middle of a commit."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from services.common.adapters.postgres_columns import RESULTS
from services.common.ports import Commit, Fenced, Unavailable
from tests.contract.store_fixtures import RUN, Stores, as_of, bucket, lease_of, result


def blocked(server: Stores, what: str) -> list[int]:
    """Wait until a session waits for a lock in a statement, and return the process ids of those that do."""
    assert server.url is not None
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"
    with psycopg.connect(server.url, autocommit=True) as watcher:
        for _ in range(200):
            pids = [row[0] for row in watcher.execute(query, (f"%{what}%",))]
            if pids:
                return pids
            time.sleep(0.01)
    raise AssertionError(f"nobody waits in {what!r}")


class Attempt(threading.Thread):
    """A commit in a thread of its own; `outcome` is None or what it raised."""

    def __init__(self, server: Stores, commit: Commit) -> None:
        super().__init__()
        self.server, self.commit = server, commit
        self.outcome: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.server.results.commit(self.commit)
        except BaseException as error:
            self.outcome = error

    def result(self) -> BaseException | None:
        self.join(30.0)
        assert not self.is_alive()
        return self.outcome


def test_an_owner_fenced_in_the_middle_of_its_transaction_leaves_nothing(server: Stores) -> None:
    lease = lease_of(server)
    assert server.admin is not None
    with server.admin.transaction():
        server.admin.execute("UPDATE shards SET owner = 'worker-2', epoch = epoch + 1")
        attempt = Attempt(server, bucket(lease, 0))
        blocked(server, "require_lease")  # its rows are written, and not committed
    assert isinstance(attempt.result(), Fenced)
    for table in ("risk_results", "day_closes", "scenario_sets", "jobs", "checkpoints"):
        assert server.rows(table) == []


def test_a_connection_killed_in_the_middle_of_its_transaction_leaves_nothing(server: Stores) -> None:
    lease = lease_of(server)
    assert server.admin is not None
    with server.admin.transaction():
        server.admin.execute("SELECT * FROM shards FOR UPDATE")
        attempt = Attempt(server, bucket(lease, 0))
        (pid,) = blocked(server, "require_lease")
        server.admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert isinstance(attempt.result(), Unavailable)
    assert server.results.latest_checkpoint(RUN, lease.shard_id) is None
    for table in ("risk_results", "day_closes", "scenario_sets", "jobs"):
        assert server.rows(table) == []
    server.results.commit(bucket(lease, 0))
    assert len(server.rows("risk_results")) == 2


def test_an_idle_connection_killed_by_the_server_is_made_again(server: Stores) -> None:
    lease = lease_of(server)
    server.results.commit(bucket(lease, 0))
    assert server.admin is not None
    server.admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'plimsoll' AND datname = current_database()"
    )
    with pytest.raises(Unavailable):
        server.results.commit(bucket(lease, 1))
    server.results.commit(bucket(lease, 1))
    assert len(server.rows("risk_results")) == 4


def test_a_writer_that_waits_too_long_for_a_lock_is_told_so(server: Stores) -> None:
    lease = lease_of(server)
    assert server.admin is not None
    with server.admin.transaction():
        server.admin.execute("SELECT * FROM shards FOR UPDATE")
        started = time.monotonic()
        with pytest.raises(Unavailable, match="lock timeout"):
            server.results.commit(bucket(lease, 0))
        assert time.monotonic() - started < 5.0
    server.results.commit(bucket(lease, 0))


def test_a_writer_stopped_in_the_middle_of_a_copy_does_not_block_its_successor(server: Stores) -> None:
    """No server time-out reaches a session that waits for the rest of a COPY; the successor ends it."""
    lease = lease_of(server)
    assert server.url is not None
    stopped = psycopg.connect(server.url, autocommit=True, application_name="plimsoll")
    stopped.execute("BEGIN")
    RESULTS.copy(stopped, [result(0, 1)], lease.shard_id)
    stopped.pgconn.exec_(b"COPY jobs FROM STDIN (FORMAT BINARY)")
    with pytest.raises(Unavailable, match="lock timeout"):
        server.results.commit(bucket(lease, 0))
    server.results.commit(bucket(lease, 0))
    assert len(server.rows("risk_results")) == 2
    stopped.close()


def test_shards_commit_at_once_over_the_same_scenario_rows(server: Stores) -> None:
    shards = 6
    leases = [lease_of(server, f"{k}/{shards}", f"w{k}") for k in range(shards)]
    days = 12
    failed: list[BaseException] = []
    barrier = threading.Barrier(shards)

    def work(k: int) -> None:
        try:
            barrier.wait()
            for day in range(days):
                server.results.commit(bucket(leases[k], day, (10 * k + 1, 10 * k + 2)))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(shards)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(server.results.scenario_rows(RUN, as_of(days), 10**9, 100)) == days
    assert len(server.rows("risk_results")) == len(server.rows("day_closes")) == shards * days * 2
