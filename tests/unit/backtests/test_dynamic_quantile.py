"""The dynamic quantile test against least squares written from the paper; size, power, collinear regressors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from risk_core.backtests import BacktestError, Decision, dynamic_quantile
from tests.unit.backtests import brute_force


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("lags", [1, 4, 7])
@pytest.mark.parametrize("with_forecast", [True, False])
def test_the_statistic_is_that_of_least_squares(seed: int, lags: int, with_forecast: bool) -> None:
    rng = np.random.default_rng(seed)
    hits, forecast = rng.random(300) < 0.05, np.exp(rng.normal(10, 1, 300))
    given = forecast if with_forecast else None
    statistic, rank = brute_force.dynamic_quantile(hits.astype(float), 0.05, lags, given)
    found = dynamic_quantile(hits, 0.95, lags=lags, value_at_risk=given, simulations=0)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert found.details["degrees_of_freedom"] == rank == 1 + lags + with_forecast
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, rank), rel=1e-8)


def test_scale_and_sign_of_regressors_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    hits, forecast, other = rng.random(400) < 0.05, rng.gamma(3.0, size=400), rng.normal(size=400)
    first = dynamic_quantile(hits, 0.95, value_at_risk=forecast, regressors=other)
    second = dynamic_quantile(hits, 0.95, value_at_risk=-1e6 * forecast, regressors=np.column_stack([1e-6 * other]))
    assert second.statistic == pytest.approx(first.statistic, rel=1e-9)
    assert second.p_value_exact == first.p_value_exact


def test_the_simulated_p_value_mends_the_size() -> None:
    """At 99 % and 250 days chi-square rejects two to three times too often: the reason for simulated p-values."""
    hits = np.random.default_rng(2).random((400, 250)) < 0.01
    found = [dynamic_quantile(h, 0.99) for h in hits]
    simulated = np.mean([f.p_value_exact <= 0.05 for f in found])  # type: ignore[operator]
    asymptotic = np.mean([f.p_value <= 0.05 for f in found])  # type: ignore[operator]
    assert simulated == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 400))
    assert asymptotic > 0.08


def test_exceptions_that_a_regressor_foretells_are_found() -> None:
    rng = np.random.default_rng(3)
    storm = rng.random(1000) < 0.1
    hits = rng.random(1000) < np.where(storm, 0.4, 0.0111)
    assert dynamic_quantile(hits, 0.95, lags=1, regressors=storm).rejected
    assert not dynamic_quantile(hits, 0.95, lags=1).rejected


def test_collinear_regressors_lower_the_degrees_of_freedom() -> None:
    rng = np.random.default_rng(4)
    hits = rng.random(300) < 0.05
    plain, flat = dynamic_quantile(hits, 0.95), dynamic_quantile(hits, 0.95, value_at_risk=np.full(300, 7.0))
    assert flat.statistic == pytest.approx(plain.statistic, rel=1e-9)
    assert (flat.status, flat.details["degrees_of_freedom"]) == ("collinear", 5)
    assert "rank 5" in flat.reading
    none = dynamic_quantile(np.zeros(300), 0.95, lags=4)
    assert none.details["degrees_of_freedom"] == 1
    assert none.statistic == pytest.approx(296 * 0.05 / 0.95)


def test_what_it_cannot_judge() -> None:
    assert dynamic_quantile([0, 1, 0], 0.99).decision is Decision.NOT_APPLICABLE
    for options in (
        {"value_at_risk": [1.0]},
        {"value_at_risk": [1.0, np.nan, 2.0]},
        {"lags": -1},
        {"lags": 1.5},
        {"lags": 0, "constant": False},
        {"simulations": 10**8},
    ):
        with pytest.raises(BacktestError):
            dynamic_quantile([0, 1, 0] * (20 if "simulations" in options else 1), 0.99, **options)  # type: ignore[arg-type]
