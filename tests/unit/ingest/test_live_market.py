"""History, then the live market: ticks from outside and day closes by the clock, through the real fold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from risk_core.book import Book
from risk_core.engine.fold import Bucket, Fold
from risk_core.records import DayClose, Genesis, SourceClose, Ticks
from services.common import codec
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_topics import MemoryBroker
from services.common.books.demo import demo
from services.common.feeds.port import Feed, FeedError, select_days
from services.common.feeds.sp500 import sp500_feed
from services.common.feeds.times import parse_time
from services.common.ports import Unavailable
from services.ingest.driver import FeedDriver
from services.ingest.log_state import read_log, scan
from services.ingest.replay import Replayer
from tests.unit.ingest.doubles import HandClock, KeptLetters, live_limits, replay_settings

FIRST, LAST = "2008-09-15", "2008-09-19"
MONDAY = "2008-09-22"


def ns(text: str) -> int:
    at = parse_time(text)
    assert isinstance(at, int)
    return at


@dataclass
class Market:
    """A driver over one log; `start` is a process that starts, now or again."""

    now: str
    cadence_seconds: float = 0.0
    log: MemoryLog = field(default_factory=MemoryLog)
    dead: KeptLetters = field(default_factory=KeptLetters)
    epoch: int = 0

    def __post_init__(self) -> None:
        self.clock = HandClock(ns(self.now))
        self.broker = MemoryBroker(clock=self.clock)
        self.broker.subscribe("ticks", "ingest")
        self.settings = replay_settings(FIRST, LAST, cadence_seconds=self.cadence_seconds)
        base = sp500_feed()
        self.book: Book
        self.feed: Feed
        self.book, self.feed = demo(base, select_days(base, self.settings.replay.from_date, self.settings.replay.to_date, 5))

    def start(self) -> Market:
        self.epoch += 1
        self.inbox = self.broker.inbox("ticks", "ingest")
        replayer = Replayer(self.feed, self.book, self.settings, self.log, self.dead, self.clock, state=scan(read_log(self.log)))
        self.driver = FeedDriver(replayer, None, self.inbox, self.clock, self.epoch, live_limits())
        while self.driver.market is None:
            self.driver.step()
        return self

    def crash(self) -> None:
        self.inbox.close()

    def tick(self, symbol: str, price: float, at: str, source: str = "venue") -> None:
        """Send a tick of this moment; the wall's clock comes to it."""
        self.clock.time_ns = max(self.clock.time_ns, ns(at))
        self.send(symbol, price, ns(at), source)

    def send(self, symbol: str, price: float, event_ns: int, source: str) -> None:
        self.broker.publish(
            "ticks", source, json.dumps({"version": 1, "ticks": [{"symbol": symbol, "price": price, "time": event_ns}]}).encode()
        )

    def at(self, text: str) -> None:
        """Let the wall's clock come to a time, and the driver do what is due."""
        self.clock.time_ns = ns(text)
        for _ in range(10):
            self.driver.step()

    def fold(self) -> tuple[Fold, list[Bucket]]:
        records = [codec.decode(p) for p in read_log(self.log)]
        assert isinstance(records[0].body, Genesis)
        fold = Fold(records[0].body)
        return fold, [b for k, r in enumerate(records[1:], start=2) for b in fold.apply(r, k) if isinstance(b, Bucket)]

    def buckets(self) -> list[Bucket]:
        return self.fold()[1]

    def late(self) -> int:
        return self.fold()[0].dropped["late"]

    def closes(self) -> list[str]:
        return [r.body.date for r in map(codec.decode, read_log(self.log)) if isinstance(r.body, DayClose)]

    def column(self, symbol: str) -> int:
        ids = sorted(i.instrument_id for i in self.book.instruments)
        return ids.index(next(i.instrument_id for i in self.book.instruments if i.symbol == symbol))


def trading(seed: int) -> Iterator[tuple[int, str, float, int, str]]:
    """Yield what two venues send in the sessions of two days: when it is sent, symbol, price, event time, source.

    Some of it comes within the lateness bound, some long after it.
    """
    rng = np.random.default_rng(seed)
    price = {"AAPL": 4.0, "GE": 20.0}
    opens = [ns(f"{day}T13:30:00Z") for day in (MONDAY, "2008-09-23")]
    for opened in opens:
        at = opened
        while at < opened + 390 * 60 * 10**9:
            at += int(rng.exponential(20.0) * 1e9) + 10**6
            symbol = str(rng.choice(["AAPL", "GE"]))
            price[symbol] *= float(np.exp(0.001 * rng.standard_normal()))
            delay = 90.0 if rng.random() < 0.02 else rng.uniform(0.0, 1.5)
            yield at, symbol, price[symbol], at - int(delay * 1e9), str(rng.choice(["venue", "other"]))


def test_a_live_day_is_closed_by_the_clock() -> None:
    market = Market(f"{MONDAY}T14:00:00Z").start()
    assert market.closes()[-1] == LAST
    market.tick("AAPL", 4.5, f"{MONDAY}T13:59:59Z")
    market.at(f"{MONDAY}T14:00:00Z")
    market.tick("AAPL", 4.6, f"{MONDAY}T19:59:59.5Z")
    market.at(f"{MONDAY}T20:00:00Z")
    market.at(f"{MONDAY}T20:00:01.9Z")
    assert market.closes()[-1] == LAST, "what is late may still come"
    market.at(f"{MONDAY}T20:00:02Z")
    assert market.closes()[-1] == MONDAY
    market.at(f"{MONDAY}T20:00:40Z")  # the venue is silent, and holds nothing back any more
    last = market.buckets()[-1]
    assert (last.date, last.price[market.column("AAPL")], last.emit) == (MONDAY, 4.6, True)
    market.at("2008-09-23T12:00:00Z")
    market.tick("AAPL", 4.7, "2008-09-23T12:00:00Z")
    market.at("2008-09-23T20:00:40Z")
    assert market.closes()[-2:] == [MONDAY, "2008-09-23"]
    assert not market.dead.letters
    assert market.broker.inbox("ticks", "ingest").receive(1, 0.0) == []


def test_history_must_reach_the_last_session() -> None:
    with pytest.raises(FeedError, match=r"history ends 2008-09-19, and 2 session\(s\) of XNYS are over since, 2008-09-22 to 2008-09-23"):
        Market("2008-09-24T14:00:00Z").start()
    Market("2008-09-21T14:00:00Z").start()  # a weekend is no gap


def test_after_a_pause_ticks_that_waited_are_counted_in_their_own_days() -> None:
    market = Market(f"{MONDAY}T14:00:00Z").start()
    market.tick("AAPL", 4.5, f"{MONDAY}T13:59:59Z")
    market.at(f"{MONDAY}T14:00:00Z")
    market.crash()
    market.tick("AAPL", 4.6, f"{MONDAY}T19:00:00Z")
    market.tick("AAPL", 4.7, "2008-09-23T19:00:00Z")
    market.clock.time_ns = ns("2008-09-24T15:00:00Z")
    market.start()
    market.at("2008-09-24T15:00:00Z")
    market.at("2008-09-24T15:00:40Z")
    days = {b.date: b.price[market.column("AAPL")] for b in market.buckets() if b.date}
    assert (days[MONDAY], days["2008-09-23"]) == (4.6, 4.7)
    assert list(days)[-1] == "2008-09-23"


@pytest.mark.parametrize(("cadence_seconds", "buckets", "late"), [(0.0, 3, 0), (60.0, 700, 10)])
def test_a_pause_changes_no_number(cadence_seconds: float, buckets: int, late: int) -> None:
    """Two sources for two days; one of the processes is away for most of it, and reads what waited in one go."""
    steady, paused = (Market(f"{MONDAY}T13:30:00Z", cadence_seconds).start() for _ in range(2))
    for at, symbol, price, event, source in trading(seed=7):
        for market in (steady, paused):
            market.clock.time_ns = at
            market.send(symbol, price, event, source)
        for _ in range(2):
            steady.driver.step()
        if at < ns(f"{MONDAY}T13:40:00Z"):
            for _ in range(2):
                paused.driver.step()
    paused.crash()
    paused.start()
    for market in (steady, paused):
        market.at("2008-09-24T12:00:00Z")
        market.at("2008-09-24T12:00:40Z")
    assert len(steady.buckets()) >= buckets
    assert [(b.as_of_ns, b.date, b.price.tolist(), b.price_ns.tolist()) for b in steady.buckets()] == [
        (b.as_of_ns, b.date, b.price.tolist(), b.price_ns.tolist()) for b in paused.buckets()
    ]
    assert steady.late() == paused.late() >= late


def test_a_session_without_ticks_is_closed_too() -> None:
    """So the return over it is not taken for one of a day."""
    market = Market(f"{MONDAY}T14:00:00Z").start()
    market.at("2008-09-23T20:01:00Z")
    market.tick("AAPL", 9.0, "2008-09-24T15:00:00Z")
    market.at("2008-09-24T15:00:00Z")
    market.at("2008-09-24T20:01:00Z")
    last = market.buckets()[-3:]
    assert [b.date for b in last] == [MONDAY, "2008-09-23", "2008-09-24"]
    for bucket in last:
        assert bucket.proxied is not None
        assert bucket.proxied[market.column("AAPL")] == 1


def test_with_a_cadence_buckets_close_as_time_passes() -> None:
    market = Market(f"{MONDAY}T14:00:00Z", cadence_seconds=60.0).start()
    market.tick("AAPL", 4.5, f"{MONDAY}T14:00:00Z")
    market.at(f"{MONDAY}T14:00:00Z")
    for second in range(1, 8):
        market.at(f"{MONDAY}T14:00:0{second}Z")
    assert market.buckets()[-1].as_of_ns == ns(f"{MONDAY}T14:00:00Z")
    market.tick("AAPL", 4.6, f"{MONDAY}T14:00:30Z")
    market.at(f"{MONDAY}T14:00:30Z")
    market.at(f"{MONDAY}T14:01:01Z")
    assert market.buckets()[-1].as_of_ns == ns(f"{MONDAY}T14:00:00Z"), "what is late may still come"
    market.at(f"{MONDAY}T14:01:03Z")
    assert market.buckets()[-1].as_of_ns == ns(f"{MONDAY}T14:01:00Z")
    assert market.buckets()[-1].price[market.column("AAPL")] == 4.6


def test_sources_of_a_former_owner_hold_nothing_back() -> None:
    market = Market(f"{MONDAY}T14:00:00Z").start()
    market.tick("AAPL", 4.5, f"{MONDAY}T13:59:59Z")
    market.at(f"{MONDAY}T14:00:00Z")
    market.crash()
    market.start()
    names = {r.source_id: r for r in map(codec.decode, read_log(market.log)) if isinstance(r.body, SourceClose)}
    opened = [s.name for s in scan(read_log(market.log)).sources.values() if s.open]
    assert opened == ["calendar/XNYS"]
    assert len(names) == 2  # the feed's and the venue's
    market.tick("AAPL", 4.6, f"{MONDAY}T14:00:01Z")
    market.at(f"{MONDAY}T14:00:02Z")
    ticks = [r for r in map(codec.decode, read_log(market.log)) if isinstance(r.body, Ticks)]
    assert ticks[-1].source_seq == 2  # after its opening: numbers of its own


def test_bad_ticks_are_kept_and_the_market_goes_on() -> None:
    market = Market(f"{MONDAY}T14:00:00Z").start()
    market.broker.publish("ticks", "venue", b"rubbish")
    market.tick("NOBODY", 1.0, f"{MONDAY}T14:00:00Z")
    market.tick("AAPL", 4.5, f"{MONDAY}T14:00:00Z")
    market.at(f"{MONDAY}T14:00:00Z")
    assert [letter.reason for letter in market.dead.letters] == ["garbage", "unknown_instrument"]
    assert market.driver.market is not None
    assert market.inbox.receive(1, 0.0) == []


def test_a_day_is_not_closed_while_the_inbox_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(f"{MONDAY}T14:00:00Z").start()
    market.tick("AAPL", 4.5, f"{MONDAY}T19:00:00Z")

    def away(*_: object) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(type(market.inbox), "receive", away)
        market.at(f"{MONDAY}T21:00:00Z")
        assert market.closes()[-1] == LAST
    market.at(f"{MONDAY}T21:00:00Z")
    market.at(f"{MONDAY}T21:00:40Z")
    assert {b.date: b.price[market.column("AAPL")] for b in market.buckets()}[MONDAY] == 4.5
