"""The whole stack, end to end: 250 days are replayed while a worker is killed and the cache goes away, and no number changes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pulsar
import pytest

from tests.containers.stack import Stack, running_stack
from tests.server_units import HOST

DAYS = 250
NODES = 9
METHODS = 4
CHALLENGER = "volatility_weighted"
"""The fourth: evaluated by the jobs process beside the workers."""
CONFIDENCES = 4
FIRST, LAST = "2019-01-02", "2019-12-27"
REPLAY_SECONDS = 300.0
RESULTS = """SELECT count(*), count(DISTINCT as_of), md5(string_agg(row(
    run_id, node_id, as_of_ns, method, horizon_days, confidence, revision, currency, value_at_risk, expected_shortfall,
    scenario_count, log_seq, stale_share, proxied_share, thin_share, status)::text, ','
    ORDER BY node_id, as_of_ns, method, horizon_days, confidence, revision)) FROM risk_results"""
CLOSES = """SELECT count(*), count(DISTINCT date), md5(string_agg(row(
    run_id, node_id, date, method, horizon_days, confidence, revision, forecast_value_at_risk, forecast_expected_shortfall,
    hypothetical_pnl, actual_pnl, fees, exception_hypothetical, exception_actual, status)::text, ','
    ORDER BY node_id, date, method, horizon_days, confidence, revision)) FROM day_closes"""
STATES = """SELECT count(*), count(DISTINCT date), md5(string_agg(row(
    run_id, instrument_id, as_of_ns, date, revision, price, move, model_version, labels, filtered, ahead, volatility, status)::text, ','
    ORDER BY instrument_id, as_of_ns, revision)) FROM regime_states"""
CHANGES = """SELECT count(*), md5(string_agg(row(
    run_id, instrument_id, as_of_ns, date, detector, revision, direction, statistic, threshold)::text, ','
    ORDER BY instrument_id, as_of_ns, detector, revision)) FROM change_points"""
ZONES = """SELECT count(*), md5(string_agg(row(
    run_id, node_id, as_of_ns, method, horizon_days, confidence, outcome, window_days, revision, observations, exceptions, zone,
    zone_before, type_i, multiplier_mar32, kupiec_p, independence_p, conditional_p)::text, ','
    ORDER BY node_id, as_of_ns, method, horizon_days, confidence, outcome, window_days, revision)) FROM backtest_results"""
LOG = "SELECT count(*), min(log_seq), max(log_seq) FROM log_records"

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack after the replay: hurt twice on the way."""
    methods = json.dumps(["historical", "age_weighted", "ewma_normal", CHALLENGER])
    replay = {"RISK_REPLAY__FROM_DATE": FIRST, "RISK_REPLAY__TO_DATE": LAST, "RISK_REPLAY__SPEED": "4"}
    with running_stack(**replay, RISK_WORKERS="2", RISK_MODEL__METHODS=methods) as running:
        running.until("first results", lambda: streamed(running) >= 20, REPLAY_SECONDS)
        victim = next(c for c in running.containers("risk") if c[:12] in {owner.split("-")[0] for owner in owners(running)})
        before = streamed(running)
        running.kill_worker(victim)
        running.kill_worker(*running.containers("jobs"))
        running.kill_worker(*running.containers("regime"))
        running.kill_worker(*running.containers("backtest"))
        running.until("results after the worker was killed", lambda: streamed(running) >= before + 20, REPLAY_SECONDS)
        running.compose("kill", "--signal", "KILL", "valkey")
        before = streamed(running)
        assert before + 20 <= DAYS, "the replay was too fast to be hurt twice"
        running.until("finals while the cache is away", lambda: streamed(running) >= before + 20, REPLAY_SECONDS)
        running.until("Prometheus has seen the cache away", lambda: errors_seen(running) > 0.0, 60)
        running.compose("start", "valkey")
        running.until("the last day", lambda: days(running) >= DAYS, REPLAY_SECONDS)
        running.until("the last regime", lambda: running.sql(STATES)[0][1] == str(DAYS), REPLAY_SECONDS)
        running.until("the last zones", lambda: running.sql("SELECT count(*) FROM backtests_due") == [["0"]], REPLAY_SECONDS)
        yield running


def days(stack: Stack) -> int:
    """Days for which every final number is on record."""
    return _days(stack, METHODS, "")


def streamed(stack: Stack) -> int:
    """Days for which the workers' own numbers are: the jobs process may be far behind them."""
    return _days(stack, METHODS - 1, f"WHERE method <> '{CHALLENGER}'")


def _days(stack: Stack, methods: int, where: str) -> int:
    whole = f"SELECT as_of FROM risk_results {where} GROUP BY as_of HAVING count(*) = {NODES * methods * CONFIDENCES}"
    return int(stack.sql(f"SELECT count(*) FROM ({whole}) AS whole")[0][0])


def errors_seen(stack: Stack) -> float:
    """The most calls that the cache left unanswered, over all processes and the whole run."""
    series = stack.prometheus("max(max_over_time(risk_snapshot_errors_total[1h]))")
    return float(series[0]["value"][1]) if series else 0.0


def owners(stack: Stack) -> set[str]:
    """Workers that own shards."""
    return {row[0] for row in stack.sql("SELECT owner FROM shards WHERE shard_id ~ '^[0-9]+$'")}


def test_results_are_those_of_an_undisturbed_run_in_one_process(stack: Stack) -> None:
    """The reference folds the same days without broker, workers, leases or faults."""
    stack.sql("CREATE DATABASE reference", database="postgres")
    options = {
        "RISK_LOG__URL": "memory:",
        "RISK_SNAPSHOTS__URL": "embedded:",
        "RISK_HISTORY__URL": "postgresql://plimsoll@timescaledb:5432/reference",
        "RISK_METRICS__PORT": "0",
    }
    given = [part for name, value in options.items() for part in ("-e", f"{name}={value}")]
    stack.compose("run", "--rm", "--no-deps", "-T", *given, "ingest", "run", "--speed", "max", "--exit")
    for query in (RESULTS, CLOSES, STATES, CHANGES, ZONES):
        assert stack.sql(query) == stack.sql(query, database="reference")
    count, distinct, _ = stack.sql(RESULTS)[0]
    assert (int(count), int(distinct)) == (DAYS * NODES * METHODS * CONFIDENCES, DAYS)
    assert stack.sql(STATES)[0][:2] == [str(DAYS)] * 2
    assert int(stack.sql(CHANGES)[0][0]) > 0
    assert int(stack.sql(ZONES)[0][0]) == 2 * int(stack.sql(CLOSES)[0][0])  # by hypothetical and by actual P&L


def test_a_shard_was_taken_over(stack: Stack) -> None:
    epochs = [int(row[0]) for row in stack.sql("SELECT epoch FROM shards WHERE shard_id ~ '^[0-9]+$'")]
    assert len(epochs) == 4
    assert max(epochs) >= 2


def test_the_recorder_kept_the_log_without_gaps(stack: Stack) -> None:
    reached = "SELECT 1 WHERE (SELECT max(log_seq) FROM log_records) >= (SELECT max(log_seq) FROM risk_results)"
    stack.until("the recorder reaches the results", lambda: bool(stack.sql(reached)), 30)
    count, first, last = stack.sql(LOG)[0]
    assert (first, count) == ("1", last)


def test_every_snapshot_came_back_and_is_the_last_final_number(stack: Stack) -> None:
    def final() -> dict[tuple[int, str, str], float]:
        return {
            (node["node_id"], method, confidence): measure["var"]
            for node in stack.api("/api/v1/snapshots")["snapshots"]
            if node["final"] is not None
            for method, by_confidence in node["final"]["measures"].items()
            for confidence, measure in by_confidence.items()
        }

    rows = stack.sql("SELECT node_id, method, confidence, value_at_risk FROM v_latest_results WHERE is_latest_run")
    assert len(rows) == NODES * METHODS * CONFIDENCES
    wanted = {(int(node), method, confidence): float(value) for node, method, confidence, value in rows if method != CHALLENGER}
    stack.until("all snapshots written again", lambda: final() == wanted, 60)


def test_every_result_was_published_and_never_with_another_value(stack: Stack) -> None:
    """A takeover publishes again what it finds committed, so a message may come twice; readers tell by its key."""
    published: dict[tuple[str, ...], set[tuple[float, float]]] = {}
    client = pulsar.Client(f"pulsar://{HOST}:{stack.ports['PULSAR_PORT']}", logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    try:
        reader = client.create_reader("persistent://risk/analytics/results", pulsar.MessageId.earliest)
        while reader.has_message_available():
            message = json.loads(reader.read_next(10_000).data())
            key = tuple(str(message[name]) for name in ("run_id", "node_id", "as_of_ns", "method", "confidence", "revision"))
            published.setdefault(key, set()).add((message["value_at_risk"], message["expected_shortfall"]))
        reader.close()
    finally:
        client.close()
    columns = "run_id, node_id, as_of_ns, method, confidence, revision, value_at_risk, expected_shortfall"
    recorded = {tuple(row[:6]): {(float(row[6]), float(row[7]))} for row in stack.sql(f"SELECT {columns} FROM risk_results")}
    assert len(recorded) == DAYS * NODES * METHODS * CONFIDENCES
    assert published == recorded


def test_prometheus_sees_every_process_and_what_happened(stack: Stack) -> None:
    up = {(series["metric"]["job"], series["metric"]["instance"]): series["value"][1] for series in stack.prometheus("up")}
    assert sum(job == "risk" for job, _ in up) >= 2
    assert {"risk", "ingest", "recorder", "regime", "backtest", "jobs", "api", "pulsar", "prometheus"} == {job for job, _ in up}
    stack.until("all targets up", lambda: not stack.prometheus("up%20%3D%3D%200"), 60)
    assert errors_seen(stack) > 0.0


def test_reader_reads_and_writes_nothing(stack: Stack) -> None:
    assert stack.sql("SELECT count(*) > 0 FROM v_latest_results", role="plimsoll_reader", password="reader") == [["t"]]
    with pytest.raises(AssertionError, match="read-only transaction"):
        stack.sql("DELETE FROM risk_results", role="plimsoll_reader", password="reader")


def test_one_worker_and_four_can_carry_the_book(stack: Stack) -> None:
    for workers in (4, 1):
        stack.compose("up", "--detach", "--no-recreate", "--scale", f"risk={workers}", *("risk",))
        ids = {container[:12] for container in stack.containers("risk")}
        assert len(ids) == workers
        alive = "SELECT count(*) FROM shards WHERE shard_id ~ '^[0-9]+$' AND lease_until > now() AND left(owner, 12) IN ('{}')"
        stack.until(f"{workers} workers own all shards", lambda: stack.sql(alive.format("','".join(ids))) == [["4"]], 60)  # noqa: B023
