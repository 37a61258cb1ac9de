"""Reads for people and programs: pages by keyset along the primary keys, so that any depth costs the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString, TypeVar

from psycopg import sql

from risk_core.book import AssetClass, Instrument, Node, NodeKind, Shock
from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult
from services.common.adapters.paging import check_limit, decode_cursor, page_of
from services.common.adapters.postgres_columns import BACKTESTS, DAY_CLOSES, FILL_COLUMNS, RESULTS, WATCHED, Table, timestamp
from services.common.adapters.postgres_connection import PostgresDatabase
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

# Newest first, along the primary key (run_id, node_id, as_of, method, horizon_days, confidence, revision) backwards.
_KEY: Final[LiteralString] = "as_of, method, horizon_days, confidence"
_DESCENDING: Final[LiteralString] = "as_of DESC, method DESC, horizon_days DESC, confidence DESC, revision DESC"
_ALL_REVISIONS: Final[LiteralString] = (
    f"SELECT {{columns}} FROM {{table}} WHERE {{where}} AND ({{exceptions}}) ORDER BY {_DESCENDING} LIMIT %s"
)
_NEWEST_REVISIONS: Final[LiteralString] = f"""
SELECT {{columns}} FROM (SELECT DISTINCT ON ({_KEY}) * FROM {{table}} WHERE {{where}} ORDER BY {_DESCENDING}) AS newest
WHERE {{exceptions}} ORDER BY {_DESCENDING} LIMIT %s
"""

_WATCH_PLACES: Final[dict[type, LiteralString]] = {RegimeState: "as_of", RegimeModel: "as_of, kind", ChangePoint: "as_of, detector"}
_WATCHED: Final[LiteralString] = """
SELECT DISTINCT ON ({places}) {columns} FROM {table} WHERE {where} ORDER BY {descending}, revision DESC LIMIT %s
"""

# Loose scans of the primary key: one probe a node, and one for its newest day, whatever lies behind.
_ZONES: Final[LiteralString] = """
WITH RECURSIVE found AS (
    (SELECT node_id FROM backtest_results WHERE run_id = %(run)s ORDER BY node_id LIMIT 1)
    UNION ALL
    SELECT (SELECT node_id FROM backtest_results WHERE run_id = %(run)s AND node_id > found.node_id ORDER BY node_id LIMIT 1)
    FROM found WHERE found.node_id IS NOT NULL
)
SELECT {columns} FROM found CROSS JOIN LATERAL (
    SELECT as_of FROM backtest_results WHERE run_id = %(run)s AND node_id = found.node_id ORDER BY as_of DESC LIMIT 1
) AS newest CROSS JOIN LATERAL (
    SELECT DISTINCT ON (method, horizon_days, confidence) * FROM backtest_results
    WHERE run_id = %(run)s AND node_id = found.node_id AND outcome = %(outcome)s AND window_days = %(window)s
    AND as_of > newest.as_of - INTERVAL '60 days'
    ORDER BY method, horizon_days, confidence, as_of DESC, revision DESC
) AS z
"""
_ZONE_HISTORY: Final[LiteralString] = """
SELECT DISTINCT ON (as_of, method, horizon_days, confidence) {columns} FROM backtest_results
WHERE {where} ORDER BY as_of DESC, method DESC, horizon_days DESC, confidence DESC, revision DESC LIMIT %s
"""

_LATEST_OF_NODES: Final[LiteralString] = """
FROM unnest(%s::integer[]) AS wanted (node)
CROSS JOIN LATERAL (
    SELECT as_of FROM risk_results WHERE run_id = %s AND node_id = wanted.node ORDER BY as_of DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (method, horizon_days, confidence) * FROM risk_results
    WHERE run_id = %s AND node_id = wanted.node AND as_of = newest.as_of
    ORDER BY method, horizon_days, confidence, revision DESC
) AS r
"""
# For a run without a registered book. A loose scan of the primary key: one probe a node, however many rows each has, and a chunk.
_NODES_WITH_RESULTS: Final[LiteralString] = """
WITH RECURSIVE found AS (
    (SELECT node_id FROM risk_results WHERE run_id = %(run)s ORDER BY node_id LIMIT 1)
    UNION ALL
    SELECT (SELECT node_id FROM risk_results WHERE run_id = %(run)s AND node_id > found.node_id ORDER BY node_id LIMIT 1)
    FROM found WHERE found.node_id IS NOT NULL
)
SELECT node_id FROM found WHERE node_id IS NOT NULL
"""
_FIRST: Final[LiteralString] = "SELECT as_of_ns FROM risk_results WHERE run_id = %s AND node_id = %s ORDER BY as_of LIMIT 1"
_NODES: Final[LiteralString] = "SELECT node_id, name, kind, parent_id, currency, description FROM nodes WHERE run_id = %s ORDER BY ordinal"
_INSTRUMENTS: Final[LiteralString] = """
SELECT instrument_id, symbol, asset_class, currency, proxy_id, shock, fx_currency, adjusted, synthetic
FROM instruments WHERE run_id = %s ORDER BY instrument_id
"""
_COUNTS: Final[LiteralString] = """
SELECT (SELECT count(*) FROM risk_results WHERE run_id = %(run)s), (SELECT count(*) FROM day_closes WHERE run_id = %(run)s),
       (SELECT count(*) FROM scenario_sets WHERE run_id = %(run)s), (SELECT coalesce(max(log_seq), 0) FROM log_records),
       (SELECT count(*) FROM fills)
"""


class PostgresQueries:
    """History as people ask for it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def results(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[RiskResult]:
        """Return a node's results."""
        return self._history(RESULTS, where, limit, cursor)

    def day_closes(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[DayCloseRow]:
        """Return a node's day closes."""
        return self._history(DAY_CLOSES, where, limit, cursor)

    def regime_states(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeState]:
        """Return an instrument's regime states."""
        return self._watched(RegimeState, where, limit, cursor)

    def regime_models(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeModel]:
        """Return the refits of an instrument's models."""
        return self._watched(RegimeModel, where, limit, cursor)

    def change_points(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[ChangePoint]:
        """Return an instrument's change points."""
        return self._watched(ChangePoint, where, limit, cursor)

    def zones(self, run_id: str, outcome: str, window_days: int) -> list[BacktestResult]:
        """Return the newest row of each node, method, horizon and confidence."""
        columns = sql.SQL(", ").join(sql.Identifier("z", name) for name in BACKTESTS.read)
        given: dict[str, object] = {"run": run_id, "outcome": outcome, "window": window_days}
        rows = self._rows(sql.SQL(_ZONES).format(columns=columns), given)
        return sorted((BACKTESTS.load(row) for row in rows), key=key_of)

    def zone_history(self, where: HistoryFilter, outcome: str, window_days: int, limit: int = 100) -> list[BacktestResult]:
        """Return a node's rows, newest first."""
        check_limit(limit)
        conditions, values = _history_conditions(where)
        conditions += ["outcome = %s", "window_days = %s"]
        values += [outcome, window_days]
        query = sql.SQL(_ZONE_HISTORY).format(columns=_columns_of(BACKTESTS), where=sql.SQL(" AND ".join(conditions)))
        return [BACKTESTS.load(row) for row in self._rows(query, (*values, limit))]

    def latest_results(self, run_id: str, node_ids: Sequence[int] | None = None) -> list[RiskResult]:
        """Return the newest results of nodes."""
        columns = sql.SQL(", ").join(sql.Identifier("r", name) for name in RESULTS.read)
        query = sql.SQL("SELECT {} ").format(columns) + sql.SQL(_LATEST_OF_NODES)
        with self._database.session() as connection, connection.cursor(binary=True) as cursor:
            wanted = node_ids
            if wanted is None:
                wanted = [row[0] for row in cursor.execute("SELECT node_id FROM nodes WHERE run_id = %s", (run_id,))]
            if not wanted and node_ids is None:
                wanted = [row[0] for row in cursor.execute(_NODES_WITH_RESULTS, {"run": run_id})]
            rows = cursor.execute(query, (sorted(set(wanted)), run_id, run_id)).fetchall()
        return sorted((RESULTS.load(row) for row in rows), key=key_of)

    def first_as_of_ns(self, run_id: str, node_id: int) -> int | None:
        """Return the as_of of a node's oldest result."""
        return next((row[0] for row in self._rows(_FIRST, (run_id, node_id))), None)

    def nodes(self, run_id: str) -> list[Node]:
        """Return the nodes of a run."""
        return [Node(row[0], row[1], NodeKind(row[2]), *row[3:]) for row in self._rows(_NODES, (run_id,))]

    def instruments(self, run_id: str) -> list[Instrument]:
        """Return the instruments of a run."""
        rows = self._rows(_INSTRUMENTS, (run_id,))
        return [Instrument(r[0], r[1], AssetClass(r[2]), r[3], r[4], Shock(r[5]), r[6], r[7], r[8]) for r in rows]

    def fills(self, where: FillFilter, limit: int = 100, cursor: str | None = None) -> Page[FillRow]:
        """Return fills."""
        check_limit(limit)
        conditions: list[LiteralString] = ["first_log_seq = %s", "node_id = ANY(%s)"]
        values: list[object] = [where.first_log_seq, list(where.node_ids)]
        if not where.superseded:
            conditions.append("superseded_by IS NULL")
        if where.fill_id is not None:
            conditions.append("fill_id = %s")
            values.append(where.fill_id)
        _add_range(conditions, values, "event_ns", where.from_ns, where.to_ns)
        if cursor is not None:
            conditions.append("(event_ns, log_seq, ordinal) < (%s, %s, %s)")
            values.extend(decode_cursor(cursor, FILL_PAGE_KINDS))
        query = sql.SQL("SELECT {} FROM fills WHERE {} ORDER BY event_ns DESC, log_seq DESC, ordinal DESC LIMIT %s").format(
            sql.SQL(", ").join(map(sql.Identifier, FILL_COLUMNS)), sql.SQL(" AND ".join(conditions))
        )
        return page_of([FillRow(*row) for row in self._rows(query, (*values, limit + 1))], limit, fill_page_key)

    def counts(self, run_id: str) -> HistoryCounts:
        """Return how much is kept."""
        return HistoryCounts(*self._rows(_COUNTS, {"run": run_id})[0])

    def _watched(self, kind: type[WatchT], where: WatchFilter, limit: int, cursor: str | None) -> Page[WatchT]:
        check_limit(limit)
        table, places = WATCHED[kind], _WATCH_PLACES[kind]
        conditions: list[LiteralString] = ["run_id = %s", "instrument_id = %s"]
        values: list[object] = [where.run_id, where.instrument_id]
        _add_range(conditions, values, "as_of_ns", where.from_ns, where.to_ns)
        if cursor is not None:
            as_of_ns, *after = decode_cursor(cursor, WATCH_PAGE_KINDS[kind])
            assert isinstance(as_of_ns, int)
            conditions.append("(" + places + ") < (" + ", ".join(["%s"] * (1 + len(after))) + ")")
            values += [timestamp(as_of_ns), *after]
        query = sql.SQL(_WATCHED).format(
            places=sql.SQL(places),
            columns=_columns_of(table),
            table=sql.Identifier(table.name),
            where=sql.SQL(" AND ".join(conditions)),
            descending=sql.SQL(places.replace(",", " DESC,") + " DESC"),
        )
        return page_of([table.load(row) for row in self._rows(query, (*values, limit + 1))], limit, watch_page_key)

    def _history(self, table: Table[RowT], where: HistoryFilter, limit: int, cursor: str | None) -> Page[RowT]:
        check_limit(limit)
        conditions: list[LiteralString]
        values: list[object]
        conditions, values = _history_conditions(where)
        if cursor is not None:
            as_of_ns, *after = decode_cursor(cursor, HISTORY_PAGE_KINDS)
            assert isinstance(as_of_ns, int)
            conditions.append("as_of <= %s")  # says the same as the next, in the form that leaves chunks out
            values.append(timestamp(as_of_ns))
            conditions.append(f"({_KEY}, revision) < (%s, %s, %s, %s, %s)" if where.all_revisions else f"({_KEY}) < (%s, %s, %s, %s)")
            values += [timestamp(as_of_ns), *(after if where.all_revisions else after[:-1])]
        only = where.exceptions_only and table.name == DAY_CLOSES.name
        exceptions: LiteralString = "exception_hypothetical OR exception_actual" if only else "true"
        form = _ALL_REVISIONS if where.all_revisions else _NEWEST_REVISIONS
        query = sql.SQL(form).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, table.read)),
            table=sql.Identifier(table.name),
            where=sql.SQL(" AND ".join(conditions)),
            exceptions=sql.SQL(exceptions),
        )
        rows = [table.load(row) for row in self._rows(query, (*values, limit + 1))]
        return page_of(rows, limit, history_page_key)

    def _rows(self, query: LiteralString | sql.Composed, values: Sequence[object] | dict[str, object]) -> list[tuple[Any, ...]]:
        with self._database.session() as connection:
            return connection.execute(query, values, binary=True).fetchall()


def _history_conditions(where: HistoryFilter) -> tuple[list[LiteralString], list[object]]:
    conditions: list[LiteralString] = ["run_id = %s", "node_id = %s"]
    values: list[object] = [where.run_id, where.node_id]
    narrowing: tuple[tuple[LiteralString, object], ...] = (
        ("method = %s", where.method),
        ("horizon_days = %s", where.horizon_days),
        ("confidence = %s", where.confidence),
        ("as_of >= %s", None if where.from_ns is None else timestamp(where.from_ns)),
        ("as_of <= %s", None if where.to_ns is None else timestamp(where.to_ns)),
    )
    for condition, value in narrowing:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    _add_range(conditions, values, "as_of_ns", where.from_ns, where.to_ns)
    return conditions, values


def _add_range(
    conditions: list[LiteralString], values: list[object], column: LiteralString, from_ns: int | None, to_ns: int | None
) -> None:
    if from_ns is not None:
        conditions.append(column + " >= %s")
        values.append(from_ns)
    if to_ns is not None:
        conditions.append(column + " < %s")
        values.append(to_ns)


def _columns_of(table: Table[Any]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.read))
