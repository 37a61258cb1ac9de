"""Cornish-Fisher and modified shortfall: textbook forms, quadrature, brute-force rearrangement, the domain, gradients, broken laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtri
from scipy.stats import norm

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, Mean
from risk_core.measures import MeasureError, attribute, normal_expected_shortfall, normal_value_at_risk
from risk_core.parametric import (
    FitStatus,
    ModifiedShortfall,
    OutsideDomain,
    cornish_fisher,
    cornish_fisher_value_at_risk,
    fit_cornish_fisher,
    is_increasing,
    modified_expected_shortfall,
    moments,
    transformed_moments,
)
from risk_core.parametric.expansion import (
    LARGEST_SKEWNESS,
    edgeworth_factor,
    edgeworth_is_positive_below,
    edgeworth_tail_mean,
    transform_tail,
)
from tests.unit.parametric.laws import SAMPLE, Floats, assert_euler_and_scaling, assert_gradient, vectors

DDOF = Conventions(mean=Mean.SAMPLE, ddof=1)
INSIDE = [(0.0, 0.0), (0.0, 2.0), (-0.5, 1.5), (0.8, 3.0), (-1.0, 4.0)]
OUTSIDE = [(0.5, 0.2), (0.0, -1.2), (0.0, 20.0), (-3.0, 12.0), (1.0, 0.0), (0.0, -1e-3), (-2.4, 5.0)]


def mild(size: int = 300, seed: int = 3) -> Floats:
    """Return a vector whose moments lie inside the domain: skewness -0.2, excess kurtosis about 1.5."""
    p = (np.arange(size) + 0.5) / size
    values = np.array([cornish_fisher(float(z), -0.2, 1.5) for z in ndtri(p)])
    return np.random.Generator(np.random.PCG64(seed)).permutation(values) * 1e4 + 500.0


def test_textbook_form() -> None:
    pnl = mild()
    m = moments(pnl, conventions=DDOF)
    assert m.skewness is not None
    assert m.excess_kurtosis is not None
    z, s, k = norm.ppf(0.01), m.skewness, m.excess_kurtosis
    adjusted = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    measured = cornish_fisher_value_at_risk(pnl, 0.99, None, DDOF)
    assert measured.fit_status is FitStatus.OK
    assert measured.value == pytest.approx(-pnl.mean() - adjusted * pnl.std(ddof=1), rel=1e-12)


def test_normal_moments_give_the_normal() -> None:
    quantile, mean = transform_tail(0.01, 0.0, 0.0, rearrange=True)
    assert quantile.value == pytest.approx(norm.ppf(0.01))
    assert mean.value == pytest.approx(-norm.pdf(norm.ppf(0.01)) / 0.01)


@pytest.mark.parametrize(("s", "k"), INSIDE)
@pytest.mark.parametrize("confidence", [0.9, 0.975, 0.999])
def test_tail_means_by_quadrature(s: float, k: float, confidence: float) -> None:
    """Maillard's mean of the transform, and the Edgeworth density of Boudt, Peterson and Croux integrated below its quantile."""
    tail = 1.0 - confidence
    quantile, mean = transform_tail(tail, s, k, rearrange=True)
    z = norm.ppf(tail)
    by_quadrature = quad(lambda u: cornish_fisher(u, s, k) * norm.pdf(u), -12.0, z, epsabs=1e-13)[0] / tail
    assert mean.value == pytest.approx(by_quadrature, rel=1e-8)
    integral = quad(lambda u: u * edgeworth_factor(u, s, k) * norm.pdf(u), -15.0, quantile.value, epsabs=1e-14)[0] / tail
    assert edgeworth_tail_mean(tail, quantile, s, k).value == pytest.approx(integral, rel=1e-7)


@pytest.mark.parametrize(("s", "k"), [*INSIDE, *OUTSIDE])
def test_rearrangement_is_sorting(s: float, k: float) -> None:
    """200 000 values of the transform, sorted."""
    count = 200_000
    z = ndtri((np.arange(count) + 0.5) / count)
    values = np.sort(z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36)
    for tail in (0.25, 0.05, 0.01):
        quantile, mean = transform_tail(tail, s, k, rearrange=True)
        n = round(tail * count)
        assert quantile.value == pytest.approx(0.5 * (values[n - 1] + values[n]), abs=2e-4)
        assert mean.value == pytest.approx(values[:n].mean(), abs=3e-3)


@given(st.floats(-3.5, 3.5), st.floats(-2.0, 12.0))
@settings(max_examples=200, deadline=None)
def test_domain_is_where_the_derivative_is_not_negative(s: float, k: float) -> None:
    z = np.linspace(-60.0, 60.0, 4001)
    slope = 1 + z * s / 3 + (3 * z**2 - 3) * k / 24 - (6 * z**2 - 5) * s**2 / 36
    if slope.min() < -1e-6:
        assert not is_increasing(s, k)
    elif slope.min() > 1e-2 and k / 8 - s * s / 6 > 1e-2:
        assert is_increasing(s, k)
    if abs(s) > LARGEST_SKEWNESS + 1e-9:
        assert not is_increasing(s, k)


def test_corners_of_the_domain() -> None:
    """Maillard 2012: at skewness zero excess kurtosis lies in [0, 8], and 6 (sqrt 2 - 1) is the largest skewness."""
    assert is_increasing(0.0, 0.0)
    assert is_increasing(0.0, 8.0)
    assert not is_increasing(0.0, 8.001)
    assert not is_increasing(0.0, -0.001)
    ks = np.linspace(0.0, 15.0, 3001)
    assert any(is_increasing(LARGEST_SKEWNESS - 0.002, float(k)) for k in ks)
    assert not any(is_increasing(LARGEST_SKEWNESS + 0.002, float(k)) for k in ks)


def test_parameters_are_not_the_moments_of_the_law() -> None:
    assert transformed_moments(0.0, 0.0) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)
    variance, skewness, kurtosis = transformed_moments(-0.5, 2.0)
    values = cornish_fisher(0.0, -0.5, 2.0)
    assert values == pytest.approx(0.5 / 6)
    z = ndtri((np.arange(400_000) + 0.5) / 400_000)
    sample = np.array(z + (z**2 - 1) * -0.5 / 6 + (z**3 - 3 * z) * 2.0 / 24 - (2 * z**3 - 5 * z) * 0.25 / 36)
    found = moments(sample, conventions=SAMPLE)
    assert (variance, skewness) == pytest.approx((found.variance, found.skewness), rel=2e-3)
    assert kurtosis == pytest.approx(found.excess_kurtosis, rel=1e-2)
    assert kurtosis > 1.5 * 2.0


@pytest.mark.parametrize("conventions", [DEFAULT_CONVENTIONS, SAMPLE, DDOF], ids=["zero", "sample", "ddof"])
@pytest.mark.parametrize("outside", [OutsideDomain.REARRANGE, OutsideDomain.NORMAL, OutsideDomain.KEEP])
@pytest.mark.parametrize("kind", ["mild", "uniform", "skewed", "heavy"])
def test_gradients_equal_finite_differences(conventions: Conventions, outside: OutsideDomain, kind: str) -> None:
    rng = np.random.Generator(np.random.PCG64(11))
    drawn = {"uniform": rng.uniform(-1, 1, 25), "skewed": -rng.exponential(size=25), "heavy": rng.standard_t(3, 25)}
    pnl = mild(25) / 1e4 if kind == "mild" else drawn[kind]
    assert_gradient(lambda v: cornish_fisher_value_at_risk(v, 0.99, None, conventions, outside), pnl)
    for shortfall in ModifiedShortfall:
        assert_gradient(lambda v, s=shortfall: modified_expected_shortfall(v, 0.975, None, conventions, outside, s), pnl)


@settings(max_examples=25, deadline=None)
@given(vectors(), st.sampled_from([OutsideDomain.REARRANGE, OutsideDomain.NORMAL, OutsideDomain.KEEP]))
def test_euler_homogeneity_and_translation(case: tuple[Floats, Floats | None], outside: OutsideDomain) -> None:
    pnl, weights = case
    for conventions in (DEFAULT_CONVENTIONS, SAMPLE):
        moves = conventions is SAMPLE
        assert_euler_and_scaling(
            lambda v, conventions=conventions: cornish_fisher_value_at_risk(v, 0.99, weights, conventions, outside), pnl, moves
        )
        assert_euler_and_scaling(
            lambda v, conventions=conventions: modified_expected_shortfall(v, 0.975, weights, conventions, outside), pnl, moves
        )


def test_fallbacks_are_named() -> None:
    pnl = np.random.default_rng(0).uniform(-1.0, 1.0, 200)
    rearranged = cornish_fisher_value_at_risk(pnl, 0.99)
    assert rearranged.fit_status is FitStatus.REARRANGED
    assert "not increasing at skewness" in rearranged.reason
    normal = fit_cornish_fisher(pnl, outside="normal")
    assert normal.value_at_risk(0.99).value == pytest.approx(normal_value_at_risk(pnl, 0.99).value)
    assert normal.expected_shortfall(0.99).value == pytest.approx(normal_expected_shortfall(pnl, 0.99).value)
    assert normal.value_at_risk(0.99).gradient == pytest.approx(normal_value_at_risk(pnl, 0.99).gradient, abs=1e-12)
    assert normal.expected_shortfall(0.99).fit_status is FitStatus.NORMAL
    kept = cornish_fisher_value_at_risk(pnl, 0.99, outside="keep")
    assert (kept.fit_status, "kept as asked" in kept.reason) == (FitStatus.OUTSIDE_DOMAIN, True)
    with pytest.raises(MeasureError, match="ask for outside='rearrange'"):
        fit_cornish_fisher(pnl, outside="refuse")
    with pytest.raises(MeasureError, match="unknown fallback 'sort'"):
        fit_cornish_fisher(pnl, outside="sort")


def test_kept_formula_falls_with_the_confidence() -> None:
    """Outside its domain value at risk at 0.999 is less than at 0.95; the rearrangement rises."""
    pnl = np.where(np.arange(100) < 50, -1.0, 1.0) + np.linspace(-0.1, 0.1, 100)
    kept = fit_cornish_fisher(pnl, outside="keep", conventions=SAMPLE)
    assert kept.value_at_risk(0.999).value < kept.value_at_risk(0.95).value
    sorted_ = fit_cornish_fisher(pnl, conventions=SAMPLE)
    levels = [sorted_.value_at_risk(c).value for c in (0.5, 0.9, 0.95, 0.99, 0.999)]
    assert levels == sorted(levels)


def test_rearrangement_is_continuous_at_the_edge() -> None:
    for tail in (0.05, 0.01):
        inside, outside = transform_tail(tail, 0.0, 1e-9, rearrange=True), transform_tail(tail, 0.0, -1e-9, rearrange=True)
        assert inside[0].value == pytest.approx(outside[0].value, abs=1e-8)
        assert inside[1].value == pytest.approx(outside[1].value, abs=1e-7)


def test_kinds_of_shortfall() -> None:
    fit = fit_cornish_fisher(mild(), conventions=SAMPLE)
    values = {kind: fit.expected_shortfall(0.975, kind) for kind in ModifiedShortfall}
    var = fit.value_at_risk(0.975).value
    assert values[ModifiedShortfall.QUANTILE].value > var
    assert values[ModifiedShortfall.OPERATIONAL].value >= var
    assert fit.expected_shortfall(0.975, "edgeworth").value == values[ModifiedShortfall.EDGEWORTH].value
    grid = np.linspace(0.975, 1.0, 4001)[:-1] + 0.025 / 8000
    mean = np.mean([fit.value_at_risk(float(c)).value for c in grid])
    assert values[ModifiedShortfall.QUANTILE].value == pytest.approx(mean, rel=2e-3)


def test_a_negative_edgeworth_density_is_no_tail() -> None:
    """Skewness 1.2 and kurtosis 3.5 lie inside the transform's domain, but the density below the 0.9 quantile is negative."""
    assert is_increasing(1.2, 3.5)
    quantile = transform_tail(0.1, 1.2, 3.5, rearrange=True)[0].value
    assert not edgeworth_is_positive_below(quantile, 1.2, 3.5)
    assert edgeworth_is_positive_below(-2.0, 0.0, 1.0)
    z = ndtri((np.arange(4000) + 0.5) / 4000)
    pnl = np.array([cornish_fisher(float(each), 0.6, 1.5) for each in z])
    fit = fit_cornish_fisher(pnl, conventions=SAMPLE)
    edgeworth = fit.expected_shortfall(0.9)
    assert (fit.status, edgeworth.fit_status) == (FitStatus.OK, FitStatus.REARRANGED)
    assert edgeworth.value == fit.expected_shortfall(0.9, "quantile").value
    assert "Edgeworth density is negative" in edgeworth.reason
    kept = fit_cornish_fisher(pnl, conventions=SAMPLE, outside="keep").expected_shortfall(0.9)
    assert kept.fit_status is FitStatus.OUTSIDE_DOMAIN
    assert kept.value != edgeworth.value


def test_not_monotone_and_not_subadditive() -> None:
    """Counterexamples, in whole numbers: a larger gain raises the risk, and two books joined have more than both apart."""
    x = np.array([4.0, -2, 0, 8, 5, 4, 2, 3])
    more = x + 8.0 * (np.arange(8) == 3)
    for measure in (cornish_fisher_value_at_risk, modified_expected_shortfall):
        assert measure(more, 0.99).value > 1.2 * measure(x, 0.99).value
    one, two = np.array([6.0, -2, -8, 7, -6, -1, -5, 7]), np.array([-3.0, 1, -9, -1, -6, -5, -7, 6])
    apart = sum(cornish_fisher_value_at_risk(v, 0.99, None, SAMPLE).value for v in (one, two))
    assert cornish_fisher_value_at_risk(one + two, 0.99, None, SAMPLE).value > 1.02 * apart
    one, two = np.array([-7.0, -8, -5, 3, 0, -4, 9, 4]), np.array([-20.0, 0, 0, -7, -9, 0, 0, -8])
    apart = sum(modified_expected_shortfall(v, 0.99, None, SAMPLE).value for v in (one, two))
    assert modified_expected_shortfall(one + two, 0.99, None, SAMPLE).value > 1.1 * apart
    gain = np.array([-1.0, 0.0, 0.0, 2.0])
    assert normal_value_at_risk(gain + 3.0, 0.99).value > normal_value_at_risk(gain, 0.99).value  # mean zero


def test_degenerate() -> None:
    constant = fit_cornish_fisher(np.full(7, 0.1), conventions=SAMPLE)
    assert constant.status is FitStatus.NO_VARIANCE
    assert constant.value_at_risk(0.99).value == -0.1
    assert constant.value_at_risk(0.99).gradient == pytest.approx(np.full(7, -1 / 7))
    assert fit_cornish_fisher(np.zeros(3)).expected_shortfall(0.99).value == 0.0
    assert fit_cornish_fisher([5.0, -2.0], [0.0, 1.0], conventions=SAMPLE).value_at_risk(0.95).value == 2.0
    assert np.isfinite(fit_cornish_fisher([-1.0]).value_at_risk(0.99).value)
    with pytest.raises(MeasureError, match="pnl is nan"):
        fit_cornish_fisher([np.nan, 1.0])
    with pytest.raises(ConventionError):
        cornish_fisher_value_at_risk([1.0, 2.0], 1.5)
    with pytest.raises(ValueError, match="'expected'"):
        fit_cornish_fisher([1.0, 2.0, 4.0]).expected_shortfall(0.9, "expected")


def test_components_add_up() -> None:
    shocks = np.random.default_rng(4).standard_t(8, (3, 400)) * 0.01
    parts = attribute([3.0, -1.0, 2.0], shocks, modified_expected_shortfall, 0.99)
    assert parts.component.sum() == pytest.approx(parts.total.value)
