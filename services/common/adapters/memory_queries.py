"""Queries over the database in memory: the plain twin of the SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from risk_core.book import Instrument, Node
from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult
from services.common.adapters.memory_stores import MemoryDatabase
from services.common.adapters.paging import check_limit, decode_cursor, page_of
from services.common.adapters.rows import (
    FILL_PAGE_KINDS,
    HISTORY_PAGE_KINDS,
    WATCH_PAGE_KINDS,
    fill_page_key,
    history_page_key,
    key_of,
    watch_page_key,
)
from services.common.ports import FillFilter, FillRow, HistoryCounts, HistoryFilter, Page, WatchFilter

RowT = TypeVar("RowT", RiskResult, DayCloseRow)
WatchT = TypeVar("WatchT", RegimeState, RegimeModel, ChangePoint)
T = TypeVar("T")
ZONES_LEFT_BEHIND_NS: Final = 60 * 86_400_000_000_000


class MemoryQueries:
    """Reads for people and programs."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def results(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[RiskResult]:
        """Return a node's results."""
        self._database.require()
        rows = _history(list(self._database.results.values()), where)
        return _paged(rows, history_page_key, HISTORY_PAGE_KINDS, limit, cursor)

    def day_closes(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[DayCloseRow]:
        """Return a node's day closes."""
        self._database.require()
        rows = _history(list(self._database.day_closes.values()), where)
        if where.exceptions_only:
            rows = [row for row in rows if row.exception_hypothetical or row.exception_actual]
        return _paged(rows, history_page_key, HISTORY_PAGE_KINDS, limit, cursor)

    def regime_states(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeState]:
        """Return an instrument's regime states."""
        return self._watched(RegimeState, where, limit, cursor)

    def regime_models(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeModel]:
        """Return the refits of an instrument's models."""
        return self._watched(RegimeModel, where, limit, cursor)

    def change_points(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[ChangePoint]:
        """Return an instrument's change points."""
        return self._watched(ChangePoint, where, limit, cursor)

    def _watched(self, kind: type[WatchT], where: WatchFilter, limit: int, cursor: str | None) -> Page[WatchT]:
        self._database.require()
        rows = [
            row
            for row in self._database.watched[kind].values()
            if isinstance(row, kind)
            and (row.run_id, row.instrument_id) == (where.run_id, where.instrument_id)
            and _within(row.as_of_ns, where.from_ns, where.to_ns)
        ]
        newest = list({key_of(row)[:-1]: row for row in sorted(rows, key=lambda row: row.revision)}.values())
        return _paged(newest, watch_page_key, WATCH_PAGE_KINDS[kind], limit, cursor)

    def zones(self, run_id: str, outcome: str, window_days: int) -> list[BacktestResult]:
        """Return the newest row of each node, method, horizon and confidence."""
        rows = self._backtests(run_id, outcome, window_days)
        last = {r.node_id: r.as_of_ns for r in sorted(rows, key=lambda r: r.as_of_ns)}
        rows = [r for r in rows if r.as_of_ns > last[r.node_id] - ZONES_LEFT_BEHIND_NS]
        newest = {(r.node_id, r.method, r.horizon_days, r.confidence): r for r in sorted(rows, key=lambda r: (r.as_of_ns, r.revision))}
        return sorted(newest.values(), key=key_of)

    def zone_history(self, where: HistoryFilter, outcome: str, window_days: int, limit: int = 100) -> list[BacktestResult]:
        """Return a node's rows, newest first."""
        check_limit(limit)
        rows = [
            row
            for row in self._backtests(where.run_id, outcome, window_days)
            if row.node_id == where.node_id
            and _within(row.as_of_ns, where.from_ns, where.to_ns)
            and where.method in (None, row.method)
            and where.horizon_days in (None, row.horizon_days)
            and where.confidence in (None, row.confidence)
        ]
        newest = {key_of(row)[:-1]: row for row in sorted(rows, key=lambda row: row.revision)}
        return sorted(newest.values(), key=_zone_place, reverse=True)[:limit]

    def _backtests(self, run_id: str, outcome: str, window_days: int) -> list[BacktestResult]:
        self._database.require()
        rows = self._database.backtests.values()
        return [r for r in rows if (r.run_id, r.outcome, r.window_days) == (run_id, outcome, window_days)]

    def latest_results(self, run_id: str, node_ids: Sequence[int] | None = None) -> list[RiskResult]:
        """Return the newest results of nodes."""
        self._database.require()
        rows = [r for r in self._database.results.values() if r.run_id == run_id and (node_ids is None or r.node_id in node_ids)]
        newest: dict[int, int] = {}
        for row in rows:
            newest[row.node_id] = max(row.as_of_ns, newest.get(row.node_id, row.as_of_ns))
        return sorted(_newest_revisions([r for r in rows if r.as_of_ns == newest[r.node_id]]), key=key_of)

    def first_as_of_ns(self, run_id: str, node_id: int) -> int | None:
        """Return the as_of of a node's oldest result."""
        self._database.require()
        of_node = (r.as_of_ns for r in self._database.results.values() if (r.run_id, r.node_id) == (run_id, node_id))
        return min(of_node, default=None)

    def nodes(self, run_id: str) -> list[Node]:
        """Return the nodes of a run."""
        self._database.require()
        return list(self._database.books[run_id].nodes) if run_id in self._database.books else []

    def instruments(self, run_id: str) -> list[Instrument]:
        """Return the instruments of a run."""
        self._database.require()
        book = self._database.books.get(run_id)
        return [] if book is None else sorted(book.instruments, key=lambda i: i.instrument_id)

    def fills(self, where: FillFilter, limit: int = 100, cursor: str | None = None) -> Page[FillRow]:
        """Return fills."""
        self._database.require()
        rows = [
            row
            for key, row in self._database.fills.items()
            if key[0] == where.first_log_seq
            and row.node_id in where.node_ids
            and (where.superseded or row.superseded_by is None)
            and where.fill_id in (None, row.fill_id)
            and _within(row.event_ns, where.from_ns, where.to_ns)
        ]
        return _paged(rows, fill_page_key, FILL_PAGE_KINDS, limit, cursor)

    def counts(self, run_id: str) -> HistoryCounts:
        """Return how much is kept."""
        self._database.require()
        tables: tuple[dict[tuple[object, ...], RiskResult], dict[tuple[object, ...], DayCloseRow]]
        tables = self._database.results, self._database.day_closes
        results, days = (sum(row.run_id == run_id for row in table.values()) for table in tables)
        scenarios = sum(row.run_id == run_id for row in self._database.scenario_rows.values())
        return HistoryCounts(results, days, scenarios, len(self._database.log_records), len(self._database.fills))


def _zone_place(row: BacktestResult) -> tuple[object, ...]:
    return row.as_of_ns, row.method, row.horizon_days, row.confidence


def _history(rows: Sequence[RowT], where: HistoryFilter) -> list[RowT]:
    found = [
        row
        for row in rows
        if (row.run_id, row.node_id) == (where.run_id, where.node_id)
        and _within(row.as_of_ns, where.from_ns, where.to_ns)
        and where.method in (None, row.method)
        and where.horizon_days in (None, row.horizon_days)
        and where.confidence in (None, row.confidence)
    ]
    return found if where.all_revisions else _newest_revisions(found)


def _newest_revisions(rows: Sequence[RowT]) -> list[RowT]:
    return list({key_of(row)[:-1]: row for row in sorted(rows, key=lambda row: row.revision)}.values())


def _within(at_ns: int, from_ns: int | None, to_ns: int | None) -> bool:
    return (from_ns is None or at_ns >= from_ns) and (to_ns is None or at_ns < to_ns)


def _paged(rows: Sequence[T], key: Callable[[T], tuple[object, ...]], kinds: Sequence[type], limit: int, cursor: str | None) -> Page[T]:
    check_limit(limit)
    after = None if cursor is None else decode_cursor(cursor, kinds)
    ordered = sorted(rows, key=key, reverse=True)
    left = [row for row in ordered if after is None or key(row) < after]
    return page_of(left, limit, key)
