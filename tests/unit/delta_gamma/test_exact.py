"""Exact inversion against closed forms, published cases, Imhof's integral, quadrature over the t divisor, and simulation."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import ConventionError
from risk_core.delta_gamma import (
    DeltaGamma,
    DeltaGammaStatus,
    StudentT,
    exact_expected_shortfall,
    exact_tail_probability,
    exact_value_at_risk,
)
from risk_core.measures import MeasureError, normal_closed_form, student_t_closed_form
from tests.unit.delta_gamma.books import imhof_tail_probability, one_factor_value_at_risk, random_book, scaled

CONFIDENCES = (0.5, 0.75, 0.95, 0.99, 0.999)


def test_ore_positive_quadratic_form() -> None:
    """OpenSourceRisk/Engine b1f23933, QuantExt/test/deltagammavar.cpp: 0.5e6 times the 0.99 quantile of chi-square(1).

    ORE's number is the quantile of the P&L, so it is VaR of the mirror book: case ore-saddlepoint-delta-gamma-exact.
    """
    book = DeltaGamma([0.0], [[1e6]], [[1.0]])
    assert exact_value_at_risk(book.reversed, 0.99).value == pytest.approx(3317448.3, rel=1e-7)
    assert exact_value_at_risk(book.reversed, 0.99).value == pytest.approx(0.5e6 * stats.chi2.ppf(0.99, 1), rel=1e-11)


def test_ore_negative_gamma() -> None:
    """The same file, testNegativeGamma (commit 12cdff60): gamma -10,000, p 0.99, reference -5,000 chi2.ppf(0.01, 1) = -0.785."""
    book = DeltaGamma([0.0], [[-1e4]], [[1.0]])
    assert exact_value_at_risk(book.reversed, 0.99).value == pytest.approx(-5e3 * stats.chi2.ppf(0.01, 1), rel=1e-10)


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("delta", [0.0, 1e-3, 1.0, -2.0, 40.0])
@pytest.mark.parametrize("gamma", [0.5, -0.5, 3.0, -3.0, 1e-3])
def test_one_factor_is_a_noncentral_chi_square(delta: float, gamma: float, confidence: float) -> None:
    value = exact_value_at_risk(DeltaGamma([delta], [[gamma]], [[1.0]]), confidence).value
    root = sqrt(delta * delta - 2.0 * gamma * value)  # the loss is value at the two moves (-delta -+ root) / gamma
    low, high = sorted(((-delta - root) / gamma, (-delta + root) / gamma))
    between = stats.norm.cdf(high) - stats.norm.cdf(low) if low < 0.0 else stats.norm.sf(low) - stats.norm.sf(high)
    assert (between if gamma > 0.0 else 1.0 - between) == pytest.approx(1.0 - confidence, abs=1e-9)
    if (delta / gamma) ** 2 < 1e5:  # beyond, scipy's noncentral chi-square loses its digits
        assert value == pytest.approx(one_factor_value_at_risk(delta, gamma, confidence), rel=1e-9, abs=1e-10 * (abs(delta) + abs(gamma)))


def test_chi_square_of_many_factors_and_its_shortfall() -> None:
    """Equal gammas: the loss is g/2 chi2(K), and ES = g/2 K sf(q; K + 2) / (1 - c)."""
    for count in (1, 2, 7, 60):
        book = DeltaGamma(np.zeros(count), -2.0 * np.ones(count), np.eye(count))
        for c in (0.9, 0.99, 0.9999):
            q = stats.chi2.isf(1 - c, count)
            assert exact_value_at_risk(book, c).value == pytest.approx(q, rel=1e-10)
            assert exact_expected_shortfall(book, c).value == pytest.approx(count * stats.chi2.sf(q, count + 2) / (1 - c), rel=1e-10)


@pytest.mark.parametrize("size", [4, 10])
def test_tail_probability_equals_imhof(size: int) -> None:
    book = random_book(size, size)
    for k in (-1.0, 0.0, 0.5, 2.0, 4.0):
        loss = -book.expected_pnl + k * book.standard_deviation
        assert exact_tail_probability(book, loss) == pytest.approx(imhof_tail_probability(book, loss), abs=1e-7)


def test_tail_probability_far_out_keeps_its_digits() -> None:
    book = DeltaGamma(np.zeros(3), -2.0 * np.ones(3), np.eye(3))
    for loss in (1e-6, 1.0, 50.0, 300.0, 1_000.0):
        assert exact_tail_probability(book, loss) == pytest.approx(stats.chi2.sf(loss, 3), rel=1e-9)
    assert exact_tail_probability(book, -1.0) == 1.0
    assert exact_tail_probability(book.reversed, 0.0) == 0.0


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_without_gamma_it_is_the_closed_form(confidence: float) -> None:
    book = DeltaGamma([3.0, -1.0], np.zeros((2, 2)), [[0.04, 0.01], [0.01, 0.09]], 0.02, [0.01, -0.02])
    sd = sqrt(9 * 0.04 + 0.09 - 6 * 0.01)
    normal = normal_closed_form(0.02 + 0.03 + 0.02, sd, confidence)
    assert exact_value_at_risk(book, confidence).value == pytest.approx(normal.value_at_risk, rel=1e-12, abs=1e-13)
    assert exact_expected_shortfall(book, confidence).value == pytest.approx(normal.expected_shortfall, rel=1e-11)
    for degrees in (2.5, 4.0, 30.0):
        t = student_t_closed_form(0.07, sd, degrees, confidence)
        assert exact_value_at_risk(book, confidence, StudentT(degrees)).value == pytest.approx(t.value_at_risk, rel=1e-10, abs=1e-12)
        assert exact_expected_shortfall(book, confidence, StudentT(degrees)).value == pytest.approx(t.expected_shortfall, rel=1e-8)


@pytest.mark.parametrize(("size", "degrees"), [(1, 3.0), (3, 5.0), (20, 4.5)])
def test_t_factors_equal_quadrature_over_the_divisor(size: int, degrees: float) -> None:
    """Given the divisor the book is a normal delta-gamma book of another covariance: its exact tail, mixed by scipy's quad."""
    book = random_book(size, 7 * size)
    loss = exact_value_at_risk(book, 0.99, StudentT(degrees)).value

    def conditional(v: float) -> float:
        given_v = DeltaGamma(book.delta, book.gamma, np.asarray(book.covariance) * (degrees - 2) / v, book.theta, book.mean)
        return exact_tail_probability(given_v, loss) * float(stats.chi2.pdf(v, degrees))

    mixed = sum(quad(conditional, a, b, epsabs=1e-11, limit=100)[0] for a, b in ((1e-9, 0.2), (0.2, 3.0), (3.0, 60.0)))
    assert mixed == pytest.approx(0.01, abs=2e-8)


@pytest.mark.parametrize("factors", [None, StudentT(6.0), StudentT(6.0, dispersion=True)])
def test_simulation_of_the_factors(factors: StudentT | None) -> None:
    """A million moves drawn as they are, by Cholesky: within four standard errors."""
    book, paths, c = random_book(5, 1), 1_000_000, 0.99
    rng = np.random.default_rng(2)
    moves = rng.standard_normal((paths, 5)) @ np.linalg.cholesky(np.asarray(book.covariance)).T
    if factors is not None:
        divisor = 6.0 if factors.dispersion else 4.0
        moves *= np.sqrt(divisor / rng.chisquare(6.0, paths))[:, None]
    losses = -book.pnl(moves + np.asarray(book.mean))
    value = exact_value_at_risk(book, c, factors).value
    assert np.mean(losses > value) == pytest.approx(1 - c, abs=4 * sqrt(0.01 / paths))
    beyond = losses[losses > value]
    assert beyond.mean() == pytest.approx(exact_expected_shortfall(book, c, factors).value, abs=4 * beyond.std() / sqrt(beyond.size) + 1e-3)


def test_expected_shortfall_is_the_mean_of_value_at_risk_beyond() -> None:
    """Gauss-Legendre in u, with the tail probability 0.05 u**4 so that the far tail is smooth."""
    book = random_book(4, 9)
    nodes, shares = np.polynomial.legendre.leggauss(16)
    u = 0.5 * (nodes + 1.0)
    for factors in (None, StudentT(5.0)):
        values = [exact_value_at_risk(book, float(1.0 - 0.05 * x**4), factors).value for x in u]
        mean = float(0.5 * shares @ (np.array(values) * 4.0 * u**3))
        assert exact_expected_shortfall(book, 0.95, factors).value == pytest.approx(mean, rel=1e-4)


def test_a_singular_covariance_is_the_book_of_fewer_factors() -> None:
    loading = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    delta, gamma = np.array([1.0, -0.5, 0.3]), np.diag([0.2, -0.4, -0.1])
    whole = DeltaGamma(delta, gamma, loading @ loading.T)
    small = DeltaGamma(loading.T @ delta, loading.T @ gamma @ loading, np.eye(2))
    assert exact_value_at_risk(whole, 0.99).value == pytest.approx(exact_value_at_risk(small, 0.99).value, rel=1e-9)


def test_diagonal_gamma_and_hundreds_of_factors() -> None:
    rng = np.random.default_rng(5)
    loading = rng.normal(size=(300, 10)) * 0.01
    covariance = loading @ loading.T + 1e-4 * np.eye(300)
    delta, gamma = rng.normal(size=300), rng.normal(size=300) * 30.0
    flat, full = DeltaGamma(delta, gamma, covariance), DeltaGamma(delta, np.diag(gamma), covariance)
    assert exact_value_at_risk(flat, 0.99).value == pytest.approx(exact_value_at_risk(full, 0.99).value, rel=1e-10)
    assert exact_tail_probability(flat, exact_value_at_risk(flat, 0.99).value) == pytest.approx(0.01, rel=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10**6), st.floats(0.01, 100.0), st.floats(-5.0, 5.0), st.sampled_from(CONFIDENCES))
def test_homogeneous_translated_and_ordered(size: int, seed: int, factor: float, cash: float, confidence: float) -> None:
    book = random_book(size, seed)
    value = exact_value_at_risk(book, confidence).value
    slack = 1e-8 * (book.standard_deviation + abs(book.expected_pnl) + abs(cash))
    assert exact_value_at_risk(scaled(book, factor), confidence).value == pytest.approx(factor * value, abs=factor * slack)
    richer = DeltaGamma(book.delta, book.gamma, book.covariance, book.theta + cash, book.mean)
    assert exact_value_at_risk(richer, confidence).value == pytest.approx(value - cash, abs=slack)
    assert exact_expected_shortfall(book, confidence).value >= value - slack
    assert exact_tail_probability(book, value) == pytest.approx(1.0 - confidence, rel=1e-7)
    assert exact_value_at_risk(book, 0.9995).value >= value - slack


def test_value_at_risk_is_not_subadditive_but_expected_shortfall_is() -> None:
    """Two independent short gammas at 0.7: chi2(1).ppf = 1.07 each, chi2(2).ppf = 2.41 together."""
    one, two, both = (DeltaGamma(np.zeros(2), np.array(g), np.eye(2)) for g in ([-2.0, 0.0], [0.0, -2.0], [-2.0, -2.0]))
    assert exact_value_at_risk(both, 0.7).value > exact_value_at_risk(one, 0.7).value + exact_value_at_risk(two, 0.7).value
    assert exact_expected_shortfall(both, 0.7).value < 2 * exact_expected_shortfall(one, 0.7).value


def test_constant_books() -> None:
    book = DeltaGamma([0.0, 0.0], np.zeros((2, 2)), np.eye(2), theta=-4.0)
    for measured in (exact_value_at_risk(book, 0.99), exact_expected_shortfall(book, 0.99, StudentT(4.0))):
        assert (measured.value, measured.status) == (4.0, DeltaGammaStatus.CONSTANT)
        assert "does not depend" in measured.reason
    assert exact_tail_probability(book, 3.9) == 1.0
    assert exact_tail_probability(book, 4.0) == 0.0


def test_bad_confidence_and_degrees() -> None:
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        exact_value_at_risk(random_book(2, 0), 99)
    for bad in (2.0, -1.0, np.nan, np.inf):
        with pytest.raises(MeasureError, match="degrees_of_freedom must exceed 2"):
            StudentT(bad)
