"""The log of record: `log_records` verbatim, and ticks and fills unpacked from it, in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from risk_core.records import FillCorrection, Fills, Genesis, Record, Ticks
from services.common.adapters.postgres_columns import EPOCH_2000_US, FILLS, SourcedFill
from services.common.adapters.postgres_connection import Connection, PostgresDatabase
from services.common.adapters.rows import check_entries, determinism_error, fill_row, unpacked
from services.common.ports import LoggedEntry

READ_ENTRIES: Final = 256
"""Entries read back at once."""
LOCK_KEY: Final = 0x504C494D4C4F47
"""Advisory lock: one recorder writes at a time."""

_COPY_LOG: Final[LiteralString] = "COPY log_records (log_seq, position, payload) FROM STDIN (FORMAT BINARY)"
_COPY_TICKS: Final[LiteralString] = """
COPY ticks (event_time, event_ns, instrument_id, price, source_id, source_seq, log_seq, ordinal) FROM STDIN (FORMAT BINARY)
"""
_SUPERSEDE: Final[LiteralString] = """
UPDATE fills SET superseded_by = %(correction)s
WHERE first_log_seq = %(line)s AND fill_id = %(fill)s AND superseded_by IS NULL AND correction_id IS DISTINCT FROM %(correction)s
"""
_KNOWN_FILLS: Final[LiteralString] = """
SELECT source_id, source_seq, ordinal FROM fills WHERE first_log_seq = %s AND source_id = ANY(%s) AND source_seq = ANY(%s)
"""

# One tuple of COPY's binary format: a count of columns, then each column's length and value, big-endian.
_TICK_COLUMNS: Final = {
    "event_time": ">i8",
    "event_ns": ">i8",
    "instrument_id": ">i4",
    "price": ">f8",
    "source_id": ">i8",
    "source_seq": ">i8",
    "log_seq": ">i8",
    "ordinal": ">i4",
}
_TICK_TUPLE: Final = np.dtype(
    [("columns", ">i2"), *(part for name, kind in _TICK_COLUMNS.items() for part in ((f"{name}_length", ">i4"), (name, kind)))]
)
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"


class PostgresLogStore:
    """The log kept for ever. `decode` reads a payload (the codec's); one it refuses is kept, but not unpacked."""

    def __init__(self, database: PostgresDatabase, decode: Callable[[bytes], Record]) -> None:
        self._database = database
        self._decode = decode

    def last_log_seq(self) -> int:
        """Return the number of records kept."""
        with self._database.session() as connection:
            return _last_log_seq(connection)

    def last_position(self) -> bytes | None:
        """Return the last record's position."""
        with self._database.session() as connection:
            row = connection.execute("SELECT position FROM log_records ORDER BY log_seq DESC LIMIT 1", binary=True).fetchone()
        return None if row is None else bytes(row[0])

    def record(self, entries: Sequence[LoggedEntry]) -> None:
        """Keep entries."""
        if not entries:
            return
        records = {entry.log_seq: unpacked(entry.payload, self._decode) for entry in entries}
        with self._database.session() as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
            last = _last_log_seq(connection)
            check_entries(entries, last)
            _compare(connection, [entry for entry in entries if entry.log_seq <= last])
            new = [entry for entry in entries if entry.log_seq > last]
            if new:
                with connection.cursor() as cursor, cursor.copy(_COPY_LOG) as copy:
                    copy.set_types(("int8", "bytea", "bytea"))
                    for entry in new:
                        copy.write_row((entry.log_seq, entry.position, entry.payload))
                logged = [(entry.log_seq, record) for entry in new if (record := records[entry.log_seq]) is not None]
                _copy_ticks(connection, logged)
                _write_fills(connection, logged)
            connection.execute("COMMIT")

    def entries(self, after_log_seq: int, through_log_seq: int | None = None) -> Iterator[LoggedEntry]:
        """Yield kept records in order; each batch is read in a transaction of its own."""
        query: LiteralString = (
            "SELECT log_seq, position, payload FROM log_records WHERE log_seq > %s AND log_seq <= %s ORDER BY log_seq LIMIT %s"
        )
        through = 2**63 - 1 if through_log_seq is None else through_log_seq
        while True:
            with self._database.session() as connection:
                rows = connection.execute(query, (after_log_seq, through, READ_ENTRIES), binary=True).fetchall()
            for log_seq, position, payload in rows:
                yield LoggedEntry(log_seq, position, payload)
            if len(rows) < READ_ENTRIES:
                return
            after_log_seq = rows[-1][0]


def tick_tuples(batches: Sequence[tuple[int, Record, Ticks]]) -> bytes:
    """Return the ticks of records, each with its log_seq, as tuples of COPY's binary format: all in one pass."""
    counts = np.array([len(ticks.price) for _, _, ticks in batches])
    event_ns = np.concatenate([ticks.event_ns for _, _, ticks in batches])
    tuples: NDArray[np.void] = np.empty(len(event_ns), dtype=_TICK_TUPLE)
    tuples["columns"] = len(_TICK_COLUMNS)
    for name, kind in _TICK_COLUMNS.items():
        tuples[f"{name}_length"] = int(kind[2:])
    tuples["event_time"] = event_ns // 1000 - EPOCH_2000_US
    tuples["event_ns"] = event_ns
    tuples["instrument_id"] = np.concatenate([ticks.instrument_id for _, _, ticks in batches])
    tuples["price"] = np.concatenate([ticks.price for _, _, ticks in batches])
    tuples["source_id"] = np.repeat([record.source_id for _, record, _ in batches], counts)
    tuples["source_seq"] = np.repeat([record.source_seq for _, record, _ in batches], counts)
    tuples["log_seq"] = np.repeat([log_seq for log_seq, _, _ in batches], counts)
    tuples["ordinal"] = np.arange(len(event_ns)) - np.repeat(np.cumsum(counts) - counts, counts)
    return tuples.tobytes()


def _last_log_seq(connection: Connection) -> int:
    row = connection.execute("SELECT coalesce(max(log_seq), 0) FROM log_records").fetchone()
    return 0 if row is None else int(row[0])


def _compare(connection: Connection, entries: Sequence[LoggedEntry]) -> None:
    if not entries:
        return
    query: LiteralString = "SELECT log_seq, payload FROM log_records WHERE log_seq BETWEEN %s AND %s"
    kept = dict(connection.execute(query, (entries[0].log_seq, entries[-1].log_seq), binary=True).fetchall())
    for entry in entries:
        if kept[entry.log_seq] != entry.payload:
            raise determinism_error("log_records", ("log_seq",), (entry.log_seq,), "payload", kept[entry.log_seq], entry.payload)


def _copy_ticks(connection: Connection, logged: Sequence[tuple[int, Record]]) -> None:
    batches = [(log_seq, record, record.body) for log_seq, record in logged if isinstance(record.body, Ticks)]
    if batches:
        with connection.cursor() as cursor, cursor.copy(_COPY_TICKS) as copy:
            copy.write(b"".join((_COPY_HEADER, tick_tuples(batches), _COPY_END)))


def _write_fills(connection: Connection, logged: Sequence[tuple[int, Record]]) -> None:
    """Add fills, each source record once in its line, and apply corrections in the order of the log."""
    first = _line(connection) if any(isinstance(record.body, Fills | FillCorrection) for _, record in logged) else 0
    waiting: dict[tuple[int, int, int], SourcedFill] = {}
    for log_seq, record in logged:
        body, source = record.body, (record.source_id, record.source_seq)
        match body:
            case Genesis():
                _copy_fills(connection, first, waiting)
                waiting, first = {}, log_seq
                connection.execute("INSERT INTO log_lines VALUES (%s)", (log_seq,))
            case Fills():
                for ordinal, fill in enumerate(body.fills):
                    sourced = SourcedFill(first, *source, fill_row(log_seq, ordinal, record.event_ns, fill))
                    waiting.setdefault((*source, ordinal), sourced)
            case FillCorrection():
                _copy_fills(connection, first, waiting)
                waiting = {}
                connection.execute(_SUPERSEDE, {"line": first, "correction": body.correction_id, "fill": body.fill_id})
                if body.fill is not None:
                    row = dataclasses.replace(fill_row(log_seq, 0, body.effective_ns, body.fill), correction_id=body.correction_id)
                    waiting[(*source, 0)] = SourcedFill(first, *source, row)
    _copy_fills(connection, first, waiting)


def _line(connection: Connection) -> int:
    row = connection.execute("SELECT coalesce(max(first_log_seq), 0) FROM log_lines").fetchone()
    assert row is not None
    return int(row[0])


def _copy_fills(connection: Connection, first_log_seq: int, fills: dict[tuple[int, int, int], SourcedFill]) -> None:
    if not fills:
        return
    sources, numbers = sorted({key[0] for key in fills}), sorted({key[1] for key in fills})
    known = set(connection.execute(_KNOWN_FILLS, (first_log_seq, sources, numbers)).fetchall())
    FILLS.copy(connection, (fill for key, fill in fills.items() if key not in known))
