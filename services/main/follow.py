"""A replay into a stack, followed until its numbers are final."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from risk_core.book import Book
from risk_core.records import RiskResult
from services.common.feeds.port import Feed, select_days
from services.common.ports import Unavailable
from services.common.runtime import Group, worker_name
from services.common.status import RunStatus
from services.ingest.service import IngestService
from services.main.processes import IngestObserver, Parts
from services.main.stored_status import StoredStatus
from services.main.wiring import Broker

POLL_SECONDS = 0.25


@dataclass
class Following:
    """Feeds the log as an ingest worker and watches the stores."""

    parts: Parts
    broker: Broker
    feed: Feed
    book: Book
    nonce: str
    anew: bool
    _status: RunStatus | None = field(default=None, init=False)

    def run(self, watch: Callable[[RunStatus], None], until_finished: bool, stop: Event) -> tuple[RunStatus, Sequence[RiskResult]]:
        """Replay; return the last status and the newest results when finished (if asked) or stopped."""
        settings, kept = self.parts.settings, self.parts.stores
        service = IngestService(
            feed=self.feed,
            book=self.book,
            settings=settings,
            log=self.broker.log,
            dead_letters=kept.dead_letters,
            leases=kept.leases,
            clock=self.parts.clock,
            owner=worker_name(settings.worker_name),
            inbox=self.broker.inbox("fills"),
            nonce=self.nonce,
            anew=self.anew,
            observers=(IngestObserver(self.parts.metrics),),
        )
        span = select_days(self.feed, settings.replay.from_date, settings.replay.to_date, settings.model.window)
        last_ns = self.feed.day(span.days[-1]).close_ns
        group = Group()
        group.start("ingest", service.run)
        stored = StoredStatus(settings, kept.runs, kept.queries)
        rows: Sequence[RiskResult] = ()
        status = stored.read()
        try:
            while not stop.is_set() and not group.stop.is_set():
                try:
                    status = replace(stored.read(), days_total=len(span.days), last_ns=last_ns)
                    rows = kept.queries.latest_results(status.run_id) if status.run_id else ()
                    ended = service.replayer is not None and service.replayer.progress.finished
                    final = {r.node_id for r in rows if r.as_of_ns >= last_ns} >= {n.node_id for n in self.book.nodes}
                    final = final and not kept.jobs.waiting(status.run_id)
                    if ended and final:
                        status = replace(stored.read(exactly=True), days_total=len(span.days), last_ns=last_ns)
                except Unavailable:
                    stop.wait(POLL_SECONDS)
                    continue
                if ended and final:
                    counts = service.replayer.counts if service.replayer is not None else None
                    status = replace(status, state="finished", rejected=dict(counts.rejected) if counts else {}, ticks=_ticks(counts))
                watch(status)
                if status.state == "finished" and until_finished:
                    break
                time.sleep(POLL_SECONDS)
        finally:
            group.close()
        group.check()
        return status, rows


def _ticks(counts: object) -> int:
    taken = getattr(counts, "taken", {})
    return int(taken.get("ticks", 0))
