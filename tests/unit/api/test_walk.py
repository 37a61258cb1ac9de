"""Walks the description with bad and odd inputs: every answer is as described, and none is a server error."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.api.contract import check_answer, operations
from tests.unit.api.small_run import SmallRun

ODD = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "",
            "0",
            "-1",
            "1",
            "4",
            "7",
            "9223372036854775807",
            "9223372036854775808",
            "1e400",
            "nan",
            "-inf",
            "0.99",
            "0.75",
            "historical",
            "ewma_normal",
            "2022-01-10",
            "2022-01-10T21:00:00Z",
            "2022-01-10T21:00:00+00:00",
            "0001-01-01",
            "9999-12-31T23:59:59-12:00",
            "1641848400000000000",
            "99999999999999999999999",
            "W10=",
            "WzEsMiwzXQ",
            "1:1641848400000000000:historical:0.99",
            "1:1641848400000000000:historical:0.99:0",
            "1:-1:historical:0.99",
            "1:1:historical:nan",
            "%00",
            "../../etc/passwd",
            "' OR 1=1 --",
            "all",
            "newest",
            "\u0660",
            "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        ]
    ),
)

NEEDS_A_MODEL = "/api/v1/instruments/{instrument_id}/volatility-forecast"
"""Answered in test_regimes: this run watches nothing."""


def paths(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the operations that end by themselves and answer JSON."""
    return [(path, o) for m, path, o in operations(description) if m == "get" and path not in ("/api/v1/stream", "/metrics")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_input_breaks_the_interface(client: TestClient, data: st.DataObject) -> None:
    description = client.app.openapi()  # type: ignore[attr-defined]
    template, operation = data.draw(st.sampled_from(paths(description)))
    path, query = template, []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            value = data.draw(ODD.filter(lambda v: v.strip("./ ") != ""))
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif data.draw(st.booleans()):
            query += [(parameter["name"], data.draw(ODD)) for _ in range(data.draw(st.integers(1, 2)))]
    answer = client.get(path, params=query)
    if answer.status_code == 404 and "/" in quote(path) and answer.json()["detail"].startswith("GET "):
        return  # an encoded slash made it another path
    assert answer.status_code < 500, (path, query, answer.text)
    check_answer(description, template, answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_problems(client: TestClient, method: str) -> None:
    for path in ("/api/v1/run", "/api/v1/nodes/1/history", "/health/live", "/nowhere"):
        answer = client.request(method, path)
        assert answer.status_code in (404, 405), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "access-control-allow-origin" not in answer.headers


def test_good_inputs_are_answered(client: TestClient, played: SmallRun) -> None:
    """The walk above would prove little if everything were refused."""
    description = client.app.openapi()  # type: ignore[attr-defined]
    row = played.stored()[-1]
    good = {"node_id": "1", "instrument_id": "1", "result_id": f"{row.node_id}:{row.as_of_ns}:{row.method}:{row.confidence}:{row.revision}"}
    for template, operation in paths(description):
        if template == NEEDS_A_MODEL:
            continue
        path = template
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", good[parameter["name"]])
        required = {p["name"]: good["result_id"] for p in operation.get("parameters", []) if p["in"] == "query" and p["required"]}
        answer = client.get(path, params=required)
        assert answer.status_code == 200, (path, answer.text)
        check_answer(description, template, answer)
