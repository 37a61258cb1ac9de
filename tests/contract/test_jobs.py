"""The contract of `Jobs`, over memory and real servers: one runner a shard, in order, rows kept once and compared."""

from __future__ import annotations

import dataclasses
import math
import time

import pytest

from services.common.ports import DeterminismError, Job, Jobs
from tests.contract.store_fixtures import RUN, Stores, as_of, bucket, checkpoint, day_close, job, lease_of, result


def commit(stores: Stores, *days: int, shard_id: str = "0/1") -> None:
    """A worker's commits, each with its job."""
    lease = lease_of(stores, shard_id)
    for day in days:
        one = job(day, shard_id=shard_id, job_key=f"{shard_id}-{day}")
        stores.results.commit(bucket(lease, day, (), checkpoint=checkpoint(day, shard_id), jobs=(one,)))


def take(jobs: Jobs) -> str | None:
    found = jobs.take([RUN])
    return None if found is None else found.job_key


def test_jobs_of_a_shard_come_oldest_first_until_done(stores: Stores) -> None:
    commit(stores, 0, 1, 2)
    jobs = stores.open_jobs()
    assert jobs.waiting(RUN) == 3
    for day in range(3):
        found = jobs.take([RUN])
        assert found == job(day, job_key=f"0/1-{day}")
        jobs.done(found)
    assert jobs.take([RUN]) is None
    assert jobs.waiting(RUN) == 0


def test_only_jobs_of_the_runs_asked_for_are_taken(stores: Stores) -> None:
    commit(stores, 0)
    jobs = stores.open_jobs()
    assert jobs.take(["another"]) is None
    assert jobs.take([]) is None
    assert jobs.waiting("another") == 0
    assert take(jobs) == "0/1-0"


def test_two_runners_never_work_for_one_shard(stores: Stores) -> None:
    commit(stores, 0, 1)
    commit(stores, 0, shard_id="1/2")
    one, two = stores.open_jobs(), stores.open_jobs()
    first = one.take([RUN])
    second = two.take([RUN])
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert {first.shard_id, second.shard_id} == {"0/1", "1/2"}
    assert take(stores.open_jobs()) is None
    one.done(first)
    two.done(second)
    assert take(two) == "0/1-1"
    assert take(one) is None


def test_a_job_that_was_left_is_taken_again(stores: Stores) -> None:
    commit(stores, 0)
    one, two = stores.open_jobs(), stores.open_jobs()
    assert take(one) == "0/1-0"
    assert take(two) is None
    one.leave()
    assert take(two) == "0/1-0"


def test_a_lost_connection_lets_the_shard_go(server: Stores) -> None:
    commit(server, 0)
    one, two = server.open_jobs(), server.open_jobs()
    assert take(one) == "0/1-0"
    assert server.admin is not None
    server.admin.execute(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid <> pg_backend_pid() AND objsubid = 2"
    )
    deadline = time.monotonic() + 10.0
    found = take(two)
    while found is None and time.monotonic() < deadline:
        time.sleep(0.05)
        found = take(two)
    assert found == "0/1-0"


def test_rows_are_kept_once_and_compared(stores: Stores) -> None:
    commit(stores, 0)
    jobs = stores.open_jobs()
    held = jobs.take([RUN])
    assert held is not None
    rows, days = [result(0, n, method="student_t") for n in (1, 2)], [day_close(0, n, method="student_t") for n in (1, 2)]
    for _ in range(2):
        jobs.keep(held, rows, days)
    assert stores.results.committed_results(RUN, "0/1", as_of(0)) == ([], []), (
        "they are not the shard's: nobody publishes them again for it"
    )
    assert stores.results.committed_results(RUN, "jobs", as_of(0)) == (rows, days)
    other = [rows[0], dataclasses.replace(rows[1], value_at_risk=math.nextafter(rows[1].value_at_risk, math.inf))]
    with pytest.raises(DeterminismError, match="value_at_risk"):
        jobs.keep(held, other, days)
    new = dataclasses.replace(rows[0], node_id=9)
    with pytest.raises(DeterminismError):
        jobs.keep(held, [new, other[1]], [])
    assert stores.results.committed_results(RUN, "jobs", as_of(0)) == (rows, days), "all rows or none"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"value_at_risk": math.nan}, "finite"),
        ({"run_id": "another"}, "not of the run"),
        ({"as_of_ns": as_of(0) + 1}, "whole microseconds"),
    ],
)
def test_impossible_rows_are_refused(stores: Stores, changes: dict[str, object], what: str) -> None:
    commit(stores, 0)
    jobs = stores.open_jobs()
    held = jobs.take([RUN])
    assert held is not None
    with pytest.raises(ValueError, match=what):
        jobs.keep(held, [result(0, **changes)], [])


def test_forecasts_are_the_rows_of_an_as_of_with_all_revisions(stores: Stores) -> None:
    commit(stores, 0, 1)
    jobs = stores.open_jobs()
    held = jobs.take([RUN])
    assert held is not None
    rows = [result(0, method="student_t"), result(0, method="student_t", revision=2), result(0, 2, method="volatility_weighted")]
    jobs.keep(held, [*rows, result(0, method="historical", confidence=0.9)], [])
    jobs.keep(held, [result(1, method="student_t")], [])
    found = jobs.forecasts(held, as_of(0), ["student_t", "volatility_weighted"])
    assert sorted(found, key=lambda r: (r.node_id, r.revision)) == rows
    assert jobs.forecasts(held, as_of(2), ["student_t"]) == []


def test_a_job_committed_again_is_not_done_again(stores: Stores) -> None:
    """A worker that restarts repeats its last commits; the newest job is still known to be done."""
    commit(stores, 0, 1)
    jobs = stores.open_jobs()
    while (held := jobs.take([RUN])) is not None:
        jobs.done(held)
    commit(stores, 1)
    assert jobs.waiting(RUN) == 0
