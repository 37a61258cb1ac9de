"""Stamping, resuming, live sources, fills from outside, ownership: the loop around the judge."""

from __future__ import annotations

import json
from datetime import date
from threading import Event
from typing import Any

import numpy as np
import pytest

from risk_core.book import Position
from risk_core.engine.fold import Bucket, Fold
from risk_core.records import BookChange, DayClose, Fills, Genesis, Heartbeat, SourceClose, SourceOpen, Ticks
from services.common import codec
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_topics import MemoryBroker
from services.common.books.demo import demo
from services.common.feeds.port import RawFill, select_days
from services.common.feeds.sp500 import sp500_feed
from services.common.ports import Lease, Message, Unavailable
from services.ingest import ingest as ingest_module
from services.ingest.commands import RawPositions
from services.ingest.inbox import DeskInbox
from services.ingest.ingest import FILLS_MAX, SourceBroken
from services.ingest.live import LiveSources
from services.ingest.log_state import read_log, scan, source_id_of
from services.ingest.ownership import SourceOwner
from services.ingest.replay import Progress, Replayer
from services.ingest.service import IngestService
from tests.unit.ingest.doubles import NOW_NS, Bench, HandClock, KeptLetters, OneLease, live_limits, play, replay_settings

SECOND = 10**9


def ticks(*rows: tuple[str, float, int], sequence: int | None = None) -> bytes:
    items = [{"symbol": s, "price": p, "time": t} for s, p, t in rows]
    return json.dumps({"version": 1, "ticks": items} | ({} if sequence is None else {"sequence": sequence})).encode()


def fill(fill_id: str, **fields: Any) -> bytes:
    return json.dumps(
        {"version": 1, "fill_id": fill_id, "portfolio": "Long", "symbol": "AAA", "quantity": "1", "price": 5} | fields
    ).encode()


# ------------------------------------------------------------------ stamps


def test_an_empty_log_begins_with_genesis_and_another_does_not() -> None:
    bench = Bench()
    assert [type(r.body) for r in bench.records()] == [Genesis]
    assert [type(r.body) for r in Bench(log=bench.log).records()] == [Genesis]


def test_sequence_goes_on_after_a_restart() -> None:
    bench = Bench()
    source = bench.ingest.open("a", 0)
    bench.ingest.heartbeat(source, 10)
    again = Bench(log=bench.log)
    source = again.ingest.open("a", 0)  # open already
    again.ingest.heartbeat(source, 5)  # promised already
    again.ingest.heartbeat(source, 20)
    again.ingest.close(source)
    again.ingest.close(source)
    assert [(type(r.body), r.source_seq, r.source_watermark_ns) for r in again.records()[1:]] == [
        (SourceOpen, 1, 0),
        (Heartbeat, 2, 10),
        (Heartbeat, 3, 20),
        (SourceClose, 4, 20),
    ]


def test_ids_come_from_names() -> None:
    assert source_id_of("feed/sp500") == source_id_of("feed/sp500") != source_id_of("feed/other")
    assert all(0 < source_id_of(f"s{k}") < 2**48 for k in range(1000))
    bench = Bench()
    bench.ingest.open("a", 0)
    bench.ingest.source("a").name = "b"  # as if another name had the id
    with pytest.raises(ValueError, match="same id"):
        bench.ingest.source("a")


def test_ticks_are_cut_at_the_bound_and_the_last_record_promises() -> None:
    bench = Bench(batch_max=2)
    live = LiveSources(bench.ingest, bench.clock, live_limits())
    live.receive("venue", ticks(*[("AAA", 1.0 + k, NOW_NS - 10 + k) for k in range(5)]))
    records = bench.of(Ticks)
    assert [len(r.body.price) for r in records] == [2, 2, 1]  # type: ignore[union-attr]
    assert [r.source_watermark_ns - NOW_NS for r in records] == [-2 * SECOND, -2 * SECOND, -2 * SECOND]
    assert all(r.ingest_ns == NOW_NS for r in records)


def test_commands_of_the_desk_are_logged() -> None:
    bench = Bench()
    desk = bench.ingest.source("desk")
    bench.ingest.announce(desk)
    assert bench.ingest.command(desk, RawPositions("import-1", NOW_NS, (("Long", "AAA", "2.5"),)), b"")
    bench.ingest.announce(desk)
    assert [type(r.body) for r in bench.records()[1:]] == [SourceOpen, SourceClose, BookChange]
    assert bench.records()[-1].body == BookChange((Position(4, 2, 2_500_000),), "import-1")


def test_a_source_that_sends_nothing_good_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "REFUSALS_IN_A_ROW_MAX", 5)
    bench = Bench()
    live = LiveSources(bench.ingest, bench.clock, live_limits())
    for _ in range(4):
        live.receive("venue", b"rubbish")
    live.receive("venue", ticks(("AAA", 1.0, NOW_NS)))  # one good message: counted anew
    for k in range(4):
        live.receive("venue", ticks(("NONE", 1.0, NOW_NS + k)))
    with pytest.raises(SourceBroken, match=r"'venue': the last 5 messages were all refused, the newest as garbage"):
        live.receive("venue", b"rubbish")
    assert len(bench.dead.letters) == 9


# -------------------------------------------------------------------- live


def test_idle_sources_heartbeat_and_silent_ones_are_closed() -> None:
    bench = Bench()
    live = LiveSources(bench.ingest, bench.clock, live_limits(lateness_seconds=2, heartbeat_seconds=1, silent_seconds=5))
    live.receive("venue", ticks(("AAA", 1.0, NOW_NS)))
    for _ in range(12):
        bench.clock.sleep(0.5)
        live.step()
    kinds = [(type(r.body).__name__, (r.source_watermark_ns - NOW_NS) / SECOND) for r in bench.records()[1:]]
    assert kinds == [("SourceOpen", -2.0), ("Ticks", -2.0)] + [("Heartbeat", s - 2.0) for s in (1, 2, 3, 4)] + [("SourceClose", 2.0)]
    live.receive("venue", ticks(("AAA", 2.0, bench.clock.now_ns())))
    assert [type(r.body) for r in bench.records()[-2:]] == [SourceOpen, Ticks]


def test_a_tick_from_the_future_promises_nothing() -> None:
    bench = Bench()
    live = LiveSources(bench.ingest, bench.clock, live_limits())
    live.receive("venue", ticks(("AAA", 1.0, NOW_NS + 3600 * SECOND), ("BBB", 1.0, NOW_NS)))
    assert bench.ingest.source("venue").watermark_ns == NOW_NS - 2 * SECOND
    assert bench.ingest.counts.rejected == {"future_timestamp": 1}


# ------------------------------------------------------------------- fills


def test_a_fill_is_acknowledged_only_when_it_is_durable() -> None:
    class Forgetful(MemoryLog):
        broken = True

        def flush(self, timeout_seconds: float) -> None:
            if self.broken:
                raise Unavailable("not yet")

    log, broker = Forgetful(), MemoryBroker()
    bench = Bench(log=log)
    inbox = broker.inbox("fills", "ingest")
    broker.publish("fills", "Long", fill("F1"))
    with pytest.raises(Unavailable):
        DeskInbox(bench.ingest, inbox, 1).step()
    inbox.close()
    log.broken = False
    # The process starts again: the message comes again, and its record is there already.
    again = Bench(log=log)
    fills = DeskInbox(again.ingest, broker.inbox("fills", "ingest"), 2)
    assert fills.step() == 0
    assert again.ingest.counts.rejected == {"duplicate_fill": 1}
    assert [f.fill_id for r in again.of(Fills) for f in r.body.fills] == ["F1"]  # type: ignore[union-attr]
    assert fills.step() == 0
    assert again.ingest.counts.rejected == {"duplicate_fill": 1}


def test_a_log_that_goes_away_in_the_middle_loses_no_fill() -> None:
    class Fragile(MemoryLog):
        fails = False

        def append(self, payload: bytes) -> None:
            if self.fails and isinstance(codec.decode(payload).body, Fills):
                raise Unavailable("gone")
            super().append(payload)

    log, broker = Fragile(), MemoryBroker()
    bench = Bench(log=log)
    fills = DeskInbox(bench.ingest, broker.inbox("fills", "ingest"), 1)
    broker.publish("fills", "Long", fill("F1"))
    log.fails = True
    with pytest.raises(Unavailable):
        fills.step()
    assert "F1" not in bench.ingest.state.fill_times
    log.fails = False
    bench.ingest.fills(bench.ingest.source("x"), [(RawFill("F1", "Long", "AAA", "1", 5.0, NOW_NS), b"")], 0)
    assert "F1" in bench.ingest.state.fill_times


def test_two_owners_at_once_lose_no_fill() -> None:
    """A paused owner wakes up after a takeover: their records have different sources, so none hides another."""
    bench = Bench()
    old = Bench(log=bench.log)

    class Given:
        def __init__(self, payload: bytes) -> None:
            self.messages = [Message("k", payload, 0, NOW_NS)]

        def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
            messages, self.messages = self.messages, []
            return messages

        def acknowledge(self, receipt: object) -> None: ...

        def close(self) -> None: ...

    DeskInbox(bench.ingest, Given(fill("X")), 2).step()
    DeskInbox(old.ingest, Given(fill("Y")), 1).step()
    records = bench.records()
    fold = Fold(records[0].body)  # type: ignore[arg-type]
    for log_seq, record in enumerate(records[1:], start=2):
        fold.apply(record, log_seq)
    assert set(fold.fill_ids) == {"X", "Y"}
    assert not any(fold.dropped.values())


def test_fills_are_grouped_by_time_and_bounded() -> None:
    bench = Bench()
    source = bench.ingest.source("x")
    raw = [(RawFill(f"F{k}", "Long", "AAA", "1", 5.0, NOW_NS - k % 2), b"") for k in range(2 * FILLS_MAX + 2)]
    assert bench.ingest.fills(source, raw, 0) == 2 * FILLS_MAX + 2
    groups = [(r.event_ns, len(r.body.fills)) for r in bench.of(Fills)]  # type: ignore[union-attr]
    assert groups == [(NOW_NS - 1, FILLS_MAX), (NOW_NS - 1, 1), (NOW_NS, FILLS_MAX), (NOW_NS, 1)]
    assert bench.ingest.fills(source, [*raw[:3], raw[0]], 0) == 0


def test_an_outside_fill_changes_the_fold_and_holds_nothing_back() -> None:
    chosen = replay_settings("2008-09-15", "2008-09-17")
    base = sp500_feed()
    book, feed = demo(base, select_days(base, chosen.replay.from_date, chosen.replay.to_date, 5))
    broker, log, clock, stop = MemoryBroker(), MemoryLog(), HandClock(), Event()

    def progress(p: Progress) -> None:
        if p.day == "2008-09-15":
            broker.publish(
                "fills",
                "k",
                json.dumps(
                    {"version": 1, "fill_id": "own", "portfolio": "Concentrated", "symbol": "AAPL", "quantity": "-5", "price": 4.0}
                ).encode(),
            )
            clock.time_ns += SECOND  # the inbox is read every so often
        if p.finished:
            stop.set()

    service = IngestService(
        feed, book, chosen, log, KeptLetters(), OneLease(clock), clock, "one", broker.inbox("fills", "ingest"), on_progress=progress
    )
    service.run(stop)
    records = [codec.decode(p) for p in read_log(log)]
    fold = Fold(records[0].body)  # type: ignore[arg-type]
    closed = [b for k, r in enumerate(records[1:], start=2) for b in fold.apply(r, k) if isinstance(b, Bucket)]
    held = [int(b.quantity[fold.holdings.row_of[5], 0]) for b in closed[-3:]]
    assert held[1] - held[0] == -5_000_000
    assert held[2] == held[1]
    assert closed[-1].date == "2008-09-17"


# --------------------------------------------------------------- ownership


def test_one_worker_writes_and_another_takes_over_where_it_stopped() -> None:
    chosen = replay_settings("2008-09-15", "2008-09-26")
    base = sp500_feed()
    book, feed = demo(base, select_days(base, chosen.replay.from_date, chosen.replay.to_date, 5))
    clock = HandClock()
    leases, log = OneLease(clock), MemoryLog()

    def service(name: str, on_progress: Any = None) -> IngestService:
        return IngestService(feed, book, chosen, log, KeptLetters(), leases, clock, name, on_progress=on_progress)

    def dies(p: Progress) -> None:
        if p.day == "2008-09-18":
            raise KeyboardInterrupt  # as if killed: the lease stays

    first = service("one", dies)
    owner = SourceOwner(leases, "replay/sp500", "one", clock, 5.0)
    assert owner.hold()
    with pytest.raises(KeyboardInterrupt):
        first._own(owner, Event())
    half = list(read_log(log))
    assert isinstance(codec.decode(half[-1]).body, DayClose)

    standby = SourceOwner(leases, "replay/sp500", "two", clock, 5.0)
    assert not standby.hold()
    stop = Event()
    service("two", lambda p: stop.set() if p.finished else None).run(stop)  # waits for the lease to expire
    straight = MemoryLog()
    done = Event()
    IngestService(
        feed,
        book,
        chosen,
        straight,
        KeptLetters(),
        OneLease(clock),
        clock,
        "three",
        on_progress=lambda p: done.set() if p.finished else None,
    ).run(done)
    alone = MemoryLog()
    play(Replayer(feed, book, chosen, alone, KeptLetters(), clock), clock)
    assert list(read_log(log)) == list(read_log(straight)) == list(read_log(alone))
    assert scan(half).last_close == DayClose("XNYS", "2008-09-18")


def test_a_lease_is_renewed_lost_and_taken() -> None:
    clock = HandClock()
    leases = OneLease(clock)
    a, b = SourceOwner(leases, "x", "a", clock, 3.0), SourceOwner(leases, "x", "b", clock, 3.0)
    assert a.hold()
    assert not b.hold()
    for _ in range(10):
        clock.sleep(1.0)
        assert a.hold()
        assert not b.hold()
    clock.sleep(3.5)
    assert b.hold()
    assert (a.epoch, b.epoch) == (1, 2)
    assert not a.hold()
    assert a.epoch == 0
    b.release()
    assert a.hold()
    assert a.epoch == 3


def test_without_the_database_an_owner_writes_until_its_lease_ends() -> None:
    clock = HandClock()

    class Away(OneLease):
        away = False

        def renew(self, lease: Lease, ttl_seconds: float) -> bool:
            if self.away:
                raise Unavailable("away")
            return super().renew(lease, ttl_seconds)

        def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
            if self.away:
                raise Unavailable("away")
            return super().acquire(shard_id, owner, ttl_seconds)

    leases = Away(clock)
    owner = SourceOwner(leases, "x", "a", clock, 3.0)
    assert owner.hold()
    leases.away = True
    clock.sleep(2.0)
    assert owner.hold()
    clock.sleep(1.5)
    assert not owner.hold()
    leases.away = False
    assert owner.hold()


# ------------------------------------------------------------------- state


def test_damaged_records_are_passed_over_when_the_log_is_read() -> None:
    bench = Bench()
    live = LiveSources(bench.ingest, bench.clock, live_limits())
    live.receive("venue", ticks(("AAA", 1.0, NOW_NS)))
    good = bench.payloads()
    bad = bytearray(good[-1])
    bad[-1] ^= 1
    damaged = [*good[:2], b"", b"rubbish", bytes(bad), good[2][:20], *good[2:]]
    assert scan(damaged).sources[source_id_of("venue")].last_seq == scan(good).sources[source_id_of("venue")].last_seq


def test_repeats_in_the_log_change_nothing() -> None:
    bench = Bench()
    live = LiveSources(bench.ingest, bench.clock, live_limits())
    for k in range(5):
        live.receive("venue", ticks(("AAA", 1.0 + k, NOW_NS - 5 + k)))
    good = bench.payloads()
    state = scan([p for p in good for _ in range(2)][1:])
    venue = state.sources[source_id_of("venue")]
    assert (venue.last_seq, venue.day_ticks) == (6, 5)
    assert np.nanmax(venue.newest.price) == 5.0


def test_the_days_of_a_feed_are_asked_for_by_date() -> None:
    assert sp500_feed().day(date(2008, 9, 15)).ticks.price[20] == pytest.approx(1192.70)
