"""The routes of zones: where the methods of the whole book stand, and where they stood."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.api.openapi import answer, returns
from services.api.paging import STORE_ROWS
from services.api.parameters import ConfidenceQuery, FromQuery, MethodQuery, NodePath, ToQuery
from services.api.routes import OutcomeQuery, Parts, history_filter
from services.api.zone_shapes import ZoneHistory, ZoneList
from services.api.zones import zone_item

EveryConfidence = Annotated[float | None, Query(gt=0.5, lt=1.0, description="Confidence; all when left out", examples=[0.99])]
KeptWindow = Annotated[int, Query(ge=1, le=5_000, description="Judged days looked back on: one of RISK_BACKTESTS__WINDOWS", examples=[250])]
RowsQuery = Annotated[int, Query(ge=1, le=STORE_ROWS, description="Most items; for older ones give the last as_of_ns as `to`")]


def zone_routes(parts: Parts) -> APIRouter:
    """Return the routes of zones kept day by day."""
    router = APIRouter(prefix="/api/v1", tags=["history"])

    @router.get(
        "/zones",
        responses=returns(ZoneList, "Zones by node, method and confidence", 422, 503),
        summary="Where every one-day method of every node stands: the newest zones",
    )
    def newest(outcome: OutcomeQuery = "hypothetical", window: KeptWindow = 250, confidence: EveryConfidence = None) -> Response:
        context = parts.run.get()
        level = None if confidence is None else context.confidence(confidence)
        methods = [m.name for m in context.methods if m.horizon_days == 1]
        with parts.history:
            rows = parts.queries.zones(context.run.run_id, outcome, window)
        return answer(ZoneList(outcome, window, methods, [zone_item(r) for r in rows if level in (None, r.confidence)]))

    @router.get(
        "/nodes/{node_id}/zones",
        responses=returns(ZoneHistory, "Zones, newest first", 404, 422, 503),
        summary="Where a method of a node stood after each judged day, newest first",
    )
    def history(
        node_id: NodePath,
        method: MethodQuery = None,
        confidence: ConfidenceQuery = None,
        outcome: OutcomeQuery = "hypothetical",
        window: KeptWindow = 250,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: RowsQuery = STORE_ROWS,
    ) -> Response:
        where = history_filter(parts, node_id, method, confidence, from_, to)
        with parts.history:
            rows = parts.queries.zone_history(where, outcome, window, limit)
        return answer(ZoneHistory(outcome, window, [zone_item(r) for r in rows]))

    return router
