"""The bootstrap: against arch in law and in block length, fast draws against slow ones, intervals, component errors."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions
from risk_core.measures import (
    AttributionError,
    Measured,
    MeasureError,
    attribute,
    expected_shortfall,
    normal_value_at_risk,
    value_at_risk,
)
from risk_core.measures.attribution import Measure
from risk_core.measures.checks import checked_weights
from risk_core.scenarios.weights import exponential_weights
from risk_core.uncertainty import (
    BootstrapEstimate,
    IntervalKind,
    IntervalStatus,
    Resampling,
    Scheme,
    attribute_with_errors,
    block_bootstrap_expected_shortfall,
    block_bootstrap_value_at_risk,
    bootstrap_draws,
    bootstrap_interval,
    harrell_davis_value_at_risk,
    optimal_block_length,
    pnl_block_length,
    tail_draws,
)
from risk_core.uncertainty.bootstrap import interval_of_draws, jackknife
from risk_core.uncertainty.tail_draws import tail_jackknife
from tests.unit.uncertainty.coverage import garch_paths

Floats = NDArray[np.float64]
CONFIDENCES = (0.95, 0.99, 0.5, 0.999)


def heavy(size: int = 400, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_t(4, size)


def autoregressive(size: int, slope: float, seed: int) -> Floats:
    random, path = np.random.default_rng(seed), np.zeros(size)
    for t in range(1, size):
        path[t] = slope * path[t - 1] + random.normal()
    return path


def series() -> dict[str, Floats]:
    garch = garch_paths(1, 1500, np.random.Generator(np.random.PCG64(4)))[0]
    return {
        "garch": garch,
        "absolute garch": np.abs(garch),
        "ar 0.6": autoregressive(1000, 0.6, 1),
        "ar -0.4": autoregressive(500, -0.4, 2),
        "ar 0.97": autoregressive(300, 0.97, 3),
        "short": autoregressive(60, 0.3, 4),
    }


@pytest.mark.parametrize("name", series())
def test_block_length_equals_arch(name: str) -> None:
    values = series()[name]
    theirs = pytest.importorskip("arch.bootstrap").optimal_block_length(values).iloc[0]
    mine = optimal_block_length(values)
    assert mine.stationary == pytest.approx(max(theirs["stationary"], 1.0), rel=1e-9)
    assert mine.circular == pytest.approx(max(theirs["circular"], 1.0), rel=1e-9)


def test_block_length_of_clustered_volatility_comes_from_its_size() -> None:
    garch = series()["garch"]
    assert pnl_block_length(garch).stationary == optimal_block_length(np.abs(garch)).stationary > 3 * optimal_block_length(garch).stationary
    assert optimal_block_length([1.0]).circular == optimal_block_length(np.full(9, 0.1)).circular == 1.0
    assert optimal_block_length(autoregressive(40, 0.999, 3)).circular <= 14.0  # a third of the sample, rounded up
    assert optimal_block_length([1.0, -1.0] * 20).stationary >= 1.0


@pytest.mark.parametrize("scheme", list(Scheme))
def test_resamples_hold_blocks_of_the_stated_length(scheme: Scheme) -> None:
    pnl, plan = heavy(200), Resampling(3000, scheme, 8.0, seed=3)
    rows = np.concatenate(list(plan.indices(pnl)))
    assert rows.shape == (3000, 200)
    assert (rows.min(), rows.max()) == (0, 199)
    assert np.bincount(rows.ravel()) == pytest.approx(np.full(200, 3000.0), rel=0.15)
    follows = float(np.mean((rows[:, 1:] - rows[:, :-1]) % 200 == 1))
    expected = {Scheme.IID: 1 / 200, Scheme.STATIONARY: 7 / 8 + 1 / 1600, Scheme.CIRCULAR: 1 - (24 / 199) * (199 / 200)}[scheme]
    assert follows == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_seed_gives_the_same_bits(scheme: Scheme) -> None:
    pnl = heavy(3000)
    one, two = (tail_draws(pnl, (0.99,), resampling=Resampling(500, scheme, 5, seed=9)) for _ in range(2))
    other = tail_draws(pnl, (0.99,), resampling=Resampling(500, scheme, 5, seed=10))
    assert one.expected_shortfall.tobytes() == two.expected_shortfall.tobytes()
    assert one.expected_shortfall.tobytes() != other.expected_shortfall.tobytes()


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_fast_draws_equal_the_measures_of_each_resample(scheme: Scheme, weighted: bool, ties: bool) -> None:
    """Several confidences, tails deep and thin, ties, weights among them zeros."""
    pnl = np.round(heavy(90)) if ties else heavy(90)
    weights = exponential_weights(90, 0.97) * (np.arange(90) % 7 > 0) if weighted else None
    plan = Resampling(60, scheme, 4.0, seed=2)
    drawn = tail_draws(pnl, CONFIDENCES, weights, resampling=plan)
    kept = np.arange(90) if weights is None else np.flatnonzero(weights)
    rows = kept[np.concatenate(list(plan.indices(pnl[kept])))]
    gradients = np.zeros((2, len(CONFIDENCES), 90))
    for b, row in enumerate(rows):
        own = None if weights is None else weights[row]
        for c, confidence in enumerate(CONFIDENCES):
            var, es = value_at_risk(pnl[row], confidence, own), expected_shortfall(pnl[row], confidence, own)
            assert drawn.value_at_risk[b, c] == var.value
            assert drawn.expected_shortfall[b, c] == pytest.approx(es.value, abs=1e-12)
            for g, m in zip(gradients, (var, es), strict=True):
                np.add.at(g[c], row, m.gradient / 60)
    assert drawn.value_at_risk_gradient @ pnl == pytest.approx(drawn.value_at_risk.mean(axis=0))
    assert drawn.expected_shortfall_gradient @ pnl == pytest.approx(drawn.expected_shortfall.mean(axis=0))
    if not ties:
        assert drawn.value_at_risk_gradient == pytest.approx(gradients[0], abs=1e-12)
        assert drawn.expected_shortfall_gradient == pytest.approx(gradients[1], abs=1e-12)


@pytest.mark.parametrize("block", [1, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_fast_jackknife_equals_the_slow_one(block: int, weighted: bool) -> None:
    pnl, weights = heavy(80), exponential_weights(80, 0.98) if weighted else np.full(80, 1 / 80)
    for fast, measure in zip(tail_jackknife(pnl, 0.95, weights, block), (value_at_risk, expected_shortfall), strict=True):
        slow = jackknife(lambda rows, m=measure: np.array([m(pnl[rows], 0.95, weights[rows]).value]), 80, block)  # type: ignore[misc]
        assert fast == pytest.approx(slow.ravel(), abs=1e-12)


@pytest.mark.parametrize("scheme", list(Scheme))
def test_draws_have_the_law_of_arch(scheme: Scheme) -> None:
    """Two-sample Kolmogorov-Smirnov on 2,000 draws each, of a series whose dependence matters."""
    pnl = np.abs(series()["garch"][:400]) * np.sign(heavy(400))
    arch, seed = pytest.importorskip("arch.bootstrap"), np.random.default_rng(5)
    boot = {
        Scheme.IID: lambda: arch.IIDBootstrap(pnl, seed=seed),
        Scheme.STATIONARY: lambda: arch.StationaryBootstrap(9, pnl, seed=seed),
        Scheme.CIRCULAR: lambda: arch.CircularBlockBootstrap(9, pnl, seed=seed),
    }[scheme]()
    theirs = boot.apply(lambda x: np.array([value_at_risk(x, 0.95).value, expected_shortfall(x, 0.95).value, x.mean()]), 2000)
    mine = tail_draws(pnl, (0.95,), resampling=Resampling(2000, scheme, 9, seed=8))
    for column, drawn in enumerate((mine.value_at_risk, mine.expected_shortfall)):
        assert stats.ks_2samp(drawn[:, 0], theirs[:, column]).pvalue > 0.01
        assert drawn.std() == pytest.approx(theirs[:, column].std(), rel=0.08)


@pytest.mark.parametrize("kind", list(IntervalKind))
def test_intervals_are_those_of_arch(kind: IntervalKind) -> None:
    """Each kind on independent draws, 4,000 of each; widths differ by simulation only."""
    pnl = heavy(300, 6)
    boot = pytest.importorskip("arch.bootstrap").IIDBootstrap(pnl, seed=np.random.default_rng(7))
    theirs = boot.conf_int(lambda x: expected_shortfall(x, 0.9).value, 4000, method=str(kind))[:, 0]
    mine = bootstrap_interval(pnl, expected_shortfall, 0.9, kind=kind, resampling=Resampling(4000, Scheme.IID, seed=1))
    assert mine.lower == pytest.approx(theirs[0], rel=0.015)
    assert mine.upper == pytest.approx(theirs[1], rel=0.025)
    assert mine.method == f"iid_bootstrap_{kind}"


def _mean_loss(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS, /
) -> Measured:
    mass = checked_weights(weights, pnl, np.size(pnl))
    return Measured(-float(mass @ np.asarray(pnl)), -mass, confidence, conventions)


def test_error_of_a_mean_is_the_closed_form() -> None:
    """The iid bootstrap of the mean loss: sum of w² (V - mean)², also for unequal weights, to first order."""

    pnl = heavy(300)
    for weights in (np.full(300, 1 / 300), exponential_weights(300, 0.99)):
        draws = bootstrap_draws(pnl, _mean_loss, 0.9, weights, resampling=Resampling(4000, Scheme.IID))
        centred = pnl - weights @ pnl
        assert draws.std() == pytest.approx(float(np.sqrt(weights**2 @ centred**2)), rel=0.05)


def test_blocks_widen_the_error_of_dependent_data() -> None:
    path = autoregressive(1000, 0.8, 6)
    errors = {s: np.std(bootstrap_draws(path, expected_shortfall, 0.9, resampling=Resampling(1000, s))) for s in Scheme}
    assert errors[Scheme.STATIONARY] > 1.7 * errors[Scheme.IID]
    assert errors[Scheme.CIRCULAR] > 1.7 * errors[Scheme.IID]


def test_bca_by_hand() -> None:
    """Efron's formula on given draws and jackknife values, with scipy's normal law."""
    draws, left_out = np.sort(heavy(999)), np.array([1.0, 1.1, 0.9, 2.0])
    gaps = left_out.mean() - left_out
    a = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5)
    z = stats.norm.ppf(np.mean(draws < 0.3))
    levels = [stats.norm.cdf(z + (z + q) / (1 - a * (z + q))) for q in (stats.norm.ppf(0.05), stats.norm.ppf(0.95))]
    assert interval_of_draws(draws, 0.3, 0.9, IntervalKind.BCA, left_out) == pytest.approx(np.quantile(draws, levels))
    assert interval_of_draws(draws, 0.3, 0.9, IntervalKind.BCA) != interval_of_draws(draws, 0.3, 0.9, IntervalKind.BCA, left_out)


def test_bca_beyond_its_pole_and_of_huge_numbers() -> None:
    """One block that decides all has acceleration of almost 1/6: at level 0.9999 the correction has no finite value."""
    draws, left_out = heavy(999), np.append(np.zeros(500), -1.0)
    lower, upper = interval_of_draws(draws, 2.0, 0.9999, IntervalKind.BCA, left_out)
    assert lower <= upper == draws.max()
    huge = bootstrap_interval(1e149 * heavy(50), expected_shortfall, 0.9, kind="bca", resampling=Resampling(50))
    small = bootstrap_interval(heavy(50), expected_shortfall, 0.9, kind="bca", resampling=Resampling(50))
    assert huge.upper == pytest.approx(1e149 * (small.upper or 0.0))


@pytest.mark.parametrize("estimate", [block_bootstrap_value_at_risk, block_bootstrap_expected_shortfall])
def test_block_bootstrap_estimates(estimate: Callable[..., BootstrapEstimate]) -> None:
    pnl = heavy(500)
    found = estimate(pnl, 0.95, exponential_weights(500, 0.995), kind="bca")
    measured, interval = found.measured, found.interval
    assert measured.gradient @ pnl == pytest.approx(measured.value)
    assert measured.gradient.sum() == pytest.approx(-1.0)
    assert interval.contains(measured.value)
    assert interval.contains(found.plain)
    assert found.block_length == pnl_block_length(pnl).stationary
    if estimate is block_bootstrap_expected_shortfall:
        assert measured.value < found.plain


MEASURES: list[Measure] = [value_at_risk, expected_shortfall, harrell_davis_value_at_risk, normal_value_at_risk]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", list(IntervalKind))
def test_degenerate_samples(measure: Measure, kind: IntervalKind) -> None:
    few = Resampling(50)
    for pnl, weights in (([-3.0], None), (np.full(30, 0.1), None), ([5.0, -2.0, 1.0], [0.0, 0.0, 3.0])):
        found = bootstrap_interval(pnl, measure, 0.9, weights, kind=kind, resampling=few)
        assert (found.status, found.lower, found.upper, found.standard_error) == (IntervalStatus.UNKNOWN, None, None, None)
        assert "every resample gives" in found.reason
    two = bootstrap_interval([-1.0, 2.0], measure, 0.9, kind=kind, resampling=few)
    assert two.lower is None or np.isfinite(two.lower)


def test_status_tells_how_many_scenarios_a_number_leans_on() -> None:
    pnl, plan = heavy(500), Resampling(100)

    def status(measure: Measure, confidence: float) -> IntervalStatus:
        return bootstrap_interval(pnl, measure, confidence, resampling=plan).status

    assert status(value_at_risk, 0.999) is IntervalStatus.ONE_SIDED
    assert bootstrap_interval(pnl, value_at_risk, 0.999, resampling=plan).upper is None
    assert status(expected_shortfall, 0.99) is status(harrell_davis_value_at_risk, 0.99) is IntervalStatus.FEW_IN_TAIL
    assert status(expected_shortfall, 0.95) is status(normal_value_at_risk, 0.99) is IntervalStatus.OK


def shocks(size: int = 400) -> Floats:
    random = np.random.default_rng(3)
    return np.asarray(random.standard_normal((3, size)) * np.sqrt(4 / random.chisquare(4, size)))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", list(IntervalKind))
def test_component_errors(measure: Measure, kind: IntervalKind) -> None:
    exposures, moves, plan = np.array([2.0, -1.0, 0.0]), shocks(), Resampling(80, Scheme.STATIONARY)
    found = attribute_with_errors(exposures, moves, measure, 0.95, kind=kind, resampling=plan)
    assert found.attribution.component == pytest.approx(attribute(exposures, moves, measure, 0.95).component)
    totals = bootstrap_draws(exposures @ moves, measure, 0.95, resampling=plan)
    assert found.draws.sum(axis=1) == pytest.approx(totals)
    assert found.total.standard_error == pytest.approx(totals.std(ddof=1))
    assert found.total.lower == pytest.approx(
        bootstrap_interval(exposures @ moves, measure, 0.95, kind=kind, resampling=plan).lower, abs=1e-9
    )
    assert found.component[0].contains(found.attribution.component[0])
    assert found.component[2].status is IntervalStatus.UNKNOWN  # no exposure
    assert found.standard_errors[2] == 0.0
    assert found.standard_errors[:2] == pytest.approx(found.draws.std(axis=0, ddof=1)[:2])


def test_component_errors_by_harrell_davis_are_smaller_and_true() -> None:
    """The bootstrap error against the spread of the components over 300 fresh samples."""
    exposures = np.array([2.0, -1.0, 1.0])
    plan = Resampling(300, Scheme.IID)
    smooth = attribute_with_errors(exposures, shocks(), harrell_davis_value_at_risk, 0.95, resampling=plan).standard_errors
    plain = attribute_with_errors(exposures, shocks(), value_at_risk, 0.95, resampling=plan).standard_errors
    assert np.linalg.norm(smooth) < 0.6 * np.linalg.norm(plain)
    random, fresh = np.random.default_rng(8), []
    for _ in range(300):
        moves = random.standard_normal((3, 400)) * np.sqrt(4 / random.chisquare(4, 400))
        fresh.append(attribute(exposures, moves, harrell_davis_value_at_risk, 0.95).component)
    assert smooth == pytest.approx(np.std(fresh, axis=0), rel=0.5)


def test_component_errors_with_weights_and_thin_tails() -> None:
    exposures, moves = np.array([2.0, -1.0, 1.0]), shocks(60)
    weights = exponential_weights(60, 0.97) * (np.arange(60) != 5)
    found = attribute_with_errors(exposures, moves, value_at_risk, 0.99, weights, resampling=Resampling(60))
    assert (found.total.status, found.total.upper) == (IntervalStatus.ONE_SIDED, None)
    assert {c.status for c in found.component} == {IntervalStatus.FEW_IN_TAIL}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: Resampling(1), "resamples must be a whole number of at least 2"),
        (lambda: Resampling(seed=-1), "seed must be a whole number of at least 0"),
        (lambda: Resampling(scheme="jackknife"), "unknown scheme 'jackknife'; choose one of iid"),  # type: ignore[arg-type]
        (lambda: Resampling(block_length=0.5), "block_length counts scenarios"),
        (lambda: tail_draws([1.0], ()), "confidences are empty"),
        (lambda: tail_draws([np.inf], (0.9,)), "pnl is inf at position 0"),
        (lambda: bootstrap_interval([1.0, 2.0], normal_value_at_risk, 0.9, None, Conventions(ewma_start="zero")), "scales its weights"),  # type: ignore[arg-type]
        (lambda: bootstrap_interval([1.0, 2.0], value_at_risk, 0.9, kind="t"), "unknown kind of interval 't'; choose one of percentile"),
        (lambda: bootstrap_interval([1.0, 2.0], value_at_risk, 0.9, level=1.0), "level is the coverage"),
        (lambda: attribute_with_errors([1.0], [[1.0, 2.0]], value_at_risk, 0.9, level=0.0), "level is the coverage"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(AttributionError, match="must have shapes"):
        attribute_with_errors([1.0, 2.0], [[1.0, 2.0]], value_at_risk, 0.9)


def test_blocks_longer_than_the_sample_and_whole_lengths() -> None:
    assert Resampling(scheme=Scheme.CIRCULAR, block_length=2.2).block(heavy(50)) == ceil(2.2)
    assert Resampling(block_length=500.0).block(heavy(50)) == 50.0
    rows = np.concatenate(list(Resampling(20, Scheme.CIRCULAR, 50.0).indices(heavy(50))))
    assert (np.sort(rows, axis=1) == np.arange(50)).all()  # every resample is the sample, turned
