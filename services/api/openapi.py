"""OpenAPI 3.1 from the shapes themselves: one declaration serves, checks and documents an answer."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from services.api.problems import MEDIA_TYPE, Problem
from services.api.regime_shapes import ChangePointPage, RegimeModelPage, RegimesItem, RegimeStatePage, VolatilityForecastItem
from services.api.shapes import DayClosePage, FillPage, HealthItem, HistoryPage, MethodList, NodeList, RunItem, SnapshotItem, SnapshotList
from services.api.zone_shapes import ZoneHistory, ZoneList
from services.common.backtests import BacktestList
from services.common.evidence_shapes import Attribution, Change, Components, Explanation, Positions

REF: Final = "#/components/schemas/{name}"
SHAPES: Final = (
    RunItem,
    NodeList,
    SnapshotItem,
    SnapshotList,
    HistoryPage,
    MethodList,
    DayClosePage,
    BacktestList,
    ZoneList,
    ZoneHistory,
    FillPage,
    Components,
    Positions,
    Explanation,
    Change,
    Attribution,
    RegimesItem,
    RegimeStatePage,
    RegimeModelPage,
    ChangePointPage,
    VolatilityForecastItem,
    HealthItem,
    Problem,
)
PROBLEMS: Final = {
    401: "The API key is missing or wrong",
    404: "Unknown node, instrument, result or page; or nothing to answer from",
    422: "A parameter that cannot be used",
    503: "History, cache or run is not there now; Retry-After says when to ask again",
}

_encode: Final = msgspec.json.Encoder().encode


def answer(shape: Any, status: int = 200) -> Response:
    """Return a shape as JSON."""
    return raw(_encode(shape), status)


def raw(content: bytes, status: int = 200) -> Response:
    """Return JSON bytes as they are; nobody keeps a copy, as numbers change."""
    return Response(content, status, {"Cache-Control": "no-store"}, "application/json")


def returns(shape: type, description: str, *problems: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its shape, and the problems it may answer with."""
    found: dict[int | str, dict[str, Any]] = {200: {"description": description, "content": _content("application/json", shape)}}
    for status in sorted({401, *problems}):
        found[status] = {"description": PROBLEMS[status], "content": _content(MEDIA_TYPE, Problem)}
    return found


def health_returns(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a health route."""
    content = _content("application/json", HealthItem)
    return {200: {"description": description, "content": content}, 503: {"description": "A check fails", "content": content}}


def install(app: FastAPI) -> None:
    """Serve the description with the shapes' schemas in it."""
    _, components = msgspec.json.schema_components(SHAPES, ref_template=REF)

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            described["components"] = {
                "schemas": components,
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            }
            described["security"] = [{}, {"key": []}]
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _content(media_type: str, shape: type) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": REF.format(name=shape.__name__)}}}
