"""Metrics: all declared, all documented, bounded labels, exact values."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from risk_core.book import Node, NodeKind
from risk_core.records import DayCloseRow, RiskResult
from services.common.metrics import DECLARED, PROCESS_METRICS, REASONS_MAX, Exporter, Metrics, metrics_table, start_exporter

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations" / "metrics.md"
RESULT = RiskResult("run", 1, 10**18, "historical", 1, 0.99, 0, "USD", 10.5, -2.25, 500, 9, 0.0, 0.0, 0.0, "ok")
CLOSE = DayCloseRow("run", 1, "2024-05-01", 10**18, "historical", 1, 0.99, 0, "USD", 10.0, 12.0, -11.0, 3.0, 0.0, True, False, "ok")
NODES = [Node(k, name, NodeKind.DESK, None, "USD") for k, name in enumerate(("Firm", "Desk", "Desk"), start=1)]


def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return values(metrics).get((name, tuple(sorted(labels.items()))))


def test_the_document_lists_every_metric() -> None:
    assert metrics_table() in DOCUMENT.read_text(), "put services.common.metrics.metrics_table() into docs/operations/metrics.md"


def test_names_say_what_and_in_which_unit() -> None:
    names = [d.name for d in DECLARED]
    assert len(set(names)) == len(names)
    for d in DECLARED:
        assert re.fullmatch(r"risk_[a-z_]+", d.name)
        assert d.name.endswith("_total") == (d.kind == "counter")
        assert d.doc
        assert not d.doc.endswith(".")
        assert bool(d.buckets) == (d.kind == "histogram")


def test_everything_exported_is_declared() -> None:
    metrics = Metrics()
    known = {d.name.removesuffix("_total") for d in DECLARED} | {name.removesuffix("_total") for name, _, _ in PROCESS_METRICS}
    exported = {f.name for f in text_string_to_metric_families(metrics.text().decode())}
    assert {d.name.removesuffix("_total") for d in DECLARED} <= exported
    assert {n for n in exported if n.startswith("risk_")} <= known
    assert not any(name.endswith("_created") for name, _ in values(metrics))


def test_two_processes_worth_of_metrics_do_not_mix() -> None:
    one, two = Metrics(), Metrics()
    one.ticks(5)
    assert (value(one, "risk_ticks_total"), value(two, "risk_ticks_total")) == (5.0, 0.0)


def test_methods_set_what_they_say() -> None:
    m = Metrics()
    m.ticks(3)
    m.ticks(4)
    m.late(2)
    m.rejected("stale", 2)
    m.watermark(1_700_000_000_000_000_000, 1_700_000_002_500_000_000)
    m.live(0.0004)
    m.checkpoint(0.02)
    m.log_seq(77)
    m.shard_epoch("0", 3)
    m.pending_finals(4)
    m.snapshot_error()
    m.history_error()
    m.request("/api/v1/run", "GET", 200, 0.001)
    m.streams(2)
    expected: dict[tuple[Any, ...], float] = {
        ("risk_ticks_total",): 7.0,
        ("risk_late_total",): 2.0,
        ("risk_rejected_total", ("reason", "stale")): 2.0,
        ("risk_watermark_timestamp_seconds",): 1.7e9,
        ("risk_watermark_lag_seconds",): 2.5,
        ("risk_live_latency_seconds_count",): 1.0,
        ("risk_live_latency_seconds_bucket", ("le", "0.0005")): 1.0,
        ("risk_live_latency_seconds_bucket", ("le", "0.00025")): 0.0,
        ("risk_checkpoint_seconds_sum",): 0.02,
        ("risk_log_seq",): 77.0,
        ("risk_shard_epoch", ("shard", "0")): 3.0,
        ("risk_pending_finals",): 4.0,
        ("risk_snapshot_errors_total",): 1.0,
        ("risk_history_errors_total",): 1.0,
        ("risk_api_requests_total", ("method", "GET"), ("route", "/api/v1/run"), ("status", "200")): 1.0,
        ("risk_api_streams",): 2.0,
    }
    told = values(m)
    for (name, *labels), wanted in expected.items():
        assert told[name, tuple(labels)] == wanted, name


def test_results_and_exceptions_of_named_nodes() -> None:
    m = Metrics()
    m.book(NODES)
    m.results([RESULT, replace(RESULT, node_id=3, value_at_risk=1.0), replace(RESULT, node_id=9)])
    m.day_closes([CLOSE, replace(CLOSE, confidence=0.95, exception_hypothetical=False)])
    labels = {"node": "Firm", "method": "historical", "confidence": "0.99"}
    assert value(m, "risk_results_total") == 3.0
    assert value(m, "risk_value_at_risk", **labels) == 10.5
    assert value(m, "risk_expected_shortfall", **labels) == -2.25
    assert value(m, "risk_value_at_risk", **labels | {"node": "Desk 3"}) == 1.0  # two nodes of one name
    assert value(m, "risk_exceptions_total", **labels) == 1.0
    assert value(m, "risk_exceptions_total", **labels | {"confidence": "0.95"}) == 0.0
    m.results([replace(RESULT, as_of_ns=RESULT.as_of_ns - 1, revision=1, value_at_risk=99.0)])  # an older bucket, folded again
    m.day_closes([replace(CLOSE, revision=1)])
    assert value(m, "risk_value_at_risk", **labels) == 10.5
    assert value(m, "risk_exceptions_total", **labels) == 1.0
    m.results([replace(RESULT, revision=1, value_at_risk=11.0)])
    assert value(m, "risk_value_at_risk", **labels) == 11.0
    m.book([replace(NODES[0], name="New")])
    assert value(m, "risk_value_at_risk", **labels) is None


def test_labels_are_bounded() -> None:
    m = Metrics(nodes_max=2)
    m.book(NODES)
    m.results([replace(RESULT, node_id=k) for k in (1, 2, 3)])
    for k in range(REASONS_MAX + 50):
        m.rejected(f"reason-{k}")
    told = values(m)
    assert {labels for name, labels in told if name == "risk_value_at_risk"} == {
        (("confidence", "0.99"), ("method", "historical"), ("node", name)) for name in ("Firm", "Desk")
    }
    reasons = {k: v for k, v in told.items() if k[0] == "risk_rejected_total"}
    assert len(reasons) == REASONS_MAX + 1
    assert reasons["risk_rejected_total", (("reason", "other"),)] == 50.0


def test_the_exporter_serves_and_stops() -> None:
    metrics = Metrics()
    metrics.log_seq(12)
    assert start_exporter(metrics, "127.0.0.1", 0) is None
    exporter = Exporter(metrics, "127.0.0.1", 0)
    with urllib.request.urlopen(exporter.address, timeout=5) as answer:
        assert b"risk_log_seq 12.0" in answer.read()
    exporter.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(exporter.address, timeout=1)
