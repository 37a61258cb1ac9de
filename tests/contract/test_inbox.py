"""The contract of `Inbox`, over every adapter: at least once, in order, until acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from services.common.ports import Inbox, Message, Unavailable
from tests.contract.exchanges import Exchange, MemoryExchange, PostgresExchange, PulsarExchange, receive_all

FLUSH_SECONDS = 20.0


@pytest.fixture(params=["memory", "postgres", pytest.param("pulsar", marks=pytest.mark.pulsar)])
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    made: Exchange
    match request.param:
        case "memory":
            made = MemoryExchange()
        case "postgres":
            made = PostgresExchange(request.getfixturevalue("embedded_servers").history)
        case _:
            made = PulsarExchange(request.getfixturevalue("pulsar_server"))
    yield made
    made.close()


def publish(exchange: Exchange, payloads: list[bytes]) -> None:
    publisher = exchange.publisher()
    for payload in payloads:
        publisher.publish("fills", "portfolio", payload)
    publisher.flush(FLUSH_SECONDS)
    publisher.close()


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % k for k in range(first, first + count)]


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


def acknowledge(inbox: Inbox, messages: list[Message]) -> None:
    for message in messages:
        inbox.acknowledge(message.receipt)


def test_messages_come_in_order_with_key_and_payload(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(200))
    messages = receive_all(inbox, 200)
    assert payloads(messages) == numbered(200)
    assert {message.key for message in messages} == {"portfolio"}


def test_messages_say_when_they_were_sent_however_late_they_are_read(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    before_ns = time.time_ns()
    publish(exchange, numbered(3))
    after_ns = time.time_ns()
    time.sleep(0.2)
    sent_ns = [message.sent_ns for message in receive_all(inbox, 3)]
    assert sent_ns == sorted(sent_ns)
    assert before_ns - 1_000_000 <= sent_ns[0] <= sent_ns[-1] <= after_ns  # some say it in milliseconds


def test_a_new_subscription_begins_at_the_earliest_message(exchange: Exchange) -> None:
    publish(exchange, numbered(5))
    assert payloads(receive_all(exchange.inbox("fills", "ingest"), 5)) == numbered(5)


def test_no_more_than_asked_for(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(10))
    assert len(inbox.receive(4, 10.0)) == 4
    assert payloads(receive_all(inbox, 6)) == numbered(6, first=4)


def test_receive_waits_for_the_first_only(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    later = threading.Timer(0.3, publish, (exchange, [b"late"]))
    later.start()
    began = time.monotonic()
    assert payloads(inbox.receive(100, 15.0)) == [b"late"]
    assert 0.25 <= time.monotonic() - began < 10.0
    later.join()


def test_receive_gives_up_after_the_time_out(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    began = time.monotonic()
    assert inbox.receive(1, 0.3) == []
    assert 0.28 <= time.monotonic() - began < 3.0


def test_what_was_not_acknowledged_comes_again_in_order_after_closing(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(10))
    receive_all(inbox, 10)
    inbox.close()
    inbox = exchange.inbox("fills", "ingest")
    assert payloads(receive_all(inbox, 10)) == numbered(10)
    assert inbox.receive(1, 0.2) == []


def test_what_was_acknowledged_does_not_come_again(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(10))
    acknowledge(inbox, receive_all(inbox, 10)[:6])
    exchange.settle()
    inbox.close()
    inbox = exchange.inbox("fills", "ingest")
    assert payloads(receive_all(inbox, 4)) == numbered(4, first=6)
    assert inbox.receive(1, 0.2) == []


def test_acknowledging_twice_is_harmless(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(2))
    first, _ = receive_all(inbox, 2)
    acknowledge(inbox, [first, first])
    exchange.settle()
    inbox.close()
    assert payloads(receive_all(exchange.inbox("fills", "ingest"), 1)) == numbered(1, first=1)


def test_messages_wait_for_a_subscription_that_nobody_reads(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    publish(exchange, numbered(1))
    acknowledge(inbox, receive_all(inbox, 1))
    exchange.settle()
    inbox.close()
    publish(exchange, numbered(3, first=1))
    assert payloads(receive_all(exchange.inbox("fills", "ingest"), 3)) == numbered(3, first=1)


def test_one_receives_and_the_other_stands_by_until_it_leaves(exchange: Exchange) -> None:
    inboxes = [exchange.inbox("fills", "ingest") for _ in range(2)]
    publish(exchange, numbered(6))
    deadline = time.monotonic() + 20
    messages: list[Message] = []
    while not messages and time.monotonic() < deadline:
        inboxes.reverse()
        messages = inboxes[0].receive(6, 0.2)
    active, standby = inboxes  # which of the two is the broker's choice
    messages += receive_all(active, 6 - len(messages))
    assert payloads(messages) == numbered(6)
    assert standby.receive(1, 0.5) == []
    acknowledge(active, messages[:2])
    exchange.settle()
    active.close()
    assert payloads(receive_all(standby, 4)) == numbered(4, first=2)


def test_a_closed_inbox_is_unavailable(exchange: Exchange) -> None:
    inbox = exchange.inbox("fills", "ingest")
    inbox.close()
    inbox.close()
    with pytest.raises(Unavailable):
        inbox.receive(1, 0.0)
    with pytest.raises(Unavailable):
        inbox.acknowledge(None)
