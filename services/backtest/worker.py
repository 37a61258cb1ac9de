"""Takes what was judged, and says where each method stands after each day: zones, multipliers, tests of the exceptions.

A method's days are looked at again from the earliest that is due, so corrections, late jobs and restarts are the same path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, Protocol

from risk_core.backtests import RollingBacktest
from risk_core.book import Node
from risk_core.records import BacktestResult, DayCloseRow, Genesis
from services.common.codec import decode
from services.common.outage import Outage
from services.common.ports import Backtests, DueBacktest, HistoryFilter, Publisher, Queries, RunStore, Unavailable
from services.common.runtime import Stopping
from services.common.schemas import encode_zone

logger = logging.getLogger("backtest")

NOTES_MAX: Final = 2_000
"""Notes taken at once: of some hundreds of days of a small book, or a few of a large one."""
PAGE: Final = 1_000
IDLE_SECONDS: Final = 0.2
FLUSH_SECONDS: Final = 10.0
OUTCOMES: Final[dict[str, Callable[[DayCloseRow], bool]]] = {
    "hypothetical": lambda row: row.exception_hypothetical,
    "actual": lambda row: row.exception_actual,
}


class Observer(Protocol):
    """Hears what the worker does."""

    def book(self, nodes: Sequence[Node]) -> None:
        """A run began, with these nodes."""

    def zones(self, rows: Sequence[BacktestResult]) -> None:
        """Zones became durable."""

    def backtests_due(self, count: int) -> None:
        """So many notes wait."""


@dataclass(slots=True)
class BacktestPorts:
    """Everything outside."""

    backtests: Backtests
    queries: Queries
    runs: RunStore
    publisher: Publisher
    observer: Observer


@dataclass(slots=True)
class BacktestWorker:
    """Step-wise; any number may stand by. `windows` are of judged days, the first is the one that metrics show."""

    ports: BacktestPorts
    windows: tuple[int, ...] = (250,)
    _run_id: str = ""
    _outage: Outage = field(default_factory=lambda: Outage(logger, "the history or the publisher"))

    def step(self) -> bool:
        """Do what is due; return whether anything was. What is away is asked again at the next call."""
        try:
            done = self._step()
        except Unavailable as error:
            self._outage.away(error)
            return False
        self._outage.back()
        return done

    def _step(self) -> bool:
        due = self.ports.backtests.due(NOTES_MAX)
        if not due:
            return False
        self._know_run()
        for one in due:
            rows = list(self.judge(one))
            for row in rows:
                self.ports.publisher.publish("zones", str(row.node_id), encode_zone(row))
            self.ports.publisher.flush(FLUSH_SECONDS)  # before they are kept: what is due is then said at least once
            self.ports.backtests.keep([one], rows)
            self.ports.observer.zones([row for row in rows if row.run_id == self._run_id and row.window_days == self.windows[0]])
        self.ports.observer.backtests_due(self.ports.backtests.waiting())
        return True

    def judge(self, due: DueBacktest) -> Iterator[BacktestResult]:
        """Yield the rows of a method of a node from an as_of on; one day ahead only: longer horizons overlap."""
        where = HistoryFilter(due.run_id, due.node_id, method=due.method, horizon_days=1)
        days = list(self._days(replace(where, from_ns=due.from_ns)))
        for confidence, group in groupby(sorted(days, key=_series), key=lambda row: row.confidence):
            before = self.ports.queries.day_closes(replace(where, to_ns=due.from_ns, confidence=confidence), max(self.windows)).rows[::-1]
            after = _settled(list(group))
            for outcome, exceeded in OUTCOMES.items():
                for window in self.windows:
                    yield from _judged(before, after, outcome, exceeded, window)

    def _days(self, where: HistoryFilter) -> Iterator[DayCloseRow]:
        cursor: str | None = None
        while True:
            page = self.ports.queries.day_closes(where, PAGE, cursor)
            yield from page.rows
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def _know_run(self) -> None:
        newest = self.ports.runs.latest()
        if newest is not None and newest.run_id != self._run_id:
            genesis = decode(newest.genesis).body
            assert isinstance(genesis, Genesis)
            self._run_id = newest.run_id
            self.ports.observer.book(genesis.book.nodes)


def _series(row: DayCloseRow) -> tuple[float, int]:
    return row.confidence, row.as_of_ns


def _settled(rows: list[DayCloseRow]) -> list[DayCloseRow]:
    """Return days up to where a correction has come so far: what lies behind is judged again, and noted as due when it is."""
    newest = 0
    for k, row in enumerate(rows):
        if row.revision < newest:
            return rows[:k]
        newest = row.revision
    return rows


def _judged(
    before: Sequence[DayCloseRow], after: Sequence[DayCloseRow], outcome: str, exceeded: Callable[[DayCloseRow], bool], window: int
) -> Iterator[BacktestResult]:
    rolling = RollingBacktest(after[0].confidence, window)
    zone: str | None = None
    for row in before[-window:]:
        zone = str(rolling.update(exceeded(row)).zone)
    for row in after:
        now = rolling.update(exceeded(row))
        yield BacktestResult(
            run_id=row.run_id,
            node_id=row.node_id,
            date=row.date,
            as_of_ns=row.as_of_ns,
            method=row.method,
            horizon_days=row.horizon_days,
            confidence=row.confidence,
            outcome=outcome,
            window_days=window,
            revision=row.revision,
            observations=now.observations,
            exceptions=now.exceptions,
            expected=now.expected,
            zone=str(now.zone),
            zone_before=zone,
            type_i=now.type_i,
            multiplier_mar32=now.multiplier_mar32,
            multiplier_basel_2_5=now.multiplier_basel_2_5,
            kupiec_p=now.kupiec_p,
            independence_p=now.independence_p,
            conditional_p=now.conditional_p,
        )
        zone = str(now.zone)


def backtest_loop(worker: BacktestWorker, stop: Stopping) -> None:
    """Do what is due until stopped."""
    while not stop.is_set():
        if not worker.step():
            stop.wait(IDLE_SECONDS)
