"""Stability tests: against statsmodels and regressions done one by one, and how often they reject where nothing changed."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.diagnostic import breaks_cusumolsresid, recursive_olsresiduals

from risk_core.change_points import (
    breakpoints,
    cusum_of_residuals,
    f_statistics,
    ols_cusum,
    ols_mosum,
    recursive_cusum,
    recursive_mosum,
    recursive_residuals,
)
from risk_core.measures import MeasureError

RNG = np.random.Generator(np.random.PCG64(3))
X = np.column_stack([np.ones(80), RNG.standard_normal(80)])
Y = X @ [1.0, 0.5] + RNG.standard_normal(80)


def test_residuals_are_those_of_statsmodels() -> None:
    fit = sm.OLS(Y, X).fit()
    theirs = recursive_olsresiduals(fit, skip=2)[4]
    np.testing.assert_allclose(recursive_residuals(Y, X), theirs[2:], rtol=1e-8)
    statistic, p_value, _ = breaks_cusumolsresid(fit.resid, ddof=2)
    mine = ols_cusum(Y, X)
    assert (mine.statistic, mine.p_value) == pytest.approx((statistic, p_value), rel=1e-9)
    assert cusum_of_residuals(fit.resid, ddof=2).statistic == pytest.approx(statistic, rel=1e-12)
    assert mine.process[-1] == pytest.approx(0.0, abs=1e-12)


def test_a_recursive_residual_is_a_forecast_error() -> None:
    before, now = sm.OLS(Y[:30], X[:30]).fit(), X[30]
    width = 1.0 + now @ np.linalg.inv(X[:30].T @ X[:30]) @ now
    assert recursive_residuals(Y, X)[28] == pytest.approx((Y[30] - before.predict(now)[0]) / np.sqrt(width), rel=1e-9)
    mean = recursive_residuals(Y)
    assert mean[4] == pytest.approx((Y[5] - Y[:5].mean()) / np.sqrt(1.2), rel=1e-12)


@pytest.mark.parametrize(("test", "most"), [(recursive_cusum, 0.07), (ols_cusum, 0.07)])
def test_level_where_nothing_changed(test: object, most: float) -> None:
    rng = np.random.Generator(np.random.PCG64(9))
    rejected = np.mean([test(rng.standard_normal(100)).p_value < 0.05 for _ in range(200)])  # type: ignore[operator]
    assert 0.005 <= rejected <= most


@pytest.mark.parametrize("test", [recursive_mosum, ols_mosum])
def test_simulated_level_is_right(test: object) -> None:
    rng = np.random.Generator(np.random.PCG64(9))
    values = np.array([test(rng.standard_normal(60), h=0.3, draws=400).p_value for _ in range(200)])  # type: ignore[operator]
    assert np.mean(values < 0.1) == pytest.approx(0.1, abs=0.07)
    assert values.mean() == pytest.approx(0.5, abs=0.07)
    assert test(Y, h=0.3, seed=1).p_value == test(Y, h=0.3, seed=1).p_value  # type: ignore[operator]


def test_a_break_is_seen_by_all() -> None:
    y = np.concatenate([Y[:40], Y[40:] + 3.0])
    for test in (recursive_cusum, ols_cusum):
        assert test(y).p_value < 0.01
    for moving in (recursive_mosum, ols_mosum):
        assert moving(y, draws=500).p_value < 0.01
    assert breakpoints(y).changes == pytest.approx((40,), abs=1)
    assert f_statistics(y).place == breakpoints(y, breaks=1).candidates[1][0]


def test_f_statistics_are_those_of_two_regressions() -> None:
    found = f_statistics(Y, trimming=0.1)
    assert found.places[[0, -1]].tolist() == [8, 72]
    second = (np.arange(80) >= 33).astype(float)
    wanted = sm.OLS(Y, sm.add_constant(second)).fit().fvalue
    assert found.statistics[33 - 8] == pytest.approx(wanted, rel=1e-9)
    assert found.exponential == pytest.approx(np.log(np.mean(np.exp(0.5 * found.statistics))), rel=1e-12)
    assert found.average < found.supremum


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recursive_cusum([1.0, 2.0]), "need 3 observations"),
        (lambda: ols_cusum(np.ones(20)), "residuals are all equal"),
        (lambda: recursive_cusum(np.ones(20)), "residuals are all equal"),
        (lambda: ols_cusum([1.0, np.nan, 2.0]), "missing or not finite"),
        (lambda: ols_cusum(Y, X[:50]), "one row for each of 80"),
        (lambda: ols_cusum(Y, np.column_stack([X, X[:, 0]])), "rank 2, not 3"),
        (lambda: recursive_cusum(Y, np.repeat([[1.0, 1.0], [1.0, 2.0]], 40, axis=0)), "do not determine"),
        (lambda: recursive_mosum(Y, h=1.0), "h must leave a window"),
        (lambda: ols_cusum(Y, np.where(X > 5.0, X, np.nan)), "missing or infinite"),
        (lambda: ols_mosum(Y, draws=0), "draws must be at least 1"),
        (lambda: breakpoints(np.ones(50)), "constant"),
        (lambda: breakpoints(Y, h=0.01), "h = 0.01 must be"),
        (lambda: breakpoints(Y, breaks=9), "need 10 segments of 12"),
        (lambda: f_statistics(Y, trimming=0.6), "no place for a change"),
    ],
)
def test_impossible_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()  # type: ignore[operator]
