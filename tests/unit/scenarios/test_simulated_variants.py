"""Variants of simulated sets: moments, closed forms of linear books, gains at equal draws, and error bars against replications."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError, value_at_risk
from risk_core.scenarios import WeightError, exponential_weights
from risk_core.scenarios.factor_model import factor_moves, factor_pnl, fit_factor_model
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.simulated import simulated_moves
from risk_core.scenarios.simulated_variants import aligned_sobol_moves, moment_matched_moves
from risk_core.scenarios.simulation_error import batch_risk
from tests.unit.scenarios.variants import DEVIATION, EXPOSURE, LINEAR_TRUTH, MOVES, SETS, WEIGHTED, bent, errors, linear, root_mean_square

COVARIANCE = WEIGHTED @ WEIGHTED.T
T_FACTOR = float(stats.t.ppf(0.99, 5) * np.sqrt(3 / 5) / stats.norm.ppf(0.99))


@pytest.mark.parametrize("df", [None, 5.0])
@pytest.mark.parametrize("rows", [20, 3, 1])
def test_moments_are_matched_exactly(df: float | None, rows: int) -> None:
    found = moment_matched_moves(MOVES[:rows], 1, draws=2_000, degrees_of_freedom=df)
    assert found.shape == (rows, 2_000)
    assert np.abs(found.mean(axis=1)).max() < 1e-16
    np.testing.assert_allclose(found @ found.T / 2_000, COVARIANCE[:rows, :rows], atol=1e-14)


def test_matched_moments_of_singular_moves() -> None:
    """An instrument twice, one that never moves, and more instruments than days."""
    moves = np.vstack((MOVES[:2], MOVES[:1], np.zeros((1, 500))))
    found = moment_matched_moves(moves, 1, draws=200)
    np.testing.assert_allclose(found[0], found[2], atol=1e-15)
    assert not found[3].any()
    wide = np.vstack([MOVES[:, :10]] * 3)
    weights = exponential_weights(10, 0.94)[::-1]
    found = moment_matched_moves(wide, 2, draws=30)
    np.testing.assert_allclose(found @ found.T / 30, (wide * weights) @ wide.T, atol=1e-14)
    assert not moment_matched_moves(np.zeros((2, 5)), 1, draws=4).any()


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_linear_book_meets_its_closed_form(name: str, seed: int) -> None:
    pnl = linear(SETS[name](MOVES, seed, draws=8_192))
    error = np.sqrt(0.01 * 0.99 / 8_192) / stats.norm.pdf(stats.norm.ppf(0.99)) * DEVIATION
    assert value_at_risk(pnl, 0.99).value == pytest.approx(LINEAR_TRUTH[0], abs=4.0 * error)


@pytest.mark.parametrize("df", [None, 5.0])
def test_the_aligned_set_has_the_covariance_and_its_book_the_law(df: float | None) -> None:
    found = aligned_sobol_moves(MOVES, EXPOSURE, 3, draws=1 << 15, degrees_of_freedom=df)
    scale = np.sqrt(np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)))
    np.testing.assert_allclose(found @ found.T / (1 << 15) / scale, COVARIANCE / scale, atol=0.02 if df is None else 0.1)
    closed = LINEAR_TRUTH[0] * (1.0 if df is None else T_FACTOR)
    assert value_at_risk(EXPOSURE @ found, 0.99).value == pytest.approx(closed, rel=5e-4 if df is None else 0.02)
    assert found.tobytes() == aligned_sobol_moves(MOVES, EXPOSURE, 3, draws=1 << 15, degrees_of_freedom=df).tobytes()


@pytest.mark.parametrize("directions", [1, 5, 20, 40])
def test_directions_leave_the_law(directions: int) -> None:
    """Every instrument's own law, however many directions are taken from the sequence."""
    found = aligned_sobol_moves(MOVES, EXPOSURE, 4, draws=4_096, directions=directions)
    for row, deviation in zip(found[::5], np.sqrt(np.diag(COVARIANCE))[::5], strict=True):
        assert stats.kstest(row / deviation, "norm").pvalue > 1e-3


def test_gains_at_equal_draws() -> None:
    """Over 20 seeds: what the page says, with room for the error of the error (16 %)."""
    rms = {name: root_mean_square(errors(draw, linear, LINEAR_TRUTH, 20, 1_024)) for name, draw in SETS.items()}
    plain = np.sqrt(0.01 * 0.99 / 1_024) / stats.norm.pdf(stats.norm.ppf(0.99)) / stats.norm.ppf(0.99)
    assert rms["independent"][0] == pytest.approx(plain, rel=0.5)
    assert rms["Sobol, book's direction first"][0] < 0.2 * rms["independent"][0]
    truth = (value_at_risk(bent(SETS["Sobol, book's direction first"](MOVES, 99, draws=1 << 15)), 0.99).value, 1.0)
    turned = errors(SETS["Sobol, book's direction first"], bent, truth, 20, 1_024)[:, :1]
    assert root_mean_square(turned)[0] < 0.7 * root_mean_square(errors(SETS["independent"], bent, truth, 20, 1_024)[:, :1])[0]


def test_books_without_risk() -> None:
    assert aligned_sobol_moves(MOVES, np.zeros(20), 1, draws=64).shape == (20, 64)
    assert not aligned_sobol_moves(np.zeros((2, 9)), [1.0, 1.0], 1, draws=64).any()
    one = aligned_sobol_moves([[0.02]], [-3.0], 1, draws=64)
    assert np.abs(one.mean()) < 0.01
    hedged = aligned_sobol_moves(np.vstack((MOVES[:1], MOVES[:1])), [1.0, -1.0], 1, draws=64)
    np.testing.assert_allclose(hedged[0], hedged[1], atol=1e-15)


def test_factor_model_keeps_variances() -> None:
    model = fit_factor_model(MOVES, factors=3)
    total = np.sum(model.loadings**2, axis=1) + model.specific**2
    np.testing.assert_allclose(total, np.diag(COVARIANCE), rtol=1e-12)
    eigenvalues = np.linalg.eigvalsh(COVARIANCE)[::-1]
    assert model.explained == pytest.approx(eigenvalues[:3].sum() / eigenvalues.sum(), rel=1e-10)
    whole = fit_factor_model(MOVES, factors=50)
    assert whole.loadings.shape == (20, 20)
    assert whole.deviation(EXPOSURE) == pytest.approx(DEVIATION, rel=1e-10)
    np.testing.assert_allclose(whole.loadings @ whole.loadings.T, COVARIANCE, atol=1e-16)
    assert fit_factor_model(np.zeros((2, 4))).explained == 1.0
    drawn = factor_moves(MOVES, 1, draws=60_000, factors=3)
    scale = np.sqrt(np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)))
    wanted = model.loadings @ model.loadings.T + np.diag(model.specific**2)
    np.testing.assert_allclose(drawn @ drawn.T / 60_000 / scale, wanted / scale, atol=0.02)


@pytest.mark.parametrize("df", [None, 5.0])
def test_books_under_a_factor_model(df: float | None) -> None:
    """Closed form of each book, and of their sum; the P&L of drawn moves has the same law."""
    books = np.vstack((EXPOSURE, EXPOSURE[::-1], np.zeros(20)))
    model = fit_factor_model(MOVES, factors=3, degrees_of_freedom=df)
    pnl = factor_pnl(model, books, 2, draws=1 << 14)
    factor = 1.0 if df is None else T_FACTOR
    for held, row in ((books[0], pnl[0]), (books[1], pnl[1]), (books[0] + books[1], pnl[0] + pnl[1])):
        closed = model.deviation(held) * stats.norm.ppf(0.99) * factor
        assert value_at_risk(row, 0.99).value == pytest.approx(closed, rel=0.02 if df is None else 0.05)
    assert np.abs(pnl[2]).max() < 1e-6 * np.abs(pnl).max()
    single = factor_pnl(model, books[0], 2, draws=1 << 14)
    closed = model.deviation(books[0]) * stats.norm.ppf(0.99) * factor
    assert value_at_risk(single, 0.99).value == pytest.approx(closed, rel=1e-3 if df is None else 0.02)
    moves = books[0] @ factor_moves(MOVES, 3, draws=20_000, factors=3, degrees_of_freedom=df)
    assert stats.ks_2samp(moves, single).pvalue > 1e-3


def test_a_factor_model_of_many_instruments() -> None:
    random = np.random.default_rng(1)
    moves = 0.01 * (random.standard_normal((2_000, 4)) @ random.standard_normal((4, 250)) + random.standard_normal((2_000, 250)))
    model = fit_factor_model(moves, factors=4)
    assert 0.5 < model.explained < 1.0
    exposure = random.standard_normal(2_000)
    pnl = factor_pnl(model, exposure, 1)
    assert value_at_risk(pnl, 0.99).value == pytest.approx(model.deviation(exposure) * stats.norm.ppf(0.99), rel=2e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_error_bars_against_replications(confidence: float) -> None:
    """Mean error stated over 60 sets of 8,000 draws against the deviation of their numbers (itself known to 9 %)."""
    risks = [batch_risk(linear(simulated_moves(MOVES[:, -60:], seed, draws=8_000)), confidence) for seed in range(60)]
    for number, error in (("value_at_risk", "value_at_risk_error"), ("expected_shortfall", "expected_shortfall_error")):
        seen = np.std([getattr(risk, number).value for risk in risks], ddof=1)
        assert np.mean([getattr(risk, error) for risk in risks]) == pytest.approx(seen, rel=0.3)


def test_error_bars_of_scramblings() -> None:
    rows = np.array([linear(aligned_sobol_moves(MOVES, EXPOSURE, seed, draws=1_024)) for seed in range(16)])
    risk = batch_risk(rows, 0.99)
    assert risk.count == 16 * 1_024
    assert risk.value_at_risk_error is not None
    assert risk.value_at_risk_error < 0.2 * batch_risk(linear(simulated_moves(MOVES, 1, draws=16_384)), 0.99, 16).value_at_risk_error  # type: ignore[operator]
    assert risk.value_at_risk.value == pytest.approx(LINEAR_TRUTH[0], rel=2e-3)
    still = batch_risk(np.zeros(8_000), 0.99)
    assert (still.value_at_risk.value, still.value_at_risk_error, still.expected_shortfall_error) == (0.0, 0.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**60), rows=st.integers(1, 6), days=st.integers(1, 12), power=st.integers(1, 8))
def test_any_moves_give_finite_draws_and_the_same_bits(seed: int, rows: int, days: int, power: int) -> None:
    random = np.random.default_rng(seed)
    moves, held = random.standard_normal((rows, days)) * random.integers(0, 2, (rows, days)), random.standard_normal(rows)
    for draw in (
        lambda: aligned_sobol_moves(moves, held, seed, draws=2**power, directions=3),
        lambda: moment_matched_moves(moves, seed, draws=40),
        lambda: factor_moves(moves, seed, draws=4, factors=2, degrees_of_freedom=3.0),
    ):
        found = draw()
        assert np.isfinite(found).all()
        assert found.tobytes() == draw().tobytes()


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: moment_matched_moves(MOVES, 1, draws=40), ScenarioError, "rank 20 is matched by an even number of draws above 40"),
        (lambda: moment_matched_moves(MOVES, 1, draws=101), ScenarioError, "even number"),
        (lambda: moment_matched_moves(MOVES, 1, degrees_of_freedom=2.0), WeightError, "more than 2"),
        (lambda: moment_matched_moves(MOVES, -1), ScenarioError, "seed"),
        (lambda: aligned_sobol_moves(MOVES, EXPOSURE, 1, draws=10_000), ScenarioError, "give 8192 draws"),
        (lambda: aligned_sobol_moves(MOVES, EXPOSURE[:3], 1), ScenarioError, "exposure must have one entry"),
        (lambda: aligned_sobol_moves(MOVES, np.full(20, np.nan), 1), ScenarioError, "exposure is nan for instrument 0"),
        (lambda: aligned_sobol_moves(MOVES, EXPOSURE, 1, directions=0), ScenarioError, "directions"),
        (lambda: aligned_sobol_moves(MOVES, EXPOSURE, 1, decay=1.0), WeightError, "decay"),
        (lambda: factor_moves(MOVES, 1, draws=3), ScenarioError, "pairs"),
        (lambda: fit_factor_model(MOVES, factors=0), ScenarioError, "factors"),
        (lambda: fit_factor_model([[np.nan]]), ScenarioError, "instrument 0, scenario 0"),
        (lambda: factor_pnl(fit_factor_model(MOVES), EXPOSURE, 1, draws=100), ScenarioError, "give 64 draws"),
        (lambda: factor_pnl(fit_factor_model(MOVES), np.zeros((2, 2, 2)), 1), ScenarioError, "1 to 1,000 books"),
        (lambda: batch_risk(np.zeros(100), 0.99), MeasureError, "give at least 400 draws for each of the 20"),
        (lambda: batch_risk(np.zeros(101), 0.9), MeasureError, "equal length"),
        (lambda: batch_risk(np.zeros((1, 1000)), 0.9), MeasureError, "two batches"),
        (lambda: batch_risk(np.full(8_000, np.nan), 0.9), MeasureError, "pnl is nan"),
        (lambda: batch_risk(np.zeros(8_000), 0.9, 1), ScenarioError, "batches"),
        (lambda: batch_risk(np.zeros(8_000), 99.0), ConventionError, "0.99 may be meant"),
    ],
)
def test_bad_input(bad: Callable[[], object], error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        bad()
