"""Runs with their books, and refused messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, LiteralString

from psycopg.types.json import Jsonb

from risk_core.records import Record
from services.common.adapters.postgres_columns import timestamp
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.rows import genesis_of, plain_letter, plain_run, require_same_run
from services.common.ports import DeadLetter, Run

_RUN: Final[LiteralString] = "SELECT run_id, parent_run_id, genesis, description, first_log_seq FROM runs "
_REGISTER: Final[LiteralString] = """
INSERT INTO runs (run_id, parent_run_id, genesis, description, first_log_seq) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (run_id) DO NOTHING
"""
_INSTRUMENT: Final[LiteralString] = """
INSERT INTO instruments (run_id, instrument_id, symbol, asset_class, currency, proxy_id, shock, fx_currency, adjusted, synthetic)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_NODE: Final[LiteralString] = """
INSERT INTO nodes (run_id, node_id, ordinal, name, kind, parent_id, currency, description) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_PUT: Final[LiteralString] = """
INSERT INTO dead_letters (reason, detail, source, received_at, received_ns, raw) VALUES (%s, %s, %s, %s, %s, %s) RETURNING letter_id
"""
_RECENT: Final[LiteralString] = "SELECT reason, detail, source, received_ns, raw FROM dead_letters ORDER BY letter_id DESC LIMIT %s"


class PostgresRunStore:
    """Runs and their books. `decode` reads the genesis record of a run."""

    def __init__(self, database: PostgresDatabase, decode: Callable[[bytes], Record]) -> None:
        self._database = database
        self._decode = decode

    def register(self, run: Run) -> None:
        """Insert a run and its book if new."""
        book = genesis_of(run, self._decode).book
        run = plain_run(run)
        with self._database.session() as connection:
            connection.execute("BEGIN")
            values = (run.run_id, run.parent_run_id, run.genesis, Jsonb(run.description), run.first_log_seq)
            if connection.execute(_REGISTER, values).rowcount == 1:
                with connection.cursor() as cursor:
                    cursor.executemany(
                        _INSTRUMENT,
                        [
                            (
                                run.run_id,
                                i.instrument_id,
                                i.symbol,
                                i.asset_class.value,
                                i.currency,
                                i.proxy_id,
                                i.shock.value,
                                i.fx_currency,
                                i.adjusted,
                                i.synthetic,
                            )
                            for i in book.instruments
                        ],
                    )
                    cursor.executemany(
                        _NODE,
                        [
                            (run.run_id, n.node_id, k, n.name, n.kind.value, n.parent_id, n.currency, n.description)
                            for k, n in enumerate(book.nodes)
                        ],
                    )
                connection.execute("COMMIT")
                return
            connection.execute("ROLLBACK")
            kept = self.get(run.run_id)
        if kept is not None:
            require_same_run(kept, run)

    def latest(self) -> Run | None:
        """Return the newest registered run."""
        return self._one(_RUN + "ORDER BY ordinal DESC LIMIT 1")

    def get(self, run_id: str) -> Run | None:
        """Return a run by id."""
        return self._one(_RUN + "WHERE run_id = %s", run_id)

    def _one(self, query: LiteralString, *values: object) -> Run | None:
        with self._database.session() as connection:
            row = connection.execute(query, values, binary=True).fetchone()
        return None if row is None else Run(*row)


class PostgresDeadLetters:
    """Refused messages, the newest `letters_max` of them."""

    def __init__(self, database: PostgresDatabase, letters_max: int = 10_000) -> None:
        self._database = database
        self._letters_max = letters_max

    def put(self, letter: DeadLetter) -> None:
        """Keep one."""
        letter = plain_letter(letter)
        values = (letter.reason, letter.detail, letter.source, timestamp(letter.received_ns), letter.received_ns, letter.raw)
        with self._database.session() as connection:
            connection.execute("BEGIN")
            row = connection.execute(_PUT, values).fetchone()
            assert row is not None
            connection.execute("DELETE FROM dead_letters WHERE letter_id <= %s", (row[0] - self._letters_max,))
            connection.execute("COMMIT")

    def recent(self, limit: int) -> list[DeadLetter]:
        """Return the newest first."""
        with self._database.session() as connection:
            rows = connection.execute(_RECENT, (max(limit, 0),), binary=True).fetchall()
        return [DeadLetter(*row) for row in rows]
