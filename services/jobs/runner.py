"""Takes jobs, has them calculated, keeps and publishes their rows, in that order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Final, Protocol

from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import DayCloseRow, Genesis, RiskResult
from services.common.beside import Stopped
from services.common.codec import decode
from services.common.job_inputs import inputs_of
from services.common.outage import Outage
from services.common.ports import Clock, Job, Jobs, Publisher, ResultStore, Run, RunStore, Unavailable
from services.common.run_identity import CALCULATION
from services.common.schemas import encode_day_close, encode_result
from services.jobs.work import Calculated, Work

FLUSH_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 0.1

logger = logging.getLogger("jobs")


class Observer(Protocol):
    """Hears what the runner does."""

    def results(self, results: Sequence[RiskResult]) -> None:
        """Results are durable."""
        ...

    def day_closes(self, rows: Sequence[DayCloseRow]) -> None:
        """Days are judged."""
        ...

    def job(self, kind: str, seconds: float) -> None:
        """A job is done."""
        ...

    def jobs_waiting(self, count: int) -> None:
        """So many jobs are not done."""
        ...


@dataclass(slots=True)
class JobPorts:
    """Everything outside."""

    jobs: Jobs
    store: ResultStore
    runs: RunStore
    publisher: Publisher
    clock: Clock
    observer: Observer
    calculate: Callable[[Work], Calculated]
    calculation: str
    on_run: Callable[[Genesis], None] = lambda genesis: None
    """Told of every run that it begins to work for."""


@dataclass(slots=True)
class JobRunner:
    """One runner; any number may work on one queue. Step-wise: a thread or a simulation drives `steps`.

    It works for the newest run of its own calculation: numbers of a run never come from other code than the run's.
    """

    ports: JobPorts
    _run: Run | None = None
    _outage: Outage = field(default_factory=lambda: Outage(logger, "the history, the publisher or the pool"))

    def step(self) -> bool:
        """Do one job, if there is one; return whether there was. What is away is asked again at the next call."""
        done = False
        try:
            for name in self.steps():
                done = name == "done"
        except Unavailable as error:
            self._outage.away(error)
            return False
        self._outage.back()
        return done

    def steps(self) -> Iterator[str]:
        """Take a job and do it; each name yielded says what was just done. A job that is not done is taken again, by whomever."""
        run = self._own_run()
        job = None if run is None else self.ports.jobs.take([run.run_id])
        if run is None or job is None:
            return
        try:
            yield "taken"
            began_ns = self.ports.clock.now_ns()
            calculated = self.ports.calculate(self._work(run, job))
            yield "calculated"
            self.ports.jobs.keep(job, calculated.results, calculated.day_closes)
            yield "kept"
            self._publish(calculated)
            yield "published"
            self.ports.jobs.done(job)
        except BaseException:
            self._leave()
            raise
        self._tell(run, job, calculated, (self.ports.clock.now_ns() - began_ns) / 1e9)
        yield "done"

    def _own_run(self) -> Run | None:
        newest = self.ports.runs.latest()
        if newest is not None and newest != self._run and newest.description.get(CALCULATION) == self.ports.calculation:
            self._run = newest
            self.ports.on_run(_genesis(newest))
        return self._run

    def _work(self, run: Run, job: Job) -> Work:
        inputs = inputs_of(job)
        methods = [m.name for m in ModelConfiguration.from_json(_genesis(run).configuration).challengers]
        rows = self.ports.store.scenario_rows(run.run_id, inputs.as_of_ns, inputs.log_seq, inputs.scenarios)
        forecasts = self.ports.jobs.forecasts(job, inputs.judged_ns, methods) if inputs.judged_ns else []
        return Work(job, run.genesis, tuple(rows), tuple(forecasts))

    def _publish(self, calculated: Calculated) -> None:
        publisher = self.ports.publisher
        for result in calculated.results:
            publisher.publish("results", str(result.node_id), encode_result(result))
        for row in calculated.day_closes:
            publisher.publish("day_closes", str(row.node_id), encode_day_close(row))
        publisher.flush(FLUSH_SECONDS)

    def _tell(self, run: Run, job: Job, calculated: Calculated, seconds: float) -> None:
        observer = self.ports.observer
        observer.results(calculated.results)
        observer.day_closes(calculated.day_closes)
        observer.job(job.kind, seconds)
        observer.jobs_waiting(self.ports.jobs.waiting(run.run_id))

    def _leave(self) -> None:
        try:
            self.ports.jobs.leave()
        except Unavailable:
            return  # the lock ends with the connection


def _genesis(run: Run) -> Genesis:
    body = decode(run.genesis).body
    assert isinstance(body, Genesis)
    return body


def job_loop(runner: JobRunner, stop: Event) -> None:
    """Do jobs until stopped."""
    try:
        while not stop.is_set():
            if not runner.step():
                stop.wait(IDLE_SECONDS)
    except Stopped:
        return
