"""Replays: always the same bytes, however batched by time or stopped; and records whose promises hold."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.book import Book
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.fold import Bucket, Fold
from risk_core.records import DayClose, Fills, Genesis, Heartbeat, Record, SourceClose, SourceOpen, Split, Ticks
from services.common import codec
from services.common.adapters.memory_log import MemoryLog
from services.common.books.demo import demo
from services.common.config import Settings
from services.common.feeds.matrix import MatrixFeed
from services.common.feeds.port import Feed, FeedDay, RawSplit, select_days
from services.common.feeds.sp500 import sp500_feed
from services.common.ports import Message, Unavailable
from services.ingest.genesis import GenesisMismatch, check_genesis
from services.ingest.log_state import read_log, scan, source_id_of
from services.ingest.replay import Progress, Replayer
from tests.unit.ingest.doubles import HandClock, KeptLetters, play, replay_settings

FEED_ID, CALENDAR_ID = source_id_of("feed/sp500"), source_id_of("calendar/XNYS")
FIRST, LAST = "2008-09-15", "2008-09-26"


@dataclass
class Run:
    replayer: Replayer
    log: MemoryLog
    dead: KeptLetters
    clock: HandClock

    def payloads(self) -> list[bytes]:
        return list(read_log(self.log))

    def records(self) -> list[Record]:
        return [codec.decode(p) for p in self.payloads()]


def world(chosen: Settings, ticks_per_day: int = 1, feed: Feed | None = None) -> tuple[Feed, Book]:
    base = feed or sp500_feed(ticks_per_day)
    book, traded = demo(base, select_days(base, chosen.replay.from_date, chosen.replay.to_date, chosen.model.window))
    return traded, book


def prepare(chosen: Settings, fed: tuple[Feed, Book], before: Sequence[bytes] = (), **options: object) -> Run:
    log, dead = MemoryLog(), KeptLetters()
    for payload in before:
        log.append(payload)
    clock = HandClock()
    replayer = Replayer(*fed, chosen, log, dead, clock, state=scan(before), **options)  # type: ignore[arg-type]
    return Run(replayer, log, dead, clock)


def replay(chosen: Settings, fed: tuple[Feed, Book], before: Sequence[bytes] = (), **options: object) -> Run:
    run = prepare(chosen, fed, before, **options)
    play(run.replayer, run.clock)
    return run


def buckets(payloads: Sequence[bytes]) -> list[Bucket]:
    records = [codec.decode(p) for p in payloads]
    assert isinstance(records[0].body, Genesis)
    fold = Fold(records[0].body)
    closed = [b for k, r in enumerate(records[1:], start=2) for b in fold.apply(r, k)]
    assert not any(fold.dropped.values())
    return [b for b in closed if isinstance(b, Bucket)]


DAILY = replay_settings(FIRST, LAST)
HOURLY = replay_settings(FIRST, LAST, cadence_seconds=3600.0, batch_max=30)


@pytest.fixture(scope="module")
def daily() -> tuple[tuple[Feed, Book], list[bytes]]:
    fed = world(DAILY)
    return fed, replay(DAILY, fed).payloads()


@pytest.fixture(scope="module")
def hourly() -> tuple[tuple[Feed, Book], list[bytes]]:
    fed = world(HOURLY, ticks_per_day=26)
    return fed, replay(HOURLY, fed).payloads()


# ------------------------------------------------------------------ records


def test_a_day_is_fills_then_prices_then_the_close(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    (feed, _), payloads = daily
    records = [codec.decode(p) for p in payloads]
    assert [type(r.body) for r in records[:3]] == [Genesis, SourceOpen, SourceOpen]
    days: list[list[Record]] = [[]]
    for record in records[3:]:
        days[-1].append(record)
        if isinstance(record.body, DayClose):
            days.append([])
    assert days.pop() == []
    span = select_days(feed, date(2008, 9, 15), date(2008, 9, 26), 5)
    assert [d[-1].body.date for d in days] == [str(d) for d in span.all]  # type: ignore[union-attr]
    for day, of_day in zip(span.all, days, strict=True):
        close_ns = feed.day(day).close_ns
        kinds = [type(r.body) for r in of_day]
        assert kinds == ([Ticks, DayClose] if day in span.seed else [Fills, Ticks, DayClose])
        assert [r.event_ns for r in of_day[-2:]] == [close_ns] * 2
        assert [r.source_watermark_ns for r in of_day[-2:]] == [close_ns] * 2
        assert all(r.ingest_ns == r.event_ns for r in of_day)


def test_genesis_says_what_is_folded(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    (feed, book), payloads = daily
    genesis = codec.decode(payloads[0]).body
    assert isinstance(genesis, Genesis)
    assert (genesis.book, genesis.feed_hash, genesis.nonce, genesis.cadence_ns) == (book, feed.hash, "", 0)
    assert genesis.emit_from_ns == feed.day(date(2008, 9, 12)).close_ns + 1


def check_promises(payloads: Sequence[bytes]) -> None:
    """Sequences count up by one, and nothing comes at or before what its source promised."""
    promised: dict[int, int] = {}
    numbers: dict[int, int] = {}
    for record in (codec.decode(p) for p in payloads[1:]):
        assert record.source_seq == numbers.get(record.source_id, 0) + 1
        numbers[record.source_id] = record.source_seq
        before = promised.get(record.source_id)
        if before is not None and not isinstance(record.body, Heartbeat | SourceClose):
            earliest = int(record.body.event_ns.min()) if isinstance(record.body, Ticks) else record.event_ns
            assert earliest > before
        assert record.source_watermark_ns >= promised.get(record.source_id, 0)
        promised[record.source_id] = record.source_watermark_ns


def test_promises_hold(daily: tuple[tuple[Feed, Book], list[bytes]], hourly: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    check_promises(daily[1])
    check_promises(hourly[1])


def test_the_calendar_holds_the_watermark_until_the_close_is_logged(hourly: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    records = [codec.decode(p) for p in hourly[1]]
    held = 0
    for record in records:
        if record.source_id == CALENDAR_ID and isinstance(record.body, Heartbeat):
            held = record.source_watermark_ns
        if isinstance(record.body, DayClose):
            assert held == record.event_ns - 1
            held = record.event_ns


def test_buckets_close_once_each_and_the_last_is_the_day_close(hourly: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    (feed, _), payloads = hourly
    closed = buckets(payloads)
    assert [b.as_of_ns for b in closed] == sorted({b.as_of_ns for b in closed})
    by_day: dict[str, list[Bucket]] = {}
    waiting: list[Bucket] = []
    for bucket in closed:
        waiting.append(bucket)
        if bucket.date:
            by_day[bucket.date], waiting = waiting, []
    assert not waiting
    for day, of_day in by_day.items():
        fed = feed.day(date.fromisoformat(day))
        hours = {-(-int(t) // 3_600_000_000_000) * 3_600_000_000_000 for t in fed.ticks.event_ns}
        assert [b.as_of_ns for b in of_day] == [*sorted(h for h in hours if h < fed.close_ns), fed.close_ns]
        assert of_day[-1].price[:22].tolist() == fed.ticks.price[-22:].tolist()


def test_prices_of_the_fold_are_those_of_the_feed(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    (feed, _), payloads = daily
    for bucket in buckets(payloads):
        assert bucket.date is not None
        assert bucket.price[:22].tolist() == feed.day(date.fromisoformat(bucket.date)).ticks.price.tolist()


# -------------------------------------------------------------- same bytes


def test_the_same_input_gives_the_same_bytes(
    daily: tuple[tuple[Feed, Book], list[bytes]], hourly: tuple[tuple[Feed, Book], list[bytes]]
) -> None:
    assert replay(DAILY, world(DAILY)).payloads() == daily[1]
    assert replay(HOURLY, world(HOURLY, 26)).payloads() == hourly[1]


def test_speed_is_not_in_the_bytes(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    assert replay(replay_settings(FIRST, LAST, speed="5"), daily[0]).payloads() == daily[1]


@pytest.mark.parametrize("kind", ["daily", "hourly"])
def test_a_stop_after_any_record_is_not_in_the_bytes(kind: str, request: pytest.FixtureRequest) -> None:
    fed, payloads = request.getfixturevalue(kind)
    chosen = DAILY if kind == "daily" else HOURLY
    cuts = range(len(payloads) + 1) if kind == "daily" else sorted(random.Random(1).sample(range(len(payloads) + 1), 40))
    for cut in cuts:
        run = replay(chosen, fed, payloads[:cut])
        assert run.payloads() == payloads, f"cut after {cut} records"
        assert not run.dead.letters


def test_going_on_to_a_later_day_gives_the_bytes_of_one_long_replay(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    short = replay_settings(FIRST, "2008-09-18")
    first = replay(short, world(short)).payloads()
    assert len(first) < len(daily[1])
    assert replay(DAILY, world(DAILY), first).payloads() == daily[1]


def test_a_changed_batch_size_loses_and_doubles_nothing(hourly: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    """Batches are not part of a run: the log may be continued with others, and folds to the same buckets."""
    fed, payloads = hourly
    whole = buckets(payloads)
    for cut in (600, 615, 640):
        for batch_max in (7, 500):
            again = replay(replay_settings(FIRST, LAST, cadence_seconds=3600.0, batch_max=batch_max), fed, payloads[:cut]).payloads()
            closed = buckets(again)
            assert [b.as_of_ns for b in closed] == [b.as_of_ns for b in whole]
            assert all(
                np.array_equal(a.price, b.price) and np.array_equal(a.quantity, b.quantity) for a, b in zip(closed, whole, strict=True)
            )
            ticks = sum(len(r.body.price) for r in map(codec.decode, again) if isinstance(r.body, Ticks))
            assert ticks == sum(len(r.body.price) for r in map(codec.decode, payloads) if isinstance(r.body, Ticks))


def test_two_writers_at_once_are_one(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    """A takeover while the former owner still writes: every record may come twice, and the fold is the same."""
    fed, payloads = daily
    old, new = prepare(DAILY, fed, payloads[:9]), prepare(DAILY, fed, payloads[:12])
    shared = payloads[:12]
    draw = random.Random(3)
    going = [old, new]
    while going:
        run = draw.choice(going)
        before = len(run.payloads())
        if not run.replayer.step():
            going.remove(run)
        shared += run.payloads()[before:]
    first = Fold(codec.decode(payloads[0]).body)  # type: ignore[arg-type]
    closed = [b for k, p in enumerate(shared[1:], start=2) for b in first.apply(codec.decode(p), k)]
    assert first.dropped["repeat"] == len(shared) - len(payloads)
    whole = buckets(payloads)
    assert len(closed) == len(whole)
    assert all(np.array_equal(a.price, b.price) and np.array_equal(a.quantity, b.quantity) for a, b in zip(closed, whole, strict=True))  # type: ignore[union-attr]


def test_started_anew_the_run_begins_again_in_the_same_log(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    fed, payloads = daily
    again = replay(DAILY, fed, payloads, anew=True, nonce="second").payloads()
    assert again[: len(payloads)] == payloads
    fresh = replay(DAILY, fed, nonce="second").payloads()
    assert again[len(payloads) :] == fresh
    assert codec.decode(fresh[0]).body.nonce == "second"  # type: ignore[union-attr]
    assert fresh[1:] == payloads[1:]
    cut = again[: len(payloads) + 7]
    assert replay(DAILY, fed, cut).payloads() == again


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replay_settings("2008-09-16", LAST), "--from"),
        (replay_settings(FIRST, LAST, window=6), "the model"),
        (replay_settings(FIRST, LAST, cadence_seconds=60.0), "CADENCE"),
    ],
)
def test_a_log_of_something_else_is_not_continued(other: Settings, named: str, daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    with pytest.raises(GenesisMismatch, match=named) as caught:
        replay(other, world(other), daily[1])
    assert "start anew" in str(caught.value)


def test_a_log_of_an_older_program_goes_on_without_what_it_did_not_know(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    genesis = codec.decode(daily[1][0]).body
    assert isinstance(genesis, Genesis)
    settings = json.loads(genesis.configuration)
    assert settings.pop("watch")
    older = replace(genesis, configuration=json.dumps(settings))
    check_genesis(older, genesis)
    with pytest.raises(GenesisMismatch, match="the model"):
        check_genesis(older, replace(genesis, configuration=json.dumps({**settings, "window": 7})))
    with pytest.raises(GenesisMismatch, match="the model"):
        check_genesis(genesis, older)


def test_another_feed_or_book_is_named(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    feed, book = daily[0]
    with pytest.raises(GenesisMismatch, match="another value of the book:"):
        replay(DAILY, (feed, replace(book, positions=book.positions[1:])), daily[1])
    with pytest.raises(GenesisMismatch, match="the feed"):
        replay(DAILY, world(DAILY, ticks_per_day=2), daily[1])


def test_terms_of_liquidity_are_of_the_book() -> None:
    settings = replay_settings(FIRST, LAST, liquidity={"equity": {"spread": 0.001}, "TSLAX": {"spread": 0.1}})
    with pytest.raises(GenesisMismatch, match=r"RISK_MODEL__LIQUIDITY has terms of TSLAX.*asset classes are .*equity"):
        replay(settings, world(settings))
    good = replay_settings(FIRST, LAST, liquidity={"equity": {"spread": 0.001, "liquidation_days": 3}, "AAPL": {}})
    genesis = codec.decode(replay(good, world(good)).payloads()[0]).body
    assert isinstance(genesis, Genesis)
    configuration = ModelConfiguration.from_json(genesis.configuration)
    assert configuration.liquidity == (("AAPL", 0.0, 0.0, 1.0), ("equity", 0.001, 0.0, 3.0))


# -------------------------------------------------------------- odd feeds


class OddFeed:
    """A feed with days that lack prices, ticks out of order, a split, and refused ticks."""

    def __init__(self, base: MatrixFeed) -> None:
        self.base = base
        self.name, self.note, self.calendar, self.symbols, self.available = base.name, "", base.calendar, base.symbols, base.available
        self.hash = "odd" + base.hash

    def day(self, day: date) -> FeedDay:
        fed = self.base.day(day)
        ticks = fed.ticks
        match day.day:
            case 16:
                return replace(fed, ticks=_some(ticks, np.zeros(0, np.int64)))
            case 17:
                return replace(fed, ticks=_some(ticks, np.random.default_rng(1).permutation(len(ticks))))
            case 18:
                split = RawSplit("AAPL-2-1", "AAPL", 2, 1, fed.open_ns)
                return replace(fed, actions=(split, replace(split, action_id="again"), replace(split, symbol="NONE")))
            case 19:
                price = ticks.price.copy()
                price[::7] = np.nan
                return replace(fed, ticks=replace(ticks, price=price))
            case _:
                return fed


def _some(ticks, at):  # type: ignore[no-untyped-def]
    columns = {n: getattr(ticks, n)[at] for n in ("symbol", "price", "event_ns", "currency", "sequence")}
    return replace(ticks, **columns)


@pytest.mark.parametrize("chosen", [DAILY, HOURLY], ids=["daily", "hourly"])
def test_odd_days_keep_every_promise_and_resume(chosen: Settings) -> None:
    fed = world(chosen, feed=OddFeed(sp500_feed(26)))
    run = replay(chosen, fed)
    payloads = run.payloads()
    check_promises(payloads)
    closed = [b for b in buckets(payloads) if b.date]
    assert [b.date for b in closed][-10:] == [f"2008-09-{d}" for d in (15, 16, 17, 18, 19, 22, 23, 24, 25, 26)]
    counts = run.replayer.counts
    assert counts.rejected == {"split_already_applied": 1, "unknown_instrument": 1, "not_a_number": 82}
    assert sum(isinstance(r.body, Split) for r in run.records()) == 1
    ordered = [b for b in buckets(replay(chosen, world(chosen, feed=sp500_feed(26))).payloads()) if b.date == "2008-09-17"]
    shuffled = [b for b in closed if b.date == "2008-09-17"]
    assert np.array_equal(ordered[0].price[1:], shuffled[0].price[1:])
    for cut in random.Random(2).sample(range(len(payloads)), 25):
        assert replay(chosen, fed, payloads[:cut]).payloads() == payloads, f"cut after {cut} records"


# -------------------------------------------------------- pace, progress, stop


def test_progress_counts_days(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    seen: list[Progress] = []
    run = replay(DAILY, daily[0], on_progress=seen.append)
    assert [p.seeding for p in seen] == [True] * 5 + [False] * 11
    assert [p.seed_done for p in seen] == [1, 2, 3, 4, 5] + [6] * 11
    assert [p.days_done for p in seen] == [0] * 6 + list(range(1, 11))
    assert {(p.days_total, p.seed_total) for p in seen} == {(10, 6)}
    assert [p.finished for p in seen] == [False] * 15 + [True]
    assert (seen[-1].day, seen[-1].records) == ("2008-09-26", len(daily[1]))
    assert run.replayer.progress == seen[-1]
    assert replay(DAILY, daily[0], daily[1]).replayer.progress.finished


def test_pace_is_days_per_second_after_the_seed(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    fed, payloads = daily
    clock = HandClock()
    log = MemoryLog()
    times: list[tuple[float, bool]] = []
    start = clock.now_ns()
    chosen = replay_settings(FIRST, LAST, speed="4")
    replayer = Replayer(
        *fed, chosen, log, KeptLetters(), clock, on_progress=lambda p: times.append(((clock.now_ns() - start) / 1e9, p.seeding))
    )
    play(replayer, clock)
    assert list(read_log(log)) == payloads
    at = [t for t, _ in times]
    assert at[:6] == [0.0] * 6
    assert np.diff(at[6:]) == pytest.approx(np.full(9, 0.25), abs=1e-6)
    assert max(clock.slept) <= 0.05


def test_a_slow_consumer_does_not_cause_a_rush(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    """After a pause of a minute the replay goes on at its pace, not faster than one second's worth of days."""
    clock = HandClock()
    at: list[float] = []

    def progress(p: Progress) -> None:
        at.append(clock.now_ns() / 1e9)
        if p.days_done == 2:
            clock.time_ns += 60 * 10**9

    replayer = Replayer(*daily[0], replay_settings(FIRST, LAST, speed="2"), MemoryLog(), KeptLetters(), clock, on_progress=progress)
    play(replayer, clock)
    gaps = np.diff(at[6:])
    assert gaps[1] >= 60.0
    assert sum(g < 0.4 for g in gaps) <= 3


def test_stop_ends_between_records_and_flushes(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    stop = Event()
    run = prepare(DAILY, daily[0], on_progress=lambda p: stop.set() if p.days_done == 3 else None)
    assert not play(run.replayer, run.clock, stop).finished
    assert run.payloads() == daily[1][: len(run.payloads())]
    assert codec.decode(run.payloads()[-1]).body == DayClose("XNYS", "2008-09-17")


def test_orders_are_taken_while_the_replay_waits_for_its_pace(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    class Asked:
        times = 0

        def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
            self.times += 1
            return []

        def acknowledge(self, receipt: object) -> None: ...

        def close(self) -> None: ...

    asked = Asked()
    run = prepare(replay_settings(FIRST, LAST, speed="10"), daily[0])
    began_ns = run.clock.now_ns()
    play(run.replayer, run.clock, orders=asked)
    assert asked.times > 0.8 * (run.clock.now_ns() - began_ns) / 20_000_000


def test_a_log_that_goes_away_ends_the_replay_and_it_resumes(daily: tuple[tuple[Feed, Book], list[bytes]]) -> None:
    fed, payloads = daily

    class Fragile(MemoryLog):
        def append(self, payload: bytes) -> None:
            if self.last_log_seq == 17:
                raise Unavailable("gone")
            super().append(payload)

    log = Fragile()
    with pytest.raises(Unavailable):
        play(Replayer(*fed, DAILY, log, KeptLetters(), HandClock()), HandClock())
    held = list(read_log(log))
    assert held == payloads[:17]
    assert replay(DAILY, fed, held).payloads() == payloads


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.0, 900.0, 3600.0, 23_400.0]))
def test_any_stop_and_any_batch(seed: int, batch_max: int, cadence_seconds: float) -> None:
    chosen = replay_settings("2008-09-24", LAST, window=2, cadence_seconds=cadence_seconds, batch_max=batch_max)
    fed = world(chosen, feed=_INTRADAY)
    payloads = replay(chosen, fed).payloads()
    check_promises(payloads)
    cut = random.Random(seed).randrange(len(payloads) + 1)
    assert replay(chosen, fed, payloads[:cut]).payloads() == payloads


_INTRADAY = sp500_feed(9)
