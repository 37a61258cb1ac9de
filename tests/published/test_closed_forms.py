"""Functions that take a textbook's parameters in place of data: against scipy, pandas, quadrature, fits and simulation."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

import risk_core as rc
from risk_core.extreme import InfiniteMeanError
from risk_core.parametric import FitStatus

SAMPLE = rc.Conventions(mean=rc.Mean.SAMPLE)
UNBIASED = rc.Conventions(mean=rc.Mean.SAMPLE, ddof=1)


# --- any law ---


@pytest.mark.parametrize(
    "law",
    [
        stats.norm(1.0, 3.0),
        stats.t(2.5, -1.0, 2.0),
        stats.norminvgauss(1.5, -0.7, 0.1, 2.0),
        stats.genhyperbolic(-0.5, 1.2, -0.3),
        stats.skewnorm(-4.0),
        stats.genextreme(0.2),
        stats.laplace(0.0, 1e-6),
        stats.uniform(-50.0, 100.0),
        stats.logistic(0.0, 1e6),
    ],
    ids=lambda law: law.dist.name,
)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_any_law_equals_the_mean_of_its_quantiles(law: Any, confidence: float) -> None:
    """scipy's quantile, averaged over the tail in depth = log(tail / p): the function reads one quantile, and distribution functions."""
    risk = rc.distribution_risk(law, confidence)
    tail = 1 - confidence
    mean = quad(lambda depth: float(law.ppf(tail * np.exp(-depth))) * np.exp(-depth), 0.0, 25.0, epsrel=1e-8, limit=200)[0]
    assert risk.value_at_risk == pytest.approx(-float(law.ppf(tail)), rel=1e-9)
    assert risk.expected_shortfall == pytest.approx(-mean, rel=1e-5)
    assert risk.expected_shortfall > risk.value_at_risk


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.9999])
def test_any_law_equals_the_closed_forms(confidence: float) -> None:
    for law, form in (
        (stats.norm(1.0, 3.0), rc.normal_closed_form(1.0, 3.0, confidence)),
        (stats.t(2.5, 0.5, 2.0), rc.student_t_closed_form(0.5, None, 2.5, confidence, scale=2.0)),
        (stats.t(1.2), rc.student_t_closed_form(0.0, None, 1.2, confidence, scale=1.0)),
        (stats.lognorm(0.2, -100.0, 100.0 * np.exp(0.1)), rc.lognormal_closed_form(100.0, 0.1, 0.2, confidence)),
    ):
        risk = rc.distribution_risk(law, confidence)
        assert risk.value_at_risk == pytest.approx(form.value_at_risk, rel=1e-9)
        assert risk.expected_shortfall == pytest.approx(form.expected_shortfall, rel=1e-7)


@pytest.mark.parametrize("law", [stats.cauchy(), stats.t(0.9), stats.norm(0.0, nan)], ids=["cauchy", "t", "nan"])
def test_a_law_without_a_mean_is_refused(law: Any) -> None:
    with pytest.raises(rc.MeasureError, match=r"mean|check its parameters"):
        rc.distribution_risk(law, 0.99)


# --- normal and t ---


def test_quantiles_stand_for_their_confidence_and_horizons_add_independent_periods() -> None:
    z = float(stats.norm.ppf(0.99))
    by_level, by_point = rc.normal_closed_form(0.1, 2.0, 0.99), rc.normal_closed_form(0.1, 2.0, quantile=z)
    assert by_point.value_at_risk == pytest.approx(by_level.value_at_risk, rel=1e-12)
    assert by_point.expected_shortfall == pytest.approx(by_level.expected_shortfall, rel=1e-12)
    ten = rc.normal_closed_form(0.1, 2.0, 0.99, horizon=10.0)
    assert ten == rc.normal_closed_form(1.0, 2.0 * sqrt(10.0), 0.99)
    assert rc.lognormal_closed_form(1.0, 0.1, 0.2, 0.9, horizon=4.0) == rc.lognormal_closed_form(1.0, 0.4, 0.4, 0.9)


def test_scale_and_standard_deviation_name_one_t() -> None:
    for nu in (2.1, 4.0, 30.0):
        by_deviation = rc.student_t_closed_form(0.2, 1.5, nu, 0.975)
        by_scale = rc.student_t_closed_form(0.2, None, nu, 0.975, scale=1.5 * sqrt((nu - 2) / nu))
        assert by_deviation.expected_shortfall == pytest.approx(by_scale.expected_shortfall, rel=1e-13)
        assert by_deviation.value_at_risk == pytest.approx(by_scale.value_at_risk, rel=1e-13)


def test_quantile_standard_error_equals_the_spread_of_simulated_quantiles() -> None:
    """4000 samples of 500 normals; their 95 % quantile spreads as the formula says, within 5 %."""
    found = np.quantile(np.random.default_rng(0).normal(size=(4000, 500)), 0.05, axis=1).std()
    expected = rc.quantile_standard_error(0.95, 500, float(stats.norm.pdf(stats.norm.ppf(0.05))))
    assert found == pytest.approx(expected, rel=0.05)


# --- extremes ---


@pytest.mark.parametrize("shape", [-0.6, -1e-9, 0.0, 1e-7, 0.3, 0.9])
@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_peaks_equal_scipy(shape: float, confidence: float) -> None:
    form = rc.peaks_closed_form(3.0, shape, 2.0, 0.05, confidence)
    law = stats.genpareto(shape, 3.0, 2.0)

    def var(tail: float) -> float:
        return float(law.isf(tail / 0.05))

    tail = round(1 - confidence, 12)
    assert form.value_at_risk == pytest.approx(var(tail), rel=1e-9)
    if shape < 0.9:  # scipy's quantiles lose digits far out
        assert form.expected_shortfall == pytest.approx(quad(var, 0.0, tail, epsrel=1e-10)[0] / tail, rel=1e-5)
    assert rc.peaks_tail_probability(form.value_at_risk, 3.0, shape, 2.0, 0.05) == pytest.approx(tail, rel=1e-9)


def test_hills_tail_is_a_case_of_peaks() -> None:
    form = rc.peaks_closed_form(2.0, 0.25, 0.25 * 2.0, 0.1, 0.99)
    assert form.value_at_risk == pytest.approx(2.0 * (0.01 / 0.1) ** -0.25, rel=1e-12)
    assert form.expected_shortfall == pytest.approx(form.value_at_risk / 0.75, rel=1e-12)


def test_peaks_equal_the_fit_on_data() -> None:
    """Three steps from losses and a threshold that is a number: excesses, fit, closed form."""
    pnl = np.random.default_rng(0).standard_t(4, 1000)
    fitted = rc.fit_peaks(pnl)
    excesses = -pnl[-pnl > fitted.threshold] - fitted.threshold
    tail = rc.fit_gpd(excesses)
    form = rc.peaks_closed_form(fitted.threshold, tail.shape, tail.scale, tail.count / pnl.size, 0.99)
    assert form.value_at_risk == pytest.approx(fitted.value_at_risk(0.99).value, rel=1e-12)
    assert form.expected_shortfall == pytest.approx(fitted.expected_shortfall(0.99).value, rel=1e-12)


@pytest.mark.parametrize("shape", [-0.8, -1e-8, 0.0, 1e-8, 0.335, 0.8])
@pytest.mark.parametrize(("block", "confidence"), [(1, 0.5), (21, 0.95), (63, 0.99), (250, 0.9999)])
def test_block_maxima_equal_scipy(shape: float, block: int, confidence: float) -> None:
    form = rc.block_maxima_closed_form(2.5, 0.9, shape, block, confidence)
    law = stats.genextreme(-shape, 2.5, 0.9)
    assert form.value_at_risk == pytest.approx(float(law.ppf(confidence**block)), rel=1e-6)

    def var(depth: float) -> float:  # by its textbook form, at the tail probability tail * exp(-depth)
        worst = block * -np.log1p(-(1 - confidence) * np.exp(-depth))
        return 2.5 + 0.9 * float(-np.log(worst) if abs(shape) < 1e-6 else (worst**-shape - 1) / shape)

    mean = quad(lambda d: var(d) * np.exp(-d), 0.0, 200.0, epsabs=1e-10, limit=400)[0]
    assert form.expected_shortfall == pytest.approx(mean, rel=1e-6)


# --- Cornish-Fisher ---


@pytest.mark.parametrize("kind", ["quantile", "operational", "edgeworth"])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_moments_equal_the_fit_on_data(kind: str, confidence: float) -> None:
    """The same moments from data, where the expansion is in its domain."""
    even = (np.arange(400) + 0.5) / 400
    pnl = 0.01 + 0.02 * (stats.t(7).ppf(even) + 0.15 * (1.0 - stats.norm.ppf(even) ** 2))
    fit = rc.fit_cornish_fisher(pnl, conventions=SAMPLE)
    m = fit.moments
    form = rc.cornish_fisher_closed_form(m.mean, m.standard_deviation, fit.skewness, fit.excess_kurtosis, confidence, kind=kind)
    assert fit.status == form.status == "ok"
    assert form.value_at_risk == pytest.approx(fit.value_at_risk(confidence).value, rel=1e-12)
    assert form.expected_shortfall == pytest.approx(fit.expected_shortfall(confidence, kind).value, rel=1e-12)


@pytest.mark.parametrize("terms", ["skewness", "kurtosis"])
def test_shortfall_is_the_mean_of_value_at_risk(terms: str) -> None:
    def var(confidence: float) -> float:
        return float(rc.cornish_fisher_closed_form(0.1, 2.0, -0.3, 0.8, confidence, terms=terms).value_at_risk)

    mean = quad(lambda depth: var(1 - 0.02 * np.exp(-depth)) * np.exp(-depth), 0.0, 28.0, epsrel=1e-9)[0]
    assert rc.cornish_fisher_closed_form(0.1, 2.0, -0.3, 0.8, 0.98, terms=terms).expected_shortfall == pytest.approx(mean, rel=1e-5)


@given(st.floats(-3.0, 3.0), st.floats(-2.0, 12.0), st.sampled_from(["skewness", "kurtosis"]), st.sampled_from([0.5, 0.9, 0.99]))
@settings(max_examples=200, deadline=None)
def test_outside_its_domain_the_formula_says_so(s: float, k: float, terms: str, confidence: float) -> None:
    """The status against the formula itself on a fine grid, down to thirty standard deviations."""
    form = rc.cornish_fisher_closed_form(0.0, 1.0, s, k, confidence, terms=terms)
    grid: Any = np.linspace(-30.0, -float(stats.norm.ppf(confidence)), 6001)
    falls = np.diff(rc.cornish_fisher(grid, s, k, terms)) < -1e-9
    if falls.any():
        assert form.status is FitStatus.OUTSIDE_DOMAIN
        assert "as it stands" in form.reason
    if form.status == "ok":
        assert not falls.any()
        assert form.expected_shortfall >= form.value_at_risk - 1e-9


# --- the door ---


def test_names_that_two_packages_share_are_refused() -> None:
    holders: dict[str, set[int]] = {}
    for part in rc._OFFERED:
        package = getattr(rc, part)
        for name in package.__all__:
            holders.setdefault(name, set()).add(id(getattr(package, name)))
    assert sorted(name for name, objects in holders.items() if len(objects) > 1) == sorted(rc._SHARED)
    with pytest.raises(AttributeError, match=r"risk_core.parametric, risk_core.extreme"):
        _ = rc.FitStatus


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: rc.normal_closed_form(nan, 1.0, 0.99), "mean must be finite"),
    (lambda: rc.normal_closed_form(0.0, inf, 0.99), "standard_deviation must be finite"),
    (lambda: rc.normal_closed_form(0.0, -1.0, 0.99), "standard_deviation must not be negative"),
    (lambda: rc.normal_closed_form(0.0, 1.0), "either confidence"),
    (lambda: rc.normal_closed_form(0.0, 1.0, 0.99, quantile=2.33), "either confidence"),
    (lambda: rc.normal_closed_form(0.0, 1.0, quantile=99.0), "standard normal quantile such as 2.33"),
    (lambda: rc.normal_closed_form(0.0, 1.0, 0.99, horizon=0.0), "horizon must be positive"),
    (lambda: rc.student_t_closed_form(0.0, 1.0, 2.0, 0.99), "give scale instead"),
    (lambda: rc.student_t_closed_form(0.0, None, 3.0, 0.99), "either standard_deviation or scale"),
    (lambda: rc.student_t_closed_form(0.0, None, 1.0, 0.99, scale=1.0), "degrees_of_freedom must be more than 1"),
    (lambda: rc.lognormal_closed_form(1.0, 1000.0, 1.0, 0.99), "too large"),
    (lambda: rc.quantile_standard_error(0.99, 500, 0.0), "density must be positive"),
    (lambda: rc.peaks_closed_form(1.0, 0.2, 1.0, 0.05, 0.9), "lies in the body"),
    (lambda: rc.peaks_closed_form(1.0, 0.2, 0.0, 0.05, 0.99), "scale must be positive"),
    (lambda: rc.peaks_closed_form(1.0, 0.2, 1.0, 5.0, 0.99), "exceedance_probability must be positive, at most 1 and finite"),
    (lambda: rc.peaks_tail_probability(0.5, 1.0, 0.2, 1.0, 0.05), "below the threshold"),
    (lambda: rc.block_maxima_closed_form(1.0, 1.0, 0.2, 0, 0.99), "block must be a whole number"),
    (lambda: rc.block_maxima_closed_form(1.0, 1.0, -400.0, 10**9, 0.5), "too large"),
    (lambda: rc.cornish_fisher_closed_form(0.0, 1.0, nan, 0.0, 0.99), "skewness must be finite"),
    (lambda: rc.cornish_fisher_closed_form(0.0, 1.0, 0.0, 0.0, 0.99, terms="third"), "unknown terms 'third'"),
    (lambda: rc.cornish_fisher_closed_form(0.0, 1.0, 0.0, 0.0, 0.99, kind="mean"), "unknown kind 'mean'"),
    (lambda: rc.cornish_fisher_closed_form(0.0, 1.0, 0.0, 0.0, 0.99, terms="skewness", kind="edgeworth"), "second order"),
    (lambda: rc.weighted_covariance([1.0, 2.0]), r"shape \(instruments, scenarios\)"),
    (lambda: rc.weighted_covariance([[1.0, nan]]), "nan for instrument 0 in scenario 1"),
    (lambda: rc.weighted_covariance([[1.0]], None, UNBIASED), "no degree of freedom"),
    (lambda: rc.ewma_covariance_matrix([[1.0, 2.0]], 1.0), "decay must lie strictly"),
    (lambda: rc.volatilities_and_correlations([[1.0, 0.0], [0.0, 0.0]]), "a variance must be positive"),
    (lambda: rc.covariance_matrix([0.1, nan], 0.0), "volatility must be finite"),
    (lambda: rc.covariance_matrix([0.1, 0.2], 30.0), r"correlation must lie in \[-1, 1\]"),
    (lambda: rc.covariance_matrix([0.1, 0.2], [[0.01, 0.0], [0.0, 0.04]]), "ones on its diagonal"),
    (lambda: rc.covariance_matrix([0.1, 0.2], np.eye(3)), "must have shapes"),
    (lambda: rc.parametric_value_at_risk(nan, 0.1, 0.99), "exposure must be finite"),
    (lambda: rc.parametric_value_at_risk(1.0, -0.1, 0.99), "volatility must be at least 0 and finite"),
    (lambda: rc.delta_normal([], np.empty((0, 0)), 0.99), "0 exposures"),
    (lambda: rc.delta_normal([1.0], [[1.0]], quantile=nan), "quantile must be finite"),
    (lambda: rc.horizon_scale(0), "days must be a whole number"),
    (lambda: rc.horizon_scale(10, 1.0), "autocorrelation must be less than 1"),
    (lambda: rc.mapping_share(0.1, 0.2, 0.5, 0.3), "between those of the vertices"),
    (lambda: rc.lower_partial_moment([1.0, -1.0], order=0.0), "order must be positive"),
    (lambda: rc.lower_partial_moment([1e100, -1e100], order=4.0), "too large"),
    (lambda: rc.mean_absolute_deviation([1.0], about=nan), "about must be finite"),
    (lambda: rc.ewma_days(0.94, 0.0), "tolerance must lie strictly"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input(bad: Callable[[], Any], message: str) -> None:
    with pytest.raises(rc.MeasureError, match=message):
        bad()


def test_shapes_of_one_and_more_have_no_shortfall() -> None:
    with pytest.raises(InfiniteMeanError, match="infinite"):
        rc.peaks_closed_form(1.0, 1.0, 1.0, 0.05, 0.99)
    with pytest.raises(InfiniteMeanError, match="infinite"):
        rc.block_maxima_closed_form(1.0, 1.0, 1.2, 21, 0.99)
    assert 0.0 < rc.peaks_tail_probability(5.0, 1.0, 1.5, 1.0, 0.05) < 0.05
