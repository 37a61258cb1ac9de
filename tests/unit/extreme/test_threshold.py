"""Thresholds: goodness of fit against the classical sums and its null law, ForwardStop by hand, mean excess and Hill in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from risk_core.extreme import (
    ChoiceStatus,
    choose_threshold,
    fit_gpd,
    fit_peaks,
    goodness_of_fit,
    gpd_cdf,
    gpd_quantile,
    hill,
    hill_shape,
    mean_excess,
    threshold_diagnostics,
)
from risk_core.extreme.goodness import _ANDERSON_DARLING, _CRAMER_VON_MISES, SHAPES, SIMULATION, UPPER_TAIL, simulated_points
from risk_core.measures import MeasureError

Floats = NDArray[np.float64]


def test_statistics_equal_the_classical_sums() -> None:
    y = np.sort(gpd_quantile(np.random.default_rng(0).random(80), 0.2, 3.0))
    fit = fit_gpd(y)
    u, i = gpd_cdf(y, fit.shape, fit.scale), np.arange(1, 81)
    tests = goodness_of_fit(y[::-1], fit)
    assert tests.anderson_darling == pytest.approx(-80 - np.sum((2 * i - 1) * (np.log(u) + np.log1p(-u[::-1]))) / 80, rel=1e-9)
    assert tests.cramer_von_mises == pytest.approx(1 / 960 + np.sum((u - (2 * i - 1) / 160) ** 2), rel=1e-9)
    repeated = goodness_of_fit(np.repeat(y, 2), fit)
    weighted = goodness_of_fit(y, fit, np.full(80, 9.0))
    assert weighted.anderson_darling == pytest.approx(tests.anderson_darling, rel=1e-9)
    assert repeated.anderson_darling == pytest.approx(2 * tests.anderson_darling, rel=1e-9)


@pytest.mark.parametrize("row", [2, 4])
def test_table_is_its_own_simulation(row: int) -> None:
    """800 fresh samples of the stated size: medians within 6 %, upper tenths within 12 %, about four standard errors."""
    a, w = simulated_points(SHAPES[row], int(SIMULATION["count"]), 800, seed=7)
    for points, table in ((a, _ANDERSON_DARLING), (w, _CRAMER_VON_MISES)):
        assert points[UPPER_TAIL.index(0.5)] == pytest.approx(table[row][UPPER_TAIL.index(0.5)], rel=0.06)
        assert points[UPPER_TAIL.index(0.1)] == pytest.approx(table[row][UPPER_TAIL.index(0.1)], rel=0.12)


def test_table_falls_along_both_ways() -> None:
    for table in (_ANDERSON_DARLING, _CRAMER_VON_MISES):
        assert table.shape == (len(SHAPES), len(UPPER_TAIL))
        assert np.all(np.diff(table, axis=1) > 0.0)
        assert np.all(np.diff(table[:, :8], axis=0) < 0.0)


@pytest.mark.parametrize(("shape", "count"), [(0.1, 40), (0.3, 100), (-0.1, 300)])
def test_p_values_are_uniform_where_the_law_holds(shape: float, count: int) -> None:
    """At shapes and sizes that the table does not have; Kolmogorov-Smirnov on 400 samples, inside the clamped ends."""
    rng = np.random.default_rng(11)
    tests = [goodness_of_fit(gpd_quantile(rng.random(count), shape, 1.0)) for _ in range(400)]
    for name in ("anderson_darling_p", "cramer_von_mises_p"):
        p = np.array([getattr(t, name) for t in tests])
        assert stats.kstest(p, "uniform").pvalue > 1e-3
        assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.04)


def test_another_law_is_rejected() -> None:
    rng = np.random.default_rng(2)
    two_humps = np.abs(np.where(rng.random(300) < 0.5, rng.normal(1.0, 0.1, 300), rng.normal(5.0, 0.3, 300)))
    tests = goodness_of_fit(two_humps)
    assert (tests.anderson_darling_p, tests.cramer_von_mises_p) == (0.001, 0.001)


def test_a_pareto_sample_takes_the_lowest_threshold() -> None:
    pnl = -gpd_quantile(np.random.default_rng(0).random(2000), 0.2, 1.0)
    choice = choose_threshold(pnl)
    assert (choice.threshold, choice.chosen, choice.status) == (0.8, 0, ChoiceStatus.OK)
    assert choice.count.tolist() == [round(2000 * (1 - c)) for c in choice.confidence]
    assert np.all(np.diff(choice.loss) > 0.0)
    fit = fit_peaks(pnl, threshold="auto")
    assert fit.choice is not None
    assert fit.choice.threshold == 0.8
    assert fit.gpd.count == 400


def broken(count: int = 4000) -> Floats:
    """Losses with a plateau up to their 0.9 quantile and a heavy Pareto tail beyond."""
    rng = np.random.default_rng(1)
    body = rng.choice([0.1, 1.9], count) + rng.uniform(0.0, 0.1, count)
    tail = 3.0 + gpd_quantile(rng.random(count), 0.3, 1.0)
    return -np.where(np.arange(count) < 0.9 * count, body, tail)


def test_a_broken_tail_moves_the_threshold_up_to_the_break() -> None:
    choice = choose_threshold(broken())
    assert choice.threshold >= 0.9
    assert np.all(choice.p_value[:4] < 0.05)
    running = np.cumsum(-np.log1p(-choice.p_value)) / np.arange(1, choice.p_value.size + 1)
    assert choice.forward_stop == pytest.approx(running)
    assert choice.chosen == np.flatnonzero(running <= 0.1)[-1] + 1


def test_where_nothing_fits_the_highest_stands_in() -> None:
    choice = choose_threshold(broken(), candidates=(0.6, 0.7, 0.8))
    assert (choice.threshold, choice.status) == (0.8, ChoiceStatus.NONE_FITS)
    assert "all 3 candidates are rejected" in choice.reason


def test_mean_excess_by_hand() -> None:
    """Losses 1 to 5 with a tie; and a Pareto law, whose mean excess is (beta + xi u) / (1 - xi)."""
    curve = mean_excess([-1.0, -2.0, -2.0, -4.0, -5.0], fewest=1)
    assert curve.threshold.tolist() == [1.0, 2.0, 4.0]
    assert curve.mean == pytest.approx([9 / 4, 2.5, 1.0])
    assert curve.count.tolist() == [4, 2, 1]
    assert curve.error == pytest.approx([np.std([1, 1, 3, 4]) / 2, 0.5 / np.sqrt(2), 0.0])
    losses = gpd_quantile((np.arange(100_000) + 0.5) / 100_000, 0.2, 1.0)
    line = mean_excess(-losses, fewest=5000)
    assert np.allclose(line.mean, (1.0 + 0.2 * line.threshold) / 0.8, rtol=0.01, atol=0.0)
    weighted = mean_excess([-1.0, -2.0, -4.0, -5.0], [1, 2, 1, 1], fewest=1)
    assert weighted.mean == pytest.approx(curve.mean)


def test_hill_of_exact_pareto() -> None:
    """Losses u**-xi: the log excesses are exponential with mean xi."""
    losses = ((np.arange(20_000) + 0.5) / 20_000) ** -0.3
    assert hill_shape(-losses, 0.9) == pytest.approx(0.3, rel=1e-3)
    curve = hill(-losses)
    at = int(np.flatnonzero(curve.count == 2000)[0])
    assert curve.shape[at] == pytest.approx(hill_shape(-losses, 0.9), rel=1e-12)
    assert curve.error[at] == pytest.approx(curve.shape[at] / np.sqrt(2000))
    shifted = hill_shape(-losses - 5.0, 0.9)
    assert shifted < 0.2  # not translation-invariant
    assert hill(np.arange(1.0, 100.0)).threshold.size == 0


def test_diagnostics_of_a_pareto_sample_are_level() -> None:
    pnl = -gpd_quantile(np.random.default_rng(5).random(3000), 0.2, 1.0)
    shown = threshold_diagnostics(pnl)
    inside = (shown.shape_lower <= 0.2) & (shown.shape_upper >= 0.2)
    assert inside.mean() > 0.9
    assert ((shown.modified_scale_lower <= 1.0) & (shown.modified_scale_upper >= 1.0)).mean() > 0.9  # beta - xi u = 1
    arrays = [getattr(shown, name) for name in shown.__dataclass_fields__ if isinstance(getattr(shown, name), np.ndarray)]
    assert {a.size for a in arrays} == {shown.confidence.size}
    assert all(np.isfinite(a).all() for a in arrays)
    assert shown.left_out == ()
    small = threshold_diagnostics(np.random.default_rng(0).standard_t(4, 200))
    assert set(small.left_out) >= {0.96, 0.97, 0.98}
    assert small.mean_excess.threshold.size > 100
    assert small.hill.shape.size > 10


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda pnl: choose_threshold(pnl[:50]), "no candidate threshold leaves 25"),
        (lambda pnl: choose_threshold(pnl, significance=5.0), "significance must lie"),
        (lambda pnl: threshold_diagnostics(pnl, level=95), "level must lie"),
        (lambda pnl: threshold_diagnostics(pnl[:20]), "no threshold leaves a tail"),
        (lambda pnl: mean_excess(np.ones(50)), "fewer than 5 of 50 losses differ"),
        (lambda pnl: mean_excess([1.0, np.nan]), "pnl is nan"),
        (lambda pnl: hill_shape(np.abs(pnl)), "needs a threshold that is a loss"),
        (lambda pnl: hill_shape(np.ones(50)), "no scenario lies beyond"),
        (lambda pnl: goodness_of_fit([1.0, -1.0, 2.0]), "must be positive"),
    ],
)
def test_bad_input(bad: Callable[[Floats], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad(np.random.default_rng(0).standard_t(4, 1000))
