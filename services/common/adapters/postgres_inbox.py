"""Inbound topics as a table, for the embedded profile: any process may send, one receives."""

from __future__ import annotations

import time
from typing import Final, LiteralString

from services.common.adapters.postgres_connection import Connection, PostgresDatabase
from services.common.ports import Message, Unavailable
from services.common.topics import TOPICS

POLL_SECONDS: Final = 0.05

_SEND: Final[LiteralString] = "INSERT INTO inbox (topic, key, payload) VALUES (%s, %s, %s)"
_RECEIVE: Final[LiteralString] = """
SELECT message_id, key, payload, (extract(epoch FROM sent_at) * 1000000)::bigint * 1000
FROM inbox WHERE topic = %s AND NOT message_id = ANY(%s) ORDER BY message_id LIMIT %s
"""
_ACKNOWLEDGE: Final[LiteralString] = "DELETE FROM inbox WHERE message_id = %s"
_HOLD: Final[LiteralString] = "SELECT pg_try_advisory_lock(hashtext(%s)::bigint)"


class PostgresSender:
    """See `Publisher`: a message is durable when `publish` returns."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._closed = False

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        """See `Publisher.publish`."""
        self._check_open()
        if topic not in TOPICS:
            raise ValueError(f"topic {topic!r} is unknown; there are {', '.join(TOPICS)}")
        with self._database.session() as connection:
            connection.execute(_SEND, (topic, key, payload))

    def flush(self, timeout_seconds: float) -> None:
        """See `Publisher.flush`."""
        self._check_open()

    def close(self) -> None:
        """See `Publisher.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the sender is closed")


class PostgresInbox:
    """See `Inbox`. Several may be open: one receives, and the others stand by.

    Who receives holds an advisory lock, which ends with its connection, however that ends. Messages are told apart by
    what was delivered, not by their order: of two that are sent at once the lower id may become visible later.

    Parameters
    ----------
    database : PostgresDatabase
        For this inbox alone; closed with it. Call from one thread.
    topic : str
        Short name.
    """

    def __init__(self, database: PostgresDatabase, topic: str) -> None:
        self._database = database
        self._topic = topic
        self._delivered: set[int] = set()
        self._holder: Connection | None = None
        self._closed = False

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """See `Inbox.receive`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._check_open()
            with self._database.session() as connection:
                if self._holds(connection):
                    rows = connection.execute(_RECEIVE, (self._topic, list(self._delivered), max_messages)).fetchall()
                    if rows:
                        self._delivered.update(row[0] for row in rows)
                        return [Message(key, bytes(payload), message_id, sent_ns) for message_id, key, payload, sent_ns in rows]
            if time.monotonic() >= deadline:
                return []
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def acknowledge(self, receipt: object) -> None:
        """See `Inbox.acknowledge`. Idempotent."""
        self._check_open()
        assert isinstance(receipt, int)
        with self._database.session() as connection:
            connection.execute(_ACKNOWLEDGE, (receipt,))
        self._delivered.discard(receipt)

    def close(self) -> None:
        """See `Inbox.close`."""
        self._closed = True
        self._database.close()

    def _holds(self, connection: Connection) -> bool:
        """Return whether this connection is the one that receives; another may have taken over what a lost one had."""
        if self._holder is not connection:
            row = connection.execute(_HOLD, (f"plimsoll inbox {self._topic}",)).fetchone()
            assert row is not None
            if not row[0]:
                self._delivered.clear()
                return False
            self._holder = connection
        return True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the inbox is closed")
