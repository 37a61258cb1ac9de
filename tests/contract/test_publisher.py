"""The contract of `Publisher`, over every adapter: what is published, a subscriber gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulsar
import pytest
from pulsar.schema import Double, JsonSchema, Long, Map, String
from pulsar.schema import Record as PulsarRecord

from risk_core.records import RiskResult
from services.common.adapters.pulsar import PulsarPublisher
from services.common.ports import Publisher, Unavailable
from services.common.schemas import MESSAGES, broker_schema, encode_result
from services.common.topics import TOPICS, Topics
from tests.contract.exchanges import Exchange, MemoryExchange, PulsarExchange, receive_all
from tests.contract.pulsar_topics import admin

FLUSH_SECONDS = 20.0
RESULT = RiskResult(
    "run",
    3,
    1_205_366_400_000_000_000,
    "historical",
    1,
    0.99,
    0,
    "USD",
    0.1 + 0.2,
    -1.5,
    500,
    2**53 + 1,
    0.0,
    0.0,
    0.25,
    "ok",
    0.5,
    measures={"spectral_risk": 1234.5},
)


@pytest.fixture(params=["memory", pytest.param("pulsar", marks=pytest.mark.pulsar)])
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    made: Exchange = MemoryExchange() if request.param == "memory" else PulsarExchange(request.getfixturevalue("pulsar_server"))
    yield made
    made.close()


@pytest.fixture
def publisher(exchange: Exchange) -> Iterator[Publisher]:
    made = exchange.publisher()
    yield made
    made.close()


def test_messages_arrive_in_order_with_their_keys_and_exact_bytes(exchange: Exchange, publisher: Publisher) -> None:
    inbox = exchange.inbox("zones", "reader")
    sent = [(f"key {k % 3}", b"%d:" % k + bytes(range(256))) for k in range(300)]
    for key, payload in sent:
        publisher.publish("zones", key, payload)
    publisher.flush(FLUSH_SECONDS)
    assert [(message.key, message.payload) for message in receive_all(inbox, 300)] == sent


def test_topics_are_apart(exchange: Exchange, publisher: Publisher) -> None:
    zones, breaches = exchange.inbox("zones", "reader"), exchange.inbox("breaches", "reader")
    publisher.publish("zones", "", b"zone")
    publisher.publish("breaches", "", b"breach")
    publisher.flush(FLUSH_SECONDS)
    assert [message.payload for message in receive_all(zones, 1)] == [b"zone"]
    assert [message.payload for message in receive_all(breaches, 1)] == [b"breach"]
    assert zones.receive(1, 0.0) == breaches.receive(1, 0.0) == []


def test_two_subscriptions_each_get_everything(exchange: Exchange, publisher: Publisher) -> None:
    inboxes = [exchange.inbox("zones", name) for name in ("one", "two")]
    for k in range(10):
        publisher.publish("zones", "k", b"%d" % k)
    publisher.flush(FLUSH_SECONDS)
    for inbox in inboxes:
        assert [message.payload for message in receive_all(inbox, 10)] == [b"%d" % k for k in range(10)]


def test_results_are_published_as_their_message(exchange: Exchange, publisher: Publisher) -> None:
    inbox = exchange.inbox("results", "reader")
    publisher.publish("results", "3", encode_result(RESULT))
    publisher.flush(FLUSH_SECONDS)
    (message,) = receive_all(inbox, 1)
    assert message.payload == encode_result(RESULT)
    assert json.loads(message.payload)["value_at_risk"] == RESULT.value_at_risk


def test_an_unknown_topic_is_refused(publisher: Publisher) -> None:
    with pytest.raises(ValueError, match="'resluts' is unknown; there are log"):
        publisher.publish("resluts", "", b"")


def test_flush_of_nothing_returns(publisher: Publisher) -> None:
    publisher.flush(1.0)


def test_a_closed_publisher_is_unavailable(exchange: Exchange) -> None:
    publisher = exchange.publisher()
    publisher.publish("zones", "", b"x")
    publisher.close()
    publisher.close()
    with pytest.raises(Unavailable):
        publisher.publish("zones", "", b"x")
    with pytest.raises(Unavailable):
        publisher.flush(1.0)


def test_closing_flushes(exchange: Exchange) -> None:
    inbox = exchange.inbox("zones", "reader")
    publisher = exchange.publisher()
    for k in range(50):
        publisher.publish("zones", "k", b"%d" % k)
    publisher.close()
    assert len(receive_all(inbox, 50)) == 50


# ------------------------------------------------------------ what only a broker has


@pytest.fixture
def broker_exchange(request: pytest.FixtureRequest) -> Iterator[PulsarExchange]:
    made = PulsarExchange(request.getfixturevalue("pulsar_server"))
    yield made
    made.close()


class RiskResultMessage(PulsarRecord):  # type: ignore[misc]
    """What a stranger writes down from the registered schema."""

    _avro_namespace = "plimsoll"
    schema_version = Long(required=True)
    run_id = String(required=True)
    node_id = Long(required=True)
    as_of = String(required=True)
    as_of_ns = Long(required=True)
    method = String(required=True)
    horizon_days = Long(required=True)
    confidence = Double(required=True)
    revision = Long(required=True)
    currency = String(required=True)
    value_at_risk = Double()
    expected_shortfall = Double()
    scenario_count = Long(required=True)
    log_seq = Long(required=True)
    stale_share = Double(required=True)
    proxied_share = Double(required=True)
    thin_share = Double(required=True)
    status = String(required=True)
    value_at_risk_error = Double()
    value_at_risk_lower = Double()
    value_at_risk_upper = Double()
    expected_shortfall_error = Double()
    expected_shortfall_lower = Double()
    expected_shortfall_upper = Double()
    measures = Map(Double())


@pytest.mark.pulsar
def test_a_stranger_reads_results_through_the_registered_schema(broker_exchange: PulsarExchange) -> None:
    client = broker_exchange.connection.client
    address = broker_exchange.topics.address("results")
    consumer = client.subscribe(address, "stranger", schema=JsonSchema(RiskResultMessage), initial_position=pulsar.InitialPosition.Earliest)
    publisher = broker_exchange.publisher()
    publisher.publish("results", "3", encode_result(RESULT))
    publisher.flush(FLUSH_SECONDS)
    read: Any = consumer.receive(20_000).value()
    assert (read.value_at_risk_error, read.value_at_risk_lower, read.measures) == (0.5, None, {"spectral_risk": 1234.5})
    assert (read.node_id, read.value_at_risk, read.expected_shortfall, read.as_of_ns, read.log_seq, read.status) == (
        RESULT.node_id,
        RESULT.value_at_risk,
        RESULT.expected_shortfall,
        RESULT.as_of_ns,
        RESULT.log_seq,
        "ok",
    )
    publisher.close()


@pytest.mark.pulsar
@pytest.mark.parametrize("topic", MESSAGES)
def test_the_broker_has_each_schema_and_ours_adds_no_version(broker_exchange: PulsarExchange, topic: str) -> None:
    publisher = broker_exchange.publisher()
    publisher.publish(topic, "", b"{}")
    publisher.flush(FLUSH_SECONDS)
    path = f"schemas/{broker_exchange.topics.tenant}/{TOPICS[topic]}/schemas"
    (found,) = admin(broker_exchange.server, "GET", path).json()["getSchemaResponses"]
    assert found["type"] == "JSON"
    assert json.loads(found["data"]) == broker_schema(topic)
    publisher.close()


@pytest.mark.pulsar
def test_the_broker_refuses_a_producer_with_another_schema(broker_exchange: PulsarExchange) -> None:
    changed = broker_schema("results")
    changed["fields"] = [{**field, "type": "string"} if field["name"] == "value_at_risk" else field for field in changed["fields"]]
    publisher = PulsarPublisher(broker_exchange.connection, Topics(broker_exchange.topics.tenant), {"results": changed}, queue_max=10)
    with pytest.raises(Unavailable, match="IncompatibleSchema"):
        publisher.publish("results", "", b"{}")
    publisher.close()
