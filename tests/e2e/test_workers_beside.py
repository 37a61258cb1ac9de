"""Regimes and zones beside `plimsoll run`: written as the days close, the same after a kill, and never with a look ahead."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psycopg
import pytest

from services.common.adapters.embedded_servers import EmbeddedServers
from tests.e2e.test_run_command import DAYS, FROM, LIMIT_SECONDS, NODES, TO, Place, _wait_for_results

ROWS_A_DAY = NODES * 3 * 4
TABLES = {
    "regime_states": (
        "instrument_id, as_of_ns, revision",
        "price, move, model_version, labels, filtered, ahead, volatility, status, log_seq",
    ),
    "regime_models": (
        "instrument_id, as_of_ns, kind",
        "revision, model_version, observations, status, reason, parameters::text, used, log_seq",
    ),
    "change_points": ("instrument_id, as_of_ns, detector", "revision, direction, statistic, threshold, log_seq"),
    "backtest_results": (
        "node_id, as_of_ns, method, confidence, outcome",
        "window_days, revision, observations, exceptions, zone, zone_before, type_i, kupiec_p, independence_p",
    ),
}

Rows = dict[str, list[Any]]


@dataclass(frozen=True)
class Watched(Place):
    """A place where fits begin early: there are 60 days before the first with results."""

    @property
    def environment(self) -> dict[str, str]:
        fits = {"RISK_REGIMES__STATES": "2", "RISK_REGIMES__FIRST": "90", "RISK_REGIMES__EVERY": "20", "RISK_REGIMES__RUN_LENGTH": "250"}
        return {**super().environment, **fits}

    def watched(self) -> Rows:
        """Return all rows about instruments."""
        with EmbeddedServers(self.directory) as urls, psycopg.connect(urls.history) as connection:
            return {
                name: connection.execute(f"SELECT {key}, {columns} FROM {name} ORDER BY {key}".encode()).fetchall()
                for name, (key, columns) in TABLES.items()
            }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    place = Watched(tmp_path_factory.mktemp("watched"))
    assert place.run()["days"] == DAYS
    return place.watched()


def test_every_close_has_its_regime_once_there_is_a_model(whole: Rows) -> None:
    states, models = whole["regime_states"], whole["regime_models"]
    assert len({row[1] for row in states}) == len(states) == DAYS - 29  # 60 moves before the first day with results, 90 to a model
    assert [(row[2], row[5]) for row in models] == [(kind, n) for n in (90, 110, 130) for kind in ("regimes", "volatility")]
    for row in states:
        assert sum(row[7]) == pytest.approx(1.0)
        assert len(row[6]) == len(row[7]) == len(row[8]) == 2
    assert {row[5] for row in states} == set(range(1, max(row[4] for row in models) + 1))
    assert any(row[2] == "volatility" for row in whole["change_points"])
    assert all(row[5] > row[6] for row in whole["change_points"])


def test_every_judged_day_has_its_zones(whole: Rows) -> None:
    zones = whole["backtest_results"]
    assert len(zones) == DAYS * ROWS_A_DAY * 2
    newest = max(row[1] for row in zones)
    assert {row[7] for row in zones if row[1] == newest} == {DAYS}
    assert {row[9] for row in zones} == {"green", "yellow", "red"}  # the autumn of 2008
    assert all(row[10] is None for row in zones if row[7] == 1)


def test_a_run_that_ends_earlier_said_the_same(whole: Rows, tmp_path: Path) -> None:
    place = Watched(tmp_path)
    place.run(until="2008-12-05")
    short = place.watched()
    last_ns = max(row[1] for row in short["regime_states"])
    assert len(short["regime_states"]) > 30
    assert short == {name: [row for row in rows if row[1] <= last_ns] for name, rows in whole.items()}


def test_a_process_that_is_killed_ends_the_service_and_the_next_one_goes_on(whole: Rows, tmp_path: Path) -> None:
    place = Watched(tmp_path)
    command = place.command("run", "--from", FROM, "--to", TO, "--speed", "20", "--port", "0")
    with subprocess.Popen(command, env=place.environment, stdout=PIPE, stderr=subprocess.STDOUT) as process:
        try:
            _wait_for_results(place, process, 40 * ROWS_A_DAY)
            os.kill(_regime_process(place), signal.SIGKILL)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode not in (0, -signal.SIGKILL)
    assert b"process of regimes and zones ended" in said
    assert place.run()["state"] == "finished"
    assert place.watched() == whole


def _regime_process(place: Place) -> int:
    """Return the process that holds the regimes' shard: its name in the lease ends with its id."""
    import json

    deadline = time.monotonic() + LIMIT_SECONDS
    url = json.loads((place.directory / "servers.json").read_text())["history"]
    while time.monotonic() < deadline:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT owner FROM shards WHERE shard_id = 'regimes'").fetchone()
        if row is not None and row[0] is not None:
            return int(row[0].rsplit("-", 2)[1])
        time.sleep(0.1)
    raise AssertionError("nobody took the shard of the regimes")


def test_a_watch_that_is_switched_off_writes_nothing(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Off(Watched):
        @property
        def environment(self) -> dict[str, str]:
            return {**super().environment, "RISK_REGIMES__ENABLED": "false"}

    place = Off(tmp_path)
    assert place.run(until="2008-09-30")["state"] == "finished"
    found = place.watched()
    assert found.pop("backtest_results")
    assert set(map(len, found.values())) == {0}
