"""What ingest is tested with: ports in memory, and a small book."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from types import MappingProxyType

from risk_core.book import Book
from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import Genesis, Record
from services.common import codec
from services.common.adapters.memory_log import MemoryLog
from services.common.config import LiveSettings, Settings, load_settings
from services.common.ports import DeadLetter, Inbox, Lease
from services.ingest.driver import FeedDriver
from services.ingest.genesis import book_hash
from services.ingest.ingest import Ingest
from services.ingest.log_state import LogState, read_log, scan
from services.ingest.pacing import EventClock
from services.ingest.replay import Progress, Replayer
from tests.worlds import small_book

NOW_NS = 1_700_000_000_000_000_000


class KeptLetters:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    def put(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def recent(self, limit: int) -> list[DeadLetter]:
        return self.letters[::-1][:limit]


class HandClock:
    """Real time, moved by hand; sleeping moves it."""

    def __init__(self, now_ns: int = NOW_NS) -> None:
        self.time_ns = now_ns
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.time_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_ns += round(seconds * 1e9)


class OneLease:
    """Leases of one database: epochs grow, expiry by the clock."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.held: dict[str, tuple[Lease, int]] = {}

    def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
        now = self.clock.now_ns()
        lease, until = self.held.get(shard_id, (Lease(shard_id, "", 0), 0))
        if lease.owner and until > now:
            return None
        lease = Lease(shard_id, owner, lease.epoch + 1)
        self.held[shard_id] = (lease, now + round(ttl_seconds * 1e9))
        return lease

    def renew(self, lease: Lease, ttl_seconds: float) -> bool:
        if self.held[lease.shard_id][0] != lease:
            return False
        self.held[lease.shard_id] = (lease, self.clock.now_ns() + round(ttl_seconds * 1e9))
        return True

    def release(self, lease: Lease) -> None:
        if self.held[lease.shard_id][0] == lease:
            self.held[lease.shard_id] = (Lease(lease.shard_id, "", lease.epoch), 0)


def genesis_of(book: Book, cadence_ns: int = 0) -> Genesis:
    return Genesis(book, "feed", book_hash(book), "", 0, cadence_ns, ModelConfiguration(window=5, correction_days=2).to_json())


class Bench:
    """An `Ingest` over a memory log, with everything it did in reach."""

    def __init__(self, book: Book | None = None, now_ns: int = NOW_NS, log: MemoryLog | None = None, batch_max: int = 1000) -> None:
        self.book = book or small_book()
        self.log = log or MemoryLog()
        self.dead = KeptLetters()
        self.clock = HandClock(now_ns)
        state = scan(read_log(self.log))
        self.ingest = Ingest(genesis_of(self.book), self.log, self.dead, self.clock, state, batch_max=batch_max, future_seconds_max=1.0)

    def payloads(self) -> list[bytes]:
        return list(read_log(self.log))

    def records(self) -> list[Record]:
        return [codec.decode(p) for p in self.payloads()]

    def of(self, kind: type) -> list[Record]:
        return [r for r in self.records() if isinstance(r.body, kind)]


def replay_settings(
    first: str,
    last: str,
    *,
    window: int = 5,
    cadence_seconds: float = 0.0,
    batch_max: int = 1000,
    speed: str = "max",
    liquidity: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> Settings:
    return load_settings(
        replay={"from_date": first, "to_date": last, "speed": speed},
        model={"window": window, "cadence_seconds": cadence_seconds, "liquidity": dict(liquidity)},
        ingest={"batch_max": batch_max},
    )


def live_limits(**values: float) -> LiveSettings:
    """Return bounds of live sources, others than these as a service has them."""
    return LiveSettings.model_validate(values)


def play(replayer: Replayer, clock: HandClock, stop: Event | None = None, orders: Inbox | None = None) -> Progress:
    """Drive a replay to its end, or until it is stopped."""
    driver = FeedDriver(replayer, orders, None, clock, 0, live_limits())
    while not driver.finished and not (stop is not None and stop.is_set()):
        wait = driver.step()
        if wait > 0.0 and not driver.finished:
            clock.sleep(wait)
    return replayer.progress


__all__ = [
    "Bench",
    "EventClock",
    "HandClock",
    "KeptLetters",
    "LogState",
    "OneLease",
    "genesis_of",
    "live_limits",
    "play",
    "replay_settings",
]
