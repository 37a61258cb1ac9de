"""One step at a time through what feeds the log: orders of the desk, history, and then, if asked, the live market."""

from __future__ import annotations

import logging

from services.common.config import LiveSettings
from services.common.ports import Clock, Inbox
from services.ingest.inbox import DeskInbox
from services.ingest.live_market import LiveMarket, require_no_gap
from services.ingest.replay import FLUSH_SECONDS_MAX, Replayer

IDLE_SECONDS = 0.02

logger = logging.getLogger("ingest")


class FeedDriver:
    """Drives a replayer and what comes beside and after it, in one thread.

    Parameters
    ----------
    orders : Inbox, optional
        Fills, corrections and positions.
    ticks : Inbox, optional
        With it history goes over into the live market; without, the replay ends.
    clock : Clock
        The wall's.
    epoch : int
        Of whoever writes: part of the names of its sources.

    Raises
    ------
    FeedError
        The live market is asked for, and history ends before the last session that is over.
    """

    def __init__(
        self, replayer: Replayer, orders: Inbox | None, ticks: Inbox | None, clock: Clock, epoch: int, limits: LiveSettings
    ) -> None:
        self._replayer = replayer
        self._desk = None if orders is None else DeskInbox(replayer.ingest, orders, epoch)
        self._ticks = ticks
        self._clock = clock
        self._epoch = epoch
        self._limits = limits
        self.finished = False
        self.market: LiveMarket | None = None
        if ticks is not None and not replayer.went_live():
            require_no_gap(replayer.calendar, replayer.last_close_ns, clock.now_ns())

    def step(self) -> float:
        """Do one piece of work; return how many seconds to wait before the next."""
        if self._desk is not None:
            self._desk.poll(self._clock)
        if self.market is not None:
            return 0.0 if self.market.step() else IDLE_SECONDS
        wait = self._replayer.wait_seconds()
        if wait > 0.0:
            return min(wait, IDLE_SECONDS)
        if self._replayer.step():
            return 0.0
        self._replayer.ingest.flush(FLUSH_SECONDS_MAX)
        if not self.finished:
            self.finished = True
            logger.info("replay finished", extra={"feed": self._replayer.feed_name})
            if self._ticks is not None:
                self.market = self._go_live(self._ticks)
        return IDLE_SECONDS

    def _go_live(self, ticks: Inbox) -> LiveMarket:
        replayer = self._replayer
        replayer.go_live()
        logger.info("live", extra={"calendar": replayer.calendar})
        return LiveMarket(replayer.ingest, ticks, replayer.calendar, replayer.run_clock, self._clock, self._limits, self._epoch)
