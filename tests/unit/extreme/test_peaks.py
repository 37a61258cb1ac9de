"""Peaks over threshold: published numbers, the formulas by hand, gradients, laws with their counterexamples, degenerate vectors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import ConventionError
from risk_core.extreme import (
    FitMethod,
    FitStatus,
    InfiniteMeanError,
    PeaksFit,
    fit_peaks,
    gpd_quantile,
    peaks_expected_shortfall,
    peaks_value_at_risk,
)
from risk_core.extreme.kernels import risk_factor
from risk_core.measures import MeasureError, attribute, expected_shortfall, value_at_risk

Floats = NDArray[np.float64]


def student(seed: int, count: int = 400, df: float = 4.0) -> Floats:
    return np.asarray(np.random.default_rng(seed).standard_t(df, count))


def measure(fit: PeaksFit, name: str, confidence: float) -> float:
    return float(getattr(fit, name)(confidence).value)


def test_att_weekly_losses() -> None:
    """McNeil, Frey and Embrechts, Quantitative Risk Management, sec. 5.2: AT&T, 521 weeks, 102 beyond 2.75 %, xi 0.22, beta 2.1.

    They print VaR 11.7 and ES 17.0 in per cent at 0.99; their own inputs, rounded to two figures, leave 0.3 of room.
    """
    depth = log(102 / 521 / 0.01)
    assert 2.75 + 2.1 * risk_factor(0.22, depth, False)[0] == pytest.approx(11.7, abs=0.2)
    assert 2.75 + 2.1 * risk_factor(0.22, depth, True)[0] == pytest.approx(17.0, abs=0.3)


def test_formulas_by_hand() -> None:
    """The measures from their textbook form; shortfall also as the mean of value at risk over confidences."""
    fit = fit_peaks(student(0))
    u, p, xi, beta = fit.threshold, 0.1, fit.gpd.shape, fit.gpd.scale
    for tail in (0.1, 0.05, 0.01, 0.001):
        confidence = 1.0 - tail
        var = u + beta / xi * ((tail / p) ** -xi - 1.0)
        assert measure(fit, "value_at_risk", confidence) == pytest.approx(var, rel=1e-12)
        es = quad(lambda s: u + beta / xi * ((s / p) ** -xi - 1.0), 0.0, tail)[0] / tail
        assert measure(fit, "expected_shortfall", confidence) == pytest.approx(es, rel=1e-6)
    losses = np.sort(-student(0))[::-1]
    assert u == losses[40]
    assert fit.gpd.count == 40
    assert fit.excesses == pytest.approx(losses[:40] - u)


def test_exponential_tail_in_closed_form() -> None:
    """Exponential quantiles: VaR is -log(tail), ES one more, whatever the threshold."""
    losses = -np.log((np.arange(20_000) + 0.5) / 20_000)
    for threshold in (0.8, 0.9, 0.97):
        fit = fit_peaks(-losses, threshold=threshold)
        assert measure(fit, "value_at_risk", 0.999) == pytest.approx(-log(0.001), rel=2e-3)
        assert measure(fit, "expected_shortfall", 0.999) == pytest.approx(1.0 - log(0.001), rel=5e-3)


@pytest.mark.parametrize("shape", [-0.2, 0.3])
def test_exact_pareto(shape: float) -> None:
    losses = gpd_quantile((np.arange(20_000) + 0.5) / 20_000, shape, 2.0)
    var = float(gpd_quantile(0.995, shape, 2.0))
    fit = fit_peaks(-losses, threshold=0.9)
    assert fit.gpd.scale == pytest.approx(2.0 + shape * fit.threshold, rel=0.02)  # beta grows with the threshold
    assert measure(fit, "value_at_risk", 0.995) == pytest.approx(var, rel=2e-3)
    assert measure(fit, "expected_shortfall", 0.995) == pytest.approx((var + 2.0) / (1.0 - shape), rel=1e-2)


@pytest.mark.parametrize("name", ["value_at_risk", "expected_shortfall"])
@pytest.mark.parametrize("method", list(FitMethod))
@pytest.mark.parametrize("threshold", [0.8, "auto"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_equal_finite_differences(name: str, method: FitMethod, threshold: float | str, weighted: bool) -> None:
    pnl = student(6, 150) * 1000.0
    weights = np.linspace(1.0, 3.0, 150) if weighted else None

    def value(vector: Floats) -> float:
        return measure(fit_peaks(vector, weights, threshold=threshold, method=method), name, 0.99)

    fit = fit_peaks(pnl, weights, threshold=threshold, method=method)
    measured = getattr(fit, name)(0.99)
    step = 1e-4
    touched = [*fit.exceedances.tolist(), fit.threshold_observation]
    for s in touched:
        bump = step * (np.arange(150) == s)
        assert measured.gradient[s] == pytest.approx((value(pnl + bump) - value(pnl - bump)) / (2 * step), abs=5e-6)
    assert set(measured.observations.tolist()) <= set(touched)
    assert measured.gradient @ pnl == pytest.approx(measured.value, rel=1e-12)
    assert measured.gradient.sum() == pytest.approx(-1.0, rel=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([1e-6, 0.5, 4.0, 1e6]),
    cash=st.floats(-5.0, 5.0),
    method=st.sampled_from(list(FitMethod)),
    name=st.sampled_from(["value_at_risk", "expected_shortfall"]),
    weighted=st.booleans(),
)
def test_homogeneous_and_translation_invariant(seed: int, factor: float, cash: float, method: FitMethod, name: str, weighted: bool) -> None:
    pnl = student(seed, 200, 5.0)
    weights = np.random.default_rng(seed).uniform(0.5, 2.0, 200) if weighted else None
    fit = fit_peaks(pnl, weights, method=method)
    if fit.gpd.shape >= 1.0:
        return
    measured = getattr(fit, name)(0.99)
    assert measured.gradient @ pnl == pytest.approx(measured.value, rel=1e-9)
    assert measure(fit_peaks(factor * pnl, weights, method=method), name, 0.99) == pytest.approx(factor * measured.value, rel=1e-8)
    assert measure(fit_peaks(pnl + cash, weights, method=method), name, 0.99) == pytest.approx(measured.value - cash, abs=1e-7)


@settings(max_examples=150, deadline=None)
@given(
    pnl=st.lists(st.integers(-40, 40).map(lambda k: k / 8.0), min_size=1, max_size=80),
    data=st.data(),
    method=st.sampled_from(list(FitMethod)),
    threshold=st.sampled_from([0.5, 0.8, 0.95, "auto"]),
)
def test_a_finite_number_or_a_clear_refusal(pnl: list[float], data: st.DataObject, method: FitMethod, threshold: float | str) -> None:
    """Ties, few scenarios, weights that vanish: never NaN, never another error."""
    weights = data.draw(st.none() | st.lists(st.sampled_from([0.0, 1e-12, 1.0, 3.0]), min_size=len(pnl), max_size=len(pnl)))
    with suppress(MeasureError):
        fit = fit_peaks(pnl, weights, threshold=threshold, method=method)
        assert fit.gpd.scale > 0.0
        for name in ("value_at_risk", "expected_shortfall"):
            measured = getattr(fit, name)(0.99, otherwise="empirical")
            assert np.isfinite(measured.value)
            assert np.isfinite(measured.gradient).all()
            interval = fit.interval(0.99, of=name, method="profile" if method is FitMethod.ML else "delta")
            assert np.isfinite(interval.lower)
            assert interval.upper is None or np.isfinite(interval.upper)


def test_not_monotone() -> None:
    """A larger loss in one exceedance lowers value at risk: it lies where it makes the tail look lighter."""
    pnl = student(0, 200)
    measured = fit_peaks(pnl).value_at_risk(0.99)
    at = int(np.argmax(measured.gradient))
    assert measured.gradient[at] > 0.5
    worse = pnl - 1e-3 * (np.arange(200) == at)
    assert fit_peaks(worse).value_at_risk(0.99).value < measured.value


def test_not_subadditive() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.standard_t(3, 60).round(1), rng.standard_t(3, 60).round(1)
    risks = [measure(fit_peaks(v, threshold=0.8), "expected_shortfall", 0.95) for v in (one, two, one + two)]
    assert risks[2] > 1.5 * (risks[0] + risks[1])


def test_components_add_up() -> None:
    rng = np.random.default_rng(4)
    exposures, shocks = np.array([3.0, -1.0, 2.0]), rng.standard_t(4, (3, 500)) * 0.01
    for function, name in ((peaks_value_at_risk, "value_at_risk"), (peaks_expected_shortfall, "expected_shortfall")):
        parts = attribute(exposures, shocks, function, 0.99)
        assert parts.component.sum() == pytest.approx(measure(fit_peaks(exposures @ shocks), name, 0.99))
    body = peaks_expected_shortfall(shocks[0], 0.8)
    assert body.value == expected_shortfall(shocks[0], 0.8).value


def test_a_confidence_in_the_body_is_refused_or_empirical() -> None:
    pnl, weights = student(1), np.linspace(1.0, 2.0, 400)
    fit = fit_peaks(pnl, weights)
    for name, plain in (("value_at_risk", value_at_risk), ("expected_shortfall", expected_shortfall)):
        with pytest.raises(MeasureError, match=r"confidence 0.85 lies in the body.*otherwise='empirical'"):
            getattr(fit, name)(0.85)
        stand_in = getattr(fit, name)(0.85, otherwise="empirical")
        assert stand_in.value == plain(pnl, 0.85, weights).value
        assert (stand_in.fit_status, stand_in.reason) == (FitStatus.BODY, "inside the body: the empirical number stands in")
        assert getattr(fit, name)(0.95, otherwise="empirical").fit_status is FitStatus.OK
    with pytest.raises(MeasureError, match="otherwise must be"):
        fit.value_at_risk(0.99, otherwise="nan")


def test_at_the_threshold_value_at_risk_is_the_threshold() -> None:
    fit = fit_peaks(student(1))
    measured = fit.value_at_risk(0.9)
    assert measured.value == pytest.approx(fit.threshold, rel=1e-14)
    assert measured.observations.tolist() == [fit.threshold_observation]


def test_a_tail_without_a_mean() -> None:
    pnl = -gpd_quantile(np.random.default_rng(2).random(1000), 1.5, 1.0)
    fit = fit_peaks(pnl)
    assert fit.status is FitStatus.INFINITE_MEAN
    var = fit.value_at_risk(0.999)
    assert (var.fit_status, np.isfinite(var.value)) == (FitStatus.INFINITE_MEAN, True)
    with pytest.raises(InfiniteMeanError, match="expected shortfall is infinite"):
        fit.expected_shortfall(0.99)
    with pytest.raises(InfiniteMeanError):
        peaks_expected_shortfall(pnl, 0.99)
    with pytest.raises(InfiniteMeanError):
        fit.interval(0.99, of="expected_shortfall")
    stand_in = fit.expected_shortfall(0.99, otherwise="empirical")
    assert stand_in.value == expected_shortfall(pnl, 0.99).value
    assert (stand_in.fit_status, stand_in.reason) == (FitStatus.INFINITE_MEAN, "without a mean: the empirical number stands in")


def test_boundary_fit_still_has_its_euler_sum() -> None:
    pnl = -np.arange(1.0, 301.0)
    measured = fit_peaks(pnl).value_at_risk(0.99)
    assert measured.fit_status is FitStatus.BOUNDARY
    assert measured.gradient @ pnl == pytest.approx(measured.value)
    assert 290.0 < measured.value < 300.0


def test_ties_and_weights() -> None:
    """Losses equal to the threshold are no exceedances; whole weights repeat scenarios, thresholds between repeats aside."""
    rng = np.random.default_rng(9)
    rough = rng.standard_t(4, 500).round(1)
    fit = fit_peaks(rough)
    assert fit.excesses.min() > 0.0
    assert fit.exceedance_probability == pytest.approx(np.mean(-rough > fit.threshold))
    pnl, mass = student(3, 300), np.tile([2.0, 1.0, 0.0], 100)
    weighted, repeated = fit_peaks(pnl, mass), fit_peaks(np.repeat(pnl, mass.astype(int)))
    if weighted.threshold == repeated.threshold:
        assert measure(weighted, "value_at_risk", 0.99) == pytest.approx(measure(repeated, "value_at_risk", 0.99), rel=1e-9)
    assert not set(weighted.exceedances.tolist()) & set(range(2, 300, 3))
    assert fit_peaks(pnl, np.full(300, 5.0)).value_at_risk(0.99).value == pytest.approx(fit_peaks(pnl).value_at_risk(0.99).value)


def test_few_exceedances_are_named() -> None:
    measured = fit_peaks(student(1, 100)).value_at_risk(0.99)
    assert measured.fit_status is FitStatus.FEW_EXCEEDANCES
    assert "10 effective excesses" in measured.reason
    assert measured.status == "ok"


def test_gains_only_give_a_negative_number() -> None:
    fit = fit_peaks(100.0 + student(0))
    assert fit.value_at_risk(0.99).value == pytest.approx(fit_peaks(student(0)).value_at_risk(0.99).value - 100.0, rel=1e-9)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: fit_peaks([]), "pnl is empty"),
        (lambda: fit_peaks([1.0, np.inf]), "pnl is inf at position 1"),
        (lambda: fit_peaks([-3.0]), "0 of 1 scenarios with weight lie beyond"),
        (lambda: fit_peaks(np.full(50, 2.0)), "0 of 50 scenarios.*lower the threshold, or give more scenarios"),
        (lambda: fit_peaks(np.zeros(50), threshold="auto"), "no candidate threshold"),
        (lambda: fit_peaks(student(0, 30), [1.0] + 29 * [0.0]), "0 of 30 scenarios"),
        (lambda: fit_peaks(student(0, 20)), "2 of 20 scenarios"),
        (lambda: fit_peaks(np.array([-5.0] * 5 + [0.0] * 45)), "all excesses are equal"),
        (lambda: fit_peaks(student(0), np.ones(3)), "length of pnl"),
        (lambda: fit_peaks(student(0), threshold="best"), "'auto' or None, not 'best'"),
        (lambda: fit_peaks(student(0), method="bayes"), "choose one of ml, pwm"),
        (lambda: fit_peaks(student(0)).interval(0.99, of="median"), "unknown measure 'median'"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()


def test_bad_confidence() -> None:
    for bad in (99, 0.01, True):
        with pytest.raises(ConventionError):
            fit_peaks(student(0)).value_at_risk(bad)
    with pytest.raises(ConventionError, match=r"0.9 may be meant"):
        fit_peaks(student(0), threshold=0.1)


def test_far_tail_of_t4_against_the_order_statistic() -> None:
    """Over 300 samples of 1000: at 0.999 the fitted VaR has a smaller error than the worst loss."""
    truth = -float(stats.t.ppf(0.001, 4))
    samples = [student(seed, 1000) for seed in range(300)]
    fitted = [fit_peaks(pnl).value_at_risk(0.999).value / truth - 1.0 for pnl in samples]
    plain = [value_at_risk(pnl, 0.999).value / truth - 1.0 for pnl in samples]
    assert np.sqrt(np.mean(np.square(fitted))) < 0.6 * np.sqrt(np.mean(np.square(plain)))
    assert abs(np.mean(fitted)) < 0.1
    assert exp(np.mean(np.log1p(fitted))) == pytest.approx(1.0, abs=0.1)
