"""Checks an answer against the interface's own description."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def no_constant(name: str) -> None:
    pytest.fail(f"{name} is no JSON number")


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path template, operation) of everything described."""
    return [(m, path, o) for path, item in description["paths"].items() for m, o in item.items()]


def check_answer(description: dict[str, Any], template: str, answer: httpx.Response, method: str = "get") -> Any:
    """Return the body of an answer whose status, media type and shape are as described."""
    where = f"{method} {answer.request.url}: {answer.status_code} {answer.text[:300]}"
    described = description["paths"][template][method]["responses"]
    assert str(answer.status_code) in described, where
    (media_type,) = described[str(answer.status_code)]["content"]
    assert answer.headers["content-type"].split(";")[0] == media_type, where
    body = json.loads(answer.content, parse_constant=no_constant)
    schema = described[str(answer.status_code)]["content"][media_type]["schema"]
    Draft202012Validator({**schema, "components": description["components"]}).validate(body)
    if media_type == "application/problem+json":
        assert body["status"] == answer.status_code, where
        assert body["detail"], where
    return body
