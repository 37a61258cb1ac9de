"""Zones, and what is due: noted with what was judged, taken by one, forgotten with what is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from risk_core.records import BacktestResult, DayCloseRow
from services.common.adapters.lineage import LineageQueries
from services.common.codec import encode
from services.common.ports import Backtests, Commit, DueBacktest, HistoryFilter, Run
from tests.contract.store_fixtures import RUN, Stores, as_of, bucket, checkpoint, date_of, day_close, job, lease_of
from tests.worlds import make_world


def zone(day: int, node_id: int = 1, **changes: Any) -> BacktestResult:
    row = BacktestResult(
        run_id=RUN,
        node_id=node_id,
        date=date_of(day),
        as_of_ns=as_of(day),
        method="historical",
        horizon_days=1,
        confidence=0.99,
        outcome="hypothetical",
        window_days=250,
        revision=0,
        observations=day + 1,
        exceptions=1,
        expected=0.1 / 3.0,
        zone="green",
        zone_before=None,
        type_i=1.0 / 3.0,
        multiplier_mar32=1.5,
        multiplier_basel_2_5=3.0,
        kupiec_p=5e-324,
        independence_p=None,
        conditional_p=1.0 / 7.0,
    )
    return replace(row, **changes)


def close(stores: Stores, day: int, *rows: DayCloseRow, **papers: Any) -> None:
    stores.results.commit(Commit(lease_of(stores), checkpoint(day, **papers), day_closes=rows))


def taken(backtests: Backtests, limit: int = 100) -> list[tuple[str, int, str, int]]:
    return [(d.run_id, d.node_id, d.method, d.from_ns) for d in backtests.due(limit)]


def test_what_is_judged_is_due_until_it_is_kept(stores: Stores) -> None:
    backtests = stores.open_backtests()
    assert backtests.due(10) == []
    close(stores, 1, day_close(1, 1), day_close(1, 1, confidence=0.95), day_close(1, 2, method="smooth"))
    close(stores, 2, day_close(2, 1))
    assert taken(backtests) == [(RUN, 1, "historical", as_of(1)), (RUN, 2, "smooth", as_of(1))]
    (one, other) = backtests.due(100)
    assert backtests.waiting() == 3
    backtests.keep([one], [zone(1), zone(2)])
    assert backtests.due(100) == [other]
    assert stores.queries.zones(RUN, "hypothetical", 250) == [zone(2)]
    backtests.keep([other], [])
    assert (backtests.due(100), backtests.waiting()) == ([], 0)


def test_a_row_kept_again_is_not_due_again_but_a_new_revision_is(stores: Stores) -> None:
    backtests = stores.open_backtests()
    close(stores, 1, day_close(1))
    backtests.keep(backtests.due(100), [zone(1)])
    close(stores, 1, day_close(1))
    assert backtests.due(100) == []
    close(stores, 1, day_close(1, revision=1), log_seq=1000)
    assert taken(backtests) == [(RUN, 1, "historical", as_of(1))]


def test_days_judged_by_jobs_are_due_too(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.results.commit(replace(bucket(lease, 0), jobs=(job(0),)))
    backtests, jobs = stores.open_backtests(), stores.open_jobs()
    backtests.keep(backtests.due(100), [])
    found = jobs.take([RUN])
    assert found is not None
    jobs.keep(found, [], [day_close(0, method="smooth")])
    jobs.keep(found, [], [day_close(0, method="smooth")])
    assert taken(backtests) == [(RUN, 1, "smooth", as_of(0))]


def test_the_oldest_notes_come_first(stores: Stores) -> None:
    backtests = stores.open_backtests()
    for day in range(4):
        close(stores, day, day_close(day, node_id=day + 1))
    assert [due[1] for due in taken(backtests, 2)] == [1, 2]
    backtests.keep(backtests.due(2), [])
    assert [due[1] for due in taken(backtests, 2)] == [3, 4]


def test_one_works_and_the_other_stands_by_until_it_is_gone(stores: Stores) -> None:
    one, other = stores.open_backtests(), stores.open_backtests()
    close(stores, 0, day_close(0))
    assert one.due(10)
    assert other.due(10) == []
    assert one.due(10)
    one.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10.0
    while not (found := taken(other)):  # a server sees the end of a connection a moment later
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert found == [(RUN, 1, "historical", as_of(0))]


def test_the_newest_judgement_counts(stores: Stores) -> None:
    backtests = stores.open_backtests()
    backtests.keep([], [zone(0), zone(1), zone(0, outcome="actual"), zone(0, window_days=500, zone="red")])
    backtests.keep([], [zone(1, exceptions=2, zone="yellow"), zone(0)])
    history = stores.queries.zone_history(HistoryFilter(RUN, 1), "hypothetical", 250)
    assert history == [zone(1, exceptions=2, zone="yellow"), zone(0)]
    assert stores.queries.zones(RUN, "actual", 250) == [zone(0, outcome="actual")]
    assert stores.queries.zones(RUN, "hypothetical", 500) == [zone(0, window_days=500, zone="red")]
    assert stores.queries.zones("another", "actual", 250) == []


def test_history_is_of_the_newest_revisions_and_can_be_narrowed(stores: Stores) -> None:
    backtests = stores.open_backtests()
    rows = [zone(day, confidence=c, method=m) for day in range(4) for c in (0.95, 0.99) for m in ("historical", "smooth")]
    corrected = zone(2, revision=1, exceptions=3)
    backtests.keep([], [*rows, corrected, zone(0, 2)])
    where = HistoryFilter(RUN, 1, method="historical", confidence=0.99)
    assert stores.queries.zone_history(where, "hypothetical", 250) == [zone(3), corrected, zone(1), zone(0)]
    assert stores.queries.zone_history(where, "hypothetical", 250, 2) == [zone(3), corrected]
    within = replace(where, from_ns=as_of(1), to_ns=as_of(3))
    assert stores.queries.zone_history(within, "hypothetical", 250) == [corrected, zone(1)]
    assert len(stores.queries.zone_history(HistoryFilter(RUN, 1), "hypothetical", 250)) == 16
    newest = stores.queries.zones(RUN, "hypothetical", 250)
    assert [(z.node_id, z.method, z.confidence, z.date) for z in newest] == [
        *((1, m, c, date_of(3)) for m in ("historical", "smooth") for c in (0.95, 0.99)),
        (2, "historical", 0.99, date_of(0)),
    ]
    with pytest.raises(ValueError, match="limit"):
        stores.queries.zone_history(where, "hypothetical", 250, 0)


def test_a_child_goes_on_from_its_parent(stores: Stores) -> None:
    genesis = encode(make_world(1, days=6).genesis)
    stores.runs.register(Run(RUN, None, genesis))
    stores.runs.register(Run("child", RUN, genesis))
    mine = zone(2, run_id="child", exceptions=9)
    stores.open_backtests().keep([], [zone(0), zone(1), zone(2), mine])
    queries = LineageQueries(stores.runs, stores.queries)
    assert queries.zone_history(HistoryFilter("child", 1), "hypothetical", 250) == [mine, zone(1), zone(0)]
    assert queries.zones("child", "hypothetical", 250) == [mine]


@pytest.mark.parametrize("row", [zone(0, expected=float("nan")), zone(0, type_i=float("inf")), zone(0, as_of_ns=as_of(0) + 1)])
def test_impossible_rows_are_refused_and_what_is_due_stays(stores: Stores, row: BacktestResult) -> None:
    backtests = stores.open_backtests()
    close(stores, 0, day_close(0))
    due: list[DueBacktest] = backtests.due(10)
    with pytest.raises(ValueError):
        backtests.keep(due, [row])
    assert backtests.due(10) == due
