"""Every method of the service, asked for as a user does: computed beside the stream, stored, judged, shown and reproduced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from scipy import stats

from risk_core.methods import CHALLENGERS, METHODS, ONE_DAY
from services.common.adapters.embedded_servers import EmbeddedServers
from tests.e2e.test_run_command import CONFIDENCES, LIMIT_SECONDS, NODES, Place

pytestmark = pytest.mark.slow

FROM, TO = "2008-09-02", "2008-09-17"
DAYS = 12
TEN_DAYS = ("historical_10d", "filtered_10d")
NAMED = (*(name for name in ONE_DAY if not name.startswith("copula_") or name == "copula_gaussian"), *TEN_DAYS)
"""Copulas take seconds a day: one stands for all."""
JUDGED = tuple(m.name for m in CHALLENGERS if m.name in NAMED and m.name not in TEN_DAYS)
REPRODUCED = (
    "coherent",
    "liquidity_spread",
    "filtered",
    "regime_weighted",
    "bootstrap",
    "student_t",
    "garch_student_t",
    "copula_gaussian",
    "filtered_10d",
)
LIQUIDITY = {"equity": {"spread": 0.0005, "spread_volatility": 0.0003, "liquidation_days": 3}, "index": {}, "fx": {"spread": 0.0001}}
EVERY = {"RISK_MODEL__METHODS": json.dumps(NAMED), "RISK_MODEL__WINDOW": "250", "RISK_MODEL__LIQUIDITY": json.dumps(LIQUIDITY)}
WORDS = ("run", "--from", FROM, "--to", TO, "--speed", "max", "--exit", "--json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    place = Place(tmp_path_factory.mktemp("methods"))
    return place, json.loads(place.call(*WORDS, environment=EVERY).stdout.splitlines()[-1])


def rows(directory: Path, table: str, columns: str) -> list[Any]:
    with EmbeddedServers(directory) as urls, psycopg.connect(urls.history) as connection:
        return sorted(connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall())


RESULTS = "node_id, as_of_ns, method, confidence, revision, value_at_risk, expected_shortfall, status"
CLOSES = "node_id, as_of_ns, method, confidence, revision, forecast_value_at_risk, hypothetical_pnl, exception_hypothetical"


def test_every_day_has_every_method(whole: tuple[Place, dict[str, Any]]) -> None:
    place, summary = whole
    assert summary["days"] == DAYS
    assert summary["results"] == DAYS * NODES * len(NAMED) * CONFIDENCES
    for node in summary["nodes"]:
        assert set(node["methods"]) == set(NAMED)
    results, closes = rows(place.directory, "risk_results", RESULTS), rows(place.directory, "day_closes", CLOSES)
    assert len({r[:5] for r in results}) == len(results) == summary["results"]
    assert len(closes) == NODES * CONFIDENCES * (3 * DAYS + len(JUDGED) * (DAYS - 1))
    fallen = [r for r in results if "fallback" in r[7]]
    assert not fallen, fallen[:3]


def test_numbers_are_near_one_another_and_ordered(whole: tuple[Place, dict[str, Any]]) -> None:
    """Methods disagree about the tail, not about its size; and ES is beyond VaR, the higher confidence beyond the lower."""
    _, summary = whole
    for node in summary["nodes"]:
        plain = node["methods"]["historical"]["0.975"]["expected_shortfall"]
        for name, levels in node["methods"].items():
            days = METHODS[name].horizon_days ** 0.5
            assert 0.3 * plain * days < levels["0.975"]["expected_shortfall"] < 4.0 * plain * days
            var = [levels[c]["value_at_risk"] for c in ("0.95", "0.975", "0.99", "0.999")]
            assert var == sorted(var)
            assert all(level["expected_shortfall"] >= level["value_at_risk"] * (1 - 1e-9) for level in levels.values())


def test_further_measures_and_liquidity_are_beside(whole: tuple[Place, dict[str, Any]]) -> None:
    _, summary = whole
    longer = []
    for node in summary["nodes"]:
        plain, coherent = (node["methods"][m]["0.99"] for m in ("historical", "coherent"))
        assert coherent["value_at_risk"] == plain["value_at_risk"]
        assert coherent["entropic_value_at_risk"] > coherent["expected_shortfall"]
        assert coherent["maximum_drawdown"] >= coherent["conditional_drawdown_at_risk"] > 0.0
        spread, slow = (node["methods"][m]["0.99"] for m in ("liquidity_spread", "liquidity_horizon"))
        assert spread["value_at_risk"] > plain["value_at_risk"]
        assert spread["status"] == slow["status"] == plain["status"]
        longer.append(slow["value_at_risk"] / plain["value_at_risk"])
    alike = (4 * 7 / 18) ** 0.5  # three days for every share
    assert sum(ratio == pytest.approx(alike, rel=1e-9) for ratio in longer) >= 2, longer


def test_a_stored_number_is_explained_reproduced_and_is_what_scipy_says(whole: tuple[Place, dict[str, Any]]) -> None:
    place, summary = whole
    node = summary["nodes"][4]
    for method in REPRODUCED:
        told = place.call("reproduce", f"{node['node_id']}:{node['as_of_ns']}:{method}:0.99", environment=EVERY)
        assert "equal" in told.stdout
        assert "bit for bit" in told.stdout.replace("\n", " ")
    told = place.call("explain", f"{node['node_id']}:{node['as_of_ns']}:student_t:0.99", "--json", environment=EVERY)
    pnl = vector(place.directory, json.loads(told.stdout))
    assert len(pnl) == 250
    df, _, scale = stats.t.fit(pnl, floc=0.0)
    numbers = node["methods"]
    assert numbers["student_t"]["0.99"]["value_at_risk"] == pytest.approx(-stats.t.ppf(0.01, df, 0.0, scale), rel=1e-3)
    assert numbers["historical"]["0.99"]["value_at_risk"] == pytest.approx(-np.sort(pnl)[2], rel=1e-9)
    assert numbers["smooth"]["0.95"]["value_at_risk"] == pytest.approx(-float(stats.mstats.hdquantiles(pnl, [0.05])[0]), rel=1e-6)


def test_zones_tell_what_the_judged_days_hold(whole: tuple[Place, dict[str, Any]]) -> None:
    place, _ = whole
    judged = rows(place.directory, "day_closes", CLOSES)
    told = json.loads(place.call("zones", "--confidence", "0.95", "--window", "10", "--json", environment=EVERY).stdout.splitlines()[-1])
    assert len(told) == NODES
    assert [n["node_id"] for n in told] == [1, 2, 4, 5, 6, 3, 7, 8, 9], "each node has those below it behind it"
    for node in told:
        assert {item["method"] for item in node["items"]} == {*("historical", "age_weighted", "ewma_normal"), *JUDGED}
        for item in node["items"]:
            days = [r for r in judged if r[0] == node["node_id"] and (r[2], r[3]) == (item["method"], 0.95)][-10:]
            assert (item["observations"], item["exceptions"]) == (10, sum(r[7] for r in days))
    shown = place.call("zones", environment=EVERY | {"COLUMNS": "400"}).stdout
    assert "Zones at 99.0%" in shown
    assert "regime weighted" in shown
    words = place.call("zones", str(told[0]["node_id"]), environment=EVERY | {"COLUMNS": "200"}).stdout
    assert "Kupiec proportion of failures" in words
    refused = place.call("zones", "Nobody", environment=EVERY, expect=2)
    assert "no node 'Nobody'; known are" in refused.stderr


def vector(directory: Path, explained: dict[str, Any]) -> np.ndarray:
    """P&L of each stored scenario for the positions of an explanation; of a dollar book of dollar instruments."""
    query = "SELECT shock FROM scenario_sets WHERE as_of_ns <= %s ORDER BY as_of_ns DESC LIMIT 250"
    with EmbeddedServers(directory) as urls, psycopg.connect(urls.history) as connection:
        moves = np.array([np.frombuffer(row[0], "<f8") for row in connection.execute(query, (int(explained["as_of_ns"]),))])
        ids = [row[0] for row in connection.execute("SELECT DISTINCT instrument_id FROM instruments ORDER BY instrument_id")]
    exposure = np.zeros(len(ids))
    for position in explained["positions"]:
        assert position["currency"] == "USD"
        exposure[ids.index(position["instrument_id"])] = position["market_value"]
    pnl: np.ndarray = moves @ exposure
    return pnl


def test_killed_on_the_way_nothing_is_lost_or_doubled(whole: tuple[Place, dict[str, Any]], tmp_path: Path) -> None:
    """What calculates and what records dies, then the whole service; a second call goes on, and every row equals an undisturbed run's."""
    place, summary = whole
    hurt = Place(tmp_path)
    environment = {**hurt.environment, **EVERY}
    with subprocess.Popen(hurt.command(*WORDS), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + LIMIT_SECONDS
        killed = 0
        while time.monotonic() < deadline and process.poll() is None:
            below = beside(process.pid)
            for pid in below if len(below) > 1 else ():  # the one that records is there from the start
                os.kill(pid, signal.SIGKILL)
                killed += 1
            if killed:
                time.sleep(1.0)
                break
            time.sleep(0.05)
        assert killed, "no job was calculated in a process of its own"
        below = beside(process.pid)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10.0
    while any(map(lives, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(lives, below)), "a process outlived its service"
    hurt.call(*WORDS, environment=EVERY)
    for table, columns in (("risk_results", RESULTS), ("day_closes", CLOSES)):
        assert rows(hurt.directory, table, columns) == rows(place.directory, table, columns)
    assert summary["days"] == DAYS


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def beside(parent: int) -> list[int]:
    """Return the processes that multiprocessing spawned below a process, but its resource tracker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_text()
            except OSError:
                continue
            if ppid == parent and "spawn_main" in command:
                found.append(int(entry.name))
    return found
