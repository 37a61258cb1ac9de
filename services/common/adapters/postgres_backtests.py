"""Zones in PostgreSQL, and what is due: noted by a trigger in the transaction that judged, taken by one worker at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg import errors

from risk_core.records import BacktestResult
from services.common.adapters.postgres_columns import BACKTESTS, timestamp
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_results import ATTEMPTS_MAX, distinct
from services.common.adapters.rows import BACKTEST_KEY, check_backtests, key_of
from services.common.ports import DueBacktest, Unavailable

_LOCK: Final[LiteralString] = "SELECT pg_try_advisory_lock(hashtext('plimsoll backtests'), 0)"
_DUE: Final[LiteralString] = """
SELECT run_id, node_id, method, min(from_ns), array_agg(due_id ORDER BY due_id)
FROM (SELECT * FROM backtests_due ORDER BY due_id LIMIT %s) AS oldest
GROUP BY run_id, node_id, method ORDER BY min(due_id)
"""
_KEPT: Final[LiteralString] = "WHERE run_id = ANY(%s) AND node_id = ANY(%s) AND as_of BETWEEN %s AND %s"
_FORGET: Final[LiteralString] = "DELETE FROM backtest_results WHERE as_of = %s AND " + " AND ".join(name + " = %s" for name in BACKTEST_KEY)


class PostgresBacktests:
    """See `Backtests`. The lock saves work; what is kept twice is kept once without it.

    Parameters
    ----------
    database : PostgresDatabase
        For this worker alone, since it holds a lock; closed with it. Call from one thread.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def due(self, limit: int) -> list[DueBacktest]:
        """Return what is due, if no other worker has it."""
        with self._database.session() as connection:
            locked = connection.execute(_LOCK).fetchone()
            if locked is None or not locked[0]:
                return []
            rows = connection.execute(_DUE, (limit,)).fetchall()
        return [DueBacktest(run_id, node_id, method, from_ns, tuple(ids)) for run_id, node_id, method, from_ns, ids in rows]

    def keep(self, due: Sequence[DueBacktest], rows: Sequence[BacktestResult]) -> None:
        """Keep rows and forget what was due."""
        check_backtests(rows)
        given = distinct(rows)
        for _ in range(ATTEMPTS_MAX):
            with self._database.session() as connection:
                try:
                    connection.execute("BEGIN")
                    if given:
                        times = [row.as_of_ns for row in given]
                        values = (
                            sorted({row.run_id for row in given}),
                            sorted({row.node_id for row in given}),
                            timestamp(min(times)),
                            timestamp(max(times)),
                        )
                        with connection.cursor(binary=True) as cursor:
                            kept = {key_of(r): r for r in map(BACKTESTS.load, cursor.execute(BACKTESTS.select(_KEPT), values))}
                            new = [row for row in given if kept.get(key_of(row)) != row]
                            cursor.executemany(_FORGET, [_place(row) for row in new if key_of(row) in kept])
                        BACKTESTS.copy(connection, new)
                    connection.execute("DELETE FROM backtests_due WHERE due_id = ANY(%s)", ([k for d in due for k in d.due_ids],))
                    connection.execute("COMMIT")
                except errors.UniqueViolation:
                    continue
                return
        raise Unavailable("others keep inserting the same zones")

    def waiting(self) -> int:
        """Return how many notes wait."""
        with self._database.session() as connection:
            row = connection.execute("SELECT count(*) FROM backtests_due").fetchone()
            assert row is not None
            return int(row[0])

    def close(self) -> None:
        """Close the connection, and with it let go of what is due. Idempotent."""
        self._database.close()


def _place(row: BacktestResult) -> tuple[object, ...]:
    return timestamp(row.as_of_ns), *key_of(row)
