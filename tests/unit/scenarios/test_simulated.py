"""Simulated moves: their covariance is the weighted one, their tails those of the law, and a seed means the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from risk_core.measures import normal_value_at_risk, student_t_closed_form, value_at_risk
from risk_core.scenarios import WeightError, exponential_weights
from risk_core.scenarios.simulated import set_seed, simulated_moves

RNG = np.random.default_rng(2)
MIX = np.array([[1.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0], [0.0, 0.3, 0.5, 0.0], [-0.4, 0.0, 0.1, 0.9]])
MOVES = 0.01 * MIX @ RNG.standard_normal((4, 300))
WEIGHTS = exponential_weights(300, 0.94)[::-1]
COVARIANCE = (MOVES * WEIGHTS) @ MOVES.T


@pytest.mark.parametrize("df", [None, 5.0])
def test_the_covariance_is_the_weighted_one_and_the_mean_zero(df: float | None) -> None:
    found = simulated_moves(MOVES, 1, draws=200_000, degrees_of_freedom=df)
    assert found.shape == (4, 200_000)
    assert np.abs(found.mean(axis=1)).max() < 1e-15
    scale = np.sqrt(np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)))
    np.testing.assert_allclose(np.cov(found, ddof=0) / scale, COVARIANCE / scale, atol=0.01 if df is None else 0.04)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_a_linear_book_meets_its_closed_form(seed: int, confidence: float) -> None:
    """A standard error is sqrt(c (1 - c) / n) / density, in standard deviations; antithetic pairs leave it as it is far in the tail."""
    exposure = np.array([1e6, -4e5, 7e5, 2e5])
    sigma = float(np.sqrt(exposure @ COVARIANCE @ exposure))
    closed = normal_value_at_risk((exposure @ MOVES)[::-1], confidence, exponential_weights(300, 0.94)).value
    z = stats.norm.ppf(confidence)
    error = np.sqrt(confidence * (1 - confidence) / 10_000) / stats.norm.pdf(z) * sigma
    assert value_at_risk(exposure @ simulated_moves(MOVES, seed), confidence).value == pytest.approx(closed, abs=4 * error)
    heavy = student_t_closed_form(0.0, sigma, 5.0, confidence).value_at_risk
    t = stats.t.ppf(confidence, 5) * np.sqrt(3 / 5)
    error_t = np.sqrt(confidence * (1 - confidence) / 10_000) / (stats.t.pdf(stats.t.ppf(confidence, 5), 5) / np.sqrt(3 / 5)) * sigma
    assert heavy == pytest.approx(t * sigma, rel=1e-9)
    drawn = value_at_risk(exposure @ simulated_moves(MOVES, seed, degrees_of_freedom=5.0), confidence).value
    assert drawn == pytest.approx(heavy, abs=4 * error_t)


def test_student_t_moves_fall_together() -> None:
    """Two instruments without correlation: under the normal law their worst days do not meet, under Student t they do."""
    moves = 0.01 * np.vstack((np.tile([1.0, -1.0, 0.0, 0.0], 50), np.tile([0.0, 0.0, 1.0, -1.0], 50)))

    def together(df: float | None) -> float:
        found = simulated_moves(moves, 4, draws=100_000, decay=0.999, degrees_of_freedom=df)
        worst = found < np.quantile(found, 0.01, axis=1, keepdims=True)
        return float(worst.all(axis=0).mean() / 0.01)

    assert together(None) < 0.02
    assert together(5.0) > 0.05


def test_a_seed_means_the_same_bits_and_a_day_has_its_own() -> None:
    assert simulated_moves(MOVES, 9).tobytes() == simulated_moves(MOVES, 9).tobytes()
    assert not np.array_equal(simulated_moves(MOVES, 9), simulated_moves(MOVES, 10))
    seeds = {set_seed(s, n, t) for s in (0, 1) for n in ("a", "b") for t in (10, 11)}
    assert len(seeds) == 8
    assert set_seed(0, "simulated_normal", 1_230_757_200_000_000_000) == set_seed(0, "simulated_normal", 1_230_757_200_000_000_000)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"draws": 3}, "draws come in pairs"),
        ({"draws": 0}, "draws come in pairs"),
        ({"degrees_of_freedom": 2.0}, "more than 2"),
        ({"decay": 1.0}, "decay"),
    ],
)
def test_impossible_asks_are_refused(changes: dict[str, float], what: str) -> None:
    with pytest.raises(WeightError, match=what):
        simulated_moves(MOVES, 1, **changes)  # type: ignore[arg-type]
