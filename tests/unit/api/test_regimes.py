"""What is watched about instruments is told as it is kept, in the described shape; forecasts follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from risk_core.engine.configuration import WatchConfiguration
from risk_core.volatility import model_state, simulate_volatility
from services.common.iso import iso_from_ns
from tests.unit.api.conftest import BASE_URL
from tests.unit.api.contract import check_answer
from tests.unit.api.test_routes import get
from tests.unit.api.watched_run import GJR, INDEX, LABELS, TAKEN, WatchedRun
from tests.worlds import close_ns

UNFOLLOWED = 2


@pytest.fixture
def watched() -> WatchedRun:
    return WatchedRun()


@pytest.fixture
def client(watched: WatchedRun) -> Iterator[TestClient]:
    with TestClient(watched.run.app(), base_url=BASE_URL) as opened:
        yield opened


def ask(client: TestClient, what: str, status: int = 200, instrument_id: object = INDEX, **query: object) -> dict:  # type: ignore[type-arg]
    template = f"/api/v1/instruments/{{instrument_id}}/{what}"
    return get(client, template, status, template.format(instrument_id=instrument_id), **query)


def test_states_come_newest_first_and_page(watched: WatchedRun, client: TestClient) -> None:
    rows = [watched.state(day) for day in range(2_105)]
    rows[7] = watched.state(7, move=None, volatility=None, status="missing")
    watched.keep(0, *[r for r in rows if r.as_of_ns == close_ns(0)])
    for day, row in enumerate(rows[1:], 1):
        watched.keep(day, row)
    corrected = watched.state(5, revision=1, price=7.0)
    watched.keep(5, corrected)
    watched.keep(6, watched.state(6, instrument_id=UNFOLLOWED))
    rows[5] = corrected
    wanted = [(str(r.as_of_ns), r.revision, r.price, r.move, r.volatility, r.status) for r in reversed(rows)]
    for limit in (1_500, 10_000):  # above what the store gives at once
        items: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            page = ask(client, "regimes", limit=limit, **cursor)
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert [(i["as_of_ns"], i["revision"], i["price"], i["move"], i["volatility"], i["status"]) for i in items] == wanted
    first = items[0]
    assert (first["as_of"], first["date"]) == (iso_from_ns(rows[-1].as_of_ns), rows[-1].date)
    assert (first["log_seq"], first["model_version"]) == (2_204, 1)
    assert (first["labels"], first["filtered"], first["ahead"]) == (list(LABELS), [0.75, 0.25], [0.7, 0.3])
    within = ask(client, "regimes", from_=str(close_ns(3)), to=str(close_ns(6)))["items"]
    assert [i["as_of_ns"] for i in within] == [str(close_ns(day)) for day in (5, 4, 3)]
    assert "cursor" in ask(client, "regimes", 422, cursor="rubbish")["detail"]


def test_refits_and_change_points_are_told_as_kept(watched: WatchedRun, client: TestClient) -> None:
    watched.keep(0, watched.model(0, "regimes"), watched.model(0))
    relabelled = watched.model(1, "regimes", status="relabelled", reason="bull would be crisis", model_version=2)
    refused = watched.model(1, status="near_unit_root", reason="persistence is 1", used=False)
    watched.keep(1, relabelled, refused, watched.change(1), watched.change(1, "volatility", direction="up", statistic=2.5, threshold=2.45))
    watched.keep(2, watched.change(2))
    items = ask(client, "regime-models")["items"]
    assert [(i["date"], i["kind"], i["status"], i["used"], i["reason"], i["model_version"], i["observations"]) for i in items] == [
        ("2022-01-09", "volatility", "near_unit_root", False, "persistence is 1", 1, 90),
        ("2022-01-09", "regimes", "relabelled", True, "bull would be crisis", 2, 90),
        ("2022-01-08", "volatility", "ok", True, "", 1, 90),
        ("2022-01-08", "regimes", "ok", True, "", 1, 90),
    ]
    assert items[1]["parameters"] == relabelled.parameters
    assert items[0]["parameters"] == TAKEN
    page = ask(client, "change-points", limit=1)
    items = page["items"]
    while page["next_cursor"] is not None:
        page = ask(client, "change-points", limit=1, cursor=page["next_cursor"])
        items += page["items"]
    assert [(i["date"], i["detector"], i["direction"], i["statistic"], i["threshold"]) for i in items] == [
        ("2022-01-10", "drift", "down", 11.25, 10.7),
        ("2022-01-09", "volatility", "up", 2.5, 2.45),
        ("2022-01-09", "drift", "down", 11.25, 10.7),
    ]
    assert [i["date"] for i in ask(client, "change-points", from_="2022-01-09", to="2022-01-09")["items"]] == ["2022-01-09"] * 2
    assert ask(client, "change-points", instrument_id=UNFOLLOWED) == {"items": [], "next_cursor": None}


def test_the_newest_state_is_the_caches_and_else_that_of_history(watched: WatchedRun, client: TestClient) -> None:
    told = get(client, "/api/v1/regimes")
    assert told["settings"] == {"regimes_of": ["INDEX"], "states": 2, "first": 90, "every": 63, "history": 500, "run_length": 500}
    assert told["items"] == [{"instrument_id": INDEX, "symbol": "INDEX", "shock": "relative", "state": None}]

    def price() -> float:
        return float(get(client, "/api/v1/regimes")["items"][0]["state"]["price"])

    watched.keep(1, watched.state(1, price=11.0))
    assert price() == 11.0
    watched.show(watched.state(2, price=12.0, run_id="another run"))
    assert price() == 11.0
    watched.show(watched.state(2, price=22.0))
    assert price() == 22.0
    with watched.run.away(cache=True):
        assert price() == 11.0
    watched.show(watched.state(2, price=22.0))  # what was shown has expired meanwhile
    with watched.run.away(database=True, cache=True):
        assert "away" in get(client, "/api/v1/regimes", 503)["detail"]


def test_a_state_that_is_shown_needs_no_history(watched: WatchedRun, client: TestClient) -> None:
    get(client, "/api/v1/run")
    watched.run.clock.ns += 5_000_000_000
    watched.show(watched.state(2))
    watched.run.database.available = False
    assert get(client, "/api/v1/regimes")["items"][0]["state"]["as_of_ns"] == str(close_ns(2))
    for what in ("regimes", "regime-models", "change-points", "volatility-forecast"):
        assert "away" in ask(client, what, 503)["detail"]


def test_nothing_is_watched() -> None:
    with TestClient(WatchedRun(WatchConfiguration()).run.app(), base_url=BASE_URL) as client:
        told = get(client, "/api/v1/regimes")
        assert (told["settings"]["regimes_of"], told["settings"]["run_length"], told["items"]) == ([], 0, [])
        assert "followed are: none" in ask(client, "volatility-forecast", 404)["detail"]


def test_the_forecast_is_that_of_the_newest_state_and_of_the_model_taken_last(watched: WatchedRun, client: TestClient) -> None:
    watched.keep(0, watched.model(0), watched.model(0, "regimes"))
    watched.keep(1, watched.state(1, volatility=0.03), watched.model(1, status="near_unit_root", used=False))
    told = ask(client, "volatility-forecast", days=30, level=0.8)
    assert told == ask(client, "volatility-forecast", days=30, level=0.8)
    assert (told["symbol"], told["model"], told["innovation"], told["fitted"]) == ("INDEX", "gjr", "student_t", "2022-01-08")
    assert (told["as_of_ns"], told["level"], told["closed_form"]) == (str(close_ns(1)), 0.8, True)
    reach = GJR["alpha"] + 0.5 * GJR["gamma"] + GJR["beta"]
    variance = 0.03**2
    for item in told["items"]:
        assert item["volatility"] == pytest.approx(sqrt(variance), rel=1e-12)
        variance = GJR["omega"] + reach * variance
    assert told["long_run"] == pytest.approx(sqrt(GJR["omega"] / (1.0 - reach)), rel=1e-9)
    assert [item["day"] for item in told["items"]] == list(range(1, 31))
    one = told["items"][0]
    assert (one["median"], one["lower"], one["upper"]) == (pytest.approx(0.03),) * 3
    others, _ = simulate_volatility(model_state("gjr", GJR, 0.03**2), 30, paths=20_000, seed=123)  # another seed: the law must agree
    band = [(i["lower"] ** 2 < others[:, d]) & (others[:, d] < i["upper"] ** 2) for d, i in enumerate(told["items"][1:], 1)]
    assert np.mean(band, axis=1) == pytest.approx(0.8, abs=0.02)
    assert len(ask(client, "volatility-forecast")["items"]) == 20


def test_why_there_is_no_forecast(watched: WatchedRun, client: TestClient) -> None:
    assert "AAA is not followed in this run; followed are: INDEX" in ask(client, "volatility-forecast", 404, UNFOLLOWED)["detail"]
    assert "the first fit comes after 90 closes" in ask(client, "volatility-forecast", 404)["detail"]
    watched.keep(
        0, watched.model(0, status="failed", reason="all moves are equal", parameters={}, used=False), watched.state(0, volatility=None)
    )
    problem = ask(client, "volatility-forecast", 404)
    assert problem["type"] == "urn:plimsoll:problem:no-forecast"
    assert "its fit of 2022-01-08 says failed: all moves are equal" in problem["detail"]


@pytest.mark.parametrize("what", ["regimes", "regime-models", "change-points", "volatility-forecast"])
def test_errors_say_how_to_mend_them(client: TestClient, what: str) -> None:
    problem = ask(client, what, 404, instrument_id=99)
    assert problem["type"] == "urn:plimsoll:problem:unknown-instrument"
    assert "no instrument 99; known are 1 INDEX, 2 AAA, 3 BBB" in problem["detail"]
    assert "instrument_id = 'SPX'" in ask(client, what, 422, instrument_id="SPX")["detail"]


@pytest.mark.parametrize("query", ["days=0", "days=251", "level=0", "level=1", "level=nan"])
def test_impossible_forecasts_are_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/instruments/1/volatility-forecast?{query}")
    assert answer.status_code == 422
    body = check_answer(client.app.openapi(), "/api/v1/instruments/{instrument_id}/volatility-forecast", answer)  # type: ignore[attr-defined]
    assert query.split("=")[0] in body["detail"]
