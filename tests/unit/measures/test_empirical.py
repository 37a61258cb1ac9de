"""Historical VaR and ES: the canonical kernel bit for bit, rational arithmetic, the nine quantiles of numpy, and every convention."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import Conventions, QuantileConvention, QuantileSide, TailWeight
from risk_core.engine import kernels
from risk_core.measures import (
    Status,
    expected_shortfall,
    lower_tail_mean,
    normal_expected_shortfall,
    normal_value_at_risk,
    quantile,
    value_at_risk,
)
from risk_core.methods import METHODS, Measure, MeasurePlan

Floats = NDArray[np.float64]
CONVENTIONS = [c.value for c in QuantileConvention]
NUMPY_ROUNDS_HALF_RANKS_ITS_OWN_WAY = "closest_observation"

finite = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False)
few = st.sampled_from([-3.5, -1.0, -0.0, 0.0, 1e-300, 2.0, 7.25])
vectors = st.integers(1, 140).flatmap(lambda n: st.sampled_from([finite, few]).flatmap(lambda e: hnp.arrays(np.float64, n, elements=e)))
integers = hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-50, 50).map(float))


def conventions(**names: str | int) -> Conventions:
    return Conventions(**names)  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None)
@given(vectors, st.lists(st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99, 0.999, 0.9999]), min_size=1, max_size=4, unique=True))
def test_defaults_equal_the_canonical_kernel_bit_for_bit(newest_first: Floats, confidences: list[float]) -> None:
    plan = MeasurePlan(newest_first.size, confidences=tuple(confidences))
    ages = np.arange(newest_first.size)
    var, es = kernels.evaluate(newest_first[None], ages, *plan.arrays)
    for m, method in enumerate(plan.methods):
        weights = plan.weights[plan.weight_of[m]]
        both = (value_at_risk, expected_shortfall)
        if method.measure is Measure.NORMAL:
            both = (normal_value_at_risk, normal_expected_shortfall)
        for c, confidence in enumerate(confidences):
            mine = [f(newest_first, confidence, weights) for f in both]
            assert np.array([r.value for r in mine]).tobytes() == np.array([var[0, m, c], es[0, m, c]]).tobytes()
            assert (mine[0].status is Status.THIN_TAIL) == bool(plan.thin[m, c])
    assert {m.name for m in plan.methods} == {m.name for m in METHODS.values() if m.streamed}


@settings(max_examples=80, deadline=None)
@given(integers, st.sampled_from([0.9, 0.95, 0.975, 0.99]), st.data())
def test_es_equals_rational_arithmetic_with_weights(vector: Floats, confidence: float, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 4), min_size=len(vector), max_size=len(vector)).filter(any))
    tail = 1 - Fraction(str(confidence))
    left, total, last = tail, Fraction(0), 0.0
    for x, count in sorted(zip(vector, counts, strict=True)):
        taken = min(left, Fraction(count, sum(counts)))
        total, left = total + taken * Fraction(x), left - taken
        last = x if taken else last
    assert expected_shortfall(vector, confidence, counts).value == pytest.approx(float(-total / tail), abs=1e-9)
    assert value_at_risk(vector, confidence, counts).value == -last


@pytest.mark.parametrize("convention", CONVENTIONS)
@settings(max_examples=40, deadline=None)
@given(values=integers, percent=st.integers(0, 100))
def test_nine_quantiles_equal_numpy(convention: str, values: Floats, percent: int) -> None:
    level = percent / 100.0
    if convention == NUMPY_ROUNDS_HALF_RANKS_ITS_OWN_WAY and (len(values) * percent) % 100 == 50:
        return
    if (len(values) * percent) % 100 == 0 and len(values) * level != len(values) * percent // 100:
        return  # numpy's floating rank falls short of the whole one, and takes the observation before
    assert quantile(values, level, convention) == pytest.approx(float(np.quantile(values, level, method=convention)), abs=1e-9)


def test_half_ranks_go_to_the_even_one() -> None:
    """Type 3 of Hyndman and Fan, as R and SAS have it: ranks 0.5, 1.5, 2.5, 3.5 of four give observations 1, 2, 2, 4."""
    levels = [0.125, 0.375, 0.625, 0.875]
    assert [quantile([1.0, 2.0, 3.0, 4.0], p, "type_3") for p in levels] == [1.0, 2.0, 2.0, 4.0]


@pytest.mark.parametrize("side", list(QuantileSide))
@pytest.mark.parametrize("convention", CONVENTIONS)
@settings(max_examples=25, deadline=None)
@given(
    pnl=hnp.arrays(np.float64, st.integers(2, 25), elements=st.integers(-50, 50).map(float)), confidence=st.sampled_from([0.6, 0.8, 0.9])
)
def test_es_is_var_averaged_over_all_higher_confidences(convention: str, side: QuantileSide, pnl: Floats, confidence: float) -> None:
    """Against numpy's quantile on a fine grid of midpoints: ES = 1/(1-c) times the integral of VaR over (c, 1)."""
    levels = (np.arange(20_000) + 0.5) / 20_000 * (1.0 - confidence)
    if side is QuantileSide.PROFIT:
        averaged = -np.quantile(pnl, levels, method=convention).mean()
    else:
        averaged = np.quantile(-pnl, 1.0 - levels, method=convention).mean()
    shortfall = expected_shortfall(pnl, confidence, None, conventions(quantile=convention, quantile_side=side))
    assert shortfall.value == pytest.approx(averaged, abs=0.02)


def test_trap_300_observations_three_answers() -> None:
    """Worst -30, -27, -23, -21 of 300 at 99 %: 23 on P&L, 21 on losses, 21.02 by Excel."""
    pnl = np.concatenate(([-30.0, -27.0, -23.0, -21.0], np.linspace(-15.0, 20.0, 296)))
    assert value_at_risk(pnl, 0.99).value == 23.0
    assert value_at_risk(pnl, 0.99, None, conventions(quantile_side="loss")).value == 21.0
    assert value_at_risk(pnl, 0.99, None, conventions(quantile="excel", quantile_side="loss")).value == pytest.approx(21.02)


def test_three_tail_weights() -> None:
    """13 observations at 80 %: 2.6 of them; two and a fraction, three, or two strictly beyond."""
    pnl = np.concatenate((np.arange(10.0) - 5.0, np.full(3, 10.0)))
    value = {t: expected_shortfall(pnl, 0.8, None, conventions(tail_weight=t)).value for t in TailWeight}
    assert value[TailWeight.FRACTIONAL] == pytest.approx(float((5 + 4 + (Fraction(13, 5) - 2) * 3) / Fraction(13, 5)))
    assert value[TailWeight.INCLUDE_VAR] == 4.0
    assert value[TailWeight.STRICT] == 4.5


def test_contributing_observations_and_gradient() -> None:
    pnl = np.array([4.0, -10.0, 3.0, -6.0, 2.0, -8.0, 1.0, 0.0, 5.0, 6.0])
    shortfall = expected_shortfall(pnl, 0.75)
    assert shortfall.observations.tolist() == [1, 5, 3]
    assert shortfall.observation_weights == pytest.approx([0.4, 0.4, 0.2])
    assert shortfall.gradient == pytest.approx([0, -0.4, 0, -0.2, 0, -0.4, 0, 0, 0, 0])
    assert value_at_risk(pnl, 0.75).observations.tolist() == [3]
    interpolated = value_at_risk(pnl, 0.75, None, conventions(quantile="linear"))
    assert sorted(interpolated.observations.tolist()) == [3, 7]
    assert shortfall.conventions.as_dict()["tail_weight"] == "fractional"
    assert shortfall.confidence == 0.75
    assert float(shortfall) == shortfall.value == 8.4


@pytest.mark.parametrize("measure", [value_at_risk, expected_shortfall, normal_value_at_risk, normal_expected_shortfall])
def test_gradients_equal_finite_differences(measure: object) -> None:
    pnl = np.random.default_rng(5).standard_t(4, 60)
    weights = np.linspace(1.0, 2.0, 60)
    step = 1e-6
    for chosen in (conventions(), conventions(mean="sample", ddof=1, quantile="hazen")):
        gradient = measure(pnl, 0.9, weights, chosen).gradient  # type: ignore[operator]
        for s in range(60):
            up, down = pnl.copy(), pnl.copy()
            up[s] += step
            down[s] -= step
            slope = (measure(up, 0.9, weights, chosen).value - measure(down, 0.9, weights, chosen).value) / (2 * step)  # type: ignore[operator]
            assert gradient[s] == pytest.approx(slope, abs=1e-6)


def test_statuses_name_what_degrades() -> None:
    pnl = np.arange(50.0)
    thin = value_at_risk(pnl, 0.99)
    assert thin.status is Status.THIN_TAIL
    assert "0.5 of 50" in thin.reason
    assert value_at_risk(pnl, 0.98).status is Status.OK
    empty = expected_shortfall([-1.0, -1.0, 0.0, 0.0], 0.5, None, conventions(tail_weight="strict"))
    assert empty.status is Status.EMPTY_TAIL
    assert empty.value == value_at_risk([-1.0, -1.0, 0.0, 0.0], 0.5).value == 1.0


def test_numbers_are_never_clipped() -> None:
    """A book that gains in every scenario has negative VaR and ES."""
    pnl = np.arange(1.0, 101.0)
    assert value_at_risk(pnl, 0.99).value == -1.0
    assert expected_shortfall(pnl, 0.95).value == pytest.approx(-3.0)
    assert normal_value_at_risk(pnl, 0.95, None, conventions(mean="sample")).value < 0.0


def test_weights_are_shares_whatever_their_sum() -> None:
    pnl = np.random.default_rng(1).normal(size=40)
    counts = np.random.default_rng(2).integers(1, 4, 40)
    repeated = np.repeat(pnl, counts)
    for measure in (value_at_risk, expected_shortfall, normal_value_at_risk):
        assert measure(pnl, 0.9, counts).value == pytest.approx(measure(repeated, 0.9).value)  # type: ignore[operator]
    without = np.where(np.arange(40) == 3, 0.0, 1.0)
    for convention in CONVENTIONS:  # a scenario without weight is no scenario
        chosen = conventions(quantile=convention)
        for measure in (value_at_risk, expected_shortfall):
            assert measure(pnl, 0.9, without, chosen).value == pytest.approx(measure(np.delete(pnl, 3), 0.9, None, chosen).value)


def test_series_are_taken_as_they_are() -> None:
    pnl = pd.Series([-3.0, 1.0, -1.0, 2.0], pd.date_range("2020-01-01", periods=4))
    assert value_at_risk(pnl, 0.75, pd.Series(1.0, pnl.index)).value == 3.0


@given(integers, st.integers(1, 100))
def test_lower_tail_mean_is_the_shortfall_of_a_sample(values: Floats, percent: int) -> None:
    level = percent / 100.0
    assert lower_tail_mean(values, level) <= quantile(values, level) + 1e-9
    if percent <= 50:
        assert lower_tail_mean(values, level) == pytest.approx(-expected_shortfall(values, float(str(round(1 - level, 2)))).value)
