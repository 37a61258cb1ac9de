"""Simulations against the exact law: errors within their standard errors, accuracy over seeds, determinism, bad input."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest

from risk_core.delta_gamma import (
    DeltaGamma,
    StudentT,
    exact_expected_shortfall,
    exact_value_at_risk,
    monte_carlo_value_at_risk,
    quasi_monte_carlo_value_at_risk,
)
from risk_core.measures import MeasureError
from tests.unit.delta_gamma.books import random_book

FACTORS = [None, StudentT(5.0), StudentT(3.0, dispersion=True)]


def factor_book(assets: int, seed: int = 0) -> DeltaGamma:
    """A book of many assets on three factors, short gamma on average."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(assets, 3)) * 0.01 + np.array([0.01, 0.0, 0.0])
    covariance = loading @ loading.T + np.diag(rng.uniform(1e-4, 4e-4, assets))
    return DeltaGamma(rng.normal(0.3, 1.0, assets) * 1e4, rng.normal(-1.0, 3.0, assets) * 1e5, covariance)


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("antithetic", [True, False])
def test_plain_within_four_standard_errors(factors: StudentT | None, antithetic: bool) -> None:
    book = random_book(4, 6)
    for seed in range(3):
        found = monte_carlo_value_at_risk(book, 0.99, 100_000, seed, factors, antithetic=antithetic)
        assert found.value_at_risk == pytest.approx(exact_value_at_risk(book, 0.99, factors).value, abs=4 * found.value_at_risk_error)
        if factors is None:  # with few degrees the square of a t move has no variance, and the error of ES no law to speak of
            shortfall = exact_expected_shortfall(book, 0.99).value
            assert found.expected_shortfall == pytest.approx(shortfall, abs=4 * found.expected_shortfall_error)
        assert 0.0 < found.value_at_risk_error < 0.05 * found.value_at_risk


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("size", [1, 4, 30])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_quasi_within_five_standard_errors(factors: StudentT | None, size: int, confidence: float) -> None:
    """Five, since eight replicates leave a standard error with seven degrees of freedom."""
    book = random_book(size, size)
    value, shortfall = exact_value_at_risk(book, confidence, factors).value, exact_expected_shortfall(book, confidence, factors).value
    for seed in range(3):
        found = quasi_monte_carlo_value_at_risk(book, confidence, seed, factors)
        room = 1e-4 * book.standard_deviation
        assert found.value_at_risk == pytest.approx(value, abs=5 * found.value_at_risk_error + room)
        assert found.expected_shortfall == pytest.approx(shortfall, abs=5 * found.expected_shortfall_error + room)
        assert found.value_at_risk_error < 0.05 * max(abs(value), book.standard_deviation)


def test_accuracy_over_seeds_of_a_book_of_many_assets() -> None:
    """The bound of the benchmark, on 200 assets: 0.3 % under t factors; and the standard errors tell the truth."""
    book, factors = factor_book(200), StudentT(5.0)
    value, shortfall = exact_value_at_risk(book, 0.99, factors).value, exact_expected_shortfall(book, 0.99, factors).value
    found = [quasi_monte_carlo_value_at_risk(book, 0.99, s, factors, points=512, pool=1_024) for s in range(24)]
    for exact, seen, stated in (
        (value, [f.value_at_risk for f in found], [f.value_at_risk_error for f in found]),
        (shortfall, [f.expected_shortfall for f in found], [f.expected_shortfall_error for f in found]),
    ):
        error = sqrt(float(np.mean((np.array(seen) - exact) ** 2)))
        assert error < 0.004 * exact
        assert 0.5 < error / np.mean(stated) < 2.0


def test_a_book_without_curvature_and_a_gain() -> None:
    """Value at risk below the constant of the loss, where the divisor's roots change sides."""
    factors = StudentT(4.0)
    flat = DeltaGamma([1.0, 2.0], [0.0, 0.0], np.eye(2), 10.0)
    long = DeltaGamma([0.3, 0.0], [2.0, 1.0], np.eye(2))
    for book, confidence in ((flat, 0.99), (long, 0.6), (long, 0.95), (long.reversed, 0.6)):
        found = quasi_monte_carlo_value_at_risk(book, confidence, 1, factors, points=4_096)
        assert found.value_at_risk == pytest.approx(
            exact_value_at_risk(book, confidence, factors).value, rel=2e-3, abs=1e-3 * book.standard_deviation
        )


def test_the_same_seed_gives_the_same_bits() -> None:
    book = factor_book(50)
    for simulate in (
        lambda s: monte_carlo_value_at_risk(book, 0.99, 20_000, s, StudentT(5.0)),
        lambda s: quasi_monte_carlo_value_at_risk(book, 0.99, s, StudentT(5.0)),
        lambda s: quasi_monte_carlo_value_at_risk(book, 0.99, s),
    ):
        assert simulate(1) == simulate(1)
        assert simulate(1).value_at_risk != simulate(2).value_at_risk


def test_constant_books() -> None:
    still = DeltaGamma([0.0], [0.0], [[1.0]], -2.0)
    for found in (quasi_monte_carlo_value_at_risk(still, 0.99, 1, StudentT(4.0)), monte_carlo_value_at_risk(still, 0.99, 16_000, 1)):
        assert (found.value_at_risk, found.expected_shortfall, found.value_at_risk_error) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda b: monte_carlo_value_at_risk(b, 0.99, 1_000, 1), "give at least 16000"),
        (lambda b: quasi_monte_carlo_value_at_risk(b, 0.99, 1, points=1_000), "power of two, here 1024 or more"),
        (lambda b: quasi_monte_carlo_value_at_risk(b, 0.99, 1, points=512), "power of two, here 1024 or more"),
        (lambda b: quasi_monte_carlo_value_at_risk(b, 0.99, 1, StudentT(3.0), replicates=1), "replicates must be 2"),
        (lambda b: quasi_monte_carlo_value_at_risk(b, 0.99, 1, pool=10), "pool 16 times"),
    ],
)
def test_bad_input(bad: Callable[[DeltaGamma], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad(random_book(2, 0))
