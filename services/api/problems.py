"""Every error as a problem document (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from services.common.ports import Unavailable

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 1

logger = logging.getLogger("api")


class Problem(Struct, frozen=True):
    """What went wrong, where, and how to mend it (RFC 9457)."""

    type: Annotated[str, Meta(description="Kind of problem", examples=["urn:plimsoll:problem:unknown-node"])]
    title: Annotated[str, Meta(examples=["Unknown node"])]
    status: Annotated[int, Meta(examples=[404])]
    detail: Annotated[str, Meta(examples=["no node 99; known are 1 Firm, 2 Fundamental"])]
    instance: Annotated[str, Meta(description="Path that was asked for", examples=["/api/v1/nodes/99/snapshot"])]


class ApiProblem(Exception):
    """An answer that is a problem; `kind` is its name in kebab case, from which the title is made."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})


def invalid(detail: str) -> ApiProblem:
    """Return the problem of a parameter that cannot be used."""
    return ApiProblem(422, "invalid-parameter", detail)


def away(detail: str) -> ApiProblem:
    """Return the problem of a part that does not answer now."""
    return ApiProblem(503, "unavailable", detail, {"Retry-After": str(RETRY_SECONDS)})


def problem_bytes(problem: ApiProblem, path: str) -> bytes:
    """Return the document."""
    title = problem.kind.replace("-", " ").capitalize()
    return msgspec.json.encode(Problem(f"urn:plimsoll:problem:{problem.kind}", title, problem.status, problem.detail, path))


def problem_response(problem: ApiProblem, path: str) -> Response:
    """Return the document as a response."""
    return Response(problem_bytes(problem, path), problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn every error of the application into a problem document."""

    @app.exception_handler(ApiProblem)
    async def known(request: Request, error: ApiProblem) -> Response:
        return problem_response(error, request.url.path)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> Response:
        return problem_response(away(f"a server behind this interface does not answer: {error}; try again"), request.url.path)

    @app.exception_handler(RequestValidationError)
    async def refused(request: Request, error: RequestValidationError) -> Response:
        return problem_response(invalid("; ".join(_said(item) for item in error.errors())), request.url.path)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        detail = error.detail if error.detail != phrase else f"{request.method} {request.url.path}: {phrase.lower()}"
        kind = phrase.lower().replace(" ", "-")
        return problem_response(ApiProblem(error.status_code, kind, detail, error.headers), request.url.path)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        logger.error("request failed", extra={"path": request.url.path}, exc_info=error)
        return problem_response(ApiProblem(500, "internal-error", "the service failed; its log says why"), request.url.path)


def _said(item: Mapping[str, Any]) -> str:
    name = str(item["loc"][-1])
    given = f"{item['input']!r}"[:80]
    return f"{name} = {given}: {item['msg']}"
