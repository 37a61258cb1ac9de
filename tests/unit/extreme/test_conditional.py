"""Conditional extreme value theory: rescaling by hand, the gradient, and GARCH volatilities of the arch package, simulated and real."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from risk_core.extreme import conditional_peaks, fit_peaks
from risk_core.measures import MeasureError

from .evidence import backtest, garch, sp500_returns

Floats = NDArray[np.float64]


def sample(count: int = 600) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    volatility = 1.0 + 0.5 * np.sin(np.arange(count) / 40.0)
    return volatility * rng.standard_t(5, count), volatility


def test_rescaled_by_hand() -> None:
    pnl, volatility = sample()
    fit = conditional_peaks(pnl, volatility, 1.7, mean=0.1, forecast_mean=0.05, threshold=0.85)
    plain = fit_peaks((pnl - 0.1) / volatility, threshold=0.85)
    for name in ("value_at_risk", "expected_shortfall"):
        assert getattr(fit, name)(0.99).value == pytest.approx(1.7 * getattr(plain, name)(0.99).value - 0.05, rel=1e-12)
    interval, residual = fit.interval(0.99), plain.interval(0.99)
    assert interval.upper is not None
    assert residual.upper is not None
    assert (interval.lower, interval.upper) == pytest.approx((1.7 * residual.lower - 0.05, 1.7 * residual.upper - 0.05), rel=1e-12)


def test_constant_volatility_changes_nothing() -> None:
    pnl, _ = sample()
    level = conditional_peaks(pnl, np.full(600, 2.5), 2.5).value_at_risk(0.99)
    plain = fit_peaks(pnl).value_at_risk(0.99)
    assert level.value == pytest.approx(plain.value, rel=1e-9)
    assert level.gradient == pytest.approx(plain.gradient, abs=1e-9)


@pytest.mark.parametrize("name", ["value_at_risk", "expected_shortfall"])
def test_gradient_and_euler_at_given_volatilities(name: str) -> None:
    pnl, volatility = sample(200)

    def value(vector: Floats) -> float:
        return float(getattr(conditional_peaks(vector, volatility, 1.3), name)(0.99).value)

    measured = getattr(conditional_peaks(pnl, volatility, 1.3), name)(0.99)
    assert measured.gradient @ pnl == pytest.approx(measured.value, rel=1e-12)
    for s in measured.observations:
        bump = 1e-6 * (np.arange(200) == s)
        assert measured.gradient[s] == pytest.approx((value(pnl + bump) - value(pnl - bump)) / 2e-6, abs=1e-5)


def test_simulated_garch_with_volatilities_of_arch() -> None:
    """GARCH(1,1) with t(5) innovations of variance one, fitted by Gaussian quasi-likelihood: tomorrow's VaR within 15 % of the truth."""
    pytest.importorskip("arch")
    rng = np.random.default_rng(4)
    innovations = rng.standard_t(5, 3001) * np.sqrt(3.0 / 5.0)
    variance, pnl = np.empty(3001), np.empty(3001)
    variance[0] = 1.0
    for t in range(3001):
        pnl[t] = np.sqrt(variance[t]) * innovations[t]
        if t < 3000:
            variance[t + 1] = 0.05 + 0.1 * pnl[t] ** 2 + 0.85 * variance[t]
    volatility = garch(pnl[:3000], pnl)
    fit = conditional_peaks(pnl[:3000], volatility[:3000], float(volatility[3000]))
    truth = np.sqrt(variance[3000]) * np.sqrt(3.0 / 5.0)
    for confidence in (0.95, 0.99, 0.999):
        assert fit.value_at_risk(confidence).value == pytest.approx(-truth * stats.t.ppf(1.0 - confidence, 5), rel=0.15)
    q = stats.t.ppf(0.01, 5)
    assert fit.expected_shortfall(0.99).value == pytest.approx(truth * stats.t.pdf(q, 5) / 0.01 * (5 + q * q) / 4, rel=0.15)


def test_real_returns() -> None:
    """The last 500 days of arch's S&P 500 file, exceptions at 0.99: no more than of GARCH with a normal law, and not too many to accept."""
    pytest.importorskip("arch")
    found = backtest(sp500_returns()[-1500:])
    assert found["days"] == 500
    assert stats.binomtest(found["conditional"], 500, 0.01).pvalue > 0.01
    assert found["conditional"] <= found["garch_normal"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda p, v: conditional_peaks(p, v[1:], 1.0), "volatility must have the length of pnl, 600, not 599"),
        (lambda p, v: conditional_peaks(p, v - 0.6, 1.0), "must be positive, so leave out days"),
        (lambda p, v: conditional_peaks(p, v * np.nan, 1.0), "volatility is nan at position 0"),
        (lambda p, v: conditional_peaks(p, v, 0.0), "forecast must be positive, not 0.0"),
        (lambda p, v: conditional_peaks(p, v, np.nan), "forecast must be finite"),
        (lambda p, v: conditional_peaks(p, v, 1.0, forecast_mean=np.inf), "forecast_mean must be finite"),
        (lambda p, v: conditional_peaks(p, v, 1.0, mean=np.nan), "mean must be finite"),
        (lambda p, v: conditional_peaks(p, v, 1.0, mean=[1.0, 2.0]), "mean must be one number or have the length"),
    ],
)
def test_bad_input(bad: Callable[[Floats, Floats], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad(*sample())
