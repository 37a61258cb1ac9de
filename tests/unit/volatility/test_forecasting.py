"""Days ahead: closed forms against simulation, simulation against itself, VaR and ES against scipy and against what came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError
from risk_core.volatility import (
    ModelState,
    conditional_risk,
    ewma_volatility,
    expected_variances,
    fit_garch,
    forecast_volatility,
    innovations,
    model_state,
    riskmetrics_2006,
    simulate_volatility,
)
from tests.unit.volatility.series import garch_series

SERIES = garch_series(600, 5, gamma=0.05, beta=0.88, df=6.0)
EGARCH = {"omega": -0.01, "alpha": 0.15, "gamma": -0.08, "beta": 0.95}
STATES: dict[str, ModelState] = {
    "garch": model_state("garch", {"omega": 0.1, "alpha": 0.1, "beta": 0.8, "df": 6.0}, 2.0),
    "gjr": model_state("gjr", {"omega": 0.1, "alpha": 0.02, "gamma": 0.15, "beta": 0.8}, 0.5),
    "gjr skewed": model_state("gjr", {"omega": 0.1, "alpha": 0.02, "gamma": 0.2, "beta": 0.8, "df": 8.0, "skew": -0.4}, 2.0),
    "egarch": model_state("egarch", EGARCH, 2.0),
    "aparch 2": model_state("aparch", {"omega": 0.1, "alpha": 0.08, "gamma": 0.4, "beta": 0.8, "df": 9.0, "skew": 0.3}, 2.0),
}
POWER = model_state("aparch", {"omega": 0.1, "alpha": 0.08, "gamma": 0.4, "beta": 0.85, "power": 1.2, "df": 6.0}, 2.0)
HEAVY = model_state("egarch", EGARCH | {"df": 6.0}, 2.0)


@pytest.mark.parametrize("name", STATES)
def test_closed_forms_are_means_of_paths(name: str) -> None:
    """40,000 paths of ten days, four of the paths' own standard errors."""
    state = STATES[name]
    h, _ = simulate_volatility(state, 10, paths=40_000, seed=4)
    told = forecast_volatility(state, 10, paths=2000)
    assert told.closed_form
    assert told.variance is not None
    assert (told.error == 0.0).all()
    assert told.variance[0] == state.variance == h[:, 0].mean() or abs(told.variance[0] - state.variance) < 1e-12
    assert (np.abs(h.mean(axis=0) - told.variance)[1:] < 4.0 * h.std(axis=0)[1:] / 200.0).all()


def test_forecasts_return_to_the_long_run_variance() -> None:
    for name in ("garch", "gjr", "gjr skewed", "aparch 2"):
        state, path = STATES[name], expected_variances(STATES[name], 3000)
        assert path is not None
        assert state.long_run_variance == pytest.approx(path[-1], rel=1e-9)
    assert STATES["egarch"].long_run_variance is None
    skewed, plain = STATES["gjr skewed"], model_state("gjr", {"omega": 0.1, "alpha": 0.02, "gamma": 0.2, "beta": 0.8}, 2.0)
    assert skewed.persistence > plain.persistence + 0.005  # losses carry more than half of the variance


def test_forecasts_equal_those_of_fit_garch() -> None:
    fit = fit_garch(SERIES, asymmetric=True, innovation="student_t")
    assert expected_variances(fit, 12) == pytest.approx(fit.forecast(12), rel=1e-12)
    ewma = ewma_volatility(SERIES)
    assert expected_variances(ewma, 5) == pytest.approx(ewma.forecast(5), rel=1e-12)
    with pytest.raises(MeasureError, match=r"riskmetrics_2006 is none of garch, gjr, egarch, aparch"):
        expected_variances(riskmetrics_2006(SERIES), 5)


def test_where_no_closed_form_is() -> None:
    told = forecast_volatility(POWER, 8, paths=20_000, seed=2)
    again = forecast_volatility(POWER, 8, paths=40_000, seed=3)
    assert not told.closed_form
    assert told.variance is not None
    assert again.variance is not None
    assert (np.abs(told.variance - again.variance)[1:] < 4.0 * np.hypot(told.error, again.error)[1:]).all()
    assert told.error[0] == pytest.approx(0.0, abs=1e-12)
    heavy = forecast_volatility(HEAVY, 8)
    assert heavy.variance is None
    assert "no expected variance" in heavy.reason
    assert np.isfinite(heavy.upper).all()
    assert forecast_volatility(HEAVY, 1).variance == pytest.approx([2.0])


@pytest.mark.parametrize("state", [STATES["egarch"], POWER])
def test_intervals_hold_what_they_say(state: ModelState) -> None:
    """The state after eight more simulated days lies inside its interval as often as told: four binomial standard errors."""
    told = forecast_volatility(state, 8, level=0.8, paths=20_000, seed=1)
    assert (told.lower[1:] < told.median[1:]).all()
    assert (told.median[1:] < told.upper[1:]).all()
    assert told.lower[0] == told.upper[0]
    h, _ = simulate_volatility(state, 8, paths=10_000, seed=77)
    inside = float(np.mean((h[:, 7] >= told.lower[7]) & (h[:, 7] <= told.upper[7])))
    assert inside == pytest.approx(0.8, abs=4.0 * np.sqrt(0.16 * (1 / 10_000 + 1 / 20_000)))


def test_one_day_is_the_quantile_of_the_law() -> None:
    normal = conditional_risk(STATES["egarch"], 0.99)
    assert normal.value_at_risk == pytest.approx(stats.norm.ppf(0.99) * np.sqrt(2.0), rel=1e-12)
    assert normal.expected_shortfall == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.99)) / 0.01 * np.sqrt(2.0), rel=1e-9)
    heavy = conditional_risk(STATES["garch"], 0.975)
    assert heavy.value_at_risk == pytest.approx(stats.t.ppf(0.975, 6.0) * np.sqrt(4.0 / 6.0) * np.sqrt(2.0), rel=1e-9)
    drift = model_state("garch", {"omega": 0.1, "alpha": 0.1, "beta": 0.8, "mean": 9.0}, 1.0)
    assert conditional_risk(drift, 0.99).value_at_risk == pytest.approx(stats.norm.ppf(0.99) - 9.0)  # negative, not clipped


def test_several_days_are_simulated() -> None:
    """Constant variance: the sum of ten normal days is normal; four standard errors of the order statistic."""
    flat = model_state("garch", {"omega": 1.0, "alpha": 0.0, "beta": 0.0, "mean": 0.1}, 1.0)
    found = conditional_risk(flat, 0.95, 10, paths=40_000, seed=6)
    exact = np.sqrt(10.0) * stats.norm.ppf(0.95) - 1.0
    error = np.sqrt(10.0) * np.sqrt(0.05 * 0.95 / 40_000) / stats.norm.pdf(stats.norm.ppf(0.95))
    assert found.value_at_risk == pytest.approx(exact, abs=4.0 * error)
    assert found.expected_shortfall == pytest.approx(np.sqrt(10.0) * stats.norm.pdf(stats.norm.ppf(0.95)) / 0.05 - 1.0, abs=8.0 * error)
    assert not found.closed_form
    heavy = conditional_risk(HEAVY, 0.99, 5)
    assert heavy.expected_shortfall is None
    assert heavy.value_at_risk > 0.0
    assert "no expected loss" in heavy.reason


@pytest.mark.parametrize("state", [STATES["gjr skewed"], POWER, HEAVY])
def test_days_beyond_value_at_risk(state: ModelState) -> None:
    """20,000 tomorrows: four binomial standard errors; and the mean beyond is the expected shortfall."""
    _, r = simulate_volatility(state, 1, paths=20_000, seed=9)
    risk = conditional_risk(state, 0.975)
    beyond = r[:, 0] < -risk.value_at_risk
    assert beyond.mean() == pytest.approx(0.025, abs=4.0 * np.sqrt(0.025 * 0.975 / 20_000))
    assert risk.expected_shortfall == pytest.approx(-r[beyond, 0].mean(), abs=4.0 * r[beyond, 0].std() / np.sqrt(beyond.sum()))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([*STATES.values(), POWER, HEAVY]), st.floats(0.55, 0.998), st.sampled_from([1, 3]))
def test_order_of_risk_numbers(state: ModelState, confidence: float, days: int) -> None:
    low, high = (conditional_risk(state, c, days, paths=2000, seed=1) for c in (confidence, confidence + 0.001))
    assert low.value_at_risk <= high.value_at_risk
    if low.expected_shortfall is not None:
        assert low.expected_shortfall >= low.value_at_risk


def test_seeds() -> None:
    one, other, third = (forecast_volatility(POWER, 5, seed=s) for s in (3, 3, 4))
    assert one.variance is not None
    assert (one.variance == other.variance).all()
    assert (one.variance != third.variance).any()


def test_bad_input() -> None:
    for wrong in (
        lambda: forecast_volatility(POWER, 0),
        lambda: forecast_volatility(POWER, 5, level=1.0),
        lambda: forecast_volatility(POWER, 5, paths=5),
        lambda: expected_variances(POWER, 0),
        lambda: conditional_risk(POWER, 0.99, 0),
        lambda: conditional_risk(ewma_volatility([0.0, 0.0]), 0.99),
    ):
        with pytest.raises(MeasureError):
            wrong()
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        conditional_risk(POWER, 99)
    assert innovations.lower_tail(0.5)[0] == pytest.approx(0.0, abs=1e-15)
