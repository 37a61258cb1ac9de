"""How much a set of instruments moves as one: average and extreme correlation, absorption ratio, effective number of bets.

M. Kritzman, Y. Li, S. Page and R. Rigobon, "Principal components as a measure of systemic risk", Journal of Portfolio Management 37 (2011)
112-126; A. Meucci, "Managing diversification", Risk 22 (2009) 74-79; A. Meucci, A. Santangelo and R. Deguest, "Measuring portfolio
diversification based on optimized uncorrelated factors" (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_covariance, checked_day
from risk_core.correlation.targets import SINGULAR, correlation_of
from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]

_TORSION_STEPS = 500


class Bets(StrEnum):
    """The uncorrelated factors that bets are counted in."""

    MINIMUM_TORSION = "minimum_torsion"
    """Nearest to the instruments (Meucci, Santangelo and Deguest 2013)."""
    PRINCIPAL_COMPONENTS = "principal_components"
    """Of the covariance (Meucci 2009)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two instruments, by position, and their correlation."""

    first: int
    second: int
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationImpact:
    """What a change of correlations does to a book, volatilities held.

    Parameters
    ----------
    before, after : float
        Volatility of the book, in the unit of position times volatility.
    by_position : float64[N]
        Change of each position's component of the volatility; adds up to after - before.
    worst : int64[N]
        Positions, the one that suffers most first.
    """

    before: float
    after: float
    by_position: Floats
    worst: NDArray[np.int64]


def average_correlation(correlation: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the mean of the correlations of all pairs.

    Parameters
    ----------
    correlation : float64[N, N]
        A correlation or covariance matrix of at least two instruments, positive semidefinite, with a positive diagonal.
    weights : float64[N], optional
        Not negative: the pair (i, j) weighs w_i w_j. Equal if not given.

    Raises
    ------
    MeasureError
        For an impossible matrix or weights, fewer than two instruments, or weights that leave no pair.
    """
    matrix = _correlation(correlation)
    mass = np.ones(len(matrix)) if weights is None else checked_day(weights, len(matrix), "weights")
    if not (mass >= 0.0).all() or np.count_nonzero(mass) < 2:
        raise MeasureError("weights must not be negative, and at least two positive")
    pairs = np.outer(mass, mass)
    np.fill_diagonal(pairs, 0.0)
    return float(np.sum(pairs * matrix) / pairs.sum())


def extreme_correlations(correlation: ArrayLike, count: int = 1) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Return the pairs of highest and of lowest correlation, most extreme first; MeasureError for an impossible matrix or count < 1."""
    matrix = _correlation(correlation)
    if count < 1:
        raise MeasureError(f"count must be at least 1, not {count!r}")
    rows, columns = np.triu_indices(len(matrix), 1)
    values = matrix[rows, columns]
    order = np.argsort(-values, kind="stable")
    pairs = [Pair(int(rows[k]), int(columns[k]), float(values[k])) for k in order]
    return tuple(pairs[:count]), tuple(pairs[::-1][:count])


def absorption_ratio(covariance: ArrayLike, components: int | float = 0.2) -> float:
    """Return the share of the total variance in the largest principal components: from their share in N, up to one.

    Parameters
    ----------
    covariance : float64[N, N]
        Of returns (Kritzman et al.), or a correlation matrix, in which all instruments count alike.
    components : int or float
        Number, or share in (0, 1] of the instruments, rounded up; a fifth in the paper.

    Raises
    ------
    MeasureError
        For an impossible matrix or number of components.
    """
    matrix = checked_covariance(covariance)
    kept = checked_components(components, len(matrix))
    values = np.maximum(np.linalg.eigvalsh(matrix), 0.0)
    return float(values[-kept:].sum() / values.sum())


def absorption_shift(ratios: ArrayLike, short: int = 15, long: int = 250) -> float:
    """Return (mean of the last `short` ratios - mean of the last `long`) / standard deviation of the last `long` (ddof 1).

    Kritzman et al. read one or more as fragile markets. MeasureError for fewer than `long` ratios, short < 1, long <= short, or ratios
    that do not move.
    """
    path = checked_pnl(ratios, "ratios")
    if not 1 <= short < long <= path.size:
        raise MeasureError(f"need 1 <= short < long <= number of ratios, not {short}, {long} and {path.size}")
    last = path[-long:]
    spread = float(last.std(ddof=1))
    if spread <= 1e-15:
        raise MeasureError(f"the last {long} ratios do not move: there is nothing to measure a shift by")
    return float(last[-short:].mean() - last.mean()) / spread


def minimum_torsion(covariance: ArrayLike) -> Floats:
    """Return t float64[N, N]: factors t @ returns are uncorrelated and nearest to the instruments.

    Of all t with uncorrelated factors it minimises the sum over instruments of var(t_i r - r_i) / var(r_i).

    Raises
    ------
    MeasureError
        For a matrix that is singular or not a covariance.
    """
    matrix = checked_covariance(covariance)
    volatility, unit = np.sqrt(np.diag(matrix)), correlation_of(matrix)
    values, vectors = np.linalg.eigh(unit)
    if values[0] < SINGULAR:
        raise MeasureError(f"the correlation is singular (eigenvalue {values[0]:.2g}): drop an instrument that repeats others, or shrink")
    root = (vectors * np.sqrt(values)) @ vectors.T
    scale, rotation = np.ones(len(unit)), np.eye(len(unit))
    for _ in range(_TORSION_STEPS):
        left, _, right = np.linalg.svd(scale[:, None] * root)
        rotation = left @ right
        found = np.diag(rotation @ root)
        done = float(np.abs(found - scale).max()) < 1e-14
        scale = found
        if done:
            break
    torsion = scale[:, None] * (rotation @ (vectors / np.sqrt(values)) @ vectors.T)
    return np.asarray(volatility[:, None] * torsion / volatility[None, :])


def diversification_distribution(positions: ArrayLike, covariance: ArrayLike, bets: Bets | str = Bets.MINIMUM_TORSION) -> Floats:
    """Return the shares of uncorrelated factors in the variance of a book, float64[N], adding up to one.

    Parameters
    ----------
    positions : float64[N]
        In any unit; not all zero.
    covariance : float64[N, N]
        Positive definite for minimum torsion.
    bets : Bets or str

    Raises
    ------
    MeasureError
        For an impossible matrix, an unknown kind of bets, or a book without variance.
    """
    matrix = checked_covariance(covariance)
    held = checked_day(positions, len(matrix), "positions")
    if bets not in list(Bets):
        raise MeasureError(f"unknown bets {bets!r}; choose one of {', '.join(Bets)}")
    if bets == Bets.PRINCIPAL_COMPONENTS:
        values, vectors = np.linalg.eigh(matrix)
        squares = np.maximum(values, 0.0) * (vectors.T @ held) ** 2
    else:
        torsion = minimum_torsion(matrix)
        squares = np.diag(torsion @ matrix @ torsion.T) * np.linalg.solve(torsion.T, held) ** 2
    total = float(squares.sum())
    if total <= 0.0:
        raise MeasureError("the book has no variance: there are no bets to count")
    return np.asarray(squares / total)


def effective_number_of_bets(positions: ArrayLike, covariance: ArrayLike, bets: Bets | str = Bets.MINIMUM_TORSION) -> float:
    """Return the exponential of the entropy of `diversification_distribution`: 1 for one bet, N for N equal ones."""
    return _spread(diversification_distribution(positions, covariance, bets))


def effective_rank(correlation: ArrayLike) -> float:
    """Return the exponential of the entropy of the eigenvalues: how many independent bets the instruments offer any book, 1 to N."""
    values = np.maximum(np.linalg.eigvalsh(checked_covariance(correlation)), 0.0)
    return _spread(values / values.sum())


def correlation_impact(positions: ArrayLike, volatilities: ArrayLike, before: ArrayLike, after: ArrayLike) -> CorrelationImpact:
    """Return what a change of correlations does to a book, by position.

    Parameters
    ----------
    positions : float64[N]
        Exposures, in money for one unit of return.
    volatilities : float64[N]
        Of the returns, not negative; held, so that only correlations change.
    before, after : float64[N, N]
        Correlation matrices (covariances are scaled).

    Raises
    ------
    MeasureError
        For impossible numbers, shapes or matrices, or a book without risk on either side.
    """
    calm, broken = _correlation(before), _correlation(after)
    count = len(calm)
    if broken.shape != calm.shape:
        raise MeasureError(f"before and after must have one shape, not {calm.shape} and {broken.shape}")
    sigma = checked_day(volatilities, count, "volatilities")
    if not (sigma >= 0.0).all():
        raise MeasureError("volatilities must not be negative")
    risk = checked_day(positions, count, "positions") * sigma
    totals, components = [], []
    for matrix in (calm, broken):
        total = sqrt(max(float(risk @ matrix @ risk), 0.0))
        if total <= 1e-9 * float(np.abs(risk).sum()):
            raise MeasureError("the book has no risk at one of the two correlations: its components are not defined")
        totals.append(total)
        components.append(risk * (matrix @ risk) / total)
    change = components[1] - components[0]
    return CorrelationImpact(totals[0], totals[1], change, np.argsort(-change, kind="stable").astype(np.int64))


def checked_components(components: int | float, count: int) -> int:
    """Return a number of components from a number or a share, or MeasureError."""
    kept = ceil(components * count - 1e-9) if isinstance(components, float) and 0.0 < components <= 1.0 else components
    if isinstance(kept, float) or not 1 <= kept <= count:
        raise MeasureError(f"components must be a whole number from 1 to {count}, or a share in (0, 1], not {components!r}")
    return int(kept)


def _spread(shares: Floats) -> float:
    held = shares[shares > 0.0]
    return exp(-float(np.sum(held * np.log(held))))


def _correlation(matrix: ArrayLike) -> Floats:
    square = checked_covariance(matrix, "correlation")
    if len(square) < 2:
        raise MeasureError("there must be at least two instruments")
    return correlation_of(square)
