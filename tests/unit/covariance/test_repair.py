"""Repair of matrices: Higham's printed examples, optimality against perturbations, statsmodels, laws of a projection, bad input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.stats.correlation_tools import corr_clipped, corr_nearest

from risk_core.covariance import (
    Repair,
    RepairStatus,
    checked_symmetric,
    clip_eigenvalues,
    is_positive_semidefinite,
    nearest_correlation,
    nearest_covariance,
)
from risk_core.measures import MeasureError

Floats = NDArray[np.float64]

HIGHAM_THREE = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])


def broken(size: int, seed: int, noise: float = 0.6) -> Floats:
    """Correlations with noise on every pair."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(size, 2 * size))
    matrix = np.corrcoef(loading) + np.triu(rng.uniform(-noise, noise, (size, size)), 1) * (1 - np.eye(size))
    matrix = np.clip(np.triu(matrix) + np.triu(matrix, 1).T, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def test_higham_example_of_three() -> None:
    """N. Higham, IMA J. Numer. Anal. 22 (2002), p. 334: distance 0.5278."""
    repair = nearest_correlation(HIGHAM_THREE)
    assert repair.status is RepairStatus.REPAIRED
    assert repair.distance == pytest.approx(0.5278, abs=5e-5)
    assert repair.matrix[0] == pytest.approx([1.0, 0.7607, 0.1573], abs=5e-5)
    assert repair.matrix[1, 2] == pytest.approx(0.7607, abs=5e-5)
    assert repair.smallest_eigenvalue_before == pytest.approx(1.0 - 2**0.5)
    assert repair.smallest_eigenvalue_after == pytest.approx(0.0, abs=1e-12)


def test_higham_example_of_four() -> None:
    """The tridiagonal example of the same page, whose diagonal is 2."""
    repair = nearest_correlation(2.0 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1))
    assert repair.matrix[0] == pytest.approx([1.0, -0.8084, 0.1916, 0.1068], abs=5e-5)
    assert repair.matrix[1, 2] == pytest.approx(-0.6562, abs=5e-5)


@pytest.mark.filterwarnings("ignore:\\s*Maximum iteration")
@pytest.mark.parametrize("seed", range(4))
def test_nearer_than_clipping_statsmodels_and_neighbours(seed: int) -> None:
    matrix = broken(12, seed)
    best = nearest_correlation(matrix)
    clipped = clip_eigenvalues(matrix)
    assert best.smallest_eigenvalue_after > -1e-12
    assert np.all(np.diagonal(best.matrix) == 1.0)
    assert best.distance < clipped.distance
    assert best.distance <= np.linalg.norm(corr_nearest(matrix, threshold=1e-12, n_fact=20) - matrix) + 1e-9
    rng = np.random.default_rng(seed)
    for _ in range(50):  # any other correlation matrix lies farther, and not in the obtuse cone of the projection
        other = np.corrcoef(rng.normal(size=(12, 20)))
        mixed = best.matrix + 0.05 * (other - best.matrix)
        assert np.linalg.norm(mixed - matrix) >= best.distance - 1e-9
        assert np.sum((matrix - best.matrix) * (other - best.matrix)) <= 1e-7


@pytest.mark.parametrize("seed", range(4))
def test_clipping_equals_statsmodels(seed: int) -> None:
    matrix = broken(9, seed)
    repair = clip_eigenvalues(matrix, floor=1e-6)
    assert repair.matrix == pytest.approx(corr_clipped(matrix, threshold=1e-6), abs=1e-12)
    assert (repair.status, repair.iterations) == (RepairStatus.REPAIRED, 1)


@pytest.mark.parametrize("repairer", [nearest_covariance, clip_eigenvalues, lambda m: clip_eigenvalues(m, scaled=False)])
def test_variances_stay(repairer: Callable[[Floats], Repair]) -> None:
    deviation = np.array([1e-4, 0.01, 0.2, 1.0, 30.0, 5.0])
    covariance = broken(6, 3, 1.2) * np.outer(deviation, deviation)
    assert not is_positive_semidefinite(covariance)
    repair = repairer(covariance)
    assert repair.status is RepairStatus.REPAIRED
    assert np.array_equal(np.diagonal(repair.matrix), np.diagonal(covariance))
    assert np.array_equal(repair.matrix, repair.matrix.T)
    assert is_positive_semidefinite(repair.matrix, 1e-12)
    assert repair.distance == pytest.approx(np.linalg.norm(repair.matrix - covariance))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_a_projection_keeps_what_is_good_and_is_idempotent(size: int, seed: int, noise: float) -> None:
    matrix = broken(size, seed, noise)
    once = nearest_correlation(matrix, tolerance=1e-8)
    if is_positive_semidefinite(matrix):
        assert once.status is RepairStatus.UNCHANGED
        assert np.array_equal(once.matrix, matrix)
        assert clip_eigenvalues(matrix).distance == 0.0
    assert once.smallest_eigenvalue_after >= -1e-10
    assert np.abs(once.matrix).max() <= 1.0 + 1e-12
    assert np.linalg.norm(nearest_correlation(once.matrix, tolerance=1e-8).matrix - once.matrix) < 1e-6


def test_floor_makes_it_definite() -> None:
    for repair in (nearest_correlation(HIGHAM_THREE, floor=1e-3), nearest_covariance(4.0 * HIGHAM_THREE, floor=1e-3)):
        assert repair.smallest_eigenvalue_after > 0.9e-3
        np.linalg.cholesky(repair.matrix)


def test_an_iteration_cut_short_says_so_and_is_still_valid() -> None:
    repair = nearest_correlation(broken(12, 0), iterations=2)
    assert repair.status is RepairStatus.NOT_CONVERGED
    assert "after 2 iterations" in repair.reason
    assert repair.smallest_eigenvalue_after > -1e-12
    assert np.all(np.diagonal(repair.matrix) == 1.0)


def test_one_factor_and_singular_matrices_are_fine() -> None:
    assert nearest_correlation([[1.0]]).status is RepairStatus.UNCHANGED
    assert nearest_covariance([[4.0]]).matrix.tolist() == [[4.0]]
    assert nearest_covariance(np.ones((3, 3))).status is RepairStatus.UNCHANGED
    assert is_positive_semidefinite(np.zeros((2, 2)))
    assert not is_positive_semidefinite(-np.eye(2))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: checked_symmetric([1.0, 2.0]), r"must be square.*shape \(2,\)"),
        (lambda: checked_symmetric([[1.0, 2.0]]), r"must be square.*shape \(1, 2\)"),
        (lambda: checked_symmetric(np.empty((0, 0))), "must be square"),
        (lambda: checked_symmetric([["a"]]), "must be numbers"),
        (lambda: checked_symmetric([[1.0, 0.5], [0.4, 1.0]]), r"not symmetric.*\(m \+ m.T\) / 2"),
        (lambda: nearest_covariance([[1.0, np.nan], [np.nan, 1.0]]), "is nan in row 0, column 1"),
        (lambda: nearest_correlation([[1.0, np.inf], [np.inf, 1.0]]), "is inf in row 0"),
        (lambda: clip_eigenvalues([[1.0, 0.0], [0.0, 0.0]]), "0.0 on its diagonal, row 1"),
        (lambda: nearest_covariance([[1.0, 0.0], [0.0, -1.0]]), "-1.0 on its diagonal, row 1"),
        (lambda: nearest_correlation(np.eye(2), floor=1.0), "floor must lie"),
        (lambda: nearest_correlation(np.eye(2), tolerance=0.0), "tolerance must be positive"),
        (lambda: clip_eigenvalues(np.eye(2), floor=-0.1), "floor must lie"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()
