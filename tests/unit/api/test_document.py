"""docs/api.md names every route, problem and setting."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from services.common.config import ApiSettings
from tests.unit.api.contract import operations

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


def test_every_route_is_documented(client: TestClient) -> None:
    for _, path, _ in operations(client.app.openapi()):  # type: ignore[attr-defined]
        assert path.replace("{node_id}", "{id}").replace("{instrument_id}", "{id}") in DOCUMENT, path


def test_every_setting_and_problem_is_documented(client: TestClient) -> None:
    for name in ApiSettings.model_fields:
        assert f"RISK_API__{name.upper()}" in DOCUMENT
    asked = ("nodes/99/snapshot", "nowhere", "nodes/x/history", "nodes/1/components?as_of=2020-01-01")
    for path in (*asked, "instruments/99/regimes", "instruments/1/volatility-forecast"):
        kind = client.get(f"/api/v1/{path}").json()["type"].rsplit(":", 1)[1]
        assert f"`{kind}`" in DOCUMENT, kind
