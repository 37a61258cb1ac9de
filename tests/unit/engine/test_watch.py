"""Regimes and change points of instruments: streaming is batch, restored is uninterrupted, and nothing later changes what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.book import AssetClass, Book, Instrument, Node, NodeKind, cash_instruments
from risk_core.change_points import GarchLaw
from risk_core.engine.configuration import RUN_LENGTHS, ModelConfiguration, WatchConfiguration
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.watch import WatchEvaluator
from risk_core.engine.watch.changes import THRESHOLDS, InstrumentChanges
from risk_core.engine.watch.regime import InstrumentRegime
from risk_core.records import ChangePoint, DayClose, Genesis, Record, RegimeModel, RegimeState, SourceOpen, Ticks, WatchRow
from risk_core.regimes import HiddenMarkovModel, walk_forward
from services.common.state_codec import pack, unpack
from tests.worlds import close_ns

WATCH = WatchConfiguration(("INDEX",), states=2, first=120, every=40, history=1_000, run_length=250)
TRUTH = HiddenMarkovModel([0.5, 0.5], [[0.98, 0.02], [0.06, 0.94]], [0.0006, -0.002], [0.00005, 0.0007])
DAYS = 261
RUN = "run"
FIRST = date(2022, 1, 8)


def moves(days: int = DAYS - 1, seed: int = 5) -> list[float]:
    """Days of a market with a calm and a wild state."""
    return [float(x) for x in TRUTH.simulate(days, seed)[1][:, 0]]


def book() -> Book:
    priced = (Instrument(1, "INDEX", AssetClass.INDEX, "USD"), Instrument(2, "AAA", AssetClass.EQUITY, "USD"))
    nodes = (Node(1, "Firm", NodeKind.FIRM, None, "USD"),)
    return Book("USD", "TEST", priced + cash_instruments(priced, "USD", 3), nodes, (), default_proxy_id=1)


def fold(watch: WatchConfiguration = WATCH, emit_from: int = 121) -> Fold:
    configuration = ModelConfiguration(window=50, watch=watch)
    return Fold(Genesis(book(), "", "", "", close_ns(emit_from), 0, configuration.to_json()), ())


def records(returns: Sequence[float], silent: Sequence[int] = ()) -> list[Record]:
    """One close a day of two instruments with the same returns; the index is not seen on `silent` days."""
    price = np.cumprod(1.0 + np.array([0.0, *returns])) * 1000.0
    found = [Record(1, 1, close_ns(0) - 10, 0, 0, SourceOpen("market")), Record(2, 1, close_ns(0) - 10, 0, 0, SourceOpen("calendar"))]
    for day, level in enumerate(price.tolist()):
        at, seq = close_ns(day), 2 * day + 2
        seen = [2] if day in silent else [1, 2]
        body = Ticks(np.array(seen, np.int32), np.full(len(seen), level), np.full(len(seen), at - 5, np.int64))
        found.append(Record(1, seq, at - 5, 0, at, body))
        found.append(Record(2, seq, at, 0, at, DayClose("TEST", str(FIRST + timedelta(day)))))
    return found


def buckets(returns: Sequence[float], silent: Sequence[int] = (), of: Fold | None = None) -> list[Bucket]:
    of = of or fold()
    return [b for k, r in enumerate(records(returns, silent), 2) for b in of.apply(r, k) if isinstance(b, Bucket)]


def rows(given: Sequence[Bucket], evaluator: WatchEvaluator | None = None) -> list[WatchRow]:
    evaluator = evaluator or WatchEvaluator(fold(), RUN)
    return [row for bucket in given for row in evaluator.evaluate(bucket).watched]


def states(found: Sequence[WatchRow]) -> list[RegimeState]:
    return [row for row in found if isinstance(row, RegimeState)]


def test_states_are_those_of_the_walk_forward() -> None:
    given = moves()
    closed = buckets(given)
    found = states(rows(closed))
    walk = walk_forward([b.shock[0] for b in closed if b.shock is not None], 2, first=120, every=40, starts=4)
    assert [s.as_of_ns for s in found] == [close_ns(day) for day in range(121, DAYS)]
    assert [s.filtered for s in found] == [tuple(row) for row in walk.filtered[1:].tolist()]
    np.testing.assert_allclose([s.ahead for s in found], walk.ahead[1:], rtol=1e-13)
    assert [s.labels for s in found] == list(walk.labels[1:])
    assert {s.model_version for s in found} == {1, 2, 3, 4}
    for s in found:
        assert sum(s.filtered) == pytest.approx(1.0, abs=1e-12)
        assert s.volatility is None or 0.0 < s.volatility < 0.2


def test_nothing_that_comes_later_changes_what_was_said() -> None:
    given = moves()
    whole = rows(buckets(given))
    for days in (130, 161, 200):
        before = rows(buckets(given[:days]))
        assert before == [row for row in whole if row.as_of_ns <= close_ns(days)]


@settings(max_examples=6, deadline=None)
@given(st.integers(1, DAYS - 2))
def test_a_restored_watch_goes_on_with_the_same_bits(day: int) -> None:
    given = buckets(moves(), silent=(140, 160, 161))
    first = WatchEvaluator(fold(), RUN)
    before = rows(given[:day], first)
    state: Any = unpack(pack({"evaluator": first.state()}))["evaluator"]
    again = WatchEvaluator(fold(), RUN)
    again.restore(state, ())
    assert before + rows(given[day:], again) == rows(given)
    assert pack({"e": again.state()}) == pack({"e": _after(given).state()})


def _after(given: Sequence[Bucket]) -> WatchEvaluator:
    evaluator = WatchEvaluator(fold(), RUN)
    rows(given, evaluator)
    return evaluator


def test_a_day_without_a_move_of_its_own_moves_the_chain_alone() -> None:
    found = {s.as_of_ns: s for s in states(rows(buckets(moves(), silent=(150,))))}
    before, missing, after = (found[close_ns(day)] for day in (149, 150, 151))
    assert (missing.move, missing.status) == (None, "missing")
    assert missing.filtered == before.ahead
    assert missing.volatility == before.volatility
    assert (after.move, after.status) == (None, "missing")  # the day after has no close before it to move from
    assert found[close_ns(152)].status == "ok"


def test_an_invented_path_between_the_closes_is_no_evidence() -> None:
    """Ticks within a day move live numbers; what is said of regimes and changes rests on closes alone."""
    given = moves()
    path = []
    for record in records(given):
        if isinstance(record.body, Ticks):
            ids, at = record.body.instrument_id, record.event_ns - 3_600_000_000_000
            invented = Ticks(ids, record.body.price * 1.07, np.full(len(ids), at, np.int64))
            path.append(replace(record, source_seq=2 * record.source_seq - 1, event_ns=at, source_watermark_ns=at, body=invented))
            record = replace(record, source_seq=2 * record.source_seq)
        path.append(record)
    of = fold()
    closed = [b for k, r in enumerate(path, 2) for b in of.apply(r, k) if isinstance(b, Bucket)]
    assert len(path) > len(records(given))
    assert [replace(row, log_seq=0) for row in rows(closed)] == [replace(row, log_seq=0) for row in rows(buckets(given))]


def test_what_is_emitted_begins_with_the_run_and_models_are_told_from_the_first() -> None:
    found = rows(buckets(moves(), of=fold(emit_from=200)), WatchEvaluator(fold(emit_from=200), RUN))
    assert min(s.as_of_ns for s in states(found)) == close_ns(200)
    models = [row for row in found if isinstance(row, RegimeModel)]
    assert [(m.kind, m.as_of_ns) for m in models] == [(k, close_ns(day)) for day in (120, 160, 200, 240) for k in ("regimes", "volatility")]
    told = models[0].parameters
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert set(told["labels"]) == {"calm", "crisis"}
    assert all(sum(row) == pytest.approx(1.0) for row in told["transition"])
    assert [s["label"] for s in told["statistics"]] == told["labels"]


def test_a_volatility_model_is_told_with_its_errors() -> None:
    regime = InstrumentRegime(WatchConfiguration(("X",), states=2, first=600))
    said = [r for x in GarchLaw(df=6.0)(np.random.default_rng(1), 600).tolist() for r in regime.take(0.01 * x)]
    assert [(r.kind, r.status) for r in said] == [("regimes", "ok"), ("volatility", "ok")]
    told = said[1].parameters
    assert (told["model"], told["innovation"]) == ("gjr", "student_t")
    assert 0.02 < told["parameters"]["alpha"] + told["parameters"]["beta"] < 1.0
    assert all(error > 0.0 for error in told["standard_errors"].values())
    assert regime.volatility is not None
    assert 0.003 < regime.volatility.value < 0.05


@pytest.mark.parametrize("kind", ["constant", "split", "outlier"])
def test_bad_histories_are_said_and_break_nothing(kind: str) -> None:
    given = moves()
    if kind == "constant":
        given = [0.0] * len(given)
    if kind == "split":
        given[130] = -0.5
    if kind == "outlier":
        given[130] = 1e6
    found = rows(buckets(given))
    models = [row for row in found if isinstance(row, RegimeModel)]
    assert len(models) == 8
    assert all(m.reason for m in models if m.status in ("failed", "held"))
    if kind == "constant":
        assert {(m.kind, m.status) for m in models} == {("regimes", "failed"), ("volatility", "constant")}
        assert {m.parameters == {} for m in models} == {True}
        assert states(found) == []
    else:
        assert all(np.isfinite([*s.filtered, *s.ahead]).all() for s in states(found))
        assert any(isinstance(row, ChangePoint) and row.as_of_ns == close_ns(131) for row in found)


def test_a_watch_that_is_switched_off_says_nothing() -> None:
    off = WatchConfiguration()
    assert not off.watching
    evaluator = WatchEvaluator(fold(off), RUN)
    assert rows(buckets(moves(), of=fold(off)), evaluator) == []
    assert ModelConfiguration.from_json(ModelConfiguration(watch=WATCH).to_json()).watch == WATCH
    old = json.loads(ModelConfiguration().to_json())
    del old["watch"]
    assert ModelConfiguration.from_json(json.dumps(old)) == ModelConfiguration()


# ---------------------------------------------------------------- detectors


def test_every_run_length_has_thresholds() -> None:
    assert tuple(THRESHOLDS) == RUN_LENGTHS


@pytest.mark.parametrize("run_length", RUN_LENGTHS[:3])
def test_false_alarms_are_no_more_frequent_than_said(run_length: int) -> None:
    law, count = GarchLaw(df=5.0), 60_000
    watch = InstrumentChanges(run_length)
    alarms = [a.detector for x in law(np.random.default_rng(11), count).tolist() for a in watch.take(x)]
    for detector in ("volatility", "drift"):
        expected = count / run_length
        assert alarms.count(detector) <= expected + 3.0 * expected**0.5
        assert alarms.count(detector) >= 0.3 * expected


def test_a_change_is_seen_whatever_the_unit() -> None:
    rng = np.random.default_rng(3)
    calm, wild = rng.standard_normal(300), 4.0 * rng.standard_normal(60)
    falling = rng.standard_normal(200) - 1.2
    for unit in (1e-6, 0.01, 1e6):
        watch = InstrumentChanges(500)
        seen = [(k, a.detector, a.direction) for k, x in enumerate([*calm, *wild]) for a in watch.take(float(unit * x))]
        assert any(300 <= k < 330 and (d, w) == ("volatility", "up") for k, d, w in seen)
        watch = InstrumentChanges(500)
        seen = [(k, a.detector, a.direction) for k, x in enumerate([*calm, *falling]) for a in watch.take(float(unit * x))]
        assert any(300 <= k < 330 and (d, w) == ("drift", "down") for k, d, w in seen)
        assert all(a.statistic > a.threshold for x in wild for a in watch.take(float(x)))


def test_a_series_that_never_moves_sets_nothing_off() -> None:
    watch = InstrumentChanges(250)
    assert [a for _ in range(300) for a in watch.take(0.0)] == []
    regime = InstrumentRegime(WATCH)
    assert [s.status for _ in range(200) for s in regime.take(0.0)] == ["failed", "constant"] * 3
    assert regime.filter is None
