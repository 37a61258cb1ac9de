"""Canonical kernels: equal to their numpy twins bit for bit, and right against independent arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.engine import kernels, twins
from risk_core.methods import AGE_WEIGHTED, EWMA_NORMAL, HISTORICAL, MeasurePlan
from tests.unit.engine.live_world import World, make_world

Floats = NDArray[np.float64]

finite = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False)
few_values = st.sampled_from([-3.5, -1.0, -0.0, 0.0, 1e-300, 2.0, 7.25])
confidence_sets = st.lists(st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99, 0.999, 0.9999]), min_size=1, max_size=5, unique=True)


def same_bits(a: Floats, b: Floats) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


@st.composite
def evaluations(draw: st.DrawFn) -> tuple[Floats, NDArray[np.int64], MeasurePlan]:
    scenarios = draw(st.integers(1, 140))
    nodes = draw(st.integers(1, 3))
    vectors = draw(hnp.arrays(np.float64, (nodes, scenarios), elements=draw(st.sampled_from([finite, few_values]))))
    ages = np.array(draw(st.permutations(range(scenarios))), np.int64)
    return vectors, ages, MeasurePlan(scenarios, confidences=tuple(draw(confidence_sets)))


@settings(max_examples=150, deadline=None)
@given(evaluations())
def test_evaluate_equals_its_twin_bit_for_bit(case: tuple[Floats, NDArray[np.int64], MeasurePlan]) -> None:
    vectors, ages, plan = case
    for mine, twin in zip(kernels.evaluate(vectors, ages, *plan.arrays), twins.evaluate(vectors, ages, *plan.arrays), strict=True):
        assert same_bits(mine, twin)


@pytest.mark.parametrize("scenarios", [63, 64, 65, 500, 1000, 2500])
def test_evaluate_equals_its_twin_on_long_vectors(scenarios: int) -> None:
    rng = np.random.default_rng(scenarios)
    vectors = rng.standard_t(2, (6, scenarios))
    vectors[1] = np.sort(vectors[1])  # the worst are the oldest slots: age-weighted tails go deep
    vectors[2] = np.round(vectors[2], 1)
    vectors[3] = 0.0
    vectors[4, 0] = -1e12
    vectors[5] = -np.arange(scenarios)[::-1]
    for ages in (np.arange(scenarios), np.arange(scenarios)[::-1].copy(), rng.permutation(scenarios)):
        plan = MeasurePlan(scenarios)
        mine, twin = kernels.evaluate(vectors, ages, *plan.arrays), twins.evaluate(vectors, ages, *plan.arrays)
        assert same_bits(mine[0], twin[0])
        assert same_bits(mine[1], twin[1])


@pytest.mark.parametrize(
    ("confidence", "scenarios", "rank"),
    [(0.99, 500, 5), (0.99, 300, 3), (0.975, 1000, 25), (0.95, 1000, 50), (0.99, 250, 3), (0.999, 500, 1), (0.975, 40, 1), (0.9, 10, 1)],
)
def test_var_is_the_exact_order_statistic(confidence: float, scenarios: int, rank: int) -> None:
    vector = np.random.default_rng(1).permutation(np.arange(scenarios, dtype=np.float64))
    plan = MeasurePlan(scenarios, (HISTORICAL,), (confidence,))
    var, _ = kernels.evaluate(vector[None], np.arange(scenarios), *plan.arrays)
    assert var[0, 0, 0] == -(rank - 1.0)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, st.integers(2, 60), elements=st.integers(-50, 50).map(float)), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_historical_es_equals_rational_arithmetic(vector: Floats, confidence: float) -> None:
    tail = Fraction(str(confidence))
    tail = 1 - tail
    left, total = tail, Fraction(0)
    for x in sorted(vector):
        taken = min(left, Fraction(1, len(vector)))
        total += taken * Fraction(x)
        left -= taken
    plan = MeasurePlan(len(vector), (HISTORICAL,), (confidence,))
    _, es = kernels.evaluate(vector[None], np.arange(len(vector)), *plan.arrays)
    assert es[0, 0, 0] == pytest.approx(float(-total / tail), rel=1e-12, abs=1e-12)


def test_ewma_equals_the_recursion_through_time() -> None:
    vector = np.random.default_rng(2).standard_normal(500)  # slot = day, newest last
    variance = 0.0
    for x in vector:
        variance = 0.94 * variance + 0.06 * x * x
    plan = MeasurePlan(500, (EWMA_NORMAL,), (0.99,))
    var, _ = kernels.evaluate(vector[None], np.arange(500)[::-1].copy(), *plan.arrays)
    assert var[0, 0, 0] == pytest.approx(2.3263478740408408 * np.sqrt(variance), rel=3e-13)


def test_age_weights_follow_the_newest_scenario() -> None:
    plan = MeasurePlan(200, (AGE_WEIGHTED,), (0.99,))
    vector = np.zeros(200)
    vector[17] = -5.0
    newest = np.roll(np.arange(200), -17)  # age 0 is slot 17
    oldest = np.roll(np.arange(200), -18)  # slot 17 is the oldest
    assert kernels.evaluate(vector[None], newest, *plan.arrays)[0][0, 0, 0] == 5.0
    assert kernels.evaluate(vector[None], oldest, *plan.arrays)[0][0, 0, 0] == 0.0


def test_a_result_depends_on_ages_not_on_slots() -> None:
    rng = np.random.default_rng(3)
    vector, plan = rng.standard_normal(300), MeasurePlan(300)
    want = kernels.evaluate(vector[None], np.arange(300), *plan.arrays)
    slots = rng.permutation(300)
    moved = np.empty(300)
    moved[slots] = vector
    got = kernels.evaluate(moved[None], slots, *plan.arrays)
    assert same_bits(got[0], want[0])
    assert same_bits(got[1], want[1])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 40),
    st.integers(1, 50),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
)
def test_pnl_vectors_equal_their_twin_bit_for_bit(nodes: int, instruments: int, scenarios: int, seed: int, empty: float) -> None:
    rng = np.random.default_rng(seed)
    exposure = rng.standard_normal((nodes, instruments)) * 10.0 ** rng.integers(-3, 7, (nodes, instruments))
    exposure[rng.random((nodes, instruments)) < empty] = 0.0
    shocks = rng.standard_t(3, (instruments, scenarios)) * 0.01
    shocks[rng.random((instruments, scenarios)) < 0.1] = -0.0
    assert same_bits(kernels.pnl_vectors(exposure, shocks), twins.pnl_vectors(exposure, shocks))


def test_pnl_vectors_do_not_depend_on_who_is_computed_beside() -> None:
    rng = np.random.default_rng(4)
    exposure, shocks = rng.standard_normal((5, 37)) * 1e6, rng.standard_normal((37, 1500)) * 0.01
    together = kernels.pnl_vectors(exposure, shocks)
    alone = np.vstack([kernels.pnl_vectors(row[None], shocks) for row in exposure])
    assert same_bits(together, alone)
    assert np.allclose(together, exposure @ shocks, rtol=1e-11)


def test_exposures_and_shocks_equal_their_twins_bit_for_bit() -> None:
    for seed in range(10):
        w: World = make_world(seed)
        arguments = (w.quantity, w.price, w.fx_to_base, w.instrument_currency, w.node_currency, w.absolute, w.cash)
        assert same_bits(kernels.exposures(*arguments), twins.exposures(*arguments))
        for currency in range(w.fx_to_base.size):
            shock_arguments = (w.shocks_local, w.fx_shocks, w.instrument_currency, currency, w.absolute)
            assert same_bits(kernels.currency_shocks(*shock_arguments), twins.currency_shocks(*shock_arguments))


def test_pnl_of_a_scenario_is_the_revaluation_of_the_book() -> None:
    """(1+r)(1+fx)-1 on exposures, and the cash rule of absolute shocks, against plainly repricing every position."""
    w = make_world(11)
    exposure = kernels.exposures(w.quantity, w.price, w.fx_to_base, w.instrument_currency, w.node_currency, w.absolute, w.cash)
    moved_price = np.where(w.absolute, w.price + w.shocks_local[:, 0], w.price * (1.0 + w.shocks_local[:, 0]))
    moved_fx = w.fx_to_base * (1.0 + w.fx_shocks[:, 0])
    for p, currency in enumerate(w.node_currency):
        units = w.quantity[p] / 1e6
        before = (units * w.price * w.fx_to_base[w.instrument_currency]).sum() / w.fx_to_base[currency]
        after = (units * moved_price * moved_fx[w.instrument_currency]).sum() / moved_fx[currency]
        pnl = kernels.pnl_vectors(exposure[p : p + 1], w.shocks[currency])[0, 0]
        assert pnl == pytest.approx(after - before, rel=1e-9, abs=1e-6 * np.abs(exposure[p]).sum() * 1e-6)


def test_children_add_up_in_the_parents_currency() -> None:
    w = make_world(5)
    children = w.quantity[:3]
    quantity = np.vstack((children, children.sum(axis=0, keepdims=True)))
    same_currency = np.ones(4, np.int64)
    exposure = kernels.exposures(quantity, w.price, w.fx_to_base, w.instrument_currency, same_currency, w.absolute, w.cash)
    vectors = kernels.pnl_vectors(exposure, w.shocks[1])
    assert np.allclose(vectors[:3].sum(axis=0), vectors[3], rtol=1e-10, atol=1e-6)
