"""Value at risk and expected shortfall of many resamples at once, without sorting any.

A resample of a sorted vector is a count for each rank; its cumulative weight, and so both measures at every confidence, follow from
cumulative sums of the counts. Only ranks that some resample's tail reaches are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import MASS_SLACK, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.uncertainty.resampling import Integers, Resampling

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TailDraws:
    """Empirical value at risk and expected shortfall of each resample, losses positive, in the unit of the P&L.

    Parameters
    ----------
    confidences : tuple of float
        C of them, in the order given.
    value_at_risk, expected_shortfall : float64[B, C]
        Under the default conventions: inverted_cdf on profit, fractional tail.
    value_at_risk_gradient, expected_shortfall_gradient : float64[C, S]
        Of their means over the resamples, with respect to the P&L vector.
    block_length : float
        As used; 1 for independent draws.
    """

    confidences: tuple[float, ...]
    value_at_risk: Floats = field(repr=False)
    expected_shortfall: Floats = field(repr=False)
    value_at_risk_gradient: Floats = field(repr=False)
    expected_shortfall_gradient: Floats = field(repr=False)
    block_length: float


def tail_draws(
    pnl: ArrayLike, confidences: Sequence[float], weights: ArrayLike | None = None, *, resampling: Resampling | None = None
) -> TailDraws:
    """Return value at risk and expected shortfall of every resample at several confidences.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive; in time order, either way, unless draws are independent.
    confidences : sequence of float
        Each in [0.5, 1); at least one.
    weights : float64[S], optional
        In the order of `pnl`; they travel with their scenarios.
    resampling : Resampling, optional
        1000 resamples of the stationary bootstrap with seed 0 if not given.

    Raises
    ------
    MeasureError, ConventionError
        As `value_at_risk`; also without a confidence.
    """
    plan = resampling if resampling is not None else Resampling()
    whole = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, whole.size)
    tails = np.array([tail_probability(c) for c in confidences])
    if tails.size == 0:
        raise MeasureError("confidences are empty: name at least one, such as (0.99,)")
    kept = np.flatnonzero(mass > 0.0)
    vector = whole[kept]
    order = np.argsort(vector, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    ascending, weight = vector[order], mass[kept][order]
    equal = bool(np.all(weight == weight[0]))
    selected, taken = np.zeros((tails.size, order.size)), np.zeros((tails.size, order.size))
    parts = [_measure(_counts(rank[rows]), ascending, None if equal else weight, tails, selected, taken) for rows in plan.indices(vector)]
    var, es = (np.concatenate(drawn) for drawn in zip(*parts, strict=True))
    slopes = np.zeros((2, tails.size, whole.size))
    slopes[:, :, kept[order]] = -selected / plan.resamples, -taken / (plan.resamples * tails[:, None])
    return TailDraws(tuple(confidences), var, es, slopes[0], slopes[1], plan.block(vector))


def tail_jackknife(pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, block: int = 1) -> tuple[Floats, Floats]:
    """Return (VaR, ES) with each block of neighbouring scenarios left out in turn, each float64[blocks]; none for a single block.

    Scenarios of weight zero are left out of the sample first.
    """
    whole = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, whole.size)
    tails = np.array([tail_probability(confidence)])
    vector, mass = whole[mass > 0.0], mass[mass > 0.0]
    count = vector.size
    blocks = -(-count // block)
    if blocks < 2:
        return np.empty(0), np.empty(0)
    order = np.argsort(vector, kind="stable")
    weight = None if np.all(mass == mass[0]) else mass[order]
    counts = (order // block != np.arange(blocks)[:, None]).astype(np.int64)
    unread = np.zeros((1, count))
    var, es = _measure(counts, vector[order], weight, tails, unread, unread)
    return var[:, 0], es[:, 0]


def _counts(ranks: Integers) -> Integers:
    """Return how often each row draws each rank, int64[b, S]."""
    rows, count = ranks.shape
    flat = (ranks + count * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * count).reshape(rows, count)


def _measure(
    counts: Integers, ascending: Floats, weight: Floats | None, tails: Floats, selected: Floats, taken: Floats
) -> tuple[Floats, Floats]:
    """Return (VaR, ES), each float64[b, C]; add to `selected` how often a rank was VaR, to `taken` the mass it had in the tail."""
    rows, count = counts.shape
    total = counts.sum(axis=1) if weight is None else counts @ weight
    widest = float(tails.max())
    depth = min(count, 64 + int(2.0 * count * widest))
    reached = _reached(counts[:, :depth], weight, total)
    if depth < count and not bool((reached[:, -1] >= widest).all()):
        depth = count
        reached = _reached(counts, weight, total)
    values = ascending[:depth]
    var, es = np.empty((rows, tails.size)), np.empty((rows, tails.size))
    for c, tail in enumerate(tails):
        at = np.minimum((reached < tail - MASS_SLACK).sum(axis=1), depth - 1)
        var[:, c] = -values[at]
        filled = np.minimum(reached, tail)
        filled[:, -1] = tail
        es[:, c] = (filled[:, :-1] @ np.diff(values)) / tail - values[-1]
        selected[c] += np.bincount(at, minlength=count)
        taken[c, :depth] += np.diff(filled.sum(axis=0), prepend=0.0)
    return var, es


def _reached(counts: Integers, weight: Floats | None, total: Floats | Integers) -> Floats:
    drawn = counts if weight is None else counts * weight[: counts.shape[1]]
    return np.asarray(np.cumsum(drawn, axis=1) / total[:, None])
