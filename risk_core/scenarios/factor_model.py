"""Simulated scenarios for thousands of instruments: a few principal components, and an independent rest for each instrument.

The variance of every instrument is the weighted one, exactly; covariances are those of the components, and what is left of them counts as
noise. A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), secs. 6.4.2, 6.4.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from risk_core.scenarios.drawing import checked_exposure, generator, mirrored, mixing, sobol, weighted_moves
from risk_core.scenarios.move_checks import checked_count, checked_moves
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.simulated import DRAWS
from risk_core.scenarios.simulated_variants import SOBOL_DRAWS
from risk_core.scenarios.weights import RISKMETRICS_DECAY

Floats = NDArray[np.float64]

FACTORS: Final = 10
_NOTHING: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class FactorModel:
    """Moves = loadings f + specific e, with f and e independent of mean zero and variance one.

    Parameters
    ----------
    loadings : float64[N, K]
        In the unit of the moves. K is the rank of the moves where that is less than was asked for.
    specific : float64[N]
        Standard deviations of the rest; zero for an instrument that the components explain.
    explained : float
        Share of the components in the sum of variances, in [0, 1]; 1 where nothing moves.
    degrees_of_freedom : float or None
        Of Student t, one divisor for all; the variances stay. None: normal.
    """

    loadings: Floats = field(repr=False)
    specific: Floats = field(repr=False)
    explained: float
    degrees_of_freedom: float | None = None

    def deviation(self, exposure: ArrayLike) -> float:
        """Return the standard deviation of a linear book's P&L, exposure float64[N]."""
        held = checked_exposure(exposure, self.specific.size)
        return sqrt(float(np.sum((held @ self.loadings) ** 2) + np.sum((held * self.specific) ** 2)))


def fit_factor_model(
    moves: ArrayLike, *, factors: int = FACTORS, decay: float = RISKMETRICS_DECAY, degrees_of_freedom: float | None = None
) -> FactorModel:
    """Return principal components of the weighted covariance about zero, and the variances they leave.

    Parameters
    ----------
    moves : float64[N, S]
        Historical, oldest first. Finite.
    factors : int
        At least 1.
    decay : float
        Of the weights of the covariance, in (0, 1).
    degrees_of_freedom : float or None
        More than 2, for Student t.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, or an impossible number of factors.
    WeightError
        For an impossible decay or degrees of freedom.
    """
    given = checked_moves(moves)
    wanted = checked_count(factors, "factors", 1)
    weighted = weighted_moves(given, decay, degrees_of_freedom)
    left, sizes, _ = np.linalg.svd(weighted, full_matrices=False)
    rank = int((sizes > _NOTHING * max(float(sizes[0]), 1e-300)).sum())
    count = max(1, min(wanted, rank))
    loadings = left[:, :count] * sizes[:count]
    variance, common = np.sum(weighted * weighted, axis=1), np.sum(loadings * loadings, axis=1)
    rest = variance - common
    specific = np.sqrt(np.where(rest > _NOTHING * variance, rest, 0.0))
    total = float(variance.sum())
    return FactorModel(loadings, specific, min(1.0, float(common.sum()) / total) if total > 0.0 else 1.0, degrees_of_freedom)


def factor_moves(
    moves: ArrayLike,
    seed: int,
    *,
    draws: int = DRAWS,
    factors: int = FACTORS,
    decay: float = RISKMETRICS_DECAY,
    degrees_of_freedom: float | None = None,
) -> Floats:
    """Return joint moves float64[N, draws] of a factor model, in mirrored pairs.

    Parameters
    ----------
    moves, factors, decay, degrees_of_freedom
        As of `fit_factor_model`.
    seed : int
        Not negative; of PCG64.
    draws : int
        Even, at least 2.

    Raises
    ------
    ScenarioError, WeightError
        As `fit_factor_model`, and for an odd number of draws or an impossible seed.
    """
    if checked_count(draws, "draws", 2) % 2:
        raise ScenarioError(f"draws come in pairs: give an even number, not {draws!r}")
    random, half = generator(seed), draws // 2
    model = fit_factor_model(moves, factors=factors, decay=decay, degrees_of_freedom=degrees_of_freedom)
    drawn = model.loadings @ random.standard_normal((model.loadings.shape[1], half))
    drawn += model.specific[:, None] * random.standard_normal((model.specific.size, half))
    return mirrored(drawn * mixing(random.random(half), degrees_of_freedom))


def factor_pnl(model: FactorModel, exposures: ArrayLike, seed: int, *, draws: int = SOBOL_DRAWS) -> Floats:
    """Return the P&L of linear books under a factor model by a scrambled Sobol sequence, their rests pooled.

    No instrument is drawn: the books' shares in the components and their joint rest, which has one dimension a book, are turned to
    principal directions, the largest first. For one book that is its P&L gradient. Of several the joint law is that of `factor_moves`, so
    that their P&L may be added up.

    Parameters
    ----------
    model : FactorModel
    exposures : float64[N] or float64[P, N]
        One book, or P books; at most 1,000.
    seed : int
        Not negative; of PCG64.
    draws : int
        A power of two, at least 2.

    Returns
    -------
    float64[draws] or float64[P, draws]
        Gains positive.

    Raises
    ------
    ScenarioError
        For exposures of another shape or not finite, draws that are no power of two, or an impossible seed.
    """
    held = np.asarray(exposures, np.float64)
    points, random = checked_count(draws, "draws", 2), generator(seed)
    if points & (points - 1):
        raise ScenarioError(f"a Sobol sequence is balanced at powers of two: give {1 << (points.bit_length() - 1)} draws, not {points}")
    if held.ndim not in (1, 2) or not 1 <= len(np.atleast_2d(held)) <= 1_000:
        raise ScenarioError(f"exposures must have the shape (N,) or (P, N) with 1 to 1,000 books, not {held.shape}")
    books = np.stack([checked_exposure(row, model.specific.size) for row in np.atleast_2d(held)])
    common, rest = books @ model.loadings, books * model.specific
    variances, directions = np.linalg.eigh(common @ common.T + rest @ rest.T)
    sizes = np.sqrt(np.maximum(variances[::-1], 0.0))
    heavy = model.degrees_of_freedom is not None
    uniforms = sobol(sizes.size + heavy, points, random)
    pnl = (directions[:, ::-1] * sizes) @ ndtri(uniforms[:, : sizes.size]).T
    if heavy:
        pnl *= mixing(uniforms[:, -1], model.degrees_of_freedom)
    return np.asarray(pnl if held.ndim == 2 else pnl[0], np.float64)
