"""The recorder gathers entries into few transactions, and hurries when somebody waits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from risk_core.records import Heartbeat, Record
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_stores import MemoryDatabase, MemoryLogStore
from services.common.codec import decode, encode
from services.common.ports import LoggedEntry
from services.common.runtime import Group, SystemClock
from services.recorder import loop
from services.recorder.loop import Recorded, record_loop
from services.recorder.recorder import Recorder


class CountingStore(MemoryLogStore):
    """Notes how many entries each transaction had."""

    transactions: list[int]

    def record(self, entries: Sequence[LoggedEntry]) -> None:
        super().record(entries)
        self.transactions.append(len(entries))


class Running:
    """A recorder in its thread."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.store = CountingStore(MemoryDatabase(SystemClock()), decode)
        self.store.transactions = []
        self.recorded, self.group = Recorded(), Group()
        recorder = Recorder(self.log, self.store, lambda log_seq: setattr(self.recorded, "log_seq", log_seq))
        self.group.start("recorder", lambda stop: record_loop(recorder, stop, self.recorded.hurry))
        self.appended = 0

    def append(self) -> None:
        self.appended += 1
        self.log.append(encode(Record(1, self.appended, self.appended, self.appended, self.appended, Heartbeat())))

    def wait(self) -> float:
        """Ask until all is recorded; return the seconds that took."""
        began = time.monotonic()
        while not self.recorded.holds(self.appended):
            assert time.monotonic() - began < 60.0
            self.group.check()
            time.sleep(0.001)
        return time.monotonic() - began


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(loop, "GATHER_SECONDS", 20.0)
    running = Running()
    yield running
    running.recorded.hurry.set()
    running.group.close()


def test_entries_gather_until_somebody_waits(running: Running) -> None:
    running.append()
    running.wait()
    for _ in range(100):
        running.append()
        time.sleep(0.003)
    assert running.wait() < 10.0, "nobody hurried"
    assert len(running.store.transactions) <= 5, "recorded one by one"
    assert running.store.last_log_seq() == 101
