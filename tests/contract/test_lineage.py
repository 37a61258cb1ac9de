"""What a run has from the runs that it goes on from, in every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from risk_core.records import RiskResult
from services.common.adapters.lineage import LineageQueries, LineageResultStore
from services.common.ports import Commit, HistoryFilter, Run
from services.common.run_identity import first_run, run_under
from tests.contract.store_fixtures import Stores, as_of, bucket, checkpoint, day_close, lease_of, result, scenario
from tests.contract.test_run_store import genesis

OLD, MIDDLE, NEW = "one", "two", "three"


@pytest.fixture
def line(stores: Stores) -> list[Run]:
    """Three calculations one after another: days 0 to 3, then 4 and 5, then 6; the last closed day 3 of node 1 again, corrected."""
    first = first_run(genesis("log"), "USD", OLD, None, 1)
    runs = [first, second := run_under(MIDDLE, first), run_under(NEW, second)]
    lease = lease_of(stores)
    for run, days in zip(runs, (range(4), (4, 5), (6,)), strict=True):
        stores.runs.register(run)
        for day in days:
            whole = bucket(lease, day, jobs=())
            own = {"run_id": run.run_id}
            stores.results.commit(
                Commit(
                    lease,
                    replace(whole.checkpoint, **own),
                    tuple(replace(r, **own) for r in whole.results),
                    tuple(replace(d, **own) for d in whole.day_closes),
                    tuple(replace(s, **own) for s in whole.scenario_rows),
                )
            )
    own = {"run_id": runs[2].run_id, "revision": 1, "log_seq": 900}
    again = tuple(result(day, **own, value_at_risk=-1.0) for day in (3, 4, 5))
    judged = tuple(day_close(day, run_id=runs[2].run_id, revision=1) for day in (3, 4, 5))
    rows = tuple(scenario(day, **own) for day in (3, 4, 5))
    stores.results.commit(Commit(lease, checkpoint(5, run_id=runs[2].run_id, log_seq=900), again, judged, rows))
    return runs


def test_identities(line: list[Run]) -> None:
    """A calculation that is not the newest run's starts a child of it, whichever ran before; the same goes on."""
    assert [r.parent_run_id for r in line] == [None, line[0].run_id, line[1].run_id]
    assert len({r.run_id for r in line}) == 3
    assert run_under(NEW, line[2]) is line[2]
    back = run_under(OLD, line[2])
    assert back.parent_run_id == line[2].run_id
    assert back.run_id not in {r.run_id for r in line}
    assert {r.genesis for r in (*line, back)} == {line[0].genesis}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_history_goes_on_into_the_parents(stores: Stores, line: list[Run], limit: int) -> None:
    queries = LineageQueries(stores.runs, stores.queries)
    rows: list[RiskResult] = []
    cursor: str | None = None
    for _ in range(50):
        page = queries.results(HistoryFilter(line[2].run_id, 1), limit, cursor)
        assert len(page.rows) == limit or page.next_cursor is None
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    names = {run.run_id: name for run, name in zip(line, (OLD, MIDDLE, NEW), strict=True)}
    assert [(r.as_of_ns, names[r.run_id], r.revision) for r in rows] == [
        (as_of(6), NEW, 0),
        *((as_of(day), NEW, 1) for day in (5, 4, 3)),
        *((as_of(day), OLD, 0) for day in (2, 1, 0)),
    ]
    other = queries.day_closes(HistoryFilter(line[2].run_id, 2, to_ns=as_of(6))).rows
    assert [(r.as_of_ns, names[r.run_id]) for r in other] == [
        *((as_of(day), MIDDLE) for day in (5, 4)),
        *((as_of(day), OLD) for day in (3, 2, 1, 0)),
    ]


def test_newest_and_oldest(stores: Stores, line: list[Run]) -> None:
    queries = LineageQueries(stores.runs, stores.queries)
    child = run_under("four", line[2])
    stores.runs.register(child)
    assert queries.latest_results(child.run_id) == stores.queries.latest_results(line[2].run_id)
    assert {r.run_id for r in queries.latest_results(child.run_id, [1, 2, 9])} == {line[2].run_id}
    assert queries.first_as_of_ns(child.run_id, 1) == as_of(0)
    assert queries.first_as_of_ns(child.run_id, 9) is None
    assert stores.queries.first_as_of_ns(line[1].run_id, 2) == as_of(4)
    counts = queries.counts(child.run_id)
    assert (counts.results, counts.day_closes, counts.scenario_rows) == (2 * 7 + 3, 2 * 7 + 3, 7 + 3)


def test_a_child_starts_from_its_parents_checkpoint_and_window(stores: Stores, line: list[Run]) -> None:
    store = LineageResultStore(stores.runs, stores.results)
    child = run_under("four", line[2])
    stores.runs.register(child)
    newest = store.latest_checkpoint(child.run_id, "0/1")
    assert newest is not None
    assert (newest.run_id, newest.as_of_ns) == (line[2].run_id, as_of(5))
    lease = lease_of(stores)
    stores.results.commit(Commit(lease, checkpoint(3, run_id=child.run_id)))  # folds again, and is behind what the parent had reached
    assert store.latest_checkpoint(child.run_id, "0/1") == newest
    at = store.checkpoint_at(child.run_id, "0/1", as_of(3))
    assert at is not None
    assert at.run_id == child.run_id
    before = store.checkpoint_before(child.run_id, "0/1", as_of(3))
    assert before is not None
    assert (before.run_id, before.as_of_ns) == (line[0].run_id, as_of(2))
    at = store.checkpoint_at(child.run_id, "0/1", as_of(4))
    assert at is not None
    assert at.run_id == line[1].run_id
    rows = store.scenario_rows(child.run_id, as_of(6), 10_000, 5)
    assert [(r.as_of_ns, r.revision) for r in rows] == [(as_of(2), 0), (as_of(3), 1), (as_of(4), 1), (as_of(5), 1), (as_of(6), 0)]
    as_known = store.scenario_rows(child.run_id, as_of(6), 100, 2)
    assert [(r.as_of_ns, r.revision) for r in as_known] == [(as_of(5), 0), (as_of(6), 0)]
    assert store.latest_checkpoint("unregistered", "0/1") is None
