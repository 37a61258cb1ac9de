"""Draws of regimes against the closed form of a normal mixture, and weights of days by regime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from risk_core.copulas import expected_shortfall_error, value_at_risk_error
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.scenarios.move_checks import index_series
from risk_core.scenarios.regime_switching import regime_moves, regime_weights
from risk_core.scenarios.regimes import fit_regimes
from risk_core.scenarios.scenario_set import ScenarioError
from tests.unit.scenarios.test_regimes import TWO, switching

MARKET, STATES = switching(TWO, [0.006, 0.02], [0.0, 0.0], 1_000, 9)
MOVES = np.array([[1.0], [0.6], [1.4]]) * MARKET + 0.004 * np.random.default_rng(9).standard_normal((3, 1_000))
EXPOSURE = np.array([1e6, -4e5, 7e5])
FIT = fit_regimes(index_series(MOVES))
DRIFTED = MOVES + 0.01 * np.sign(MARKET)[::-1] + 0.01
"""Other moves of the same days, with means; any fit of their number of days may be passed."""


def mixture(free_means: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances, means and deviations of the book's P&L, from weighted moments of the moves by plain sums."""
    means, deviations = [], []
    for gamma in FIT.smoothed.T:
        pnl, mass = EXPOSURE @ DRIFTED, gamma / gamma.sum()
        middle = float(mass @ pnl) if free_means else 0.0
        means.append(middle)
        deviations.append(float(np.sqrt(mass @ (pnl - middle) ** 2)))
    return FIT.predictive, np.array(means), np.array(deviations)


@cache
def drawn_pnl(free_means: bool) -> np.ndarray:
    return np.asarray(EXPOSURE @ regime_moves(DRIFTED, 5, draws=60_000, free_means=free_means, fit=FIT))


@pytest.mark.parametrize("free_means", [False, True])
@pytest.mark.parametrize("confidence", [0.95, 0.99, 0.999])
def test_a_linear_book_meets_the_normal_mixture(free_means: bool, confidence: float) -> None:
    chances, means, deviations = mixture(free_means)
    quantile = brentq(lambda x: chances @ norm.cdf((x - means) / deviations) - (1.0 - confidence), -1e7, 0.0, xtol=1e-6)
    z = (quantile - means) / deviations
    shortfall = -float(chances @ (means * norm.cdf(z) - deviations * norm.pdf(z))) / (1.0 - confidence)
    pnl = drawn_pnl(free_means)
    assert value_at_risk(pnl, confidence).value == pytest.approx(-quantile, abs=4.0 * value_at_risk_error(pnl, confidence))
    assert expected_shortfall(pnl, confidence).value == pytest.approx(shortfall, abs=4.0 * expected_shortfall_error(pnl, confidence))


def test_tomorrow_is_worse_in_the_turbulent_regime() -> None:
    calm = replace(FIT, filtered=np.tile([1.0, 0.0], (1_000, 1)))
    rough = replace(FIT, filtered=np.tile([0.0, 1.0], (1_000, 1)))
    one, two = (value_at_risk(EXPOSURE @ regime_moves(MOVES, 1, fit=fit), 0.99).value for fit in (calm, rough))
    assert two > 1.5 * one


def test_pairs_are_mirrored_and_a_seed_means_the_same_bits() -> None:
    found = regime_moves(MOVES, 3, draws=2_000)
    assert np.array_equal(found[:, ::2], -found[:, 1::2])
    assert found.tobytes() == regime_moves(MOVES, 3, draws=2_000, fit=FIT).tobytes()
    assert not np.array_equal(found, regime_moves(MOVES, 4, draws=2_000))
    assert regime_moves(MOVES, 3, draws=200, states=3, index="principal").shape == (3, 200)  # type: ignore[arg-type]
    dead = regime_moves(np.vstack((MOVES, np.zeros(1_000))), 3, draws=200)
    assert not dead[3].any()


def test_more_instruments_than_days() -> None:
    wide = np.vstack([MOVES[:, :80]] * 40)
    assert np.isfinite(regime_moves(wide, 1, draws=100)).all()


def test_weights_by_regime() -> None:
    weights = regime_weights(FIT.smoothed, FIT.predictive)
    by_hand = sum(FIT.predictive[k] * FIT.smoothed[::-1, k] / FIT.smoothed[:, k].sum() for k in range(2))
    np.testing.assert_allclose(weights, by_hand, rtol=1e-12)
    rough = regime_weights(FIT.smoothed, [0.0, 1.0])
    pnl = (EXPOSURE @ MOVES)[::-1]
    assert value_at_risk(pnl, 0.95, rough).value > 1.3 * value_at_risk(pnl, 0.95).value
    assert rough[STATES[::-1] == 1].sum() > 0.85


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), states=st.integers(1, 4))
def test_each_regime_has_its_chance(seed: int, count: int, states: int) -> None:
    """Weights are a law; of regimes that are certain day by day each has its chance today; days of one mixture weigh alike."""
    random = np.random.default_rng(seed)
    today = random.dirichlet(np.ones(states))
    certain = np.eye(states)[np.concatenate((np.arange(states), random.integers(0, states, count)))]
    weights = regime_weights(certain, today)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights[::-1] @ certain, today, atol=1e-12)
    alike = regime_weights(np.tile(random.dirichlet(np.ones(states)), (count, 1)), today)
    np.testing.assert_allclose(alike, 1.0 / count)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: regime_moves(MOVES, 1, draws=3), "pairs"),
        (lambda: regime_moves(MOVES, -1), "seed"),
        (lambda: regime_moves(MOVES, 1, draws=0), "draws"),
        (lambda: regime_moves(MOVES, 1, index="last"), "unknown index"),  # type: ignore[arg-type]
        (lambda: regime_moves(MOVES[:, :500], 1, fit=FIT), "of 1000 days, the moves of 500"),
        (lambda: regime_moves(np.zeros((2, 100)), 1), "does not vary"),
        (lambda: regime_moves(MOVES[:, :20], 1), "too few"),
        (lambda: regime_moves(np.hstack((np.zeros((3, 300)), MOVES)), 1), "no scenarios from regimes"),
        (lambda: regime_weights([[1.0, 0.0]], [1.0]), "shape"),
        (lambda: regime_weights([[0.7, 0.7]], [0.5, 0.5]), "probabilities must lie"),
        (lambda: regime_weights([[np.nan, 1.0]], [0.5, 0.5]), "probabilities must lie"),
        (lambda: regime_weights([[0.5, 0.5]], [0.5, 0.6]), "today must lie"),
        (lambda: regime_weights([[1.0, 0.0]], [0.5, 0.5]), "no day has it"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        bad()
