"""Derivatives of VaR: finite differences, Euler, conditional means of a simulation, instruments that add up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from risk_core.delta_gamma import (
    DeltaGamma,
    Method,
    Sensitivity,
    StudentT,
    component_value_at_risk,
    exact_sensitivity,
    exact_value_at_risk,
    saddlepoint_sensitivity,
    saddlepoint_value_at_risk,
)
from risk_core.measures import MeasureError
from tests.unit.delta_gamma.books import moved, random_book

T = StudentT(4.0)
WAYS: dict[str, tuple[Callable[[DeltaGamma, float], Sensitivity], Callable[[DeltaGamma, float], float]]] = {
    "exact": (exact_sensitivity, lambda b, c: exact_value_at_risk(b, c).value),
    "t": (lambda b, c: exact_sensitivity(b, c, T), lambda b, c: exact_value_at_risk(b, c, T).value),
    "saddlepoint": (saddlepoint_sensitivity, lambda b, c: saddlepoint_value_at_risk(b, c).value),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("confidence", [0.5, 0.56, 0.95, 0.999])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_finite_differences_and_euler(way: str, confidence: float, size: int) -> None:
    sensitivity, value = WAYS[way]
    book, rng, step = random_book(size, size), np.random.default_rng(9), 1e-5
    found = sensitivity(book, confidence)
    assert found.value == pytest.approx(value(book, confidence), rel=1e-12)
    euler = found.theta * book.theta + found.delta @ np.asarray(book.delta) + np.sum(found.gamma * np.asarray(book.gamma))
    assert euler == pytest.approx(found.value, rel=1e-8, abs=1e-9 * book.standard_deviation)
    for _ in range(3):
        delta, gamma = rng.normal(size=size), rng.normal(size=(size, size))
        gamma = gamma + gamma.T
        up, down = (value(moved(book, k * delta, k * gamma, k), confidence) for k in (step, -step))
        assert found.theta + found.delta @ delta + np.sum(found.gamma * gamma) == pytest.approx((up - down) / (2 * step), abs=2e-6)


def test_saddlepoint_derivatives_at_the_mean() -> None:
    """VaR at the mean itself, where the formula is 0 / 0, and on both sides of it."""
    book, step = DeltaGamma([1.0, 0.5], [0.4, -0.9], np.eye(2)), 1e-4
    limit = 0.5 - book.skewness / (6.0 * np.sqrt(2.0 * np.pi))
    for confidence in (limit - 1e-3, limit, limit + 1e-4):
        if confidence < 0.5:
            book = book.reversed
            confidence = 1.0 - confidence
        found = saddlepoint_sensitivity(book, confidence)
        for k in range(2):
            bump = step * np.eye(2)[k]
            up, down = (saddlepoint_value_at_risk(moved(book, s * bump), confidence).value for s in (1.0, -1.0))
            assert found.delta[k] == pytest.approx((up - down) / (2 * step), abs=1e-4)


def test_they_are_conditional_means() -> None:
    """E[x | loss = VaR] and E[x x' | loss = VaR] over a thin slice of two million paths."""
    book = random_book(3, 2, 0.3)
    for factors, scale in ((None, None), (T, 2.0)):
        rng = np.random.default_rng(1)
        moves = rng.standard_normal((2_000_000, 3)) @ np.linalg.cholesky(np.asarray(book.covariance)).T
        if scale is not None:
            moves *= np.sqrt(scale / rng.chisquare(4.0, len(moves)))[:, None]
        moves += np.asarray(book.mean)
        found = exact_sensitivity(book, 0.95, factors)
        near = moves[np.abs(-book.pnl(moves) - found.value) < 0.02 * book.standard_deviation]
        error = near.std(axis=0) / np.sqrt(len(near))
        assert np.all(np.abs(near.mean(axis=0) + found.delta) < 4 * error + 2e-3)
        assert -2.0 * found.gamma == pytest.approx(near.T @ near / len(near), rel=0.02, abs=0.06)


def test_instruments_add_up() -> None:
    rng = np.random.default_rng(3)
    deltas, thetas = rng.normal(size=(4, 3)), rng.normal(size=4) * 0.1
    full = [g + g.T for g in rng.normal(size=(4, 3, 3))]
    book = DeltaGamma(deltas.sum(axis=0), sum(full), random_book(3, 3).covariance, float(thetas.sum()), [0.1, 0.0, -0.1])
    for found in (exact_sensitivity(book, 0.99), exact_sensitivity(book, 0.99, T), saddlepoint_sensitivity(book, 0.99)):
        parts = component_value_at_risk(found, deltas, full, thetas)
        assert parts.sum() == pytest.approx(found.value, rel=1e-9)
    flat = rng.normal(size=(4, 3))
    diagonal = DeltaGamma(deltas.sum(axis=0), flat.sum(axis=0), book.covariance)
    found = exact_sensitivity(diagonal, 0.99)
    assert found.method is Method.EXACT
    assert component_value_at_risk(found, deltas, flat).sum() == pytest.approx(found.value, rel=1e-9)
    assert component_value_at_risk(found, deltas, flat) == pytest.approx(
        component_value_at_risk(found, deltas, np.stack([np.diag(g) for g in flat]))
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: exact_sensitivity(DeltaGamma([0.0], [0.0], [[1.0]]), 0.99), "no derivative"),
        (lambda: saddlepoint_sensitivity(DeltaGamma([0.0], [0.0], [[1.0]]), 0.99), "no derivative"),
        (lambda: component_value_at_risk(exact_sensitivity(random_book(2, 0), 0.99), [[1.0]], [[0.0]]), "and 2 columns"),
        (lambda: component_value_at_risk(exact_sensitivity(random_book(2, 0), 0.99), np.eye(2), [[0.0, 1.0]]), "2 instruments, gammas 1"),
        (lambda: component_value_at_risk(exact_sensitivity(random_book(2, 0), 0.99), np.eye(2), [[0.0]] * 2), r"gammas\[0\] must have"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()
