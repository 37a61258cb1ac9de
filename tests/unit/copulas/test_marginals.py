"""Marginals: round trips, ranks, scipy's kernel estimate and Pareto law, continuity at thresholds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from risk_core.copulas import (
    EmpiricalMarginal,
    Interpolation,
    KernelMarginal,
    Marginal,
    ParametricMarginal,
    SemiParametricMarginal,
    pseudo_observations,
)
from risk_core.measures import quantile

SAMPLE = np.random.default_rng(0).standard_t(4, 500) * 0.01


def pareto(excesses: np.ndarray) -> tuple[float, float]:
    shape, _, scale = stats.genpareto.fit(excesses, floc=0.0)
    return float(shape), float(scale)


LAWS: list[Marginal] = [
    EmpiricalMarginal(SAMPLE),
    KernelMarginal(SAMPLE),
    ParametricMarginal(stats.t(4, scale=0.01)),
    SemiParametricMarginal(SAMPLE, pareto),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_round_trip(law: Marginal) -> None:
    u = np.linspace(1.0 / 501, 500.0 / 501, 997)
    x = law.from_uniform(u)
    assert np.all(np.diff(x) >= 0.0)
    assert law.to_uniform(x) == pytest.approx(u, abs=2e-8)  # scipy's t law is 1e-8 off at its centre
    assert law.from_uniform(law.to_uniform(SAMPLE)) == pytest.approx(SAMPLE, abs=1e-12)


def test_empirical_gives_ranks_and_quantiles() -> None:
    law = EmpiricalMarginal(SAMPLE)
    assert np.array_equal(law.to_uniform(SAMPLE), pseudo_observations(SAMPLE[:, None])[:, 0])
    for u in (0.01, 0.2, 0.5, 0.987):
        assert law.from_uniform(u) == pytest.approx(quantile(SAMPLE, u, "weibull"), abs=1e-15)
        assert EmpiricalMarginal(SAMPLE, Interpolation.STEP).from_uniform(u) == quantile(SAMPLE, u, "inverted_cdf")
    assert law.from_uniform([0.0, 1.0]) == pytest.approx([SAMPLE.min(), SAMPLE.max()])
    assert law.to_uniform([-9.0, 9.0]) == pytest.approx([1 / 501, 500 / 501])
    assert EmpiricalMarginal(np.array([3.0])).to_uniform(3.0) == 0.5
    assert EmpiricalMarginal(np.array([3.0, 3.0])).from_uniform([0.1, 0.9]) == pytest.approx([3.0, 3.0])


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0])), st.floats(0.0, 1.0))
def test_ties_share_their_mean_rank(values: np.ndarray, u: float) -> None:
    law = EmpiricalMarginal(values)
    assert law.to_uniform(values) == pytest.approx(stats.rankdata(values) / (values.size + 1), abs=1e-15)
    for interpolation in Interpolation:
        assert values.min() <= EmpiricalMarginal(values, interpolation).from_uniform(u) <= values.max()


def test_kernel_against_scipy() -> None:
    law = KernelMarginal(SAMPLE)
    theirs = stats.gaussian_kde(SAMPLE, bw_method=law.width / SAMPLE.std(ddof=1))
    points = np.linspace(-0.06, 0.06, 9)
    assert law.to_uniform(points) == pytest.approx([theirs.integrate_box_1d(-np.inf, x) for x in points], abs=1e-10)
    drawn = law.from_uniform((np.arange(5_000) + 0.5) / 5_000)
    assert drawn.var() == pytest.approx(SAMPLE.var() + law.width**2, rel=1e-2)
    assert KernelMarginal(SAMPLE, 0.003).width == 0.003


def test_pareto_tails() -> None:
    """scipy's generalised Pareto law beyond the thresholds, the empirical law between, no jump where they meet."""
    law = SemiParametricMarginal(SAMPLE, pareto, share=0.08)
    body = EmpiricalMarginal(SAMPLE)
    inner = np.linspace(0.081, 0.919, 50)
    assert np.array_equal(law.from_uniform(inner), body.from_uniform(inner))
    (low, low_shape, low_scale), (high, high_shape, high_scale) = law.tails
    assert law.from_uniform(0.999) == pytest.approx(high + stats.genpareto(high_shape, scale=high_scale).isf(0.001 / 0.08), rel=1e-12)
    assert law.from_uniform(1e-4) == pytest.approx(-low - stats.genpareto(low_shape, scale=low_scale).isf(1e-4 / 0.08), rel=1e-12)
    for edge in (0.08, 0.92):
        below, above = law.from_uniform([edge - 1e-9, edge + 1e-9])
        assert above == pytest.approx(below, abs=1e-8)
    assert law.from_uniform(1e-6) < SAMPLE.min()
    assert law.from_uniform(1.0 - 1e-6) > SAMPLE.max()
    exponential = SemiParametricMarginal(SAMPLE, lambda e: (0.0, float(e.mean())))
    assert exponential.to_uniform(exponential.from_uniform(0.9999)) == pytest.approx(0.9999, abs=1e-12)
    bounded = SemiParametricMarginal(SAMPLE, lambda e: (-0.5, float(e.max())))
    assert bounded.to_uniform(9.0) == 1.0
    plain = SemiParametricMarginal(SAMPLE)
    assert plain.tails == ()
    assert np.array_equal(plain.from_uniform(inner), body.from_uniform(inner))


def test_laws_are_monotone_across_the_whole_interval() -> None:
    u = np.linspace(1e-6, 1.0 - 1e-6, 1001)
    for law in LAWS:
        assert all(a <= b for a, b in pairwise(law.from_uniform(u).tolist()))
