"""Spectral measures: expected shortfall as one of them, quadrature of the quantile function, closed forms of the uniform, the laws."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, pairwise
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import ConventionError, Conventions
from risk_core.measures import MeasureError, Status, attribute, expected_shortfall, value_at_risk
from risk_core.measures.spectral import (
    DensitySpectrum,
    ExponentialSpectrum,
    PowerSpectrum,
    ShortfallSpectrum,
    Spectrum,
    spectral_measure,
    spectral_risk,
    spectrum,
)
from risk_core.measures.tail_ratio import RatioStatus, tail_ratio

Floats = NDArray[np.float64]

exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)
few = st.sampled_from([-10.0, -1.0, 0.0, 1.0])
LINEAR = DensitySpectrum(lambda p: 2.0 - 2.0 * p)
NAMED: list[tuple[Spectrum, Callable[[float], float]]] = [
    (ExponentialSpectrum(0.01), lambda p: 0.01 * exp(-0.01 * p) / (1 - exp(-0.01))),
    (ExponentialSpectrum(25.0), lambda p: 25.0 * exp(-25.0 * p) / (1 - exp(-25.0))),
    (PowerSpectrum(0.4), lambda p: 0.4 * p**-0.6),
    (PowerSpectrum(20.0), lambda p: 20.0 * (1 - p) ** 19),
]
ALL = [*(s for s, _ in NAMED), ExponentialSpectrum(1e4), PowerSpectrum(1.0), ShortfallSpectrum(0.9), LINEAR]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, Floats, Floats | None]:
    size = draw(st.integers(1, 25))
    elements = draw(st.sampled_from([exact, few]))
    one, two = (draw(hnp.arrays(np.float64, size, elements=elements)) for _ in range(2))
    return one, two, draw(st.none() | hnp.arrays(np.float64, size, elements=st.integers(0, 4).map(float)).filter(lambda w: bool(w.any())))


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from([0.5, 0.9, 0.95, 0.975, 0.99, 0.999]))
def test_expected_shortfall_is_a_special_case(case: tuple[Floats, Floats, Floats | None], confidence: float) -> None:
    pnl, _, weights = case
    mine, theirs = spectral_risk(pnl, ShortfallSpectrum(confidence), weights), expected_shortfall(pnl, confidence, weights)
    assert mine.value == pytest.approx(theirs.value, rel=1e-12, abs=1e-12 * np.abs(pnl).max())
    assert mine.gradient == pytest.approx(theirs.gradient, abs=1e-12)
    assert (mine.status, mine.confidence) == (theirs.status, theirs.confidence)


@pytest.mark.parametrize(("named", "density"), NAMED, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_named_spectra_equal_quadrature_of_their_density(named: Spectrum, density: Callable[[float], float], weighted: bool) -> None:
    """Against scipy: the density integrated over each scenario's own interval of cumulative weight, and DensitySpectrum likewise."""
    rng = np.random.default_rng(3)
    pnl = np.sort(rng.standard_t(4, 30))
    weights = rng.uniform(0.5, 2.0, 30) if weighted else np.ones(30)
    edges = np.concatenate(([0.0], np.cumsum(weights / weights.sum())))
    shares = [quad(density, a, min(b, 1.0), epsabs=1e-12)[0] for a, b in pairwise(edges)]
    measured = spectral_risk(pnl, named, weights)
    assert measured.gradient == pytest.approx(-np.array(shares), abs=1e-10)
    assert measured.value == pytest.approx(-float(np.array(shares) @ pnl), rel=1e-9)
    assert measured.confidence == 0.0
    assert spectral_risk(pnl, DensitySpectrum(density), weights).value == pytest.approx(measured.value, rel=1e-8)
    assert DensitySpectrum(density).tail == pytest.approx(named.tail, rel=1e-8)


def test_uniform_closed_forms() -> None:
    """A P&L uniform on [0, 1] has quantile function p, so the measure is minus the mean of p under the spectrum."""
    pnl = (np.arange(20_000) + 0.5) / 20_000
    k = 12.0
    assert spectral_risk(pnl, ExponentialSpectrum(k)).value == pytest.approx(-(1 / k - 1 / (exp(k) - 1)), abs=1e-8)
    assert spectral_risk(pnl, PowerSpectrum(0.5)).value == pytest.approx(-0.5 / 1.5, abs=1e-6)
    assert spectral_risk(pnl, PowerSpectrum(9.0)).value == pytest.approx(-1 / 10, abs=1e-8)
    assert spectral_risk(pnl, ShortfallSpectrum(0.95)).value == pytest.approx(-0.025, abs=1e-12)
    coarse = (np.arange(500) + 0.5) / 500
    assert spectral_risk(coarse, LINEAR).value == pytest.approx(-1 / 3, abs=1e-6)
    for each in ALL:
        assert spectral_risk(coarse, each).value == pytest.approx(-each.tail / 2, abs=1e-3)


def test_power_two_is_the_expected_worse_of_two_draws() -> None:
    """In rational arithmetic, over all pairs drawn with replacement."""
    pnl = [-7.0, -2.0, -2.0, 1.0, 4.0, 9.0]
    pairs = sum(Fraction(2) * min(Fraction(a), Fraction(b)) for a, b in combinations(pnl, 2)) + sum(Fraction(a) for a in pnl)
    assert spectral_risk(pnl, PowerSpectrum(2.0)).value == pytest.approx(float(-pairs / 36), abs=1e-14)


def test_exponential_of_the_normal() -> None:
    """A fine weighted grid against quadrature of the normal quantile function."""
    grid = np.linspace(-9.0, 9.0, 6001)
    value = quad(lambda p: -stats.norm.ppf(p) * 20.0 * exp(-20.0 * p) / (1 - exp(-20.0)), 0.0, 1.0)[0]
    assert spectral_risk(grid, ExponentialSpectrum(20.0), stats.norm.pdf(grid)).value == pytest.approx(value, abs=1e-5)


def test_limits_are_the_mean_and_the_worst_loss() -> None:
    pnl = np.random.default_rng(0).normal(size=50)
    for mean in (ExponentialSpectrum(1e-300), ExponentialSpectrum(1e-9), PowerSpectrum(1.0)):
        assert spectral_risk(pnl, mean).value == pytest.approx(-pnl.mean(), abs=1e-8)
    for worst in (ExponentialSpectrum(1e300), PowerSpectrum(1e300), PowerSpectrum(1e-300)):
        measured = spectral_risk(pnl, worst)
        assert measured.value == pytest.approx(-pnl.min(), abs=1e-12)
        assert measured.status is Status.THIN_TAIL
        assert "of 50 effective scenarios" in measured.reason


@pytest.mark.parametrize("chosen", ALL, ids=str)
@settings(max_examples=30, deadline=None)
@given(case=cases(), cash=exact, factor=st.sampled_from([0.25, 2.0, 16.0]))
def test_coherent_and_euler(chosen: Spectrum, case: tuple[Floats, Floats, Floats | None], cash: float, factor: float) -> None:
    one, two, weights = case

    def rho(pnl: Floats) -> float:
        return spectral_risk(pnl, chosen, weights).value

    slack = 1e-9 * (1.0 + np.abs(one).max() + np.abs(two).max() + abs(cash))
    measured = spectral_risk(one, chosen, weights)
    assert measured.gradient @ one == pytest.approx(measured.value, abs=slack)
    assert measured.gradient.sum() == pytest.approx(-1.0)
    assert rho(one + cash) == pytest.approx(rho(one) - cash, abs=slack)
    assert rho(factor * one) == pytest.approx(factor * rho(one), abs=factor * slack)
    assert rho(np.maximum(one, two)) <= rho(one) + slack
    assert rho(one + two) <= rho(one) + rho(two) + slack


@pytest.mark.parametrize("chosen", ALL, ids=str)
def test_gradients_equal_finite_differences(chosen: Spectrum) -> None:
    pnl, weights, step = np.random.default_rng(5).standard_t(4, 20), np.linspace(1.0, 2.0, 20), 1e-6
    gradient = spectral_risk(pnl, chosen, weights).gradient
    for s in range(20):
        bump = step * (np.arange(20) == s)
        slope = (spectral_risk(pnl + bump, chosen, weights).value - spectral_risk(pnl - bump, chosen, weights).value) / (2 * step)
        assert gradient[s] == pytest.approx(slope, abs=1e-7)


def test_an_increasing_spectrum_is_refused_because_it_is_not_subadditive() -> None:
    """The counterexample first, by hand with the refused weights: they average the better half."""
    one, two = np.array([-4.0, 0.0]), np.array([0.0, -4.0])
    refused = np.array([0.0, 1.0])
    assert -refused @ np.sort(one + two) > -refused @ np.sort(one) - refused @ np.sort(two)
    with pytest.raises(MeasureError, match=r"rises after p = 0.0002.*give 1 - p in its place"):
        DensitySpectrum(lambda p: 2.0 * p)


def test_breaks_make_a_step_exact() -> None:
    step = DensitySpectrum(lambda p: 10.0 if p < 0.1 else 0.0, breaks=(0.1,))
    pnl = np.random.default_rng(8).normal(size=33)
    assert spectral_risk(pnl, step).value == pytest.approx(expected_shortfall(pnl, 0.9).value, abs=1e-12)


def test_by_name() -> None:
    assert spectrum("exponential", 25.0) == ExponentialSpectrum(25.0)
    assert spectrum("power", 0.5) == PowerSpectrum(0.5)
    assert spectrum("expected_shortfall", 0.975) == ShortfallSpectrum(0.975)
    with pytest.raises(MeasureError, match="unknown spectrum 'wang'; choose one of exponential, power, expected_shortfall"):
        spectrum("wang", 1.0)


def test_components_add_up_and_conventions_that_mean_nothing_are_refused() -> None:
    rng = np.random.default_rng(4)
    exposures, shocks = np.array([3.0, -1.0, 2.0]), rng.standard_t(4, (3, 200)) * 0.01
    measure = spectral_measure(ExponentialSpectrum(30.0))
    parts = attribute(exposures, shocks, measure, 0.99)
    assert parts.component.sum() == pytest.approx(spectral_risk(exposures @ shocks, ExponentialSpectrum(30.0)).value)
    assert parts.diversification_benefit > 0.0
    with pytest.raises(MeasureError, match="leave these conventions at their default"):
        measure(shocks[0], 0.99, None, Conventions(quantile="hazen"))  # type: ignore[arg-type]


@pytest.mark.parametrize("chosen", ALL, ids=str)
def test_degenerate_vectors(chosen: Spectrum) -> None:
    assert spectral_risk([-3.25], chosen).value == 3.25
    assert spectral_risk(np.full(7, 0.1), chosen).value == -0.1
    single = spectral_risk([5.0, -2.0, 1.0], chosen, [0.0, 0.0, 3.0])
    assert single.value == -1.0
    assert single.gradient.tolist() == [0.0, 0.0, -1.0]


class _Unfinished:
    lowest_confidence = 0.0
    tail = 1.0

    def integrals(self, edges: Floats) -> Floats:
        return np.asarray(0.5 * np.diff(edges))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: spectral_risk([], LINEAR), "pnl is empty"),
        (lambda: spectral_risk([1.0, np.nan], LINEAR), "pnl is nan at position 1"),
        (lambda: spectral_risk([1.0, 2.0], LINEAR, [1.0, -1.0]), "not negative"),
        (lambda: spectral_risk([1.0, 2.0], _Unfinished()), "sum to 0.5"),
        (lambda: ExponentialSpectrum(0.0), "risk_aversion must be positive"),
        (lambda: ExponentialSpectrum(np.nan), "risk_aversion must be positive"),
        (lambda: PowerSpectrum(np.inf), "exponent must be positive"),
        (lambda: DensitySpectrum(lambda p: 3.0 - 3.0 * p), "integrates to 1.5.*divide it by its integral"),
        (lambda: DensitySpectrum(lambda p: 1.5 - 2.0 * p), "must be finite and not negative"),
        (lambda: DensitySpectrum(lambda p: np.nan), "must be finite and not negative"),
        (lambda: DensitySpectrum(lambda p: 1.0, breaks=(1.0,)), "strictly between 0 and 1"),
        (lambda: tail_ratio([1.0, -1.0], 0.5), "must exceed 0.5"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()


def test_bad_confidence() -> None:
    with pytest.raises(ConventionError, match=r"0.99 may be meant"):
        ShortfallSpectrum(99)


def test_tail_ratio_of_normal_and_t() -> None:
    """On fine weighted grids: the normal ratio is its own reference; a t with 3 degrees of freedom lies near 3 / 2 far out."""
    grid = np.linspace(-9.0, 9.0, 40_001)
    normal = tail_ratio(5.0 * grid, 0.99, stats.norm.pdf(grid))
    assert normal.ratio == pytest.approx(normal.normal, rel=1e-3)
    assert normal.normal == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.01)) / 0.01 / stats.norm.ppf(0.99), rel=1e-12)
    assert normal.normal == pytest.approx(1.1457, abs=5e-5)
    levels = (np.arange(200_000) + 0.5) / 200_000
    heavy = tail_ratio(stats.t.ppf(levels, 3), 0.999)
    assert heavy.ratio == pytest.approx(1.5, abs=0.03)
    assert heavy.status is RatioStatus.OK


def test_tail_ratio_without_a_loss() -> None:
    gains = tail_ratio(np.arange(100.0), 0.95)
    assert (gains.ratio, gains.status) == (None, RatioStatus.NO_LOSS)
    assert gains.reason == "value at risk is -4, not a loss"
    thin = tail_ratio([-3.0, 1.0], 0.99)
    assert (thin.ratio, thin.status) == (1.0, RatioStatus.THIN_TAIL)
    assert "0.02 of 2" in thin.reason
    pnl = np.random.default_rng(1).normal(size=500)
    plain = tail_ratio(pnl, 0.975)
    assert plain.ratio == expected_shortfall(pnl, 0.975).value / value_at_risk(pnl, 0.975).value
