from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.methods import METHODS, ONE_DAY, Method, MethodError, ScenarioName
from risk_core.scenarios.horizons import overlapping_moves, separate_moves, square_root_of_time
from risk_core.scenarios.moves import PATHS, moves_of
from risk_core.scenarios.scenario_set import ScenarioError

DAYS = np.array([[0.10, -0.05, 0.02, 0.00, 0.04], [1.0, 2.0, -3.0, 0.5, 0.25]])


def test_windows_compound_returns_and_add_differences() -> None:
    found = overlapping_moves(DAYS, 2, absolute=[False, True])
    assert found[0] == pytest.approx([1.10 * 0.95 - 1, 0.95 * 1.02 - 1, 0.02, 0.04])
    assert found[1] == pytest.approx([3.0, -1.0, -2.5, 0.75])
    separate = separate_moves(DAYS, 2, absolute=[False, True])
    assert separate[1].tolist() == [-1.0, 0.75], "the newest window ends with the newest day, and the oldest day is left over"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_window_is_the_ratio_of_two_prices(horizon: int, seed: int) -> None:
    moves = np.random.default_rng(seed).uniform(-0.5, 0.5, (3, 40))
    price = np.cumprod(np.column_stack((np.ones(3), 1.0 + moves)), axis=1)
    assert overlapping_moves(moves, horizon) == pytest.approx(price[:, horizon:] / price[:, :-horizon] - 1.0, rel=1e-9, abs=1e-12)
    assert overlapping_moves(moves, 1) == pytest.approx(moves, rel=1e-12, abs=1e-15)


def test_independent_days_grow_by_the_square_root_of_time() -> None:
    moves = 0.01 * np.random.default_rng(7).standard_normal((1, 200_000))
    ten = [
        np.quantile(-found[0], 0.99) for found in (overlapping_moves(moves, 10), separate_moves(moves, 10), square_root_of_time(moves, 10))
    ]
    assert ten[0] == pytest.approx(0.01 * 10**0.5 * 2.3263, rel=0.04)
    assert ten[1] == pytest.approx(ten[0], rel=0.04)
    assert ten[2] == pytest.approx(0.01 * 10**0.5 * 2.3263, rel=0.02)


@pytest.mark.parametrize(
    ("horizon", "absolute", "match"), [(6, None, "needs as many"), (0, None, "horizon"), (2, [True], "each of the 2 instruments")]
)
def test_what_cannot_be_is_refused(horizon: int, absolute: list[bool] | None, match: str) -> None:
    with pytest.raises(ScenarioError, match=match):
        overlapping_moves(DAYS, horizon, absolute)


@pytest.mark.parametrize("method", [m for m in METHODS.values() if m.horizon_days > 1], ids=lambda m: m.name)
def test_every_method_of_several_days_is_near_ten_times_the_variance(method: Method) -> None:
    random = np.random.default_rng(3)
    moves = np.vstack((0.01 * random.standard_normal((2, 1_000)), 0.5 * random.standard_normal((1, 1_000)), np.zeros((1, 1_000))))
    absolute = np.array([False, False, True, False])
    found = moves_of(method, moves, 5, absolute)
    assert (found == moves_of(method, moves, 5, absolute)).all()
    assert found[3].tolist() == [0.0] * found.shape[1]
    assert found[:3].std(axis=1) == pytest.approx(np.sqrt(method.horizon_days) * np.array([0.01, 0.01, 0.5]), rel=0.25)
    assert method.dated == (method.scenario_set in (ScenarioName.HISTORICAL, ScenarioName.SQUARE_ROOT))
    assert method.name not in ONE_DAY


def test_other_sets_are_of_one_day() -> None:
    assert {name for name in ScenarioName if name.several_days} == set(PATHS)
    with pytest.raises(MethodError, match="not made for 10 days"):
        Method("x", "X", "", scenario_set=ScenarioName.COPULA_VINE, horizon_days=10)
    with pytest.raises(MethodError, match="not made for 0 days"):
        Method("x", "X", "", horizon_days=0)
