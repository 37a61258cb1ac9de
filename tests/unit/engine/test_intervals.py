from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from risk_core.engine import kernels, twins
from risk_core.engine.intervals import INTERVAL_LEVEL, IntervalPlan
from risk_core.methods import AGE_WEIGHTED, EWMA_NORMAL, HISTORICAL, MeasurePlan
from risk_core.uncertainty import (
    expected_shortfall_interval,
    normal_expected_shortfall_interval,
    normal_value_at_risk_interval,
    order_statistic_interval,
)
from tests.unit.engine.test_kernels import Floats, evaluations, same_bits


def intervals_of(vectors: Floats, plan: MeasurePlan) -> Floats:
    return kernels.intervals(vectors, np.arange(vectors.shape[1]), *plan.arrays, *IntervalPlan(plan).arrays)


@settings(max_examples=150, deadline=None)
@given(evaluations())
def test_intervals_equal_their_twin_bit_for_bit(case: tuple[Floats, np.ndarray, MeasurePlan]) -> None:
    vectors, ages, plan = case
    arguments = (vectors, ages, *plan.arrays, *IntervalPlan(plan).arrays)
    assert same_bits(kernels.intervals(*arguments), twins.intervals(*arguments))


@pytest.mark.parametrize("scenarios", [60, 250, 1000])
def test_they_are_the_library_s(scenarios: int) -> None:
    pnl = np.random.default_rng(5).standard_t(4, scenarios) * 1e6
    plan = MeasurePlan(scenarios, (HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL))
    found = intervals_of(pnl[None], plan)[0]
    for m, method in enumerate(plan.methods):
        weights = method.weights_by_age(scenarios, plan.conventions)
        for c, confidence in enumerate(plan.confidences):
            normal = method is EWMA_NORMAL
            of_var = normal_value_at_risk_interval if normal else order_statistic_interval
            of_es = normal_expected_shortfall_interval if normal else expected_shortfall_interval
            for place, interval in ((0, of_var(pnl, confidence, weights)), (3, of_es(pnl, confidence, weights))):
                error, lower, upper = found[m, c, place : place + 3]
                for mine, theirs in ((lower, interval.lower), (upper, interval.upper)):
                    assert np.isnan(mine) if theirs is None else mine == pytest.approx(theirs, rel=1e-9), (method.name, confidence, place)
                if interval.standard_error is not None:
                    assert error == pytest.approx(interval.standard_error, rel=1e-9)


def test_they_cover_as_often_as_they_say() -> None:
    """2,000 samples of 500 normal P&Ls; value at risk by order statistics, shortfall by its influence function."""
    samples = np.random.default_rng(1).standard_normal((2_000, 500))
    plan = MeasurePlan(500, (HISTORICAL,), (0.95,))
    found = intervals_of(samples, plan)[:, 0, 0]
    for place, truth, least in ((0, 1.6448536, 0.94), (3, 2.0627128, 0.91)):
        covered = np.mean((found[:, place + 1] <= truth) & (truth <= found[:, place + 2]))
        assert least < covered < INTERVAL_LEVEL + 0.03, (place, covered)
    estimate = kernels.evaluate(samples, np.arange(500), *plan.arrays)[0][:, 0, 0]
    assert np.median(found[:, 0]) == pytest.approx(estimate.std(), rel=0.1), "the standard error is the spread of the estimate"


@pytest.mark.parametrize("vector", [np.zeros(100), np.full(100, -7.0), np.array([-3.0])], ids=["nothing held", "always the same", "one"])
def test_no_spread_has_no_standard_error(vector: Floats) -> None:
    found = intervals_of(vector[None], MeasurePlan(len(vector), (HISTORICAL, EWMA_NORMAL)))[0]
    assert np.isnan(found[..., [0, 3, 5]]).all()
    known = found[0, :, 1:3][~np.isnan(found[0, :, 1:3])]
    assert (known == -vector[0]).all()
