"""One PostgreSQL connection a thread, made when first used and again after a loss."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from services.common.ports import Unavailable

Connection: TypeAlias = psycopg.Connection[Any]

CONNECT_SECONDS: Final = 3
LOCK_SECONDS: Final = 5
IDLE_IN_TRANSACTION_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 60
ABANDONED_SECONDS: Final = 30

APPLICATION: Final = "plimsoll"

# lock_timeout is an argument of the adapter
_SETTINGS: Final[dict[str, str]] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "extra_float_digits": "1",
}
_LIVENESS: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)

_END_ABANDONED: Final[LiteralString] = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
  AND state = 'active' AND wait_event = 'ClientRead' AND xact_start < clock_timestamp() - make_interval(secs => %s)
"""


class PostgresDatabase:
    """A database as the stores see it. Thread-safe: each thread has a connection of its own.

    Parameters
    ----------
    url : str
        postgresql://...
    lock_seconds : float
        Longest wait for another transaction's locks.
    abandoned_seconds : float
        A COPY that waited for its client this long, while others wait for its locks, is ended.
    """

    def __init__(self, url: str, lock_seconds: float = LOCK_SECONDS, abandoned_seconds: float = ABANDONED_SECONDS) -> None:
        self._url = url
        self._abandoned_seconds = abandoned_seconds
        settings = {**_SETTINGS, "lock_timeout": f"{round(lock_seconds * 1000)}ms"}
        self._options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._local = threading.local()
        self._all: dict[threading.Thread, Connection] = {}
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def session(self) -> Iterator[Connection]:
        """Yield this thread's connection, in autocommit; an open transaction is rolled back on the way out.

        Raises
        ------
        Unavailable
            The server is away, stopping, read-only, full, or a lock or statement timed out. Whatever was begun is undone.
        """
        connection: Connection | None = None
        try:
            connection = self._connection()
            yield connection
        except errors.LockNotAvailable as error:
            self._settle(connection)
            self._end_abandoned()
            raise Unavailable(f"database: {_first_line(error)}") from error
        except _AWAY as error:
            raise Unavailable(f"database: {_first_line(error)}") from error
        finally:
            self._settle(connection)

    def close(self) -> None:
        """Close the connections of all threads. Idempotent."""
        with self._lock:
            self._closed = True
            connections, self._all = self._all, {}
        for connection in connections.values():
            connection.close()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None and not connection.closed:
            return connection
        if self._closed:
            raise Unavailable("database: this adapter is closed")
        connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name=APPLICATION, options=self._options, **_LIVENESS
        )
        self._local.connection = connection
        with self._lock:
            ended = [thread for thread in self._all if not thread.is_alive()]
            left = [self._all.pop(thread) for thread in ended]
            self._all[threading.current_thread()] = connection
        for old in left:  # a web server's threads come and go: what they leave open would use the server up
            old.close()
        return connection

    def _settle(self, connection: Connection | None) -> None:
        """Leave no transaction open, and no broken connection in use."""
        if connection is None or connection.closed:
            return
        status = connection.info.transaction_status
        if status == TransactionStatus.IDLE:
            return
        try:
            if status not in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                raise psycopg.OperationalError("left in the middle of a command")
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()

    def _end_abandoned(self) -> None:
        """End sessions stopped in the middle of a COPY: no server time-out reaches these, and their locks block a successor."""
        with contextlib.suppress(psycopg.Error, Unavailable):
            self._connection().execute(_END_ABANDONED, (APPLICATION, self._abandoned_seconds))


def _first_line(error: psycopg.Error | errors.ReadOnlySqlTransaction) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
