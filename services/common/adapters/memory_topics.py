"""Topics in memory: publisher and inbox of the embedded profile, simulations and tests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Condition
from typing import Final

from services.common.ports import Clock, Message, Unavailable
from services.common.runtime import SystemClock
from services.common.topics import TOPICS

RETAINED_MAX: Final = 10_000
BACKLOG_MAX: Final = 10_000
BLOCK_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Subscription:
    """A cursor that outlives its consumers: unacknowledged messages in order, and which of them the first consumer does not have yet."""

    unacknowledged: dict[int, Message] = field(default_factory=dict)
    undelivered: deque[int] = field(default_factory=deque)
    consumers: list[MemoryInbox] = field(default_factory=list)

    def redeliver(self) -> None:
        self.undelivered = deque(self.unacknowledged)


@dataclass(slots=True)
class _Topic:
    retained: deque[Message]
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    published: int = 0


class MemoryBroker:
    """The topics of one process. Thread-safe.

    Parameters
    ----------
    retained_max : int
        Newest messages of a topic that stay for new subscriptions; older ones are dropped.
    backlog_max : int
        Unacknowledged messages of one subscription before publishing to its topic blocks.
    block_seconds : float
        How long publishing blocks before it raises Unavailable.
    clock : Clock, optional
        Says when a message was sent; the system's if left out.
    """

    def __init__(
        self,
        *,
        retained_max: int = RETAINED_MAX,
        backlog_max: int = BACKLOG_MAX,
        block_seconds: float = BLOCK_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._retained_max = retained_max
        self._backlog_max = backlog_max
        self._block_seconds = block_seconds
        self._clock = clock or SystemClock()
        self._changed = Condition()
        self._topics: dict[str, _Topic] = {}

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        """Add one message to a topic and to the backlog of its subscriptions."""
        with self._changed:
            at = self._topic(topic)
            fits = self._changed.wait_for(
                lambda: all(len(s.unacknowledged) < self._backlog_max for s in at.subscriptions.values()), self._block_seconds
            )
            if not fits:
                full = [name for name, s in at.subscriptions.items() if len(s.unacknowledged) >= self._backlog_max]
                raise Unavailable(f"topic {topic}: subscriptions {full} hold {self._backlog_max} unacknowledged messages, their most")
            at.published += 1
            message = Message(key, payload, at.published, self._clock.now_ns())
            at.retained.append(message)
            for subscription in at.subscriptions.values():
                subscription.unacknowledged[at.published] = message
                subscription.undelivered.append(at.published)
            self._changed.notify_all()

    def retained(self, topic: str) -> list[Message]:
        """Return the messages of a topic that are still there, oldest first."""
        with self._changed:
            return list(self._topic(topic).retained)

    def subscribe(self, topic: str, name: str) -> None:
        """Create a durable subscription at the earliest retained message. Idempotent."""
        with self._changed:
            at = self._topic(topic)
            if name not in at.subscriptions:
                subscription = _Subscription({int(str(m.receipt)): m for m in at.retained})
                subscription.redeliver()
                at.subscriptions[name] = subscription

    def inbox(self, topic: str, name: str) -> MemoryInbox:
        """Open a consumer of a subscription, creating it when new. The oldest open one receives, the others stand by."""
        self.subscribe(topic, name)
        with self._changed:
            subscription = self._topic(topic).subscriptions[name]
            inbox = MemoryInbox(self, subscription)
            subscription.consumers.append(inbox)
            return inbox

    def _topic(self, name: str) -> _Topic:
        if name not in TOPICS:
            raise ValueError(f"topic {name!r} is unknown; there are {', '.join(TOPICS)}")
        return self._topics.setdefault(name, _Topic(deque(maxlen=self._retained_max)))


class MemoryPublisher:
    """See `Publisher`: publishes to a broker in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._closed = False

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        """See `Publisher.publish`."""
        self._check_open()
        self._broker.publish(topic, key, payload)

    def flush(self, timeout_seconds: float) -> None:
        """See `Publisher.flush`; memory is all the durability there is."""
        self._check_open()

    def close(self) -> None:
        """See `Publisher.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the publisher is closed")


class MemoryInbox:
    """See `Inbox`. Made by `MemoryBroker.inbox`; unacknowledged messages come again, in order, after it closes."""

    def __init__(self, broker: MemoryBroker, subscription: _Subscription) -> None:
        self._broker = broker
        self._subscription = subscription
        self._closed = False

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """See `Inbox.receive`."""
        changed, subscription = self._broker._changed, self._subscription
        with changed:
            changed.wait_for(lambda: self._closed or self._waiting() > 0, timeout_seconds)
            self._check_open()
            count = min(max_messages, self._waiting())
            return [subscription.unacknowledged[subscription.undelivered.popleft()] for _ in range(count)]

    def acknowledge(self, receipt: object) -> None:
        """See `Inbox.acknowledge`. Idempotent."""
        with self._broker._changed:
            self._check_open()
            self._subscription.unacknowledged.pop(int(str(receipt)), None)
            self._broker._changed.notify_all()

    def close(self) -> None:
        """See `Inbox.close`."""
        with self._broker._changed:
            if not self._closed:
                self._closed = True
                if self._subscription.consumers[0] is self:
                    self._subscription.redeliver()
                self._subscription.consumers.remove(self)
            self._broker._changed.notify_all()

    def _waiting(self) -> int:
        return len(self._subscription.undelivered) if self._subscription.consumers[0] is self else 0

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the inbox is closed")
