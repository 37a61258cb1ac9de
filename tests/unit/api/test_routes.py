"""Every route tells what the stores hold, in the described shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from scipy import stats

from risk_core.records import DayCloseRow, RiskResult
from services.common.iso import iso_from_ns, ns_from_iso
from services.common.sharding import owned_nodes, shard_of_nodes
from tests.unit.api.conftest import BASE_URL
from tests.unit.api.contract import check_answer, operations
from tests.unit.api.small_run import SmallRun, small_run
from tests.worlds import STREAMED

NODES = range(1, 8)


def get(client: TestClient, template: str, status: int = 200, path: str | None = None, **query: object) -> dict:  # type: ignore[type-arg]
    """Ask, and check the answer against the description."""
    params = {("from" if k == "from_" else k): v for k, v in query.items()}
    answer = client.get(path or template, params=params)
    assert answer.status_code == status, answer.text
    body = check_answer(client.app.openapi(), template, answer)  # type: ignore[attr-defined]
    assert isinstance(body, dict)
    return body


def node(client: TestClient, node_id: int, what: str, status: int = 200, **query: object) -> dict:  # type: ignore[type-arg]
    template = f"/api/v1/nodes/{{node_id}}/{what}"
    return get(client, template, status, template.format(node_id=node_id), **query)


def newest(rows: list[RiskResult] | list[DayCloseRow], **key: object) -> list:  # type: ignore[type-arg]
    """Return rows of a key, newest revision of each as_of, oldest first."""
    found: dict[int, Any] = {}
    for row in sorted(rows, key=lambda r: r.revision):
        if all(getattr(row, k) == v for k, v in key.items()):
            found[row.as_of_ns] = row
    return [found[k] for k in sorted(found)]


def test_run(client: TestClient, played: SmallRun) -> None:
    run = get(client, "/api/v1/run")
    assert run["run_id"] == played.runs.latest().run_id  # type: ignore[union-attr]
    assert [m["name"] for m in run["methods"]] == ["historical", "age_weighted", "ewma_normal"]
    assert run["confidences"] == [0.75, 0.99]
    assert run["clock"]["speed"] == 20.0
    assert run["counts"] == {"ticks": 100, "results": len(played.stored()), "rejected": {"stale": 2}, "late": 1}
    assert ns_from_iso(run["clock"]["as_of"]) == max(r.as_of_ns for r in played.stored())


def test_nodes_come_parents_first(client: TestClient) -> None:
    nodes = get(client, "/api/v1/nodes")["nodes"]
    assert [n["node_id"] for n in nodes] == list(NODES)
    seen: set[int] = set()
    for item in nodes:
        assert item["parent_id"] is None or item["parent_id"] in seen
        seen.add(item["node_id"])
    assert (nodes[2]["currency"], nodes[2]["kind"]) == ("EUR", "desk")


def test_snapshots_hold_the_newest_finals_and_closes(client: TestClient, played: SmallRun) -> None:
    told = get(client, "/api/v1/snapshots")
    as_of_ns = max(r.as_of_ns for r in played.stored())
    assert told["as_of"] == iso_from_ns(as_of_ns)
    assert [s["node_id"] for s in told["snapshots"]] == list(NODES)
    for snapshot in told["snapshots"]:
        node_id = snapshot["node_id"]
        assert node(client, node_id, "snapshot") == snapshot
        final = snapshot["final"]
        assert final["as_of_ns"] == str(as_of_ns)
        for row in played.stored():
            if (row.node_id, row.as_of_ns, row.revision) == (node_id, as_of_ns, final["revision"]):
                measure = final["measures"][row.method][str(row.confidence)]
                assert measure == {"var": row.value_at_risk, "es": row.expected_shortfall, "status": row.status}
        rows = [d for d in played.database.day_closes.values() if (d.node_id, d.as_of_ns) == (node_id, as_of_ns)]
        last = [d for d in rows if d.revision == max(r.revision for r in rows)]
        assert snapshot["last_close"]["date"] == last[0].date
        assert snapshot["last_close"]["hypothetical_pnl"] == last[0].hypothetical_pnl
        assert set(snapshot["last_close"]["exceptions"]) == {f"{d.method}@{d.confidence}" for d in last if d.exception_hypothetical}
        live = snapshot["live"]
        for method, row in final["measures"].items():  # nothing happened after the last close: live and final agree
            for level, measure in row.items():
                assert live["measures"][method][level]["var"] == pytest.approx(measure["var"], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("node_id", [1, 6])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_history_pages_oldest_first(client: TestClient, played: SmallRun, node_id: int, limit: int) -> None:
    expected = newest(played.stored(), node_id=node_id, method="ewma_normal", confidence=0.75)
    items: list[dict] = []  # type: ignore[type-arg]
    cursor: dict[str, Any] = {}
    for _ in range(len(expected) + 1):
        page = node(client, node_id, "history", method="ewma_normal", confidence=0.75, limit=limit, **cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    told = [(i["as_of_ns"], i["revision"], i["var"], i["es"], i["status"], i["scenario_count"], i["stale_share"]) for i in items]
    assert told == [
        (str(r.as_of_ns), r.revision, r.value_at_risk, r.expected_shortfall, r.status, r.scenario_count, r.stale_share) for r in expected
    ]
    assert len(expected) == 10


def test_history_ranges_and_revisions(client: TestClient, played: SmallRun) -> None:
    rows = newest(played.stored(), node_id=4, method="historical", confidence=0.99)
    first, last = rows[2], rows[5]
    date = iso_from_ns(last.as_of_ns)[:10]
    told = node(client, 4, "history", from_=iso_from_ns(first.as_of_ns), to=date)
    assert [i["as_of_ns"] for i in told["items"]] == [str(r.as_of_ns) for r in rows[2:6]]  # a date includes its day
    told = node(client, 4, "history", from_=str(first.as_of_ns), to=iso_from_ns(last.as_of_ns))
    assert [i["as_of_ns"] for i in told["items"]] == [str(r.as_of_ns) for r in rows[2:5]]  # a time is exclusive
    everything = [r for r in played.stored() if (r.node_id, r.method, r.confidence) == (4, "historical", 0.99)]
    assert len(everything) > len(rows)
    pages = node(client, 4, "history", revisions="all", limit=2)
    items = pages["items"]
    while pages["next_cursor"] is not None:
        pages = node(client, 4, "history", revisions="all", limit=2, cursor=pages["next_cursor"])
        items += pages["items"]
    assert [(int(i["as_of_ns"]), i["revision"]) for i in items] == sorted((r.as_of_ns, r.revision) for r in everything)


@pytest.mark.parametrize("node_id", [1, 6])
def test_methods_stand_side_by_side_each_with_its_own_newest_close(client: TestClient, played: SmallRun, node_id: int) -> None:
    told = node(client, node_id, "methods")
    assert [(i["method"], i["confidence"]) for i in told["items"]] == [(m, c) for m in STREAMED for c in (0.75, 0.99)]
    for item in told["items"]:
        row = newest(played.stored(), node_id=node_id, method=item["method"], confidence=item["confidence"])[-1]
        assert (int(item["as_of_ns"]), item["revision"], item["var"], item["es"], item["status"]) == (
            row.as_of_ns,
            row.revision,
            row.value_at_risk,
            row.expected_shortfall,
            row.status,
        )


def test_fills_of_a_node_and_of_those_below_it(client: TestClient, played: SmallRun) -> None:
    kept = sorted(played.database.fills.values(), key=lambda f: (f.event_ns, f.log_seq, f.ordinal), reverse=True)
    assert any(f.superseded_by for f in kept)
    below = {1: {4, 5, 6, 7}, 3: {6, 7}, 7: {7}}
    for node_id, portfolios in below.items():
        wanted = [f for f in kept if f.node_id in portfolios]
        items = node(client, node_id, "fills", revisions="all")["items"]
        assert [(i["fill_id"], i["time_ns"], i["superseded_by"]) for i in items] == [
            (f.fill_id, str(f.event_ns), f.superseded_by) for f in wanted
        ]
        assert [i["fill_id"] for i in node(client, node_id, "fills")["items"]] == [f.fill_id for f in wanted if not f.superseded_by]
    item, fill = items[0], wanted[0]
    assert (item["quantity"], item["price"], item["fees"], item["portfolio"]) == (fill.quantity / 1e6, fill.price, fill.fees, "Trader")
    assert item["symbol"] in {"INDEX", "AAA", "BBB", "EURX", "EURUSD"}
    first = node(client, 1, "fills", limit=2)
    second = node(client, 1, "fills", limit=2, cursor=first["next_cursor"])
    both = [i["fill_id"] for i in first["items"] + second["items"]]
    assert both == [f.fill_id for f in kept if not f.superseded_by][:4]
    assert node(client, 7, "fills", limit=10_000)["items"] == node(client, 7, "fills")["items"]  # more than the store gives at once
    assert "cursor" in node(client, 1, "fills", 422, cursor="rubbish")["detail"]


def test_day_closes(client: TestClient, played: SmallRun) -> None:
    rows = newest(list(played.database.day_closes.values()), node_id=5, method="historical", confidence=0.75)
    items = node(client, 5, "day_closes", confidence=0.75)["items"]
    assert [(i["date"], i["forecast_var"], i["hypothetical_pnl"], i["actual_pnl"], i["exception_hypothetical"]) for i in items] == [
        (r.date, r.forecast_value_at_risk, r.hypothetical_pnl, r.actual_pnl, r.exception_hypothetical) for r in rows
    ]
    assert len(items) == 10


@pytest.mark.parametrize("outcome", ["hypothetical", "actual"])
def test_backtests_count_the_judged_days(client: TestClient, played: SmallRun, outcome: str) -> None:
    told = node(client, 5, "backtests", confidence=0.75, window=8, outcome=outcome)
    assert [item["method"] for item in told["items"]] == list(STREAMED)
    for item in told["items"]:
        rows = newest(list(played.database.day_closes.values()), node_id=5, method=item["method"], confidence=0.75)[-8:]
        hits = [row.exception_hypothetical if outcome == "hypothetical" else row.exception_actual for row in rows]
        assert (item["observations"], item["exceptions"], item["expected"]) == (8, sum(hits), 2.0)
        assert (item["first_as_of"], item["last_as_of"]) == (iso_from_ns(rows[0].as_of_ns), iso_from_ns(rows[-1].as_of_ns))
        below = stats.binom.cdf(sum(hits), 8, 0.25)
        assert item["zone"] == ("green" if below < 0.95 or not any(hits) else "yellow" if below < 0.9999 else "red")
        assert item["type_i"] == pytest.approx(stats.binom.sf(sum(hits) - 1, 8, 0.25))
        tests = {test["key"]: test for test in item["tests"]}
        assert {"pof", "independence", "conditional_coverage", "dynamic_quantile"} <= set(tests)
        assert all(test["reading"].startswith(test["name"]) for test in tests.values())
    assert node(client, 5, "backtests")["window"] == 250
    assert "window" in node(client, 5, "backtests", 422, window=0)["detail"]
    assert "outcome" in node(client, 5, "backtests", 422, outcome="guessed")["detail"]
    assert node(client, 5, "backtests", confidence=0.99)["confidence"] == 0.99


def test_components_sum_to_the_result(client: TestClient, played: SmallRun) -> None:
    for row in newest(played.stored(), node_id=6, method="historical", confidence=0.99)[-3:]:
        told = node(client, 6, "components", as_of=str(row.as_of_ns))
        assert (told["value_at_risk"], told["expected_shortfall"]) == (row.value_at_risk, row.expected_shortfall)
        assert told["sum_component_var"] == pytest.approx(row.value_at_risk, rel=1e-9)
        assert told["sum_component_es"] == pytest.approx(row.expected_shortfall, rel=1e-9)
        assert told["currency"] == "EUR"
    assert node(client, 6, "components") == told


def test_positions(client: TestClient, played: SmallRun) -> None:
    told = node(client, 6, "positions")
    assert told["as_of_ns"] == str(max(r.as_of_ns for r in played.stored()))
    held = {i["symbol"]: i for i in told["items"]}
    shard = next(s for s in played.worker.shards() if 6 in s.node_ids)
    fold, row = shard.fold, shard.node_ids.index(6)
    quantities = {
        s.index.instrument(k).symbol: q / 1e6 for s in [fold] for k, q in zip(s.index.instrument_ids, s.holdings.quantity[row], strict=True)
    }
    assert {s: i["quantity"] for s, i in held.items()} == {s: q for s, q in quantities.items() if q}
    euro = held["EURX"]
    assert euro["market_value"] == pytest.approx(euro["quantity"] * euro["price"])
    assert ns_from_iso(euro["price_time"]) <= int(told["as_of_ns"])


def test_explain_shows_what_makes_the_number(client: TestClient, played: SmallRun) -> None:
    template = "/api/v1/results/{result_id}/explain"
    for method in ("historical", "age_weighted", "ewma_normal"):
        row = newest(played.stored(), node_id=3, method=method, confidence=0.75)[-1]
        told = get(client, template, path=f"/api/v1/results/3:{row.as_of_ns}:{method}:0.75/explain")
        assert told["reproduction"]["matches"] is True
        assert told["value_at_risk"] == row.value_at_risk
        assert -np.dot([s["var_weight"] for s in told["scenarios"]], [s["pnl"] for s in told["scenarios"]]) == pytest.approx(
            row.value_at_risk, rel=1e-9
        )
        assert -np.dot([s["es_weight"] for s in told["scenarios"]], [s["pnl"] for s in told["scenarios"]]) == pytest.approx(
            row.expected_shortfall, rel=1e-9
        )
        for scenario in told["scenarios"]:
            assert sum(c["pnl"] for c in scenario["contributions"]) == pytest.approx(scenario["pnl"], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/nodes/99/snapshot", 404, "no node 99; known are 1 Firm, 2 Desk one"),
        ("/api/v1/nodes/x/snapshot", 422, "node_id = 'x'"),
        ("/api/v1/nodes/1/history?method=montecarlo", 422, "historical, age_weighted, ewma_normal"),
        ("/api/v1/nodes/1/history?confidence=0.9", 422, "0.75, 0.99"),
        ("/api/v1/nodes/1/history?confidence=99", 422, "confidence = '99'"),
        ("/api/v1/nodes/1/history?confidence=nan", 422, "confidence"),
        ("/api/v1/nodes/1/history?from=yesterday", 422, "2024-05-01"),
        ("/api/v1/nodes/1/history?from=2024-02-01&to=2024-01-01", 422, "is after"),
        ("/api/v1/nodes/1/history?limit=10001", 422, "limit = '10001'"),
        ("/api/v1/nodes/1/history?limit=0", 422, "limit"),
        ("/api/v1/nodes/1/history?cursor=abc", 422, "next_cursor"),
        ("/api/v1/nodes/1/components?as_of=2020-01-01", 404, "exactly"),
        ("/api/v1/results/1:2:historical/explain", 422, "node:as_of_ns:method:confidence"),
        ("/api/v1/results/1:2:historical:0.99/explain", 404, "no result 1:2:historical:0.99"),
        ("/api/v1/nowhere", 404, "/api/v1/nowhere"),
    ],
)
def test_errors_say_how_to_mend_them(client: TestClient, path: str, status: int, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["instance"] == path.split("?")[0]
    assert said in problem["detail"]


def test_a_cursor_belongs_to_its_query(client: TestClient) -> None:
    cursor = node(client, 1, "history", limit=1)["next_cursor"]
    assert "another query" in node(client, 2, "history", 422, limit=1, cursor=cursor)["detail"]
    assert "another query" in node(client, 1, "history", 422, limit=1, cursor=cursor, method="ewma_normal")["detail"]


def test_other_methods_are_refused(client: TestClient) -> None:
    answer = client.post("/api/v1/run")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


def test_the_description_is_complete(client: TestClient) -> None:
    description = client.get("/api/v1/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    assert {path for _, path, _ in operations(description)} == {
        "/api/v1/run",
        "/api/v1/nodes",
        "/api/v1/snapshots",
        "/api/v1/stream",
        "/api/v1/nodes/{node_id}/snapshot",
        "/api/v1/nodes/{node_id}/history",
        "/api/v1/nodes/{node_id}/methods",
        "/api/v1/nodes/{node_id}/day_closes",
        "/api/v1/nodes/{node_id}/backtests",
        "/api/v1/nodes/{node_id}/zones",
        "/api/v1/zones",
        "/api/v1/nodes/{node_id}/components",
        "/api/v1/nodes/{node_id}/positions",
        "/api/v1/nodes/{node_id}/fills",
        "/api/v1/results/{result_id}/explain",
        "/api/v1/results/{result_id}/change",
        "/api/v1/results/{result_id}/attribution",
        "/api/v1/regimes",
        "/api/v1/instruments/{instrument_id}/regimes",
        "/api/v1/instruments/{instrument_id}/regime-models",
        "/api/v1/instruments/{instrument_id}/change-points",
        "/api/v1/instruments/{instrument_id}/volatility-forecast",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    for _, path, operation in operations(description):
        assert operation["summary"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])


@pytest.fixture
def own() -> Iterator[tuple[SmallRun, TestClient]]:
    """A run that the test may break."""
    run = small_run(4)
    with TestClient(run.app(), base_url=BASE_URL) as client:
        client.get("/api/v1/run")
        yield run, client


def test_history_away_and_live_goes_on(own: tuple[SmallRun, TestClient]) -> None:
    run, client = own
    before = get(client, "/api/v1/snapshots")
    with run.away(database=True):
        assert get(client, "/api/v1/snapshots") == before
        assert get(client, "/api/v1/run")["run_id"]
        assert get(client, "/api/v1/nodes")["nodes"]
        for what in ("history", "methods", "day_closes", "backtests", "components", "positions", "fills"):
            assert "away" in node(client, 1, what, 503)["detail"]
        answer = client.get("/api/v1/nodes/1/history")
        assert answer.headers["retry-after"] == "1"
        ready = get(client, "/health/ready", 503)
        assert {k for k, c in ready["checks"].items() if not c["ok"]} == {"history"}
        assert get(client, "/health/live")["status"] == "alive"
    assert node(client, 1, "history")["items"]
    assert get(client, "/health/ready")["status"] == "ready"


def test_cache_away_and_history_goes_on(own: tuple[SmallRun, TestClient]) -> None:
    run, client = own
    with run.away(cache=True):
        assert "away" in get(client, "/api/v1/snapshots", 503)["detail"]
        assert "away" in node(client, 1, "snapshot", 503)["detail"]
        assert node(client, 1, "history")["items"]
        assert {k for k, c in get(client, "/health/ready", 503)["checks"].items() if not c["ok"]} == {"snapshots"}
    assert node(client, 1, "snapshot")["final"]


def test_before_the_first_run(own: tuple[SmallRun, TestClient]) -> None:
    empty = SmallRun([])
    with TestClient(empty.app(), base_url=BASE_URL) as client:
        for path in ("/api/v1/run", "/api/v1/nodes", "/api/v1/snapshots"):
            assert "no run is registered yet" in get(client, path, 503)["detail"]
        checks = get(client, "/health/ready", 503)["checks"]
        assert (checks["history"]["ok"], checks["run"]["ok"]) == (True, False)


def test_before_the_first_result() -> None:
    run = small_run(4, days=2, disorder=False)  # results begin with the third close
    assert not run.stored()
    with TestClient(run.app(), base_url=BASE_URL) as client:
        told = get(client, "/api/v1/snapshots")
        assert told["as_of"] is None
        assert all(s["final"] is None and s["last_close"] is None for s in told["snapshots"])
        assert node(client, 1, "history") == {"items": [], "next_cursor": None}
        assert "no result yet" in node(client, 1, "components", 404)["detail"]
        assert node(client, 4, "positions")["items"]


def test_the_console_or_how_to_get_it(played: SmallRun, tmp_path: Path) -> None:
    with TestClient(played.app(), base_url=BASE_URL) as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "make console" in page.text
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<html>built</html>")
    (tmp_path / "assets" / "main-1a2b.js").write_text("1")
    with TestClient(played.app(console=tmp_path), base_url=BASE_URL) as client:
        page = client.get("/")
        assert (page.text, page.headers["cache-control"]) == ("<html>built</html>", "no-cache")
        assert "immutable" in client.get("/assets/main-1a2b.js").headers["cache-control"]
        assert client.get("/../pyproject.toml").status_code == 404
        assert client.get("/missing.js").headers["content-type"] == "application/problem+json"
        assert client.get("/api/v1/run").json()["profile"] == "embedded"
        assert client.get("/api/v1/nowhere").json()["status"] == 404


def test_metrics_count_by_route(client: TestClient) -> None:
    client.get("/api/v1/nodes/1/snapshot")
    client.get("/api/v1/nodes/99/snapshot")
    client.get("/api/v1/nowhere/at/all")
    text = client.get("/metrics").text
    assert 'risk_api_requests_total{method="GET",route="/api/v1/nodes/{node_id}/snapshot",status="404"}' in text
    assert "nowhere" not in text
    assert "risk_api_streams 0.0" in text


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_nodes_are_looked_for_where_workers_keep_them(count: int) -> None:
    owned = {n: str(k) for k in range(count) for n in owned_nodes(NODES, k, count)}
    assert shard_of_nodes(NODES, count) == owned
