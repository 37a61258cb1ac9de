"""Compiled count of exceptions of overlapping sums."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def pooled_exceptions(normals: NDArray[np.float32], root: NDArray[np.float32], horizon: int, limit: float) -> NDArray[np.int64]:
    """Return how many sums over `horizon` days of all portfolios exceed `limit`, int64[2 D], for D draws and for their negatives.

    Daily losses are `root` float32[P, P] times independent normals float32[D, P, N + horizon - 1]; their negatives have the same law.
    """
    draws, portfolios, length = normals.shape
    counts = np.zeros(2 * draws, np.int64)
    daily = np.empty(length)
    for d in range(draws):
        for p in range(portfolios):
            daily[:] = 0.0
            for q in range(portfolios):
                weight = root[p, q]
                if weight != 0.0:
                    for t in range(length):
                        daily[t] += weight * normals[d, q, t]
            total = 0.0
            for t in range(length):
                total += daily[t]
                if t >= horizon:
                    total -= daily[t - horizon]
                if t >= horizon - 1:
                    if total > limit:
                        counts[2 * d] += 1
                    elif total < -limit:
                        counts[2 * d + 1] += 1
    return counts
