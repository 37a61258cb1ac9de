"""The ingest process: own the sources, resume after what the log holds, replay, take fills from outside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final

from risk_core.book import Book
from services.common.config import Settings
from services.common.feeds.port import Feed
from services.common.ports import Clock, DeadLetters, Inbox, Leases, Log
from services.ingest.driver import FeedDriver
from services.ingest.ingest import Observer
from services.ingest.log_state import read_log, scan
from services.ingest.ownership import SourceOwner
from services.ingest.replay import FLUSH_SECONDS_MAX, Progress, Replayer

logger = logging.getLogger("ingest")

STANDBY_SECONDS: Final = 0.2


@dataclass(slots=True)
class IngestService:
    """One ingest worker; any number may run, one writes.

    Parameters
    ----------
    feed, book, settings
        What is replayed.
    log, dead_letters, leases, clock : ports
        `clock` is real time.
    owner : str
        This worker's name in the lease.
    inbox : Inbox, optional
        Orders of the desk from outside.
    ticks : Inbox, optional
        Ticks from outside: with it, history goes over into the live market.
    anew : bool
        Start a new run with `nonce` although the log holds one.
    """

    feed: Feed
    book: Book
    settings: Settings
    log: Log
    dead_letters: DeadLetters
    leases: Leases
    clock: Clock
    owner: str
    inbox: Inbox | None = None
    ticks: Inbox | None = None
    nonce: str = ""
    anew: bool = False
    observers: tuple[Observer, ...] = ()
    on_progress: Callable[[Progress], None] | None = None
    replayer: Replayer | None = None

    def run(self, stop: Event) -> None:
        """Serve until `stop` is set; everything logged is durable on return."""
        owner = SourceOwner(self.leases, f"replay/{self.feed.name}", self.owner, self.clock, self.settings.shards.lease_seconds)
        try:
            while not stop.is_set():
                if owner.hold():
                    self._own(owner, stop)
                else:
                    self.clock.sleep(STANDBY_SECONDS)
        finally:
            owner.release()

    def _own(self, owner: SourceOwner, stop: Event) -> None:
        """Write until stopped, or until another worker has the lease."""
        replayer = self.replayer = Replayer(
            self.feed,
            self.book,
            self.settings,
            self.log,
            self.dead_letters,
            self.clock,
            state=scan(read_log(self.log)),
            nonce=self.nonce,
            anew=self.anew,
            observers=self.observers,
            on_progress=self.on_progress,
        )
        progress = replayer.progress
        logger.info("replaying", extra={"feed": self.feed.name, "days_done": progress.days_done, "days": progress.days_total})
        self.anew = False  # once: after a takeover the new run is continued
        if self.on_progress is not None:
            self.on_progress(replayer.progress)
        driver = FeedDriver(replayer, self.inbox, self.ticks, self.clock, owner.epoch, self.settings.live)
        while not stop.is_set() and owner.hold():
            wait = driver.step()
            if wait > 0.0:
                self.clock.sleep(wait)
        replayer.ingest.flush(FLUSH_SECONDS_MAX)
