from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from risk_core.records import ScenarioRow
from services.common.ports import Commit, DeterminismError, Fenced
from tests.contract.store_fixtures import (
    KEEP_DAYS,
    RUN,
    Stores,
    as_of,
    bucket,
    checkpoint,
    day_close,
    job,
    lease_of,
    result,
    scenario,
)


def bits(row: Any) -> tuple[object, ...]:
    """Every field of a row, floats and arrays by their bits."""
    values = (getattr(row, f.name) for f in dataclasses.fields(row))
    return tuple(v.hex() if isinstance(v, float) else (v.dtype.str, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)


def same(a: list[Any], b: list[Any]) -> bool:
    return [bits(x) for x in a] == [bits(x) for x in b]


# ------------------------------------------------------- what goes in comes out


def test_a_bucket_comes_back_bit_for_bit(stores: Stores) -> None:
    lease = lease_of(stores)
    extremes = (
        result(0, 3, value_at_risk=-0.0, expected_shortfall=1.7976931348623157e308, stale_share=5e-324, status="stale; Δ ≥ 5 %"),
        result(0, 3, confidence=0.999, revision=2, log_seq=2**62, method="ewma_normal", horizon_days=10),
    )
    commit = bucket(lease, 0, results=(*bucket(lease, 0).results, *extremes))
    stores.results.commit(commit)
    results, days = stores.results.committed_results(RUN, lease.shard_id, as_of(0))
    assert {bits(r) for r in results} == {bits(r) for r in commit.results}
    assert same(days, list(commit.day_closes))
    assert same(stores.results.scenario_rows(RUN, as_of(0), 10**9, 10), list(commit.scenario_rows))
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == commit.checkpoint


def test_committed_results_are_of_one_shard_and_bucket_by_key(stores: Stores) -> None:
    one, two = lease_of(stores, "0/2"), lease_of(stores, "1/2", "worker-2")
    stores.results.commit(bucket(one, 0, (5, 1)))
    stores.results.commit(bucket(two, 0, (2,)))
    stores.results.commit(bucket(one, 1, (5,)))
    results, days = stores.results.committed_results(RUN, "0/2", as_of(0))
    assert [r.node_id for r in results] == [1, 5]
    assert [d.node_id for d in days] == [1, 5]
    assert stores.results.committed_results("another", "0/2", as_of(0)) == ([], [])


def test_a_row_belongs_to_the_shard_that_committed_it_last(stores: Stores) -> None:
    before = lease_of(stores, "0/1")
    stores.results.commit(bucket(before, 0, (1, 2)))
    after = lease_of(stores, "1/2")
    stores.results.commit(bucket(after, 0, (2,)))
    assert [r.node_id for r in stores.results.committed_results(RUN, "0/1", as_of(0))[0]] == [1]
    results, days = stores.results.committed_results(RUN, "1/2", as_of(0))
    assert [r.node_id for r in results] == [d.node_id for d in days] == [2]


def test_nothing_is_shared_with_the_caller(stores: Stores) -> None:
    lease = lease_of(stores)
    row = scenario(0)
    kept = row.shock.copy()
    stores.results.commit(bucket(lease, 0, scenario_rows=(row,)))
    row.shock[:] = 9.0
    read = stores.results.scenario_rows(RUN, as_of(0), 10**9, 1)[0]
    assert np.array_equal(read.shock, kept)
    read.shock[:] = 7.0
    assert np.array_equal(stores.results.scenario_rows(RUN, as_of(0), 10**9, 1)[0].shock, kept)


# ------------------------------------------------------------------- repeats


def test_a_repeated_commit_is_harmless(stores: Stores) -> None:
    lease = lease_of(stores)
    for _ in range(3):
        stores.results.commit(bucket(lease, 0))
    stores.results.commit(bucket(lease, 1))
    assert len(stores.results.committed_results(RUN, lease.shard_id, as_of(0))[0]) == 2
    assert len(stores.results.committed_results(RUN, lease.shard_id, as_of(1))[0]) == 2


def test_a_commit_that_overlaps_adds_only_what_is_new(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit(bucket(lease, 0, (1, 2)))
    stores.results.commit(bucket(lease, 0, (2, 3, 4)))
    assert [r.node_id for r in stores.results.committed_results(RUN, lease.shard_id, as_of(0))[0]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"results": (result(0, 1, value_at_risk=math.nextafter(result(0, 1).value_at_risk, 0.0)),)}, "value_at_risk"),
        ({"results": (result(0, 1, stale_share=-0.0),)}, "stale_share"),
        ({"results": (result(0, 1, log_seq=11),)}, "log_seq"),
        ({"results": (result(0, 1, measures={"spectral_risk": 1.0}),)}, "measures"),
        ({"results": (result(0, 1, status="stale"),)}, "status"),
        ({"day_closes": (day_close(0, 1, hypothetical_pnl=0.0),)}, "hypothetical_pnl"),
        ({"day_closes": (day_close(0, 1, exception_actual=False),)}, "exception_actual"),
        ({"scenario_rows": (scenario(0, log_seq=12),)}, "log_seq"),
        ({"scenario_rows": (scenario(0, proxied=np.zeros(5, dtype=np.uint8)),)}, "proxied"),
        ({"jobs": (job(0, job_key="0/1-0", payload=b"other"),)}, "payload"),
    ],
)
def test_a_differing_value_is_fatal_and_changes_nothing(stores: Stores, changes: dict[str, Any], column: str) -> None:
    lease = lease_of(stores)
    first = bucket(lease, 0, (1,))
    stores.results.commit(first)
    given = bucket(lease, 0, (7,), checkpoint=checkpoint(0, log_seq=99), **changes)
    with pytest.raises(DeterminismError, match=column) as caught:
        stores.results.commit(given)
    assert "kept as" in str(caught.value)
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == first.checkpoint
    results, days = stores.results.committed_results(RUN, lease.shard_id, as_of(0))
    assert same(results, list(first.results))
    assert same(days, list(first.day_closes))
    assert len(stores.results.scenario_rows(RUN, as_of(0), 10**9, 9)) == 1


def test_two_answers_in_one_commit_are_fatal(stores: Stores) -> None:
    lease = lease_of(stores)
    with pytest.raises(DeterminismError, match="expected_shortfall"):
        stores.results.commit(bucket(lease, 0, results=(result(0), result(0, expected_shortfall=1.0))))
    stores.results.commit(bucket(lease, 0, results=(result(0), result(0))))
    assert len(stores.results.committed_results(RUN, lease.shard_id, as_of(0))[0]) == 1


def test_a_new_revision_is_a_new_row(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit(bucket(lease, 0, (1,)))
    stores.results.commit(bucket(lease, 0, results=(result(0, 1, revision=1, value_at_risk=1.0),), day_closes=()))
    assert [r.revision for r in stores.results.committed_results(RUN, lease.shard_id, as_of(0))[0]] == [0, 1]


# --------------------------------------------------------------- refused input


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "changed",
    [
        lambda bad: {"results": (result(0), result(0, 2, expected_shortfall=bad))},
        lambda bad: {"results": (result(0, thin_share=bad),)},
        lambda bad: {"results": (result(0, expected_shortfall_error=bad),)},
        lambda bad: {"day_closes": (day_close(0, actual_pnl=bad),)},
        lambda bad: {"scenario_rows": (scenario(0, shock=np.array([0.0, bad, 0.0, 0.0, 0.0])),)},
    ],
)
def test_numbers_that_are_not_finite_are_refused(stores: Stores, bad: float, changed: Any) -> None:
    lease = lease_of(stores)
    with pytest.raises(ValueError, match=r"nan|inf"):
        stores.results.commit(bucket(lease, 0, **changed(bad)))
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"results": (result(0, run_id="another"),)},
        {"checkpoint": checkpoint(0, "other shard")},
        {"scenario_rows": (scenario(0, shock=np.zeros(4)),)},
        {"scenario_rows": (scenario(0, shock=np.zeros(5, dtype=np.float32)),)},
        {"results": (result(0, as_of_ns=as_of(0) + 1),)},
    ],
)
def test_rows_that_do_not_belong_are_refused(stores: Stores, changes: dict[str, Any]) -> None:
    lease = lease_of(stores)
    with pytest.raises(ValueError):
        stores.results.commit(bucket(lease, 0, **changes))


def test_the_tables_refuse_numbers_that_are_not_finite(server: Stores) -> None:
    lease = lease_of(server)
    server.results.commit(bucket(lease, 0))
    assert server.admin is not None
    for table, column in (("risk_results", "value_at_risk"), ("day_closes", "fees")):
        for bad in ("NaN", "Infinity", "-Infinity"):
            with pytest.raises(Exception, match="check constraint"):
                server.admin.execute(f"UPDATE {table} SET {column} = '{bad}'")


# --------------------------------------------------------------------- fencing


def test_a_stale_owner_is_fenced_whatever_it_computed(stores: Stores) -> None:
    stale = lease_of(stores)
    stores.results.commit(bucket(stale, 0))
    stores.pass_time(6.0)
    holder = lease_of(stores, owner="worker-2")
    for commit in (bucket(stale, 1), bucket(stale, 0), bucket(stale, 0, results=(result(0, value_at_risk=9.0),))):
        with pytest.raises(Fenced):
            stores.results.commit(commit)
    assert stores.results.committed_results(RUN, stale.shard_id, as_of(1)) == ([], [])
    stores.results.commit(bucket(holder, 1))


def test_a_shard_without_a_lease_takes_nothing(stores: Stores) -> None:
    lease = lease_of(stores)
    with pytest.raises(Fenced):
        stores.results.commit(bucket(dataclasses.replace(lease, shard_id="never", epoch=1), 0))
    with pytest.raises(Fenced):
        stores.results.commit(bucket(dataclasses.replace(lease, owner="somebody"), 0))


# ------------------------------------------------------------- shards together


def test_shards_share_scenario_rows(stores: Stores) -> None:
    one, two = lease_of(stores, "0/2"), lease_of(stores, "1/2")
    stores.results.commit(bucket(one, 0, (1,)))
    stores.results.commit(bucket(two, 0, (2,)))
    assert len(stores.results.scenario_rows(RUN, as_of(0), 10**9, 5)) == 1
    with pytest.raises(DeterminismError, match="shock"):
        stores.results.commit(bucket(two, 0, (3,), scenario_rows=(scenario(0, shock=np.zeros(5)),)))


# ----------------------------------------------------------- batches of commits


def test_a_batch_is_all_or_nothing(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit_many([bucket(lease, d) for d in range(3)])
    assert [len(stores.results.committed_results(RUN, lease.shard_id, as_of(d))[0]) for d in range(4)] == [2, 2, 2, 0]
    with pytest.raises(DeterminismError):
        stores.results.commit_many([bucket(lease, 3), bucket(lease, 1, results=(result(1, status="other"),))])
    assert stores.results.committed_results(RUN, lease.shard_id, as_of(3)) == ([], [])
    stores.results.commit_many([bucket(lease, d) for d in range(1, 5)])
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == checkpoint(4)


def test_a_batch_is_of_one_lease_and_bounded(stores: Stores) -> None:
    one, two = lease_of(stores, "0/2"), lease_of(stores, "1/2")
    for batch in ([], [bucket(one, 0), bucket(two, 0)], [bucket(one, 0)] * 257):
        with pytest.raises(ValueError):
            stores.results.commit_many(batch)


# ----------------------------------------------------------------- checkpoints


def test_the_newest_checkpoint_never_goes_back(stores: Stores) -> None:
    lease = lease_of(stores)
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) is None
    for k in (5, 7, 6):
        passing = checkpoint(0, log_seq=k, as_of_ns=as_of(0) + k, day_close=False)
        stores.results.commit(Commit(lease, passing))
    latest = stores.results.latest_checkpoint(RUN, lease.shard_id)
    assert latest is not None
    assert latest.log_seq == 7
    assert stores.results.checkpoint_at(RUN, lease.shard_id, as_of(0) + 5) is None, "passing checkpoints give way"
    assert stores.results.checkpoint_at(RUN, lease.shard_id, as_of(0) + 7) == latest


def test_a_checkpoint_is_replaced_by_its_repeat(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit(bucket(lease, 0))
    again = checkpoint(0, state=b"of another epoch")
    stores.results.commit(bucket(lease, 0, checkpoint=again))
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == again


def test_day_close_checkpoints_are_kept_within_reach(stores: Stores) -> None:
    lease = lease_of(stores)
    days = KEEP_DAYS + 4
    for day in range(days):
        stores.results.commit(Commit(lease, checkpoint(day, log_seq=20 * day + 10)))
        passing = checkpoint(day, log_seq=20 * day + 15, as_of_ns=as_of(day) + 10**9, day_close=False)
        stores.results.commit(Commit(lease, passing))
    kept = [day for day in range(days) if stores.results.checkpoint_at(RUN, lease.shard_id, as_of(day)) is not None]
    assert kept == list(range(days - KEEP_DAYS, days))
    newest = stores.results.checkpoint_before(RUN, lease.shard_id, as_of(days))
    assert newest is not None
    assert newest.as_of_ns == as_of(days - 1), "the passing one is not a day close"
    before = stores.results.checkpoint_before(RUN, lease.shard_id, as_of(days - 1))
    assert before is not None
    assert before.as_of_ns == as_of(days - 2)
    assert stores.results.checkpoint_before(RUN, lease.shard_id, as_of(days - KEEP_DAYS)) is None


def test_a_close_folded_again_gives_the_newest_and_keeps_the_older(stores: Stores) -> None:
    lease = lease_of(stores)
    first, second = checkpoint(0, log_seq=10), checkpoint(1, log_seq=20)
    again = checkpoint(0, log_seq=30, state=b"corrected")
    for c in (first, second, again):
        stores.results.commit(Commit(lease, c))
    assert stores.results.checkpoint_at(RUN, lease.shard_id, as_of(0)) == again
    assert stores.results.checkpoint_before(RUN, lease.shard_id, as_of(1)) == again
    assert stores.results.checkpoint_before(RUN, lease.shard_id, as_of(2)) == second
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == again


def test_checkpoints_are_of_one_run_and_shard(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit(Commit(lease, checkpoint(0)))
    stores.results.commit(Commit(lease, checkpoint(5, run_id="child")))
    assert stores.results.latest_checkpoint(RUN, lease.shard_id) == checkpoint(0)
    assert stores.results.latest_checkpoint(RUN, "another") is None
    assert stores.results.checkpoint_before("child", lease.shard_id, as_of(5)) is None


# --------------------------------------------------------------- scenario rows


def test_scenario_rows_are_the_last_known_by_then(stores: Stores) -> None:
    lease = lease_of(stores)
    for day in range(6):
        stores.results.commit(bucket(lease, day, ()))
    corrected = scenario(2, revision=1, log_seq=100, shock=np.ones(5))
    stores.results.commit(bucket(lease, 6, (), scenario_rows=(corrected,)))

    def read(through_day: int, log_seq: int, count: int) -> list[tuple[int, int]]:
        rows: list[ScenarioRow] = stores.results.scenario_rows(RUN, as_of(through_day), log_seq, count)
        return [(round((row.as_of_ns - as_of(0)) / (as_of(1) - as_of(0))), row.revision) for row in rows]

    assert read(3, 1000, 3) == [(1, 0), (2, 1), (3, 0)]
    assert read(3, 99, 3) == [(1, 0), (2, 0), (3, 0)]
    assert read(5, 25, 100) == [(0, 0), (1, 0)]
    assert read(5, 1000, 0) == []
    assert stores.results.scenario_rows("another", as_of(9), 1000, 5) == []
