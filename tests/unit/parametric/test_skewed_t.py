"""Hansen's skewed t: arch's density, quantile and likelihood, quadrature, gradients, the laws."""

from __future__ import annotations

import numpy as np
import pytest
from arch.univariate import SkewStudent
from hypothesis import given, settings
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import minimize

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions
from risk_core.measures import MeasureError, attribute
from risk_core.parametric import (
    FitStatus,
    SkewedT,
    fit_skewed_t,
    fit_student_t,
    skewed_t_expected_shortfall,
    skewed_t_value_at_risk,
)
from tests.unit.parametric.laws import SAMPLE, UNFIT, Floats, assert_euler_and_scaling, assert_gradient, vectors

LAWS = [(skew, df) for skew in (-0.6, -0.1, 0.0, 0.4, 0.9) for df in (2.2, 4.0, 12.0, 150.0)]
BOTH = pytest.mark.parametrize("conventions", [DEFAULT_CONVENTIONS, SAMPLE], ids=["zero", "sample"])


def skewed(size: int = 500, skew: float = -0.3, df: float = 5.0, seed: int = 0) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    return SkewedT(0.2, 1.5, skew, df).quantile(rng.uniform(size=size))


@pytest.mark.parametrize(("skew", "df"), LAWS)
def test_against_arch(skew: float, df: float) -> None:
    """`arch` 8.0 SkewStudent: mean 0, variance 1, parameters (eta, lambda) = (df, skew)."""
    mine, theirs = SkewedT(0.0, 1.0, skew, df), SkewStudent()
    x = np.linspace(-8.0, 8.0, 81)
    reference = theirs.loglikelihood(np.array([df, skew]), x, np.ones_like(x), individual=True)
    assert mine.log_density(x) == pytest.approx(np.asarray(reference), abs=1e-11)
    p = np.array([0.001, 0.01, 0.05, 0.3, 0.5, 0.8, 0.99])
    assert mine.quantile(p) == pytest.approx(theirs.ppf(p, np.array([df, skew])), rel=1e-9, abs=1e-12)
    assert mine.distribution(x) == pytest.approx(theirs.cdf(x, np.array([df, skew])), abs=1e-11)
    assert mine.distribution(mine.quantile(p)) == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize(("skew", "df"), [(s, d) for s, d in LAWS if d > 3.0])
def test_moments_and_tail_mean_by_quadrature(skew: float, df: float) -> None:
    law = SkewedT(0.3, 2.0, skew, df)
    pieces = [(-np.inf, law.mode), (law.mode, np.inf)]
    for power, expected in ((0, 1.0), (1, 0.3), (2, 4.0 + 0.09)):
        total = sum(quad(lambda x, n=power: x**n * float(law.density(x)), a, b, epsabs=1e-10)[0] for a, b in pieces)
        assert total == pytest.approx(expected, rel=1e-6)
    for p in (0.005, 0.05, 0.5, 0.97):
        q = float(law.quantile(p))
        inside = [(-np.inf, min(q, law.mode)), (law.mode, q)][: 1 + (q > law.mode)]
        total = sum(quad(lambda x: x * float(law.density(x)), a, b, epsabs=1e-12)[0] for a, b in inside)
        assert law.lower_tail_mean(p) == pytest.approx(total / p, rel=1e-7)


def test_no_skew_is_student() -> None:
    law = SkewedT(1.0, 3.0, 0.0, 5.0)
    assert law.density([0.0, 4.0]) == pytest.approx(stats.t.pdf([0.0, 4.0], 5.0, 1.0, 3.0 * np.sqrt(3.0 / 5.0)))
    assert (law.mode, law.scale) == (1.0, pytest.approx(3.0 * np.sqrt(3.0 / 5.0)))


@BOTH
def test_the_optimum_of_arch_s_likelihood(conventions: Conventions) -> None:
    """arch's own log likelihood of the standardised law, climbed by scipy's simplex from afar, ends where the fit does."""
    pnl, theirs = skewed(400), SkewStudent()
    mine = fit_skewed_t(pnl, conventions=conventions)
    assert mine.status is FitStatus.OK

    def loss(p: Floats) -> float:
        mean = p[3] if conventions is SAMPLE else 0.0
        if not (2.06 < p[0] < 200.0 and -0.98 < p[1] < 0.98 and p[2] > 0.0):
            return 1e9
        return -float(theirs.loglikelihood(p[:2], pnl - mean, np.full(pnl.size, p[2] ** 2)))

    start = [8.0, 0.0, 1.0, 0.0][: 4 if conventions is SAMPLE else 3]
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 8000, "maxfev": 8000})
    expected = [mine.df, mine.skew, mine.standard_deviation, mine.mean][: len(start)]
    assert found.x == pytest.approx(expected, rel=2e-5, abs=2e-6)
    assert mine.log_likelihood == pytest.approx(-found.fun, abs=1e-8)


@BOTH
@pytest.mark.parametrize("df", [None, 5.0])
def test_gradients_equal_finite_differences(conventions: Conventions, df: float | None) -> None:
    pnl, weights = skewed(60, seed=2), np.linspace(0.5, 2.0, 60)
    assert fit_skewed_t(pnl, weights, df=df, conventions=conventions).status is FitStatus.OK
    for confidence in (0.5, 0.95, 0.99):
        assert_gradient(
            lambda v, confidence=confidence: fit_skewed_t(v, weights, df=df, conventions=conventions).value_at_risk(confidence), pnl
        )
        assert_gradient(
            lambda v, confidence=confidence: fit_skewed_t(v, weights, df=df, conventions=conventions).expected_shortfall(confidence), pnl
        )


@settings(max_examples=10, deadline=None)
@given(vectors())
def test_euler_and_homogeneity(case: tuple[Floats, Floats | None]) -> None:
    pnl, weights = case
    for conventions in (DEFAULT_CONVENTIONS, SAMPLE):
        assert_euler_and_scaling(
            lambda v, conventions=conventions: skewed_t_value_at_risk(v, 0.99, weights, conventions), pnl, conventions is SAMPLE
        )
        assert_euler_and_scaling(
            lambda v, conventions=conventions: skewed_t_expected_shortfall(v, 0.975, weights, conventions), pnl, conventions is SAMPLE
        )
        symmetric, free = fit_student_t(pnl, weights, conventions=conventions), fit_skewed_t(pnl, weights, conventions=conventions)
        if symmetric.log_likelihood is not None and free.log_likelihood is not None:
            assert free.log_likelihood >= symmetric.log_likelihood - 1e-6


def test_recovers_a_known_law() -> None:
    """100 samples of 1000: means of the estimates, and standard errors against their spread."""
    fits = [fit_skewed_t(skewed(1000, seed=s), conventions=SAMPLE) for s in range(100)]
    for name, truth in (("mean", 0.2), ("standard_deviation", 1.5), ("skew", -0.3)):
        values = np.array([getattr(f, name) for f in fits])
        errors = np.array([f.standard_errors[name] for f in fits])
        assert values.mean() == pytest.approx(truth, abs=3.5 * values.std() / 10 + 0.01)
        assert np.median(errors) == pytest.approx(values.std(), rel=0.3)
    law = SkewedT(0.2, 1.5, -0.3, 5.0)
    assert np.mean([f.value_at_risk(0.99).value for f in fits]) == pytest.approx(-float(law.quantile(0.01)), rel=0.02)
    assert np.mean([f.expected_shortfall(0.99).value for f in fits]) == pytest.approx(-law.lower_tail_mean(0.01), rel=0.03)


def test_one_fit_is_its_law() -> None:
    fit = fit_skewed_t(skewed(), conventions=SAMPLE)
    for confidence in (0.5, 0.95, 0.999):
        assert fit.value_at_risk(confidence).value == pytest.approx(-float(fit.law.quantile(1.0 - confidence)), rel=1e-9)
        assert fit.expected_shortfall(confidence).value == pytest.approx(-fit.law.lower_tail_mean(1.0 - confidence), rel=1e-9)
    left, right = fit_skewed_t(skewed(), conventions=SAMPLE), fit_skewed_t(-skewed(), conventions=SAMPLE)
    assert left.skew == pytest.approx(-right.skew, abs=1e-7)
    assert left.skew < 0.0
    assert left.value_at_risk(0.99).value > right.value_at_risk(0.99).value


def test_degenerate() -> None:
    assert fit_skewed_t(np.zeros(20)).status is FitStatus.MOMENTS
    assert fit_skewed_t(np.zeros(20)).value_at_risk(0.99).value == 0.0
    with pytest.raises(MeasureError, match="standard_deviation positive"):
        _ = fit_skewed_t(np.zeros(20)).law
    one_sided = fit_skewed_t(np.random.default_rng(0).exponential(size=300), conventions=SAMPLE)
    assert (one_sided.status, one_sided.skew) == (FitStatus.SKEW_AT_BOUND, 0.99)
    assert "skew" not in one_sided.standard_errors
    assert "4 parameters" in fit_skewed_t([1.0, 2.0, -3.0, 0.5], conventions=SAMPLE).reason
    for bad, message in (
        (lambda: fit_skewed_t([1.0, np.inf]), "pnl is inf"),
        (lambda: SkewedT(0.0, 1.0, 1.0, 5.0), "skew must lie in"),
        (lambda: SkewedT(0.0, 1.0, 0.0, 2.0), "df in"),
        (lambda: SkewedT(0.0, 1.0, 0.0, 5.0).quantile([0.0, 0.5]), "strictly between 0 and 1"),
        (lambda: SkewedT(0.0, 1.0, 0.0, 5.0).lower_tail_mean(1.0), "strictly between 0 and 1"),
    ):
        with pytest.raises(MeasureError, match=message):
            bad()
    with pytest.raises(ConventionError):
        skewed_t_value_at_risk([1.0, 2.0], 0.01)


def test_components_add_up() -> None:
    shocks = np.random.default_rng(4).standard_t(4, (3, 200)) * 0.01
    parts = attribute([3.0, -1.0, 2.0], shocks, skewed_t_expected_shortfall, 0.99)
    assert parts.component.sum() == pytest.approx(parts.total.value)


def test_not_monotone_and_not_subadditive() -> None:
    """Counterexamples, in whole numbers."""
    x = np.array([4.0, -2, 0, 8, 5, 4, 2, 3])
    more = x + 8.0 * (np.arange(8) == 3)
    one, two = np.array([-8.0, 6, 4, -6, 9, 0, 6, 9]), np.array([-20.0, 0, 8, 0, 0, 0, 0, 3])
    for measure in (skewed_t_value_at_risk, skewed_t_expected_shortfall):
        assert measure(more, 0.99, None, SAMPLE).value > 1.5 * measure(x, 0.99, None, SAMPLE).value
        first, second, joint = (measure(v, 0.99, None, SAMPLE) for v in (one, two, one + two))
        assert joint.value > 1.2 * (first.value + second.value)
        assert joint.fit_status not in UNFIT
