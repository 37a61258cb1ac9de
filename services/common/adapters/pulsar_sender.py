"""A producer with a bounded queue and recorded outcomes, shared by the log and the public topics on Pulsar."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from threading import Condition
from typing import Any, Final

import pulsar
from pulsar.schema import BytesSchema, Schema

from services.common.ports import Fenced, Unavailable

BLOCK_SECONDS: Final = 30.0
"""Longest wait of a sender for room in its queue."""
CLOSE_SECONDS: Final = 10.0
"""Longest wait at closing for what is queued."""
BATCHING: Final[Mapping[str, Any]] = {
    "batching_enabled": True,
    "batching_max_messages": 1000,
    "batching_max_allowed_size_in_bytes": 128 * 1024,
    "batching_max_publish_delay_ms": 1,
}
"""By measurement (benchmarks/bench_pulsar.py; figures in docs/decisions/0004-wire-format.md)."""


def unavailable(what: str, error: Exception) -> Unavailable:
    """Return the port's exception for one of the client's."""
    if isinstance(error, pulsar.TopicNotFound):
        return Unavailable(f"{what}: the topic does not exist; `plimsoll doctor` says what is missing")
    return Unavailable(f"{what}: {error}")


class Sender:
    """One producer with a bounded queue of its own. Callbacks only record outcomes; callers look at them.

    A failed send leaves a hole in the order, so it ends the sender: every later call raises.
    """

    def __init__(self, client: pulsar.Client, topic: str, *, queue_max: int, schema: Schema | None = None, exclusive: bool = False) -> None:
        self._topic = topic
        self._queue_max = queue_max
        self._changed = Condition()
        self._waiting = 0
        self._failure: pulsar.Result | None = None
        self._closed = False
        mode = pulsar.ProducerAccessMode.ExclusiveWithFencing if exclusive else pulsar.ProducerAccessMode.Shared
        try:
            self._producer = client.create_producer(
                topic,
                schema=schema or BytesSchema(),
                send_timeout_millis=0,
                block_if_queue_full=True,
                max_pending_messages=queue_max,
                access_mode=mode,
                **BATCHING,
            )
        except pulsar.ProducerFenced:
            raise Fenced(f"topic {topic} has a newer exclusive producer") from None
        except pulsar.PulsarException as error:
            raise unavailable(f"opening a producer of {topic}", error) from None

    def send(self, payload: bytes, key: str | None = None) -> None:
        """Queue one message; blocks while the queue is full. Raises Unavailable or Fenced, and then nothing was queued."""
        with self._changed:
            free = self._changed.wait_for(lambda: self._ended() or self._waiting < self._queue_max, BLOCK_SECONDS)
            self._check()
            if not free:
                raise Unavailable(f"topic {self._topic}: {self._waiting} messages wait to be sent, the most, for {BLOCK_SECONDS} s")
            self._waiting += 1
        try:
            self._producer.send_async(payload, self._settle, partition_key=key)
        except pulsar.PulsarException as error:
            with self._changed:
                self._waiting -= 1
            raise unavailable(f"sending to {self._topic}", error) from None

    def _settle(self, result: pulsar.Result, _: object) -> None:
        """Record an outcome. Runs on the client's thread: an exception here would end the process."""
        with self._changed:
            self._waiting -= 1
            if result != pulsar.Result.Ok and self._failure is None:
                self._failure = result
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> None:
        """Return once everything queued is durable; raise Unavailable or Fenced otherwise."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or self._waiting == 0, timeout_seconds)
            self._check()
            if self._waiting:
                raise Unavailable(f"topic {self._topic}: {self._waiting} messages are not durable after {timeout_seconds} s")

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
            with suppress(pulsar.PulsarException):  # a lost connection needs no closing
                self._producer.close()

    def _ended(self) -> bool:
        return self._closed or self._failure is not None

    def _check(self) -> None:
        if self._failure is not None:
            if self._failure == pulsar.Result.ProducerFenced:
                raise Fenced(f"topic {self._topic} has a newer exclusive producer")
            raise Unavailable(
                f"topic {self._topic}: a message was refused ({self._failure}); open it anew and send again from the last flush"
            )
        if self._closed:
            raise Unavailable(f"topic {self._topic} is closed")
