"""The recorded log: the same entries and positions as the log that is recorded, as far as it is."""

from __future__ import annotations

import threading
import time

import pytest

from services.common.adapters.memory_log import position_of
from services.common.adapters.recorded_log import RecordedLog
from services.common.ports import LoggedEntry, Unavailable
from tests.contract.store_fixtures import Stores
from tests.contract.test_log import numbered, read_all


def record(stores: Stores, payloads: list[bytes]) -> None:
    first = stores.log.last_log_seq() + 1
    stores.log.record([LoggedEntry(first + k, position_of(first + k), payload) for k, payload in enumerate(payloads)])


def test_entries_come_in_order_from_any_position(stores: Stores) -> None:
    payloads = numbered(700)
    record(stores, payloads)
    log = RecordedLog(stores.log)
    found = read_all(log.reader(None), 700, at_once=256)
    assert [e.payload for e in found] == payloads
    assert len({e.position for e in found}) == 700
    again = log.reader(found[299].position)
    assert [e.payload for e in read_all(again, 400)] == payloads[300:]
    assert again.caught_up()
    assert again.read(10, 0.0) == []


def test_a_reader_waits_for_what_is_recorded_next(stores: Stores) -> None:
    record(stores, numbered(3))
    log = RecordedLog(stores.log)
    reader = log.reader(None)
    assert len(read_all(reader, 3)) == 3
    writer = threading.Thread(target=lambda: (time.sleep(0.2), record(stores, numbered(2, "later"))))
    writer.start()
    assert [e.payload for e in read_all(reader, 2)] == numbered(2, "later")
    writer.join()
    began = time.monotonic()
    assert reader.read(10, 0.15) == []
    assert 0.1 < time.monotonic() - began < 5.0


def test_it_is_read_only_and_knows_its_positions(stores: Stores) -> None:
    log = RecordedLog(stores.log)
    with pytest.raises(Unavailable, match="append to the log itself"):
        log.append(b"x")
    with pytest.raises(ValueError, match="another log"):
        log.reader(b"abc")
    log.flush(1.0)
    log.close()
