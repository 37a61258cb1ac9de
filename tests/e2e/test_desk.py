"""Orders of the desk as a user gives them, while a run goes on and while none does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.test_run_command import LIMIT_SECONDS, Place

SPAN = ("--from", "2008-09-02", "--to", "2008-09-19", "--speed", "max")
ROWS = 14 * 9 * 3 * 4
DAY = "2008-09-18"
NEWEST = """
SELECT DISTINCT ON (node_id, method, confidence) node_id, method, confidence, revision, value_at_risk
FROM risk_results WHERE as_of = (SELECT max(as_of) FROM risk_results) ORDER BY node_id, method, confidence, revision DESC
"""


def ask(place: Place, query: str) -> list[tuple[Any, ...]]:
    url = json.loads((place.directory / "servers.json").read_text())["history"]
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def newest(place: Place, revision: int) -> dict[tuple[Any, ...], float]:
    """Newest VaR by (node, method, confidence), once all of it has the revision."""
    rows: list[tuple[Any, ...]] = []

    def there() -> bool:
        rows[:] = ask(place, NEWEST)
        return {row[3] for row in rows} == {revision}

    until(there)
    return {row[:3]: row[4] for row in rows}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_corrections_make_revisions_and_taking_them_back_restores_the_numbers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.living(*SPAN, least=ROWS):
        first = newest(place, 0)
        ((fill_id, quantity),) = ask(place, f"SELECT fill_id, quantity FROM fills WHERE fill_id LIKE 'Daily Trading/{DAY}/1'")
        ((price,),) = ask(place, f"SELECT price FROM ticks WHERE instrument_id = 1 AND event_time::date = '{DAY}'")
        ((symbol,),) = ask(place, "SELECT DISTINCT symbol FROM instruments WHERE instrument_id = 1")

        taken = place.call("desk", "correct-price", symbol, DAY, "none", "--id", "p-1", "--reason", "bad print").stderr
        assert "Taken: p-1 is record" in taken
        without = newest(place, 1)
        assert without != first
        place.call("desk", "correct-price", symbol, DAY, repr(price), "--id", "p-2")
        assert newest(place, 2) == first

        place.call("desk", "correct-fill", fill_id, "--cancel", "--id", "f-1")
        cancelled = newest(place, 3)
        changed = {node for node, *_ in first if any(cancelled[k] != first[k] for k in first if k[0] == node)}
        assert changed == {1, 3, 9}, "the portfolio that traded, its desk and the firm"
        place.call("desk", "correct-fill", fill_id, "--quantity", str(quantity / 1e6), "--id", "f-2")
        assert newest(place, 4) == first

        refused = place.call("desk", "correct-fill", fill_id, "--cancel", "--id", "f-1", expect=2).stderr
        assert "duplicate_command" in refused
        assert "no fill" in place.call("desk", "correct-fill", "nothing", "--cancel", expect=2).stderr
        assert "no trading day" in place.call("desk", "correct-price", symbol, "2008-09-20", "1", expect=2).stderr
        assert "unknown_node" in place.call("desk", "fill", "Nobody", symbol, "1", "5", expect=2).stderr
        ((as_of_ns,),) = ask(place, "SELECT max(as_of_ns) FROM risk_results")
        assert "equal" in place.call("reproduce", f"9:{as_of_ns}:historical:0.99:3").stdout


def test_orders_wait_for_the_next_run(tmp_path: Path) -> None:
    """Sent while nothing runs, they are in the book of the days that follow."""
    place = Place(tmp_path)
    assert "there is no run yet" in place.call("desk", "fill", "Long-Short", "AAPL", "1", "5", expect=2).stderr
    place.call("run", "--from", "2008-09-02", "--to", "2008-09-10", "--speed", "max", "--exit")
    file = tmp_path / "positions.csv"
    file.write_text("portfolio,symbol,quantity\nLong-Short,AAPL,1000000\nLong-Short,cash:USD,12.5\n")
    assert "It waits" in place.call("desk", "fill", "Market-Neutral", "AAPL", "25.5", "5.4", "--id", "F-1", "--wait", "0").stderr
    assert "It waits" in place.call("desk", "positions", str(file), "--reference", "start", "--wait", "0").stderr
    with place.living(*SPAN, least=ROWS):
        newest(place, 0)
        ((as_of_ns,),) = ask(place, "SELECT max(as_of_ns) FROM risk_results")
        assert ask(place, "SELECT count(*) FROM inbox") == [(0,)]
        assert ask(place, "SELECT quantity FROM fills WHERE fill_id = 'F-1'") == [(25_500_000,)]
        explained = json.loads(place.call("explain", f"7:{as_of_ns}:historical:0.99", "--json").stdout)
    held = {p["symbol"]: p["quantity"] for p in explained["positions"]}
    assert (held["AAPL"], held["cash:USD"] if "cash:USD" in held else held.get("USD")) == (1_000_000, 12.5)
    assert explained["reproduction"]["matches"] is True


def test_reconciling_with_what_another_system_holds(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.call("run", *SPAN, "--exit")
    file = tmp_path / "custodian.csv"
    file.write_text("portfolio,symbol,quantity\nConcentrated,AAPL,7\n")
    table = place.call("desk", "reconcile", str(file), expect=1).stdout.splitlines()
    assert table[0].split() == ["portfolio", "symbol", "ours", "theirs", "difference"]
    (row,) = [line.split() for line in table if line.startswith("Concentrated") and " AAPL " in line]
    assert row[-2] == "7"
    assert "It waits" in place.call("desk", "reconcile", str(file), "--apply", "--wait", "0").stderr
    with place.living("--from", "2008-09-02", "--to", "2008-09-24", "--speed", "max", least=ROWS + 3 * ROWS // 14):
        assert ask(place, "SELECT count(*) FROM inbox") == [(0,)]
        after = place.call("desk", "reconcile", str(file), expect=1).stdout.splitlines()[1:]
    # the portfolio that trades every day has traded since; all the others hold what the file says
    assert {line.split("  ")[0] for line in after} == {"Daily Trading"}
