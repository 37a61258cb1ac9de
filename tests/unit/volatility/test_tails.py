"""Tomorrow's VaR and ES from a vector's volatility: closed forms, exact gradients, and how often they are exceeded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import ConventionError, Conventions, EwmaStart, Mean
from risk_core.measures import MeasureError
from risk_core.volatility import (
    VolatilityStatus,
    fit_garch,
    fit_garch_normal,
    fit_garch_t,
    fit_garch_tail,
    fit_riskmetrics_2006,
    riskmetrics_2006,
    riskmetrics_2006_weights,
    step,
)
from tests.unit.volatility.series import Floats, garch_series

PNL = 1e4 * garch_series(400, 3, alpha=0.1, gamma=0.05, beta=0.8, df=6.0)[::-1]
SAMPLE = Conventions(mean=Mean.SAMPLE)
KINDS: list[dict[str, Any]] = [
    {},
    {"innovation": "student_t"},
    {"asymmetric": True, "innovation": "student_t", "start": "mean_square"},
    {"variance_targeting": True, "conventions": SAMPLE},
    {"asymmetric": True, "innovation": "student_t", "conventions": SAMPLE},
]


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_normal_and_t_closed_forms(confidence: float) -> None:
    """Volatility from the fit; quantile and tail mean from scipy."""
    normal, heavy = fit_garch_normal(PNL), fit_garch_t(PNL)
    oldest_first = fit_garch(PNL[::-1])
    z = stats.norm.ppf(confidence)
    assert normal.value_at_risk(confidence).value == pytest.approx(z * oldest_first.state.volatility, rel=1e-12)
    shortfall = stats.norm.pdf(z) / (1.0 - confidence) * oldest_first.state.volatility
    assert normal.expected_shortfall(confidence).value == pytest.approx(shortfall, rel=1e-9)
    df = heavy.fit.parameters["df"]
    law = stats.t(df, 0.0, heavy.fit.state.volatility * np.sqrt((df - 2.0) / df))
    assert heavy.value_at_risk(confidence).value == pytest.approx(law.ppf(confidence), rel=1e-9)
    beyond = quad(law.ppf, confidence, 1.0)[0] / (1.0 - confidence)
    assert heavy.expected_shortfall(confidence).value == pytest.approx(beyond, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("measure", ["value_at_risk", "expected_shortfall"])
def test_gradients_go_through_the_estimate(kind: dict[str, Any], weighted: bool, measure: str) -> None:
    """Against fits of moved vectors; held parameters would be wrong by far more."""
    weights = np.linspace(1.5, 0.5, PNL.size) if weighted else None

    def number(pnl: Floats) -> float:
        return float(getattr(fit_garch_tail(pnl, weights, **kind), measure)(0.99).value)

    measured = getattr(fit_garch_tail(PNL, weights, **kind), measure)(0.99)
    assert measured.gradient @ PNL == pytest.approx(measured.value, rel=1e-12)
    largest = np.abs(measured.gradient).max()
    for s in (0, 1, 7, 200, 399):
        step = 1.0 * (np.arange(PNL.size) == s)
        slope = (number(PNL + step) - number(PNL - step)) / 2.0
        assert measured.gradient[s] == pytest.approx(slope, abs=1e-6 * largest)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 3.0, 1e6]), st.sampled_from(KINDS), st.sampled_from([0.9, 0.975, 0.999]))
def test_euler_homogeneity_and_order(seed: int, factor: float, kind: dict[str, Any], confidence: float) -> None:
    """Whatever the status: bounds and constant variances are homogeneous too."""
    pnl = np.random.default_rng(seed).standard_t(4, 250)
    one, other = fit_garch_tail(pnl, **kind), fit_garch_tail(factor * pnl, **kind)
    risk, shortfall = one.value_at_risk(confidence), one.expected_shortfall(confidence)
    assert other.value_at_risk(confidence).value == pytest.approx(factor * risk.value, rel=1e-8)
    assert risk.gradient @ pnl == pytest.approx(risk.value, rel=1e-9)
    assert shortfall.gradient @ pnl == pytest.approx(shortfall.value, rel=1e-9)
    assert shortfall.value > risk.value > 0.0
    assert risk.fit_status is one.fit.status


def test_gradients_at_bounds() -> None:
    """A parameter at its bound stays there as the vector moves."""
    flat = next(p for p in (np.random.default_rng(s).standard_normal(300) for s in range(9)) if _status(p) == "no_clustering")
    nervous = np.where(np.arange(400) < 100, 5.0, 1.0)  # newest first
    broken = (nervous * np.random.default_rng(s).standard_normal(400) for s in range(9))
    root = next(p for p in broken if _status(p) == "near_unit_root")
    for pnl in (flat, root):
        measured = fit_garch_normal(pnl).value_at_risk(0.99)
        for s in (0, 50, 299):
            step = 1e-4 * (np.arange(pnl.size) == s)
            slope = (fit_garch_normal(pnl + step).value_at_risk(0.99).value - fit_garch_normal(pnl - step).value_at_risk(0.99).value) / 2e-4
            assert measured.gradient[s] == pytest.approx(slope, abs=1e-6)


def test_riskmetrics_2006_is_a_normal_law_with_its_own_weights() -> None:
    tail = fit_riskmetrics_2006(PNL)
    sigma = np.sqrt(riskmetrics_2006_weights(400) @ PNL**2)
    assert tail.value_at_risk(0.99).value == pytest.approx(stats.norm.ppf(0.99) * sigma, rel=1e-12)
    assert tail.expected_shortfall(0.975).value == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025 * sigma, rel=1e-9)
    assert tail.value_at_risk(0.99).gradient @ PNL == pytest.approx(tail.value_at_risk(0.99).value)
    assert sigma == pytest.approx(riskmetrics_2006(PNL[::-1], start="mean_square").state.volatility, rel=0.1)
    raw = fit_riskmetrics_2006(PNL, conventions=Conventions(ewma_start=EwmaStart.ZERO))
    assert raw.value_at_risk(0.99).value < tail.value_at_risk(0.99).value
    with pytest.raises(MeasureError, match="weights days by its own rule"):
        fit_riskmetrics_2006(PNL, np.linspace(1.0, 2.0, 400))


def test_days_beyond_value_at_risk() -> None:
    """400 days, of t innovations, after windows of 600: fitted every tenth day, carried on by `step`; four binomial standard errors."""
    series = garch_series(1000, 21, alpha=0.1, beta=0.87, df=5.0)
    beyond = {"t": 0, "normal": 0}
    for day in range(600, 1000):
        window = series[day - 600 : day][::-1]
        if day % 10 == 0:
            heavy, normal = fit_garch_t(window).fit, fit_garch_normal(window).fit
            df = heavy.parameters["df"]
            q, z = stats.t.ppf(0.95, df) * np.sqrt((df - 2.0) / df), stats.norm.ppf(0.95)
            states = {"t": (heavy.state, q), "normal": (normal.state, z)}
        for name, (state, factor) in states.items():
            beyond[name] += series[day] < -factor * state.volatility
            states[name] = (step(state, float(series[day])), factor)
    assert beyond["t"] == pytest.approx(20, abs=4 * np.sqrt(400 * 0.05 * 0.95))
    assert beyond["normal"] == pytest.approx(20, abs=4 * np.sqrt(400 * 0.05 * 0.95))


@pytest.mark.parametrize("fit", [fit_garch_normal, fit_garch_t])
@pytest.mark.parametrize("pnl", [[0.0] * 200, [3.0] * 200, [-1.0], [2.0, -1.0, 0.5]], ids=["zero book", "constant", "one", "three"])
def test_nothing_to_fit_is_the_mean_square(fit: Any, pnl: list[float]) -> None:
    tail, vector = fit(pnl), np.array(pnl)
    measured = tail.value_at_risk(0.99)
    assert measured.fit_status in (VolatilityStatus.CONSTANT, VolatilityStatus.TOO_SHORT)
    assert measured.value == pytest.approx(stats.norm.ppf(0.99) * np.sqrt(np.mean(vector**2)), rel=0.02)  # df 200 stands for the normal
    assert measured.gradient @ vector == pytest.approx(measured.value)
    assert measured.doubts
    assert measured.reason
    constant = fit_garch_tail(pnl, conventions=SAMPLE).expected_shortfall(0.99)
    assert constant.gradient.sum() == pytest.approx(-1.0, abs=1e-9)
    assert constant.gradient @ vector == pytest.approx(constant.value)


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, st.integers(1, 130), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1e6])))
def test_any_vector_has_finite_numbers(pnl: np.ndarray) -> None:
    for fit in (fit_garch_normal, fit_garch_t, fit_riskmetrics_2006):
        for measured in (fit(pnl).value_at_risk(0.99), fit(pnl).expected_shortfall(0.99)):
            assert np.isfinite(measured.value)
            assert np.isfinite(measured.gradient).all()
            assert measured.gradient @ pnl == pytest.approx(measured.value, rel=1e-6, abs=1e-9)


def test_bad_input() -> None:
    for fit in (fit_garch_normal, fit_garch_t, fit_riskmetrics_2006):
        with pytest.raises(MeasureError, match="pnl is empty"):
            fit([])
        with pytest.raises(MeasureError, match="pnl is nan at position 1"):
            fit([1.0, np.nan])
        with pytest.raises(ConventionError, match=r"0.99 may be meant"):
            fit(PNL).value_at_risk(99)
    with pytest.raises(ConventionError, match="weights that sum to one"):
        fit_garch_tail(PNL, conventions=Conventions(ewma_start=EwmaStart.ZERO))


def _status(pnl: Floats) -> str:
    return str(fit_garch_normal(pnl).fit.status)
