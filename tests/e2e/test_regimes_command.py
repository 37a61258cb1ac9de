"""`plimsoll regimes` beside `plimsoll run`: what the run has kept is what a replay of the same history says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.common.feeds.port import select_days
from services.common.feeds.sp500 import sp500_feed
from tests.e2e.test_run_command import Place

pytestmark = pytest.mark.slow

FROM, TO = "2008-09-02", "2008-10-17"
WINDOW = 300
CHOSEN = {"RISK_MODEL__WINDOW": str(WINDOW), "RISK_REGIMES__FIRST": "250", "RISK_REGIMES__EVERY": "21"}


def test_a_run_says_what_a_replay_of_its_history_says(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert "there is no run yet" in place.call("regimes", "show", expect=2, environment=CHOSEN).stderr
    place.call("run", "--from", FROM, "--to", TO, "--speed", "max", "--exit", environment=CHOSEN)
    shown = json.loads(place.call("regimes", "show", "SPX", "--days", "1000", "--json", environment=CHOSEN).stdout.splitlines()[-1])
    feed = sp500_feed()
    seed = select_days(feed, next(d for d in feed.available if str(d) == FROM), None, WINDOW).seed[0]
    words = ("regimes", "replay", "--from", str(seed), "--to", TO, "--json")
    walked = json.loads(place.call(*words, environment=CHOSEN).stdout.splitlines()[-1])
    emitted = [state for state in walked["states"] if state["date"] >= FROM]
    assert len(emitted) == 34
    assert shown["states"] == emitted[::-1]
    assert len(shown["refits"]) >= 6
    assert sorted(shown["refits"], key=str) == sorted(walked["refits"][-len(shown["refits"]) :], key=str)
    year = [c for c in walked["change_points"] if c["date"] >= FROM]
    assert shown["change_points"] == year[::-1]
    assert year, "the volatility of SPX rose that September"
    text = place.call("regimes", "show", environment=CHOSEN | {"COLUMNS": "200"}).stdout
    assert f"SPX, {TO}: " in text
    assert "Change points in the year to" in text
