"""Multilevel VaR tests: scipy's chi-square test, exact variance, Kupiec at one level, likelihood maximised by scipy, size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from risk_core.backtests import (
    BacktestError,
    kupiec_pof,
    multilevel_confidences,
    multilevel_counts,
    multilevel_lrt,
    multilevel_nass,
    multilevel_pearson,
)

LEVELS = multilevel_confidences()
LAW = np.diff(LEVELS, prepend=0.0, append=1.0)


def test_levels_are_spaced_evenly() -> None:
    assert LEVELS.tolist() == [0.975, 0.98125, 0.9875, 0.99375]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=5, max_size=5).filter(any))
def test_pearson_and_the_free_ratio_are_scipys(cells: list[int]) -> None:
    expected = sum(cells) * LAW
    pearson = stats.chisquare(cells, expected)
    found = multilevel_pearson(cells, LEVELS, simulations=0)
    assert (found.statistic, found.p_value) == (pytest.approx(pearson.statistic), pytest.approx(pearson.pvalue, abs=1e-12))
    ratio = stats.power_divergence(cells, expected, lambda_="log-likelihood")
    free = multilevel_lrt(cells, LEVELS, alternative="multinomial", simulations=0)
    assert free.statistic == pytest.approx(ratio.statistic, abs=1e-8)
    assert free.p_value == pytest.approx(ratio.pvalue, abs=1e-9)


def test_nass_matches_mean_and_variance_of_the_statistic() -> None:
    """c S has the mean and variance of chi-square: from the variance of S by 200,000 multinomial draws."""
    draws = np.random.default_rng(1).multinomial(250, LAW, 200_000)
    s = ((draws - 250 * LAW) ** 2 / (250 * LAW)).sum(axis=1)
    found = multilevel_nass([240, 4, 3, 2, 1], LEVELS, simulations=0)
    plain = multilevel_pearson([240, 4, 3, 2, 1], LEVELS, simulations=0)
    factor = found.statistic / plain.statistic  # type: ignore[operator]
    assert factor == pytest.approx(2 * s.mean() / s.var(), rel=0.03)
    assert found.details["degrees_of_freedom"] == pytest.approx(factor * 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 500), st.data())
def test_one_level_is_kupiecs_test(n: int, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, n))
    found, kupiec = multilevel_lrt([n - x, x], [0.95], simulations=0), kupiec_pof(x, n, 0.95)
    assert found.statistic == pytest.approx(kupiec.statistic, abs=1e-8)
    assert found.p_value == pytest.approx(kupiec.p_value, abs=1e-6)


@pytest.mark.parametrize("cells", [[243, 2, 2, 2, 1], [230, 2, 3, 5, 10], [200, 20, 15, 10, 5], [240, 0, 0, 0, 10], [249, 1, 0, 0, 0]])
def test_the_normal_ratio_is_the_largest_that_scipy_finds(cells: list[int]) -> None:
    edges = np.concatenate([[-np.inf], stats.norm.ppf(LEVELS), [np.inf]])

    def likelihood(t: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        z = (edges - t[0]) / np.exp(t[1])
        p = np.where(z[:-1] > 0, stats.norm.sf(z[:-1]) - stats.norm.sf(z[1:]), stats.norm.cdf(z[1:]) - stats.norm.cdf(z[:-1]))
        return -float(np.array(cells) @ np.log(np.maximum(p, 1e-300)))

    best = min(
        optimize.minimize(
            likelihood, [m, s], method="Nelder-Mead", bounds=[(-50, 50), (-3, 3)], options={"xatol": 1e-8, "fatol": 1e-10}
        ).fun
        for m in (-0.5, 0.0)
        for s in (0.0, 0.3)
    )
    found = multilevel_lrt(cells, LEVELS, simulations=0)
    endless = cells == [240, 0, 0, 0, 10]  # rises without end along a ridge: no mean and deviation are best
    assert found.statistic == pytest.approx(2 * (likelihood(np.zeros(2)) - best), rel=0.03 if endless else 2e-3, abs=1e-4)
    assert found.details["degrees_of_freedom"] == 2


def test_simulated_p_values_have_the_right_size() -> None:
    draws = np.random.default_rng(2).multinomial(250, LAW, 300)
    for test in (multilevel_pearson, multilevel_nass, multilevel_lrt):
        share = np.mean([test(d, LEVELS).p_value_exact <= 0.1 for d in draws])  # type: ignore[operator]
        assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 300))


def test_heavy_tails_are_found_although_the_count_is_right() -> None:
    rng = np.random.default_rng(3)
    scores = rng.standard_t(3, 2000) / np.sqrt(3)
    limits = np.broadcast_to(stats.norm.ppf(LEVELS), (2000, 4))
    cells = multilevel_counts(-scores, limits)
    assert cells.sum() == 2000
    assert multilevel_lrt(cells, LEVELS).rejected
    assert multilevel_lrt(cells, LEVELS).direction == "too many"


def test_counts_by_hand_and_refusals() -> None:
    limits = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    assert multilevel_counts([-0.5, -1.5, -2.0, -9.0], limits).tolist() == [1, 2, 1]
    assert multilevel_counts([-0.5, -1.5, -2.0, -9.0], limits, ties="inclusive").tolist() == [1, 1, 2]
    for cells, levels in (([1, 2], [0.9, 0.95]), ([0, 0], [0.9]), ([-1, 2], [0.9]), ([1.5, 2], [0.9]), ([1, 1, 1], [0.95, 0.9])):
        with pytest.raises(BacktestError):
            multilevel_pearson(cells, levels)  # type: ignore[arg-type]
    with pytest.raises(BacktestError, match="falls"):
        multilevel_counts([1.0], [[2.0, 1.0]])
    with pytest.raises(BacktestError, match="finite"):
        multilevel_counts([np.nan], [[1.0, 2.0]])
    with pytest.raises(BacktestError, match="alternative"):
        multilevel_lrt([5, 1], [0.9], alternative="beta")
