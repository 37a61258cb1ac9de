"""What the log on Pulsar does when its broker freezes, dies, loses what a position points at, or has another writer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pulsar
import pytest

from services.common.adapters import pulsar_sender
from services.common.adapters.pulsar import Connection, PulsarInbox, PulsarLog, PulsarPublisher, connect
from services.common.adapters.pulsar_admin import check, ensure_topics, missing
from services.common.ports import Entry, Fenced, LogReader, Message, Unavailable
from services.common.topics import Topics
from tests.contract.pulsar_topics import admin, log_settings, new_topic
from tests.real_servers import PulsarServer, free_ports, run_pulsar

pytestmark = [pytest.mark.pulsar, pytest.mark.slow]

QUEUE_MAX = 50
AWAY_SECONDS = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[PulsarServer]:
    """A broker of our own, to hurt."""
    with run_pulsar() as server:
        yield server


@pytest.fixture(scope="module")
def tenant(broker: PulsarServer) -> str:
    name = broker.new_tenant()
    ensure_topics(log_settings(broker, name))
    return name


@pytest.fixture
def client(broker: PulsarServer) -> Iterator[Connection]:
    made = connect(broker.url)
    yield made
    made.close()


@pytest.fixture
def log(broker: PulsarServer, tenant: str, client: Connection) -> Iterator[PulsarLog]:
    made = PulsarLog(client, new_topic(broker, tenant), queue_max=QUEUE_MAX, payload_bytes_max=10_000)
    yield made
    made.close()


def read_until(reader: LogReader, last: bytes, seconds: float = AWAY_SECONDS) -> list[Entry]:
    """Read through the first entry with this payload; an absence of the broker only takes time."""
    entries: list[Entry] = []
    deadline = time.monotonic() + seconds
    while last not in (entry.payload for entry in entries):
        assert time.monotonic() < deadline, f"{len(entries)} entries and not {last!r} among them"
        try:
            entries += reader.read(1000, 0.2)
        except Unavailable:
            time.sleep(0.1)
    return entries


def read_for(reader: LogReader, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        reader.read(1, 0.1)


def flush(log: PulsarLog, seconds: float = AWAY_SECONDS) -> None:
    log.flush(seconds)


def append_and_flush(log: PulsarLog, payload: bytes) -> None:
    log.append(payload)
    log.flush(20)


def without_repeats(entries: list[Entry]) -> list[bytes]:
    """Drop what a resending producer wrote twice, as the fold does by source_seq."""
    newest, kept = -1, []
    for entry in entries:
        if int(entry.payload) > newest:
            newest = int(entry.payload)
            kept.append(entry.payload)
    return kept


def test_records_queued_together_share_an_entry_of_the_ledger(log: PulsarLog) -> None:
    """Or the contract's restart at every position would not be about batches."""
    for k in range(60):
        log.append(b"%d" % k)
    log.flush(20)
    entries = read_until(log.reader(None), b"59")
    assert max(pulsar.MessageId.deserialize(entry.position).batch_index() for entry in entries) > 0


def test_a_frozen_broker_bounds_the_queue_and_nothing_is_lost(
    broker: PulsarServer, log: PulsarLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulsar_sender, "BLOCK_SECONDS", 0.5)
    reader = log.reader(None)
    log.append(b"0")
    log.flush(20)
    broker.unit.pause()
    try:
        for accepted in range(1, QUEUE_MAX + 1):
            log.append(b"%d" % accepted)
        with pytest.raises(Unavailable, match=f"{QUEUE_MAX} messages wait"):
            log.append(b"one more")
        with pytest.raises(Unavailable, match="not durable after"):
            log.flush(0.3)
    finally:
        broker.unit.resume()
    flush(log)
    log.append(b"last")
    flush(log)
    assert [entry.payload for entry in read_until(reader, b"last")] == [*(b"%d" % k for k in range(QUEUE_MAX + 1)), b"last"]


def test_a_killed_broker_comes_back_to_the_same_writer_and_readers(broker: PulsarServer, log: PulsarLog) -> None:
    reader = log.reader(None)
    for k in range(40):
        log.append(b"%d" % k)
    log.flush(20)
    seen = reader.read(25, 5.0)  # the rest waits in the client when the broker dies
    broker.unit.kill()
    for k in range(40, 60):
        log.append(b"%d" % k)
    with pytest.raises(Unavailable):
        log.flush(0.3)
    broker.unit.start()
    flush(log)
    log.append(b"60")
    flush(log)
    seen += read_until(reader, b"60")
    fresh = read_until(log.reader(None), b"60")
    assert seen == fresh  # the reader that lived through it counts what a new one counts
    assert without_repeats(fresh) == [b"%d" % k for k in range(61)]
    assert [entry.payload for entry in read_until(log.reader(seen[30].position), b"60")] == [entry.payload for entry in seen[31:]]


def test_appending_while_the_broker_dies_leaves_no_hole(broker: PulsarServer, log: PulsarLog) -> None:
    stop = threading.Event()
    count = 0

    def write() -> None:
        nonlocal count
        while not stop.is_set():
            with suppress(Unavailable):  # nothing was queued: the same record again
                log.append(b"%d" % count)
                count += 1
            time.sleep(0.001)

    reader = log.reader(None)
    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.5)
    broker.unit.kill()
    broker.unit.start()
    time.sleep(0.5)
    stop.set()
    writer.join(AWAY_SECONDS)
    assert not writer.is_alive()
    flush(log)
    seen = read_until(reader, b"%d" % (count - 1))
    assert count > QUEUE_MAX
    assert without_repeats(seen) == [b"%d" % k for k in range(count)]
    assert seen == read_until(log.reader(None), b"%d" % (count - 1))


def test_after_a_long_absence_work_goes_on_soon(broker: PulsarServer, log: PulsarLog) -> None:
    """The client's own pauses double: after 20 s away it would wait for up to 25 s more."""
    reader = log.reader(None)
    log.append(b"before")
    log.flush(20)
    read_until(reader, b"before")
    broker.unit.kill()
    log.append(b"meanwhile")
    away_until = time.monotonic() + 20.0
    while time.monotonic() < away_until:
        with pytest.raises(Unavailable):
            log.flush(0.5)
        with suppress(Unavailable):
            assert reader.read(1, 0.5) == []
    broker.unit.start()
    began = time.monotonic()
    flush(log)
    read_until(reader, b"meanwhile")
    assert time.monotonic() - began < 20.0


def test_a_reader_says_that_the_broker_is_away(broker: PulsarServer, log: PulsarLog) -> None:
    reader = log.reader(None)
    assert reader.read(1, 0.0) == []
    broker.unit.kill()
    try:
        with pytest.raises(Unavailable, match="connection is lost"):
            read_for(reader, 5.0)
    finally:
        broker.unit.start()
    log.append(b"back")
    flush(log)
    assert [entry.payload for entry in read_until(reader, b"back")] == [b"back"]


def test_an_inbox_gets_what_it_did_not_acknowledge_again_after_the_broker_died(broker: PulsarServer, client: Connection) -> None:
    topics = Topics(broker.new_tenant())
    ensure_topics(log_settings(broker, topics.tenant))
    publisher = PulsarPublisher(client, topics, {}, queue_max=QUEUE_MAX)
    inbox = PulsarInbox(client, topics.address("fills"), "ingest")
    for k in range(5):
        publisher.publish("fills", "k", b"%d" % k)
    publisher.flush(20)
    got: list[Message] = []
    while len(got) < 5:
        got += inbox.receive(5, 5.0)
    for message in got[:2]:
        inbox.acknowledge(message.receipt)
    inbox.close()
    broker.unit.kill()
    broker.unit.start()
    inbox = PulsarInbox(client, topics.address("fills"), "ingest")
    again: list[bytes] = []
    deadline = time.monotonic() + AWAY_SECONDS
    while b"4" not in again and time.monotonic() < deadline:
        again += [message.payload for message in inbox.receive(5, 0.5)]
    # An acknowledgement may be lost with the broker; a message that has none may not.
    assert again[-3:] == [b"2", b"3", b"4"]
    inbox.close()
    publisher.close()


def test_a_newer_exclusive_writer_fences_the_older(broker: PulsarServer, tenant: str, client: Connection) -> None:
    topic = new_topic(broker, tenant)
    older, newer = (PulsarLog(client, topic, queue_max=QUEUE_MAX, payload_bytes_max=100, exclusive=True) for _ in range(2))
    older.append(b"0")
    older.flush(20)
    newer.append(b"1")
    newer.flush(20)
    with pytest.raises(Fenced):
        append_and_flush(older, b"stale")
    with pytest.raises(Fenced):
        older.append(b"stale")
    newer.append(b"2")
    newer.flush(20)
    assert [entry.payload for entry in read_until(newer.reader(None), b"2")] == [b"0", b"1", b"2"]
    with pytest.raises(Fenced):
        older.close()
    newer.close()


def test_a_position_that_retention_removed_is_refused(broker: PulsarServer, tenant: str, client: Connection) -> None:
    topic = new_topic(broker, tenant)
    path = "persistent/" + topic.removeprefix("persistent://")
    admin(broker, "POST", f"{path}/retention", {"retentionTimeInMinutes": 0, "retentionSizeInMB": 0})
    log = PulsarLog(client, topic, queue_max=QUEUE_MAX, payload_bytes_max=100)
    log.append(b"old")
    log.flush(20)
    old = log.reader(None)
    position = old.read(1, 20.0)[0].position
    old.close()
    deadline = time.monotonic() + AWAY_SECONDS
    while log_size(broker, path) > 0:
        assert time.monotonic() < deadline, "the broker did not trim the topic"
        admin(broker, "PUT", f"{path}/unload")
        admin(broker, "POST", f"{path}/trim")
        time.sleep(0.3)
    log.append(b"new")
    log.flush(20)
    with pytest.raises(ValueError, match="retention removed it"):
        log.reader(position)
    log.close()


def log_size(broker: PulsarServer, path: str) -> int:
    size: int = admin(broker, "GET", f"{path}/stats").json()["storageSize"]
    return size


def test_a_missing_topic_and_a_missing_broker_are_unavailable(tenant: str, client: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    log = PulsarLog(client, f"persistent://{tenant}/input/nobody-made-this", queue_max=1, payload_bytes_max=100)
    with pytest.raises(Unavailable, match="plimsoll doctor"):
        log.append(b"x")
    monkeypatch.setattr("services.common.adapters.pulsar_connection.OPERATION_SECONDS", 1)
    nowhere = connect(f"pulsar://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(Unavailable):
        PulsarLog(nowhere, f"persistent://{tenant}/input/log", queue_max=1, payload_bytes_max=100).reader(None)
    nowhere.close()


def test_set_up_says_what_is_missing_and_repeats_harmlessly(broker: PulsarServer) -> None:
    settings = log_settings(broker, broker.new_tenant())
    wanted = missing(settings)
    assert f"tenant {settings.tenant}" in wanted
    assert f"schema of {settings.tenant}/analytics/results" in wanted
    with pytest.raises(Unavailable, match="plimsoll doctor"):
        check(settings)
    assert ensure_topics(settings) == wanted
    assert missing(settings) == []
    assert ensure_topics(settings) == []
    assert f"{settings.tenant}/input/log" in check(settings)
    hours = settings.model_copy(update={"retention_hours": 48})
    assert missing(hours) == [f"namespace {settings.tenant}/input: retention 2880 minutes, -1 MiB (-1: no bound)"]
    ensure_topics(hours)
    assert admin(broker, "GET", f"namespaces/{settings.tenant}/input/retention").json() == {
        "retentionTimeInMinutes": 2880,
        "retentionSizeInMB": -1,
    }


def test_set_up_without_a_broker_is_unavailable(broker: PulsarServer) -> None:
    settings = log_settings(broker, "nobody").model_copy(update={"admin_url": f"http://127.0.0.1:{free_ports(1)[0]}"})
    with pytest.raises(Unavailable, match="RISK_LOG__ADMIN_URL"):
        missing(settings)
