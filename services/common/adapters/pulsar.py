"""The log, public topics and inbound topics on Apache Pulsar, through its synchronous client.

One client a process, made after the process started and closed by its owner. A message that was queued is sent until the
broker takes it: nothing is given up after a time-out, so the order of one producer has no holes, and a broker that comes back
finds its readers and producers as they were. Times bound what a caller waits, and only that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, Final

import _pulsar
import pulsar
from pulsar.schema import Schema

from services.common.adapters.pulsar_connection import OPERATION_SECONDS, Connection, Patience, connect, unavailable
from services.common.adapters.pulsar_sender import Sender
from services.common.ports import Entry, Message, Unavailable
from services.common.topics import Topics

NS_PER_MILLISECOND: Final = 1_000_000

__all__ = ["Connection", "PulsarInbox", "PulsarLog", "PulsarLogReader", "PulsarPublisher", "connect"]

RECEIVE_QUEUE_MAX: Final = 256
"""Messages a reader or inbox holds ahead of its caller."""


class PulsarLog:
    """See `Log`. Appending opens the producer, so a log that is only read has none.

    Parameters
    ----------
    connection : Connection
        Of `connect`; not closed here.
    topic : str
        Full address.
    queue_max : int
        Records waiting for the broker before `append` blocks.
    payload_bytes_max : int
        Largest record.
    exclusive : bool
        Fence every older producer of this topic: for a log with one writer. It and later attempts of its then get Fenced.
    """

    def __init__(self, connection: Connection, topic: str, *, queue_max: int, payload_bytes_max: int, exclusive: bool = False) -> None:
        self._connection = connection
        self._topic = topic
        self._queue_max = queue_max
        self._payload_bytes_max = payload_bytes_max
        self._exclusive = exclusive
        self._opening = Lock()
        self._sender: Sender | None = None
        self._closed = False

    def append(self, payload: bytes) -> None:
        """See `Log.append`. Raises Fenced for an exclusive log with a newer producer."""
        if len(payload) > self._payload_bytes_max:
            raise ValueError(f"record of {len(payload)} bytes: at most {self._payload_bytes_max}; split it")
        if self._sender is None:
            with self._opening:
                self._check_open()
                if self._sender is None:
                    self._sender = Sender(self._connection, self._topic, queue_max=self._queue_max, exclusive=self._exclusive)
        self._sender.send(payload)

    def flush(self, timeout_seconds: float) -> None:
        """See `Log.flush`. After a time-out the records are still on their way, and the same call may succeed later."""
        self._check_open()
        if self._sender is not None:
            self._sender.flush(timeout_seconds)

    def reader(self, after: bytes | None) -> PulsarLogReader:
        """See `Log.reader`. ValueError when the entry at the position is gone, or never was in this log."""
        self._check_open()
        return PulsarLogReader(self._connection, self._topic, after)

    def close(self) -> None:
        """See `Log.close`. Raises Unavailable when records could not be made durable; everything is released all the same."""
        with self._opening:
            self._closed = True
            if self._sender is not None:
                self._sender.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the log is closed")


class PulsarLogReader:
    """See `LogReader`. A position is a serialised message id: ledger, entry and index in the batch.

    `read` raises Unavailable when nothing came and the connection is down; the connection comes back by itself, and reading
    goes on with the next entry.
    """

    def __init__(self, connection: Connection, topic: str, after: bytes | None) -> None:
        self._client = connection.client
        self._topic = topic
        self._patience = Patience(connection)
        self._after = after
        self._closed = False
        self._reader: pulsar.Reader | None = self._open()

    def read(self, max_entries: int, timeout_seconds: float) -> list[Entry]:
        """See `LogReader.read`."""
        reader = self._opened()
        entries: list[Entry] = []
        wait_milliseconds = math.ceil(max(0.0, timeout_seconds) * 1000)
        while len(entries) < max_entries:
            try:
                message = reader.read_next(wait_milliseconds)
            except pulsar.Timeout:
                break
            except pulsar.PulsarException as error:
                if entries:
                    break  # the next call meets it again
                raise unavailable(f"reading {self._topic}", error) from None
            if self._is_next(message):
                entries.append(Entry(message.message_id().serialize(), message.data()))
                wait_milliseconds = 0
        if entries:
            self._after = entries[-1].position
        elif not reader.is_connected():
            self._revive()
            raise Unavailable(f"reading {self._topic}: the connection is lost; the client is trying")
        return entries

    def caught_up(self) -> bool:
        """See `LogReader.caught_up`. Asks the broker unless entries already wait here: half a millisecond."""
        try:
            return not self._opened().has_message_available()
        except pulsar.PulsarException as error:
            raise unavailable(f"asking for the end of {self._topic}", error) from None

    def close(self) -> None:
        """See `LogReader.close`."""
        self._closed = True
        self._release()

    def _opened(self) -> pulsar.Reader:
        if self._closed:
            raise Unavailable("the reader is closed")
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def _open(self) -> pulsar.Reader:
        """Open just after the last entry, by reading that entry itself: proof that it is there and nothing between was removed."""
        after = self._after
        try:
            start = pulsar.MessageId.earliest if after is None else pulsar.MessageId.deserialize(after)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"position {after.hex() if after else after} is no message id: {error}") from None
        self._last = (-1, -1, -1)
        try:
            reader = self._client.create_reader(
                self._topic, start, receiver_queue_size=RECEIVE_QUEUE_MAX, start_message_id_inclusive=after is not None
            )
        except pulsar.PulsarException as error:
            raise unavailable(f"opening a reader of {self._topic}", error) from None
        if after is None:
            return reader
        try:
            if reader.has_message_available():
                message = reader.read_next(OPERATION_SECONDS * 1000)
                if message.message_id().serialize() == after and self._is_next(message):
                    return reader
        except pulsar.PulsarException as error:
            _close(reader)
            raise unavailable(f"reading {self._topic} at position {after.hex()}", error) from None
        _close(reader)
        raise ValueError(
            f"position {after.hex()} is not in {self._topic}: retention removed it, or it is another log's; "
            "the recorder's table has every record"
        )

    def _release(self) -> None:
        if self._reader is not None:
            _close(self._reader)
            self._reader = None

    def _revive(self) -> None:
        if self._patience.is_over(self._reader):
            self._release()

    def _is_next(self, message: pulsar.Message) -> bool:
        """Refuse an entry that a reconnected client delivers again: everyone's count of entries would go wrong."""
        at = message.message_id()
        this = (at.ledger_id(), at.entry_id(), at.batch_index())
        if this <= self._last:
            return False
        self._last = this
        return True


class _JsonSchema(Schema):  # type: ignore[misc]
    """Registers a definition of type JSON; payloads are encoded by us already."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        super().__init__(bytes, _pulsar.SchemaType.JSON, definition, str(definition["name"]))

    def encode(self, obj: bytes) -> bytes:
        return obj

    def decode(self, data: bytes) -> bytes:
        return data


class PulsarPublisher:
    """See `Publisher`. Topics are short names of `topics.TOPICS`; each gets its producer with its first message.

    Parameters
    ----------
    schemas : mapping
        Topic to the Avro record (`schemas.broker_schema`) registered with it.
    """

    def __init__(self, connection: Connection, topics: Topics, schemas: Mapping[str, Mapping[str, Any]], *, queue_max: int) -> None:
        self._connection = connection
        self._topics = topics
        self._schemas = schemas
        self._queue_max = queue_max
        self._opening = Lock()
        self._senders: dict[str, Sender] = {}
        self._closed = False

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        """See `Publisher.publish`. ValueError for an unknown topic."""
        sender = self._senders.get(topic)
        if sender is None:
            with self._opening:
                self._check_open()
                sender = self._senders.get(topic) or self._open(topic)
        sender.send(payload, key)

    def flush(self, timeout_seconds: float) -> None:
        """See `Publisher.flush`."""
        self._check_open()
        deadline = time.monotonic() + timeout_seconds
        for sender in tuple(self._senders.values()):
            sender.flush(deadline - time.monotonic())

    def close(self) -> None:
        """See `Publisher.close`. Raises Unavailable when messages could not be made durable; everything is released all the same."""
        with self._opening:
            self._closed = True
            failure: Exception | None = None
            for sender in self._senders.values():
                try:
                    sender.close()
                except Exception as error:
                    failure = error
            if failure is not None:
                raise failure

    def _open(self, topic: str) -> Sender:
        definition = self._schemas.get(topic)
        schema = None if definition is None else _JsonSchema(definition)
        sender = Sender(self._connection, self._topics.address(topic), queue_max=self._queue_max, schema=schema)
        self._senders[topic] = sender
        return sender

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the publisher is closed")


class PulsarInbox:
    """See `Inbox`. Several may be open: one, of the broker's choice, receives and the others stand by.

    They take over, in order, what was not acknowledged. A receipt is a message id. Nothing is ever refused back to the broker
    (that would reorder a key) and no time-out sends a message again: only a closed or lost connection does.
    """

    def __init__(self, connection: Connection, topic: str, subscription: str) -> None:
        self._client = connection.client
        self._topic = topic
        self._subscription = subscription
        self._patience = Patience(connection)
        self._closed = False
        self._consumer: pulsar.Consumer | None = self._open()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """See `Inbox.receive`. Raises Unavailable when nothing came and the connection is down."""
        consumer = self._opened()
        messages: list[Message] = []
        wait_milliseconds = math.ceil(max(0.0, timeout_seconds) * 1000)
        while len(messages) < max_messages:
            try:
                message = consumer.receive(wait_milliseconds)
            except pulsar.Timeout:
                break
            except pulsar.PulsarException as error:
                if messages:
                    break
                raise unavailable(f"receiving from {self._topic}", error) from None
            sent_ns = message.publish_timestamp() * NS_PER_MILLISECOND
            messages.append(Message(message.partition_key(), message.data(), message.message_id(), sent_ns))
            wait_milliseconds = 0
        if not messages and not consumer.is_connected():
            if self._patience.is_over(consumer):
                self._release()
            raise Unavailable(f"receiving from {self._topic}: the connection is lost; the client is trying")
        return messages

    def acknowledge(self, receipt: object) -> None:
        """See `Inbox.acknowledge`. One that is lost with the connection brings the message again."""
        try:
            self._opened().acknowledge(receipt)
        except pulsar.PulsarException as error:
            raise unavailable(f"acknowledging in {self._topic}", error) from None

    def close(self) -> None:
        """See `Inbox.close`."""
        self._closed = True
        self._release()

    def _opened(self) -> pulsar.Consumer:
        if self._closed:
            raise Unavailable("the inbox is closed")
        if self._consumer is None:
            self._consumer = self._open()
        return self._consumer

    def _open(self) -> pulsar.Consumer:
        try:
            return self._client.subscribe(
                self._topic,
                self._subscription,
                consumer_type=pulsar.ConsumerType.Failover,
                initial_position=pulsar.InitialPosition.Earliest,
                receiver_queue_size=RECEIVE_QUEUE_MAX,
                batch_index_ack_enabled=True,
            )
        except pulsar.PulsarException as error:
            raise unavailable(f"opening subscription {self._subscription} of {self._topic}", error) from None

    def _release(self) -> None:
        if self._consumer is not None:
            _close(self._consumer)
            self._consumer = None


def _close(opened: pulsar.Reader | pulsar.Consumer) -> None:
    with suppress(pulsar.PulsarException):  # a lost connection needs no closing
        opened.close()
