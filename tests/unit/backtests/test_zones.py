"""Traffic lights: Basel's tables, scipy's binomial, overlapping and pooled bounds by other simulations, decorrelation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.backtests import (
    BacktestError,
    Decision,
    Framework,
    basel_multiplier,
    decorrelate,
    decorrelated_exceptions,
    desk_eligible,
    overlapping_bounds,
    overlapping_traffic_light,
    plus_factor,
    pooled_count_law,
    table_plus_factor,
    traffic_light,
    traffic_light_bounds,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1500), st.sampled_from([0.9, 0.95, 0.975, 0.99, 0.995]), st.data())
def test_zones_are_those_of_the_binomial_law(n: int, confidence: float, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, min(n, 60)))
    found = traffic_light(x, n, confidence)
    law = stats.binom(n, 1 - confidence)
    assert found.details["probability"] == pytest.approx(law.cdf(x), abs=1e-10)
    assert found.details["type_i"] == pytest.approx(law.sf(x - 1), abs=1e-10)
    zone = "green" if x == 0 or law.cdf(x) < 0.95 else "yellow" if law.cdf(x) < 0.9999 else "red"
    assert found.details["zone"] == zone
    assert found.rejected == (zone == "red")
    assert 0.0 <= found.details["plus_factor_basel_2.5"] <= 1.0  # type: ignore[operator]
    assert found.details["plus_factor_mar32"] == pytest.approx(found.details["plus_factor_basel_2.5"] / 2)  # type: ignore[operator]


def test_the_tables_of_basel() -> None:
    assert traffic_light_bounds() == (4, 9)
    assert [basel_multiplier(x, "basel_2.5") for x in range(12)] == [3.0] * 5 + [3.4, 3.5, 3.65, 3.75, 3.85, 4.0, 4.0]
    assert [basel_multiplier(x) for x in range(12)] == [1.5] * 5 + [1.7, 1.76, 1.83, 1.88, 1.92, 2.0, 2.0]
    for x in range(5, 10):  # what Basel rounded by hand
        assert plus_factor(x) == pytest.approx(table_plus_factor(x), abs=0.035)
        assert plus_factor(x, framework="mar32") == pytest.approx(table_plus_factor(x, Framework.MAR32), abs=0.02)
    details = traffic_light(7).details
    assert (details["table_multiplier_basel_2.5"], details["table_multiplier_mar32"]) == (3.65, 1.83)
    assert "table_multiplier_mar32" not in traffic_light(7, 251).details
    assert traffic_light(7).reading.startswith("Basel traffic light: 7 exceptions in 250 days, 2.5 expected (too many). Yellow zone")


def test_desks_stay_with_at_most_12_and_30_exceptions() -> None:
    assert [desk_eligible(*x) for x in ((12, 30), (13, 0), (0, 31), (0, 0))] == [True, False, False, True]


def test_zones_of_every_day_and_impossible_levels() -> None:
    assert traffic_light(250).details["zone"] == "red"
    assert traffic_light(200, 250, 0.5).details["multiplier_basel_2.5"] == 4.0
    assert traffic_light(0, 1).details["zone"] == "green"
    with pytest.raises(BacktestError, match="rise"):
        traffic_light_bounds(levels=(0.99, 0.9))
    with pytest.raises(BacktestError):
        traffic_light(251)


def test_ten_overlapping_days_allow_8_and_24() -> None:
    """OpenSourceRisk's table; its bounds of 10, 30 and 100 days as well."""
    assert overlapping_bounds(250, 0.99) == (8, 24)
    found = overlapping_traffic_light(12, 250)
    assert (found.details["zone"], found.details["binomial_zone"], found.decision) == ("yellow", "red", Decision.ACCEPT)
    for n, green, yellow in ((10, 0, 8), (30, 1, 12), (100, 4, 18)):
        bounds = overlapping_bounds(n, 0.99, simulations=400_000)
        assert bounds[0] == green
        assert abs(bounds[1] - yellow) <= 1


def test_the_pooled_law_is_the_binomial_where_nothing_overlaps_or_correlates() -> None:
    assert pooled_count_law(250, 0.99, horizon=1).tolist() == pytest.approx(stats.binom(250, 0.01).cdf(np.arange(251)))
    law = pooled_count_law(100, 0.95, horizon=1, portfolios=2, correlation=0.0, simulations=40_000)
    assert np.abs(law - stats.binom(200, 0.05).cdf(np.arange(201))).max() < 0.012  # Kolmogorov's band at 1e-5


def test_the_simulated_law_is_that_of_a_loop() -> None:
    law = pooled_count_law(40, 0.95, horizon=5, portfolios=2, correlation=0.6, simulations=40_000)
    rng, limit = np.random.default_rng(7), stats.norm.ppf(0.95) * np.sqrt(5)
    counts = np.zeros(81)
    for _ in range(6000):
        shared, own = rng.normal(size=44), rng.normal(size=(2, 44))
        days = np.sqrt(0.6) * shared + np.sqrt(0.4) * own
        counts[sum(int((np.convolve(d, np.ones(5), "valid") > limit).sum()) for d in days)] += 1
    assert np.abs(np.cumsum(counts) / 6000 - law).max() < 0.03
    identical = pooled_count_law(40, 0.95, horizon=5, portfolios=2, correlation=1.0, simulations=20_000)
    assert identical[::2].tolist() == pytest.approx([*identical[1::2].tolist(), 1.0])  # the same portfolio twice: even counts only


def test_decorrelated_pnl_has_no_correlation() -> None:
    """Twenty overlapping five-day P&Ls of two portfolios: L^-1 makes the covariance one, exactly on the matrix, nearly on samples."""
    days = np.subtract.outer(np.arange(20), np.arange(20))
    overlap = np.maximum(1 - np.abs(days) / 5, 0)
    root = np.column_stack([decorrelate(column, 5) for column in np.eye(20)])
    assert root @ overlap @ root.T == pytest.approx(np.eye(20), abs=1e-9)
    both = np.kron(overlap, [[1, 0.5], [0.5, 1]])
    columns = [decorrelate(c.reshape(20, 2), 5, 0.5).ravel() for c in np.eye(40)]
    assert np.column_stack(columns) @ both @ np.column_stack(columns).T == pytest.approx(np.eye(40), abs=1e-9)


def test_decorrelated_exceptions_are_binomial_again() -> None:
    days = np.random.default_rng(8).normal(size=(800, 259))
    ten = np.apply_along_axis(np.convolve, 1, days, np.ones(10), "valid").T
    limit = stats.norm.ppf(0.95) * np.sqrt(10)
    raw = (ten < -limit).sum(axis=0)
    counts = decorrelated_exceptions(ten, limit, 0.95, horizon=10).hits.reshape(250, 800).sum(axis=0)
    assert counts.var() == pytest.approx(250 * 0.05 * 0.95, rel=0.2)
    assert raw.var() > 4 * counts.var()
    assert counts.mean() == pytest.approx(12.5, abs=4 * np.sqrt(250 * 0.05 * 0.95 / 800))


@pytest.mark.parametrize(
    "options",
    [
        {"correlation": 1.5, "portfolios": 2},
        {"correlation": -0.9, "portfolios": 3},
        {"correlation": [[1.0, 0.2], [0.3, 1.0]], "portfolios": 2},
        {"correlation": np.eye(3), "portfolios": 2},
        {"horizon": 0},
        {"simulations": 0},
        {"observations": 2.5},
    ],
)
def test_impossible_questions_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BacktestError):
        overlapping_bounds(**{"observations": 10, "simulations": 100, **options})  # type: ignore[arg-type]


def test_decorrelation_needs_finite_pnl_and_positive_var() -> None:
    with pytest.raises(BacktestError, match="finite"):
        decorrelate([1.0, np.nan], 2)
    with pytest.raises(BacktestError, match="positive"):
        decorrelated_exceptions([1.0, 2.0], [1.0, 0.0], 0.99)
    with pytest.raises(BacktestError, match="align"):
        decorrelated_exceptions([1.0, 2.0], [1.0], 0.99)
    with pytest.raises(BacktestError, match="singular"):
        decorrelate(np.ones((5, 2)), 2, 1.0)
