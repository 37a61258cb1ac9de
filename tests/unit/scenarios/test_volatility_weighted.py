"""Volatility weighting: the recursion by hand, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from risk_core.scenarios import ScenarioSet, WeightError, volatility_scaled, volatility_weighted

SIZES = st.just(0.0) | st.floats(1e-120, 0.5)
"""Of moves whose squares are exact to the last digits: smaller ones lose theirs on the way to nothing."""
MOVES = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=SIZES | SIZES.map(lambda size: -size))


def by_hand(moves: list[float], decay: float) -> list[float]:
    """One instrument, one step after another, as the paper writes it."""
    variance = [sum(r * r for r in moves) / len(moves)]
    for r in moves:
        variance.append(decay * variance[-1] + (1.0 - decay) * r * r)
    return [r * (variance[-1] / v) ** 0.5 for r, v in zip(moves, variance, strict=False)]


def test_each_move_is_scaled_to_the_newest_volatility() -> None:
    rng = np.random.default_rng(1)
    moves = rng.normal(size=(3, 250)) * np.linspace(0.005, 0.03, 250)
    scaled = volatility_scaled(moves, 0.97)
    for given_row, scaled_row in zip(moves, scaled, strict=True):
        np.testing.assert_allclose(scaled_row, by_hand(given_row.tolist(), 0.97), rtol=1e-12)
    assert scaled[:, :100].std() > 2.0 * moves[:, :100].std()  # calm days count as they would today


def test_constant_volatility_changes_nothing() -> None:
    moves = np.tile([0.01, -0.01], (2, 50))
    np.testing.assert_allclose(volatility_scaled(moves), moves, rtol=1e-14)


@given(MOVES)
def test_it_is_finite_keeps_signs_and_scales_with_the_moves(moves: np.ndarray) -> None:
    scaled = volatility_scaled(moves)
    assert np.isfinite(scaled).all()
    assert (scaled[moves == 0.0] == 0.0).all()
    assert (scaled * moves >= 0.0).all()
    np.testing.assert_allclose(volatility_scaled(4.0 * moves), 4.0 * scaled, rtol=1e-12)


def test_the_set_keeps_days_and_weights() -> None:
    days = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")
    moves = np.array([[0.01, -0.02, 0.0, 0.03], [0.0, 0.0, 0.0, 0.0]])
    before = ScenarioSet("historical", ("A", "B"), days, moves, np.full(4, 0.25), np.zeros(2, bool), np.zeros((2, 4), bool))
    after = volatility_weighted(before, 0.9)
    assert (after.name, after.instruments, after.weights.tolist()) == ("volatility_weighted", ("A", "B"), [0.25] * 4)
    assert after.shocks[1].tolist() == [0.0] * 4
    assert after.shocks[0].tolist() == volatility_scaled(moves, 0.9)[0].tolist()


@pytest.mark.parametrize("decay", [0.0, 1.0, -1.0, float("nan")])
def test_an_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(WeightError, match="decay must lie strictly between 0 and 1"):
        volatility_scaled(np.ones((1, 3)), decay)
