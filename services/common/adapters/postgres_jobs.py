"""The queue of heavy evaluations in PostgreSQL: a shard is one runner's by an advisory lock, which ends with the runner's connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, LiteralString

from psycopg import errors

from risk_core.records import DayCloseRow, RiskResult
from services.common.adapters.postgres_columns import DAY_CLOSES, JOBS, RESULTS, timestamp
from services.common.adapters.postgres_connection import Connection, PostgresDatabase
from services.common.adapters.postgres_results import ATTEMPTS_MAX, distinct, new_rows
from services.common.adapters.rows import check_rows
from services.common.ports import KEPT_BY_JOBS, Job, Unavailable

_WAITING: Final[LiteralString] = "WHERE done_at IS NULL AND run_id = ANY(%s) "
_SHARDS: Final[LiteralString] = "SELECT run_id, shard_id FROM jobs " + _WAITING + "GROUP BY run_id, shard_id ORDER BY min(as_of_ns)"
_OLDEST: Final[LiteralString] = "WHERE done_at IS NULL AND run_id = %s AND shard_id = %s ORDER BY as_of_ns, created_at, job_key LIMIT 1"
_LOCK: Final[LiteralString] = "SELECT pg_try_advisory_lock(hashtext('plimsoll jobs'), hashtext(%s))"
_UNLOCK: Final[LiteralString] = "SELECT pg_advisory_unlock_all()"
_DONE: Final[LiteralString] = "UPDATE jobs SET done_at = now() WHERE job_key = %s"
_FORGET: Final[LiteralString] = "DELETE FROM jobs WHERE run_id = %s AND shard_id = %s AND as_of_ns < %s AND done_at IS NOT NULL"


class PostgresJobs:
    """See `Jobs`.

    Parameters
    ----------
    database : PostgresDatabase
        For this queue alone, since it holds locks; closed with it. Call from one thread.
    line : callable
        Returns a run and those it goes on from.
    """

    def __init__(self, database: PostgresDatabase, line: Callable[[str], Sequence[str]]) -> None:
        self._database = database
        self._line = line

    def take(self, run_ids: Sequence[str]) -> Job | None:
        """Return the oldest job of a shard that is free."""
        with self._database.session() as connection:
            for run_id, shard_id in connection.execute(_SHARDS, (list(run_ids),)).fetchall():
                if not _one(connection, _LOCK, (f"{run_id}/{shard_id}",)):
                    continue
                with connection.cursor(binary=True) as cursor:
                    found = cursor.execute(JOBS.select(_OLDEST), (run_id, shard_id)).fetchone()
                if found is not None:
                    return JOBS.load(found)
                connection.execute(_UNLOCK)  # another runner finished it meanwhile
        return None

    def forecasts(self, job: Job, as_of_ns: int, methods: Sequence[str]) -> list[RiskResult]:
        """Return rows of the line of the job's run."""
        where: LiteralString = "WHERE run_id = ANY(%s) AND as_of = %s AND as_of_ns = %s AND method = ANY(%s)"
        values = (list(self._line(job.run_id)), timestamp(as_of_ns), as_of_ns, list(methods))
        with self._database.session() as connection, connection.cursor(binary=True) as cursor:
            return [RESULTS.load(row) for row in cursor.execute(RESULTS.select(where), values)]

    def keep(self, job: Job, results: Sequence[RiskResult], day_closes: Sequence[DayCloseRow]) -> None:
        """Keep rows in one transaction."""
        check_rows(job.run_id, results, day_closes)
        for _ in range(ATTEMPTS_MAX):
            with self._database.session() as connection:
                try:
                    connection.execute("BEGIN")
                    new_results = new_rows(connection, RESULTS, distinct(results), KEPT_BY_JOBS)
                    new_days = new_rows(connection, DAY_CLOSES, distinct(day_closes), KEPT_BY_JOBS)
                    if new_results:
                        RESULTS.copy(connection, new_results, KEPT_BY_JOBS)
                    if new_days:
                        DAY_CLOSES.copy(connection, new_days, KEPT_BY_JOBS)
                    connection.execute("COMMIT")
                except errors.UniqueViolation:
                    continue
                return
        raise Unavailable(f"job {job.job_key}: others keep inserting the same rows")

    def done(self, job: Job) -> None:
        """Mark, forget older ones that are done, and let the shard go."""
        with self._database.session() as connection:
            connection.execute(_DONE, (job.job_key,))
            connection.execute(_FORGET, (job.run_id, job.shard_id, job.as_of_ns))
            connection.execute(_UNLOCK)

    def leave(self) -> None:
        """Let the shard go."""
        with self._database.session() as connection:
            connection.execute(_UNLOCK)

    def waiting(self, run_id: str) -> int:
        """Return how many jobs are not done."""
        with self._database.session() as connection:
            return _one(connection, "SELECT count(*) FROM jobs WHERE done_at IS NULL AND run_id = %s", (run_id,))

    def close(self) -> None:
        """Close the connection, and with it let the shard go. Idempotent."""
        self._database.close()


def _one(connection: Connection, query: LiteralString, values: tuple[object, ...]) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])
