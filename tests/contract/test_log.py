"""The contract of `Log`, over every adapter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.pulsar import Connection, PulsarLog, connect
from services.common.adapters.pulsar_admin import ensure_topics
from services.common.ports import Entry, Log, LoggedEntry, LogReader, Unavailable
from tests.contract.pulsar_topics import log_settings, new_topic
from tests.real_servers import PulsarServer

PAYLOAD_BYTES_MAX = 50_000
QUEUE_MAX = 100
FLUSH_SECONDS = 20.0


class Place(Protocol):
    """One log in one technology; `open` gives a handle on it, as a starting process would."""

    def open(self) -> Log:
        """Return a new handle."""
        ...

    def restart(self, log: Log) -> Log:
        """Close a handle and return one of a new process: positions taken before must still hold."""
        ...

    def foreign_position(self) -> bytes:
        """Return a position that this log does not have."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


@dataclass
class MemoryPlace:
    """Memory over a table, as in the embedded profile: a restart keeps the table only."""

    table: list[LoggedEntry] = field(default_factory=list)

    def open(self) -> Log:
        return MemoryLog(
            entries_max=QUEUE_MAX * 100,
            payload_bytes_max=PAYLOAD_BYTES_MAX,
            after_log_seq=len(self.table),
            older=lambda after, through: iter(self.table[after:through]),
        )

    def restart(self, log: Log) -> Log:
        assert isinstance(log, MemoryLog)
        for entry in read_all(log.reader(None), log.last_log_seq)[len(self.table) :]:
            self.table.append(LoggedEntry(len(self.table) + 1, entry.position, entry.payload))
        log.trim(len(self.table))
        log.close()
        return self.open()

    def foreign_position(self) -> bytes:
        return (10**9).to_bytes(8, "big")

    def close(self) -> None:
        pass


@dataclass
class PulsarPlace:
    """A topic of a real broker; each handle has its own client, as each process would."""

    service_url: str
    topic: str
    other_topic: str
    clients: list[Connection] = field(default_factory=list)

    def open(self) -> Log:
        client = connect(self.service_url)
        self.clients.append(client)
        return PulsarLog(client, self.topic, queue_max=QUEUE_MAX, payload_bytes_max=PAYLOAD_BYTES_MAX)

    def restart(self, log: Log) -> Log:
        log.close()
        return self.open()

    def foreign_position(self) -> bytes:
        client = connect(self.service_url)
        self.clients.append(client)
        log = PulsarLog(client, self.other_topic, queue_max=QUEUE_MAX, payload_bytes_max=PAYLOAD_BYTES_MAX)
        log.append(b"elsewhere")
        log.flush(FLUSH_SECONDS)
        return read_all(log.reader(None), 1)[0].position

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(params=["memory", pytest.param("pulsar", marks=pytest.mark.pulsar)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made: Place
    if request.param == "memory":
        made = MemoryPlace()
    else:
        server, tenant = request.getfixturevalue("pulsar_server"), request.getfixturevalue("pulsar_tenant")
        made = PulsarPlace(server.url, new_topic(server, tenant), new_topic(server, tenant))
    yield made
    made.close()


@pytest.fixture(scope="module")
def pulsar_tenant(pulsar_server: PulsarServer) -> str:
    tenant = pulsar_server.new_tenant()
    ensure_topics(log_settings(pulsar_server, tenant))
    return tenant


def fill(log: Log, payloads: list[bytes]) -> None:
    for payload in payloads:
        log.append(payload)
    log.flush(FLUSH_SECONDS)


def read_all(reader: LogReader, count: int, at_once: int = 1000) -> list[Entry]:
    """Read exactly `count` entries, and see that no more come with them."""
    entries: list[Entry] = []
    deadline = time.monotonic() + 20
    while len(entries) < count and time.monotonic() < deadline:
        entries += reader.read(at_once, 0.2)
    assert len(entries) == count
    return entries


def numbered(count: int, label: str = "") -> list[bytes]:
    return [f"{label}{k}:".encode() + bytes([k % 256]) * (k % 97) for k in range(count)]


# ------------------------------------------------------------ order and content


def test_entries_come_in_the_order_appended_with_their_exact_bytes(place: Place) -> None:
    payloads = [*numbered(1000), bytes(range(256)), b"\x00", b"x" * PAYLOAD_BYTES_MAX]
    log = place.open()
    fill(log, payloads)
    assert [entry.payload for entry in read_all(log.reader(None), len(payloads))] == payloads


def test_a_reader_opened_first_sees_what_comes_later(place: Place) -> None:
    log = place.open()
    reader = log.reader(None)
    assert reader.read(10, 0.0) == []
    fill(log, numbered(5))
    assert [entry.payload for entry in read_all(reader, 5)] == numbered(5)


def test_positions_are_distinct(place: Place) -> None:
    log = place.open()
    fill(log, numbered(300))
    assert len({entry.position for entry in read_all(log.reader(None), 300)}) == 300


def test_every_position_restarts_at_the_next_entry(place: Place) -> None:
    """Also inside a batch of the broker: 60 records queued at once share few entries of the ledger."""
    log = place.open()
    payloads = numbered(60)
    fill(log, payloads)
    entries = read_all(log.reader(None), 60)
    for k, entry in enumerate(entries):
        reader = log.reader(entry.position)
        assert [e.payload for e in read_all(reader, 59 - k)] == payloads[k + 1 :]
        assert reader.read(1, 0.0) == []
        assert reader.caught_up()
        reader.close()


def test_a_reader_after_the_last_entry_gets_the_next_one_appended(place: Place) -> None:
    log = place.open()
    fill(log, numbered(3))
    reader = log.reader(read_all(log.reader(None), 3)[-1].position)
    assert reader.read(10, 0.1) == []
    fill(log, [b"next"])
    assert [entry.payload for entry in read_all(reader, 1)] == [b"next"]


def test_a_position_the_log_does_not_have_is_refused(place: Place) -> None:
    log = place.open()
    fill(log, numbered(3))
    with pytest.raises(ValueError, match="position"):
        log.reader(place.foreign_position())


@pytest.mark.parametrize("position", [b"", b"\xff\xff\xff", b"not a position"])
def test_bytes_that_are_no_position_are_refused(place: Place, position: bytes) -> None:
    with pytest.raises(ValueError, match="position"):
        place.open().reader(position)


# ------------------------------------------------------------ waiting and bounds


def test_read_waits_for_the_first_entry_only(place: Place) -> None:
    log = place.open()
    reader = log.reader(None)
    appended = threading.Timer(0.3, fill, (log, [b"late"]))
    appended.start()
    began = time.monotonic()
    entries = reader.read(1000, 15.0)
    waited = time.monotonic() - began
    appended.join()
    assert [entry.payload for entry in entries] == [b"late"]
    assert 0.25 <= waited < 5.0


def test_read_gives_up_after_the_time_out(place: Place) -> None:
    reader = place.open().reader(None)
    began = time.monotonic()
    assert reader.read(10, 0.3) == []
    assert 0.28 <= time.monotonic() - began < 3.0


def test_read_returns_no_more_than_asked_for(place: Place) -> None:
    log = place.open()
    fill(log, numbered(10))
    reader = log.reader(None)
    first = reader.read(4, 15.0)
    assert 1 <= len(first) <= 4  # one at least; whether the others are here yet is the server's affair
    rest = read_all(reader, 10 - len(first), at_once=4)
    assert [entry.payload for entry in first + rest] == numbered(10)


def test_caught_up_says_whether_all_was_read(place: Place) -> None:
    log = place.open()
    reader = log.reader(None)
    assert reader.caught_up()
    fill(log, numbered(3))
    assert not reader.caught_up()
    read_all(reader, 2, at_once=2)
    assert not reader.caught_up()
    read_all(reader, 1)
    assert reader.caught_up()
    assert not log.reader(None).caught_up()


def test_an_oversize_record_is_refused_before_it_is_sent(place: Place) -> None:
    log = place.open()
    with pytest.raises(ValueError, match=f"{PAYLOAD_BYTES_MAX + 1} bytes: at most {PAYLOAD_BYTES_MAX}"):
        log.append(b"x" * (PAYLOAD_BYTES_MAX + 1))
    fill(log, [b"fits"])
    assert [entry.payload for entry in read_all(log.reader(None), 1)] == [b"fits"]


def test_more_than_the_queue_holds_goes_through_in_order(place: Place) -> None:
    log = place.open()
    payloads = numbered(20 * QUEUE_MAX)
    fill(log, payloads)
    assert [entry.payload for entry in read_all(log.reader(None), len(payloads))] == payloads


# ------------------------------------------------------------ several of them


def test_readers_are_independent(place: Place) -> None:
    log = place.open()
    fill(log, numbered(20))
    fast, slow = log.reader(None), log.reader(None)
    read_all(fast, 20)
    assert [entry.payload for entry in read_all(slow, 1, at_once=1)] == numbered(1)
    fast.close()
    assert [entry.payload for entry in read_all(slow, 19)] == numbered(20)[1:]


def test_readers_number_the_entries_alike(place: Place) -> None:
    """log_seq is a count: two readers, one of them restarted at every third entry, must see the same sequence."""
    log = place.open()
    fill(log, numbered(50))
    whole = read_all(log.reader(None), 50)
    pieces: list[Entry] = []
    while len(pieces) < 50:
        reader = log.reader(pieces[-1].position if pieces else None)
        pieces += read_all(reader, min(3, 50 - len(pieces)), at_once=3)[:3]
        reader.close()
    assert pieces == whole


def test_concurrent_writers_each_keep_their_own_order(place: Place) -> None:
    log = place.open()
    labels = [f"writer {k} " for k in range(4)]
    threads = [threading.Thread(target=fill, args=(log, numbered(300, label))) for label in labels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = [entry.payload for entry in read_all(log.reader(None), 1200)]
    for label in labels:
        assert [payload for payload in entries if payload.startswith(label.encode())] == numbered(300, label)


# ------------------------------------------------------------ durability and closing


def test_what_was_flushed_is_there_after_a_restart_and_positions_hold(place: Place) -> None:
    log = place.open()
    fill(log, numbered(40))
    before = read_all(log.reader(None), 40)
    log = place.restart(log)
    assert read_all(log.reader(None), 40) == before
    assert read_all(log.reader(before[9].position), 30) == before[10:]
    fill(log, [b"after"])
    after = read_all(log.reader(before[-1].position), 1)
    assert [entry.payload for entry in after] == [b"after"]
    log = place.restart(log)
    assert read_all(log.reader(before[20].position), 20) == [*before[21:], *after]


def test_closing_flushes(place: Place) -> None:
    log = place.open()
    for payload in numbered(25):
        log.append(payload)
    log = place.restart(log)
    assert [entry.payload for entry in read_all(log.reader(None), 25)] == numbered(25)


@pytest.mark.parametrize("use", [lambda log: log.append(b"x"), lambda log: log.flush(1.0), lambda log: log.reader(None)])
def test_a_closed_log_is_unavailable(place: Place, use: Callable[[Log], object]) -> None:
    log = place.open()
    fill(log, [b"x"])
    log.close()
    log.close()
    with pytest.raises(Unavailable):
        use(log)


def test_a_closed_reader_is_unavailable(place: Place) -> None:
    reader = place.open().reader(None)
    reader.close()
    reader.close()
    with pytest.raises(Unavailable):
        reader.read(1, 0.0)
