"""Intervals: the profile against a plain search over all parameters, limits that must not be infinite, coverage in a small simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize

from risk_core.extreme import IntervalMethod, IntervalStatus, PeaksFit, fit_peaks, gpd_quantile
from risk_core.measures import MeasureError

from .evidence import LAWS, MEASURES, simulate

Floats = NDArray[np.float64]


def student(seed: int, count: int = 1000, df: float = 4.0) -> Floats:
    return np.asarray(np.random.default_rng(seed).standard_t(df, count))


def deviance(fit: PeaksFit, value: float, tail: float, shortfall: bool) -> float:
    """Return twice the fall of the likelihood where the measure has a value, by Nelder-Mead over the other two parameters."""
    y, n = fit.excesses, fit.pnl.size

    def log_likelihood(xi: float, beta: float, p: float) -> float:
        return float(stats.genpareto.logpdf(y, xi, 0, beta).sum() + stats.binom.logpmf(y.size, n, p))

    def hidden(point: Floats) -> float:
        xi, p = point
        if not (tail < p < 1.0 and -1.0 < xi < (1.0 if shortfall else 9.0)):
            return 1e9
        quantile = np.expm1(xi * np.log(p / tail)) / xi
        factor = (1.0 + quantile) / (1.0 - xi) if shortfall else quantile
        return min(-log_likelihood(xi, (value - fit.threshold) / factor, p), 1e9)

    best = log_likelihood(fit.gpd.shape, fit.gpd.scale, y.size / n)
    start = np.array([fit.gpd.shape + 0.01, max(y.size / n, 1.001 * tail)])
    found = minimize(hidden, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000})
    return 2.0 * (best + float(found.fun))


@pytest.mark.parametrize("of", MEASURES)
@pytest.mark.parametrize("confidence", [0.9, 0.91, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_profile_ends_have_the_deviance_of_the_level(of: str, confidence: float, level: float) -> None:
    fit = fit_peaks(student(3))
    interval = fit.interval(confidence, level, of=of)
    assert interval.upper is not None
    tail, asked = 1.0 - confidence, float(stats.chi2.ppf(level, 1))
    shortfall = of == "expected_shortfall"
    assert deviance(fit, interval.upper, tail, shortfall) == pytest.approx(asked, abs=1e-3)
    if interval.status is IntervalStatus.OK:
        assert deviance(fit, interval.lower, tail, shortfall) == pytest.approx(asked, abs=1e-3)
    else:
        assert interval.lower == fit.threshold
        assert deviance(fit, fit.threshold + 1e-6, tail, shortfall) < asked
    assert getattr(fit, of)(confidence).value in interval
    assert interval.upper + 1e-9 not in interval


def test_delta_by_hand_and_its_place_beside_the_profile() -> None:
    """The standard error from finite differences of the formula in (xi, beta, p); far out, the profile reaches further up."""
    fit = fit_peaks(student(3))
    assert fit.gpd.covariance is not None

    def formula(xi: float, beta: float, p: float) -> float:
        return float(fit.threshold + beta * np.expm1(xi * np.log(p / 0.01)) / xi)

    point = np.array([fit.gpd.shape, fit.gpd.scale, 0.1])
    slope = np.array([(formula(*(point + h)) - formula(*(point - h))) / 2e-6 for h in 1e-6 * np.eye(3)])
    covariance = np.zeros((3, 3))
    covariance[:2, :2], covariance[2, 2] = fit.gpd.covariance, 0.1 * 0.9 / 1000
    error = np.sqrt(slope @ covariance @ slope)
    delta = fit.interval(0.99, method="delta")
    value = fit.value_at_risk(0.99).value
    assert delta.upper is not None
    assert (delta.lower, delta.upper) == pytest.approx((value - 1.959964 * error, value + 1.959964 * error), rel=1e-6)
    profile = fit.interval(0.999, of="expected_shortfall")
    symmetric = fit.interval(0.999, of="expected_shortfall", method="delta")
    assert profile.upper is not None
    assert symmetric.upper is not None
    assert profile.upper > symmetric.upper
    assert profile.lower > symmetric.lower


def test_an_interval_without_upper_end() -> None:
    heavy = fit_peaks(-gpd_quantile(np.random.default_rng(0).random(500), 0.8, 1.0))
    assert heavy.gpd.shape < 1.0
    interval = heavy.interval(0.99, of="expected_shortfall")
    assert (interval.upper, interval.status) == (None, IntervalStatus.UNBOUNDED)
    assert 1e12 in interval
    assert interval.lower - 1.0 not in interval
    assert heavy.interval(0.99).upper is not None


def test_units_and_moments() -> None:
    pnl = student(5)
    plain, scaled = fit_peaks(pnl).interval(0.99), fit_peaks(1e6 * pnl).interval(0.99)
    assert plain.upper is not None
    assert scaled.upper is not None
    assert (scaled.lower, scaled.upper) == pytest.approx((1e6 * plain.lower, 1e6 * plain.upper), rel=1e-7)
    moments = fit_peaks(pnl, method="pwm")
    assert moments.value_at_risk(0.99).value in moments.interval(0.99, method=IntervalMethod.DELTA)


def test_weights_widen() -> None:
    """Half the effective scenarios, an interval about sqrt(2) times as wide."""
    pnl = student(5, 2000)
    weights = np.where(np.arange(2000) % 2, 1.0, 0.0)
    half, all_of_them = fit_peaks(pnl, weights), fit_peaks(np.concatenate((pnl[1::2], pnl[1::2])))
    narrow, wide = all_of_them.interval(0.99), half.interval(0.99)
    assert wide.upper is not None
    assert narrow.upper is not None
    assert (wide.upper - wide.lower) / (narrow.upper - narrow.lower) == pytest.approx(np.sqrt(2.0), rel=0.15)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda fit: fit.interval(0.99, 95), "level must lie strictly between"),
        (lambda fit: fit.interval(0.99, method="bootstrap"), "choose one of profile, delta"),
        (lambda fit: fit.interval(0.8), "lies in the body"),
        (lambda fit: fit_peaks(fit.pnl, method="pwm").interval(0.99), "use method 'delta', or fit with 'ml'"),
        (lambda fit: fit_peaks(-np.arange(300.0)).interval(0.99), "this fit has no interval: the likelihood rises"),
    ],
)
def test_bad_input(bad: Callable[[PeaksFit], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad(fit_peaks(student(0)))


def test_bias_error_and_coverage() -> None:
    """A small share of the page's table: 120 samples of 1000 from t(4), whose binomial error on a coverage of 0.95 is 0.02."""
    found = simulate(LAWS["t(4)"], 1000, 120, 1)
    for evidence in found.values():
        assert abs(evidence.bias) < 0.05
        assert evidence.error < 0.2
        assert evidence.profile_coverage > 0.88
        assert evidence.delta_coverage > 0.8
