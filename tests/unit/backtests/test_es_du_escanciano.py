"""Cumulative violations and the traffic light: against loops, closed forms, enumeration of few days, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.backtests.es_du_escanciano import (
    cumulative_violations,
    du_escanciano_conditional,
    du_escanciano_unconditional,
    du_escanciano_unconditional_p_value,
    simulated_conditional,
    violation_moments,
)
from risk_core.backtests.es_traffic_light import (
    costanzino_curran_test,
    shortfall_breach_probability,
    shortfall_zone,
    shortfall_zone_bounds,
)
from risk_core.backtests.result import BacktestError, Decision


def test_violations_by_hand_and_their_moments() -> None:
    assert cumulative_violations([0.0, 0.01, 0.025, 0.05, 0.9], 0.95) == pytest.approx([1.0, 0.8, 0.5, 0.0, 0.0])
    violations = cumulative_violations(np.random.default_rng(1).random(400_000), 0.9)
    mean, error = violation_moments(400_000, 0.9)
    assert violations.mean() == pytest.approx(mean, abs=4 * error)
    assert violations.std() / np.sqrt(400_000) == pytest.approx(error, rel=0.01)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter_to_the_unconditional_test(pit: list[float]) -> None:
    result, turned = du_escanciano_unconditional(pit, 0.9), du_escanciano_unconditional(pit[::-1], 0.9)
    assert turned.statistic == pytest.approx(result.statistic)
    assert turned.p_value_exact == pytest.approx(result.p_value_exact)
    assert 0.0 <= result.p_value_exact <= 1.0  # type: ignore[operator]


def test_one_day_in_closed_form() -> None:
    for method, tolerance in (("exact", 1e-4), ("asymptotic", 1.0)):
        less = du_escanciano_unconditional_p_value(0.3, 1, 0.6, alternative="less", method=method)
        assert less == pytest.approx(0.6 + 0.4 * 0.3, abs=tolerance)
    assert du_escanciano_unconditional_p_value(0.3, 1, 0.6, alternative="greater", method="exact") == pytest.approx(0.4 * 0.7, abs=1e-4)
    with pytest.raises(BacktestError, match="method"):
        du_escanciano_unconditional_p_value(0.3, 1, 0.6, method="guess")


def test_exact_size_and_power() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    results = [du_escanciano_unconditional(rng.random(125), 0.975, alternative="greater") for _ in range(800)]
    exact = np.mean([r.p_value_exact < 0.05 for r in results])
    assert exact == pytest.approx(0.05, abs=0.02)
    too_calm = du_escanciano_unconditional(rng.random(500) ** 1.5, 0.975)
    assert too_calm.rejected
    assert too_calm.direction == "tail losses too large"


def test_conditional_statistic_equals_loops() -> None:
    rng = np.random.default_rng(4)
    pit, tail, lags = rng.random(180), 0.1, 3
    h = [(tail - u) / tail if u <= tail else 0.0 for u in pit]
    variance = sum((x - tail / 2) ** 2 for x in h) / 180
    statistic = 0.0
    for j in range(1, lags + 1):
        covariance = sum((h[t] - tail / 2) * (h[t - j] - tail / 2) for t in range(j, 180)) / (180 - j)
        statistic += 180 * (covariance / variance) ** 2
    mine = du_escanciano_conditional(pit, 0.9, lags=lags, simulations=500)
    assert mine.statistic == pytest.approx(statistic)
    assert mine.details["degrees_of_freedom"] == 3


def test_conditional_finds_clusters_and_holds_its_size() -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    found = [du_escanciano_conditional(rng.random(250), 0.95, simulations=1_000).p_value_exact for _ in range(300)]
    assert np.mean([p < 0.1 for p in found if p is not None]) == pytest.approx(0.1, abs=0.06)
    clustered = rng.random(500)
    clustered[200:215] = 0.01
    assert du_escanciano_conditional(clustered, 0.95).rejected
    assert simulated_conditional(250, 0.05, 1, 1_000, 0) is simulated_conditional(250, 0.05, 1, 1_000, 0)


def test_zones_follow_the_law_of_the_breach_value() -> None:
    rng = np.random.default_rng(8)
    values = np.maximum(0.025 - rng.random((40_000, 250)), 0.0).sum(axis=1) / 0.025
    for value in (2.0, 5.0, 8.0):
        share = (values <= value).mean()
        assert shortfall_breach_probability(value, 250, 0.975) == pytest.approx(share, abs=0.01)
    yellow, red = shortfall_zone_bounds(250, 0.975)
    assert (values >= yellow).mean() == pytest.approx(0.05, abs=0.005)
    assert (values >= red).mean() == pytest.approx(0.0001, abs=0.0002)
    assert shortfall_zone_bounds(250, 0.975, method="asymptotic") == pytest.approx(
        (3.125 + 1.644854 * np.sqrt(250 * 0.025 * (4 - 3 * 0.025) / 12), 3.125 + 3.719016 * np.sqrt(250 * 0.025 * (4 - 3 * 0.025) / 12)),
        rel=1e-6,
    )
    assert [shortfall_zone(p) for p in (0.9499, 0.95, 0.99989, 0.9999)] == ["green", "yellow", "yellow", "red"]


@pytest.mark.parametrize(("deep", "zone"), [(3, "green"), (7, "yellow"), (12, "red")])
def test_traffic_light(deep: int, zone: str) -> None:
    pit = np.full(250, 0.5)
    pit[:deep] = 0.0025
    result = costanzino_curran_test(pit, 0.975)
    assert result.statistic == pytest.approx(0.9 * deep)
    assert result.details["zone"] == zone
    assert result.rejected is (zone != "green")


def test_degenerate_samples() -> None:
    calm = np.full(50, 0.5)
    assert du_escanciano_unconditional(calm, 0.99).status == "thin_tail"
    assert du_escanciano_unconditional(np.zeros(50), 0.99).p_value_exact == pytest.approx(0.0, abs=1e-9)
    assert du_escanciano_conditional(calm, 0.99).status == "no_exceptions"
    short = du_escanciano_conditional([0.001, 0.5], 0.99)
    assert (short.decision, short.status) == (Decision.NOT_APPLICABLE, "too_few_observations")
    assert du_escanciano_conditional(np.zeros(50), 0.99, simulations=0).p_value_exact is None
    assert costanzino_curran_test(calm, 0.99).p_value_exact == 1.0
    for bad in ([], [np.nan], [-0.1], [1.1], [[0.5]]):
        with pytest.raises(BacktestError):
            du_escanciano_unconditional(bad, 0.99)
    with pytest.raises(BacktestError, match="method"):
        shortfall_zone_bounds(250, 0.99, method="guess")
