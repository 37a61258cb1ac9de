"""`plimsoll run` as a user calls it: one process, embedded servers, real history."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psycopg
import pytest

from services.common.adapters.embedded_servers import EmbeddedServers

FROM, TO = "2008-09-02", "2008-12-31"
DAYS = 85
NODES, METHODS, CONFIDENCES = 9, 3, 4
LIMIT_SECONDS = 300
RESULTS = (
    "SELECT node_id, as_of_ns, method, confidence, revision, value_at_risk, expected_shortfall, status FROM risk_results WHERE run_id = %s"
)
DAY_CLOSES = (
    "SELECT node_id, as_of_ns, method, confidence, revision, forecast_value_at_risk, forecast_expected_shortfall, hypothetical_pnl, "
    "actual_pnl, fees, exception_hypothetical FROM day_closes WHERE run_id = %s"
)


@dataclass(frozen=True)
class Place:
    """A private data directory and the command line that uses it."""

    directory: Path

    def command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("plimsoll")), *words]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "RISK_DATA_DIRECTORY": str(self.directory), "RISK_MODEL__WINDOW": "60"}

    def call(self, *words: str, expect: int = 0, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        together = {**self.environment, **(environment or {})}
        done = subprocess.run(self.command(*words), env=together, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        assert done.returncode == expect, done.stderr[-2000:]
        return done

    def run(self, *words: str, until: str = TO) -> dict[str, Any]:
        """Replay at full speed and return the JSON object that ends the output."""
        done = self.call("run", "--from", FROM, "--to", until, "--speed", "max", "--exit", "--json", *words)
        found = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    @contextmanager
    def living(self, *words: str, least: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        """Run until the block ends, with so many results on record before it begins; then interrupt."""
        command = self.command("run", "--port", "0", *words)
        with subprocess.Popen(command, env=self.environment, stdout=PIPE, stderr=subprocess.STDOUT) as process:
            try:
                _wait_for_results(self, process, least)
                yield process
                process.send_signal(signal.SIGINT)
                out, _ = process.communicate(timeout=60)
                assert process.returncode == 0, out
            finally:
                process.kill()

    def rows(self, run_id: str) -> tuple[list[Any], list[Any]]:
        """Return all results and day closes of a run, sorted."""
        with EmbeddedServers(self.directory) as urls, psycopg.connect(urls.history) as connection:
            return sorted(connection.execute(RESULTS, (run_id,))), sorted(connection.execute(DAY_CLOSES, (run_id,)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]]:
    """An undisturbed run, its summary and its rows."""
    place = Place(tmp_path_factory.mktemp("whole"))
    summary = place.run()
    return place, summary, place.rows(summary["run_id"])


def test_summary_and_rows_are_complete(whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]]) -> None:
    _, summary, (results, day_closes) = whole
    assert summary["days"] == DAYS
    assert summary["state"] == "finished"
    assert summary["rejected"] == {}
    assert summary["results"] == DAYS * NODES * METHODS * CONFIDENCES == len(results) == len(day_closes)
    assert len({row[:5] for row in results}) == len(results), "a key has two rows"
    firm = summary["nodes"][0]
    assert (firm["name"], firm["currency"], firm["as_of"][:10]) == ("Firm", "USD", TO)
    newest = {(r[0], r[2], r[3]): r for r in results if str(r[1]) == firm["as_of_ns"]}
    for node in summary["nodes"]:
        for method, levels in node["methods"].items():
            for confidence, number in levels.items():
                row = newest[node["node_id"], method, float(confidence)]
                assert (number["value_at_risk"], number["expected_shortfall"]) == row[5:7]


def test_second_call_goes_on_and_anew_starts_over(whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]]) -> None:
    place, summary, (results, day_closes) = whole
    again = place.run()
    assert (again["run_id"], again["nodes"]) == (summary["run_id"], summary["nodes"])
    anew = place.run("--anew")
    assert anew["run_id"] != summary["run_id"]
    assert anew["nodes"] == summary["nodes"]
    assert place.rows(anew["run_id"]) == (results, day_closes)
    assert place.rows(summary["run_id"]) == (results, day_closes)


def test_no_look_ahead(whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]], tmp_path: Path) -> None:
    """A run that ends earlier has the same rows as far as it goes: the future changes nothing before it."""
    _, _, (results, day_closes) = whole
    place = Place(tmp_path)
    short = place.run(until="2008-10-15")
    before, closes = place.rows(short["run_id"])
    last_ns = max(r[1] for r in before)
    assert before == [r for r in results if r[1] <= last_ns]
    assert closes == [d for d in day_closes if d[1] <= last_ns]


def test_killed_twice_and_continued_gives_the_same_bytes(
    whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]], tmp_path: Path
) -> None:
    _, summary, rows = whole
    place = Place(tmp_path)
    words = ("run", "--from", FROM, "--to", TO, "--speed", "40", "--port", "0")
    for least in (1, DAYS * NODES * METHODS * CONFIDENCES // 3):
        with subprocess.Popen(place.command(*words), env=place.environment, stdout=PIPE, stderr=subprocess.STDOUT) as process:
            try:
                _wait_for_results(place, process, least)
            finally:
                process.kill()
    finished = place.run()
    assert finished["run_id"] == summary["run_id"]
    assert place.rows(summary["run_id"]) == rows


def test_an_upgrade_goes_on_in_a_child_run(whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]], tmp_path: Path) -> None:
    """Rows of an older calculation stay as they are; history, evidence and the summary go on over both."""
    _, summary, (results, day_closes) = whole
    place = Place(tmp_path)
    older = place.run(until="2008-10-15")
    with EmbeddedServers(place.directory) as urls, psycopg.connect(urls.history) as connection:
        connection.execute('UPDATE runs SET description = description || \'{"calculation": "older"}\'')
    newer = place.run()
    assert newer["run_id"] != older["run_id"]
    assert (newer["nodes"], newer["results"], newer["state"]) == (summary["nodes"], summary["results"], "finished")
    before, after = place.rows(older["run_id"]), place.rows(newer["run_id"])
    assert before[0]
    assert after[0]
    assert (sorted(before[0] + after[0]), sorted(before[1] + after[1])) == (results, day_closes)
    for as_of_ns, run_id in ((before[0][0][1], older["run_id"]), (after[0][0][1], newer["run_id"])):
        explained = json.loads(place.call("explain", f"1:{as_of_ns}:historical:0.99", "--json").stdout)
        assert explained["run_id"] == run_id
        assert explained["reproduction"]["matches"] is True


def _wait_for_results(place: Place, process: subprocess.Popen[bytes], least: int) -> None:
    """Wait until the running process has made so many rows durable."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode}: {process.communicate()[0].decode(errors='replace')}"
        note = place.directory / "servers.json"
        try:
            with psycopg.connect(json.loads(note.read_text())["history"], connect_timeout=2) as connection:
                row = connection.execute("SELECT count(*) FROM risk_results").fetchone()
                if row is not None and row[0] >= least:
                    return
        except (OSError, ValueError, psycopg.Error):
            pass
        time.sleep(0.05)
    raise AssertionError(f"no {least} results within {LIMIT_SECONDS} s")


def test_interrupt_stops_cleanly(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.living("--from", FROM, "--speed", "2") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert b"goes on from here" in process.stdout.read()


def test_reproduce_and_explain(whole: tuple[Place, dict[str, Any], tuple[list[Any], list[Any]]]) -> None:
    place, _, (results, _) = whole
    early = sorted({r[1] for r in results})[10]
    assert "equal" in place.call("reproduce", f"1:{early}:historical:0.99").stdout
    explained = json.loads(place.call("explain", f"6:{early}:age_weighted:0.975", "--json").stdout)
    assert explained["reproduction"]["matches"] is True
    assert explained["currency"] == "EUR"
    lost = -sum(s["var_weight"] * s["pnl"] for s in explained["scenarios"])
    assert lost == pytest.approx(explained["value_at_risk"])
    assert "wrong" in place.call("reproduce", "wrong", expect=2).stderr


@pytest.mark.parametrize(
    ("words", "environment", "named"),
    [
        (("run", "--from", "2050-01-01"), {}, "2050-01-01"),
        (("run", "--feed", "nothing"), {}, "nothing"),
        (("run", "--speed", "fast"), {}, "RISK_REPLAY__SPEED"),
        (("run",), {"RISK_MODEL__WINDOW": "1"}, "RISK_MODEL__WINDOW = '1'"),
        (("run", "--book", "no-such-file.csv"), {}, "no-such-file.csv"),
        (("risk",), {}, "RISK_LOG__URL"),
    ],
)
def test_what_is_wrong_is_named(words: tuple[str, ...], environment: dict[str, str], named: str, tmp_path: Path) -> None:
    """One clear message and exit code 2, never a trace."""
    place = Place(tmp_path)
    done = subprocess.run(
        place.command(*words), env={**place.environment, **environment}, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 2, done.stderr[-1000:]
    assert named in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_book_commands(tmp_path: Path) -> None:
    place = Place(tmp_path)
    exported = place.call("book", "export").stdout
    file = tmp_path / "mine.csv"
    file.write_text(exported)
    assert "9 nodes" in place.call("book", "import", str(file)).stderr
    bad = tmp_path / "bad.csv"
    bad.write_text(exported + "position,nobody,portfolio\n")
    refused = place.call("book", "import", str(bad), expect=2).stderr
    assert "line" in refused
    assert (place.directory / "book.csv").read_text() == exported
