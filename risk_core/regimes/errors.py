"""Standard errors of a fitted hidden Markov model, from the observed information.

The score of the whole likelihood is the expected score given the data (R. Fisher; T. Louis, JRSS B 44 (1982) 226-233), so it costs one
expectation step and is exact; the information is minus its central differences. Chances of the first state are taken as known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, checked_matrix
from risk_core.regimes.em_kernels import digamma, expectation
from risk_core.regimes.model import HiddenMarkovModel

Floats = NDArray[np.float64]
Errors = tuple[float | None, ...]

INTERIOR: Final = 1e-4
"""Chances of less (or of one less than this) stand at their bound: they have no standard error."""
_STEP: Final = 1e-4


class ErrorStatus(StrEnum):
    """Whether the information has an inverse."""

    OK = "ok"
    NOT_A_MAXIMUM = "not_a_maximum"
    """The likelihood is not curved down in every direction: no errors are given."""


@dataclass(frozen=True, slots=True, eq=False)
class HmmErrors:
    """Standard errors, in the units of what they are of; None where a parameter stands at a bound or nothing can be said.

    Parameters
    ----------
    transition : tuple of K rows of K
    means : tuple of K rows of D
    variances : tuple of K rows of D
        Of the diagonal of the scale matrices.
    df : tuple of K
        Empty for a normal law or if degrees of freedom were held.
    durations : tuple of K
        Of the expected durations, by the delta method.
    status : ErrorStatus
    reason : str
    """

    transition: tuple[Errors, ...]
    means: tuple[Errors, ...]
    variances: tuple[Errors, ...]
    df: Errors
    durations: Errors
    status: ErrorStatus = ErrorStatus.OK
    reason: str = ""
    covariance: Floats | None = field(default=None, repr=False)


def hmm_standard_errors(
    model: HiddenMarkovModel, series: ArrayLike, *, free_means: bool = True, free_df: bool = True, diagonal: bool = False
) -> HmmErrors:
    """Return standard errors of a model at (or near) the maximum of the likelihood of a series.

    Parameters
    ----------
    model : HiddenMarkovModel
    series : float64[T] or float64[T, D]
        What it was fitted to.
    free_means, free_df, diagonal : bool
        What was estimated; `free_df=False` if degrees of freedom were given.

    Raises
    ------
    RegimeError
        For a series that is not finite or of another shape.
    """
    y = checked_matrix(series)
    if y.shape[1] != model.dimensions:
        raise RegimeError(f"the model is of {model.dimensions} columns, the series of {y.shape[1]}")
    free = _free(model, free_means, free_df, diagonal)
    theta = _pack(model, free)
    size = len(theta)
    information = np.empty((size, size))
    for i in range(size):
        h = _STEP * free.steps[i]
        up, down = theta.copy(), theta.copy()
        up[i], down[i] = theta[i] + h, theta[i] - h
        information[i] = -(_score(up, model, free, y) - _score(down, model, free, y)) / (2.0 * h)
    information = 0.5 * (information + information.T)
    unit = np.outer(free.steps, free.steps)
    try:
        np.linalg.cholesky(information * unit)
    except np.linalg.LinAlgError:
        return _none(model, free)
    return _named(model, free, np.linalg.inv(information * unit) * unit)


@dataclass(frozen=True, slots=True)
class _Free:
    """Which parameters move, in the order of the vector: chances but each row's largest, means, scales (lower triangle), df."""

    chances: list[tuple[int, int]]
    largest: NDArray[np.int64]
    means: bool
    pairs: list[tuple[int, int]]
    df: bool
    steps: Floats


def _free(model: HiddenMarkovModel, means: bool, df: bool, diagonal: bool) -> _Free:
    p, d, k = model.transition, model.dimensions, model.states
    largest = np.argmax(p, axis=1)
    chances = [(i, j) for i in range(k) for j in range(k) if j != largest[i] and p[i, j] > INTERIOR]
    pairs = [(a, b) for a in range(d) for b in range(a + 1) if a == b or not diagonal]
    root = np.sqrt(np.diagonal(model.scales, axis1=1, axis2=2))
    steps = [float(p[c]) for c in chances]
    steps += root.ravel().tolist() if means else []
    steps += [float(root[s, a] * root[s, b]) for s in range(k) for a, b in pairs]
    moving = df and model.df is not None
    steps += model.df.tolist() if moving and model.df is not None else []
    return _Free(chances, largest, means, pairs, moving, np.array(steps))


def _pack(model: HiddenMarkovModel, free: _Free) -> Floats:
    parts = [np.array([model.transition[c] for c in free.chances])]
    parts += [model.means.ravel()] if free.means else []
    parts += [np.array([model.scales[s][c] for s in range(model.states) for c in free.pairs])]
    parts += [model.df] if free.df and model.df is not None else []
    return np.concatenate(parts).astype(np.float64)


def _score(theta: Floats, model: HiddenMarkovModel, free: _Free, y: Floats) -> Floats:
    k, d = model.states, model.dimensions
    transition, means, scales = model.transition.copy(), model.means.copy(), model.scales.copy()
    at = 0
    for i, j in free.chances:
        transition[i, free.largest[i]] += transition[i, j] - theta[at]
        transition[i, j] = theta[at]
        at += 1
    if free.means:
        means = theta[at : at + k * d].reshape(k, d)
        at += k * d
    for s in range(k):
        for a, b in free.pairs:
            scales[s, a, b] = scales[s, b, a] = theta[at]
            at += 1
    df = theta[at:] if free.df else model.df
    moved = HiddenMarkovModel(model.initial, transition, means, scales, df)
    c = moved.compiled()
    count = len(y)
    squares, densities, filtered = (np.empty((count, k)) for _ in range(3))
    pairs, mass, pull, first = np.empty((k, k)), np.empty(k), np.empty(k), np.empty((k, d))
    second, spread, opening = np.empty((k, d, d)), np.empty(k), np.empty(k)
    expectation(
        y,
        moved.initial,
        moved.transition,
        c.means,
        c.whiten,
        c.heights,
        c.df,
        c.student,
        squares,
        densities,
        filtered,
        pairs,
        mass,
        pull,
        first,
        second,
        spread,
        opening,
    )
    inverse = np.einsum("kab,kac->kbc", c.whiten, c.whiten)
    slopes = [pairs[i, j] / transition[i, j] - pairs[i, free.largest[i]] / transition[i, free.largest[i]] for i, j in free.chances]
    if free.means:
        slopes += np.einsum("kab,kb->ka", inverse, first).ravel().tolist()
    by_scale = 0.5 * (inverse @ second @ inverse - mass[:, None, None] * inverse)
    slopes += [float(by_scale[s, a, b]) * (1.0 if a == b else 2.0) for s in range(k) for a, b in free.pairs]
    if free.df:
        for s in range(k):
            v = float(c.df[s])
            level = digamma(0.5 * (v + d)) - digamma(0.5 * v) - np.log((v + d) / v) + 1.0
            slopes.append(0.5 * float(mass[s] * level + spread[s]))
    return np.array(slopes)


def _named(model: HiddenMarkovModel, free: _Free, covariance: Floats) -> HmmErrors:
    k, d = model.states, model.dimensions
    variances = np.diag(covariance)
    chances: list[list[float | None]] = [[None] * k for _ in range(k)]
    for i in range(k):
        at = [n for n, c in enumerate(free.chances) if c[0] == i]
        for n in at:
            chances[i][free.chances[n][1]] = float(np.sqrt(variances[n]))
        if at:
            chances[i][int(free.largest[i])] = float(np.sqrt(covariance[np.ix_(at, at)].sum()))
    here = len(free.chances)
    nothing: tuple[Errors, ...] = tuple((None,) * d for _ in range(k))
    means = nothing
    if free.means:
        means = _rows(np.sqrt(variances[here : here + k * d]).reshape(k, d))
        here += k * d
    diagonal = [here + s * len(free.pairs) + n for s in range(k) for n, (a, b) in enumerate(free.pairs) if a == b]
    spread = _rows(np.sqrt(variances[diagonal]).reshape(k, d))
    df = tuple(float(v) for v in np.sqrt(variances[-k:])) if free.df else ()
    stays = [(chances[i][i], float(model.transition[i, i])) for i in range(k)]
    durations = tuple(None if e is None or p >= 1.0 else e / (1.0 - p) ** 2 for e, p in stays)
    return HmmErrors(tuple(tuple(row) for row in chances), means, spread, df, durations, covariance=covariance)


def _none(model: HiddenMarkovModel, free: _Free) -> HmmErrors:
    k, d = model.states, model.dimensions
    square, wide = tuple((None,) * k for _ in range(k)), tuple((None,) * d for _ in range(k))
    reason = "the likelihood is not curved down at these parameters: fit further, or ask for fewer states"
    return HmmErrors(square, wide, wide, (None,) * k if free.df else (), (None,) * k, ErrorStatus.NOT_A_MAXIMUM, reason)


def _rows(values: Floats) -> tuple[Errors, ...]:
    return tuple(tuple(float(v) for v in row) for row in values)
