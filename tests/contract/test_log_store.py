from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from risk_core.book import Fill
from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import Body, FillCorrection, Fills, Genesis, Heartbeat, Record, Ticks
from services.common.adapters.recording_process import RecordingProcess
from services.common.codec import decode, encode
from services.common.ports import DeterminismError, FillFilter, LoggedEntry, Unavailable
from tests.contract.store_fixtures import Stores
from tests.worlds import small_book

AT = 1_600_000_000_123_456_789


def entry(log_seq: int, body: Body | None = None, source_seq: int | None = None) -> LoggedEntry:
    record = Record(7, log_seq if source_seq is None else source_seq, AT + log_seq, AT + 1, AT, body or Heartbeat())
    return LoggedEntry(log_seq, b"position-%d" % log_seq, encode(record))


def ticks(count: int) -> Ticks:
    rng = np.random.default_rng(count)
    return Ticks(
        np.arange(1, count + 1, dtype=np.int32),
        rng.normal(size=count) * 10.0 ** rng.integers(-300, 300, size=count),
        AT + np.arange(count, dtype=np.int64) * 1001,
    )


def fill(fill_id: str, quantity: int = 1_000_000, node_id: int = 4) -> Fill:
    return Fill(fill_id, node_id, 2, quantity, 12.5, 0.25)


def test_an_empty_store_starts_at_zero(stores: Stores) -> None:
    assert stores.log.last_log_seq() == 0
    assert stores.log.last_position() is None
    assert list(stores.log.entries(0)) == []
    stores.log.record([])


def test_entries_come_back_verbatim_and_in_order(stores: Stores) -> None:
    entries = [entry(k, ticks(3)) for k in range(1, 701)]
    for at in range(0, 700, 137):
        stores.log.record(entries[at : at + 137])
    assert stores.log.last_log_seq() == 700
    assert stores.log.last_position() == b"position-700"
    assert list(stores.log.entries(0)) == entries
    assert list(stores.log.entries(255, 513)) == entries[255:513]
    assert list(stores.log.entries(700)) == []


def test_bytes_of_every_value_survive(stores: Stores) -> None:
    raw = LoggedEntry(1, bytes(range(256)), bytes(range(255, -1, -1)) * 300)
    stores.log.record([raw])
    assert list(stores.log.entries(0)) == [raw]


def test_recording_again_is_harmless_and_overlap_adds_the_rest(stores: Stores) -> None:
    entries = [entry(k, Fills((fill(f"f{k}"),))) for k in range(1, 6)]
    stores.log.record(entries[:3])
    stores.log.record(entries[:3])
    stores.log.record(entries[1:])
    assert list(stores.log.entries(0)) == entries
    assert stores.queries.counts("any").fills == 5


def test_another_payload_is_fatal_and_another_position_is_not(stores: Stores) -> None:
    stores.log.record([entry(1), entry(2)])
    with pytest.raises(DeterminismError, match="log_seq=2"):
        stores.log.record([entry(2, ticks(1)), entry(3)])
    assert stores.log.last_log_seq() == 2
    stores.log.record([LoggedEntry(2, b"elsewhere", entry(2).payload), entry(3)])
    assert [e.position for e in stores.log.entries(1)] == [b"position-2", b"position-3"]


@pytest.mark.parametrize("given", [[entry(3)], [entry(1), entry(3)], [entry(2), entry(1)], [entry(0)]])
def test_gaps_are_refused(stores: Stores, given: list[LoggedEntry]) -> None:
    with pytest.raises(ValueError, match="log_seq"):
        stores.log.record(given)
    assert stores.log.last_log_seq() == 0


def test_a_payload_that_is_no_record_is_kept(stores: Stores) -> None:
    broken = LoggedEntry(2, b"p", b"PL\x00 not a record")
    stores.log.record([entry(1), broken, entry(3, Fills((fill("f"),)))])
    assert list(stores.log.entries(1, 2)) == [broken]
    assert stores.queries.counts("any").fills == 1


def test_ticks_are_unpacked_bit_for_bit(server: Stores) -> None:
    first, second = ticks(500), ticks(2)
    server.log.record([entry(1, first), entry(2), entry(3, second)])
    assert server.admin is not None
    rows = server.admin.execute(
        "SELECT event_ns, (extract(epoch FROM event_time) * 1000000)::bigint, "
        "instrument_id, price, source_id, source_seq, log_seq, ordinal "
        "FROM ticks ORDER BY log_seq, ordinal",
        binary=True,
    ).fetchall()
    expected = [
        (int(at), int(at) // 1000, int(i), float(p), 7, log_seq, log_seq, k)
        for log_seq, batch in ((1, first), (3, second))
        for k, (i, p, at) in enumerate(zip(batch.instrument_id, batch.price, batch.event_ns, strict=True))
    ]
    assert rows == expected


def test_prices_that_ingest_should_have_refused_are_still_recorded(server: Stores) -> None:
    odd = Ticks(np.array([1, 2], dtype=np.int32), np.array([np.nan, -np.inf]), np.array([-1, 0], dtype=np.int64))
    server.log.record([entry(1, odd)])
    assert [str(row[3]) for row in server.rows("ticks")] == ["nan", "-inf"]


def test_a_fill_that_a_source_logged_twice_counts_once(stores: Stores) -> None:
    stores.log.record([entry(1, Fills((fill("a"), fill("b"))), 11), entry(2, Fills((fill("a"), fill("b"))), 11)])
    stores.log.record([entry(3, Fills((fill("a"), fill("b"))), 11), entry(4, Fills((fill("c"),)), 12)])
    page = stores.queries.fills(FillFilter(0, (4,)))
    assert [(row.fill_id, row.log_seq) for row in page.rows] == [("c", 4), ("b", 1), ("a", 1)]


def genesis(nonce: str) -> Genesis:
    return Genesis(small_book(), "feed", "book", nonce, 0, 0, ModelConfiguration().to_json())


@pytest.mark.parametrize("together", [True, False])
def test_a_run_anew_has_fills_of_its_own(stores: Stores, together: bool) -> None:
    """Its sources begin at 1 again, and the feed's fill ids come again."""
    first = [entry(1, genesis("1")), entry(2, Fills((fill("a"), fill("b"))), 11)]
    second = [
        entry(3, genesis("2")),
        entry(4, Fills((fill("a", 7),)), 11),
        entry(5, FillCorrection("c", AT, "a", fill("a", 8), ""), 12),
        entry(6, Fills((fill("a", 7),)), 11),
    ]
    for entries in [[*first, *second]] if together else [first, *([e] for e in second)]:
        stores.log.record(entries)
    rows = {line: stores.queries.fills(FillFilter(line, (4,))).rows for line in (0, 1, 3)}
    assert {line: [(row.fill_id, row.quantity) for row in found] for line, found in rows.items()} == {
        0: [],
        1: [("b", 1_000_000), ("a", 1_000_000)],
        3: [("a", 8)],
    }


def test_a_fill_is_found_by_its_id(stores: Stores) -> None:
    stores.log.record([entry(1, Fills((fill("a"), fill("b")))), entry(2, FillCorrection("c", AT, "b", None, ""))])
    assert [row.fill_id for row in stores.queries.fills(FillFilter(0, (4,), fill_id="a")).rows] == ["a"]
    assert stores.queries.fills(FillFilter(0, (4,), fill_id="b")).rows == ()
    assert [row.superseded_by for row in stores.queries.fills(FillFilter(0, (4,), fill_id="b", superseded=True)).rows] == ["c"]


def test_corrections_supersede_fills(stores: Stores) -> None:
    effective = AT + 1
    replace = FillCorrection("c1", effective, "a", fill("a", -5), "typo")
    cancel = FillCorrection("c2", effective, "b", None, "broken trade")
    again = FillCorrection("c3", effective, "a", fill("a2", 9), "typo again")
    stores.log.record([entry(1, Fills((fill("a"), fill("b"), fill("kept")))), entry(2, replace), entry(3, cancel)])
    stores.log.record([entry(4, replace, 2), entry(5, again)])
    rows = stores.queries.fills(FillFilter(0, (4,), superseded=True)).rows
    history = {(row.fill_id, row.quantity): (row.correction_id, row.superseded_by) for row in rows}
    assert history == {
        ("a", 1_000_000): (None, "c1"),
        ("a", -5): ("c1", "c3"),
        ("a2", 9): ("c3", None),
        ("b", 1_000_000): (None, "c2"),
        ("kept", 1_000_000): (None, None),
    }
    assert [row.fill_id for row in stores.queries.fills(FillFilter(0, (4,))).rows] == ["a2", "kept"]


def test_recorders_at_once_keep_one_log(server: Stores) -> None:
    entries = [entry(k, ticks(20)) for k in range(1, 201)]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while (last := server.log.last_log_seq()) < len(entries):
                server.log.record(entries[last : last + 7])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(server.log.entries(0)) == entries
    assert len(server.rows("ticks")) == 20 * len(entries)


def test_a_recorder_killed_in_the_middle_keeps_nothing(server: Stores) -> None:
    assert server.admin is not None
    server.log.record([entry(1)])
    with server.admin.transaction():
        server.admin.execute("LOCK TABLE fills IN ACCESS EXCLUSIVE MODE")  # the recorder waits here, its records and ticks written
        with pytest.raises(Unavailable):
            server.log.record([entry(2, ticks(5)), entry(3, Fills((fill("a"),)))])
    assert server.log.last_log_seq() == 1
    assert server.rows("ticks") == []
    server.log.record([entry(2, ticks(5)), entry(3, Fills((fill("a"),)))])
    assert len(server.rows("ticks")) == 5


def test_a_recording_process_keeps_the_same_log(server: Stores) -> None:
    assert server.url is not None
    process = RecordingProcess(server.url, server.log, decode)
    try:
        process.record([])
        assert process._beside.pid is None
        entries = [entry(1, ticks(3)), entry(2, Fills((fill("a"),))), entry(3)]
        process.record(entries[:2])
        process.record(entries)
        assert list(process.entries(0)) == entries
        assert (process.last_log_seq(), process.last_position()) == (3, b"position-3")
        assert len(server.rows("ticks")) == 3
        with pytest.raises(DeterminismError):
            process.record([entry(3, ticks(1))])
        with pytest.raises(ValueError, match="gap"):
            process.record([entry(9)])
        assert process._beside.pid is not None
        os.kill(process._beside.pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match=r"recording: process \d+, which does _record, ended; another is started"):
            process.record([entry(4)])
        process.record([entry(4)])
        assert process.last_log_seq() == 4
    finally:
        process.close()
