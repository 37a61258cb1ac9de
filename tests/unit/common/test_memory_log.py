"""What the memory log has beyond the contract: bounds, trimming over a store, release by hand, and a model it must agree with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.common.adapters.memory_log import MemoryLog, log_seq_of, position_of
from services.common.adapters.memory_topics import MemoryBroker
from services.common.ports import LoggedEntry, LogReader, Unavailable


class Table:
    """A store of records that counts how often it is asked."""

    def __init__(self) -> None:
        self.kept: list[LoggedEntry] = []
        self.asked = 0

    def entries(self, after: int, through: int | None = None) -> Iterator[LoggedEntry]:
        self.asked += 1
        return iter(self.kept[after:through])

    def record(self, log: MemoryLog, payloads: list[bytes]) -> None:
        for payload in payloads:
            log_seq = len(self.kept) + 1
            self.kept.append(LoggedEntry(log_seq, position_of(log_seq), payload))
        log.trim(len(self.kept))


def payloads(reader: LogReader, max_entries: int = 1000) -> list[bytes]:
    return [entry.payload for entry in reader.read(max_entries, 0.0)]


def test_positions_are_the_count_of_records() -> None:
    log = MemoryLog()
    for _ in range(3):
        log.append(b"x")
    assert [log_seq_of(entry.position) for entry in log.reader(None).read(10, 0.0)] == [1, 2, 3]
    assert log.last_log_seq == 3


def test_memory_is_bounded_by_dropping_what_is_recorded_and_read() -> None:
    table = Table()
    log = MemoryLog(entries_max=10, older=table.entries)
    reader = log.reader(None)
    for k in range(1000):
        log.append(b"%d" % k)
        assert payloads(reader) == [b"%d" % k]
        table.record(log, [b"%d" % k])
        assert log.held == 0
    assert table.asked == 0


def test_a_slow_reader_keeps_entries_until_room_is_needed_and_then_reads_the_store() -> None:
    table = Table()
    log = MemoryLog(entries_max=10, older=table.entries)
    slow = log.reader(None)
    for k in range(10):
        log.append(b"%d" % k)
    table.record(log, [b"%d" % k for k in range(10)])
    assert log.held == 10
    log.append(b"10")
    assert log.held == 1
    assert payloads(slow, 4) == [b"0", b"1", b"2", b"3"]
    assert payloads(slow, 100) == [b"%d" % k for k in range(4, 10)]
    assert table.asked == 2
    assert payloads(slow) == [b"10"]


def test_a_closed_or_forgotten_reader_holds_nothing_back() -> None:
    table = Table()
    log = MemoryLog(older=table.entries)
    closed, forgotten = log.reader(None), log.reader(None)
    log.append(b"x")
    closed.close()
    del forgotten
    table.record(log, [b"x"])
    assert log.held == 0


@pytest.mark.parametrize("bounds", [{"entries_max": 3}, {"bytes_max": 30}])
def test_a_full_log_blocks_until_its_entries_are_recorded(bounds: dict[str, int]) -> None:
    log = MemoryLog(older=Table().entries, **bounds)  # type: ignore[arg-type]
    for _ in range(3):
        log.append(b"0123456789")
    appended = threading.Event()

    def append() -> None:
        log.append(b"0123456789")
        appended.set()

    writer = threading.Thread(target=append)
    writer.start()
    assert not appended.wait(0.2)
    log.trim(1)
    assert appended.wait(10)
    writer.join()
    assert log.held == 3


def test_closing_wakes_whoever_waits() -> None:
    log = MemoryLog(entries_max=1)
    reader = log.reader(None)
    log.append(b"x")
    payloads(reader)
    ended: list[str] = []

    def run(name: str, call: object) -> None:
        with pytest.raises(Unavailable):
            call()  # type: ignore[operator]
        ended.append(name)

    threads = [
        threading.Thread(target=run, args=("append", lambda: log.append(b"y"))),
        threading.Thread(target=run, args=("read", lambda: reader.read(1, 60.0))),
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    log.close()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == ["append", "read"]


def test_flush_waits_until_the_store_has_it() -> None:
    table = Table()
    log = MemoryLog(older=table.entries, flush_waits_for_record=True)
    log.flush(0.0)
    log.append(b"x")
    with pytest.raises(Unavailable, match="records 1 to 1 are not in the store"):
        log.flush(0.05)
    recorder = threading.Timer(0.1, table.record, (log, [b"x"]))
    recorder.start()
    log.flush(10.0)
    recorder.join()
    assert len(table.kept) == 1


def test_a_restarted_process_continues_where_the_store_ends() -> None:
    table = Table()
    first = MemoryLog(older=table.entries)
    first.append(b"a")
    first.append(b"b")
    table.record(first, [b"a", b"b"])
    first.append(b"lost: never recorded, and so never acknowledged")
    second = MemoryLog(after_log_seq=len(table.kept), older=table.entries)
    second.append(b"c")
    assert payloads(second.reader(position_of(1))) == [b"b"]
    reader = second.reader(None)
    assert [(log_seq_of(e.position), e.payload) for e in reader.read(10, 0.0) + reader.read(10, 0.0)] == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_what_was_dropped_without_a_store_is_said() -> None:
    log = MemoryLog()
    log.append(b"x")
    log.trim(1)
    with pytest.raises(Unavailable, match="record 1 was dropped from memory, and there is no store"):
        log.reader(None).read(1, 0.0)
    with pytest.raises(ValueError, match="needs the store"):
        MemoryLog(after_log_seq=5)


def test_a_store_with_a_gap_is_fatal() -> None:
    table = Table()
    log = MemoryLog(older=table.entries)
    for payload in (b"a", b"b"):
        log.append(payload)
    table.record(log, [b"a", b"b"])
    del table.kept[0]
    with pytest.raises(RuntimeError, match="gap after record 0"):
        log.reader(None).read(10, 0.0)


def test_by_hand_readers_see_what_was_released_and_nothing_blocks() -> None:
    log = MemoryLog(released_by_hand=True, entries_max=3)
    reader = log.reader(None)
    for k in range(3):
        log.append(b"%d" % k)
    began = time.monotonic()
    assert reader.read(10, 60.0) == []
    assert reader.caught_up()
    log.release(2)
    assert not reader.caught_up()
    assert payloads(reader) == [b"0", b"1"]
    assert reader.caught_up()
    with pytest.raises(Unavailable, match="holds 3 unrecorded entries"):
        log.append(b"3")
    log.release()
    assert payloads(reader) == [b"2"]
    assert time.monotonic() - began < 5.0


def test_a_topic_whose_subscriber_does_not_acknowledge_fills_up() -> None:
    broker = MemoryBroker(backlog_max=2, block_seconds=0.05, retained_max=3)
    inbox = broker.inbox("fills", "ingest")
    broker.publish("fills", "", b"0")
    broker.publish("fills", "", b"1")
    with pytest.raises(Unavailable, match=r"subscriptions \['ingest'\] hold 2 unacknowledged"):
        broker.publish("fills", "", b"2")
    inbox.acknowledge(inbox.receive(1, 0.0)[0].receipt)
    broker.publish("fills", "", b"2")
    for k in range(10):
        broker.publish("zones", "", b"%d" % k)  # nobody subscribes: only the newest stay
    assert [message.payload for message in broker.retained("zones")] == [b"7", b"8", b"9"]


class LogModel(RuleBasedStateMachine):
    """Any interleaving of appending, recording, releasing, trimming and reading gives each reader every entry once, in order."""

    @initialize(by_hand=st.booleans(), entries_max=st.integers(1, 6))
    def start(self, by_hand: bool, entries_max: int) -> None:
        self.table = Table()
        self.by_hand, self.entries_max = by_hand, entries_max
        self.log = MemoryLog(entries_max=entries_max, older=self.table.entries, released_by_hand=by_hand)
        self.appended: list[bytes] = []
        self.released = 0
        self.readers: list[tuple[LogReader, int]] = []

    def visible(self) -> int:
        return self.released if self.by_hand else len(self.appended)

    @rule()
    def append(self) -> None:
        if len(self.appended) - len(self.table.kept) >= self.entries_max:
            return  # it would block
        payload = b"%d" % len(self.appended)
        self.log.append(payload)
        self.appended.append(payload)

    @rule(count=st.integers(0, 5))
    def record(self, count: int) -> None:
        kept = len(self.table.kept)
        self.table.record(self.log, self.appended[kept : kept + count])

    @rule(count=st.integers(0, 5))
    def release(self, count: int) -> None:
        self.released = min(self.released + count, len(self.appended))
        self.log.release(self.released)

    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, len(self.appended)))
        self.readers.append((self.log.reader(position_of(after) if after else None), after))

    @precondition(lambda self: bool(getattr(self, "readers", ())))
    @rule(data=st.data(), max_entries=st.integers(1, 5))
    def read(self, data: st.DataObject, max_entries: int) -> None:
        k = data.draw(st.integers(0, len(self.readers) - 1))
        reader, at = self.readers[k]
        got = [entry.payload for entry in reader.read(max_entries, 0.0)]
        assert got == self.appended[at : at + len(got)]
        assert (len(got) > 0) == (self.visible() > at)
        assert len(got) <= max_entries
        self.readers[k] = (reader, at + len(got))

    @precondition(lambda self: bool(getattr(self, "readers", ())))
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))[0].close()

    @rule()
    def restart(self) -> None:
        """A new process: what was not recorded is gone, and the readers with it."""
        del self.appended[len(self.table.kept) :]
        self.log = MemoryLog(
            entries_max=self.entries_max,
            after_log_seq=len(self.table.kept),
            older=self.table.entries,
            released_by_hand=self.by_hand,
        )
        self.released = len(self.appended)
        self.readers = []

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "log"):
            assert self.log.held <= self.entries_max
            assert self.log.last_log_seq == len(self.appended)
            for reader, at in self.readers:
                assert reader.caught_up() == (self.visible() <= at)


LogModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLogModel = LogModel.TestCase
