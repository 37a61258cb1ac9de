"""What is kept across upgrades: a run's own, and before that what the run had that it goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from risk_core.book import Instrument, Node
from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult, ScenarioRow, WatchRow
from services.common.adapters.paging import encode_cursor
from services.common.adapters.rows import history_page_key, key_of, watch_page_key
from services.common.ports import (
    Checkpoint,
    Commit,
    FillFilter,
    FillRow,
    HistoryCounts,
    HistoryFilter,
    Page,
    Queries,
    ResultStore,
    RunStore,
    WatchFilter,
)
from services.common.run_identity import ancestors

RowT = TypeVar("RowT", RiskResult, DayCloseRow)
WatchT = TypeVar("WatchT", RegimeState, RegimeModel, ChangePoint)


class Line:
    """Runs and their ancestors."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, run_id: str) -> tuple[str, ...]:
        """Return a run and its ancestors, nearest first; a registered run's never change."""
        if run_id not in self._known:
            run = self._runs.get(run_id)
            if run is None:
                return (run_id,)
            self._known[run_id] = (run_id, *(r.run_id for r in ancestors(self._runs, run)))
        return self._known[run_id]


class LineageResultStore:
    """`ResultStore` that reads a line of runs as one, and writes to the run alone.

    Of two checkpoints of one place the nearest run's counts, else the newest: a child that folds again begins behind its parent.
    """

    def __init__(self, runs: RunStore, store: ResultStore) -> None:
        self._line = Line(runs)
        self._store = store

    def commit(self, commit: Commit) -> None:
        """Write one bucket."""
        self._store.commit(commit)

    def commit_many(self, commits: Sequence[Commit]) -> None:
        """Write consecutive buckets."""
        self._store.commit_many(commits)

    def latest_checkpoint(self, run_id: str, shard_id: str) -> Checkpoint | None:
        """Return the newest checkpoint of a shard."""
        return self._newest(run_id, lambda one: self._store.latest_checkpoint(one, shard_id), attrgetter("log_seq", "as_of_ns"))

    def checkpoint_before(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest day-close checkpoint before."""
        return self._newest(run_id, lambda one: self._store.checkpoint_before(one, shard_id, as_of_ns), attrgetter("as_of_ns"))

    def checkpoint_at(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the checkpoint taken at this as_of."""
        return self._newest(run_id, lambda one: self._store.checkpoint_at(one, shard_id, as_of_ns), attrgetter("log_seq"))

    def scenario_rows(self, run_id: str, through_ns: int, through_log_seq: int, count: int) -> list[ScenarioRow]:
        """Return the last rows, of each day the newest revision in the line: a parent's other shards may know more than the child's."""
        rows: dict[int, ScenarioRow] = {}
        for one in self._line.of(run_id):
            for row in self._store.scenario_rows(one, through_ns, through_log_seq, count):
                known = rows.get(row.as_of_ns)
                if known is None or row.revision > known.revision:
                    rows[row.as_of_ns] = row
        return [rows[at] for at in sorted(rows)[-count:]]

    def committed_results(self, run_id: str, shard_id: str, as_of_ns: int) -> tuple[list[RiskResult], list[DayCloseRow]]:
        """Return rows of the shard's bucket."""
        return self._store.committed_results(run_id, shard_id, as_of_ns)

    def committed_watched(self, run_id: str, shard_id: str, as_of_ns: int) -> list[WatchRow]:
        """Return rows about instruments of the shard's bucket."""
        return self._store.committed_watched(run_id, shard_id, as_of_ns)

    def _newest(
        self, run_id: str, find: Callable[[str], Checkpoint | None], age: Callable[[Checkpoint], int | tuple[int, int]]
    ) -> Checkpoint | None:
        return max(filter(None, map(find, self._line.of(run_id))), key=age, default=None)  # of equals, the nearest


class LineageQueries:
    """`Queries` whose rows of a run are followed by its ancestors', each up to the first row of its child.

    A cursor is the key of the last row seen, so it holds in every run of the line.
    """

    def __init__(self, runs: RunStore, queries: Queries) -> None:
        self._line = Line(runs)
        self._queries = queries

    def results(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[RiskResult]:
        """Return a node's results."""
        return self._page(self._queries.results, where, limit, cursor)

    def day_closes(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[DayCloseRow]:
        """Return a node's day closes."""
        return self._page(self._queries.day_closes, where, limit, cursor)

    def regime_states(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeState]:
        """Return an instrument's regime states."""
        return self._merged(self._queries.regime_states, where, limit, cursor)

    def regime_models(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeModel]:
        """Return the refits of an instrument's models."""
        return self._merged(self._queries.regime_models, where, limit, cursor)

    def change_points(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[ChangePoint]:
        """Return an instrument's change points."""
        return self._merged(self._queries.change_points, where, limit, cursor)

    def zones(self, run_id: str, outcome: str, window_days: int) -> list[BacktestResult]:
        """Return the newest row of each node, method, horizon and confidence."""
        found: dict[tuple[object, ...], BacktestResult] = {}
        for one in self._line.of(run_id):
            for row in self._queries.zones(one, outcome, window_days):
                found.setdefault((row.node_id, row.method, row.horizon_days, row.confidence), row)
        return sorted(found.values(), key=lambda r: key_of(r)[1:])

    def zone_history(self, where: HistoryFilter, outcome: str, window_days: int, limit: int = 100) -> list[BacktestResult]:
        """Return a node's rows, newest first."""
        found: dict[tuple[object, ...], BacktestResult] = {}
        for one in self._line.of(where.run_id):
            for row in self._queries.zone_history(replace(where, run_id=one), outcome, window_days, limit):
                found.setdefault(history_page_key(row)[:-1], row)
        return [found[key] for key in sorted(found, reverse=True)[:limit]]

    def latest_results(self, run_id: str, node_ids: Sequence[int] | None = None) -> list[RiskResult]:
        """Return the newest results of nodes."""
        found: list[RiskResult] = []
        for one in self._line.of(run_id):
            known = {r.node_id for r in found}
            wanted = None if node_ids is None else [n for n in node_ids if n not in known]
            if wanted is None or wanted:
                found += [r for r in self._queries.latest_results(one, wanted) if r.node_id not in known]
        return sorted(found, key=lambda r: key_of(r)[1:])

    def first_as_of_ns(self, run_id: str, node_id: int) -> int | None:
        """Return the as_of of a node's oldest result."""
        firsts = [self._queries.first_as_of_ns(one, node_id) for one in self._line.of(run_id)]
        return min((first for first in firsts if first is not None), default=None)

    def nodes(self, run_id: str) -> list[Node]:
        """Return the nodes of a run."""
        return self._queries.nodes(run_id)

    def instruments(self, run_id: str) -> list[Instrument]:
        """Return the instruments of a run."""
        return self._queries.instruments(run_id)

    def fills(self, where: FillFilter, limit: int = 100, cursor: str | None = None) -> Page[FillRow]:
        """Return fills."""
        return self._queries.fills(where, limit, cursor)

    def counts(self, run_id: str) -> HistoryCounts:
        """Return how much is kept, of the whole line."""
        counts = [self._queries.counts(one) for one in self._line.of(run_id)]
        return replace(
            counts[0],
            results=sum(c.results for c in counts),
            day_closes=sum(c.day_closes for c in counts),
            scenario_rows=sum(c.scenario_rows for c in counts),
        )

    # -------------------------------------------------------------- inside

    def _segments(self, run_id: str, node_id: int) -> Iterator[tuple[str, int | None]]:
        """Yield runs, newest first, and the as_of before which their rows of the node count (None: all)."""
        to_ns: int | None = None
        line = self._line.of(run_id)
        for one in line:
            yield one, to_ns
            if one != line[-1]:
                to_ns = _earlier(to_ns, self._queries.first_as_of_ns(one, node_id))

    def _merged(
        self, fetch: Callable[[WatchFilter, int, str | None], Page[WatchT]], where: WatchFilter, limit: int, cursor: str | None
    ) -> Page[WatchT]:
        """Return a page of all runs of the line: of rows of one place the nearest run's."""
        rows: dict[tuple[object, ...], WatchT] = {}
        more = False
        for run_id in self._line.of(where.run_id):
            page = fetch(replace(where, run_id=run_id), limit, cursor)
            more |= page.next_cursor is not None
            for row in page.rows:
                rows.setdefault(watch_page_key(row), row)
        keys = sorted(rows, reverse=True)
        shown = keys[:limit]
        return Page(tuple(rows[key] for key in shown), encode_cursor(shown[-1]) if more or len(keys) > limit else None)

    def _page(
        self, fetch: Callable[[HistoryFilter, int, str | None], Page[RowT]], where: HistoryFilter, limit: int, cursor: str | None
    ) -> Page[RowT]:
        rows: tuple[RowT, ...] = ()
        for run_id, to_ns in self._segments(where.run_id, where.node_id):
            page = fetch(replace(where, run_id=run_id, to_ns=_earlier(where.to_ns, to_ns)), max(limit - len(rows), 1), cursor)
            if page.rows and len(rows) == limit:
                return Page(rows, encode_cursor(history_page_key(rows[-1])))
            rows += page.rows
            if page.next_cursor is not None:
                return Page(rows, page.next_cursor)
        return Page(rows)


def _earlier(a: int | None, b: int | None) -> int | None:
    known = [at for at in (a, b) if at is not None]
    return min(known, default=None)
