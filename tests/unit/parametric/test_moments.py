"""Moments: a published case, scipy and pandas, gradients, degenerate vectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from skfolio.datasets import load_sp500_dataset
from skfolio.preprocessing import prices_to_returns

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, Mean
from risk_core.measures import MeasureError
from risk_core.parametric import gini_mean_difference, moments, semi_deviation

SAMPLE = Conventions(mean=Mean.SAMPLE)
UNBIASED = Conventions(mean=Mean.SAMPLE, ddof=1)


def test_apple_as_published() -> None:
    """skfolio/skfolio@c06db840 tests/test_measures/test_measures.py: Apple's simple returns 1990-2022, 8312 observations."""
    returns = prices_to_returns(load_sp500_dataset())["AAPL"].to_numpy()
    assert returns.size == 8312
    found = moments(returns, conventions=UNBIASED)
    assert found.mean == pytest.approx(0.0011233, abs=6e-8)
    assert found.variance == pytest.approx(0.0007479707, abs=6e-8)
    assert semi_deviation(returns, ddof=1) == pytest.approx(0.0191917, abs=6e-8)
    assert gini_mean_difference(returns) == pytest.approx(0.0278023, abs=6e-8)


@pytest.mark.parametrize("unbiased", [False, True])
def test_against_scipy_and_pandas(unbiased: bool) -> None:
    x = np.random.default_rng(0).gamma(2.0, size=60) * 1e6
    found = moments(x, conventions=UNBIASED, unbiased=unbiased)
    assert found.variance == pytest.approx(np.var(x, ddof=1), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(x, bias=not unbiased), rel=1e-12)
    assert found.excess_kurtosis == pytest.approx(stats.kurtosis(x, bias=not unbiased), rel=1e-12)
    if unbiased:
        assert found.skewness == pytest.approx(pd.Series(x).skew(), rel=1e-10)
        assert found.excess_kurtosis == pytest.approx(pd.Series(x).kurt(), rel=1e-10)


def test_whole_weights_are_repetitions() -> None:
    x, counts = np.array([-3.0, 1.0, 4.0, 0.5]), np.array([1, 3, 2, 4])
    weighted, repeated = (moments(v, w, SAMPLE) for v, w in ((x, counts), (np.repeat(x, counts), None)))
    for name in ("mean", "variance", "skewness", "kurtosis"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-13)
    assert semi_deviation(x, counts) == pytest.approx(semi_deviation(np.repeat(x, counts)))
    assert gini_mean_difference(x, counts, ddof=0) == pytest.approx(gini_mean_difference(np.repeat(x, counts), ddof=0))


def test_gini_of_all_pairs() -> None:
    x = np.random.default_rng(2).normal(size=25)
    pairs = np.abs(x[:, None] - x)
    assert gini_mean_difference(x) == pytest.approx(pairs.sum() / (25 * 24))
    assert gini_mean_difference(x, ddof=0) == pytest.approx(pairs.mean())


def test_about_zero() -> None:
    x = np.random.default_rng(3).normal(2.0, size=30)
    found = moments(x)
    assert (found.mean, found.variance) == (0.0, pytest.approx((x**2).mean()))
    assert found.skewness == pytest.approx((x**3).mean() / (x**2).mean() ** 1.5)
    assert found.kurtosis == pytest.approx((x**4).mean() / (x**2).mean() ** 2)


@pytest.mark.parametrize("conventions", [DEFAULT_CONVENTIONS, SAMPLE, UNBIASED])
@pytest.mark.parametrize("unbiased", [False, True])
def test_gradients_equal_finite_differences(conventions: Conventions, unbiased: bool) -> None:
    x = np.random.default_rng(4).standard_t(5, 12) + 0.3
    w = None if unbiased else np.linspace(1.0, 2.0, 12)
    if unbiased and conventions.mean is Mean.ZERO:
        with pytest.raises(MeasureError, match="leave `unbiased`"):
            moments(x, w, conventions, unbiased=True)
        return

    def four(v: np.ndarray) -> np.ndarray:
        m = moments(v, w, conventions, unbiased=unbiased)
        return np.array([m.mean, m.variance, m.skewness, m.kurtosis], float)

    gradient = moments(x, w, conventions, unbiased=unbiased).gradient
    for s in range(12):
        bump = 1e-6 * (np.arange(12) == s)
        assert gradient[:, s] == pytest.approx((four(x + bump) - four(x - bump)) / 2e-6, abs=2e-8)


def test_scale_does_not_overflow() -> None:
    x = np.array([-3.0, 1.0, 4.0, 0.5])
    for factor in (1e-140, 1e140):
        assert moments(x * factor, conventions=SAMPLE).kurtosis == pytest.approx(moments(x, conventions=SAMPLE).kurtosis)


def test_degenerate() -> None:
    constant = moments(np.full(9, 0.1), conventions=SAMPLE)
    assert (constant.mean, constant.variance, constant.skewness, constant.excess_kurtosis) == (0.1, 0.0, None, None)
    assert moments(np.zeros(3)).skewness is None
    assert moments([5.0, -2.0], [0.0, 1.0], SAMPLE).kurtosis is None
    for bad, message in (
        (lambda: moments([]), "pnl is empty"),
        (lambda: moments([1.0, np.inf]), "pnl is inf at position 1"),
        (lambda: moments([1.0], conventions=UNBIASED), "no degree of freedom"),
        (lambda: moments([1.0, 2.0, 3.0], conventions=SAMPLE, unbiased=True), "at least 4 scenarios"),
        (lambda: moments(np.ones(5), conventions=SAMPLE, unbiased=True), "no skewness"),
        (lambda: semi_deviation([1.0], ddof=1), "no degree of freedom"),
        (lambda: gini_mean_difference([1.0, 2.0], ddof=2), "ddof must be 0 or 1"),
    ):
        with pytest.raises(MeasureError, match=message):
            bad()
    with pytest.raises(ConventionError, match="sum to one"):
        moments([1.0, 2.0], conventions=Conventions(ewma_start="zero"))  # type: ignore[arg-type]
