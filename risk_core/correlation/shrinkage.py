"""Covariance shrunk towards a simple target by as much as the data ask for.

O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate Analysis 88
(2004) 365-411 (identity); "Honey, I shrunk the sample covariance matrix", Journal of Portfolio Management 30 (2004) 110-119 (constant
correlation).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_matrix, moving_rows
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]


class ShrinkageTarget(StrEnum):
    """What the sample covariance is shrunk towards."""

    IDENTITY = "identity"
    """The identity times the mean variance."""
    CONSTANT_CORRELATION = "constant_correlation"
    """The variances of the sample with its mean correlation in every pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk:
    """A shrunk covariance: (1 - shrinkage) sample + shrinkage target.

    Parameters
    ----------
    covariance : float64[N, N]
        Positive definite, unless shrinkage is zero and the sample is not.
    shrinkage : float
        In [0, 1].
    sample, target : float64[N, N]
    """

    covariance: Floats = field(repr=False)
    shrinkage: float
    sample: Floats = field(repr=False)
    target: Floats = field(repr=False)


def ledoit_wolf(returns: ArrayLike, target: ShrinkageTarget | str = ShrinkageTarget.IDENTITY, *, assume_centered: bool = False) -> Shrunk:
    """Return the shrunk covariance with the weight of least expected squared error, estimated as in the papers.

    Parameters
    ----------
    returns : float64[N, T]
        Instrument-major, at least two days; their order does not matter.
    target : ShrinkageTarget or str
    assume_centered : bool
        True: moments about zero. False: about the means. Moments are divided by T either way.

    Raises
    ------
    MeasureError
        For returns that are not finite, fewer than two days, an unknown target, or an instrument that never moves where correlations count.
    """
    given = checked_matrix(returns)
    days = given.shape[1]
    if days < 2:
        raise MeasureError("shrinkage needs at least two days")
    if target not in list(ShrinkageTarget):
        raise MeasureError(f"unknown target {target!r}; choose one of {', '.join(ShrinkageTarget)}")
    x = given if assume_centered else given - given.mean(axis=1, keepdims=True)
    sample = x @ x.T / days
    sample = 0.5 * (sample + sample.T)
    squares = x * x
    noise = squares @ squares.T / days - sample * sample  # variance of each x_i x_j
    if target == ShrinkageTarget.IDENTITY:
        goal = np.eye(len(x)) * float(np.trace(sample)) / len(x)
        shared = 0.0
    else:
        moving_rows(x)
        goal, shared = _constant_correlation(x, sample, noise)
    distance = float(np.sum((sample - goal) ** 2))
    wanted = (float(noise.sum()) - shared) / days / distance if distance > 0.0 else 1.0
    shrinkage = min(max(wanted, 0.0), 1.0)
    return Shrunk((1.0 - shrinkage) * sample + shrinkage * goal, shrinkage, sample, goal)


def _constant_correlation(x: Floats, sample: Floats, noise: Floats) -> tuple[Floats, float]:
    """Return the target, and the covariance of target and sample summed over all elements (rho of the paper)."""
    count, days = x.shape
    volatility = np.sqrt(np.diag(sample))
    correlation = sample / volatility[:, None] / volatility[None, :]
    mean = (float(correlation.sum()) - count) / (count * (count - 1))
    goal = mean * volatility[:, None] * volatility[None, :]
    np.fill_diagonal(goal, np.diag(sample))
    variance = np.diag(sample)
    third = (x**3) @ x.T / days - variance[:, None] * sample  # covariance of x_i² and x_i x_j
    ratio = volatility[None, :] / volatility[:, None]
    across = ratio * third
    np.fill_diagonal(across, 0.0)
    return goal, float(np.trace(noise)) + mean * float(across.sum())
