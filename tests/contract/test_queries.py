from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from risk_core.book import Fill
from risk_core.records import Fills, Record
from services.common.codec import encode
from services.common.ports import Commit, FillFilter, HistoryCounts, HistoryFilter, LoggedEntry, Page, Unavailable
from tests.contract.store_fixtures import (
    RUN,
    Stores,
    as_of,
    checkpoint,
    day_close,
    lease_of,
    memory_stores,
    result,
)

DAYS = 6
CONFIDENCES = (0.95, 0.99)
METHODS = ("ewma_normal", "historical")


@pytest.fixture
def filled(stores: Stores) -> Stores:
    """Two nodes, six days, two methods at two confidences; day 2 corrected once, with another exception."""
    lease = lease_of(stores)
    for day in range(DAYS):
        keys: list[dict[str, Any]] = [
            {"node_id": node, "method": method, "confidence": confidence}
            for node in (1, 2)
            for method in METHODS
            for confidence in CONFIDENCES
        ]
        days = tuple(day_close(day, **key, exception_actual=day in (1, 4), exception_hypothetical=day == 4) for key in keys)
        stores.results.commit(Commit(lease, checkpoint(day), tuple(result(day, **key) for key in keys), days))
    again = {"method": "historical", "confidence": 0.99, "revision": 1, "log_seq": 1000}
    corrected = day_close(2, 1, **{k: v for k, v in again.items() if k != "log_seq"}, exception_actual=True)
    stores.results.commit(Commit(lease, checkpoint(2, log_seq=1000), (result(2, 1, **again, value_at_risk=-7.0),), (corrected,)))
    return stores


def every(page: Callable[[str | None], Page[Any]]) -> list[Any]:
    """All rows, page after page."""
    rows: list[Any] = []
    cursor: str | None = None
    pages = 0
    while True:
        found = page(cursor)
        rows += found.rows
        cursor = found.next_cursor
        pages += 1
        assert pages < 100
        if cursor is None:
            return rows


def order(row: Any) -> tuple[object, ...]:
    return row.as_of_ns, row.method, row.horizon_days, row.confidence, row.revision


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 100])
@pytest.mark.parametrize("what", ["results", "day_closes"])
def test_pages_hold_every_row_once_newest_first(filled: Stores, what: str, limit: int) -> None:
    query = getattr(filled.queries, what)
    for all_revisions, count in ((False, DAYS * 4), (True, DAYS * 4 + 1)):
        where = HistoryFilter(RUN, 1, all_revisions=all_revisions)
        rows = every(lambda cursor, where=where: query(where, limit, cursor))  # type: ignore[misc]
        assert len(rows) == count
        assert [order(r) for r in rows] == sorted((order(r) for r in rows), reverse=True)
        assert len({order(r) for r in rows}) == count
        assert {r.node_id for r in rows} == {1}
    newest = [r for r in query(HistoryFilter(RUN, 1)).rows if r.as_of_ns == as_of(2) and r.method == "historical" and r.confidence == 0.99]
    assert [r.revision for r in newest] == [1]


def test_a_full_last_page_has_no_next(filled: Stores) -> None:
    assert filled.queries.results(HistoryFilter(RUN, 2), DAYS * 4).next_cursor is None
    assert filled.queries.results(HistoryFilter(RUN, 2), DAYS * 4 - 1).next_cursor is not None
    assert filled.queries.results(HistoryFilter("another", 1)) == Page(())


def test_pages_stay_put_while_rows_arrive(filled: Stores) -> None:
    where = HistoryFilter(RUN, 1, method="historical", confidence=0.99)
    first = filled.queries.results(where, 2)
    lease = filled.leases.acquire("0/1", "worker-1", 5.0)
    assert lease is not None
    filled.results.commit(Commit(lease, checkpoint(50), (result(50, 1),)))
    rest = every(lambda cursor: filled.queries.results(where, 2, cursor or first.next_cursor))
    assert [r.as_of_ns for r in (*first.rows, *rest)] == [as_of(day) for day in reversed(range(DAYS))]


def test_filters_narrow(filled: Stores) -> None:
    where = HistoryFilter(RUN, 1, from_ns=as_of(1), to_ns=as_of(3), method="historical", confidence=0.95, horizon_days=1)
    assert [r.as_of_ns for r in filled.queries.results(where).rows] == [as_of(2), as_of(1)]
    assert filled.queries.results(HistoryFilter(RUN, 1, horizon_days=10)).rows == ()
    assert len(filled.queries.results(HistoryFilter(RUN, 1, from_ns=as_of(5) + 1)).rows) == 0
    assert len(filled.queries.results(HistoryFilter(RUN, 1, to_ns=as_of(0) + 1)).rows) == 4


def test_exceptions_are_judged_by_the_newest_revision(filled: Stores) -> None:
    where = HistoryFilter(RUN, 1, method="historical", confidence=0.99, exceptions_only=True)
    assert [r.as_of_ns for r in every(lambda c: filled.queries.day_closes(where, 2, c))] == [as_of(4), as_of(2), as_of(1)]


def test_latest_results_are_each_nodes_own(filled: Stores) -> None:
    lease = filled.leases.acquire("0/1", "worker-1", 5.0)
    assert lease is not None
    filled.results.commit(Commit(lease, checkpoint(9), (result(9, 2), result(9, 2, revision=1, log_seq=2000, value_at_risk=3.0))))
    latest = filled.queries.latest_results(RUN)
    assert [(r.node_id, r.as_of_ns, r.revision) for r in latest] == [(1, as_of(5), 0)] * 4 + [(2, as_of(9), 1)]
    assert filled.queries.latest_results(RUN, [2, 77]) == latest[4:]
    assert filled.queries.latest_results(RUN, []) == []
    assert filled.queries.latest_results("another") == []


def test_counts(filled: Stores) -> None:
    assert filled.queries.counts(RUN) == HistoryCounts(DAYS * 8 + 1, DAYS * 8 + 1, 0, 0, 0)


@pytest.mark.parametrize("cursor", ["", "x", "e30", "WzFd", "bm90IGpzb24", "é", "WzEsICJhIiwgMSwgMC45OSwgMV0="[:-3]])
def test_strange_cursors_are_refused(filled: Stores, cursor: str) -> None:
    for query in (
        lambda: filled.queries.results(HistoryFilter(RUN, 1), 10, cursor),
        lambda: filled.queries.fills(FillFilter(0, (1,)), 10, cursor),
    ):
        with pytest.raises(ValueError, match="cursor"):
            query()


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_strange_limits_are_refused(filled: Stores, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        filled.queries.day_closes(HistoryFilter(RUN, 1), limit)
    with pytest.raises(ValueError, match="limit"):
        filled.queries.fills(FillFilter(0, (1,)), limit)


def test_fills_by_node_and_time(stores: Stores) -> None:
    at = 1_600_000_000_000_000_001
    entries = []
    for k in range(1, 21):
        fills = tuple(Fill(f"{k}-{j}", 1 + (k + j) % 3, 5, -(k**9), 1.0 / k, 0.5) for j in range(3))
        entries.append(LoggedEntry(k, b"", encode(Record(1, k, at + k // 4, at, at, Fills(fills)))))
    stores.log.record(entries)
    where = FillFilter(0, (1, 2), from_ns=at + 1, to_ns=at + 4)
    rows = every(lambda cursor: stores.queries.fills(where, 5, cursor))
    assert [(r.event_ns, r.log_seq, r.ordinal) for r in rows] == sorted(
        ((at + k // 4, k, j) for k in range(4, 16) for j in range(3) if (k + j) % 3 != 2), reverse=True
    )
    assert rows[0].quantity == -(rows[0].log_seq ** 9)
    assert rows[0].price == 1.0 / rows[0].log_seq
    assert stores.queries.fills(FillFilter(0, ())).rows == ()


def test_a_database_away_is_unavailable() -> None:
    """The twin's switch, which the simulation uses: every call of every store says so, and nothing changes."""
    stores = memory_stores()
    lease = lease_of(stores)
    database = stores.queries._database  # type: ignore[attr-defined]
    database.available = False
    for call in (
        lambda: stores.leases.acquire("s", "o", 1.0),
        lambda: stores.leases.renew(lease, 1.0),
        lambda: stores.leases.release(lease),
        lambda: stores.results.commit(Commit(lease, checkpoint(0))),
        lambda: stores.results.latest_checkpoint(RUN, "0/1"),
        lambda: stores.results.scenario_rows(RUN, 0, 0, 1),
        lambda: stores.log.record([LoggedEntry(1, b"", b"")]),
        lambda: stores.log.last_log_seq(),
        lambda: list(stores.log.entries(0)),
        lambda: stores.runs.latest(),
        lambda: stores.letters.recent(1),
        lambda: stores.queries.counts(RUN),
    ):
        with pytest.raises(Unavailable):
            call()
    database.available = True
    assert stores.results.latest_checkpoint(RUN, "0/1") is None
