"""Realised variance and HAR: against sums written out, simulated days of known variance, statsmodels and arch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.measures import MeasureError
from risk_core.volatility import (
    bipower_variation,
    daily_realised_variance,
    fit_har,
    realised_variance,
    realised_volatility,
)
from tests.unit.volatility.series import Floats


def prices(count: int, seed: int, variance: float = 1e-4) -> Floats:
    """A day of a log price whose variance is known, float64[count + 1]."""
    moves = np.random.default_rng(seed).standard_normal(count) * np.sqrt(variance / count)
    return np.asarray(50.0 * np.exp(np.concatenate([[0.0], np.cumsum(moves)])))


def autoregression(count: int, seed: int) -> Floats:
    """Log variances of long memory: a HAR with known parameters."""
    rng = np.random.default_rng(seed)
    x: list[Any] = [-9.0] * 22
    for _ in range(count + 200):
        x.append(-0.9 + 0.35 * x[-1] + 0.35 * np.mean(x[-5:]) + 0.2 * np.mean(x[-22:]) + 0.3 * rng.standard_normal())
    return np.asarray(np.exp(np.array(x[-count:], np.float64)))


REALISED = autoregression(900, 1)


def test_sums_written_out() -> None:
    day = np.array([100.0, 101.0, 100.0, 102.0, 101.0, 103.0])
    r = np.log(day[1:] / day[:-1])
    assert realised_variance(day) == pytest.approx(np.sum(r**2), rel=1e-12)
    two = [np.log(100 / 100) ** 2 + np.log(101 / 100) ** 2, np.log(102 / 101) ** 2 + np.log(103 / 102) ** 2]
    assert realised_variance(day, every=2) == pytest.approx(two[0], rel=1e-12)
    assert realised_variance(day, every=2, subsample=True) == pytest.approx(np.mean(two) * 2.5 / 2.0, rel=1e-12)
    products = np.sum(np.abs(r[1:] * r[:-1]))
    assert bipower_variation(day) == pytest.approx(0.5 * np.pi * 5 / 4 * products, rel=1e-12)
    assert realised_volatility(day, days_per_year=252) == pytest.approx(np.sqrt(252 * np.sum(r**2)))


def test_days_of_known_variance() -> None:
    """400 days of 390 minutes: unbiased within four standard errors; subsampling halves the error of the five-minute sum, or better."""
    days = [prices(390, s) for s in range(400)]
    found = {
        "plain": np.array([realised_variance(d, every=5) for d in days]),
        "subsampled": np.array([realised_variance(d, every=5, subsample=True) for d in days]),
        "bipower": np.array([bipower_variation(d, every=5) for d in days]),
    }
    for values in found.values():
        assert values.mean() == pytest.approx(1e-4, abs=4.0 * values.std() / 20.0)
    assert found["plain"].std() == pytest.approx(1e-4 * np.sqrt(2 / 78), rel=0.15)
    assert found["subsampled"].var() < 0.75 * found["plain"].var()


def test_bipower_does_not_see_a_jump() -> None:
    jumped = np.array([prices(390, s) for s in range(50)])
    jumped[:, 200:] *= np.exp(0.05)
    assert np.mean([realised_variance(d) for d in jumped]) > 0.0025
    assert np.mean([bipower_variation(d) for d in jumped]) < 0.0005


def test_many_days() -> None:
    days = [prices(20, s) for s in range(3)]
    labels = np.repeat(np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "datetime64[D]"), 21)
    whole = np.concatenate(days)
    found, variances = daily_realised_variance(whole, labels, every=2)
    assert found.tolist() == np.unique(labels).tolist()
    np.testing.assert_allclose(variances, [realised_variance(d, every=2) for d in days], rtol=1e-12)
    _, with_night = daily_realised_variance(whole, labels, every=2, overnight=True)
    nights = [0.0, *(np.log(b[0] / a[-1]) ** 2 for a, b in pairwise(days))]
    np.testing.assert_allclose(with_night - variances, nights, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.integers(1, 7), st.booleans())
def test_laws_of_realised_variance(seed: int, factor: float, every: int, subsample: bool) -> None:
    """Units of the price do not matter; it is the same backwards, where all grids are read; never negative."""
    day = prices(42, seed)
    value = realised_variance(day, every=every, subsample=subsample)
    assert value >= 0.0
    assert realised_variance(factor * day, every=every, subsample=subsample) == pytest.approx(value, rel=1e-7)
    if every in (1, 2, 3, 6, 7):  # divisors of 42: the grid ends on the last price
        assert realised_variance(day[::-1], every=every, subsample=subsample) == pytest.approx(value, rel=1e-7)
    assert realised_variance([7.0] * 10, every=every, subsample=subsample) == 0.0


@pytest.mark.parametrize(("transform", "apply"), [("variance", lambda v: v), ("volatility", np.sqrt), ("log", np.log)])
def test_har_equals_statsmodels_and_arch(transform: str, apply: Any) -> None:
    import statsmodels.api as sm  # type: ignore[import-untyped]
    from arch.univariate import HARX

    values = apply(REALISED)
    fit = fit_har(REALISED, transform=transform)
    design = np.column_stack([np.array([values[t - n : t].mean() for t in range(22, 900)]) for n in (1, 5, 22)])
    other = sm.OLS(values[22:], sm.add_constant(design)).fit()
    np.testing.assert_allclose(list(fit.parameters.values()), other.params, rtol=1e-7)
    np.testing.assert_allclose(list(fit.standard_errors().values()), other.bse, rtol=1e-6)
    newey = sm.OLS(values[22:], sm.add_constant(design)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    np.testing.assert_allclose(list(fit.standard_errors(hac_lags=5).values()), newey.bse, rtol=1e-6)
    assert fit.r_squared == pytest.approx(other.rsquared, rel=1e-9)
    assert fit.residual_variance == pytest.approx(other.mse_resid, rel=1e-9)
    scale = 1e4 if transform == "variance" else 1.0
    theirs = HARX(scale * values, lags=[1, 5, 22], rescale=False).fit(disp="off")
    np.testing.assert_allclose(list(fit.parameters.values())[1:], theirs.params.to_numpy()[1:4], rtol=1e-4)


def test_known_parameters_are_found() -> None:
    fit = fit_har(autoregression(6000, 4), transform="log")
    for name, true in (("const", -0.9), ("lag_1", 0.35), ("lag_5", 0.35), ("lag_22", 0.2)):
        assert abs(fit.parameters[name] - true) < 4.0 * fit.standard_errors()[name]
    assert fit.residual_variance == pytest.approx(0.09, rel=0.08)


@pytest.mark.parametrize("transform", ["variance", "volatility", "log"])
def test_forecasts_are_simulated_means(transform: str) -> None:
    """4,000 paths of the regression with normal errors, eight days: means within four standard errors, intervals hold what they say."""
    fit = fit_har(REALISED, transform=transform)
    told = fit.forecast(8, level=0.8)
    rng = np.random.default_rng(5)
    held = np.tile(fit.recent, (4000, 1))
    inverse: dict[str, Callable[[Any], Any]] = {"variance": lambda x: x, "volatility": lambda x: x * x, "log": np.exp}
    back = inverse[transform]
    for day in range(8):
        means = [held[:, -n:].mean(axis=1) for n in fit.lags]
        new = fit.parameters["const"] + sum(fit.parameters[f"lag_{n}"] * m for n, m in zip(fit.lags, means, strict=True))
        new = new + np.sqrt(fit.residual_variance) * rng.standard_normal(4000)
        values = back(new)
        assert told.variance[day] == pytest.approx(values.mean(), abs=4.0 * values.std() / np.sqrt(4000))
        inside = np.mean((values >= told.lower[day]) & (values <= told.upper[day]))
        assert inside == pytest.approx(0.8, abs=4.0 * np.sqrt(0.16 / 4000))
        held = np.column_stack([held[:, 1:], new])


def test_intervals_cover_what_came() -> None:
    """Fitted on 700 days, judged on the next 200, a day ahead."""
    values = autoregression(900, 9)
    hits = []
    for t in range(700, 900, 2):
        told = fit_har(values[t - 700 : t], transform="log").forecast(1, level=0.9)
        hits.append(told.lower[0] <= values[t] <= told.upper[0])
    assert stats.binomtest(sum(hits), len(hits), 0.9).pvalue > 1e-3


def test_bad_input() -> None:
    for wrong, match in (
        (lambda: realised_variance([100.0, np.nan]), "nan at position 1"),
        (lambda: realised_variance([100.0, 0.0]), "need positive prices"),
        (lambda: realised_variance([100.0]), "1 prices; a step of 1 needs at least 2"),
        (lambda: realised_variance([100.0, 101.0], every=0), "at least 1"),
        (lambda: bipower_variation([100.0, 101.0]), "at least two returns"),
        (lambda: realised_volatility([100.0, 101.0], days_per_year=0.0), "days_per_year"),
        (lambda: daily_realised_variance([1.0, 2.0], [1]), "name the day of each price"),
        (lambda: daily_realised_variance([1.0, 2.0], [2, 1]), "go back at position 1"),
        (lambda: daily_realised_variance([1.0, 2.0, 3.0], [1, 1, 2]), "day 2 has 1 prices"),
        (lambda: fit_har(REALISED, transform="cube"), "unknown transform"),
        (lambda: fit_har(REALISED, lags=(5, 1)), "rising"),
        (lambda: fit_har(REALISED[:25]), "25 days; lags to 22"),
        (lambda: fit_har([1e-4] * 100), "do not move enough"),
        (lambda: fit_har([0.0, *REALISED], transform="log"), "nor zero under a logarithm"),
        (lambda: fit_har([-1e-4, *REALISED]), "cannot be negative"),
        (lambda: fit_har(REALISED).forecast(0), "at least one day"),
        (lambda: fit_har(REALISED).forecast(1, level=1.0), "coverage"),
        (lambda: fit_har(REALISED).standard_errors(hac_lags=-1), "hac_lags"),
    ):
        with pytest.raises(MeasureError, match=match):
            wrong()
