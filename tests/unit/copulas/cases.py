"""Copulas and grids that several tests share, and R's published points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.copulas import (
    ClaytonCopula,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    IndependenceCopula,
    PairCopula,
    RotatedCopula,
    StudentTCopula,
)

Floats = NDArray[np.float64]

USUAL: Final[dict[str, PairCopula]] = {
    "independence": IndependenceCopula(),
    "gaussian": GaussianCopula.pair(0.6),
    "gaussian_negative": GaussianCopula.pair(-0.85),
    "student_t": StudentTCopula.pair(0.5, 3.0),
    "student_t_negative": StudentTCopula.pair(-0.7, 8.5),
    "clayton": ClaytonCopula(2.0),
    "gumbel": GumbelCopula(1.7),
    "frank": FrankCopula(5.0),
    "frank_negative": FrankCopula(-8.0),
    **{f"clayton_{d}": RotatedCopula(ClaytonCopula(2.0), d) for d in (90, 180, 270)},
    **{f"gumbel_{d}": RotatedCopula(GumbelCopula(1.7), d) for d in (90, 180, 270)},
}

EXTREME: Final[dict[str, PairCopula]] = {
    "gaussian_0.999": GaussianCopula.pair(0.999),
    "student_t_cauchy": StudentTCopula.pair(-0.3, 1.0),
    "clayton_1e-6": ClaytonCopula(1e-6),
    "clayton_500": ClaytonCopula(500.0),
    "gumbel_1": GumbelCopula(1.0),
    "gumbel_1.0001": GumbelCopula(1.0001),
    "gumbel_200": GumbelCopula(200.0),
    "frank_1e-6": FrankCopula(1e-6),
    "frank_500": FrankCopula(500.0),
    "frank_-500": FrankCopula(-500.0),
}

POINTS: Final[Floats] = np.array(
    [
        [0.33706249, 0.6075078],
        [0.62232507, 0.06241089],
        [0.2001457, 0.54027684],
        [0.77166391, 0.40610225],
        [0.98534253, 0.99212789],
        [0.72755898, 0.25913165],
        [0.05943888, 0.61044613],
        [0.0962475, 0.67585563],
        [0.35496733, 0.79584436],
        [0.44513594, 0.23050014],
    ]
)
"""The ten points of R's copula 1.0-0, as shipped with statsmodels 0.15.0 (distributions/copula/tests/copula_r_tests.rst)."""


def correlation(size: int, seed: int) -> Floats:
    """Return a random correlation matrix."""
    random = np.random.default_rng(seed)
    loadings = random.normal(size=(size, 2))
    matrix = loadings @ loadings.T + np.eye(size)
    scale = np.sqrt(np.diag(matrix))
    matrix = np.asarray(matrix / np.outer(scale, scale), np.float64)
    matrix = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(matrix, 1.0)
    return matrix
