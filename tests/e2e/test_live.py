"""A live market as a user sets it up: own history, own book, ticks sent by another process, numbers as they come."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.common.feeds.sessions import load_sessions
from tests.e2e.test_processes import ask, own_valkey, running
from tests.e2e.test_run_command import LIMIT_SECONDS, Place
from tests.real_servers import HistoryServer, PulsarServer

WINDOW = 30
HOLDS = {"AAA": 25_000, "BBB": -10_000}
SETTINGS = {"RISK_MODEL__WINDOW": str(WINDOW), "RISK_MODEL__CADENCE_SECONDS": "1", "RISK_LIVE__LATENESS_SECONDS": "0.5"}
BOOK = """record,name,kind,parent,currency,symbol,quantity,asset_class,proxy
book,{calendar},,,USD,,,,AAA
instrument,,,,USD,AAA,,equity,
instrument,,,,USD,BBB,,equity,
node,Firm,firm,,USD,,,,
node,Growth,portfolio,Firm,USD,,,,
position,Growth,,,,AAA,25000,,
position,Growth,,,,BBB,-10000,,
"""
FINALS = """
SELECT as_of_ns, value_at_risk, node_id FROM risk_results
WHERE method = 'historical' AND confidence = 0.95 AND node_id IN (SELECT node_id FROM nodes WHERE name = 'Growth') ORDER BY 1
"""


def until(what: str, found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} s: {what}"
        time.sleep(0.1)
    return value


def history_file(path: Path) -> tuple[str, np.ndarray]:
    """Write prices up to the last session that is over, of a calendar that closes no day soon; return the calendar and the prices."""
    now = datetime.now(UTC)
    for calendar in ("XNYS", "XTKS"):
        sessions = load_sessions(calendar, now.date() - timedelta(days=3 * WINDOW), now.date() + timedelta(days=7))
        over = sessions.close_ns <= now.timestamp() * 1e9
        if sessions.close_ns[~over][0] > (now.timestamp() + 900) * 1e9:
            break
    dates = [d for d, is_over in zip(sessions.dates, over, strict=True) if is_over]
    steps = np.random.default_rng(5).normal(0.0, 0.02, (len(dates), 2))
    prices = np.round([100.0, 50.0] * np.exp(np.cumsum(steps, axis=0)), 4)
    path.write_text("date,AAA,BBB\n" + "".join(f"{d},{a!r},{b!r}\n" for d, (a, b) in zip(dates, prices.tolist(), strict=True)))
    return calendar, prices


def expected_var(prices: np.ndarray, now: dict[str, float]) -> float:
    """The 95 % historical VaR of the holdings at these prices, the plain way: the third worst of thirty days, weights of 1/30."""
    returns = (prices[1:] / prices[:-1] - 1.0)[-WINDOW:]
    pnl = returns @ np.array([HOLDS[s] * now[s] for s in HOLDS])
    worst = np.sort(pnl)
    return float(-worst[int(np.floor(0.05 * WINDOW))])


def send(place: Place, environment: dict[str, str], price: dict[str, float]) -> int:
    """Send one message of ticks by the command; return their time."""
    at = time.time_ns()
    message = {"version": 1, "ticks": [{"symbol": s, "price": p, "time": at} for s, p in price.items()]}
    done = subprocess.run(
        place.command("publish", "-", "--source", "venue"),
        input=json.dumps(message) + "\n",
        env={**place.environment, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert "Sent 2 ticks" in done.stderr, done.stderr
    return at


class Desk:
    """A place with history and a book, and words that start it."""

    def __init__(self, directory: Path) -> None:
        self.place = Place(directory)
        calendar, self.prices = history_file(directory / "prices.csv")
        (directory / "mine.csv").write_text(BOOK.format(calendar=calendar))
        self.replay = {"RISK_REPLAY__FEED": str(directory / "prices.csv"), "RISK_REPLAY__BOOK": str(directory / "mine.csv")}


def check_follows(desk: Desk, environment: dict[str, str], url: Callable[[], str]) -> None:
    """Send prices, and wait for the final that holds them; twice."""
    for price in ({"AAA": 120.5, "BBB": 40.25}, {"AAA": 119.0, "BBB": 44.0}):
        at = send(desk.place, environment, price)
        found = until("a final after the tick", lambda at=at: [v for t, v, _ in ask(url(), FINALS) if t >= at])
        assert found[0] == pytest.approx(expected_var(desk.prices, price), rel=1e-12)


def test_one_command_goes_live(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    environment = {**SETTINGS, **desk.replay}
    place, note = desk.place, tmp_path / "servers.json"

    def url() -> str:
        return str(json.loads(note.read_text())["history"])

    def told() -> dict[str, Any]:
        with urllib.request.urlopen(f"{address}/api/v1/run", timeout=5) as answer:
            found = json.load(answer)
        return found if (found["mode"], found["state"]) == ("live", "running") else {}

    for part in range(2):  # the second goes on where the first was
        with subprocess.Popen(
            place.command("run", "--live", "--port", "0"),
            env={**place.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                address = next(line.split("Console: ")[1].strip().rstrip("/") for line in process.stdout if "Console: " in line)
                until("live", told)
                check_follows(desk, environment, url)
                as_of_ns, _, node_id = ask(url(), FINALS)[-1]
                assert "equal" in place.call("reproduce", f"{node_id}:{as_of_ns}:historical:0.95", environment=environment).stdout
                process.terminate()
                out = process.stdout.read()
                assert process.wait(60) == 0, out
            finally:
                process.kill()
        assert "goes on from here" in out, part
    refused = place.call("run", "--live", "--exit", expect=2, environment=environment).stderr
    assert "--exit" in refused


def test_history_with_a_gap_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:-2]) + "\n")
    refused = desk.place.call("run", "--live", expect=2, environment={**SETTINGS, **desk.replay}).stderr
    assert "2 session(s)" in refused


@pytest.mark.pulsar
@pytest.mark.slow
def test_processes_go_live_over_a_broker(pulsar_server: PulsarServer, timescale_server: HistoryServer, tmp_path: Path) -> None:
    desk, history = Desk(tmp_path), timescale_server.new_database()
    with own_valkey(tmp_path) as (cache_url, _):
        settings = {
            **SETTINGS,
            **desk.replay,
            "RISK_PROFILE": "compose",
            "RISK_LOG__URL": pulsar_server.url,
            "RISK_LOG__ADMIN_URL": pulsar_server.admin_url,
            "RISK_LOG__TENANT": pulsar_server.new_tenant(),
            "RISK_HISTORY__URL": history,
            "RISK_SNAPSHOTS__URL": cache_url,
        }
        with running(desk.place, settings) as service:
            service.start("migrate", "migrate")
            assert service.running.pop("migrate").wait(LIMIT_SECONDS) == 0
            for name, command in (("record", "record"), ("risk", "risk"), ("ingest", "ingest --live")):
                service.start(name, command)
            until("live", lambda: "live" in service.events()["ingest"])
            check_follows(desk, settings, lambda: history)
            assert set(service.stop().values()) == {0}
