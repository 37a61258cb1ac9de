"""Jobs of a small run: done once each whatever dies when, kept, published, judged; and equal to what evidence calculates again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from risk_core import methods
from risk_core.engine.challengers import FALLBACK
from risk_core.records import DayCloseRow, RiskResult
from risk_core.scenarios.simulated import DRAWS
from risk_core.scenarios.simulated_variants import SOBOL_DRAWS
from services.common.adapters.memory_stores import MemoryJobs
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.beside import Stopped
from services.common.config import load_settings
from services.common.evidence_shapes import ResultId
from services.common.job_inputs import inputs_of, job_of
from services.common.ports import Unavailable
from services.common.state_codec import MalformedState
from services.jobs.calculation import calculate
from services.jobs.pool import ProcessPool
from services.jobs.runner import JobPorts, JobRunner, job_loop
from services.jobs.work import Work
from services.main.stored_status import StoredStatus
from tests.unit.api.small_run import SmallRun
from tests.worlds import interleave, make_world

CHALLENGERS = tuple(m.name for m in methods.CHALLENGERS)


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.kept: list[RiskResult] = []
        self.judged: list[DayCloseRow] = []
        self.jobs: list[str] = []
        self.waiting: int | None = None

    def results(self, rows: Any) -> None:
        self.kept += rows

    def day_closes(self, rows: Any) -> None:
        self.judged += rows

    def job(self, kind: str, seconds: float) -> None:
        self.jobs.append(kind)

    def jobs_waiting(self, count: int) -> None:
        self.waiting = count


def played(seed: int = 4, **options: Any) -> SmallRun:
    world = make_world(seed, challengers=CHALLENGERS, **options)
    return SmallRun(interleave(world, seed)).play()


def runner_of(run: SmallRun, calculation: str = "test") -> tuple[JobRunner, MemoryBroker, Heard]:
    broker, heard = MemoryBroker(retained_max=100_000), Heard()
    publisher = MemoryPublisher(broker)
    jobs = MemoryJobs(run.database)
    return JobRunner(JobPorts(jobs, run.results, run.runs, publisher, run.clock, heard, calculate, calculation)), broker, heard


def challenged(rows: Any) -> dict[tuple[Any, ...], Any]:
    return {(r.node_id, r.as_of_ns, r.method, r.confidence, r.revision): r for r in rows if r.method in CHALLENGERS}


@pytest.fixture(scope="module")
def done() -> tuple[SmallRun, MemoryBroker, Heard]:
    run = played()
    runner, broker, heard = runner_of(run)
    while runner.step():
        pass
    return run, broker, heard


def test_every_close_has_every_method_of_every_node(done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run, _, heard = done
    rows = challenged(run.database.results.values())
    streamed = {(r.node_id, r.as_of_ns, r.revision) for r in run.stored() if r.method == "historical"}
    assert set(rows) == {(n, at, m, c, rev) for n, at, rev in streamed for m in CHALLENGERS for c in (0.75, 0.99)}
    assert rows == challenged(heard.kept)
    assert len(heard.kept) == len(rows)
    assert set(heard.jobs) == {"challengers"}
    assert heard.waiting == 0
    like = {(r.node_id, r.as_of_ns, r.revision): r for r in run.stored() if r.method == "historical"}
    for (node_id, at, method, _, revision), row in rows.items():
        twin = like[node_id, at, revision]
        scenarios = methods.METHODS[method].scenario_set
        drawn = scenarios.simulated and FALLBACK not in row.status  # of two days no set is made
        assert row.horizon_days == methods.METHODS[method].horizon_days
        if row.horizon_days > 1:
            assert row.scenario_count > 0  # windows are fewer than days
            continue
        count = (SOBOL_DRAWS if scenarios.of_one_book else DRAWS) if drawn else twin.scenario_count
        assert (row.log_seq, row.scenario_count, row.stale_share, row.currency) == (twin.log_seq, count, twin.stale_share, twin.currency)


def test_days_are_counted_once_however_many_methods(done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run, _, _ = done
    fewest = min(Counter(r.as_of_ns for r in run.stored() if r.revision == 0).values())
    status = StoredStatus(load_settings(), run.runs, run.queries).read(exactly=True)
    assert status.days_done == len(run.stored()) // fewest
    plain = SmallRun(interleave(make_world(4), 4)).play()
    assert status.days_done == StoredStatus(load_settings(), plain.runs, plain.queries).read(exactly=True).days_done


def test_every_day_is_judged_like_the_streamed_ones(done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run, _, heard = done
    days = challenged(run.database.day_closes.values())
    streamed = {(d.node_id, d.as_of_ns, d.revision): d for d in run.database.day_closes.values() if d.method == "historical"}
    first = min(d.as_of_ns for d in streamed.values())
    assert {k[:2] + k[4:] for k in days} == {k for k, d in streamed.items() if d.as_of_ns > first}
    for (node_id, at, method, confidence, revision), day in days.items():
        twin = streamed[node_id, at, revision]
        assert (day.date, day.hypothetical_pnl, day.actual_pnl, day.fees) == (twin.date, twin.hypothetical_pnl, twin.actual_pnl, twin.fees)
        before = [
            r
            for r in challenged(run.stored()).values()
            if r.as_of_ns < at and (r.node_id, r.method, r.confidence) == (node_id, method, confidence)
        ]
        newest = max(r.as_of_ns for r in before)
        forecast = min((r for r in before if r.as_of_ns == newest), key=lambda r: r.revision)
        assert day.forecast_value_at_risk == forecast.value_at_risk
        assert day.exception_hypothetical == (-day.hypothetical_pnl > forecast.value_at_risk)
    assert days == challenged(heard.judged)


def test_rows_are_published_and_are_not_the_shards(done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run, broker, heard = done
    published = [json.loads(m.payload) for m in broker.retained("results")]
    assert Counter(p["method"] for p in published) == Counter(r.method for r in heard.kept)
    checkpoint = run.results.latest_checkpoint(heard.kept[0].run_id, "0")
    assert checkpoint is not None
    again, _ = run.results.committed_results(checkpoint.run_id, "0", checkpoint.as_of_ns)
    assert not challenged(again)


def test_evidence_calculates_them_again(done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run, _, _ = done
    evidence = run.evidence()
    for row in list(challenged(run.stored()).values())[-24:]:
        told = ResultId(row.node_id, row.as_of_ns, row.method, row.confidence, row.revision)
        again = evidence.reproduce(told)
        assert again.matches, again.differing
        parts = evidence.components(row.node_id, row.method, row.confidence, row.as_of_ns)
        assert parts.value_at_risk == row.value_at_risk
        assert parts.sum_component_var == pytest.approx(row.value_at_risk, rel=1e-6, abs=1e-9)
        assert parts.sum_component_es == pytest.approx(row.expected_shortfall, rel=1e-6, abs=1e-9)
        assert evidence.explain(told).scenarios


@pytest.mark.parametrize("step", ["taken", "calculated", "kept", "published"])
def test_a_runner_that_dies_between_two_steps_changes_nothing(step: str, done: tuple[SmallRun, MemoryBroker, Heard]) -> None:
    run = played()
    dying, _, _ = runner_of(run)
    for name in dying.steps():
        if name == step:
            break  # its connection is lost with it
    dying.ports.jobs.leave()
    runner, broker, _ = runner_of(run)
    while runner.step():
        pass
    assert challenged(run.stored()) == challenged(done[0].stored())
    assert challenged(run.database.day_closes.values()) == challenged(done[0].database.day_closes.values())
    keys = {
        (p["node_id"], p["as_of_ns"], p["method"], p["confidence"], p["revision"])
        for p in map(json.loads, (m.payload for m in broker.retained("results")))
    }
    assert len(keys) == len(challenged(run.stored()))


def test_what_is_away_is_asked_again() -> None:
    run = played()
    runner, _, heard = runner_of(run)
    run.database.available = False
    assert not runner.step()
    run.database.available = True

    def away(*_: object) -> None:
        raise Unavailable("away")

    publisher = runner.ports.publisher
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(publisher, "flush", away)
        assert not runner.step()
    waiting = runner.ports.jobs.waiting(run.runs.latest().run_id)  # type: ignore[union-attr]
    assert runner.step()
    assert heard.waiting == waiting - 1


def test_jobs_of_another_calculation_are_left() -> None:
    run = played()
    runner, _, _ = runner_of(run, calculation="newer")
    assert not runner.step()
    known = run.runs.latest()
    assert known is not None
    older, _, _ = runner_of(run)
    assert older.step()
    run.runs.register(replace(known, run_id="child", parent_run_id=known.run_id, description={**known.description, "calculation": "newer"}))
    assert older.step(), "it works off what its own run left"


def test_inputs_come_back_as_they_were_frozen() -> None:
    run = played()
    for job in run.database.jobs.values():
        assert job_of(job.run_id, job.shard_id, inputs_of(job)) == job
    with pytest.raises(MalformedState):
        inputs_of(replace(job, payload=job.payload[:-3]))


def test_a_job_without_its_window_says_so() -> None:
    run = played()
    job = next(iter(run.database.jobs.values()))
    with pytest.raises(ValueError, match=r"needs \d+ scenario rows; the store holds 0"):
        calculate(Work(job, run.runs.latest().genesis, (), ()))  # type: ignore[union-attr]


def test_the_pool_survives_the_death_of_its_process() -> None:
    run = played(cadence_ns=0, days=5)
    stop = threading.Event()
    pool = ProcessPool(stop.is_set)
    runner, _, _ = runner_of(run)
    runner.ports.calculate = pool.calculate
    try:
        assert runner.step()
        assert pool.beside.pid is not None
        os.kill(pool.beside.pid, signal.SIGKILL)
        while runner.step():
            pass
        other, _, _ = runner_of(twin := played(cadence_ns=0, days=5))
        while other.step():
            pass
        assert challenged(run.stored()) == challenged(twin.stored())
    finally:
        pool.close()


def test_the_loop_stops_at_once_although_a_job_is_long() -> None:
    run = played(days=5)
    stop = threading.Event()
    runner, _, _ = runner_of(run)

    def forever(work: Work) -> Any:
        while not stop.wait(0.01):
            pass
        raise Stopped

    runner.ports.calculate = forever
    thread = threading.Thread(target=job_loop, args=(runner, stop))
    thread.start()
    time.sleep(0.1)
    stop.set()
    thread.join(5.0)
    assert not thread.is_alive()
    runner.ports.calculate = calculate
    assert runner.step(), "the job waits for the next"
