"""The table "Does steering help?" of `docs/methods/regimes.md`: forecasts that know no future, and how they are judged."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.steering import HEADS, REFERENCE, Span, against, judged, most_within, portfolios, spans_of, table, table_of_falls
from benchmarks.steering_forecasts import (
    CONFIDENCES,
    RULES,
    Plan,
    Portfolio,
    likeness_weights,
    restarted_window,
    volatility_alarms,
    walk,
    walked,
)
from risk_core.engine.configuration import WatchConfiguration
from risk_core.measures import expected_shortfall, value_at_risk

SMALL = Plan(window=100, least=30, watch=WatchConfiguration(states=2, first=100, every=40, history=200), every=20)


def made(days: int = 260, turn: int = 140) -> Portfolio:
    """Two instruments of one market, three times as wild from `turn` on."""
    random = np.random.default_rng(7)
    market = random.standard_normal(days) * np.where(np.arange(days) < turn, 0.6, 1.8)
    return Portfolio("made", np.array([[1.0], [0.7]]) * market + 0.3 * random.standard_normal((2, days)))


@pytest.mark.parametrize("name", RULES)
def test_days_to_come_change_no_forecast(name: str) -> None:
    whole = made()
    other = whole.moves.copy()
    other[:, 180:] *= -4.0  # the forecast of day 180 does not know day 180
    found, short, changed = (walk(p, name, SMALL) for p in (whole, whole.until(181), Portfolio("made", other)))
    assert found.days.tolist() == [100, 120, 140, 160, 180, 200, 220, 240]
    assert short.days.tolist() == found.days.tolist()[:5]
    for numbers in ("value_at_risk", "expected_shortfall"):
        kept = getattr(found, numbers)
        assert (getattr(short, numbers) == kept[:, :5]).all()
        assert (getattr(changed, numbers)[:, :5] == kept[:, :5]).all()
        assert (getattr(changed, numbers)[:, 5:] != kept[:, 5:]).any()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_forecasts_losses_in_order(name: str) -> None:
    found = walk(made(), name, SMALL)
    assert (found.expected_shortfall >= (1.0 - 1e-12) * found.value_at_risk).all()
    assert (found.value_at_risk[0] >= found.value_at_risk[1]).all()
    assert (found.value_at_risk > 0.0).all()
    assert found.replaced == 0


def test_the_plain_rule_is_historical_simulation_of_the_window() -> None:
    book, found = made(), walk(made(), "historical", SMALL)
    for place, day in enumerate(found.days.tolist()):
        window = book.moves[:, day - 100 : day].mean(axis=0)
        for c, confidence in enumerate(CONFIDENCES):
            assert found.value_at_risk[c, place] == pytest.approx(value_at_risk(window, confidence).value, rel=1e-12)
            assert found.expected_shortfall[c, place] == pytest.approx(expected_shortfall(window, confidence).value, rel=1e-12)


def test_a_day_counts_as_far_as_it_was_of_the_state_of_tomorrow() -> None:
    filtered = np.array([[1.0, 0.0], [0.2, 0.8], [0.0, 1.0], [0.5, 0.5]])
    assert likeness_weights(filtered, np.array([0.0, 1.0])) == pytest.approx([0.5 / 2.3, 1.0 / 2.3, 0.8 / 2.3, 0.0])  # newest first
    assert likeness_weights(filtered, np.array([0.5, 0.5])) == pytest.approx([0.25] * 4)
    random = np.random.default_rng(1)
    chances, ahead = random.dirichlet(np.ones(4), 500), random.dirichlet(np.ones(4))
    weights = likeness_weights(chances, ahead)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= 0.0).all()


@pytest.mark.parametrize(
    ("day", "length"),
    [(50, 500), (200, 500), (201, 100), (300, 100), (350, 150), (500, 300), (700, 500), (901, 100), (1_001, 101), (1_500, 500)],
)
def test_the_window_restarts_at_the_newest_alarm_that_is_known(day: int, length: int) -> None:
    """An alarm at the close of a day is known to the forecast of the next."""
    assert restarted_window(np.array([200, 900]), day, Plan()) == length


def test_without_an_alarm_the_window_is_whole() -> None:
    assert restarted_window(np.array([], np.int64), 1_000, Plan()) == 500


def test_a_rise_of_volatility_restarts_the_forecast() -> None:
    book = made()
    alarms = volatility_alarms(book.pnl, 500)
    assert alarms.size > 0
    assert 140 <= alarms[0] < 160
    day = 180
    plain, restarted = (walk(book, name, SMALL) for name in ("historical", "restarted_window"))
    at = plain.days.tolist().index(day)
    length = restarted_window(alarms, day, SMALL)
    assert length < 100
    assert restarted.value_at_risk[1, at] == pytest.approx(value_at_risk(book.pnl[day - length : day], CONFIDENCES[1]).value)
    assert restarted.value_at_risk[1, at] > plain.value_at_risk[1, at]


def test_judged_by_hand() -> None:
    pnl = np.full(1_000, 0.1)
    pnl[[10, 11, 500]] = [-3.0, -4.5, -2.0]  # the last is value at risk itself: no exception
    found = judged(pnl, np.full(1_000, 2.0), np.full(1_000, 3.0), 0.99)
    assert np.flatnonzero(found.hits).tolist() == [10, 11]
    assert found.shortfall_error == pytest.approx(0.25)
    assert found.z2 == pytest.approx(1.0 - 2.5 / 10.0)
    assert found.quantile_loss == pytest.approx((0.01 * 2.1 * 997 + 0.99 * (1.0 + 2.5)) / 1_000)
    assert found.kupiec is not None
    assert found.kupiec < 0.01  # two, of ten
    assert found.conditional_coverage is not None
    assert found.conditional_coverage < 0.01


def test_a_quiet_sample_has_no_error_of_its_shortfall() -> None:
    found = judged(np.full(300, 0.1), np.full(300, 2.0), np.full(300, 3.0), 0.99)
    assert found.shortfall_error is None
    assert found.z2_p_value is None


def test_most_exceptions_within_a_stretch() -> None:
    hits = np.zeros(600, np.bool_)
    hits[[0, 100, 249, 250, 599]] = True
    assert most_within(hits, 250) == 3
    hits[249] = False
    assert most_within(hits, 250) == 2
    assert most_within(hits[:200], 250) == 2


def test_the_better_score_is_called_better() -> None:
    random = np.random.default_rng(3)
    pnl = random.standard_normal(2_000)
    right = judged(pnl, np.full(2_000, 2.326), np.full(2_000, 2.665), 0.99)
    high = judged(pnl, np.full(2_000, 4.0), np.full(2_000, 5.0), 0.99)
    assert against(right, high) == "better, < 0.001"
    assert against(high, right) == "worse, < 0.001"
    assert against(right, right) == against(right, None) == "–"


def test_tables_have_every_rule_and_count_falls() -> None:
    book = made()
    found = walked([book], SMALL, map)
    days = SMALL.days(book)
    results = {n: judged(book.pnl[days], w.value_at_risk[0], w.expected_shortfall[0], 0.99) for (_, n), w in found.items()}
    inside = np.zeros(days.size, np.bool_)
    inside[2:5] = True
    shown = table(results, [Span("made", inside)], 0.99)
    rows = [line for line in shown.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(RULES)
    assert {row.count("|") for row in rows} == {len(HEADS) + 1}
    assert "in falls (of 0.0)" in shown
    assert "nan" not in shown
    gained = results["filtered"].fz0 - results["historical"].fz0
    cells = rows[list(RULES).index("filtered")].split(" | ")
    assert cells[10] == f"{gained[inside].sum():+,.0f}, {gained[~inside].sum():+,.0f}"
    counts = table_of_falls(results, [Span("made", inside)], 0.99).splitlines()
    assert counts[0] == "| method | made (3 days: 0.0) | outside (5 days: 0.1) |"
    plain = results["historical"].hits
    assert counts[2] == f"| `historical` | {plain[2:5].sum()} | {plain.sum() - plain[2:5].sum()} |"


def test_twins_are_plain_rules_that_exist() -> None:
    twins = {rule.twin for rule in RULES.values() if rule.twin}
    assert twins == {"historical", "monte_carlo_normal"}
    assert all(not RULES[name].twin for name in twins)
    assert REFERENCE in RULES


def test_falls_are_days_after_the_peak_to_the_trough() -> None:
    index, stocks = portfolios()
    assert index.moves.shape == (1, 8_312)
    assert stocks.moves.shape == (20, 8_312)
    from benchmarks.regime_walk import index as closes

    dates, close = closes()
    days = Plan().days(index)
    spans = {s.name: days[s.inside] + 1 for s in spans_of(dates, close, days)}
    fall = spans["2020"]
    assert (str(dates[fall[0]]), str(dates[fall[-1]])) == ("2020-02-20", "2020-03-23")
    assert np.prod(1.0 + index.pnl[fall - 1] / 100.0) - 1.0 == pytest.approx(close[fall[-1]] / close[fall[0] - 1] - 1.0)
