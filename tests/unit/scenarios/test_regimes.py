"""Regimes: the passes against published cases, the likelihood against statsmodels, the fit against a simulated truth, laws and statuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

from risk_core.measures import MeasureError
from risk_core.scenarios.regime_kernels import expectation_maximisation, forward_backward, normal_densities
from risk_core.scenarios.regimes import RegimeFit, RegimeStatus, fit_regimes
from risk_core.scenarios.scenario_set import ScenarioError

Floats = NDArray[np.float64]

TWO = np.array([[0.98, 0.02], [0.05, 0.95]])
THREE = np.array([[0.97, 0.02, 0.01], [0.03, 0.94, 0.03], [0.02, 0.06, 0.92]])


def switching(transition: Floats, deviations: list[float], means: list[float], count: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """A series and its states, from state 0."""
    random = np.random.default_rng(seed)
    states = np.zeros(count, np.int64)
    for t, level in enumerate(random.random(count - 1)):
        states[t + 1] = np.searchsorted(np.cumsum(transition[states[t]])[:-1], level, side="right")
    return np.array(means)[states] + np.array(deviations)[states] * random.standard_normal(count), states


def passed(densities: Floats, transition: Floats, initial: Floats) -> tuple[float, Floats, Floats, Floats]:
    filtered, smoothed, pairs = np.empty_like(densities), np.empty_like(densities), np.empty_like(transition)
    return forward_backward(densities, transition, initial, filtered, smoothed, pairs), filtered, smoothed, pairs


def test_published_posterior() -> None:
    """Walk, shop, clean under rain or sun (hmmlearn 0.3.3, from the Viterbi article of Wikipedia)."""
    emission = np.array([[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]])
    likelihood, _, smoothed, pairs = passed(emission.T.copy(), np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([0.6, 0.4]))
    published = [[0.23170303, 0.76829697], [0.62406281, 0.37593719], [0.86397706, 0.13602294]]
    np.testing.assert_allclose(smoothed, published, atol=1e-6)
    assert pairs.sum() == pytest.approx(2.0)
    assert np.exp(likelihood) == pytest.approx(0.033612)  # summed over the eight paths by hand


def test_published_backward() -> None:
    """Umbrellas (hmmlearn 0.3.3, from the forward-backward article of Wikipedia): smoothed over filtered is the backward variable."""
    frames = np.array([[0.9, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.2], [0.9, 0.2]])
    backward = np.array([[0.0661, 0.0455], [0.0906, 0.1503], [0.4593, 0.2437], [0.69, 0.41], [1.0, 1.0]])
    _, filtered, smoothed, _ = passed(frames, np.array([[0.7, 0.3], [0.3, 0.7]]), np.array([0.5, 0.5]))
    ratio = smoothed / filtered
    np.testing.assert_allclose(ratio / ratio.sum(axis=1)[:, None], backward / backward.sum(axis=1)[:, None], atol=5e-4)


@pytest.mark.parametrize(("transition", "deviations"), [(TWO, [0.6, 2.0]), (THREE, [0.5, 1.2, 3.0])])
def test_likelihood_and_smoother_equal_statsmodels(transition: Floats, deviations: list[float]) -> None:
    k = len(deviations)
    y, _ = switching(transition, deviations, [0.0] * k, 700, 3)
    values, vectors = np.linalg.eig(transition.T)
    steady = np.real(vectors[:, np.argmax(np.real(values))])
    steady = steady / steady.sum()
    densities = np.empty((700, k))
    likelihood = normal_densities(y, np.zeros(k), np.array(deviations) ** 2, densities)
    passes = passed(densities, transition, steady)
    model = MarkovRegression(y, k, trend="n", switching_variance=True)
    theirs = model.smooth([*transition[:, : k - 1].T.ravel(), *np.square(deviations)])
    assert likelihood + passes[0] == pytest.approx(theirs.llf, abs=1e-8)
    np.testing.assert_allclose(passes[1], theirs.filtered_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(passes[2], theirs.smoothed_marginal_probabilities, atol=1e-9)


@pytest.mark.parametrize("free_means", [False, True])
def test_the_maximum_is_that_of_statsmodels(free_means: bool) -> None:
    """Theirs begins in the steady state, ours in the best state: ours is no lower, and not by more than the first day's chance."""
    y, _ = switching(TWO, [0.6, 2.0], [0.05, -0.1], 2_000, 1)
    theirs = MarkovRegression(y, 2, trend="c" if free_means else "n", switching_variance=True).fit()
    fit = fit_regimes(y, free_means=free_means)
    order = np.argsort(theirs.params[-2:])
    steady = max(theirs.predicted_joint_probabilities[..., 0].sum(axis=1))
    assert -1e-4 < fit.log_likelihood - theirs.llf < -np.log(steady) + 0.1
    np.testing.assert_allclose(fit.deviations, np.sqrt(theirs.params[-2:])[order], rtol=0.01)
    stays = np.diag(theirs.regime_transition[:, :, 0])[order]
    np.testing.assert_allclose(np.diag(fit.transition), stays, atol=2e-3)
    if free_means:
        np.testing.assert_allclose(fit.means, theirs.params[2:4][order], atol=5e-3)


@pytest.mark.parametrize("seed", range(4))
def test_two_states_are_recovered(seed: int) -> None:
    y, states = switching(TWO, [0.006, 0.02], [0.0, 0.0], 4_000, seed)
    fit = fit_regimes(y)
    assert fit.status is RegimeStatus.OK
    np.testing.assert_allclose(fit.deviations, [0.006, 0.02], rtol=0.07)
    np.testing.assert_allclose(fit.transition, TWO, atol=0.02)
    assert np.mean((fit.smoothed[:, 1] > 0.5) == states) > 0.94
    assert np.mean((fit.filtered[:, 1] > 0.5) == states) > 0.90
    confident = fit.smoothed[:, 1] > 0.95  # calibrated: days called turbulent with this chance are
    assert np.mean(states[confident]) > 0.95


def test_three_states_are_recovered() -> None:
    y, states = switching(THREE, [0.5, 1.2, 3.0], [0.0] * 3, 6_000, 2)
    fit = fit_regimes(y, 3)
    assert fit.status is RegimeStatus.OK
    np.testing.assert_allclose(fit.deviations, [0.5, 1.2, 3.0], rtol=0.12)
    np.testing.assert_allclose(fit.transition, THREE, atol=0.03)
    assert np.mean(fit.smoothed.argmax(axis=1) == states) > 0.85
    assert fit.bic < fit_regimes(y, 2).bic


def test_every_step_raises_the_likelihood() -> None:
    y, _ = switching(THREE, [0.5, 1.2, 3.0], [0.0] * 3, 400, 5)
    parameters = np.zeros(3), np.array([0.5, 1.0, 2.0]), np.full((3, 3), 1.0 / 3.0), np.full(3, 1.0 / 3.0)
    seen = [expectation_maximisation(y, *parameters, True, 1e-4, 1, -np.inf)[0] for _ in range(200)]
    assert all(after >= before - 1e-9 for before, after in pairwise(seen))
    assert seen[-1] > seen[0] + 1.0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(60, 150),
    states=st.sampled_from([2, 3]),
    free_means=st.booleans(),
    kind=st.sampled_from(["normal", "spikes", "silence", "steps", "trend"]),
)
def test_any_series_gives_finite_numbers_and_probabilities(seed: int, count: int, states: int, free_means: bool, kind: str) -> None:
    random = np.random.default_rng(seed)
    y = random.standard_normal(count)
    if kind == "spikes":
        y[random.integers(0, count, 2)] *= 1e6
    elif kind == "silence":
        y[: count // 2] = 0.0
    elif kind == "steps":
        y = np.sign(y)
    elif kind == "trend":
        y = np.arange(count) * 1e-9 + 1.0
    fit = fit_regimes(y, states, free_means=free_means)
    for array in (fit.means, fit.deviations, fit.transition, fit.initial, fit.filtered, fit.smoothed, fit.predictive):
        assert np.isfinite(array).all()
    for chances in (fit.transition, fit.initial[None, :], fit.filtered, fit.smoothed, fit.predictive[None, :]):
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-9)
    assert (np.diff(fit.deviations) >= 0.0).all()
    assert np.isfinite([fit.log_likelihood, fit.bic, fit.bic_of_one]).all()
    assert (fit.status is RegimeStatus.OK) == (fit.reason == "")


def test_the_unit_does_not_count() -> None:
    y, _ = switching(TWO, [0.6, 2.0], [0.0, 0.0], 500, 6)
    small, large = fit_regimes(y), fit_regimes(y * 2.0**200)
    assert small.smoothed.tobytes() == large.smoothed.tobytes() == fit_regimes(-y).smoothed.tobytes()
    assert large.deviations == pytest.approx(small.deviations * 2.0**200)
    assert large.log_likelihood == pytest.approx(small.log_likelihood - 500 * 200 * np.log(2.0))


def status_of(y: Floats, states: int = 2) -> RegimeFit:
    return fit_regimes(y, states)


def test_degenerate_fits_say_so() -> None:
    random = np.random.default_rng(0)
    one = status_of(random.standard_normal(500))
    assert (one.status, one.reason.startswith("BIC 1460 is no better than 1439.01")) == (RegimeStatus.ONE_REGIME, True)
    silent = status_of(np.concatenate((np.zeros(100), random.standard_normal(400))))
    assert silent.status is RegimeStatus.SINGULAR
    assert silent.reason.startswith("the calmest state holds 99.99 days that are all but equal")
    y = random.standard_normal(400)
    y[200:205] *= 12.0
    thin = status_of(y)
    assert thin.status is RegimeStatus.THIN_STATE
    assert "state 1 has" in thin.reason
    never_left = replace(thin, transition=np.array([[0.9, 0.1], [0.0, 1.0]]))
    assert never_left.durations == (pytest.approx(10.0), None)
    assert replace(never_left, filtered=np.array([[1.0, 0.0]])).predictive == pytest.approx([0.9, 0.1])


def test_a_single_normal_law_by_hand() -> None:
    y = np.random.default_rng(1).standard_normal(300)
    log_likelihood = -150.0 * (np.log(2.0 * np.pi * np.mean(y * y)) + 1.0)
    assert fit_regimes(y).bic_of_one == pytest.approx(np.log(300.0) - 2.0 * log_likelihood)
    centred = -150.0 * (np.log(2.0 * np.pi * np.var(y)) + 1.0)
    assert fit_regimes(y, free_means=True).bic_of_one == pytest.approx(2.0 * np.log(300.0) - 2.0 * centred)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: fit_regimes([]), MeasureError, "series is empty"),
        (lambda: fit_regimes([1.0, np.nan]), MeasureError, "position 1"),
        (lambda: fit_regimes(np.arange(59.0)), ScenarioError, "59 observations are too few"),
        (lambda: fit_regimes(np.zeros(100)), ScenarioError, "does not vary"),
        (lambda: fit_regimes(np.full(100, 0.1), free_means=True), ScenarioError, "does not vary"),
        (lambda: fit_regimes(np.arange(100.0), 4), ScenarioError, "states must be 2 or 3"),
    ],
)
def test_bad_input(bad: Callable[[], object], error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        bad()
