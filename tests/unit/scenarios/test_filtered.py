"""Filtered historical simulation: against a plain loop, its closed-form variance, EWMA scaling, and what cannot be fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from risk_core.measures import MeasureError
from risk_core.scenarios import volatility_scaled
from risk_core.scenarios.filtered import MODELS, filtered_moves
from risk_core.volatility import VolatilityStatus, fit_garch, step
from tests.unit.volatility.series import garch_series

MOVES = 0.01 * np.array([garch_series(500, seed, gamma=0.04, beta=0.88) for seed in range(3)])


def test_ewma_is_volatility_weighting() -> None:
    np.testing.assert_allclose(filtered_moves(MOVES, "ewma").moves, volatility_scaled(MOVES), rtol=1e-12)


@pytest.mark.parametrize("model", list(MODELS))
def test_one_day_is_each_residual_at_tomorrows_volatility(model: str) -> None:
    found = filtered_moves(MOVES, model)
    assert found.moves.shape == MOVES.shape
    assert {i.model for i in found.instruments} == {model}
    assert found.replaced == {}
    for row, series in enumerate(MOVES):
        fit = MODELS[model](series)
        np.testing.assert_allclose(found.moves[row], series / fit.volatility * fit.state.volatility, rtol=1e-12)


def test_against_arch() -> None:
    from arch import arch_model

    other = arch_model(100.0 * MOVES[0], mean="Zero", p=1, q=1, rescale=False).fit(disp="off", tol=1e-12)
    tomorrow = float(np.sqrt(other.forecast(horizon=1).variance.to_numpy()[-1, 0])) / 100.0
    np.testing.assert_allclose(filtered_moves(MOVES).moves[0], other.std_resid * tomorrow, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("model", ["gjr", "riskmetrics_2006"])
@pytest.mark.parametrize("accumulation", ["compounded", "uncompounded"])
def test_several_days_are_the_plain_loop(model: str, accumulation: str) -> None:
    """By `step`, one path after another, with the days of numpy's generator."""
    found = filtered_moves(MOVES, model, horizon=5, draws=20, seed=9, accumulation=accumulation).moves
    days = np.random.Generator(np.random.PCG64(9)).integers(0, 500, (20, 5))
    for row, series in enumerate(MOVES):
        fit = MODELS[model](series)
        for path in range(20):
            state, moves = fit.state, []
            for day in days[path]:
                moves.append(state.volatility * fit.residuals[day])
                state = step(state, moves[-1])
            wanted = np.prod(1.0 + np.array(moves)) - 1.0 if accumulation == "compounded" else np.sum(moves)
            assert found[row, path] == pytest.approx(wanted, rel=1e-10, abs=1e-15)


def test_variance_over_days_is_the_forecast() -> None:
    """Sums of independent days have the sum of the variances, times the residuals' mean square on its own path; four standard errors.

    Symmetric residuals of mean square one are made by giving each residual both signs.
    """
    once = fit_garch(MOVES[0])
    z = np.concatenate((once.residuals, -once.residuals)) / np.sqrt(np.mean(once.residuals**2))
    a, h = once.state.recursion, once.state.variance
    moves = np.empty(z.size)
    for t, shock in enumerate(z):  # a series whose residuals are z, under these parameters
        moves[t] = np.sqrt(h) * shock
        h = float(a.level[0]) + float(a.up[0]) * moves[t] ** 2 + float(a.persistence[0]) * h
    found = filtered_moves(moves[None], horizon=10, draws=40_000, seed=2, accumulation="uncompounded", centred=True).moves[0]
    fit = fit_garch(moves)
    scale = np.mean(fit.residuals**2)
    assert scale == pytest.approx(1.0, abs=0.01)
    square = found**2
    assert abs(square.mean() - fit.forecast(10).sum()) < 4.0 * square.std() / np.sqrt(square.size) + 0.02 * square.mean()
    assert abs(found.mean()) < 4.0 * found.std() / np.sqrt(found.size)


def test_days_are_drawn_whole() -> None:
    """Two instruments that always move together do so on every path, and an opposite one against them."""
    moves = np.vstack((MOVES[0], 2.0 * MOVES[0], -MOVES[0]))
    found = filtered_moves(moves, horizon=10, draws=500, seed=1, accumulation="uncompounded").moves
    np.testing.assert_allclose(found[1], 2.0 * found[0], rtol=1e-8)
    np.testing.assert_allclose(found[2], -found[0], rtol=1e-8)


def test_a_nervous_present_is_seen_and_fades() -> None:
    """After a shock one day is riskier than history, and ten days are less than ten times its variance."""
    moves = np.append(MOVES[0], [0.025, -0.025])[None]
    one = filtered_moves(moves).moves
    ten = filtered_moves(moves, horizon=10, seed=3, accumulation="uncompounded", centred=True).moves
    assert one.std() > 1.3 * moves.std()
    assert ten.var() < 10.0 * one.var()
    assert ten.shape == (1, 10_000)


def test_a_seed_means_the_same_bits() -> None:
    one, same, other = (filtered_moves(MOVES, horizon=3, draws=100, seed=s).moves for s in (5, 5, 6))
    assert one.tobytes() == same.tobytes()
    assert not np.array_equal(one, other)
    assert not np.array_equal(filtered_moves(MOVES, draws=500, seed=5).moves, filtered_moves(MOVES).moves)


def test_what_cannot_be_fitted_is_told() -> None:
    still = np.vstack((MOVES[0], np.zeros(500), np.full(500, 0.001)))
    found = filtered_moves(still)
    assert [i.model for i in found.instruments] == ["garch", "as_it_is", "as_it_is"]
    assert found.replaced[2].status is VolatilityStatus.CONSTANT
    assert found.replaced[2].reason == "every return is 0.001; the variance is the mean square"
    np.testing.assert_array_equal(found.moves[1:], still[1:])
    days = filtered_moves(still, horizon=2, draws=50, seed=1).moves
    np.testing.assert_allclose(days[1:], np.array([[0.0], [1.001**2 - 1.0]]) * np.ones(50), rtol=1e-12)
    short = filtered_moves(MOVES[:, :60])
    assert [i.model for i in short.instruments] == ["ewma"] * 3
    assert short.replaced[0].status is VolatilityStatus.TOO_SHORT
    assert short.replaced[0].reason.startswith("60 effective returns; a fit needs 100")
    np.testing.assert_allclose(short.moves, volatility_scaled(MOVES[:, :60]), rtol=1e-12)


def test_a_price_does_not_fall_below_zero() -> None:
    wild = np.random.default_rng(0).standard_t(3, (1, 300)) * 0.4
    found = filtered_moves(wild, "ewma", horizon=10, draws=500, seed=1)
    assert found.floored > 0
    assert found.moves.min() == -1.0
    assert (filtered_moves(wild, "ewma", horizon=10, draws=500, seed=1, accumulation="uncompounded").moves < -1.0).any()


@settings(max_examples=20, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 120)), elements=st.sampled_from([-0.5, -0.01, 0.0, 0.01, 0.3])),
    st.sampled_from(list(MODELS)),
    st.integers(1, 4),
)
def test_any_moves_give_finite_ones(moves: np.ndarray, model: str, horizon: int) -> None:
    for found in (filtered_moves(moves, model), filtered_moves(moves, model, horizon=horizon, draws=10, seed=0)):
        assert np.isfinite(found.moves).all()
        assert len(found.instruments) == moves.shape[0]
    np.testing.assert_array_equal(filtered_moves(moves, model).moves[:, 0] == 0.0, moves[:, 0] == 0.0)


@pytest.mark.parametrize(
    ("moves", "changes", "message"),
    [
        ([1.0, 2.0], {}, "moves must be a matrix of instruments by days"),
        (np.empty((2, 0)), {}, "with at least one of each"),
        ([[1.0, np.nan]], {}, "moves are nan at instrument 0, day 1"),
        ([["a"]], {}, "moves must be numbers"),
        (MOVES, {"model": "egarch"}, "unknown volatility model 'egarch'; choose one of garch"),
        (MOVES, {"horizon": 0}, "at least 1"),
        (MOVES, {"draws": 0, "seed": 1}, "at least 1"),
        (MOVES, {"horizon": 2}, "draws need a seed"),
        (MOVES, {"draws": 10, "seed": -1}, "draws need a seed"),
        (MOVES, {"accumulation": "logs"}, "unknown accumulation 'logs'"),
    ],
)
def test_bad_input(moves: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        filtered_moves(moves, **changes)
