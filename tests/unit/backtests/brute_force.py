"""Second implementations, written from the definitions, one sequence at a time."""

from __future__ import annotations

import itertools
from math import log

import numpy as np
from numpy.typing import NDArray


def times_log(count: int, share: float) -> float:
    return 0.0 if count == 0 else count * log(share)


def pof(sequence: tuple[int, ...], p: float) -> float:
    n, x = len(sequence), sum(sequence)
    return -2.0 * (times_log(x, p) + times_log(n - x, 1 - p) - times_log(x, x / n) - times_log(n - x, 1 - x / n))


def independence(sequence: tuple[int, ...]) -> float:
    pairs = list(itertools.pairwise(sequence))
    n = {(i, j): pairs.count((i, j)) for i in (0, 1) for j in (0, 1)}
    ones = (n[0, 1] + n[1, 1]) / len(pairs)
    restricted = times_log(n[0, 1] + n[1, 1], ones) + times_log(n[0, 0] + n[1, 0], 1 - ones)
    free = 0.0
    for i in (0, 1):
        total = n[i, 0] + n[i, 1]
        free += sum(times_log(n[i, j], n[i, j] / total) for j in (0, 1) if total)
    return -2.0 * (restricted - free)


def every_sequence(n: int) -> list[tuple[int, ...]]:
    return list(itertools.product((0, 1), repeat=n))


def tail(values: NDArray[np.float64], probabilities: NDArray[np.float64], value: float) -> float:
    return float(probabilities[values >= value - 1e-9].sum())


def dynamic_quantile(hits: NDArray[np.float64], p: float, lags: int, forecast: NDArray[np.float64] | None = None) -> tuple[float, int]:
    """Statistic by least squares: the explained sum of squares of the regression, over p (1 - p)."""
    rows = []
    for t in range(lags, hits.size):
        row = [1.0] + [hits[t - k] - p for k in range(1, lags + 1)]
        rows.append(row if forecast is None else [*row, forecast[t]])
    design, outcome = np.array(rows), hits[lags:] - p
    coefficients, _, rank, _ = np.linalg.lstsq(design, outcome, rcond=None)
    fitted = design @ coefficients
    return float(fitted @ fitted / (p * (1 - p))), int(rank)
