"""`plimsoll regimes`: what it prints is what the library and the regime worker say, and bad input is told how to mend it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from risk_core.book import AssetClass, Shock
from risk_core.engine.configuration import ModelConfiguration, WatchConfiguration
from risk_core.engine.fold import Fold
from risk_core.engine.watch import WatchEvaluator
from risk_core.records import ChangePoint, Genesis, RegimeModel, RegimeState, WatchRow
from risk_core.regimes import fit_hmm, hmm_standard_errors, regime_statistics
from risk_core.volatility import fit_volatility
from services.cli.regime_history import Close, chosen_days, chosen_symbol, closes
from services.cli.regime_replay import Replay, replay, spells
from services.cli.regime_shapes import Change, Refit, day_state
from services.cli.regime_view import replay_view
from services.common import codec
from services.common.adapters.memory_log import MemoryLog
from services.common.codec import encode
from services.common.config import load_settings
from services.common.feeds.matrix import MatrixFeed
from services.common.feeds.port import FeedSymbol, RawSplit
from services.common.feeds.sessions import load_sessions
from services.common.feeds.synthetic import synthetic_feed
from services.common.ports import Commit, Run
from services.common.shard_kinds import WATCH_SHARD
from services.ingest.log_state import read_log, scan
from services.ingest.replay import Replayer
from services.main import wiring
from services.main.cli import app, known_book
from tests.contract.store_fixtures import RUN, Stores, as_of, checkpoint, date_of, lease_of, memory_stores
from tests.unit.ingest.doubles import HandClock, KeptLetters, play
from tests.worlds import make_world

DAYS = 320
WIDE = {"COLUMNS": "250"}
SMALL = ("--feed", "synthetic", "--to", "2002-12-31")


def call(*words: str, expect: int = 0) -> Result:
    result = CliRunner().invoke(app, ["regimes", *words], env=WIDE)
    assert result.exit_code == expect, (result.output, result.exception)
    return result


def told(*words: str) -> dict[str, Any]:
    found = json.loads(call(*words, "--json").stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def moves_of(symbol: str, first: date | None = None, last: date | None = None) -> list[float]:
    feed = synthetic_feed()
    history = closes(feed, chosen_symbol(feed, symbol), chosen_days(feed, first, last))
    return [c.move for c in history if c.move is not None]


# ------------------------------------------------------------ fit


def test_fit_says_what_the_library_says() -> None:
    found = told("fit", *SMALL, "--states", "2")
    moves = moves_of("INDEX", last=date(2002, 12, 31))
    fit, garch = fit_hmm(moves, 2), fit_volatility(moves, "gjr", innovation="student_t")
    errors = hmm_standard_errors(fit.model, moves)
    assert (found["symbol"], found["moves"], found["first"], found["last"]) == ("INDEX", len(moves), "2000-01-04", "2002-12-31")
    assert (found["status"], found["log_likelihood"], found["bic"]) == (str(fit.status), fit.log_likelihood, fit.bic)
    assert [r["label"] for r in found["chain"]["regimes"]] == ["calm", "crisis"]
    assert found["chain"]["transition"] == fit.model.transition.tolist()
    assert found["chain"]["transition_errors"] == [list(row) for row in errors.transition]
    for k, (regime, said) in enumerate(
        zip(found["chain"]["regimes"], regime_statistics(moves, fit.probabilities.smoothed, fit.model.labels), strict=True)
    ):
        assert (regime["mean"], regime["volatility"]) == (fit.model.means[k, 0], fit.model.deviations[k, 0])
        assert (regime["duration"], regime["duration_error"]) == (fit.model.durations[k], errors.durations[k])
        assert regime["stationary"] == fit.model.stationary[k]
        assert [regime[n] for n in ("days", "sharpe", "value_at_risk")] == [said.days, said.sharpe, said.value_at_risk]
    assert found["volatility"]["tomorrow"] == garch.state.volatility
    assert found["volatility"]["parameters"] == garch.parameters
    assert found["volatility"]["errors"] == garch.standard_errors("qml")


def test_fit_is_shown_as_tables() -> None:
    shown = call("fit", "S01", *SMALL, "--states", "2", "--law", "student_t").stdout
    for words in ("S01, synthetic, 2000-01-04 to 2002-12-31", "2 states, student t", "crisis", "stay, days", "df", "after", "GJR", "BIC"):
        assert words in shown


def test_auto_takes_the_least_bic_of_all_candidates() -> None:
    found = told("fit", "--feed", "synthetic", "--to", "2001-12-31", "--states", "auto")
    sound = [c for c in found["candidates"] if c["status"] not in ("empty_state", "floored")]
    assert [c["states"] for c in found["candidates"]] == [2, 3, 4, 5, 6]
    assert (found["states"], found["bic"]) == min(((c["states"], c["bic"]) for c in sound), key=lambda c: c[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fit", "NOPE", "--feed", "synthetic"), "no symbol 'NOPE'; there are S01, S02"),
        (("fit", "--feed", "synthetic", "--to", "2000-02-01"), "too few for 4 states: give at least 60"),
        (("fit", "--feed", "synthetic", "--from", "2001-02-01", "--to", "2001-01-01"), "lies after --to 2001-01-01: swap them"),
        (("fit", "--feed", "synthetic", "--from", "1990-01-01"), "synthetic has 1720 trading days, 2000-01-03 to"),
        (("fit", "--feed", "synthetic", "--from", "2000-01-08", "--to", "2000-01-09"), "no trading day from 2000-01-08"),
        (("fit", "--feed", "synthetic", "--to", "2000-01-03"), "a move needs two"),
        (("fit", "--feed", "synthetic", "--from", "2000-13-01"), "2000-13-01"),
        (("fit", "--feed", "synthetic", "--states", "9"), "give 2 to 6, or auto"),
        (("fit", "--feed", "synthetic", "--states", "many"), "give 2 to 6, or auto"),
        (("fit", "--feed", "synthetic", "--law", "cauchy"), "give normal or student_t"),
        (("fit", "--feed", "nowhere"), "feed 'nowhere' is unknown"),
        (("replay", "NOPE", "--feed", "synthetic"), "no symbol 'NOPE'; there are S01, S02"),
        (("replay", "--feed", "synthetic", "--to", "2000-06-30"), "the first fit comes after 500: take an earlier --from"),
        (("replay", "--feed", "synthetic", "--first", "10"), "90"),
    ],
)
def test_bad_input_is_told_how_to_mend_it(words: tuple[str, ...], message: str) -> None:
    result = call(*words, expect=2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_feed_without_an_index_asks_for_a_symbol(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    days = load_sessions("XNYS", date(2020, 1, 2), date(2020, 3, 31)).dates
    file.write_text("date,AAA,BBB\n" + "".join(f"{d},100,{50 + k % 5}\n" for k, d in enumerate(days)))
    assert "has no index: name one of AAA, BBB" in call("fit", "--feed", str(file), expect=2).output
    assert told("fit", "BBB", "--feed", str(file), "--states", "2")["moves"] == len(days) - 1
    assert "AAA, 2020-01-03 to 2020-03-31: column 0 of the series does not vary" in call("fit", "AAA", "--feed", str(file), expect=2).output


# ------------------------------------------------------------ replay


def odd_feed() -> MatrixFeed:
    """Two symbols with days that are missing, refused prices, splits, and a rise of volatility."""
    random = np.random.default_rng(3)
    every = load_sessions("XNYS", date(2000, 1, 3), date(2001, 12, 31))
    sessions = every.only(every.dates[:DAYS])
    size = np.where(np.arange(DAYS) < 200, 0.005, 0.03)[:, None]
    prices = 100.0 * np.cumprod(1.0 + size * random.standard_normal((DAYS, 2)), axis=0)
    prices[150:, 0] /= 3.0
    prices[30, 0] = prices[250, 0] = prices[100, 1] = np.nan
    prices[40, 0], prices[41, 1], prices[210, 0] = -1.0, np.inf, 0.0
    split = RawSplit("three", "AAA", 3, 1, int(sessions.open_ns[150]))
    symbols = [FeedSymbol("AAA"), FeedSymbol("INDEX", AssetClass.INDEX)]
    return MatrixFeed("odd", "", sessions, symbols, prices, actions={sessions.dates[150]: (split,)})


World = tuple[MatrixFeed, WatchConfiguration, list[WatchRow], dict[int, str]]
"""A feed, what is watched, the rows of the evaluator, and the symbols of its instruments."""


@pytest.fixture(scope="module")
def world() -> World:
    """The feed through ingest, log and fold into the regime worker's evaluator, as the service does it."""
    feed, book = odd_feed(), known_book(odd_feed())
    settings = load_settings(
        replay={"from_date": str(feed.available[4]), "to_date": str(feed.available[-1]), "speed": "max"},
        model={"window": 3},
        regimes={"of": ["AAA", "INDEX"], "states": 2, "first": 100, "every": 60, "run_length": 250},
    )
    log, clock = MemoryLog(), HandClock()
    play(Replayer(feed, book, settings, log, KeptLetters(), clock, state=scan(())), clock)
    records = [codec.decode(payload) for payload in read_log(log)]
    assert isinstance(records[0].body, Genesis)
    fold = Fold(records[0].body, ())
    evaluator = WatchEvaluator(fold, RUN)
    rows: list[WatchRow] = []
    for log_seq, record in enumerate(records[1:], 2):
        for bucket in fold.apply(record, log_seq):
            rows += evaluator.evaluate(bucket).watched  # type: ignore[arg-type]
    return feed, evaluator.settings, rows, {i.instrument_id: i.symbol for i in book.instruments}


def walked(feed: MatrixFeed, symbol: str, watch: WatchConfiguration, until: int | None = None) -> Replay:
    history = closes(feed, chosen_symbol(feed, symbol), feed.available[:until])
    return replay(symbol, feed.name, Shock.RELATIVE, history, watch)


@pytest.mark.parametrize("symbol", ["AAA", "INDEX"])
def test_replay_is_what_the_worker_says(world: World, symbol: str) -> None:
    feed, watch, rows, symbols = world
    own = [r for r in rows if symbols[r.instrument_id] == symbol]
    found = walked(feed, symbol, watch)
    states = [r for r in own if isinstance(r, RegimeState)]
    assert len(states) > 200
    assert any(s.status == "missing" for s in states) == (symbol == "AAA")
    assert found.states == tuple(
        day_state(r.date, r.price, r.move, r.model_version, r.labels, r.filtered, r.ahead, r.volatility) for r in states
    )
    models = [r for r in own if isinstance(r, RegimeModel)]
    assert found.refits == tuple(Refit(m.date, m.kind, m.model_version, m.observations, m.status, m.reason) for m in models)
    assert len(models) == 8
    changes = [r for r in own if isinstance(r, ChangePoint)]
    assert found.change_points == tuple(Change(symbol, c.date, c.detector, c.direction, c.statistic, c.threshold) for c in changes)
    assert changes


def test_what_comes_later_changes_nothing_before_it(world: World) -> None:
    feed, watch, _, _ = world
    whole = walked(feed, "AAA", watch)
    for until in (180, 255):
        before = walked(feed, "AAA", watch, until)
        assert before.states == whole.states[: len(before.states)]
        assert before.refits == whole.refits[: len(before.refits)]
        assert before.change_points == whole.change_points[: len(before.change_points)]
        assert before.last == feed.available[until - 1].isoformat()


def test_spells_cover_the_days_and_their_returns_the_path(world: World) -> None:
    feed, watch, _, _ = world
    found = walked(feed, "AAA", watch)
    assert sum(s.days for s in found.spells) == len(found.states)
    assert all(a.regime != b.regime and a.last < b.first for a, b in zip(found.spells, found.spells[1:], strict=False))
    path = feed.closes[-1, 0] / feed.closes[DAYS - len(found.states) - 1, 0] * 3.0  # the split is taken out
    assert np.prod([1.0 + s.total for s in found.spells]) == pytest.approx(path, rel=1e-12)


def test_a_spell_of_differences_and_of_one_day() -> None:
    days = [date(2000, 1, 3 + k) for k in range(3)]
    seen = [Close(days[0], 5.0, 4.0, 1.0), Close(days[1], 2.0, 5.0, -3.0), Close(days[2], -1.0, 2.0, -3.5)]
    calm = zip(days, (0.9, 0.2, 0.1), strict=True)
    states = [day_state(str(d), 0.0, 0.0, 1, ("calm", "crisis"), (p, 1.0 - p), (p, 1.0 - p), None) for d, p in calm]
    first, second = spells(states, seen, Shock.ABSOLUTE)
    assert (first.regime, first.days, first.total, first.volatility) == ("calm", 1, 1.0, None)
    assert (second.regime, second.first, second.total, second.volatility) == ("crisis", "2000-01-04", -6.0, 0.25)


def test_replay_command_takes_the_settings_and_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_REGIMES__EVERY", "300")
    monkeypatch.setenv("RISK_REGIMES__RUN_LENGTH", "250")
    words = ("replay", "S02", "--feed", "synthetic", "--from", "2001-01-02", "--to", "2003-06-30", "--first", "250", "--states", "2")
    found = told(*words)
    feed = synthetic_feed()
    watch = WatchConfiguration(("S02",), 2, 250, 300, 2_500, 250)
    days = chosen_days(feed, date(2001, 1, 2), date(2003, 6, 30))
    expected = replay("S02", "synthetic", Shock.RELATIVE, closes(feed, chosen_symbol(feed, "S02"), days), watch)
    assert found == json.loads(json.dumps(asdict(expected)))
    assert len(found["refits"]) == 4
    shown = call(*words).stdout
    for words_ in ("S02, synthetic, 2001-01-03 to 2003-06-30", "spells of the likeliest regime", "Refits", "Now "):
        assert words_ in shown


def test_a_replay_without_alarms_says_so(world: World) -> None:
    feed, watch, _, _ = world
    assert "Change points are not watched for" in drawn(replay_view(walked(feed, "AAA", replace(watch, run_length=0), 150), relative=True))


def drawn(view: Any) -> str:
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(view)
    return console.export_text()


# ------------------------------------------------------------ show

LABELS = ("bull", "neutral", "bear", "crisis")
PARAMETERS = {
    "initial": [0.25] * 4,
    "transition": [[0.97, 0.01, 0.01, 0.01], [0.01, 0.97, 0.01, 0.01], [0.01, 0.01, 0.97, 0.01], [0.01, 0.01, 0.01, 0.97]],
    "means": [[0.001], [0.0005], [-0.001], [-0.002]],
    "scales": [[[0.0001]], [[0.0002]], [[0.0003]], [[0.0016]]],
    "df": None,
    "labels": list(LABELS),
    "errors": {"status": "ok", "reason": "", "transition": [[0.005] * 4] * 4, "means": [[0.0001]] * 4, "durations": [3.0, 3.0, 3.0, None]},
    "statistics": [{"days": 125.0, "sharpe": 1.5, "drawdown": 0.05, "value_at_risk": 0.023}] * 4,
}
VOLATILITY = {"model": "gjr", "parameters": {"beta": 0.9, "omega": 1e-6, "alpha": 0.05}, "standard_errors": {"beta": 0.01}}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Stores in memory, which the command line joins."""
    stores = memory_stores()
    monkeypatch.setattr(wiring, "joined", lambda *_: SimpleNamespace(queries=stores.queries, results=stores.results, runs=stores.runs))
    return stores


def register(stores: Stores, watch: WatchConfiguration) -> None:
    genesis = make_world(1, days=6).genesis
    assert isinstance(genesis.body, Genesis)
    configuration = replace(ModelConfiguration.from_json(genesis.body.configuration), watch=watch)
    stores.runs.register(Run(RUN, None, encode(replace(genesis, body=replace(genesis.body, configuration=configuration.to_json())))))


def commit(stores: Stores, rows: Sequence[WatchRow], days: int) -> None:
    lease = lease_of(stores, WATCH_SHARD)
    for day in range(days):
        of_day = tuple(r for r in rows if r.as_of_ns == as_of(day))
        stores.results.commit(Commit(lease, checkpoint(day, WATCH_SHARD), watched=of_day))


def state(day: int) -> RegimeState:
    chances = (0.1, 0.1, 0.1, 0.7) if day % 2 else (0.7, 0.1, 0.1, 0.1)
    return RegimeState(RUN, 1, as_of(day), date_of(day), 0, 100 + day, 50.0 + day, 0.01 * day, 2, LABELS, chances, chances, 0.0125, "ok")


def model(day: int, kind: str, status: str, parameters: dict[str, Any]) -> RegimeModel:
    reason = "" if status == "ok" else "a reason"
    return RegimeModel(RUN, 1, as_of(day), date_of(day), kind, 0, 100 + day, 2, 500, status, reason, parameters)


def alarm(day: int, instrument_id: int) -> ChangePoint:
    return ChangePoint(RUN, instrument_id, as_of(day), date_of(day), "volatility", 0, 100 + day, "up", 2.5, 2.45)


WATCH = WatchConfiguration(regimes_of=("INDEX",), run_length=500)
SAID = (
    *(state(day) for day in range(5)),
    *(model(0, "regimes", "ok", PARAMETERS), model(0, "volatility", "ok", VOLATILITY)),
    *(model(4, "regimes", "held", PARAMETERS), model(4, "volatility", "failed", VOLATILITY["parameters"])),
    *(alarm(2, 1), alarm(4, 2)),
)


def test_show_gathers_what_the_run_says(kept: Stores) -> None:
    register(kept, WATCH)
    commit(kept, SAID, 5)
    found = told("show", "--days", "3")
    assert [s["date"] for s in found["states"]] == [date_of(4), date_of(3), date_of(2)]
    assert found["states"][1]["regime"] == "crisis"
    assert found["states"][1]["chances"] == dict(zip(LABELS, (0.1, 0.1, 0.1, 0.7), strict=True))
    assert [r["label"] for r in found["chain"]["regimes"]] == list(LABELS)
    assert found["chain"]["regimes"][3]["volatility"] == pytest.approx(0.04)
    assert found["chain"]["regimes"][0]["duration"] == pytest.approx(1.0 / 0.03)
    assert found["volatility"] == {
        "parameters": {"omega": 1e-6, "alpha": 0.05, "beta": 0.9},
        "errors": {},
        "status": "failed",
        "reason": "a reason",
        "tomorrow": 0.0125,
    }
    assert [(r["date"], r["kind"], r["status"]) for r in found["refits"]] == [
        *((date_of(4), "volatility", "failed"), (date_of(4), "regimes", "held")),
        *((date_of(0), "volatility", "ok"), (date_of(0), "regimes", "ok")),
    ]
    assert [(c["symbol"], c["date"]) for c in found["change_points"]] == [("AAA", date_of(4)), ("INDEX", date_of(2))]
    shown = call("show").stdout
    for words in (f"INDEX, {date_of(4)}: bull with a chance of 70.0%", "Last 5 days", "33.3 ± 3.0", "held", "a reason", "volatility up"):
        assert words in shown


def test_show_of_one_symbol_has_its_change_points_alone(kept: Stores) -> None:
    register(kept, WATCH)
    commit(kept, SAID, 5)
    assert [c["symbol"] for c in told("show", "INDEX")["change_points"]] == ["INDEX"]
    found = told("show", "AAA")
    assert (found["states"], found["refits"], [c["symbol"] for c in found["change_points"]]) == ([], [], ["AAA"])
    shown = call("show", "AAA").stdout
    assert "The regime of AAA is not followed" in shown
    assert "in this run INDEX" in shown
    assert f"Change points of BBB in the year to {date_of(4)}: none." in call("show", "BBB").stdout


def test_show_before_the_first_fit_says_when_it_comes(kept: Stores) -> None:
    register(kept, WATCH)
    commit(kept, (alarm(1, 2),), 2)
    shown = call("show").stdout
    assert "INDEX: no regime is said yet" in shown
    assert "The first fit comes after 500 closes." in shown
    assert "Refits" not in shown
    assert "volatility up" in shown


def test_show_says_what_is_missing(kept: Stores) -> None:
    assert "there is no run yet: start one with `plimsoll run`" in call("show", expect=2).output
    register(kept, WATCH)
    assert "the first fit comes after 500 closes (RISK_REGIMES__FIRST)" in call("show", expect=2).output
    commit(kept, SAID, 5)
    assert "no instrument 'NOPE'; known are INDEX, AAA" in call("show", "NOPE", expect=2).output


def test_show_of_a_run_that_watches_nothing_names_the_setting(kept: Stores) -> None:
    register(kept, WatchConfiguration())
    assert "RISK_REGIMES__ENABLED was false" in call("show", expect=2).output


def test_show_without_change_points_names_the_setting(kept: Stores) -> None:
    register(kept, replace(WATCH, run_length=0))
    commit(kept, SAID[:7], 5)
    assert "RISK_REGIMES__RUN_LENGTH is 0" in call("show").stdout
