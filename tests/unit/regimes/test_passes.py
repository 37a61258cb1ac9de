"""Filter, smoother and best path against enumeration of every path, statsmodels, and what they must be by law."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma as scipy_digamma

from risk_core.regimes import (
    InitialTime,
    RegimeError,
    backward_probabilities,
    categorical_densities,
    expected_durations,
    forward_backward,
    forward_probabilities,
    logistic_transitions,
    simulate_chain,
    stationary_distribution,
    viterbi,
)
from risk_core.regimes.em_kernels import digamma
from risk_core.regimes.kernels import exponential


def chain(seed: int, steps: int, states: int, varying: bool = False) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    shape = (steps, states, states) if varying else (states, states)
    return rng.uniform(0.01, 2.0, (steps, states)), rng.dirichlet(np.ones(states), shape[:-1]), rng.dirichlet(np.ones(states))


def paths(densities: Any, transition: Any, initial: Any) -> dict[tuple[int, ...], float]:
    """Joint probability of each path with the observations."""
    steps, states = densities.shape
    found = {}
    for path in product(range(states), repeat=steps):
        value = initial[path[0]] * densities[0, path[0]]
        for t in range(1, steps):
            matrix = transition[t] if transition.ndim == 3 else transition
            value *= matrix[path[t - 1], path[t]] * densities[t, path[t]]
        found[path] = value
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 3), st.booleans())
def test_passes_equal_enumeration(seed: int, steps: int, states: int, varying: bool) -> None:
    densities, transition, initial = chain(seed, steps, states, varying)
    joint = paths(densities, transition, initial)
    total = sum(joint.values())
    found = forward_backward(densities, transition, initial)
    assert found.log_likelihood == pytest.approx(np.log(total), abs=1e-10)
    for t in range(steps):
        by_hand = [sum(p for path, p in joint.items() if path[t] == k) / total for k in range(states)]
        np.testing.assert_allclose(found.smoothed[t], by_hand, rtol=1e-9)
        short = paths(densities[: t + 1], transition[: t + 1] if varying else transition, initial)
        np.testing.assert_allclose(
            found.filtered[t], [sum(p for q, p in short.items() if q[t] == k) / sum(short.values()) for k in range(states)]
        )
    pairs = np.zeros((states, states))
    for path, p in joint.items():
        for i, j in pairwise(path):
            pairs[i, j] += p / total
    np.testing.assert_allclose(found.transitions, pairs, atol=1e-10)
    best = viterbi(densities, transition, initial)
    assert joint[tuple(best.states)] == pytest.approx(max(joint.values()), rel=1e-9)
    assert best.probability == pytest.approx(max(joint.values()), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_laws(seed: int, states: int) -> None:
    """Rows sum to one; scale of a step's densities changes nothing; alpha beta is the likelihood; states may be renamed."""
    densities, transition, initial = chain(seed, 30, states)
    found = forward_backward(densities, transition, initial)
    for rows in (found.predicted, found.filtered, found.smoothed):
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-12)
    assert found.transitions.sum() == pytest.approx(29.0, rel=1e-10)
    scaled = forward_backward(np.log(densities) - 5_000.0, transition, initial, logs=True)
    np.testing.assert_allclose(scaled.smoothed, found.smoothed, atol=1e-9)
    assert scaled.log_likelihood == pytest.approx(found.log_likelihood - 30 * 5_000.0, rel=1e-12)
    alpha, beta = forward_probabilities(densities, transition, initial), backward_probabilities(densities, transition)
    np.testing.assert_allclose(np.log((alpha * beta).sum(axis=1)), found.log_likelihood, rtol=1e-9)
    order = np.random.default_rng(seed).permutation(states)
    other = forward_backward(densities[:, order], transition[np.ix_(order, order)], initial[order])
    np.testing.assert_allclose(other.smoothed, found.smoothed[:, order], atol=1e-12)


def test_filtered_and_predicted_know_no_future() -> None:
    densities, transition, initial = chain(3, 50, 3)
    whole, part = forward_backward(densities, transition, initial), forward_backward(densities[:30], transition, initial)
    assert (whole.filtered[:30] == part.filtered).all()
    assert (whole.predicted[:30] == part.predicted).all()
    assert not np.allclose(whole.smoothed[:30], part.smoothed)
    assert part.ahead == pytest.approx(whole.predicted[30], abs=1e-15)


def test_time_of_the_initial_chances() -> None:
    densities, transition, initial = chain(5, 20, 3)
    before = forward_backward(densities, transition, initial, initial_time=InitialTime.BEFORE)
    assert before.log_likelihood == pytest.approx(forward_backward(densities, transition, initial @ transition).log_likelihood, rel=1e-12)
    steady = stationary_distribution(transition)
    assert forward_backward(densities, transition).log_likelihood == pytest.approx(
        forward_backward(densities, transition, steady, initial_time="before").log_likelihood, rel=1e-12
    )


def test_impossible_observations_are_refused() -> None:
    transition, initial = [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0]
    with pytest.raises(RegimeError, match="observation 1 has no density in any state that can be reached"):
        forward_backward([[1.0, 1.0], [0.0, 1.0]], transition, initial)
    with pytest.raises(RegimeError, match="observation 0 has no density in any state"):
        forward_backward([[0.0, 0.0]], transition, initial)
    with pytest.raises(RegimeError, match="no sequence of states"):
        viterbi([[1.0, 1.0], [0.0, 1.0]], transition, initial)
    with pytest.raises(RegimeError, match="use forward_backward"):
        backward_probabilities(np.full((400, 2), 0.01), [[0.5, 0.5], [0.5, 0.5]])


BAD: list[tuple[Any, str]] = [
    (lambda: forward_backward([[1.0, np.nan]], np.eye(2), [0.5, 0.5]), "densities are nan at step 0, state 1"),
    (lambda: forward_backward([[1.0, -1.0]], np.eye(2), [0.5, 0.5]), "not negative"),
    (lambda: forward_backward([[1.0, 1.0]], [[0.5, 0.6], [0.5, 0.5]], [0.5, 0.5]), "summing to one"),
    (lambda: forward_backward([[1.0, 1.0]], np.eye(3), [0.5, 0.5]), "2 states, the transition matrix 3"),
    (lambda: forward_backward([[1.0, 1.0]], np.eye(2)), "more than one set of states that is never left"),
    (lambda: forward_backward([[1.0, 1.0]], np.eye(2), [0.5, 0.5], initial_time="later"), "first, before"),
    (lambda: categorical_densities([[0.5, 0.5]], [2]), "symbols are 0 to 1"),
    (lambda: categorical_densities([[0.5, 0.5]], [0.5]), "whole numbers"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(bad: Any, message: str) -> None:
    with pytest.raises(RegimeError, match=message):
        bad()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_stationary_distribution_is_the_left_eigenvector(seed: int, states: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(states, 0.3), states)
    pi = stationary_distribution(p)
    np.testing.assert_allclose(pi @ p, pi, atol=1e-12)
    assert pi.sum() == pytest.approx(1.0, rel=1e-12)
    values, vectors = np.linalg.eig(p.T)
    vector = np.real(vectors[:, np.argmax(np.real(values))])
    np.testing.assert_allclose(pi, vector / vector.sum(), atol=1e-6)


def test_transient_states_and_durations() -> None:
    p = [[0.5, 0.25, 0.25], [0.0, 0.9, 0.1], [0.0, 0.3, 0.7]]
    np.testing.assert_allclose(stationary_distribution(p), [0.0, 0.75, 0.25], atol=1e-14)
    assert expected_durations(p) == pytest.approx((2.0, 10.0, 1 / 0.3))
    assert expected_durations(np.eye(2)) == (None, None)


def test_simulated_stays_have_their_expected_length() -> None:
    path = simulate_chain([[0.9, 0.1], [0.25, 0.75]], 40_000, 1)
    assert (path == simulate_chain([[0.9, 0.1], [0.25, 0.75]], 40_000, 1)).all()
    assert (path == 0).mean() == pytest.approx(0.25 / 0.35, abs=0.015)
    changes = np.flatnonzero(np.diff(path))
    stays = np.diff(changes)
    calm = stays[path[changes[:-1] + 1] == 0]
    assert calm.mean() == pytest.approx(10.0, abs=4 * calm.std() / np.sqrt(calm.size))


def test_logistic_transitions() -> None:
    """Two states: the chance of the first is the logistic function."""
    z = np.array([[1.0, -2.0], [1.0, 0.0], [1.0, 900.0]])
    b = np.array([[[0.3, 1.1]], [[-1.0, 0.5]]])
    p = logistic_transitions(z, b)
    np.testing.assert_allclose(p[:2, 0, 0], 1 / (1 + np.exp(-(z[:2] @ b[0, 0]))), rtol=1e-12)
    np.testing.assert_allclose(p.sum(axis=2), 1.0, rtol=1e-14)
    assert p[2, 0].tolist() == [1.0, 0.0]


def test_small_functions_equal_scipy() -> None:
    for x in np.concatenate([-np.random.default_rng(0).exponential(60.0, 2_000), [0.0, -1e-17, -690.0, 5.3, 690.0]]):
        if x >= -690.0:
            assert exponential(float(x)) == pytest.approx(float(np.exp(x)), rel=7e-16)
    assert 0.0 < exponential(-1e9) < 1e-299
    for x in (0.05, 1.0, 3.7, 11.0, 400.0):
        assert digamma(x) == pytest.approx(float(scipy_digamma(x)), rel=1e-12)
