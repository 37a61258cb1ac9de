"""Simulated scenarios of less noise: moments matched, and Sobol sequences along the directions that matter.

Both have the law of `simulated_moves`: the exponentially weighted covariance of the historical moves, mean zero, normal or Student t.
P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), secs. 4.5, 5.5.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.special import ndtri

from risk_core.scenarios.drawing import checked_exposure, generator, mirrored, mixing, sobol, weighted_moves
from risk_core.scenarios.move_checks import checked_count, checked_moves
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.simulated import DRAWS
from risk_core.scenarios.weights import RISKMETRICS_DECAY

Floats = NDArray[np.float64]

SOBOL_DRAWS: Final = 1 << 13
"""A power of two, as the sequences ask for."""
_NOTHING: Final = 1e-12


def moment_matched_moves(
    moves: ArrayLike, seed: int, *, draws: int = DRAWS, decay: float = RISKMETRICS_DECAY, degrees_of_freedom: float | None = None
) -> Floats:
    """Return joint moves float64[N, draws] whose own mean is zero and whose own covariance is the weighted one, both exactly.

    Independent draws are turned so that their sample covariance is the identity. J. Barraquand, "Numerical valuation of high dimensional
    multivariate European securities", Management Science 41 (1995) 1882-1891.

    Parameters
    ----------
    moves : float64[N, S]
        Historical, oldest first. Finite.
    seed : int
        Not negative; of PCG64.
    draws : int
        Even, in mirrored pairs; more pairs than the smaller of N and S.
    decay : float
        Of the weights of the covariance, in (0, 1).
    degrees_of_freedom : float or None
        More than 2: Student t of the same covariance. None: normal.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, too few or an odd number of draws, or an impossible seed.
    WeightError
        For an impossible decay or degrees of freedom.
    """
    given, random = checked_moves(moves), generator(seed)
    checked_count(draws, "draws", 2)
    weighted = weighted_moves(given, decay, degrees_of_freedom)
    left, sizes, _ = np.linalg.svd(weighted, full_matrices=False)
    rank = int((sizes > _NOTHING * max(float(sizes[0]), 1e-300)).sum())
    half = draws // 2
    if draws % 2 or half <= rank:
        raise ScenarioError(f"a covariance of rank {rank} is matched by an even number of draws above {2 * rank}, not {draws}")
    normals = random.standard_normal((rank, half)) * mixing(random.random(half), degrees_of_freedom)
    if rank:
        normals = solve_triangular(np.linalg.cholesky(normals @ normals.T / half), normals, lower=True)
    return mirrored((left[:, :rank] * sizes[:rank]) @ normals)


def aligned_sobol_moves(
    moves: ArrayLike,
    exposure: ArrayLike,
    seed: int,
    *,
    draws: int = SOBOL_DRAWS,
    directions: int = 8,
    decay: float = RISKMETRICS_DECAY,
    degrees_of_freedom: float | None = None,
) -> Floats:
    """Return joint moves float64[N, draws] by a scrambled Sobol sequence whose first dimension is the P&L of a book.

    The first normal runs along the P&L gradient, the next ones along the largest principal directions of what is left; the rest is drawn at
    random. The P&L of a linear book under normal moves is then a function of the first dimension alone, where the sequence is nearly a
    regular grid; a book that bends is revalued on the moves, and gains as far as it is close to linear, or as its curvature lies along the
    directions. The set is made for one book: risk of several books on sets of their own does not add up.

    P. Acworth, M. Broadie and P. Glasserman, "A comparison of some Monte Carlo and quasi Monte Carlo techniques for option pricing", in
    Monte Carlo and Quasi-Monte Carlo Methods 1996 (1998) 1-18; A. Owen, "Randomly permuted (t,m,s)-nets", same series 1994 (1995) 299-317.

    Parameters
    ----------
    moves : float64[N, S]
        Historical, oldest first. Finite.
    exposure : float64[N]
        Gradient of the book's P&L with respect to the moves. All zero: the largest principal direction comes first.
    seed : int
        Not negative; of PCG64. Sets of different seeds are independent scramblings: the way to an error bar (`batch_risk`).
    draws : int
        A power of two, at least 2.
    directions : int
        Dimensions of the sequence, from 1; one more under Student t, for the divisor.
    decay, degrees_of_freedom
        As of `moment_matched_moves`.

    Raises
    ------
    ScenarioError
        For moves or an exposure of another shape or not finite, draws that are no power of two, or impossible directions or seed.
    WeightError
        For an impossible decay or degrees of freedom.
    """
    given, random = checked_moves(moves), generator(seed)
    points = checked_count(draws, "draws", 2)
    if points & (points - 1):
        raise ScenarioError(f"a Sobol sequence is balanced at powers of two: give {1 << (points.bit_length() - 1)} draws, not {points}")
    count = checked_count(directions, "directions", 1)
    weighted = weighted_moves(given, decay, degrees_of_freedom)
    along, rest = _directions(weighted, checked_exposure(exposure, given.shape[0]), count)
    heavy = degrees_of_freedom is not None
    uniforms = sobol(along.shape[1] + heavy, points, random)
    joint = along @ ndtri(uniforms[:, : along.shape[1]]).T
    if rest.shape[1]:
        joint += rest @ random.standard_normal((rest.shape[1], points))
    return joint * mixing(uniforms[:, -1], degrees_of_freedom) if heavy else joint


def _directions(weighted: Floats, exposure: Floats, count: int) -> tuple[Floats, Floats]:
    """Return A Q for the first `count` directions Q, float64[N, at most count], and A R for all others of the rank."""
    gradient = exposure @ weighted
    size = sqrt(float(gradient @ gradient))
    first, rest = np.empty((len(weighted), 0)), weighted
    if size > 0.0:
        first = weighted @ (gradient / size)[:, None]
        rest = weighted - np.outer(first, gradient / size)
    left, sizes, _ = np.linalg.svd(rest, full_matrices=False)
    held = sizes > _NOTHING * float(np.linalg.norm(weighted))
    columns = np.hstack((first, (left * sizes)[:, held]))
    if columns.shape[1] == 0:
        columns = np.zeros((len(weighted), 1))
    return columns[:, :count], columns[:, count:]
