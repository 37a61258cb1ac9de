"""Models with known parameters, and series drawn from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.regimes import HiddenMarkovModel

Floats = NDArray[np.float64]

TWO = HiddenMarkovModel([0.5, 0.5], [[0.98, 0.02], [0.05, 0.95]], [0.05, -0.1], [0.49, 6.25])
FOUR = HiddenMarkovModel(
    [0.25] * 4,
    [[0.98, 0.005, 0.012, 0.003], [0.015, 0.97, 0.01, 0.005], [0.02, 0.01, 0.967, 0.003], [0.02, 0.03, 0.01, 0.94]],
    [0.15, -0.35, 0.0, -0.4],
    [0.16, 1.2, 0.36, 16.0],
    labels=("bull", "bear", "neutral", "crisis"),
)
HEAVY = HiddenMarkovModel([0.5, 0.5], [[0.98, 0.02], [0.04, 0.96]], [0.06, -0.1], [0.36, 4.0], [4.0, 8.0])
PAIR = HiddenMarkovModel(
    [0.5, 0.5], [[0.97, 0.03], [0.06, 0.94]], [[0.1, 0.0], [-0.2, 0.1]], [[[1.0, 0.3], [0.3, 0.5]], [[4.0, -1.5], [-1.5, 3.0]]]
)


def draw(model: HiddenMarkovModel, count: int, seed: int) -> Floats:
    """Returns alone, a vector where there is one column."""
    y = model.simulate(count, seed)[1]
    return y[:, 0] if y.shape[1] == 1 else y
