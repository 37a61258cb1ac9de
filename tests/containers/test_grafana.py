"""The dashboards without Grafana: their shape, and every query run on a live store that holds what the service writes."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from db.migrate import migrate
from risk_core.book import Node, NodeKind
from risk_core.records import DayCloseRow, RiskResult
from services.common.metrics import DECLARED, Metrics, start_exporter
from tests.containers.dashboards import ROOT, Query, dashboards, filled, queries, references
from tests.real_servers import HistoryServer, free_ports, run_prometheus
from tests.server_units import HOST

VALUES = {"run": "run", "node": "1", "method": "historical", "confidence": "0.99"}
PROVISIONED = (ROOT / "grafana/provisioning/datasources/plimsoll.yml").read_text()
NODES = (Node(1, "Firm", NodeKind.FIRM, None, "USD"), Node(2, "Desk's own", NodeKind.DESK, 1, "USD"))
SCRAPE_SECONDS = 60.0


def of_kind(kind: str) -> list[Query]:
    return [query for query in queries() if query.kind == kind]


@pytest.mark.parametrize("name", dashboards())
def test_dashboard_has_the_shape_that_provisioning_takes(name: str) -> None:
    dashboard = dashboards()[name]
    assert "${DS_" not in json.dumps(dashboard)
    assert "__inputs" not in dashboard
    assert "id" not in dashboard
    assert re.fullmatch(r"plimsoll-[a-z]+", dashboard["uid"])
    assert isinstance(dashboard["schemaVersion"], int)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_data_source_is_a_provisioned_one() -> None:
    used = set(references(list(dashboards().values())))
    provisioned = set(re.findall(r"uid: (\S+)\n\s+type: (\S+)", PROVISIONED))
    assert {(uid, kind) for kind, uid in used} == provisioned


def test_links_lead_to_dashboards() -> None:
    uids = {dashboard["uid"] for dashboard in dashboards().values()}
    linked = set(re.findall(r"/d/([a-z-]+)", json.dumps(dashboards())))
    assert linked == uids
    assert len(uids) == len(dashboards())


def test_the_home_dashboard_is_there() -> None:
    home = re.search(
        r"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: /etc/plimsoll/dashboards/(\w+)\.json", (ROOT / "docker-compose.yml").read_text()
    )
    assert home is not None
    assert home[1] in dashboards()


def test_expressions_name_only_metrics_that_exist() -> None:
    recorded = set(re.findall(r"record: (\S+)", (ROOT / "prometheus/rules/plimsoll.yml").read_text()))
    exported = {f"{d.name}{suffix}" for d in DECLARED for suffix in ("", "_bucket", "_sum", "_count")}
    for query in of_kind("promql"):
        named = set(re.findall(r"\b(?:\w+:)?risk_\w+(?::\w+)?", query.text))
        assert named or "up{" in query.text, query.where
        assert named <= recorded | exported, query.where


# ---------------------------------------------------------------------------------------------------------------- live stores


@pytest.fixture(scope="module")
def history(timescale_server: HistoryServer) -> Iterator[psycopg.Connection[Any]]:
    """Two nodes over 300 days, three methods, one exception a fortnight, one revised row."""
    url = timescale_server.new_database()
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO runs (run_id, genesis, description, first_log_seq) VALUES ('run', '', '{}', 1)")
        connection.execute(
            "INSERT INTO nodes VALUES ('run', 1, 0, 'Firm', 'firm', NULL, 'USD', ''), ('run', 2, 1, 'Desk', 'desk', 1, 'USD', '')"
        )
        grid = """FROM generate_series(1, 300) AS day, (VALUES (1), (2)) AS node (id),
            (VALUES ('historical'), ('age_weighted')) AS method (name), (VALUES (0.95), (0.99)) AS confidence (level),
            LATERAL (SELECT '2019-01-01 21:00Z'::timestamptz + day * interval '1 day' AS at) AS moment,
            LATERAL (SELECT extract(epoch FROM at)::bigint * 1000000000 AS at_ns) AS exact"""
        connection.execute(
            f"""INSERT INTO risk_results SELECT 'run', node.id, at, at_ns, method.name, 1, level, 0, 'USD',
            100 + day, 120 + day, 500, day, 0.01, 0.02, 0, 'ok', '0' {grid}"""
        )
        connection.execute(
            f"""INSERT INTO risk_results SELECT 'run', node.id, at, at_ns, method.name, 1, level, 1, 'USD',
            1, 2, 500, day, 0, 0, 0, 'ok', '0' {grid} WHERE day = 7"""
        )
        connection.execute(
            f"""INSERT INTO day_closes SELECT 'run', node.id, at::date, at, at_ns, method.name, 1, level, 0,
            'USD', 100, 120, CASE WHEN day % 14 = 0 THEN -130 ELSE 5 END, 5, 0, day % 14 = 0, false, 'ok', '0' {grid}"""
        )
        connection.commit()
        connection.read_only = True
        yield connection


@pytest.mark.parametrize("query", of_kind("sql"), ids=lambda query: query.where)
def test_sql_answers(query: Query, history: psycopg.Connection[Any]) -> None:
    cursor = history.execute(filled(query.text, VALUES).encode())
    assert cursor.fetchall(), "no row where there is data"


def test_trend_shows_the_newest_revision(history: psycopg.Connection[Any]) -> None:
    trend = next(q for q in of_kind("sql") if q.where == "history/Value at risk and expected shortfall/A")
    rows = history.execute(filled(trend.text, VALUES).encode()).fetchall()
    assert len(rows) == 300
    assert [row[1] for row in rows][5:8] == [106.0, 1.0, 108.0]


def test_exceptions_are_counted_over_250_days(history: psycopg.Connection[Any]) -> None:
    table = next(q for q in of_kind("sql") if q.where == "overview/Exceptions in the last 250 days/A")
    rows = history.execute(filled(table.text, VALUES).encode()).fetchall()
    # Days 51 to 300: 56, 70, ..., 294 are multiples of 14.
    assert {(row[3], row[4], row[5]) for row in rows} == {(250, 18, 0)}
    assert {float(row[6]) for row in rows} == {12.5, 2.5}


def test_time_of_the_dashboard_bounds_the_trend(history: psycopg.Connection[Any]) -> None:
    for query in (q for q in of_kind("sql") if "$__timeFilter" in q.text):
        assert not history.execute(filled(query.text, VALUES, ("1990-01-01", "1990-12-31")).encode()).fetchall(), query.where


class _Feed:
    """A process that exports everything a worker does."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.metrics.book(NODES)
        for node in NODES:
            self.metrics.results(
                [RiskResult("run", node.node_id, 1, "historical", 1, 0.99, 0, "USD", 12.5, 20.0, 500, 1, 0.0, 0.0, 0.0, "ok")]
            )
        self.metrics.day_closes(
            [DayCloseRow("run", 1, "2019-01-02", 1, "historical", 1, 0.99, 0, "USD", 10.0, 12.0, -11.0, -11.0, 0.0, True, True, "ok")]
        )
        self.metrics.shard_epoch("0", 1)

    def beat(self) -> None:
        """What happens all the time."""
        now = time.time_ns()
        self.metrics.ticks(10)
        self.metrics.rejected("price_not_finite")
        self.metrics.live(0.0004)
        self.metrics.checkpoint(0.004)
        self.metrics.watermark(now - 5_000_000_000, now)
        self.metrics.pending_finals(0)
        self.metrics.history_error()
        self.metrics.snapshot_error()


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    """A live Prometheus with the committed rules, which has scraped a worker's metrics several times."""
    feed = _Feed()
    (port,) = free_ports(1)
    exporter = start_exporter(feed.metrics, HOST, port)
    assert exporter is not None
    config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules/*.yml]
scrape_configs: [{{job_name: risk, static_configs: [{{targets: ["{HOST}:{port}"]}}]}}]
"""
    rules = (ROOT / "prometheus/rules/plimsoll.yml").read_bytes()
    try:
        with run_prometheus({"/etc/prometheus/prometheus.yml": config.encode(), "/etc/prometheus/rules/plimsoll.yml": rules}) as url:
            deadline = time.monotonic() + SCRAPE_SECONDS
            while len(answer(url, "count_over_time(job:risk_ticks:rate1m[5m]) >= 3")) == 0:
                assert time.monotonic() < deadline, "nothing was scraped"
                feed.beat()
                time.sleep(0.5)
            yield url
    finally:
        exporter.close()


def answer(url: str, expression: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}", timeout=30) as response:
        body = json.load(response)
    assert body["status"] == "success"
    return list(body["data"]["result"])


@pytest.mark.parametrize("query", of_kind("promql"), ids=lambda query: query.where)
def test_promql_answers(query: Query, prometheus: str) -> None:
    assert answer(prometheus, filled(query.text, {"node": ".*", "method": "historical", "confidence": "0.99"})), (
        "no series where there is data"
    )


def test_the_number_shown_is_the_number_exported(prometheus: str) -> None:
    shown = next(q for q in of_kind("promql") if q.where == "overview/Value at risk/A")
    result = answer(prometheus, filled(shown.text, {"node": "Firm", "method": "historical", "confidence": "0.99"}))
    assert [float(series["value"][1]) for series in result] == [12.5]
