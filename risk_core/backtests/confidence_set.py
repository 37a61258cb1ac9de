"""Model confidence set: the models that cannot be told from the best.

P. R. Hansen, A. Lunde and J. M. Nason, "The model confidence set", Econometrica 79 (2011) 453-497. Models are dropped one at a time, the
worst first, as long as equal ability is rejected; a model's p-value is the largest of the tests up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import checked_count
from risk_core.backtests.result import BacktestError, checked_probability

Floats = NDArray[np.float64]


class SetStatistic(StrEnum):
    """How differences become one number."""

    RANGE = "range"
    """The largest studentised difference of two models."""
    MAX = "max"
    """The largest studentised difference of a model from the mean of the others."""


@dataclass(frozen=True, slots=True)
class ModelConfidenceSet:
    """Which models stay.

    Parameters
    ----------
    included, excluded : tuple of str
        Excluded in the order of leaving, worst first; included worst first too.
    p_values : dict of str to float
        A model belongs to every set with a level (1 - `test_level`) of at most its p-value.
    mean_losses : dict of str to float
    test_level : float
    block_length, simulations, seed : int
    """

    included: tuple[str, ...]
    excluded: tuple[str, ...]
    p_values: dict[str, float]
    mean_losses: dict[str, float]
    test_level: float
    block_length: int
    simulations: int
    seed: int


def model_confidence_set(
    losses: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    test_level: float = 0.9,
    statistic: SetStatistic | str = SetStatistic.RANGE,
    block_length: int | None = None,
    simulations: int = 1_000,
    seed: int = 0,
) -> ModelConfidenceSet:
    """Return the models that hold the best one with probability `test_level`.

    Days are redrawn by the stationary bootstrap, the same for all models.

    Parameters
    ----------
    losses : float64[n, K]
        Of K models on the same days, smaller is better.
    names : sequence of str, optional
        Of the models; a DataFrame's columns, or "0", "1", ... by default.
    test_level : float
        Confidence of the set.
    statistic : SetStatistic
    block_length : int, optional
        Mean length of blocks, days; root n by default.
    simulations, seed : int
        Bootstrap samples.

    Raises
    ------
    BacktestError
        For NaN, fewer than 2 days or models, names that are too few or repeated.
    """
    matrix = np.asarray(losses, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] < 2:
        raise BacktestError(f"losses must be at least 2 days by 2 models, not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        day, model = np.argwhere(~np.isfinite(matrix))[0]
        raise BacktestError(f"losses are {matrix[day, model]} at day {day}, model {model}; leave the day out for every model")
    days, models = matrix.shape
    labels = [str(name) for name in (names if names is not None else getattr(losses, "columns", range(models)))]
    if len(labels) != models or len(set(labels)) != models:
        raise BacktestError(f"{models} models need as many different names, not {labels}")
    level, count = checked_probability(test_level, "test_level"), checked_count(simulations, "simulations", 10)
    length = min(days, round(days**0.5) if block_length is None else checked_count(block_length, "block_length"))
    means = matrix.mean(axis=0)
    moved = _bootstrap_means(matrix, length, count, seed) - means
    left = list(range(models))
    order: list[int] = []
    steps: list[float] = []
    chosen = SetStatistic(statistic)
    while len(left) > 1:
        p_value, worst = _equal_ability(means[left], moved[:, left], chosen, 1e-13 * float(np.abs(matrix).max()))
        steps.append(p_value)
        order.append(left.pop(worst))
    order.append(left[0])
    reached = np.maximum.accumulate([*steps, 1.0])
    by_name = {labels[i]: float(p) for i, p in zip(order, reached, strict=True)}
    return ModelConfidenceSet(
        tuple(labels[i] for i in order if by_name[labels[i]] >= 1.0 - level),
        tuple(labels[i] for i in order if by_name[labels[i]] < 1.0 - level),
        by_name,
        {labels[i]: float(means[i]) for i in range(models)},
        level,
        length,
        count,
        seed,
    )


def _bootstrap_means(matrix: Floats, length: int, count: int, seed: int) -> Floats:
    """Return float64[count, K]: means of stationary bootstrap samples, by how often each day is drawn."""
    days = matrix.shape[0]
    rng = np.random.Generator(np.random.PCG64(seed))
    means = np.empty((count, matrix.shape[1]))
    steps = np.arange(days)
    for b in range(count):
        fresh = np.where(rng.random(days) < 1.0 / length, steps, 0)
        start = np.maximum.accumulate(fresh)
        first = np.asarray(rng.integers(0, days, days))
        drawn = (first[start] + steps - start) % days
        means[b] = np.bincount(drawn, minlength=days) @ matrix / days
    return means


def _equal_ability(means: Floats, moved: Floats, statistic: SetStatistic, nothing: float) -> tuple[float, int]:
    """Return (p-value of equal ability, position of the worst model); differences up to `nothing` are rounding."""
    if statistic is SetStatistic.RANGE:
        difference = means[:, None] - means[None, :]
        simulated = moved[:, :, None] - moved[:, None, :]
    else:
        difference = means - means.mean()
        simulated = moved - moved.mean(axis=1, keepdims=True)
    spread = np.sqrt((simulated * simulated).mean(axis=0))
    varies = spread > nothing
    divisor = np.where(varies, spread, 1.0)
    alike = np.where(np.abs(difference) <= nothing, 0.0, np.copysign(np.inf, difference))
    students = np.where(varies, difference / divisor, alike)
    drawn = np.where(varies, simulated / divisor, 0.0)
    axes = tuple(range(1, drawn.ndim))
    largest = np.abs(drawn).max(axis=axes) if statistic is SetStatistic.RANGE else drawn.max(axis=axes)
    by_model = students.max(axis=1) if statistic is SetStatistic.RANGE else students
    return float((largest >= float(students.max())).mean()), int(np.argmax(by_model))
