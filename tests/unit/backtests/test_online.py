"""Tests that may be looked at every day: fair games by enumeration, Ville's bound by simulation, states bit for bit."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from risk_core.backtests.es_laws import as_law
from risk_core.backtests.exception_cusum import ExceptionCusum, average_run_length, calibrated_limit, reference_days
from risk_core.backtests.online import Betting, BettingTest, Target, es_e_values, growing_bet, var_e_values
from risk_core.backtests.result import BacktestError

LAW = as_law("t4")
VAR, ES = LAW.value_at_risk(0.025), LAW.expected_shortfall(0.025)


def test_e_values_by_hand() -> None:
    assert var_e_values([-3.0, 1.0, -2.0], 2.0, 0.95) == pytest.approx([20.0, 0.0, 0.0])
    assert var_e_values([-3.0, 1.0], 2.0, 0.95, too_large=True) == pytest.approx([0.0, 1 / 0.95])
    assert es_e_values([-3.0, 1.0, -2.5], 2.0, 4.0, 0.95) == pytest.approx([10.0, 0.0, 5.0])
    assert es_e_values([-3.0], 2.0, 2.0, 0.95) == pytest.approx([1.0])


def test_es_e_values_have_mean_one_for_the_truth_and_less_for_a_careful_forecast() -> None:
    pnl = LAW.sample(np.random.Generator(np.random.PCG64(1)), (1_000_000,))
    for var, es, mean in ((VAR, ES, 1.0), (1.2 * VAR, 1.2 * ES, None), (1.3 * VAR, 1.31 * VAR + ES - VAR, None)):
        e = es_e_values(pnl, var, es, 0.975)
        if mean is not None:
            assert e.mean() == pytest.approx(mean, abs=4 * e.std() / 1000)
        else:
            assert e.mean() < 1.0


@pytest.mark.parametrize("strategy", list(Betting))
@pytest.mark.parametrize("target", [Target.VAR_TOO_SMALL, Target.VAR_TOO_LARGE])
def test_capital_is_a_fair_game(strategy: Betting, target: Target) -> None:
    """Over all paths of seven days with the right probability the mean is one, whatever the bets were."""
    mean = 0.0
    for path in product((False, True), repeat=7):
        test = BettingTest(target, 0.75, strategy=strategy, window=4)
        for exception in path:
            evidence = test.update(-3.0 if exception else 1.0, 2.0)
        mean += 0.25 ** sum(path) * 0.75 ** (7 - sum(path)) * evidence.e_value
    assert mean == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("strategy", list(Betting))
def test_looking_every_day_does_not_inflate_the_error_and_small_forecasts_are_found(strategy: Betting) -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    false, found = 0, 0
    for _ in range(40):
        right, small = (BettingTest("es_too_small", 0.975, strategy=strategy, window=250) for _ in range(2))
        for x in LAW.sample(rng, (250,)):
            right.update(x, VAR, ES)
            small.update(x, 0.6 * VAR, 0.6 * ES)
        false += right.value.rejected(0.9)
        found += small.value.rejected(0.9)
    assert false / 40 <= 0.1 + 3 * np.sqrt(0.09 / 40)
    assert found > 2 * max(false, 1)
    assert found > 15


@given(st.lists(st.floats(-8.0, 4.0), min_size=1, max_size=25), st.sampled_from(list(Betting)), st.integers(0, 24))
@settings(max_examples=40, deadline=None)
def test_a_state_continues_with_the_same_bits(pnl: list[float], strategy: Betting, cut: int) -> None:
    whole, first = (BettingTest("es_too_small", 0.9, strategy=strategy, window=6) for _ in range(2))
    for x in pnl:
        whole.update(x, 1.0, 1.7)
    for x in pnl[:cut]:
        first.update(x, 1.0, 1.7)
    rest = BettingTest.from_state(json.loads(json.dumps(first.state())))
    for x in pnl[cut:]:
        rest.update(x, 1.0, 1.7)
    assert rest.state() == whole.state()
    assert rest.value == whole.value


def test_the_growing_bet_is_the_best_one() -> None:
    e = es_e_values(1.4 * LAW.sample(np.random.Generator(np.random.PCG64(5)), (400,)), VAR, ES, 0.975)
    best = optimize.minimize_scalar(lambda b: -np.log1p(b * (e - 1.0)).sum(), bounds=(0.0, 0.5), method="bounded", options={"xatol": 1e-10})
    assert growing_bet(e) == pytest.approx(best.x, abs=1e-6)
    assert growing_bet([0.0, 0.5]) == 0.0
    assert growing_bet([5.0, 6.0], 0.3) == 0.3
    assert growing_bet([]) == 0.0


def test_betting_refuses_what_it_cannot_judge() -> None:
    test = BettingTest("es_too_small", 0.975)
    before = test.state()
    for bad in ((np.nan, 1.0, 2.0), (0.0, 2.0, 1.0), (0.0, 1.0, None)):
        with pytest.raises(BacktestError):
            test.update(*bad)
    assert test.state() == before
    assert test.update(-5.0, 2.0, 2.0).skipped == 1
    assert test.value.e_value == 1.0
    huge = BettingTest("var_too_small", 0.999, strategy="fixed", bet=0.5)
    for _ in range(200):
        huge.update(-5.0, 2.0)
    assert huge.value.e_value == np.finfo(np.float64).max
    assert huge.value.rejected(0.99)
    json.dumps(huge.state())
    for bad_state in ({**before, "format": 2}, {**before, "logs": []}, {**before, "largest": float("nan")}, {"format": 1}):
        with pytest.raises(BacktestError):
            BettingTest.from_state(bad_state)
    with pytest.raises(BacktestError, match="strategies"):
        BettingTest("es_too_small", 0.975, strategy="all-in")


def test_run_lengths_equal_a_dense_system_and_simulation() -> None:
    p, m, h = 0.1, 5, 11
    system = np.eye(h)
    for s in range(h):
        system[s, max(s - 1, 0)] -= 1.0 - p
        if s + m - 1 < h:
            system[s, s + m - 1] -= p
    assert average_run_length(p, m, h) == pytest.approx(np.linalg.solve(system, np.ones(h))[0])
    assert average_run_length(p, m, h, 6) == pytest.approx(np.linalg.solve(system, np.ones(h))[6])
    assert average_run_length(0.01, 50, 49) == 100.0
    rng, runs = np.random.default_rng(2), []
    for _ in range(2_000):
        total = day = 0
        while total < h:
            day += 1
            total = max(0, total + (m - 1 if rng.random() < p else -1))
        runs.append(day)
    assert average_run_length(p, m, h) == pytest.approx(np.mean(runs), abs=4 * np.std(runs) / np.sqrt(2_000))


def test_cusum_is_calibrated_and_finds_a_shift_sooner() -> None:
    chart = ExceptionCusum(0.99, run_length=2_500)
    m = chart.days_per_exception
    assert m == reference_days(0.01, 0.02)
    assert 50 < m < 100
    assert chart.expected_run_length(0.01) >= 2_500 > average_run_length(0.01, m, calibrated_limit(0.01, m, 2_500) - 1)
    assert chart.expected_run_length(0.03) < 0.1 * chart.expected_run_length(0.01)
    ready = ExceptionCusum(0.99, run_length=2_500, head_start=0.5)
    assert ready.expected_run_length(0.03) < chart.expected_run_length(0.03)


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_cusum_follows_its_recursion_and_its_state_continues(hits: list[bool], cut: int) -> None:
    whole, first = ExceptionCusum(0.9, run_length=60.0), ExceptionCusum(0.9, run_length=60.0)
    total, alarms = 0, 0
    for hit in hits:
        value = whole.update(hit)
        total = max(0, total + (whole.days_per_exception - 1 if hit else -1))
        assert value.statistic == pytest.approx(total / whole.days_per_exception)
        assert value.alarm is (total >= whole.limit)
        if value.alarm:
            total, alarms = 0, alarms + 1
    assert (whole.value.alarms, whole.value.days, whole.value.exceptions) == (alarms, len(hits), sum(hits))
    for hit in hits[:cut]:
        first.update(hit)
    rest = ExceptionCusum.from_state(json.loads(json.dumps(first.state())))
    for hit in hits[cut:]:
        rest.update(hit)
    assert rest.state() == whole.state()


def test_cusum_refuses_what_cannot_be() -> None:
    for arguments in ({"shifted_probability": 0.005}, {"head_start": 1.0}, {"run_length": 0.0}, {"run_length": float("nan")}):
        with pytest.raises(BacktestError):
            ExceptionCusum(0.99, **arguments)
    with pytest.raises(BacktestError, match="shorter"):
        ExceptionCusum(0.99, shifted_probability=0.0101, run_length=1e9)
    state = ExceptionCusum(0.99).state()
    for bad in ({**state, "limit": 3}, {**state, "format": 0}, {"format": 1}):
        with pytest.raises(BacktestError):
            ExceptionCusum.from_state(bad)
