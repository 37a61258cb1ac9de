"""Every metric of every process, declared here with its doc line. The table in docs/operations/metrics.md is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from risk_core.book import Instrument, Node
from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult, WatchRow

LATENCY_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
CHECKPOINT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
JOB_SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
NODES_MAX: Final = 50
"""Nodes with their own series: the first of the book, which lists parents before children."""

ZONES: Final = ("green", "yellow", "red")
INSTRUMENTS_MAX: Final = 50
"""Instruments with their own series: the first of the book."""

REASONS_MAX: Final = 64
"""Distinct values of the label `reason`; further ones count as "other"."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


DECLARED: Final = (
    Declared("risk_ticks_total", "counter", "Price ticks folded"),
    Declared("risk_rejected_total", "counter", "Messages refused at the edge, by reason; each is kept as a dead letter", ("reason",)),
    Declared("risk_late_total", "counter", "Ticks that came after their bucket had closed; they never change a final number"),
    Declared("risk_watermark_timestamp_seconds", "gauge", "Event time through which every open source has promised to be complete"),
    Declared("risk_watermark_lag_seconds", "gauge", "How far the watermark is behind, by the run's own clock"),
    Declared("risk_live_latency_seconds", "histogram", "From reading a batch to its live numbers handed to the cache", (), LATENCY_SECONDS),
    Declared("risk_checkpoint_seconds", "histogram", "Time of one transaction of results and checkpoint", (), CHECKPOINT_SECONDS),
    Declared(
        "risk_value_at_risk", "gauge", "Newest final value at risk, loss-positive, in the node's currency", ("node", "method", "confidence")
    ),
    Declared(
        "risk_expected_shortfall",
        "gauge",
        "Newest final expected shortfall, loss-positive, in the node's currency",
        ("node", "method", "confidence"),
    ),
    Declared(
        "risk_exceptions_total",
        "counter",
        "Judged days whose hypothetical loss went beyond the forecast, each counted once",
        ("node", "method", "confidence"),
    ),
    Declared(
        "risk_zone",
        "gauge",
        "Traffic-light zone of the newest judged day: 0 green, 1 yellow, 2 red",
        ("node", "method", "confidence", "outcome"),
    ),
    Declared("risk_zone_exceptions", "gauge", "Exceptions in the window of the zone", ("node", "method", "confidence", "outcome")),
    Declared("risk_backtests_due", "gauge", "Notes of judged days that zones do not hold yet"),
    Declared("risk_results_total", "counter", "Final results made durable"),
    Declared(
        "risk_regime_probability",
        "gauge",
        "Chance of each state of an instrument's regime at its newest close, given all to then",
        ("instrument", "state"),
    ),
    Declared("risk_volatility_forecast", "gauge", "Standard deviation forecast for the next day, as a simple return", ("instrument",)),
    Declared(
        "risk_change_points_total",
        "counter",
        "Alarms of change; those of instruments beyond the first count as other",
        ("instrument", "detector"),
    ),
    Declared("risk_regime_refits_total", "counter", "Refits of regime and volatility models, by what became of them", ("kind", "status")),
    Declared("risk_log_seq", "gauge", "Ordinal of the last log record that this process has taken"),
    Declared("risk_shard_epoch", "gauge", "Epoch under which this process owns a shard; 0 after it lost the shard", ("shard",)),
    Declared("risk_pending_finals", "gauge", "Closed buckets that wait to be made durable"),
    Declared("risk_snapshot_errors_total", "counter", "Calls that the snapshot cache did not answer"),
    Declared("risk_history_errors_total", "counter", "Calls that the history store did not answer"),
    Declared("risk_job_seconds", "histogram", "Time of one heavy evaluation, from taking it to its rows published", ("kind",), JOB_SECONDS),
    Declared("risk_jobs_waiting", "gauge", "Heavy evaluations that are not done"),
    Declared("risk_api_requests_total", "counter", "HTTP requests, by route template", ("route", "method", "status")),
    Declared("risk_api_request_seconds", "histogram", "Time to the start of an answer", ("route",), LATENCY_SECONDS),
    Declared("risk_api_streams", "gauge", "Open event streams"),
)

PROCESS_METRICS: Final = (
    ("process_cpu_seconds_total", "counter", "User and system CPU time of the process"),
    ("process_resident_memory_bytes", "gauge", "Resident memory of the process"),
    ("process_open_fds", "gauge", "Open file descriptors of the process"),
    ("process_start_time_seconds", "gauge", "Start of the process since the epoch"),
)


@dataclass(slots=True)
class _Series:
    """The series of one node, method and confidence, and the newest results in them."""

    value_at_risk: Gauge
    expected_shortfall: Gauge
    exceptions: Counter
    shown_ns: int = -1
    judged_ns: int = -1


class Metrics:
    """The metrics of one process, in a registry of its own. Safe from any thread; update once a batch, not once a tick."""

    def __init__(self, nodes_max: int = NODES_MAX) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {d.name: _made(d, self.registry) for d in DECLARED}
        self._nodes_max = nodes_max
        self._names: dict[int, str] = {}
        self._series: dict[tuple[int, str, float], _Series] = {}
        self._reasons: set[str] = set()
        self._symbols: dict[int, str] = {}
        self._zoned_ns: dict[tuple[int, str, float, str], int] = {}
        self._watched_ns: dict[int, int] = {}
        ProcessCollector(registry=self.registry)

    def book(self, nodes: Sequence[Node]) -> None:
        """Name the nodes of the run, in the book's order; series of the run before are dropped."""
        listed = nodes[: self._nodes_max]
        names = [n.name for n in listed]
        self._names = {n.node_id: n.name if names.count(n.name) == 1 else f"{n.name} {n.node_id}" for n in listed}
        self._series = {}
        self._zoned_ns = {}
        for name in ("risk_value_at_risk", "risk_expected_shortfall", "risk_exceptions_total", "risk_zone", "risk_zone_exceptions"):
            self._metrics[name].clear()

    def instruments(self, instruments: Sequence[Instrument]) -> None:
        """Name the instruments of the run; series of the run before are dropped."""
        self._symbols = {i.instrument_id: i.symbol for i in instruments[:INSTRUMENTS_MAX]}
        self._watched_ns = {}
        for name in ("risk_regime_probability", "risk_volatility_forecast", "risk_change_points_total"):
            self._metrics[name].clear()

    # -------------------------------------------------------------- input

    def ticks(self, count: int) -> None:
        """Count folded ticks."""
        self._metrics["risk_ticks_total"].inc(count)

    def rejected(self, reason: str, count: int = 1) -> None:
        """Count refused messages."""
        if reason not in self._reasons and len(self._reasons) >= REASONS_MAX:
            reason = "other"
        self._reasons.add(reason)
        self._metrics["risk_rejected_total"].labels(reason).inc(count)

    def late(self, count: int) -> None:
        """Count late ticks."""
        self._metrics["risk_late_total"].inc(count)

    def watermark(self, watermark_ns: int, run_clock_ns: int) -> None:
        """Set the watermark, and its lag behind the run's clock."""
        self._metrics["risk_watermark_timestamp_seconds"].set(watermark_ns / 1e9)
        self._metrics["risk_watermark_lag_seconds"].set((run_clock_ns - watermark_ns) / 1e9)

    def log_seq(self, log_seq: int) -> None:
        """Set the last folded record."""
        self._metrics["risk_log_seq"].set(log_seq)

    # ------------------------------------------------------------- output

    def live(self, latency_seconds: float) -> None:
        """Observe one batch's live numbers."""
        self._metrics["risk_live_latency_seconds"].observe(latency_seconds)

    def checkpoint(self, duration_seconds: float) -> None:
        """Observe one transaction."""
        self._metrics["risk_checkpoint_seconds"].observe(duration_seconds)

    def results(self, rows: Sequence[RiskResult]) -> None:
        """Count durable results, and show those of the first nodes; a bucket folded again does not replace a newer one."""
        self._metrics["risk_results_total"].inc(len(rows))
        for r in rows:
            series = self._of(r)
            if series is not None and r.as_of_ns >= series.shown_ns:
                series.shown_ns = r.as_of_ns
                series.value_at_risk.set(r.value_at_risk)
                series.expected_shortfall.set(r.expected_shortfall)

    def day_closes(self, rows: Sequence[DayCloseRow]) -> None:
        """Count exceptions of the first nodes, each day once; a series starts at 0 with its first judged day."""
        for r in rows:
            series = self._of(r)
            if series is not None and r.as_of_ns > series.judged_ns:
                series.judged_ns = r.as_of_ns
                series.exceptions.inc(int(r.exception_hypothetical))

    def zones(self, rows: Sequence[BacktestResult]) -> None:
        """Show the zones of the first nodes; a day judged again does not replace a newer one."""
        for row in rows:
            if row.node_id in self._names:
                key = (row.node_id, row.method, row.confidence, row.outcome)
                if row.as_of_ns >= self._zoned_ns.get(key, 0):
                    self._zoned_ns[key] = row.as_of_ns
                    labels = self._names[row.node_id], row.method, repr(row.confidence), row.outcome
                    self._metrics["risk_zone"].labels(*labels).set(ZONES.index(row.zone))
                    self._metrics["risk_zone_exceptions"].labels(*labels).set(row.exceptions)

    def backtests_due(self, count: int) -> None:
        """Set how many notes of judged days wait."""
        self._metrics["risk_backtests_due"].set(count)

    def watched(self, rows: Sequence[WatchRow]) -> None:
        """Show regimes and volatilities of the first instruments, and count change points and refits."""
        for row in rows:
            symbol = self._symbols.get(row.instrument_id)
            if isinstance(row, RegimeModel):
                self._metrics["risk_regime_refits_total"].labels(row.kind, row.status).inc()
            elif isinstance(row, ChangePoint):
                self._metrics["risk_change_points_total"].labels(symbol or "other", row.detector).inc()
            elif symbol is not None and row.as_of_ns >= self._watched_ns.get(row.instrument_id, 0):
                self._watched_ns[row.instrument_id] = row.as_of_ns
                self._show_regime(symbol, row)

    def _show_regime(self, symbol: str, row: RegimeState) -> None:
        for label, chance in zip(row.labels, row.filtered, strict=True):
            self._metrics["risk_regime_probability"].labels(symbol, label).set(chance)
        if row.volatility is not None:
            self._metrics["risk_volatility_forecast"].labels(symbol).set(row.volatility)

    def _of(self, row: RiskResult | DayCloseRow) -> _Series | None:
        key = row.node_id, row.method, row.confidence
        series = self._series.get(key)
        if series is None and row.node_id in self._names:
            labels = self._names[row.node_id], row.method, repr(row.confidence)
            m = self._metrics
            series = self._series[key] = _Series(
                m["risk_value_at_risk"].labels(*labels),
                m["risk_expected_shortfall"].labels(*labels),
                m["risk_exceptions_total"].labels(*labels),
            )
        return series

    def pending_finals(self, count: int) -> None:
        """Set how many closed buckets wait."""
        self._metrics["risk_pending_finals"].set(count)

    def job(self, kind: str, seconds: float) -> None:
        """Observe a heavy evaluation that is done."""
        self._metrics["risk_job_seconds"].labels(kind).observe(seconds)

    def jobs_waiting(self, count: int) -> None:
        """Set how many heavy evaluations are not done."""
        self._metrics["risk_jobs_waiting"].set(count)

    def shard_epoch(self, shard_id: str, epoch: int) -> None:
        """Set the epoch of an owned shard; 0 when it is lost."""
        self._metrics["risk_shard_epoch"].labels(shard_id).set(epoch)

    def snapshot_error(self) -> None:
        """Count a call that the cache did not answer."""
        self._metrics["risk_snapshot_errors_total"].inc()

    def history_error(self) -> None:
        """Count a call that the history store did not answer."""
        self._metrics["risk_history_errors_total"].inc()

    # ---------------------------------------------------------------- api

    def request(self, route: str, method: str, status: int, duration_seconds: float) -> None:
        """Count a request by its route template."""
        self._metrics["risk_api_requests_total"].labels(route, method, str(status)).inc()
        self._metrics["risk_api_request_seconds"].labels(route).observe(duration_seconds)

    def streams(self, count: int) -> None:
        """Set how many event streams are open."""
        self._metrics["risk_api_streams"].set(count)

    # ------------------------------------------------------------- export

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)


class Exporter:
    """Serves a registry over HTTP from a thread of its own."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._server, self._thread = prometheus_client.start_http_server(port, host, metrics.registry)
        self.address = f"http://{host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop serving. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_exporter(metrics: Metrics, host: str, port: int) -> Exporter | None:
    """Serve the metrics; None for port 0, which switches it off."""
    return Exporter(metrics, host, port) if port else None


def metrics_table() -> str:
    """Return the table of all metrics in Markdown."""
    lines = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    lines += [f"| `{d.name}` | {d.kind} | {', '.join(f'`{x}`' for x in d.labels)} | {d.doc} |" for d in DECLARED]
    lines += [f"| `{name}` | {kind} |  | {doc} |" for name, kind, doc in PROCESS_METRICS]
    return "\n".join(lines) + "\n"


def _made(d: Declared, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if d.kind == "counter":
        return Counter(d.name, d.doc, d.labels, registry=registry)
    if d.kind == "gauge":
        return Gauge(d.name, d.doc, d.labels, registry=registry)
    return Histogram(d.name, d.doc, d.labels, registry=registry, buckets=d.buckets)
