"""Student t: scipy's optimum, closed forms, implicit gradients, standard errors, recovery from samples, the laws it breaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions
from risk_core.measures import MeasureError, attribute, normal_value_at_risk, student_t_closed_form, value_at_risk
from risk_core.parametric import FitStatus, fit_student_t, student_t_expected_shortfall, student_t_value_at_risk
from risk_core.parametric.two_piece import student_distribution_df, student_quantile
from tests.unit.parametric.laws import SAMPLE, UNFIT, Floats, assert_euler_and_scaling, assert_gradient, vectors
from tests.unit.parametric.sampling import recovery

BOTH = pytest.mark.parametrize("conventions", [DEFAULT_CONVENTIONS, SAMPLE], ids=["zero", "sample"])


def heavy(size: int = 500, df: float = 4.0, seed: int = 0) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    return 2e4 * rng.standard_t(df, size) + 1500.0


@BOTH
@pytest.mark.parametrize(("df", "seed"), [(3.0, 0), (4.0, 1), (6.0, 2), (10.0, 3)])
def test_the_optimum_of_scipy(conventions: Conventions, df: float, seed: int) -> None:
    """`scipy.stats.t.fit` climbs the same likelihood with a simplex, polished here by its tolerance."""
    pnl = heavy(df=df, seed=seed)
    mine = fit_student_t(pnl, conventions=conventions)
    fixed = {} if conventions is SAMPLE else {"floc": 0.0}

    def tight(function, start, args, disp):  # type: ignore[no-untyped-def]
        from scipy.optimize import fmin

        return fmin(function, start, args, xtol=1e-10, ftol=1e-12, maxiter=20_000, maxfun=20_000, disp=disp)

    theirs = stats.t.fit(pnl, df, scale=2e4, optimizer=tight, **fixed)
    assert mine.status is FitStatus.OK
    assert (mine.df, mine.location, mine.scale) == pytest.approx(theirs, rel=1e-5, abs=1e-2)
    assert mine.log_likelihood == pytest.approx(stats.t.logpdf(pnl, mine.df, mine.location, mine.scale).sum(), rel=1e-13)
    assert mine.log_likelihood is not None
    assert mine.log_likelihood >= stats.t.logpdf(pnl, *theirs).sum() - 1e-9


@BOTH
def test_every_confidence_from_one_fit(conventions: Conventions) -> None:
    fit = fit_student_t(heavy(), conventions=conventions)
    law = stats.t(fit.df, fit.location, fit.scale)
    assert fit.standard_deviation == pytest.approx(law.std())
    for confidence in (0.5, 0.9, 0.95, 0.975, 0.99, 0.999, 0.99999):
        var, es = fit.value_at_risk(confidence), fit.expected_shortfall(confidence)
        assert var.value == pytest.approx(-law.ppf(1.0 - confidence), rel=1e-10, abs=1e-6)
        closed = student_t_closed_form(fit.location, fit.standard_deviation, fit.df, confidence)
        assert (var.value, es.value) == pytest.approx((closed.value_at_risk, closed.expected_shortfall), rel=1e-10, abs=1e-6)
        assert (var.confidence, var.conventions, var.fit_status) == (confidence, conventions, FitStatus.OK)


def test_scale_is_not_the_standard_deviation() -> None:
    """Reading the scale as a standard deviation overstates value at risk by sqrt(df / (df - 2)): 1.41 at df 4."""
    fit = fit_student_t(heavy(), df=4.0)
    mistaken = student_t_closed_form(0.0, fit.scale, 4.0, 0.99).value_at_risk
    assert fit.value_at_risk(0.99).value == pytest.approx(np.sqrt(2.0) * mistaken, rel=1e-10)


def test_weights_are_repetitions() -> None:
    pnl, counts = heavy(60), np.random.default_rng(0).integers(0, 4, 60)
    weighted, repeated = fit_student_t(pnl, counts, conventions=SAMPLE), fit_student_t(np.repeat(pnl, counts), conventions=SAMPLE)
    assert (weighted.df, weighted.location, weighted.scale) == pytest.approx((repeated.df, repeated.location, repeated.scale), rel=1e-9)
    gradient = weighted.value_at_risk(0.99).gradient
    assert gradient == pytest.approx(np.bincount(np.repeat(np.arange(60), counts), repeated.value_at_risk(0.99).gradient, 60), abs=1e-9)
    assert (gradient[counts == 0] == 0.0).all()


@BOTH
@pytest.mark.parametrize("df", [None, 5.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_equal_finite_differences(conventions: Conventions, df: float | None, weighted: bool) -> None:
    pnl = heavy(40, seed=5) / 2e4
    weights = np.linspace(0.5, 2.0, 40) if weighted else None
    assert fit_student_t(pnl, weights, df=df, conventions=conventions).status is FitStatus.OK
    for confidence in (0.9, 0.99):
        assert_gradient(
            lambda v, confidence=confidence: fit_student_t(v, weights, df=df, conventions=conventions).value_at_risk(confidence), pnl
        )
        assert_gradient(
            lambda v, confidence=confidence: fit_student_t(v, weights, df=df, conventions=conventions).expected_shortfall(confidence), pnl
        )


@settings(max_examples=25, deadline=None)
@given(vectors())
def test_euler_and_homogeneity(case: tuple[Floats, Floats | None]) -> None:
    pnl, weights = case
    for conventions in (DEFAULT_CONVENTIONS, SAMPLE):
        assert_euler_and_scaling(
            lambda v, conventions=conventions: student_t_value_at_risk(v, 0.99, weights, conventions), pnl, conventions is SAMPLE
        )
        assert_euler_and_scaling(
            lambda v, conventions=conventions: student_t_expected_shortfall(v, 0.975, weights, conventions), pnl, conventions is SAMPLE
        )


def test_derivatives_in_df() -> None:
    for df in (2.05, 3.0, 12.0, 200.0):
        for y in (-30.0, -2.0, 0.1, 5.0):
            slope = (stats.t.cdf(y, df + 1e-4) - stats.t.cdf(y, df - 1e-4)) / 2e-4
            assert student_distribution_df(y, df) == pytest.approx(slope, rel=1e-5, abs=1e-10)
        assert student_quantile(0.001, df) == pytest.approx(stats.t.ppf(0.001, df), rel=1e-11)
        inner = quad(lambda y, v=df: (stats.t.pdf(y, v + 1e-4) - stats.t.pdf(y, v - 1e-4)) / 2e-4, 0.0, 3.0)[0]
        assert student_distribution_df(3.0, df) == pytest.approx(inner, rel=1e-5)


def test_standard_errors_cover() -> None:
    """Of 200 samples of 500 from a t with 5 degrees of freedom, nine in ten hold the truth within 1.645 standard errors."""
    rng, inside = np.random.Generator(np.random.PCG64(7)), {"location": 0, "scale": 0}
    for _ in range(200):
        fit = fit_student_t(stats.t.rvs(5.0, 0.5, 2.0, 500, random_state=rng), conventions=SAMPLE)
        for name, truth in (("location", 0.5), ("scale", 2.0)):
            inside[name] += abs(getattr(fit, name) - truth) <= 1.645 * fit.standard_errors[name]
    assert 165 <= inside["location"] <= 192
    assert 165 <= inside["scale"] <= 192


def test_standard_errors_are_the_numerical_information() -> None:
    pnl = heavy(300) / 2e4
    fit = fit_student_t(pnl, conventions=SAMPLE)
    at, step = np.array([fit.location, fit.scale, fit.df]), 1e-4

    def loss(p: Floats) -> float:
        return -float(stats.t.logpdf(pnl, p[2], p[0], p[1]).sum())

    unit = step * np.eye(3)
    hessian = [[(loss(at + a + b) - loss(at + a - b) - loss(at - a + b) + loss(at - a - b)) / (4 * step**2) for a in unit] for b in unit]
    errors = np.sqrt(np.diag(np.linalg.inv(np.array(hessian))))
    assert [fit.standard_errors[n] for n in ("location", "scale", "df")] == pytest.approx(errors, rel=1e-3)


def test_recovery() -> None:
    """A few of the samples of the page's table: the fit is nearly unbiased, and closer than the sample quantile."""
    rows = {(r.estimator, r.number): r for r in recovery((500,), draws=80, seed=3)}
    assert abs(rows["student t", "VaR"].bias) < 0.04
    assert rows["student t", "VaR"].rmse < 0.75 * rows["historical", "VaR"].rmse
    assert rows["student t", "ES"].rmse < 0.85 * rows["historical", "ES"].rmse
    assert abs(rows["student t", "1/df"].bias) < 0.1


def test_bounds_speak() -> None:
    light = fit_student_t(np.random.default_rng(0).uniform(-1.0, 1.0, 400))
    assert (light.status, light.df) == (FitStatus.DF_AT_UPPER_BOUND, 200.0)
    assert set(light.standard_errors) == {"scale"}
    assert light.value_at_risk(0.99).value == pytest.approx(normal_value_at_risk([-1.0, 1.0], 0.99).value / np.sqrt(3.0), rel=0.05)
    wild = fit_student_t(np.random.default_rng(0).standard_cauchy(400))
    assert (wild.status, wild.df) == (FitStatus.DF_AT_LOWER_BOUND, 2.05)
    measured = wild.value_at_risk(0.99)
    assert measured.fit_status is FitStatus.DF_AT_LOWER_BOUND
    assert "lower bound 2.05" in measured.reason


def test_without_a_likelihood_the_standard_deviation_stands_in() -> None:
    zero = fit_student_t(np.zeros(20))
    assert (zero.status, zero.scale, zero.log_likelihood, zero.standard_errors) == (FitStatus.MOMENTS, 0.0, None, {})
    assert zero.value_at_risk(0.99).value == 0.0
    assert (zero.expected_shortfall(0.99).gradient == 0.0).all()
    constant = fit_student_t(np.full(7, 0.1), conventions=SAMPLE)
    assert constant.value_at_risk(0.99).value == -0.1
    assert constant.value_at_risk(0.99).gradient == pytest.approx(np.full(7, -1 / 7))
    few = fit_student_t([-2.0, 1.0], conventions=SAMPLE)
    assert "too few" in few.reason
    assert fit_student_t([5.0, -2.0, 3.0], [0.0, 1.0, 0.0]).standard_deviation == pytest.approx(2.0)
    mostly_zero = np.where(np.arange(50) < 45, 0.0, np.arange(50) - 47.0)
    tied = fit_student_t(mostly_zero)
    assert "0.92 of the weight" in tied.reason
    assert tied.standard_deviation == pytest.approx(np.sqrt((mostly_zero**2).mean()))


def test_many_zeros_narrow_the_law() -> None:
    """A known weakness: with 300 zeros among 500 scenarios the fit gives less than half of historical value at risk, and a status."""
    pnl = np.random.default_rng(0).standard_t(5, 500)
    pnl[:300] = 0.0
    fit = fit_student_t(pnl)
    assert fit.status is FitStatus.DF_AT_LOWER_BOUND
    assert fit.value_at_risk(0.99).value < 0.5 * value_at_risk(pnl, 0.99).value


def test_components_add_up() -> None:
    rng = np.random.default_rng(4)
    parts = attribute([3.0, -1.0, 2.0], rng.standard_t(4, (3, 200)) * 0.01, student_t_value_at_risk, 0.99)
    assert parts.component.sum() == pytest.approx(parts.total.value)


def test_not_monotone_and_not_subadditive() -> None:
    """Counterexamples, in whole numbers. A larger gain widens the tail on both sides; joining two books may find a heavier tail."""
    x = np.array([9.0, 1.0, 0.0, 2.0, 1.0, 6.0, 9.0, 2.0])
    more = x + 8.0 * (np.arange(8) == 0)
    one, two = np.array([-7.0, -7, 5, -4, 6, 2, 7, 1]), np.array([-20.0, 0, -8, 0, 0, 0, -1, 0])
    for measure in (student_t_value_at_risk, student_t_expected_shortfall):
        assert measure(more, 0.99, None, SAMPLE).value > 2.0 * measure(x, 0.99, None, SAMPLE).value
        for conventions in (DEFAULT_CONVENTIONS, SAMPLE):
            first, second, joint = (measure(v, 0.99, None, conventions) for v in (one, two, one + two))
            assert joint.value > 1.2 * (first.value + second.value)
            assert joint.fit_status not in UNFIT


def test_mean_zero_is_not_translation_invariant() -> None:
    """Nor is the zero-mean normal, which is not monotone either: a certain gain added raises the number."""
    pnl = heavy(100)
    for measure in (student_t_value_at_risk, normal_value_at_risk):
        assert measure(pnl + 1e5, 0.99).value > measure(pnl, 0.99).value


def test_same_bits_twice() -> None:
    one, two = (fit_student_t(heavy()).value_at_risk(0.99) for _ in range(2))
    assert one.value == two.value
    assert one.gradient.tobytes() == two.gradient.tobytes()


def test_bad_input() -> None:
    for bad, message in (
        (lambda: fit_student_t([]), "pnl is empty"),
        (lambda: fit_student_t([1.0, np.nan]), "pnl is nan at position 1"),
        (lambda: fit_student_t([1.0, 2.0], [1.0, -1.0]), "not negative"),
        (lambda: fit_student_t([1.0, 2.0], df=2.0), r"df must lie in \(2, 200\]"),
        (lambda: fit_student_t([1.0, 2.0], df=np.nan), r"df must lie in \(2, 200\]"),
    ):
        with pytest.raises(MeasureError, match=message):
            bad()
    with pytest.raises(ConventionError, match=r"0\.99 may be meant"):
        student_t_value_at_risk([1.0, 2.0], 99)
    with pytest.raises(ConventionError, match="sum to one"):
        fit_student_t([1.0, 2.0], conventions=Conventions(ewma_start="zero"))  # type: ignore[arg-type]
