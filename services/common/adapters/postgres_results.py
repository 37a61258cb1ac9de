"""Final numbers, checkpoints and scenario rows in PostgreSQL: one transaction a batch of buckets.

Rows go straight into their tables by COPY, at the cost of a bare COPY. Where a key exists already (a commit repeated after a
crash), the server refuses, the transaction is undone, and the next attempt reads what is kept, compares it bit for bit and
copies only the rest. The lease is checked last, in one round trip with COMMIT: its row lock is held for no longer than that,
so a stalled writer never keeps a successor from taking the shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import errors

from risk_core.records import DayCloseRow, RiskResult, ScenarioRow, WatchRow
from services.common.adapters.postgres_columns import (
    DAY_CLOSES,
    JOBS,
    RESULTS,
    SCENARIO_COLUMNS,
    WATCHED,
    Table,
    dump_scenario,
    load_scenario,
    timestamp,
)
from services.common.adapters.postgres_connection import Connection, PostgresDatabase
from services.common.adapters.rows import Row, check_commits, key_of, require_same
from services.common.ports import Checkpoint, Commit, DeterminismError, Fenced, Job, Lease, Unavailable

ATTEMPTS_MAX: Final = 5
"""Tries of one commit while others insert the same keys."""
FENCED: Final = "PL001"
DIFFERS: Final = "PL002"
"""What the database's own functions raise."""

_CHECKPOINT: Final[LiteralString] = """
SELECT run_id, shard_id, as_of_ns, log_seq, position, state, day_close, format_version FROM checkpoints
WHERE run_id = %s AND shard_id = %s
"""
_KEEP: Final[LiteralString] = """
INSERT INTO checkpoints (run_id, shard_id, as_of_ns, log_seq, position, state, day_close, format_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (run_id, shard_id, log_seq, as_of_ns) DO UPDATE
SET position = excluded.position, state = excluded.state, day_close = excluded.day_close,
    format_version = excluded.format_version, written_at = now()
"""
_FORGET_PASSING: Final[LiteralString] = """
DELETE FROM checkpoints WHERE run_id = %(run)s AND shard_id = %(shard)s AND NOT day_close AND (log_seq, as_of_ns) < (
    SELECT log_seq, as_of_ns FROM checkpoints WHERE run_id = %(run)s AND shard_id = %(shard)s ORDER BY log_seq DESC, as_of_ns DESC LIMIT 1)
"""
_FORGET_CLOSES: Final[LiteralString] = """
DELETE FROM checkpoints WHERE run_id = %(run)s AND shard_id = %(shard)s AND day_close AND as_of_ns < (
    SELECT DISTINCT as_of_ns FROM checkpoints WHERE run_id = %(run)s AND shard_id = %(shard)s AND day_close
    ORDER BY as_of_ns DESC OFFSET %(keep)s - 1 LIMIT 1)
AND (log_seq, as_of_ns) < (
    SELECT log_seq, as_of_ns FROM checkpoints WHERE run_id = %(run)s AND shard_id = %(shard)s ORDER BY log_seq DESC, as_of_ns DESC LIMIT 1)
"""
_REQUIRE_LEASE: Final[LiteralString] = "SELECT require_lease(%s, %s, %s::int8)"
_SCENARIO_READ: Final[LiteralString] = "SELECT " + ", ".join(SCENARIO_COLUMNS) + " FROM scenario_sets "
_SCENARIO: Final[LiteralString] = _SCENARIO_READ + "WHERE run_id = %s AND as_of_ns = %s AND revision = %s"
_SCENARIOS_KNOWN: Final[LiteralString] = (
    "SELECT DISTINCT ON (as_of_ns) * FROM ("
    + _SCENARIO_READ
    + "WHERE run_id = %s AND as_of_ns <= %s AND log_seq <= %s) AS known ORDER BY as_of_ns DESC, revision DESC LIMIT %s"
)
_KEEP_SCENARIO: Final[LiteralString] = "SELECT keep_scenario(%s, %s, %s::int8, %s, %s::int4, %s::int8, %s, %s)"

RowT = TypeVar("RowT", bound=Row)
_nodes = attrgetter("node_id")


class PostgresResultStore:
    """The record. `checkpoint_keep_days` day closes are kept for each shard."""

    def __init__(self, database: PostgresDatabase, checkpoint_keep_days: int = 260) -> None:
        self._database = database
        self._keep_days = checkpoint_keep_days
        self._compare_first = False

    def commit(self, commit: Commit) -> None:
        """Write one bucket."""
        self.commit_many((commit,))

    def commit_many(self, commits: Sequence[Commit]) -> None:
        """Write buckets of one lease in one transaction."""
        lease = check_commits(commits)
        results = distinct(row for commit in commits for row in commit.results)
        days = distinct(row for commit in commits for row in commit.day_closes)
        scenarios = distinct(row for commit in commits for row in commit.scenario_rows)
        jobs = distinct(row for commit in commits for row in commit.jobs)
        watched = distinct(row for commit in commits for row in commit.watched)
        checkpoints = _worth_keeping(commits)
        for _ in range(ATTEMPTS_MAX):
            with self._database.session() as connection:
                try:
                    connection.execute("BEGIN")
                    new_results, new_days = results, days
                    if self._compare_first:
                        new_results = new_rows(connection, RESULTS, results, lease.shard_id)
                        new_days = new_rows(connection, DAY_CLOSES, days, lease.shard_id)
                    if new_results:
                        RESULTS.copy(connection, new_results, lease.shard_id)
                    if new_days:
                        DAY_CLOSES.copy(connection, new_days, lease.shard_id)
                    if jobs:
                        JOBS.copy(connection, _new_jobs(connection, jobs))
                    if watched:
                        _keep_watched(connection, watched, lease.shard_id)
                    self._finish(connection, lease, checkpoints, scenarios)
                except errors.UniqueViolation as error:
                    self._compare_first |= error.diag.table_name != JOBS.name
                    continue
                except DeterminismError:
                    connection.execute("ROLLBACK")
                    _require_lease(connection, lease)  # a stale owner is fenced, whatever it computed
                    raise
                except psycopg.DatabaseError as error:
                    if error.sqlstate == FENCED:
                        raise _fenced(lease) from None
                    if error.sqlstate == DIFFERS:
                        connection.execute("ROLLBACK")
                        _require_lease(connection, lease)
                        _compare_scenarios(connection, scenarios)
                    raise
                self._compare_first = len(new_results) < len(results)
                return
        raise Unavailable(f"shard {lease.shard_id!r}: others keep inserting the same rows")

    def latest_checkpoint(self, run_id: str, shard_id: str) -> Checkpoint | None:
        """Return the newest by (log_seq, as_of)."""
        return self._checkpoint("ORDER BY log_seq DESC, as_of_ns DESC LIMIT 1", run_id, shard_id)

    def checkpoint_before(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest day close strictly before."""
        tail: LiteralString = "AND day_close AND as_of_ns < %s ORDER BY as_of_ns DESC, log_seq DESC LIMIT 1"
        return self._checkpoint(tail, run_id, shard_id, as_of_ns)

    def checkpoint_at(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest at exactly this as_of."""
        return self._checkpoint("AND as_of_ns = %s ORDER BY log_seq DESC LIMIT 1", run_id, shard_id, as_of_ns)

    def scenario_rows(self, run_id: str, through_ns: int, through_log_seq: int, count: int) -> list[ScenarioRow]:
        """Return the last rows known by then."""
        if count <= 0:
            return []
        with self._database.session() as connection:
            rows = connection.execute(_SCENARIOS_KNOWN, (run_id, through_ns, through_log_seq, count), binary=True).fetchall()
        return [load_scenario(row) for row in reversed(rows)]

    def committed_results(self, run_id: str, shard_id: str, as_of_ns: int) -> tuple[list[RiskResult], list[DayCloseRow]]:
        """Return the rows of a bucket, in the order of their keys."""
        where: LiteralString = "WHERE run_id = %s AND as_of = %s AND as_of_ns = %s AND shard_id = %s"
        values = (run_id, timestamp(as_of_ns), as_of_ns, shard_id)
        with self._database.session() as connection, connection.cursor(binary=True) as cursor:
            results = [RESULTS.load(row) for row in cursor.execute(RESULTS.select(where), values)]
            days = [DAY_CLOSES.load(row) for row in cursor.execute(DAY_CLOSES.select(where), values)]
        return sorted(results, key=key_of), sorted(days, key=key_of)

    def committed_watched(self, run_id: str, shard_id: str, as_of_ns: int) -> list[WatchRow]:
        """Return the rows about instruments of a bucket, by kind and key."""
        where: LiteralString = "WHERE run_id = %s AND as_of = %s AND as_of_ns = %s AND shard_id = %s"
        values = (run_id, timestamp(as_of_ns), as_of_ns, shard_id)
        found: list[WatchRow] = []
        with self._database.session() as connection, connection.cursor(binary=True) as cursor:
            for table in WATCHED.values():
                found += sorted((table.load(row) for row in cursor.execute(table.select(where), values)), key=key_of)
        return found

    def _checkpoint(self, tail: LiteralString, *values: object) -> Checkpoint | None:
        with self._database.session() as connection, connection.cursor(binary=True) as cursor:
            row = cursor.execute(_CHECKPOINT + tail, values).fetchone()
        return None if row is None else Checkpoint(*row)

    def _finish(self, connection: Connection, lease: Lease, checkpoints: Sequence[Checkpoint], scenarios: Sequence[ScenarioRow]) -> None:
        """Keep scenario rows and checkpoints, check the lease and commit, in one round trip."""
        with connection.pipeline():
            for scenario in scenarios:
                connection.execute(_KEEP_SCENARIO, dump_scenario(scenario), binary=True)
            for c in checkpoints:
                values = (c.run_id, c.shard_id, c.as_of_ns, c.log_seq, c.position, c.state, c.day_close, c.format_version)
                connection.execute(_KEEP, values, binary=True)
            for run_id in dict.fromkeys(c.run_id for c in checkpoints):
                where = {"run": run_id, "shard": lease.shard_id, "keep": self._keep_days}
                connection.execute(_FORGET_PASSING, where)
                if any(c.day_close for c in checkpoints):
                    connection.execute(_FORGET_CLOSES, where)
            connection.execute(_REQUIRE_LEASE, (lease.shard_id, lease.owner, lease.epoch))
            connection.execute("COMMIT")


def distinct(rows: Iterable[RowT]) -> list[RowT]:
    """Return rows without repeats of a key; raise DeterminismError where two of one key differ."""
    found: dict[tuple[type, tuple[object, ...]], RowT] = {}
    for row in rows:
        kept = found.setdefault((type(row), key_of(row)), row)
        if kept is not row:
            require_same(kept, row)
    return list(found.values())


def _worth_keeping(commits: Sequence[Commit]) -> list[Checkpoint]:
    """Return the checkpoints of a batch that outlive it: day closes, and the newest."""
    checkpoints = [c.checkpoint for c in commits]
    newest = max(checkpoints, key=lambda c: (c.log_seq, c.as_of_ns))
    return [c for c in checkpoints if c.day_close or c is newest]


def new_rows(connection: Connection, table: Table[Any], rows: list[RowT], shard_id: str) -> list[RowT]:
    """Return the rows that are not kept yet; compare the others, and mark them as this shard's."""
    if not rows:
        return rows
    times = sorted({row.as_of_ns for row in rows})
    where: LiteralString = "WHERE run_id = ANY(%s) AND node_id = ANY(%s) AND as_of = ANY(%s) AND as_of BETWEEN %s AND %s"
    values: tuple[object, ...] = (
        sorted({row.run_id for row in rows}),
        sorted({_nodes(row) for row in rows}),
        [timestamp(ns) for ns in times],
        timestamp(times[0]),
        timestamp(times[-1]),
    )
    new = compared(connection, table.select(where), values, table, rows)
    if len(new) < len(rows):
        mark: LiteralString = "UPDATE " + table.name + " SET shard_id = %s " + where + " AND shard_id <> %s"
        connection.execute(mark, (shard_id, *values, shard_id))
    return new


def _keep_watched(connection: Connection, rows: Sequence[WatchRow], shard_id: str) -> None:
    """Add the rows that are not kept yet; compare the others, and mark them as this shard's. They are few: reading first costs little."""
    for kind, table in WATCHED.items():
        mine = [row for row in rows if type(row) is kind]
        if not mine:
            continue
        times = sorted({row.as_of_ns for row in mine})
        where: LiteralString = "WHERE run_id = ANY(%s) AND instrument_id = ANY(%s) AND as_of = ANY(%s) AND as_of BETWEEN %s AND %s"
        values = (
            sorted({row.run_id for row in mine}),
            sorted({row.instrument_id for row in mine}),
            [timestamp(ns) for ns in times],
            timestamp(times[0]),
            timestamp(times[-1]),
        )
        new = compared(connection, table.select(where), values, table, mine)
        if len(new) < len(mine):
            mark: LiteralString = "UPDATE " + table.name + " SET shard_id = %s " + where + " AND shard_id <> %s"
            connection.execute(mark, (shard_id, *values, shard_id))
        if new:
            table.copy(connection, new, shard_id)


def _compare_scenarios(connection: Connection, rows: Sequence[ScenarioRow]) -> None:
    """Raise the DeterminismError that names the first difference."""
    for row in rows:
        for kept in connection.execute(_SCENARIO, (row.run_id, row.as_of_ns, row.revision), binary=True):
            require_same(load_scenario(kept), row)


def _new_jobs(connection: Connection, rows: list[Job]) -> list[Job]:
    """Return the jobs that are not there yet; compare the others."""
    return compared(connection, JOBS.select("WHERE job_key = ANY(%s)"), ([row.job_key for row in rows],), JOBS, rows)


def compared(connection: Connection, query: LiteralString, values: tuple[object, ...], table: Table[Any], rows: list[RowT]) -> list[RowT]:
    """Return the rows that the query does not find; those that it finds must be the same."""
    with connection.cursor(binary=True) as cursor:
        kept: dict[tuple[object, ...], Row] = {key_of(row): row for row in map(table.load, cursor.execute(query, values))}
    new = []
    for row in rows:
        before = kept.get(key_of(row))
        if before is None:
            new.append(row)
        else:
            require_same(before, row)
    return new


def _require_lease(connection: Connection, lease: Lease) -> None:
    try:
        connection.execute(_REQUIRE_LEASE, (lease.shard_id, lease.owner, lease.epoch))
    except psycopg.DatabaseError as error:
        if error.sqlstate == FENCED:
            raise _fenced(lease) from None
        raise


def _fenced(lease: Lease) -> Fenced:
    return Fenced(f"shard {lease.shard_id!r}: epoch {lease.epoch} of {lease.owner!r} no longer stands")
