"""Pages oldest first: every row once, in order, whatever the gaps, page sizes and bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.records import RiskResult
from services.api import paging
from services.api.paging import oldest_first
from services.api.problems import ApiProblem
from services.common.adapters.memory_queries import MemoryQueries
from services.common.adapters.memory_stores import MemoryDatabase
from services.common.ports import HistoryFilter, Page
from tests.unit.api.small_run import ManualClock

ROW = RiskResult("run", 1, 0, "historical", 1, 0.99, 0, "USD", 1.0, 1.0, 500, 9, 0.0, 0.0, 0.0, "ok")
WHERE = HistoryFilter("run", 1, method="historical", horizon_days=1, confidence=0.99)
SECOND_NS = 10**9


class Counting:
    """The memory adapter, counting how often it is asked."""

    def __init__(self, rows: list[RiskResult]) -> None:
        database = MemoryDatabase(ManualClock())
        database.results = {(r.node_id, r.as_of_ns, r.revision): r for r in rows}
        self.queries = MemoryQueries(database)
        self.asked = 0

    def fetch(self, where: HistoryFilter, limit: int, cursor: str | None) -> Page[RiskResult]:
        self.asked += 1
        return self.queries.results(where, limit, cursor)


def everything(store: Counting, where: HistoryFilter, limit: int, spacing_ns: int, pages_max: int) -> list[RiskResult]:
    rows: list[RiskResult] = []
    cursor = None
    for _ in range(pages_max):
        page, cursor = oldest_first(store.fetch, where, limit, cursor, 0, spacing_ns)
        assert len(page) <= limit
        rows += page
        if cursor is None:
            return rows
    raise AssertionError("the pages do not end")


@settings(max_examples=150, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0, 1, 60, 3_600, 86_400, 30 * 86_400]), min_size=0, max_size=60),
    limit=st.integers(1, 70),
    spacing=st.sampled_from([0, 1, 60]),
    bounds=st.tuples(st.none() | st.integers(0, 40 * 86_400), st.none() | st.integers(0, 40 * 86_400)),
)
def test_every_row_once_in_order(gaps: list[int], limit: int, spacing: int, bounds: tuple[int | None, int | None]) -> None:
    rows, at_ns, revision = [], 0, 0
    for gap in gaps:
        at_ns, revision = at_ns + gap * SECOND_NS, revision + 1 if gap == 0 else 0
        rows.append(replace(ROW, as_of_ns=at_ns, revision=revision))
    from_ns, to_ns = (None if b is None else b * SECOND_NS for b in bounds)
    where = replace(WHERE, from_ns=from_ns, to_ns=to_ns, all_revisions=True)
    told = everything(Counting(rows), where, limit, spacing * SECOND_NS, len(rows) + 10)
    assert told == [r for r in rows if (from_ns is None or r.as_of_ns >= from_ns) and (to_ns is None or r.as_of_ns < to_ns)]


def test_a_long_history_is_read_about_once() -> None:
    days = [replace(ROW, as_of_ns=k * 86_400 * SECOND_NS) for k in range(2_500)]
    store = Counting(days)
    rows, cursor = oldest_first(store.fetch, WHERE, 10_000, None, 0, 0)
    assert (rows, cursor) == (days, None)
    assert store.asked <= 5


def test_a_page_past_a_long_gap_may_be_short_but_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "WINDOWS_MAX", 12)
    rows = [ROW, replace(ROW, as_of_ns=10**17)]
    store = Counting(rows)
    first, cursor = oldest_first(store.fetch, WHERE, 10, None, 0, SECOND_NS)
    assert first == [ROW]
    assert cursor is not None
    assert everything(Counting(rows), WHERE, 10, SECOND_NS, 50) == rows


@pytest.mark.parametrize("cursor", ["", "é", "AAAA", "WzEsMl0", "bnVsbA", "WzEsMiwieCJd", "e30"])
def test_bad_cursors_are_refused(cursor: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        oldest_first(Counting([ROW]).fetch, WHERE, 10, cursor, 0, 0)
    assert refused.value.status == 422
