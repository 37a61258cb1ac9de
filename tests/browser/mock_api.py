"""A small server that speaks the HTTP contract with synthetic data, for the console's tests and its development.

``python -m tests.browser.mock_api --port 8001 --hz 10`` serves ``console/dist`` and replays by itself. In tests the same
:class:`Desk` is driven by hand (``hz=0``): set ``state``, ``problems``, ``silent`` or ``key``, call ``tick`` or ``close_day``.
"""

import argparse
import asyncio
import contextlib
import json
import math
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from services.api.security import SECURITY_HEADERS
from services.api.zone_shapes import ZoneHistory
from services.common.backtests import Outcome
from tests.browser.mock_desk import Desk
from tests.browser.mock_zones import newest_zones, zone_history

DIST = Path(__file__).parents[2] / "console" / "dist"
STREAM_POLL_SECONDS = 0.02
WATCHED_ROWS = 200


def problem(status: int, title: str, detail: str, instance: str) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": instance}
    return JSONResponse(body, status, media_type="application/problem+json")


def newest_first(rows: list[dict[str, Any]], request: Request, limit: int, cursor: int) -> dict[str, Any]:
    """A page of rows from the time in `from` on; 200 rows at most, so that there are several."""
    since = int(request.query_params.get("from", 0))
    kept = [row for row in rows if int(row["as_of_ns"]) >= since]
    end = cursor + min(limit, WATCHED_ROWS)
    return {"items": kept[cursor:end], "next_cursor": str(end) if end < len(kept) else None}


def create_app(desk: Desk) -> FastAPI:
    """The contract over one desk, with the console at the root, under the service's own security headers."""
    app = FastAPI()

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Any]) -> Response:
        path = request.url.path
        desk.requests.append(f"{path}?{request.url.query}" if request.url.query else path)
        if path.startswith("/api/"):
            given = request.headers.get("x-api-key") or (request.query_params.get("key") if path.endswith("/stream") else None)
            if desk.key is not None and given != desk.key:
                return problem(401, "Unauthorized", "Send the API key in the X-API-Key header.", path)
            for part, detail in desk.problems.items():
                if part in path:
                    return problem(503, "History is not available", detail, path)
        response: Response = await call_next(request)
        response.headers.update(SECURITY_HEADERS)
        return response

    @app.get("/api/v1/run")
    def run() -> dict[str, Any]:
        return desk.run()

    @app.get("/api/v1/nodes")
    def nodes() -> dict[str, Any]:
        return {"nodes": desk.nodes()}

    @app.get("/api/v1/snapshots")
    def snapshots() -> dict[str, Any]:
        return {"as_of": desk.as_of(), "snapshots": desk.snapshots()}

    @app.get("/api/v1/nodes/{node_id}/day_closes")
    def day_closes(node_id: int, request: Request, method: str, confidence: float, limit: int = 500, cursor: int = 0) -> dict[str, Any]:
        rows = desk.day_closes(node_id, desk.like(method), confidence, request.query_params.get("from"))
        page = rows[cursor : cursor + limit]
        end = cursor + len(page)
        return {"items": page, "next_cursor": str(end) if end < len(rows) else None}

    @app.get("/api/v1/nodes/{node_id}/backtests")
    def backtests(node_id: int, confidence: float, window: int, outcome: Outcome) -> Response:
        return Response(msgspec.json.encode(desk.backtests(node_id, confidence, window, outcome)), media_type="application/json")

    @app.get("/api/v1/zones")
    def zones(confidence: float, outcome: Outcome, window: int) -> Response:
        return Response(msgspec.json.encode(newest_zones(desk, confidence, outcome, window)), media_type="application/json")

    @app.get("/api/v1/nodes/{node_id}/zones")
    def zones_of(node_id: int, request: Request, method: str, confidence: float, outcome: Outcome, window: int, limit: int) -> Response:
        rows = zone_history(desk, node_id, method, confidence, outcome, window)[::-1]
        since, until = (int(request.query_params.get(name, default)) for name, default in (("from", 0), ("to", 2**63)))
        kept = [row for row in rows if since <= int(row.as_of_ns) < until][:limit]
        return Response(msgspec.json.encode(ZoneHistory(outcome, window, kept)), media_type="application/json")

    @app.get("/api/v1/nodes/{node_id}/components")
    def components(node_id: int, method: str, confidence: float) -> dict[str, Any]:
        return desk.components(node_id, desk.like(method), confidence)

    @app.get("/api/v1/results/{result_id}/attribution")
    def attribution(result_id: str, by: str) -> dict[str, Any]:
        return desk.attribution(result_id, by)

    @app.get("/api/v1/nodes/{node_id}/methods")
    def methods(node_id: int) -> dict[str, Any]:
        return {"node_id": node_id, "items": desk.methods(node_id)}

    @app.get("/api/v1/nodes/{node_id}/positions")
    def positions(node_id: int) -> dict[str, Any]:
        return desk.positions(node_id)

    @app.get("/api/v1/regimes")
    def regimes() -> dict[str, Any]:
        return desk.watch.regimes(desk.day)

    @app.get("/api/v1/instruments/{instrument_id}/regimes")
    def states(instrument_id: int, request: Request, limit: int, cursor: int = 0) -> dict[str, Any]:
        return newest_first(desk.watch.states(instrument_id, desk.day), request, limit, cursor)

    @app.get("/api/v1/instruments/{instrument_id}/regime-models")
    def models(instrument_id: int, request: Request, limit: int, cursor: int = 0) -> dict[str, Any]:
        return newest_first(desk.watch.models(instrument_id, desk.day), request, limit, cursor)

    @app.get("/api/v1/instruments/{instrument_id}/change-points")
    def changes(instrument_id: int, request: Request, limit: int, cursor: int = 0) -> dict[str, Any]:
        return newest_first(desk.watch.changes(desk.day), request, limit, cursor)

    @app.get("/api/v1/instruments/{instrument_id}/volatility-forecast")
    def forecast(instrument_id: int, days: int, level: float) -> dict[str, Any]:
        return desk.watch.forecast(instrument_id, desk.day, days, level)

    @app.get("/health/ready")
    def ready() -> JSONResponse:
        ok = all(check["ok"] for check in desk.checks.values())
        return JSONResponse({"status": "ready" if ok else "not ready", "checks": desk.checks}, 200 if ok else 503)

    @app.get("/api/v1/stream")
    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(_events(desk, request), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    app.mount("/", StaticFiles(directory=DIST, html=True, check_dir=False))
    return app


async def _events(desk: Desk, request: Request) -> AsyncIterator[str]:
    """Changed nodes as they change, the run once a second, each close; nothing at all while the desk is silent."""
    desk.streams += 1
    seen, closed, next_run = desk.version, len(desk.closes), 0.0
    clock = asyncio.get_running_loop().time
    try:
        while not await request.is_disconnected() and not desk.stopping:
            if desk.silent:
                await asyncio.sleep(STREAM_POLL_SECONDS)
                continue
            if clock() >= next_run:
                next_run = clock() + 1.0
                yield _event("run", desk.run())
            for item in desk.closes[closed:]:
                yield _event("close", item)
            closed = len(desk.closes)
            changed, seen = desk.changed_since(seen), desk.version
            if changed:
                yield _event("snapshots", {"snapshots": changed})
            await asyncio.sleep(STREAM_POLL_SECONDS if desk.hz <= 0 else 1 / desk.hz)
    finally:
        desk.streams -= 1


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n"


@dataclass
class Server:
    """Uvicorn in a thread on 127.0.0.1, which tests can stop and start again on the same port."""

    desk: Desk
    port: int = 0
    _server: uvicorn.Server | None = field(default=None, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> "Server":
        config = uvicorn.Config(create_app(self.desk), "127.0.0.1", self.port, log_level="error", timeout_graceful_shutdown=1)
        self.desk.stopping = False
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = threading.Event()
        for _ in range(500):
            if self._server.started:
                self.port = self._server.servers[0].sockets[0].getsockname()[1]
                return self
            if not self._thread.is_alive():
                break
            deadline.wait(0.02)
        raise RuntimeError("the mock API did not start within 10 s")

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self.desk.stopping = True
        self._server.should_exit = True
        self._thread.join(10)
        self._server = self._thread = None


async def _drive(desk: Desk, ticks_per_day: int) -> None:
    while not desk.finished:
        await asyncio.sleep(1 / desk.hz)
        desk.advance(ticks_per_day)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--ticks-per-day", type=int, default=60)
    parser.add_argument("--day", type=int, default=990, help="index of the day being replayed at the start")
    parser.add_argument("--extra", type=int, default=0, help="copies of every portfolio, to load the tree")
    parser.add_argument("--history", type=int, default=0, help="repeat the history until it has this many days")
    parser.add_argument("--state", default="running", choices=["seeding", "running", "finished"])
    options = parser.parse_args()
    desk = Desk(day=options.day, hz=options.hz, state=options.state, extra=options.extra, history=options.history)
    app = create_app(desk)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_drive(desk, options.ticks_per_day))
        yield
        task.cancel()

    app.router.lifespan_context = lifespan
    if not math.isfinite(options.hz) or options.hz <= 0:
        parser.error("--hz must be a positive number")
    print(f"http://127.0.0.1:{options.port}/", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
