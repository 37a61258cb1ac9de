"""Asymptotic and order-statistic intervals: published ranks, closed-form errors, simulation, degenerate samples."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from risk_core.conventions import ConventionError, Conventions, Mean
from risk_core.measures import MeasureError, expected_shortfall, normal_expected_shortfall, normal_value_at_risk, value_at_risk
from risk_core.scenarios.weights import exponential_weights
from risk_core.uncertainty import (
    Interval,
    IntervalStatus,
    expected_shortfall_interval,
    normal_expected_shortfall_interval,
    normal_value_at_risk_interval,
    order_statistic_interval,
    value_at_risk_interval,
)
from tests.unit.uncertainty.coverage import CONFIDENCES, GARCH_TRUTH, coverage, draw, garch_paths, truth

Floats = NDArray[np.float64]
SAMPLED = Conventions(mean=Mean.SAMPLE)


def grid(count: int, law: stats.rv_continuous = stats.norm, *shape: float) -> Floats:
    return np.asarray(law.ppf((np.arange(count) + 0.5) / count, *shape))


@pytest.mark.parametrize("count", [50, 250, 300, 500, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_order_statistic_coverage_is_that_of_the_binomial(count: int, confidence: float, level: float) -> None:
    """The bounds are ranks; their coverage by scipy's binomial sums, and no narrower pair on either side would do."""
    found = order_statistic_interval(-np.arange(1.0, count + 1)[::-1], confidence, level=level)  # the loss of rank r is count + 1 - r
    tail, law = 1 - confidence, stats.binom(count, 1 - confidence)
    first = 1 if found.upper is None else round(count + 1 - found.upper)
    last = count + 1 if found.lower is None else round(count + 1 - found.lower)
    start = 0 if found.upper is None else first
    inside = float(law.pmf(np.arange(start, last)).sum())
    assert found.coverage == pytest.approx(inside, abs=1e-9)
    assert inside >= level - 1e-9
    assert float(law.pmf(np.arange(start, last - 1)).sum()) < level or law.sf(last - 2) > (1 - level) / 2
    assert (found.status is IntervalStatus.ONE_SIDED) == (found.upper is None)
    if found.upper is None:
        assert (1 - tail) ** count >= 1 - level


def test_ranks_of_the_median_by_hand() -> None:
    """Ten scenarios: at most one below the median has probability 11 / 1024, so the second and the ninth cover with 1 - 22 / 1024."""
    found = order_statistic_interval(np.arange(1.0, 11.0), 0.5)
    assert (found.lower, found.upper) == (-9.0, -2.0)
    assert found.coverage == pytest.approx(1 - 22 / 1024, abs=1e-12)


def test_99_percent_of_250_days_has_no_upper_bound() -> None:
    """0.99**250 = 0.081: the worst loss is below the true VaR once in twelve samples."""
    pnl = np.random.default_rng(0).normal(size=250)
    found = order_statistic_interval(pnl, 0.99)
    assert (found.upper, found.status) == (None, IntervalStatus.ONE_SIDED)
    assert found.lower == -np.sort(pnl)[5]  # P(N >= 6) = 0.0412 <= 0.05 < P(N >= 5)
    assert found.reason == "250 effective scenarios cannot bound a tail of 0.01 from above at level 0.95; the lower bound has it"
    at_300 = order_statistic_interval(np.random.default_rng(0).normal(size=300), 0.99)
    assert at_300.status is IntervalStatus.OK  # 0.99**300 = 0.049: the rest of the 0.05 goes to the other side
    assert at_300.coverage is not None
    assert 0.95 <= at_300.coverage < 0.951


def test_order_statistics_of_weighted_scenarios_use_the_effective_number() -> None:
    pnl, weights = np.random.default_rng(1).normal(size=1000), exponential_weights(1000, 0.995)
    found, plain = order_statistic_interval(pnl, 0.95, weights), order_statistic_interval(pnl, 0.95)
    assert found.method == "order_statistics_effective"
    assert found.coverage is None
    assert found.width is not None
    assert plain.width is not None
    assert found.width > plain.width
    assert found.contains(value_at_risk(pnl, 0.95, weights).value)
    scaled = order_statistic_interval(pnl, 0.95, np.full(1000, 7.0))
    assert (scaled.lower, scaled.upper, scaled.coverage) == (plain.lower, plain.upper, plain.coverage)


@pytest.mark.parametrize("density", ["kernel", "spacing"])
@pytest.mark.parametrize(("law", "shape"), [(stats.norm, ()), (stats.t, (4,))])
def test_value_at_risk_error_of_a_fine_grid(density: str, law: stats.rv_continuous, shape: tuple[float, ...]) -> None:
    """A grid of 50,000 quantiles: the density is known, so is the error."""
    pnl = grid(50_000, law, *shape)
    q = law.ppf(0.05, *shape)
    error = sqrt(0.05 * 0.95 / 50_000) / law.pdf(q, *shape)
    found = value_at_risk_interval(pnl, 0.95, density=density)
    assert found.standard_error == pytest.approx(error, rel=0.03)
    assert found.upper == pytest.approx(-q + 1.96 * error, rel=5e-3)


def test_expected_shortfall_error_of_a_fine_grid() -> None:
    """Var[(q - V)+] of the normal law in closed form."""
    q, p = stats.norm.isf(0.025), 0.025
    first = stats.norm.pdf(q) - q * p
    second = (1 + q * q) * p - q * stats.norm.pdf(q)
    found = expected_shortfall_interval(grid(100_000), 0.975)
    assert found.standard_error == pytest.approx(sqrt((second - first**2) / 100_000) / p, rel=2e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_errors_equal_the_spread_of_simulated_estimates(confidence: float) -> None:
    """1,000 samples of 1,000 days of t(4) at 0.95 and of normal days at 0.99."""
    samples = draw("t4" if confidence == 0.95 else "normal", 1000, 1000, seed=5)
    for measure, interval in ((value_at_risk, value_at_risk_interval), (expected_shortfall, expected_shortfall_interval)):
        spread = np.std([measure(pnl, confidence).value for pnl in samples])
        errors = [interval(pnl, confidence).standard_error or 0.0 for pnl in samples[:200]]
        assert np.median(errors) == pytest.approx(spread, rel=0.25)


def test_long_run_error_follows_dependence() -> None:
    """An AR(1) of 0.9: the iid error is far too small; the long-run one close to the spread over 300 simulated samples."""
    random = np.random.default_rng(3)
    paths = np.zeros((300, 2000))
    for t in range(1, 2000):
        paths[:, t] = 0.9 * paths[:, t - 1] + random.normal(size=300)
    for measure, interval in ((value_at_risk, value_at_risk_interval), (expected_shortfall, expected_shortfall_interval)):
        spread = np.std([measure(path, 0.95).value for path in paths])
        plain = np.median([interval(path, 0.95).standard_error or 0.0 for path in paths[:60]])
        long_run = np.median([interval(path, 0.95, lags=40).standard_error or 0.0 for path in paths[:60]])
        assert plain < 0.6 * spread
        assert long_run == pytest.approx(spread, rel=0.35)


def test_normal_errors_in_closed_form() -> None:
    pnl = grid(200_000)
    z = stats.norm.isf(0.01)
    for moments in ("sample", "normal", "chi_squared"):
        found = normal_value_at_risk_interval(pnl, 0.99, moments=moments)
        assert found.standard_error == pytest.approx(z / sqrt(400_000), rel=2e-3)
    with_mean = normal_value_at_risk_interval(pnl, 0.99, None, SAMPLED)
    assert with_mean.standard_error == pytest.approx(sqrt((1 + z * z / 2) / 200_000), rel=2e-3)
    es = normal_expected_shortfall_interval(pnl, 0.975)
    assert es.standard_error == pytest.approx(stats.norm.pdf(stats.norm.isf(0.025)) / 0.025 / sqrt(400_000), rel=2e-3)


def test_normal_error_with_kurtosis() -> None:
    """z sigma sqrt((kurtosis - 1) / (4 n)), kurtosis about zero by scipy's moments."""
    pnl = np.random.default_rng(4).standard_t(6, 800)
    kurtosis = np.mean(pnl**4) / np.mean(pnl**2) ** 2
    error = stats.norm.isf(0.01) * sqrt(np.mean(pnl**2) * (kurtosis - 1) / (4 * 800))
    assert normal_value_at_risk_interval(pnl, 0.99).standard_error == pytest.approx(error)
    assert normal_value_at_risk_interval(pnl, 0.99, moments="normal").standard_error < error / 1.3  # type: ignore[operator]


@pytest.mark.parametrize("conventions", [Conventions(), SAMPLED])
def test_normal_influence_equals_the_infinitesimal_jackknife(conventions: Conventions) -> None:
    """The derivative of the measure in the weight of each scenario, by finite differences."""
    pnl = np.random.default_rng(4).standard_t(6, 60)
    for measure, interval in (
        (normal_value_at_risk, normal_value_at_risk_interval),
        (normal_expected_shortfall, normal_expected_shortfall_interval),
    ):
        slopes = []
        for s in range(60):
            up, down = (np.ones(60) + step * (np.arange(60) == s) for step in (1e-5, -1e-5))
            slopes.append((measure(pnl, 0.99, up, conventions).value - measure(pnl, 0.99, down, conventions).value) / 2e-5)
        assert interval(pnl, 0.99, None, conventions).standard_error == pytest.approx(float(np.linalg.norm(slopes)), rel=1e-6)


def test_chi_squared_interval_covers_exactly() -> None:
    """The pivot: n sigma² of the sample over sigma² is chi-squared; 2,000 samples of 20 normal days."""
    z, hits = stats.norm.isf(0.01), 0
    for pnl in np.random.default_rng(6).normal(size=(2000, 20)):
        hits += normal_value_at_risk_interval(pnl, 0.99, level=0.9, moments="chi_squared").contains(z)
    assert hits / 2000 == pytest.approx(0.9, abs=0.02)


def test_weights_shrink_the_effective_number() -> None:
    """Riskmetrics weights: z sigma / sqrt(2 n_eff), n_eff = (1 + 0.94) / (1 - 0.94) = 32.3."""
    pnl = np.random.default_rng(4).normal(size=1000)
    found = normal_value_at_risk_interval(pnl, 0.99, exponential_weights(1000, 0.94), moments="normal")
    value = normal_value_at_risk(pnl, 0.99, exponential_weights(1000, 0.94)).value
    assert found.standard_error == pytest.approx(value / sqrt(2 * 1.94 / 0.06), rel=1e-6)
    assert found.coverage is None


INTERVALS: list[Callable[..., Interval]] = [
    value_at_risk_interval,
    order_statistic_interval,
    expected_shortfall_interval,
    normal_value_at_risk_interval,
    normal_expected_shortfall_interval,
]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, Floats | None]:
    size = draw(st.integers(1, 40))
    elements = draw(st.sampled_from([st.floats(-1e6, 1e6), st.sampled_from([-10.0, -1.0, 0.0, 1.0])]))
    pnl = draw(hnp.arrays(np.float64, size, elements=elements))
    return pnl, draw(st.none() | hnp.arrays(np.float64, size, elements=st.integers(0, 4).map(float)).filter(lambda w: bool(w.any())))


@pytest.mark.parametrize("interval", INTERVALS)
@settings(max_examples=60, deadline=None)
@given(case=cases(), confidence=st.sampled_from([0.5, 0.9, 0.99]), level=st.sampled_from([0.1, 0.9, 0.999]))
def test_never_nan_and_always_a_reason(
    interval: Callable[..., Interval], case: tuple[Floats, Floats | None], confidence: float, level: float
) -> None:
    pnl, weights = case
    found = interval(pnl, confidence, weights, level=level)
    for number in (found.lower, found.upper, found.standard_error):
        assert number is None or np.isfinite(number)
    assert (found.status is IntervalStatus.OK) == (found.reason == "")
    if found.width is not None:
        assert found.width >= 0.0
    assert (found.lower is None and found.upper is None) == (found.status is IntervalStatus.UNKNOWN)


def test_too_thin_a_tail_leaves_a_lower_bound() -> None:
    pnl = np.random.default_rng(9).normal(size=100)
    for interval in (value_at_risk_interval, expected_shortfall_interval):
        found = interval(pnl, 0.99)
        assert (found.status, found.upper, found.standard_error) == (IntervalStatus.ONE_SIDED, None, None)
        assert found.lower == order_statistic_interval(pnl, 0.99).lower
        assert found.reason.startswith("the tail holds 1 effective scenarios, too few")
    few = expected_shortfall_interval(pnl, 0.95)
    assert few.status is IntervalStatus.FEW_IN_TAIL
    assert "the tail holds 5 effective scenarios" in few.reason


def test_constant_vectors_say_nothing() -> None:
    for interval in (value_at_risk_interval, expected_shortfall_interval, normal_expected_shortfall_interval):
        found = interval(np.full(500, 0.1), 0.9)
        assert (found.status, found.lower, found.upper, found.standard_error) == (IntervalStatus.UNKNOWN, None, None, None)
        assert found.contains(1e9)
    assert normal_value_at_risk_interval(np.full(500, 0.1), 0.9, None, SAMPLED).status is IntervalStatus.UNKNOWN


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: value_at_risk_interval([], 0.99), "pnl is empty"),
        (lambda: value_at_risk_interval([1.0, np.nan], 0.99), "pnl is nan at position 1"),
        (lambda: order_statistic_interval([1.0], 0.99, level=95), "level is the coverage"),
        (lambda: expected_shortfall_interval([1.0], 0.99, level=np.nan), "level is the coverage"),
        (lambda: value_at_risk_interval([1.0, 2.0], 0.99, density="fft"), "unknown density 'fft'; choose one of kernel, spacing"),
        (lambda: expected_shortfall_interval([1.0, 2.0], 0.99, lags=2), "lags must be a whole number from 0 to 1"),
        (lambda: normal_value_at_risk_interval([1.0], 0.99, moments="garch"), "unknown moments 'garch'"),
        (lambda: normal_value_at_risk_interval([1.0], 0.99, None, SAMPLED, moments="chi_squared"), "a mean of zero"),
    ],
)
def test_bad_input(bad: Callable[[], Interval], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()


def test_bad_confidence() -> None:
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        order_statistic_interval([1.0, 2.0], 99)


def test_simulated_laws_are_what_they_are_said_to_be() -> None:
    """GARCH: variance one; unconditional quantiles as pinned, within the error of 1,000,000 scenarios."""
    pooled = garch_paths(10_000, 100, np.random.Generator(np.random.PCG64(2))).ravel()
    assert pooled.var() == pytest.approx(1.0, abs=0.02)
    for c in CONFIDENCES:
        assert value_at_risk(pooled, c).value == pytest.approx(GARCH_TRUTH[c][0], rel=0.015)
        assert expected_shortfall(pooled, c).value == pytest.approx(GARCH_TRUTH[c][1], rel=0.015)
        assert truth("t4", c)["ES"] == pytest.approx(stats.t.expect(lambda x: x, (4,), lb=stats.t.isf(1 - c, 4)) / (1 - c), rel=1e-6)


def test_coverage_where_it_holds_and_where_it_fails() -> None:
    """A small part of the tables in docs/methods/uncertainty.md: 80 samples, so 0.95 is told from 0.80 but not from 0.92."""
    found = coverage("t4", 250, samples=80, resamples=150, seed=1)
    assert found[0.95, "VaR", "order_statistics"][0] >= 0.9
    assert found[0.95, "VaR", "iid_percentile"][0] >= 0.88
    assert found[0.99, "VaR", "order_statistics"][0] >= 0.9
    assert found[0.99, "ES", "iid_percentile"][0] <= 0.85  # two and a half scenarios in the tail
    assert found[0.99, "normal", "delta_normal"][0] <= 0.75  # no fourth moment
