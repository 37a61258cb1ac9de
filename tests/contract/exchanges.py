"""Publishers and inboxes of one technology, for the contracts of both."""

from __future__ import annotations

import time
from typing import Protocol

import psycopg

from db.migrate import migrate
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_inbox import PostgresInbox, PostgresSender
from services.common.adapters.pulsar import PulsarInbox, PulsarPublisher, connect
from services.common.adapters.pulsar_admin import ensure_topics
from services.common.ports import Inbox, Message, Publisher
from services.common.schemas import MESSAGES, broker_schema
from services.common.topics import Topics
from tests.contract.pulsar_topics import log_settings
from tests.real_servers import PulsarServer


class Exchange(Protocol):
    """A set of empty topics."""

    def publisher(self) -> Publisher:
        """Return a new publisher."""
        ...

    def inbox(self, topic: str, subscription: str) -> Inbox:
        """Open a subscription."""
        ...

    def settle(self) -> None:
        """Give acknowledgements the time they are allowed to take."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class MemoryExchange:
    def __init__(self) -> None:
        self._broker = MemoryBroker()

    def publisher(self) -> Publisher:
        return MemoryPublisher(self._broker)

    def inbox(self, topic: str, subscription: str) -> Inbox:
        return self._broker.inbox(topic, subscription)

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass


class PostgresExchange:
    """The table of waiting messages, empty. It has one subscription."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._databases: list[PostgresDatabase] = []
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("TRUNCATE inbox")

    def publisher(self) -> Publisher:
        return PostgresSender(self._database())

    def inbox(self, topic: str, subscription: str) -> Inbox:
        return PostgresInbox(self._database(), topic)

    def settle(self) -> None:
        pass

    def close(self) -> None:
        for database in self._databases:
            database.close()

    def _database(self) -> PostgresDatabase:
        self._databases.append(PostgresDatabase(self._url))
        return self._databases[-1]


class PulsarExchange:
    """A tenant of its own on a real broker."""

    def __init__(self, server: PulsarServer) -> None:
        self.server = server
        self.topics = Topics(server.new_tenant())
        ensure_topics(log_settings(server, self.topics.tenant))
        self.connection = connect(server.url)

    def publisher(self) -> Publisher:
        return PulsarPublisher(self.connection, self.topics, {name: broker_schema(name) for name in MESSAGES}, queue_max=100)

    def inbox(self, topic: str, subscription: str) -> Inbox:
        return PulsarInbox(self.connection, self.topics.address(topic), subscription)

    def settle(self) -> None:
        time.sleep(0.3)  # the client groups acknowledgements for a tenth of a second

    def close(self) -> None:
        self.connection.close()


def receive_all(inbox: Inbox, count: int) -> list[Message]:
    """Receive exactly `count` messages."""
    messages: list[Message] = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += inbox.receive(1000, 0.2)
    assert len(messages) == count
    return messages
