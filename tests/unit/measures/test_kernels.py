"""Compiled loops against numpy, the C library's exponential, and enumeration."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.measures import MeasureError, component_expected_shortfalls, entropic_value_at_risk, expected_shortfall, value_at_risk
from risk_core.measures.checks import checked_pnl
from risk_core.measures.kernels import all_within, lowest
from risk_core.measures.many_kernels import scaled_exposures, scaled_moves
from risk_core.measures.tilting import exponentials

Floats = NDArray[np.float64]

vectors = hnp.arrays(np.float64, st.integers(1, 80), elements=st.integers(-6, 6).map(float) | st.sampled_from([-0.0, 1e9, -1e-9]))


@settings(max_examples=150, deadline=None)
@given(vectors, st.data())
def test_lowest_is_a_stable_sort(values: Floats, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, values.size))
    keys, positions = np.empty(count), np.empty(count, np.int64)
    lowest(values, keys, positions)
    wanted = np.argsort(values, kind="stable")[:count]
    assert positions.tolist() == wanted.tolist()
    assert keys.tobytes() == values[wanted].tobytes()


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_lowest_of_sorted_vectors(order: str) -> None:
    values = np.arange(5000.0) if order == "rising" else np.arange(5000.0)[::-1].copy()
    keys, positions = np.empty(250), np.empty(250, np.int64)
    lowest(values, keys, positions)
    assert keys.tolist() == list(range(250))
    assert values[positions].tolist() == keys.tolist()


def test_exponentials() -> None:
    """Within two units in the last place of the C library, 0 below -700, 1 at zero."""
    x = -np.concatenate((np.linspace(0.0, 720.0, 50_001), np.geomspace(1e-300, 1.0, 2_001)))
    rounded, out = np.empty_like(x), np.empty_like(x)
    exponentials(x, 1.0, rounded, out)
    true = np.array([exp(v) for v in x])
    held = x >= -700.0
    assert np.abs(out[held] / true[held] - 1.0).max() <= 2 * np.finfo(np.float64).eps
    assert not out[~held].any()
    assert out[0] == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e151])
@pytest.mark.parametrize("place", [0, 7, 16])
def test_one_pass_finds_what_is_not_a_number(bad: float, place: int) -> None:
    values = np.zeros(17)
    assert all_within(values, 1e150)
    values[place] = bad
    assert not all_within(values, 1e150)
    for view in (values, np.repeat(values, 2)[::2]):
        with pytest.raises(MeasureError, match=rf"at position {place} \(1 of 17"):
            checked_pnl(view)


def test_frozen_and_strided_vectors_give_the_same_bits() -> None:
    values = np.random.Generator(np.random.PCG64(1)).standard_t(4, 400)
    frozen = values.copy()
    frozen.flags.writeable = False
    for measure in (value_at_risk, expected_shortfall, entropic_value_at_risk):
        wanted = measure(values, 0.95)
        for other in (frozen, np.repeat(values, 3)[::3], values.tolist(), values.astype(">f8")):
            assert measure(other, 0.95).value.hex() == wanted.value.hex()
            assert measure(other, 0.95).gradient.tobytes() == wanted.gradient.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.sampled_from([1e-120, 1e-8, 1.0, 1e120]))
def test_single_precision_lies_within_its_bound(seed: int, instruments: int, unit: float) -> None:
    """The bound that excludes scenarios, on instruments of wildly different size; and it excludes, so the bound is not idle."""
    rng = np.random.Generator(np.random.PCG64(seed))
    moves = rng.standard_t(3, (instruments, 200)) * 10.0 ** rng.integers(-9, 9, (instruments, 1))
    x = unit * rng.normal(size=(3, instruments)) * 10.0 ** rng.integers(-4, 4, (3, 1))
    held, moved = np.empty(x.shape, np.float32), np.empty(moves.shape, np.float32)
    norms, squares = np.empty(instruments), np.empty(200)
    scaled_moves(moves, moved, norms, squares)
    scaled_exposures(x, norms, held)
    gap = np.abs((held @ moved).astype(np.float64) - (x @ moves) / np.linalg.norm(x * norms, axis=1, keepdims=True))
    bound = 1.1 * (instruments + 8.0) * 2.0**-24 * np.sqrt(squares.max())
    assert (gap <= bound).all()
    assert bound < 1e-3 * np.sqrt(200)  # a typical P&L of the unit is one over the root of its scenarios


@pytest.mark.parametrize("unit", [1e-200, 1e-145, 1e130])
def test_many_portfolios_in_any_unit(unit: float) -> None:
    """Squares of small numbers vanish and those of large ones are near the end of the numbers: the tail is found all the same."""
    rng = np.random.Generator(np.random.PCG64(9))
    x, shocks = rng.normal(size=(6, 30)), 0.01 * rng.standard_t(4, (30, 400))
    plain = component_expected_shortfalls(x, shocks, 0.95)
    for many in (component_expected_shortfalls(unit * x, shocks, 0.95), component_expected_shortfalls(x, unit * shocks, 0.95)):
        assert many.value / unit == pytest.approx(plain.value, rel=1e-12)
        assert many.component / unit == pytest.approx(plain.component, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_many_portfolios_whose_pnl_nearly_ties(confidence: float) -> None:
    """Scenarios that single precision cannot tell apart are told apart in double: 1e-9 of the one-by-one path."""
    rng = np.random.Generator(np.random.PCG64(8))
    shocks = 1.0 + 1e-9 * rng.normal(size=(40, 600))
    x = rng.uniform(0.5, 2.0, (5, 40)) * 10.0 ** np.arange(-6, 9, 3)[:, None]
    many = component_expected_shortfalls(x, shocks, confidence)
    for p, held in enumerate(x):
        one = expected_shortfall(held @ shocks, confidence)
        assert many.value[p] == pytest.approx(one.value, rel=1e-12)
        assert many.component[p] == pytest.approx(held * (shocks @ one.gradient), rel=1e-9)
    assert many.component.sum(axis=1) == pytest.approx(many.value, rel=1e-12)
