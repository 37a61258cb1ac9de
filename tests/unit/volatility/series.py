"""Series simulated from the models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def garch_series(
    count: int,
    seed: int,
    *,
    omega: float = 0.02,
    alpha: float = 0.06,
    gamma: float = 0.0,
    beta: float = 0.91,
    df: float | None = None,
    mean: float = 0.0,
) -> Floats:
    """Return returns of GJR-GARCH, oldest first, after 300 days that are thrown away."""
    rng = np.random.Generator(np.random.PCG64(seed))
    z = rng.standard_normal(count + 300) if df is None else rng.standard_t(df, count + 300) * np.sqrt((df - 2.0) / df)
    h = omega / max(1.0 - alpha - gamma / 2.0 - beta, 0.01)
    out = np.empty(count + 300)
    for t, shock in enumerate(z):
        e = np.sqrt(h) * shock
        out[t] = mean + e
        h = omega + (alpha + gamma * (e < 0.0)) * e * e + beta * h
    return out[300:]
