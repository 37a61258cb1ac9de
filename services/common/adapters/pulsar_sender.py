"""A producer with a bounded queue and recorded outcomes, shared by the log and the public topics on Pulsar."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Condition, RLock
from typing import Any, Final

import pulsar
from pulsar.schema import BytesSchema, Schema

from services.common.adapters.pulsar_connection import Connection, Patience, unavailable
from services.common.ports import Fenced, Unavailable

BLOCK_SECONDS: Final = 30.0
"""Longest wait of a sender for room in its queue."""
CLOSE_SECONDS: Final = 10.0
"""Longest wait at closing for what is queued."""
LOOK_SECONDS: Final = 0.5
"""How often a waiting caller looks after a lost connection."""
BATCHING: Final[Mapping[str, Any]] = {
    "batching_enabled": True,
    "batching_max_messages": 1000,
    "batching_max_allowed_size_in_bytes": 128 * 1024,
    "batching_max_publish_delay_ms": 1,
}
"""By measurement (benchmarks/bench_pulsar.py; figures in docs/decisions/0004-wire-format.md)."""


class Sender:
    """One producer. A queued message is sent until the broker has it: no time-out gives one up, so the order has no holes.

    A connection that is lost for long is opened anew and what is unsettled is sent again, in order. The broker may then have a
    message twice; readers drop the repeat. Only a refusal (fenced, not allowed) ends a sender: every later call raises.
    """

    def __init__(
        self, connection: Connection, topic: str, *, queue_max: int, schema: Schema | None = None, exclusive: bool = False
    ) -> None:
        self._client = connection.client
        self._topic = topic
        self._queue_max = queue_max
        self._schema = schema or BytesSchema()
        self._exclusive = exclusive
        self._patience = Patience(connection)
        self._order = RLock()  # keeps the producer's order that of _unsettled; taken before _changed, never after
        self._changed = Condition()
        self._unsettled: deque[tuple[bytes, str | None]] = deque()
        self._queued = 0
        self._generation = 0
        self._failure: pulsar.Result | None = None
        self._closed = False
        self._producer: pulsar.Producer | None = self._open()

    def send(self, payload: bytes, key: str | None = None) -> None:
        """Queue one message; blocks while the queue is full. Raises Unavailable or Fenced, and then nothing was queued."""
        with self._order:
            if not self._wait(lambda: len(self._unsettled) < self._queue_max, BLOCK_SECONDS):
                raise Unavailable(f"topic {self._topic}: {self._queue_max} messages wait to be sent, the most, for {BLOCK_SECONDS} s")
            with self._changed:
                self._unsettled.append((payload, key))
                self._queued += 1
            self._hand_over(payload, key)
            self._revive()

    def flush(self, timeout_seconds: float) -> None:
        """Return once everything queued before is durable; raise Unavailable or Fenced otherwise."""
        with self._changed:
            self._check()
            target = self._queued
        if not self._wait(lambda: self._queued - len(self._unsettled) >= target, timeout_seconds):
            raise Unavailable(f"topic {self._topic}: {len(self._unsettled)} messages are not durable after {timeout_seconds} s")

    def close(self) -> None:
        """Wait for what is queued, then release. Idempotent. Raises as `flush` does, after the release."""
        if self._closed:
            return
        try:
            self.flush(CLOSE_SECONDS)
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._release()

    # ---------------------------------------------------------- inside

    def _open(self) -> pulsar.Producer:
        mode = pulsar.ProducerAccessMode.ExclusiveWithFencing if self._exclusive else pulsar.ProducerAccessMode.Shared
        try:
            return self._client.create_producer(
                self._topic,
                schema=self._schema,
                send_timeout_millis=0,
                block_if_queue_full=True,
                max_pending_messages=self._queue_max,
                access_mode=mode,
                **BATCHING,
            )
        except pulsar.ProducerFenced:
            raise Fenced(f"topic {self._topic} has a newer exclusive producer") from None
        except pulsar.PulsarException as error:
            raise unavailable(f"opening a producer of {self._topic}", error) from None

    def _release(self) -> None:
        if self._producer is not None:
            with suppress(pulsar.PulsarException):  # a lost connection needs no closing
                self._producer.close()
            self._producer = None

    def _hand_over(self, payload: bytes, key: str | None) -> None:
        if self._producer is not None:
            self._producer.send_async(payload, partial(self._settle, self._generation), partition_key=key)

    def _settle(self, generation: int, result: pulsar.Result, _: object) -> None:
        """Record an outcome; they come in order. Runs on the client's thread: an exception here would end the process."""
        with self._changed:
            if generation != self._generation:
                return
            if result == pulsar.Result.Ok:
                self._unsettled.popleft()
            elif self._failure is None:
                self._failure = result
            self._changed.notify_all()

    def _wait(self, fulfilled: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            with self._changed:
                self._changed.wait_for(lambda: self._ended() or fulfilled(), max(0.0, min(left, LOOK_SECONDS)))
                self._check()
                if fulfilled():
                    return True
            if left <= 0:
                return False
            self._revive()

    def _revive(self) -> None:
        """Open a producer anew that the client left lost. Never an exclusive one: that would fence its successor."""
        if self._exclusive or not self._order.acquire(blocking=False):
            return  # or a sender is waiting for room, and looks after it
        try:
            if not self._patience.is_over(self._producer):
                return
            with self._changed:
                self._generation += 1  # what the old producer still reports no longer counts
            self._release()
            with suppress(Unavailable):
                self._producer = self._open()
            for payload, key in tuple(self._unsettled):
                self._hand_over(payload, key)
        finally:
            self._order.release()

    def _ended(self) -> bool:
        return self._closed or self._failure is not None

    def _check(self) -> None:
        if self._failure == pulsar.Result.ProducerFenced:
            raise Fenced(f"topic {self._topic} has a newer exclusive producer")
        if self._failure is not None:
            raise Unavailable(
                f"topic {self._topic}: a message was refused ({self._failure}); open it anew and send again from the last flush"
            )
        if self._closed:
            raise Unavailable(f"topic {self._topic} is closed")
