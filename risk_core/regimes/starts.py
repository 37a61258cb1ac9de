"""Where expectation-maximisation begins: days sorted and cut into bands, and seeded clusters of level and size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SPREADS: Final = (1, 21)
_SHARES: Final = (1.0, 0.5, 0.25)
_ROUNDS: Final = 10
_STAY: Final = 0.95
_LEAST_VARIANCE: Final = 0.01

Start = tuple[Floats, Floats, Floats, Floats]
"""(initial, transition, means, scales) in the standardised unit."""


def groupings(y: Floats, states: int, seeded: int, seed: int) -> Iterator[Integers]:
    """Yield a state for each row of the standardised series: six cuts by local size, six by local level, then `seeded` clusterings."""
    size, level = np.sqrt(np.mean(y * y, axis=1)), y.mean(axis=1)
    local = [(_smooth(size, s), _smooth(level, s)) for s in _SPREADS]
    for which in (0, 1):
        for pair in local:
            order = np.argsort(pair[which], kind="stable")
            for ratio in _SHARES:
                shares = ratio ** np.arange(states)
                cuts = np.rint(np.cumsum(shares / shares.sum())[:-1] * len(y)).astype(np.int64)
                result = np.empty(len(y), np.int64)
                for k, rows in enumerate(np.split(order, cuts)):
                    result[rows] = k
                yield result
    features = np.column_stack([local[1][1], np.log(np.maximum(local[1][0], 1e-6))])
    features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-12)
    random = np.random.Generator(np.random.PCG64(seed))
    for _ in range(seeded):
        yield _clusters(features, states, random)


def start(y: Floats, group: Integers, states: int, diagonal: bool, free_means: bool) -> Start:
    """Return the moments of each group; a group of fewer rows than columns + 2 has those of all."""
    d = y.shape[1]
    means, scales = np.zeros((states, d)), np.empty((states, d, d))
    for k in range(states):
        rows = y[group == k]
        rows = rows if len(rows) >= d + 2 else y
        means[k] = rows.mean(axis=0) if free_means else 0.0
        gaps = rows - means[k]
        spread = gaps.T @ gaps / len(rows)
        scales[k] = np.diag(np.diag(spread)) if diagonal else spread
        scales[k][np.diag_indices(d)] = np.maximum(np.diag(spread), _LEAST_VARIANCE)
    transition = np.full((states, states), (1.0 - _STAY) / (states - 1))
    np.fill_diagonal(transition, _STAY)
    return np.full(states, 1.0 / states), transition, means, scales


def _smooth(values: Floats, spread: int) -> Floats:
    return np.convolve(values, np.full(spread, 1.0 / spread), "same")[: len(values)]


def _clusters(x: Floats, states: int, random: np.random.Generator) -> Integers:
    """Return k-means groups, centres first spread by squared distance (Arthur and Vassilvitskii 2007)."""
    centres = [x[int(random.integers(len(x)))]]
    for _ in range(states - 1):
        away = np.min([np.sum((x - c) ** 2, axis=1) for c in centres], axis=0)
        total = away.cumsum()
        centres.append(x[min(int(np.searchsorted(total, random.random() * total[-1], side="right")), len(x) - 1)])
    points = np.array(centres)
    group = np.zeros(len(x), np.int64)
    for _ in range(_ROUNDS):
        group = np.argmin(((x[:, None, :] - points[None]) ** 2).sum(axis=2), axis=1)
        points = np.array([x[group == k].mean(axis=0) if (group == k).any() else points[k] for k in range(states)])
    return np.asarray(group, np.int64)
