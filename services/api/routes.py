"""The routes: thin, since what they return is made elsewhere. Plain functions run in the thread pool, as stores block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST

from risk_core.methods import methods_named
from services.api.board import Board
from services.api.context import CurrentRun
from services.api.limits import Bulkhead
from services.api.openapi import answer, health_returns, raw, returns
from services.api.paging import newest_first, oldest_first
from services.api.parameters import (
    AsOfQuery,
    ConfidenceQuery,
    CursorQuery,
    FromQuery,
    LimitQuery,
    MethodQuery,
    NodePath,
    Revisions,
    ToQuery,
    time_ns,
    time_range,
)
from services.api.problems import ApiProblem, invalid
from services.api.shapes import (
    CheckItem,
    DayClosePage,
    FillPage,
    HealthItem,
    HistoryPage,
    MethodList,
    MethodNumbers,
    NodeList,
    RunItem,
    SnapshotItem,
    SnapshotList,
)
from services.api.stream import Hub, Subscriber
from services.api.views import fill_item, history_item, method_numbers, node_item, run_item
from services.common.backtests import BacktestList, Outcome, backtests, judged_days
from services.common.evidence_shapes import (
    Attribution,
    Change,
    Components,
    Evidence,
    Explanation,
    NoEvidence,
    Positions,
    ResultId,
    UnknownGrouping,
)
from services.common.health import CheckResult, Health, Unhealthy, checked
from services.common.metrics import Metrics
from services.common.ports import FillFilter, HistoryFilter, Queries
from services.common.snapshot_payload import day_close_item
from services.common.status import RunStatus

RESULT_FORM = "node:as_of_ns:method:confidence[:revision]"
ResultPath = Annotated[str, Path(max_length=200, description=RESULT_FORM, examples=["1:1714593600000000000:historical:0.99"])]
GroupingQuery = Annotated[
    str, Query(max_length=200, description="instrument, portfolio, desk, currency, asset_class, or tag:KEY", examples=["desk"])
]
RobustQuery = Annotated[bool, Query(description="Smooth what is read off single scenarios (Harrell and Davis)")]
OutcomeQuery = Annotated[Outcome, Query(description="Profit and loss of the positions of the close before, or with the day's trades")]
WindowQuery = Annotated[int, Query(ge=1, le=1_000, description="Judged days, the newest", examples=[250])]
SinceQuery = Annotated[str, Query(max_length=200, description=f"An older result of the same node, {RESULT_FORM}")]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes use."""

    run: CurrentRun
    board: Board
    hub: Hub
    queries: Queries
    evidence: Evidence
    status: Callable[[], RunStatus]
    health: Health
    metrics: Metrics
    history: Bulkhead


def run_routes(parts: Parts) -> APIRouter:
    """Return the routes of the run as a whole."""
    router = APIRouter(prefix="/api/v1", tags=["run"])

    @router.get("/run", responses=returns(RunItem, "The run", 503), summary="The run: what is calculated, and how far it is")
    def run() -> Response:
        return answer(run_item(parts.run.get(), parts.status()))

    @router.get("/nodes", responses=returns(NodeList, "The book tree", 503), summary="Nodes of the book, parents before children")
    def nodes() -> Response:
        return answer(NodeList([node_item(n) for n in parts.run.get().nodes.values()]))

    @router.get("/snapshots", responses=returns(SnapshotList, "All nodes", 503), summary="Newest live and final numbers of all nodes")
    def snapshots() -> Response:
        return raw(parts.board.all())

    @router.get("/stream", summary="Server-sent events: run, snapshots, close", responses=_stream_returns())
    async def stream() -> StreamingResponse:
        return StreamingResponse(_messages(parts, parts.hub.subscribe()), 200, {"Cache-Control": "no-store"}, "text/event-stream")

    return router


def node_routes(parts: Parts) -> APIRouter:
    """Return the routes of one node now."""
    router = APIRouter(prefix="/api/v1", tags=["node"])

    @router.get(
        "/nodes/{node_id}/snapshot",
        responses=returns(SnapshotItem, "The node's newest numbers", 404, 422, 503),
        summary="Newest live and final numbers of a node",
    )
    def snapshot(node_id: NodePath) -> Response:
        parts.run.get().node(node_id)
        return raw(parts.board.one(node_id))

    @router.get(
        "/nodes/{node_id}/components",
        responses=returns(Components, "Parts that sum to VaR and ES", 404, 422, 503),
        summary="VaR and ES split over the instruments of a node",
    )
    def components(node_id: NodePath, method: MethodQuery = None, confidence: ConfidenceQuery = None, as_of: AsOfQuery = None) -> Response:
        context = parts.run.get()
        context.node(node_id)
        method, confidence, at_ns = context.method(method), context.confidence(confidence), time_ns("as_of", as_of)
        return _evidence(parts, lambda: parts.evidence.components(node_id, method, confidence, at_ns))

    @router.get(
        "/nodes/{node_id}/positions",
        responses=returns(Positions, "Holdings", 404, 422, 503),
        summary="Holdings of a node at its newest checkpoint",
    )
    def positions(node_id: NodePath) -> Response:
        parts.run.get().node(node_id)
        return _evidence(parts, lambda: parts.evidence.positions(node_id))

    return router


def history_routes(parts: Parts) -> APIRouter:
    """Return the routes of what is kept."""
    router = APIRouter(prefix="/api/v1", tags=["history"])

    @router.get(
        "/nodes/{node_id}/history",
        responses=returns(HistoryPage, "Results, oldest first", 404, 422, 503),
        summary="Final results of a node, oldest first",
    )
    def history(
        node_id: NodePath,
        method: MethodQuery = None,
        confidence: ConfidenceQuery = None,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
        revisions: Revisions = "newest",
    ) -> Response:
        where = history_filter(parts, node_id, method, confidence, from_, to, revisions == "all")
        genesis = parts.run.get().genesis
        with parts.history:
            rows, following = oldest_first(parts.queries.results, where, limit, cursor, genesis.emit_from_ns, genesis.cadence_ns)
        return answer(HistoryPage([history_item(r) for r in rows], following))

    @router.get(
        "/nodes/{node_id}/methods",
        responses=returns(MethodList, "The newest final numbers of every method", 404, 422, 503),
        summary="Methods of a node side by side, challengers among them",
    )
    def methods(node_id: NodePath) -> Response:
        context = parts.run.get()
        context.node(node_id)
        items: list[MethodNumbers] = []
        with parts.history:
            for method in context.configuration.methods:
                where = HistoryFilter(context.run.run_id, node_id, method=method, horizon_days=methods_named((method,))[0].horizon_days)
                items += method_numbers(parts.queries.results(where, len(context.configuration.confidences)).rows)
        return answer(MethodList(node_id, items))

    @router.get(
        "/nodes/{node_id}/day_closes",
        responses=returns(DayClosePage, "Judged days, oldest first", 404, 422, 503),
        summary="Forecasts against outcomes of a node, oldest first",
    )
    def day_closes(
        node_id: NodePath,
        method: MethodQuery = None,
        confidence: ConfidenceQuery = None,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
    ) -> Response:
        where = history_filter(parts, node_id, method, confidence, from_, to)
        genesis = parts.run.get().genesis
        with parts.history:
            rows, following = oldest_first(parts.queries.day_closes, where, limit, cursor, genesis.emit_from_ns, 0)
        return answer(DayClosePage([day_close_item(r) for r in rows], following))

    @router.get(
        "/nodes/{node_id}/backtests",
        responses=returns(BacktestList, "Zones and tests of every method", 404, 422, 503),
        summary="Methods of a node against what happened: traffic-light zones and tests over the last judged days",
    )
    def judged(
        node_id: NodePath, confidence: ConfidenceQuery = None, window: WindowQuery = 250, outcome: OutcomeQuery = "hypothetical"
    ) -> Response:
        context = parts.run.get()
        context.node(node_id)
        level = context.confidence(confidence)
        methods = methods_named(context.configuration.methods)
        with parts.history:
            days = judged_days(parts.queries, context.run.run_id, node_id, methods, level, window)
        return answer(backtests(node_id, level, window, outcome, days))

    @router.get(
        "/nodes/{node_id}/fills",
        responses=returns(FillPage, "Fills, newest first", 404, 422, 503),
        summary="Fills of a node and of those below it, newest first",
    )
    def fills(
        node_id: NodePath,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
        revisions: Revisions = "newest",
    ) -> Response:
        context = parts.run.get()
        where = FillFilter(context.run.first_log_seq, context.below(node_id), *time_range(from_, to), superseded=revisions == "all")
        with parts.history:
            rows, following = newest_first(parts.queries.fills, where, limit, cursor)
        return answer(FillPage([fill_item(context, row) for row in rows], following))

    @router.get(
        "/results/{result_id}/explain",
        responses=returns(Explanation, "Scenarios and positions", 404, 422, 503),
        summary="The scenarios and positions behind a result, and whether it can be reproduced",
    )
    def explain(result_id: ResultPath) -> Response:
        found = _result(parts, "result_id", result_id)
        return _evidence(parts, lambda: parts.evidence.explain(found))

    @router.get(
        "/results/{result_id}/change",
        responses=returns(Change, "Steps that add up to the difference", 404, 422, 503),
        summary="Why a result is not what an older one of the same node was: market, positions, scenarios, model",
    )
    def change(result_id: ResultPath, since: SinceQuery) -> Response:
        found, older = _result(parts, "result_id", result_id), _result(parts, "since", since)
        return _evidence(parts, lambda: parts.evidence.change(found, older))

    @router.get(
        "/results/{result_id}/attribution",
        responses=returns(Attribution, "Groups that sum to VaR and ES", 404, 422, 503),
        summary="A result by groups of holdings: component, marginal, standalone and incremental VaR and ES",
    )
    def attribution(result_id: ResultPath, by: GroupingQuery = "instrument", robust: RobustQuery = False) -> Response:
        found = _result(parts, "result_id", result_id)
        try:
            return _evidence(parts, lambda: parts.evidence.attribution(found, by, robust))
        except UnknownGrouping as error:
            raise invalid(f"by: {error}") from None

    return router


def health_routes(parts: Parts) -> APIRouter:
    """Return the routes of orchestrators and Prometheus."""
    router = APIRouter(tags=["operations"])

    def streaming() -> str:
        if not parts.hub.alive():
            raise Unhealthy("the stream's thread has ended")
        return f"{parts.hub.subscribers()} streams open"

    @router.get("/health/live", responses=health_returns("The process works"), summary="Whether the process should go on")
    def live() -> Response:
        return _health_answer({"stream": checked(streaming)}, "alive", "dead")

    @router.get("/health/ready", responses=health_returns("All parts answer"), summary="Whether the answers are complete and fresh")
    def ready() -> Response:
        return _health_answer(parts.health.results(), "ready", "not ready")

    @router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
    def metrics() -> Response:
        parts.metrics.streams(parts.hub.subscribers())
        return Response(parts.metrics.text(), 200, {"Cache-Control": "no-store"}, CONTENT_TYPE_LATEST)

    return router


def history_filter(
    parts: Parts,
    node_id: int,
    method: str | None,
    confidence: float | None,
    from_: str | None,
    to: str | None,
    all_revisions: bool = False,
) -> HistoryFilter:
    """Return what a question about a node's past asks for; raise the problem that says what is wrong with it."""
    context = parts.run.get()
    context.node(node_id)
    from_ns, to_ns = time_range(from_, to)
    named = context.method(method)
    return HistoryFilter(
        run_id=context.run.run_id,
        node_id=node_id,
        from_ns=from_ns,
        to_ns=to_ns,
        method=named,
        horizon_days=methods_named((named,))[0].horizon_days,
        confidence=context.confidence(confidence),
        all_revisions=all_revisions,
    )


def _result(parts: Parts, name: str, text: str) -> ResultId:
    """Return a result of the run by its id; raise the problem that says what is wrong with it."""
    try:
        asked = ResultId.parse(text)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None
    context = parts.run.get()
    context.node(asked.node_id)
    return ResultId(asked.node_id, asked.as_of_ns, context.method(asked.method), context.confidence(asked.confidence), asked.revision)


def _evidence(parts: Parts, ask: Callable[[], msgspec.Struct]) -> Response:
    try:
        with parts.history:
            return answer(ask())
    except NoEvidence as error:
        raise ApiProblem(404, "no-evidence", str(error)) from None


def _health_answer(results: dict[str, CheckResult], well: str, ill: str) -> Response:
    ok = all(r.ok for r in results.values())
    checks = {name: CheckItem(r.ok, r.detail) for name, r in results.items()}
    return answer(HealthItem(well if ok else ill, checks), 200 if ok else 503)


async def _messages(parts: Parts, subscriber: Subscriber) -> AsyncIterator[bytes]:
    try:
        async for message in subscriber.messages():
            yield message
    finally:
        parts.hub.unsubscribe(subscriber)


def _stream_returns() -> dict[int | str, dict[str, object]]:
    text = (
        "Events `run` (as /run, once a second), `snapshots` ({snapshots: [...]}: all nodes first, then those that changed) and "
        "`close` (a day close of the first method at the confidence nearest 0.99, with its node_id). A slow client skips states. "
        "The key may be given as ?key=, since browsers cannot set headers here."
    )
    found: dict[int | str, dict[str, object]] = {**returns(RunItem, "", 503)}
    found[200] = {"description": text, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return found
