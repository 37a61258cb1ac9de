"""Zones are told as the backtest worker keeps them, with the counts at which zones meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from risk_core.backtests import traffic_light
from risk_core.records import BacktestResult
from services.backtest.worker import BacktestPorts, BacktestWorker
from services.common.adapters.memory_backtests import MemoryBacktests
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.iso import iso_from_ns
from services.common.metrics import Metrics
from tests.unit.api.conftest import BASE_URL
from tests.unit.api.contract import check_answer
from tests.unit.api.small_run import SmallRun, small_run
from tests.unit.api.test_routes import get

NODE_ZONES = "/api/v1/nodes/{node_id}/zones"
KEPT = (
    *("node_id", "method", "confidence", "date", "revision", "observations", "exceptions", "expected", "zone", "zone_before"),
    *("type_i", "multiplier_mar32", "multiplier_basel_2_5", "kupiec_p", "independence_p", "conditional_p"),
)
DAY_NS = 86_400 * 10**9


class JudgedRun:
    """A small run whose judged days the real worker has worked off, over windows of 5 and 250 days."""

    def __init__(self) -> None:
        self.run: SmallRun = small_run(3)
        self.backtests = MemoryBacktests(self.run.database)
        publisher = MemoryPublisher(MemoryBroker(retained_max=100_000))
        BacktestWorker(BacktestPorts(self.backtests, self.run.queries, self.run.runs, publisher, Metrics()), (250, 5)).step()
        self.rows = list(self.run.database.backtests.values())

    def keep(self, like: BacktestResult, days: int, **changes: object) -> list[BacktestResult]:
        """Keep rows of so many further days, newest first."""
        made = [replace(like, as_of_ns=like.as_of_ns + k * DAY_NS, **changes) for k in range(days, 0, -1)]  # type: ignore[arg-type]
        self.backtests.keep([], made)
        return made


@pytest.fixture(scope="module")
def judged() -> JudgedRun:
    """For tests that only read."""
    return JudgedRun()


@pytest.fixture(scope="module")
def client(judged: JudgedRun) -> Iterator[TestClient]:
    with TestClient(judged.run.app(), base_url=BASE_URL) as opened:
        yield opened


@pytest.fixture
def growing() -> JudgedRun:
    """For tests that add rows."""
    return JudgedRun()


def ask(client: TestClient, node_id: object, status: int = 200, **query: object) -> dict:  # type: ignore[type-arg]
    return get(client, NODE_ZONES, status, NODE_ZONES.format(node_id=node_id), **query)


def told_as_kept(item: dict[str, object], row: BacktestResult) -> bool:
    same = all(item[name] == getattr(row, name) for name in KEPT)
    return same and (item["as_of_ns"], item["as_of"]) == (str(row.as_of_ns), iso_from_ns(row.as_of_ns))


@pytest.mark.parametrize("outcome", ["hypothetical", "actual"])
@pytest.mark.parametrize("window", [250, 5])
def test_the_newest_zones_of_the_whole_book(judged: JudgedRun, client: TestClient, outcome: str, window: int) -> None:
    newest: dict[tuple[int, str, float], BacktestResult] = {}
    for row in sorted(judged.rows, key=lambda r: (r.as_of_ns, r.revision)):
        if (row.outcome, row.window_days) == (outcome, window):
            newest[row.node_id, row.method, row.confidence] = row
    assert len(newest) > 10
    body = get(client, "/api/v1/zones", outcome=outcome, window=window)
    assert (body["outcome"], body["window"]) == (outcome, window)
    assert body["methods"] == [m["name"] for m in get(client, "/api/v1/run")["methods"]]
    assert len(body["items"]) == len(newest)
    for item in body["items"]:
        assert told_as_kept(item, newest[item["node_id"], item["method"], item["confidence"]])
    level = body["items"][0]["confidence"]
    assert get(client, "/api/v1/zones", outcome=outcome, window=window, confidence=level)["items"] == [
        item for item in body["items"] if item["confidence"] == level
    ]


def test_zones_meet_where_basel_says(client: TestClient) -> None:
    for item in get(client, "/api/v1/zones", window=5)["items"]:
        light = traffic_light(item["exceptions"], item["observations"], item["confidence"])
        assert (item["zone"], item["green_most"], item["yellow_most"]) == tuple(
            light.details[name] for name in ("zone", "green_most", "yellow_most")
        )


def test_a_years_zones_at_the_regulators_level_meet_at_4_and_9(growing: JudgedRun) -> None:
    like = max((r for r in growing.rows if (r.outcome, r.window_days) == ("hypothetical", 250)), key=lambda r: r.as_of_ns)
    growing.keep(like, 1, confidence=0.99, observations=250, exceptions=7, zone="yellow", zone_before="green")
    with TestClient(growing.run.app(), base_url=BASE_URL) as client:
        items = [i for i in get(client, "/api/v1/zones", confidence=0.99)["items"] if i["exceptions"] == 7]
    assert [(i["zone"], i["zone_before"], i["green_most"], i["yellow_most"]) for i in items] == [("yellow", "green", 4, 9)]


def test_a_nodes_zones_newest_first_within_a_range(growing: JudgedRun) -> None:
    like = max((r for r in growing.rows if (r.outcome, r.window_days) == ("actual", 250)), key=lambda r: r.as_of_ns)
    kept = growing.keep(like, 1_200)
    chosen = {"method": like.method, "confidence": like.confidence, "outcome": "actual"}
    with TestClient(growing.run.app(), base_url=BASE_URL) as client:
        items = ask(client, like.node_id, **chosen)["items"]
        older = ask(client, like.node_id, **chosen, to=items[-1]["as_of_ns"], from_=str(kept[1_099].as_of_ns))["items"]
        two = ask(client, like.node_id, **chosen, limit=2)["items"]
        assert ask(client, like.node_id, **chosen, window=7)["items"] == []
    assert [i["as_of_ns"] for i in items] == [str(r.as_of_ns) for r in kept[:1_000]]
    assert [i["as_of_ns"] for i in older] == [str(r.as_of_ns) for r in kept[1_000:1_100]]
    assert told_as_kept(older[0], kept[1_000])
    assert [i["as_of_ns"] for i in two] == [str(r.as_of_ns) for r in kept[:2]]


def test_left_out_are_the_first_method_and_the_confidence_nearest_99(judged: JudgedRun, client: TestClient) -> None:
    run = get(client, "/api/v1/run")
    nearest = min(run["confidences"], key=lambda c: abs(c - 0.99))
    items = ask(client, 1)["items"]
    assert {(i["node_id"], i["method"], i["confidence"]) for i in items} == {(1, run["methods"][0]["name"], nearest)}
    counted = [r for r in judged.rows if (r.node_id, r.method, r.confidence) == (1, items[0]["method"], nearest)]
    assert len(items) == len({r.as_of_ns for r in counted})


def test_nothing_is_told_before_a_day_is_judged() -> None:
    with TestClient(small_run(3).app(), base_url=BASE_URL) as client:
        assert get(client, "/api/v1/zones")["items"] == []
        assert ask(client, 1)["items"] == []


def test_errors_say_how_to_mend_them(judged: JudgedRun, client: TestClient) -> None:
    assert "no node 99; known are" in ask(client, 99, 404)["detail"]
    assert "the run knows" in ask(client, 1, 422, method="guess")["detail"]
    assert "the run knows" in get(client, "/api/v1/zones", 422, confidence=0.77)["detail"]
    with judged.run.away(database=True):
        assert "away" in ask(client, 1, 503)["detail"]


@pytest.mark.parametrize("query", ["outcome=rumoured", "window=0", "window=5001", "confidence=1", "window=x"])
def test_impossible_questions_are_refused(client: TestClient, query: str) -> None:
    for template in ("/api/v1/zones", NODE_ZONES):
        answer = client.get(f"{template.format(node_id=1)}?{query}")
        assert answer.status_code == 422
        body = check_answer(client.app.openapi(), template, answer)  # type: ignore[attr-defined]
        assert query.split("=")[0] in body["detail"]


def test_a_page_has_a_thousand_rows_at_most(client: TestClient) -> None:
    assert "limit" in ask(client, 1, 422, limit=1_001)["detail"]
