"""The book and its independent terms: cumulants, bad input, and the methods that read moments only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from risk_core.delta_gamma import (
    DeltaGamma,
    DeltaGammaStatus,
    cornish_fisher_value_at_risk,
    delta_expected_shortfall,
    delta_value_at_risk,
    exact_value_at_risk,
)
from risk_core.measures import MeasureError, normal_closed_form
from tests.unit.delta_gamma.books import moved, random_book


@pytest.mark.parametrize("size", [1, 2, 6])
def test_cumulants_equal_traces(size: int) -> None:
    """Without the eigendecomposition: (n-1)!/2 tr (GS)^n + n!/2 d'S (GS)^(n-2) d, and the mean."""
    book = random_book(size, size)
    s, g, mu = np.asarray(book.covariance), np.asarray(book.gamma), np.asarray(book.mean)
    d, gs = np.asarray(book.delta) + g @ mu, g @ s
    power = np.linalg.matrix_power
    assert book.expected_pnl == pytest.approx(book.theta + np.asarray(book.delta) @ mu + 0.5 * mu @ g @ mu + 0.5 * np.trace(gs))
    for order, factorial in ((2, 2), (3, 6), (4, 24), (5, 120)):
        traces = 0.5 * (factorial / order) * np.trace(power(gs, order)) + 0.5 * factorial * d @ s @ power(gs, order - 2) @ d
        assert book.cumulant(order) == pytest.approx(traces, rel=1e-10)
    assert book.skewness == pytest.approx(book.cumulant(3) / book.standard_deviation**3)


def test_moments_of_a_simulation() -> None:
    book = random_book(3, 11, 0.2)
    moves = np.random.default_rng(0).multivariate_normal(np.asarray(book.mean), np.asarray(book.covariance), 1_000_000)
    pnl = book.pnl(moves)
    assert pnl.mean() == pytest.approx(book.expected_pnl, abs=4e-3 * book.standard_deviation)
    assert pnl.std() == pytest.approx(book.standard_deviation, rel=5e-3)
    assert stats.skew(pnl) == pytest.approx(book.skewness, abs=0.03)
    assert stats.kurtosis(pnl) == pytest.approx(book.excess_kurtosis, abs=0.15)


def test_terms_reproduce_every_path() -> None:
    book = random_book(4, 3)
    form, y = book.quadratic, np.random.default_rng(1).normal(size=(50, 4))
    moves = np.asarray(book.mean) + y @ form.basis.T
    assert book.pnl(moves) == pytest.approx(form.constant + y @ form.linear + 0.5 * (y * y) @ form.quadratic, abs=1e-11)
    flat = DeltaGamma(book.delta, np.arange(4.0), book.covariance)
    assert flat.pnl(moves) == pytest.approx(DeltaGamma(book.delta, np.diag(np.arange(4.0)), book.covariance).pnl(moves))


def test_ore_cornish_fisher() -> None:
    """ORE's own short-gamma book at p 0.99: the expansion gives -4707.9 where -0.785 is right, and says that it left its domain."""
    book = DeltaGamma([0.0], [[-1e4]], [[1.0]]).reversed
    measured = cornish_fisher_value_at_risk(book, 0.99)
    assert measured.value == pytest.approx(-4707.9, abs=0.05)
    assert measured.status is DeltaGammaStatus.NOT_MONOTONE
    assert "excess kurtosis 12" in measured.reason


def test_cornish_fisher_of_a_mild_book() -> None:
    book = random_book(12, 4, 0.01)
    measured = cornish_fisher_value_at_risk(book, 0.99)
    assert measured.status is DeltaGammaStatus.OK
    assert measured.value == pytest.approx(exact_value_at_risk(book, 0.99).value, rel=1e-4)
    flat = DeltaGamma([2.0], [[0.0]], [[0.25]], 0.5)
    assert cornish_fisher_value_at_risk(flat, 0.99).value == pytest.approx(normal_closed_form(0.5, 1.0, 0.99).value_at_risk)


def test_delta_only() -> None:
    book = random_book(3, 5)
    sd = float(np.sqrt(np.asarray(book.delta) @ np.asarray(book.covariance) @ np.asarray(book.delta)))
    closed = normal_closed_form(book.theta + float(np.asarray(book.delta) @ np.asarray(book.mean)), sd, 0.975)
    assert delta_value_at_risk(book, 0.975).value == pytest.approx(closed.value_at_risk)
    assert delta_expected_shortfall(book, 0.975).value == pytest.approx(closed.expected_shortfall)
    still = DeltaGamma([0.0], [[1.0]], [[1.0]], 2.0)
    assert (delta_value_at_risk(still, 0.99).value, delta_value_at_risk(still, 0.99).status) == (-2.0, DeltaGammaStatus.CONSTANT)
    assert cornish_fisher_value_at_risk(moved(still, gamma=-1.0), 0.99).status is DeltaGammaStatus.CONSTANT


def test_mirror_twice_is_the_book() -> None:
    book = random_book(2, 8)
    again = book.reversed.reversed
    assert np.array_equal(np.asarray(again.gamma), np.asarray(book.gamma))
    assert book.reversed.expected_pnl == pytest.approx(-book.expected_pnl)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: DeltaGamma([], [], []), "delta is empty"),
        (lambda: DeltaGamma([1.0, np.nan], np.eye(2), np.eye(2)), "delta is nan at position 1"),
        (lambda: DeltaGamma([1.0], np.eye(2), [[1.0]]), "gamma must have a row for each of the 1 deltas"),
        (lambda: DeltaGamma([1.0, 2.0], np.eye(2), np.eye(3)), "covariance must have a row for each of the 2 deltas"),
        (lambda: DeltaGamma([1.0, 2.0], [[0.0, 1.0], [0.0, 0.0]], np.eye(2)), "gamma is not symmetric"),
        (lambda: DeltaGamma([1.0, 2.0], np.eye(2), [[1.0, 2.0], [2.0, 1.0]]), "eigenvalue -1 .*repair it with"),
        (lambda: DeltaGamma([1.0, 2.0], np.eye(2), [[1.0, 0.0], [0.0, 0.0]]), "on its diagonal, row 1"),
        (lambda: DeltaGamma([1.0], [[1.0]], [[1.0]], np.inf), "theta must be finite"),
        (lambda: DeltaGamma([1.0], [[1.0]], [[1.0]], 0.0, [1.0, 2.0]), "mean must have the length of delta"),
        (lambda: DeltaGamma([1.0], [[1.0]], [[1.0]]).cumulant(0), "order must be at least 1"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()
