"""A server that hangs holds up only what needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from services.api import limits
from services.api.limits import Bulkhead, Refreshed
from services.api.problems import ApiProblem
from services.common.ports import HistoryFilter, Page, Unavailable
from tests.unit.api.small_run import ManualClock, small_run
from tests.unit.api.test_stream import application, events, served


class Source:
    """A value that can be away, or hang."""

    def __init__(self) -> None:
        self.value, self.reads, self.away = 1, 0, False
        self.gate = threading.Event()
        self.gate.set()

    def read(self) -> int:
        self.reads += 1
        self.gate.wait()
        if self.away:
            raise Unavailable("away")
        return self.value


def timed(ask: Callable[[], object]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def test_a_value_is_read_once_an_interval() -> None:
    clock, source = ManualClock(), Source()
    known = Refreshed(source.read, clock, 1.0)
    assert [known.get() for _ in range(3)] == [1, 1, 1]
    source.value = 2
    assert known.get() == 1
    clock.sleep(1.0)
    assert known.get() == 2
    assert source.reads == 2


def test_the_known_value_stays_while_the_source_is_away() -> None:
    clock, source = ManualClock(), Source()
    known = Refreshed(source.read, clock, 1.0)
    source.away = True
    with pytest.raises(Unavailable):
        known.get()
    source.away = False
    assert known.get() == 1
    source.away, source.value = True, 3
    clock.sleep(2.0)
    assert known.get() == 1
    source.away = False
    clock.sleep(2.0)
    assert known.get() == 3


def test_a_source_that_hangs_costs_its_users_a_second_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.3)
    clock, source = ManualClock(), Source()
    known = Refreshed(source.read, clock, 0.0)
    assert known.get() == 1
    source.gate.clear()
    source.value = 2
    assert 0.25 < timed(known.get) < 2.0
    assert timed(lambda: [known.get() for _ in range(50)]) < 0.25
    assert source.reads == 2  # one thread hangs, not fifty
    source.gate.set()
    deadline = time.monotonic() + 5.0
    while known.get() != 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert known.get() == 2


def test_beyond_the_bound_requests_are_refused_at_once() -> None:
    bulkhead = Bulkhead("history", 2)
    with bulkhead, bulkhead:
        with pytest.raises(ApiProblem) as refused, bulkhead:
            pass
        assert refused.value.status == 503
    with bulkhead:
        pass


def test_live_numbers_go_on_while_the_history_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """More history requests than serving threads, none of which answers: snapshots and the stream do."""
    run = small_run(4)
    app = application(run)
    gate = threading.Event()

    def hanging(where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[object]:
        gate.wait()
        return Page(())

    with served(app) as url, httpx.Client(timeout=20.0) as client:
        assert client.get(f"{url}api/v1/snapshots").status_code == 200
        monkeypatch.setattr(run.queries, "results", hanging)
        known = run.runs.latest
        monkeypatch.setattr(run.runs, "latest", lambda: gate.wait() and known())
        statuses: list[int] = []
        askers = [
            threading.Thread(target=lambda: statuses.append(httpx.get(f"{url}api/v1/nodes/1/history", timeout=20.0).status_code))
            for _ in range(60)
        ]
        for asker in askers:
            asker.start()
        deadline = time.monotonic() + 20.0
        while len(statuses) < len(askers) - limits.HISTORY_MAX and time.monotonic() < deadline:
            time.sleep(0.05)  # until every one of them is either held or refused
        try:
            for path in ("snapshots", "nodes", "nodes/3/snapshot", "run"):
                answer = client.get(f"{url}api/v1/{path}")
                assert answer.status_code == 200, path
            with client.stream("GET", f"{url}api/v1/stream") as answer:
                told = events(answer.iter_lines())
                assert {next(told)[0], next(told)[0]} == {"run", "snapshots"}
        finally:
            gate.set()
            for asker in askers:
                asker.join(20.0)
    assert sorted(set(statuses)) == [200, 503]
    assert statuses.count(200) == limits.HISTORY_MAX
