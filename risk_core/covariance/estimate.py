"""Covariance matrices of joint moves with scenario weights: equal, or falling exponentially with age.

J. P. Morgan/Reuters, RiskMetrics Technical Document (1996), ch. 5; J. Hull, Risk Management and Financial Institutions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, EwmaStart, Mean
from risk_core.covariance.repair import checked_symmetric
from risk_core.measures.checks import LARGEST, MeasureError, checked_weights
from risk_core.scenarios.weights import RISKMETRICS_DECAY, WeightError, exponential_weights

Floats = NDArray[np.float64]


def weighted_covariance(moves: ArrayLike, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS) -> Floats:
    """Return the covariance matrix of N instruments, float64[N, N].

    Given to `delta_normal` it gives the number that `normal_value_at_risk` reads off the P&L vector with the same weights and conventions,
    where the mean is zero.

    Parameters
    ----------
    moves : float64[N, S]
        Instrument-major, as `ScenarioSet.shocks`; a table with a column for each instrument is transposed first.
    weights : float64[S], optional
        In the order of the scenarios; equal if not given. Scaled to sum to one, unless `conventions.ewma_start` is "zero".
    conventions : Conventions
        `mean` "zero": moments about zero (RiskMetrics). "sample": about the weighted means. `ddof`, with mean "sample": 1 scales by
        1 / (1 - sum w²), S / (S - 1) for equal weights.

    Raises
    ------
    MeasureError
        For a matrix that is empty, not finite or not two-dimensional, impossible weights, or one scenario with ddof 1.
    ConventionError
        For ewma_start "zero" with a sample mean.
    """
    sampled = conventions.mean is Mean.SAMPLE
    if sampled and conventions.ewma_start is EwmaStart.ZERO:
        raise ConventionError("ewma_start 'zero' belongs to a mean of zero; use mean 'zero' or ewma_start 'normalised'")
    given = _moves(moves)
    mass = checked_weights(weights, given[0], given.shape[1], normalise=conventions.ewma_start is EwmaStart.NORMALISED)
    freedom = 1.0 - conventions.ddof * float(mass @ mass) if sampled else 1.0
    if freedom <= 1e-15:
        raise MeasureError("one scenario leaves no degree of freedom for ddof 1; give more scenarios or ddof 0")
    if sampled:
        from_first = given - given[:, :1]  # an instrument that never moves then has a variance of exactly zero
        given = from_first - (from_first @ mass)[:, None]
    rooted = given * np.sqrt(mass / freedom)
    matrix: Floats = rooted @ rooted.T
    return 0.5 * (matrix + matrix.T)


def ewma_covariance_matrix(moves: ArrayLike, decay: float = RISKMETRICS_DECAY, conventions: Conventions = DEFAULT_CONVENTIONS) -> Floats:
    """Return `weighted_covariance` with weights proportional to decay**age.

    Parameters
    ----------
    moves : float64[N, S]
        Oldest first.
    decay : float
        In (0, 1).
    conventions : Conventions
        `ewma_start` "normalised": weights sum to one. "zero": (1 - decay) decay**age, the recursion started from zero. MATLAB's ewstats
        takes off the weighted mean: mean "sample".

    Raises
    ------
    MeasureError, ConventionError
        As `weighted_covariance`; also for an impossible decay.
    """
    count = _moves(moves).shape[1]
    try:
        newest_first = exponential_weights(count, decay, normalised=conventions.ewma_start is EwmaStart.NORMALISED)
    except WeightError as error:
        raise MeasureError(str(error)) from None
    return weighted_covariance(moves, newest_first[::-1], conventions)


def volatilities_and_correlations(covariance: ArrayLike) -> tuple[Floats, Floats]:
    """Return (volatilities float64[N], correlation matrix float64[N, N] with ones on the diagonal) of a covariance matrix.

    Raises
    ------
    MeasureError
        For a matrix that is not symmetric, not finite, or has a variance that is not positive: there is no correlation then.
    """
    matrix = checked_symmetric(covariance)
    volatility: Floats = np.sqrt(np.diag(matrix))
    correlation: Floats = matrix / volatility[:, None] / volatility[None, :]
    np.fill_diagonal(correlation, 1.0)
    return volatility, correlation


def _moves(moves: ArrayLike) -> Floats:
    try:
        given = np.asarray(moves, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"moves must be numbers: {error}") from None
    if given.ndim != 2 or given.size == 0:
        raise MeasureError(f"moves must have shape (instruments, scenarios), not {given.shape}")
    bad = np.argwhere(~(np.abs(given) <= LARGEST))
    if bad.size:
        i, s = bad[0]
        raise MeasureError(f"moves are {given[i, s]} for instrument {i} in scenario {s} ({len(bad)} are not finite); fill or drop them")
    return given
