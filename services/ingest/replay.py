"""A feed into the log, day by day: the same feed, book and settings always give the same bytes, however often it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from risk_core.book import Book
from services.common.config import Settings
from services.common.feeds.port import Feed, FeedDay, select_days
from services.common.ports import Clock, DeadLetters, Log
from services.ingest.genesis import check_genesis, make_genesis
from services.ingest.ingest import NS_PER_SECOND, Counts, Ingest, Observer
from services.ingest.log_state import LogState
from services.ingest.merge import FillStep, SplitStep, TickStep, merge_day
from services.ingest.pacing import EventClock, Pacer

FLUSH_SECONDS_MAX: Final = 30.0
_DAY_NS: Final = 86_400 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a replay is. `day` is the last closed trading day, None before the first; `days_done` counts days with results."""

    day: str | None
    day_ns: int
    seeding: bool
    seed_done: int
    seed_total: int
    days_done: int
    days_total: int
    records: int
    finished: bool


class Replayer:
    """Drives one feed through ingest, as the sources `feed/<name>` and `calendar/<calendar>`.

    The feed's source carries ticks, fills and splits merged by event time. The calendar's holds its watermark just before the
    close until the day close is logged. Neither is closed at the end: a replay that goes on later gives the bytes of one that
    never stopped. `ingest_ns` is event time.

    Parameters
    ----------
    feed, book, settings
        What is replayed: `settings.replay` and `settings.ingest` say how.
    log, dead_letters, clock
        Ports; `clock` is real time and only paces.
    state : LogState
        What the log holds; a replay resumes exactly after. Ticks of a day that was cut are not sent twice.
    nonce : str
        For a run started anew; with `anew` a new genesis is written even if the log is not empty.

    Raises
    ------
    FeedError
        The days asked for are not in the data.
    GenesisMismatch
        The log folds something else.
    """

    def __init__(
        self,
        feed: Feed,
        book: Book,
        settings: Settings,
        log: Log,
        dead_letters: DeadLetters,
        clock: Clock,
        *,
        state: LogState | None = None,
        nonce: str = "",
        anew: bool = False,
        observers: Iterable[Observer] = (),
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._feed = feed
        self._settings = settings
        self._clock = clock
        self._on_progress = on_progress
        self.span = select_days(feed, settings.replay.from_date, settings.replay.to_date, settings.model.window)
        genesis = make_genesis(feed, book, self.span, settings, nonce)
        state = LogState() if state is None else state
        if state.genesis is not None and not anew:
            check_genesis(state.genesis, genesis)
        self._started_ns = feed.day(self.span.seed[0]).open_ns - _DAY_NS
        self.run_clock = EventClock(self._started_ns)
        self.ingest = Ingest(
            genesis,
            log,
            dead_letters,
            self.run_clock,
            state,
            batch_max=settings.ingest.batch_max,
            future_seconds_max=settings.ingest.future_seconds_max,
            observers=observers,
            anew=anew,
            started_ns=self._started_ns,
        )
        closed = self.ingest.state.last_close
        self._promised_ns = self._started_ns if closed is None else self._feed.day(date.fromisoformat(closed.date)).close_ns
        self._todo = [d for d in self.span.all if closed is None or str(d) > closed.date]
        self._done = len(self.span.all) - len(self._todo)
        self._place = 0.0
        self._paced_from = 0
        self._pacer: Pacer | None = None
        self._steps = self._replay()
        self.progress = self._progress(closed.date if closed else None, self._started_ns)

    @property
    def counts(self) -> Counts:
        """Return what was taken, refused and warned of by this process."""
        return self.ingest.counts

    # --------------------------------------------------------------- drive

    def step(self) -> bool:
        """Log the next record; return False when there is none."""
        return next(self._steps, None) is not None

    def wait_seconds(self) -> float:
        """Return how long the next step should wait for its pace; seeding days do not wait."""
        if self._done < len(self.span.seed):
            return 0.0
        if self._pacer is None:
            # The pace counts from the first day with results in this process.
            self._pacer, self._paced_from = Pacer(self._clock, self._settings.replay.speed), self._done
        return self._pacer.wait_seconds(self._place - self._paced_from)

    # ---------------------------------------------------------------- live

    @property
    def calendar(self) -> str:
        """Return the exchange calendar of the feed's days."""
        return self._feed.calendar

    @property
    def feed_name(self) -> str:
        """Return the feed's name."""
        return self._feed.name

    @property
    def last_close_ns(self) -> int:
        """Return the close of the last day to replay."""
        return self._feed.day(self.span.days[-1]).close_ns

    def went_live(self) -> bool:
        """Return whether the log went over into the live market before."""
        source = self.ingest.source(f"feed/{self._feed.name}")
        return source.last_seq > 0 and not source.open

    def go_live(self) -> None:
        """End the feed's source after its last day."""
        self.ingest.close(self.ingest.source(f"feed/{self._feed.name}"))
        self.ingest.replayed.clear()

    # --------------------------------------------------------------- steps

    def _replay(self) -> Iterator[bool]:
        """Yield after each record."""
        ingest = self.ingest
        feed_source = ingest.replayed_source(f"feed/{self._feed.name}")
        calendar = ingest.replayed_source(f"calendar/{self._feed.calendar}")
        for source in (feed_source, calendar):
            if self._todo and not source.open:
                ingest.open(source.name, self._started_ns)
                yield True
        self.run_clock.set(feed_source.watermark_ns)
        resumed = True  # the log may hold a part of the first day
        for day in self._todo:
            fed = self._feed.day(day)
            yield from self._market(fed, resumed)
            self._move_to(fed, fed.close_ns)
            ingest.day_close(calendar, self._feed.calendar, str(day), fed.close_ns)
            self._done += 1
            self._promised_ns = fed.close_ns
            self._place = float(self._done)
            self.progress = self._progress(str(day), fed.close_ns)
            if self._on_progress is not None:
                self._on_progress(self.progress)
            yield True
            resumed = False

    def _market(self, fed: FeedDay, resumed: bool) -> Iterator[bool]:
        """Log one day's ticks, fills and splits; `resumed` means that some of them may be in the log."""
        ingest, state = self.ingest, self.ingest.state
        source = ingest.source(f"feed/{self._feed.name}")
        calendar = ingest.source(f"calendar/{self._feed.calendar}")
        cadence_ns = round(self._settings.model.cadence_seconds * NS_PER_SECOND)
        if cadence_ns and fed.close_ns - 1 > calendar.watermark_ns:
            ingest.heartbeat(calendar, fed.close_ns - 1)
            yield True
        skip, fills, splits = 0, fed.fills, fed.actions
        if resumed:
            skip = source.day_ticks
            fills = tuple(f for f in fills if f.fill_id not in state.day_fills)
            splits = tuple(s for s in splits if s.action_id not in state.day_splits)
        checked = ingest.check_day(source, fed.ticks, self._promised_ns, fed.close_ns).in_time()
        steps = merge_day(checked.event_ns, fills, splits, cadence_ns=cadence_ns, batch_max=ingest.batch_max, skip=skip)
        for place, (step, watermark_ns) in enumerate(steps, start=1):
            watermark_ns = fed.close_ns if place == len(steps) else watermark_ns
            self._move_to(fed, int(checked.event_ns[step.stop - 1]) if isinstance(step, TickStep) else step.event_ns)
            match step:
                case TickStep():
                    ingest.log_ticks(source, checked, step.start, step.stop, watermark_ns)
                case FillStep():
                    ingest.fills(source, ((f, b"") for f in step.fills), watermark_ns)
                case SplitStep():
                    ingest.split(source, step.split, watermark_ns)
            yield True
        if source.watermark_ns < fed.close_ns:
            # Nothing happened that day, or its last fill was refused.
            self._move_to(fed, fed.close_ns)
            ingest.heartbeat(source, fed.close_ns)
            yield True

    def _move_to(self, fed: FeedDay, event_ns: int) -> None:
        self.run_clock.set(event_ns)
        session = (event_ns - fed.open_ns) / (fed.close_ns - fed.open_ns)
        self._place = self._done + min(max(session, 0.0), 1.0)

    def _progress(self, day: str | None, day_ns: int) -> Progress:
        return Progress(
            day=day,
            day_ns=day_ns,
            seeding=self._done < len(self.span.seed),
            seed_done=min(self._done, len(self.span.seed)),
            seed_total=len(self.span.seed),
            days_done=max(self._done - len(self.span.seed), 0),
            days_total=len(self.span.days),
            records=self.ingest.state.records,
            finished=self._done == len(self.span.all),
        )
