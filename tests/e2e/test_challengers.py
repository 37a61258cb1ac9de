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

from risk_core.methods import CHALLENGERS, METHODS
from services.common.adapters.embedded_servers import EmbeddedServers
from tests.e2e.test_run_command import CONFIDENCES, LIMIT_SECONDS, NODES, Place

pytestmark = pytest.mark.slow

FROM, TO = "2008-09-02", "2008-10-15"
DAYS = 32
EVERY = {"RISK_MODEL__METHODS": json.dumps(list(METHODS)), "RISK_MODEL__WINDOW": "250"}
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
    assert summary["results"] == DAYS * NODES * len(METHODS) * CONFIDENCES
    for node in summary["nodes"]:
        assert set(node["methods"]) == set(METHODS)
    results, closes = rows(place.directory, "risk_results", RESULTS), rows(place.directory, "day_closes", CLOSES)
    assert len({r[:5] for r in results}) == len(results) == summary["results"]
    assert len(closes) == NODES * CONFIDENCES * (3 * DAYS + len(CHALLENGERS) * (DAYS - 1))
    for method in CHALLENGERS:
        fallen = [r for r in results if r[2] == method.name and "fallback" in r[7]]
        assert not fallen, f"{method.name}: {fallen[:3]}"


def test_numbers_are_near_one_another_and_ordered(whole: tuple[Place, dict[str, Any]]) -> None:
    """Methods disagree about the tail, not about its size; and ES is beyond VaR, the higher confidence beyond the lower."""
    _, summary = whole
    for node in summary["nodes"]:
        plain = node["methods"]["historical"]["0.975"]["expected_shortfall"]
        for levels in node["methods"].values():
            assert 0.3 * plain < levels["0.975"]["expected_shortfall"] < 4.0 * plain
            var = [levels[c]["value_at_risk"] for c in ("0.95", "0.975", "0.99", "0.999")]
            assert var == sorted(var)
            assert all(level["expected_shortfall"] >= level["value_at_risk"] * (1 - 1e-9) for level in levels.values())


def test_a_stored_number_is_explained_reproduced_and_is_what_scipy_says(whole: tuple[Place, dict[str, Any]]) -> None:
    place, summary = whole
    node = summary["nodes"][4]
    for method in CHALLENGERS:
        told = place.call("reproduce", f"{node['node_id']}:{node['as_of_ns']}:{method.name}:0.99", environment=EVERY)
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
    """The calculating process dies, then the whole service; a second call goes on, and every row equals an undisturbed run's."""
    place, summary = whole
    hurt = Place(tmp_path)
    environment = {**hurt.environment, **EVERY}
    with subprocess.Popen(hurt.command(*WORDS), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + LIMIT_SECONDS
        killed = 0
        while time.monotonic() < deadline and process.poll() is None:
            for pid in calculating(process.pid):
                os.kill(pid, signal.SIGKILL)
                killed += 1
            if killed:
                time.sleep(1.0)
                break
            time.sleep(0.05)
        assert killed, "no job was calculated in a process of its own"
        below = calculating(process.pid)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10.0
    while any(map(lives, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(lives, below)), "a calculating process outlived its service"
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


def calculating(parent: int) -> list[int]:
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
