"""The event stream over a real server: what arrives, how often, and how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.api import stream as streaming
from services.api.app import ApiDependencies, create_app
from services.api.board import Changes
from services.api.server import ServeError, serve
from services.common.config import ApiSettings
from services.common.ports import Run
from services.common.runtime import SystemClock
from tests.unit.api.small_run import SmallRun, small_run
from tests.worlds import interleave, make_world

WAIT_SECONDS = 15.0


def application(run: SmallRun, **settings: Any) -> FastAPI:
    """The interface on the wall clock, since its server runs on it."""
    deps = ApiDependencies(
        run.runs, run.queries, run.snapshots, run.evidence(), run.status, SystemClock(), run.shard_count, run.metrics, {}, Path("nowhere")
    )
    return create_app(deps, ApiSettings(**{"stream_hz": 20.0, **settings}))


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    stop, ready, address = threading.Event(), threading.Event(), []

    def tell(url: str) -> None:
        address.append(url)
        ready.set()

    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, stop, tell))
    thread.start()
    try:
        assert ready.wait(WAIT_SECONDS)
        yield address[0]
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, data) of each event; comments as ("comment", text)."""
    name = ""
    for line in lines:
        if line.startswith(":"):
            yield "comment", line[1:].strip()
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


@pytest.fixture
def run() -> SmallRun:
    """A run that stands some closes before its end."""
    played = SmallRun(interleave(make_world(3, disorder=False), 3))
    return played.play(len(played.records) - 40)


def test_a_client_gets_everything_then_changes_and_closes(run: SmallRun) -> None:
    with served(application(run)) as url, httpx.stream("GET", f"{url}api/v1/stream", timeout=WAIT_SECONDS) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer.iter_lines())
        name, first = next(told)
        assert (name, first["run_id"]) == ("run", run.runs.latest().run_id)  # type: ignore[union-attr]
        name, everything = next(told)
        assert name == "snapshots"
        assert [s["node_id"] for s in everything["snapshots"]] == list(range(1, 8))
        board = httpx.get(f"{url}api/v1/snapshots").json()
        assert everything["snapshots"] == board["snapshots"]
        before = everything["snapshots"][0]["last_close"]["date"]

        run.play()
        shown = {s["node_id"]: s for s in everything["snapshots"]}
        closed: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + WAIT_SECONDS
        for name, data in told:
            if name == "snapshots":
                shown |= {s["node_id"]: s for s in data["snapshots"]}
            elif name == "close":
                closed[data["node_id"]] = data
            last = max(d.date for d in run.database.day_closes.values())
            if len(closed) == 7 and all(c["date"] == last for c in closed.values()):
                break
            assert time.monotonic() < deadline, (name, closed)
        assert list(shown.values()) == httpx.get(f"{url}api/v1/snapshots").json()["snapshots"]
        assert closed[1]["date"] > before
        row = next(
            d
            for d in run.database.day_closes.values()
            if (d.node_id, d.date, d.method, d.confidence) == (5, closed[5]["date"], "historical", 0.99)
        )
        assert (closed[5]["forecast_var"], closed[5]["actual_pnl"]) == (row.forecast_value_at_risk, row.actual_pnl)


def test_the_run_is_the_heartbeat_even_while_the_cache_is_away(run: SmallRun) -> None:
    with served(application(run)) as url:
        run.snapshots.available = False
        began = time.monotonic()
        with httpx.stream("GET", f"{url}api/v1/stream", timeout=WAIT_SECONDS) as answer:
            told = events(answer.iter_lines())
            assert [next(told)[0] for _ in range(3)] == ["run", "run", "run"]
            assert 1.5 < time.monotonic() - began < 8.0
            run.snapshots.available = True
            assert next(name for name, _ in told if name != "run") == "snapshots"


def test_the_rate_is_bounded(run: SmallRun) -> None:
    """However often numbers change, a client hears at most `stream_hz` times a second, and ends with the newest."""
    live = run.snapshots.read({1: "0"})[1]["live"]
    stop = threading.Event()
    count = 0

    def shake() -> None:
        nonlocal count
        while not stop.wait(0.002):
            count += 1
            key = ("0", 1, "live")
            held = run.snapshots._held[key]
            run.snapshots._held[key] = replace(held, payload=live + b" " * (count % 9))

    shaker = threading.Thread(target=shake)
    with served(application(run, stream_hz=5.0)) as url, httpx.stream("GET", f"{url}api/v1/stream", timeout=WAIT_SECONDS) as answer:
        told = events(answer.iter_lines())
        shaker.start()
        began, heard = time.monotonic(), 0
        for name, _ in told:
            heard += name == "snapshots"
            if time.monotonic() - began > 3.0:
                break
        seconds = time.monotonic() - began
        stop.set()
        shaker.join()
    assert count > 5 * heard
    assert 2 <= heard <= 5.0 * seconds + 2


def test_heartbeat_comment_when_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_SECONDS", 0.2)
    with served(application(SmallRun([]))) as url, httpx.stream("GET", f"{url}api/v1/stream", timeout=WAIT_SECONDS) as answer:
        assert next(events(answer.iter_lines())) == ("comment", "heartbeat")


def test_another_run_ends_the_stream(run: SmallRun) -> None:
    with served(application(run)) as url, httpx.stream("GET", f"{url}api/v1/stream", timeout=WAIT_SECONDS) as answer:
        told = events(answer.iter_lines())
        next(told)
        known = run.runs.latest()
        assert known is not None
        run.runs.register(Run("another", known.run_id, known.genesis, {}, 10**6))
        names = [name for name, _ in told]  # ends, since the server closes
        assert set(names) <= {"run", "snapshots"}


def test_streams_are_bounded_and_given_back(run: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SUBSCRIBERS_MAX", 2)
    app = application(run)
    with served(app) as url, httpx.Client(timeout=WAIT_SECONDS) as client:
        with client.stream("GET", f"{url}api/v1/stream") as one, client.stream("GET", f"{url}api/v1/stream") as two:
            assert (one.status_code, two.status_code) == (200, 200)
            refused = client.get(f"{url}api/v1/stream")
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
        deadline = time.monotonic() + WAIT_SECONDS
        while app.state.hub.subscribers() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert app.state.hub.subscribers() == 0


def test_stopping_does_not_wait_for_open_streams(run: SmallRun) -> None:
    app = application(run)
    with httpx.Client(timeout=WAIT_SECONDS) as client:
        with served(app) as url:
            answer = client.send(client.build_request("GET", f"{url}api/v1/stream"), stream=True)
            assert next(answer.iter_lines()).startswith("retry:")
            began = time.monotonic()
        assert time.monotonic() - began < 4.0
        answer.close()
    assert not app.state.hub.alive()


def test_the_stream_takes_its_key_from_the_query(run: SmallRun) -> None:
    with served(application(run, key=SecretStr("0123456789abcdef"))) as url:
        assert httpx.get(f"{url}api/v1/stream").status_code == 401
        assert httpx.get(f"{url}api/v1/stream?key=wrong").status_code == 401
        with httpx.stream("GET", f"{url}api/v1/stream?key=0123456789abcdef", timeout=WAIT_SECONDS) as answer:
            assert answer.status_code == 200


def test_a_port_that_is_taken_is_said(run: SmallRun) -> None:
    with served(application(run)) as url:
        port = int(url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(ServeError, match=rf"127.0.0.1:{port}.*RISK_API__PORT"):
            serve(application(run), "127.0.0.1", port, threading.Event(), lambda address: None)


def test_the_address_is_told_with_the_port_taken() -> None:
    with served(application(small_run(4, days=2, disorder=False))) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}health/live").json()["status"] == "alive"


def test_a_slow_client_skips_states_and_stays_bounded() -> None:
    """What waits for a client is one state of each node, however many pass."""

    async def play() -> list[bytes]:
        subscriber = streaming.Subscriber()
        for k in range(5_000):
            changes = Changes("run", k + 1, {k % 3: b'{"k":%d}' % k}, (b'{"close":%d}' % k,))
            subscriber.offer_changes(changes, streaming.snapshots_event(changes.snapshots))
        subscriber.offer_run(b"event: run\ndata: old\n\n")
        subscriber.offer_run(b"event: run\ndata: new\n\n")
        return subscriber._take()

    with ThreadPoolExecutor(1) as own_loop:  # the browser tests leave a loop running in the main thread
        messages = own_loop.submit(asyncio.run, play()).result()
    assert messages[0] == b"event: run\ndata: new\n\n"
    assert messages[1] == b'event: snapshots\ndata: {"snapshots":[{"k":4998},{"k":4999},{"k":4997}]}\n\n'
    assert len(messages) == 2 + streaming.CLOSES_MAX
    assert messages[-1] == b'event: close\ndata: {"close":4999}\n\n'
