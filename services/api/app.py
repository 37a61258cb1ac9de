"""The application: everything it needs is handed in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import console, openapi, problems
from services.api.board import Board
from services.api.context import CurrentRun, RunContext
from services.api.limits import HISTORY_MAX, Bulkhead, Refreshed
from services.api.problems import ApiProblem
from services.api.regime_routes import regime_routes
from services.api.routes import Parts, health_routes, history_routes, node_routes, run_routes
from services.api.security import Guard, required_key
from services.api.stream import Hub
from services.api.views import product_version, run_item
from services.api.zone_routes import zone_routes
from services.common.config import ApiSettings
from services.common.evidence_shapes import Evidence
from services.common.health import Check, Health, Progress, Unhealthy
from services.common.metrics import Metrics
from services.common.ports import Clock, Queries, RunStore, Snapshots
from services.common.status import RunStatus

DESCRIPTION = """Streaming market risk: value at risk and expected shortfall of every node of a book.

VaR and ES are losses in the node's currency: positive when money is lost, negative when even the tail gains. P&L is positive
for a gain. *Live* numbers follow every tick and are provisional; *final* ones are reproducible bit for bit."""


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """What the interface reads.

    Parameters
    ----------
    status : callable
        Where the run stands; called about once a second.
    checks : mapping
        Further conditions of readiness, by name.
    console : Path or None
        The built console; None takes `console/dist` beside the packages.
    """

    runs: RunStore
    queries: Queries
    snapshots: Snapshots
    evidence: Evidence
    status: Callable[[], RunStatus]
    clock: Clock
    shard_count: int = 1
    metrics: Metrics = field(default_factory=Metrics)
    checks: Mapping[str, Check] = field(default_factory=dict)
    console: Path | None = None


def create_app(deps: ApiDependencies, settings: ApiSettings) -> FastAPI:
    """Return the application.

    Raises
    ------
    SettingsError
        Bound beyond loopback without a key.
    """
    key = required_key(settings)
    run = CurrentRun(deps.runs, deps.clock, deps.shard_count)
    board = Board(run, deps.snapshots, deps.queries, deps.clock, 1.0 / settings.stream_hz)
    status = Refreshed(deps.status, deps.clock, 0.0).get
    hub = Hub(board, lambda: msgspec.json.encode(run_item(run.get(), status())), settings.stream_hz)
    parts = Parts(run, board, hub, deps.queries, deps.evidence, status, _health(deps, run), deps.metrics, Bulkhead("history", HISTORY_MAX))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hub.start()
        yield
        hub.stop()

    app = FastAPI(
        title="Plimsoll",
        version=product_version(),
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    app.state.hub = hub
    problems.install(app)
    history = (history_routes(parts), zone_routes(parts), regime_routes(parts, deps.snapshots))
    for router in (run_routes(parts), node_routes(parts), *history, health_routes(parts)):
        app.include_router(router)
    console.install(app, deps.console)
    openapi.install(app)
    app.add_middleware(Counted, metrics=deps.metrics)
    app.add_middleware(Guard, key=key, host=settings.host)
    return app


class Counted:
    """Counts requests by route template, so that labels stay bounded."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", None) or "other"
                method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
                self._metrics.request(route, method, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)


def _health(deps: ApiDependencies, run: CurrentRun) -> Health:
    def history() -> str:
        deps.runs.latest()
        return "answers"

    def context() -> RunContext:
        try:
            return run.get()
        except ApiProblem as error:
            raise Unhealthy(error.detail) from None

    def cache() -> str:
        found = deps.snapshots.read(context().shard_of)
        return f"answers, {len(found)} nodes"

    def registered() -> str:
        return context().run.run_id

    checks: dict[str, Check] = {"history": history, "snapshots": cache, "run": registered, "progress": Progress(deps.status, deps.clock)}
    return Health(checks | dict(deps.checks), deps.clock)
