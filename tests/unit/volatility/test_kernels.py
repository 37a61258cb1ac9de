"""Analytic derivatives of the likelihood against finite differences, and its value against scipy's densities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from risk_core.volatility import kernels
from risk_core.volatility.search import jacobian, parameters

Floats = NDArray[np.float64]

RNG = np.random.default_rng(1)
X = RNG.standard_t(5, 150) / 1.3
MASS = RNG.uniform(0.5, 1.5, 150)
MASS /= MASS.sum()
THETA = np.array([0.03, 0.05, 0.04, 0.12, 0.85, 7.3])
START, STEP = 1.2, 1e-5
LAWS = pytest.mark.parametrize("normal", [True, False], ids=["normal", "student_t"])


def derivatives(theta: Floats, normal: bool, x: Floats = X, start: float = START) -> tuple[float, Floats, Floats]:
    slope, curve = np.empty(6), np.empty((6, 6))
    return kernels.derivatives(x, MASS, theta, start, normal, slope, curve), slope, curve


def by_hand(normal: bool) -> float:
    """The definition, one day after another, with scipy's densities."""
    mean, level, up, down, persistence, df = THETA
    h = level + (0.5 * (up + down) + persistence) * START
    total = 0.0
    for x, w in zip(X, MASS, strict=True):
        unit = np.sqrt(h) if normal else np.sqrt(h * (df - 2.0) / df)
        total += w * float(stats.norm.logpdf(x, mean, unit) if normal else stats.t.logpdf(x, df, mean, unit))
        e = x - mean
        h = level + (down if e < 0.0 else up) * e * e + persistence * h
    return total


@LAWS
def test_the_value_is_the_definition(normal: bool) -> None:
    assert kernels.likelihood(X, MASS, THETA, START, normal) == pytest.approx(by_hand(normal), rel=1e-12)
    assert derivatives(THETA, normal)[0] == kernels.likelihood(X, MASS, THETA, START, normal)


@LAWS
def test_first_and_second_derivatives(normal: bool) -> None:
    _, slope, curve = derivatives(THETA, normal)
    each, last = kernels.scores(X, THETA, START, normal)
    for i, step in enumerate(STEP * np.eye(6)):
        above, below = derivatives(THETA + step, normal), derivatives(THETA - step, normal)
        assert slope[i] == pytest.approx((above[0] - below[0]) / (2 * STEP), abs=1e-6)
        np.testing.assert_allclose(curve[i], (above[1] - below[1]) / (2 * STEP), atol=2e-5 * np.abs(curve).max())
        assert last[i] == pytest.approx((_after(THETA + step) - _after(THETA - step)) / (2 * STEP), abs=1e-6)
    np.testing.assert_allclose(MASS @ each, slope, atol=1e-12)


@LAWS
def test_derivatives_by_return(normal: bool) -> None:
    """Of a mixture of tomorrow's variance and the slope of the likelihood in one direction."""
    direction = np.array([0.3, -1.0, 0.7, 0.2, 1.1, 0.0 if normal else -0.6])

    def mixture(x: Floats, start: float) -> float:
        return 0.7 * _after(THETA, x, start) + float(direction @ derivatives(THETA, normal, x, start)[1])

    by, by_start = kernels.by_return(X, MASS, THETA, direction, START, normal, 0.7)
    assert by_start == pytest.approx((mixture(X, START + STEP) - mixture(X, START - STEP)) / (2 * STEP), abs=1e-7)
    for t in (0, 1, 70, 149):
        step = STEP * (np.arange(150) == t)
        assert by[t] == pytest.approx((mixture(X + step, START) - mixture(X - step, START)) / (2 * STEP), abs=1e-7)


@pytest.mark.parametrize("df", [2.05, 3.7, 12.0, 200.0])
def test_height_of_the_standardised_t(df: float) -> None:
    value, first, second = kernels.height(df, False)
    assert value == pytest.approx(stats.t.logpdf(0.0, df, 0.0, np.sqrt((df - 2.0) / df)), rel=1e-13)
    over = 1.0 / (df - 2.0)
    halves = np.array([0.5 * (df + 1.0), 0.5 * df])
    assert first == pytest.approx(0.5 * (-np.diff(special.digamma(halves))[0] - over), rel=1e-9)
    assert second == pytest.approx(-0.25 * np.diff(special.polygamma(1, halves))[0] + 0.5 * over**2, rel=1e-9)


@pytest.mark.parametrize("anchor", [0.0, 1.0])
def test_the_map_of_searched_coordinates(anchor: float) -> None:
    u = np.array([0.1, -2.0, 0.93, 0.12, 0.7, 0.15, anchor])
    theta, slopes = parameters(u), jacobian(u)
    assert 0.5 * (theta[2] + theta[3]) + theta[4] == pytest.approx(0.93, rel=1e-14)
    assert theta[1] == pytest.approx(np.exp(-2.0) * (0.07 if anchor else 1.0))
    for i in range(6):
        step = 1e-6 * (np.arange(7) == i)
        np.testing.assert_allclose(slopes[:, i], (parameters(u + step) - parameters(u - step)) / 2e-6, atol=1e-6)


def _after(theta: Floats, x: Floats = X, start: float = START) -> float:
    mean, level, up, down, persistence = (np.array([v]) for v in theta[:5])
    held = level + (0.5 * (up + down) + persistence) * start
    return float(kernels.components(x, float(mean[0]), level, up, down, persistence, np.ones(1), held)[-1])
