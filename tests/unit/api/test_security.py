"""Who may ask: keys, hosts, headers."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from services.api.security import SECURITY_HEADERS, is_loopback
from services.common.config import SettingsError
from tests.unit.api.conftest import BASE_URL
from tests.unit.api.small_run import SmallRun

KEY = "0123456789abcdef"


@pytest.fixture
def guarded(played: SmallRun) -> TestClient:
    return TestClient(played.app(host="0.0.0.0", key=SecretStr(KEY)), base_url="http://risk.example")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "risk.example"])
def test_no_start_beyond_loopback_without_a_key(played: SmallRun, host: str) -> None:
    with pytest.raises(SettingsError, match="RISK_API__KEY"):
        played.app(host=host)


def test_no_start_with_a_guessable_key(played: SmallRun) -> None:
    with pytest.raises(SettingsError, match="openssl rand"):
        played.app(key=SecretStr("secret"))


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert not is_loopback("0.0.0.0")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-API-Key": KEY}, 200),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": KEY[:-1]}, 401),
        ({"X-API-Key": KEY + "0"}, 401),
        ({"X-API-Key": "clé".encode("latin-1")}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
    ],
)
def test_the_key_opens_what_holds_numbers(guarded: TestClient, headers: dict[str, str], status: int) -> None:
    for path in ("/api/v1/run", "/api/v1/nowhere", "/api/v1/openapi.json", "/metrics"):
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == (404 if path.endswith("nowhere") and status == 200 else status), path
    refused = guarded.get("/api/v1/run").json()
    assert (refused["status"], refused["instance"]) == (401, "/api/v1/run")
    assert "X-API-Key" in refused["detail"]
    assert KEY not in str(refused)


def test_the_query_key_is_for_the_stream_only(guarded: TestClient) -> None:
    assert guarded.get(f"/api/v1/run?key={KEY}").status_code == 401
    assert "?key=" in guarded.get("/api/v1/stream").json()["detail"]


def test_health_and_the_page_need_no_key(guarded: TestClient) -> None:
    with guarded:
        for path in ("/", "/health/live", "/health/ready"):
            assert guarded.get(path).status_code == 200


def test_a_key_on_loopback_is_required_too(played: SmallRun) -> None:
    client = TestClient(played.app(key=SecretStr(KEY)), base_url=BASE_URL)
    assert client.get("/api/v1/run").status_code == 401
    assert client.get("/api/v1/run", headers={"X-API-Key": KEY}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_names_that_resolve_here_by_trickery_are_refused(client: TestClient, host: str, status: int) -> None:
    assert client.get("/api/v1/nodes", headers={"Host": host}).status_code == status


def test_headers_are_on_every_answer(client: TestClient, guarded: TestClient) -> None:
    for answer in (
        client.get("/api/v1/run"),
        client.get("/api/v1/nodes/99/snapshot"),
        client.get("/"),
        client.get("/nowhere"),
        client.get("/", headers={"Host": "evil"}),
        guarded.get("/api/v1/run"),
    ):
        assert {k: answer.headers[k] for k in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "script-src" not in answer.headers["Content-Security-Policy"]  # falls back to 'self'
        assert not any(k.lower().startswith("access-control") for k in answer.headers)
    assert client.get("/api/v1/run", headers={"Origin": "https://evil.example"}).headers.get("access-control-allow-origin") is None
    assert client.get("/api/v1/run").headers["cache-control"] == "no-store"
