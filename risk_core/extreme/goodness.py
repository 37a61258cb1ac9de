"""Does a generalised Pareto law fit? Anderson-Darling and Cramer-von Mises, with both parameters estimated.

V. Choulakian and M. Stephens, "Goodness-of-fit tests for the generalized Pareto distribution", Technometrics 43 (2001) 478-484. With
estimated parameters the null distribution depends on the shape alone; the points below are our own simulation, `simulated_points`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.extreme.gpd import FitMethod, FitStatus, GpdFit, fit_excesses, fit_gpd, gpd_cdf, gpd_quantile
from risk_core.measures.checks import checked_pnl, checked_weights
from risk_core.methods import effective_count

Floats = NDArray[np.float64]

UPPER_TAIL: Final = (0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
"""Probability that a statistic exceeds each column of the tables below, where the law holds."""
SHAPES: Final = (-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shape of each row; a fitted shape outside reads the nearest row."""
SIMULATION: Final = {"count": 100, "replications": 40_000, "seed": 20010404}
"""How the tables were made: excesses in each sample, samples for each row, seed."""

_ANDERSON_DARLING: Final[Floats] = np.array(
    [
        [0.1485, 0.1963, 0.2311, 0.3088, 0.4377, 0.6418, 0.9043, 1.1304, 1.3555, 1.6740, 1.9126, 2.5831],
        [0.1427, 0.1877, 0.2208, 0.2924, 0.4113, 0.5976, 0.8382, 1.0371, 1.2476, 1.5330, 1.7445, 2.2887],
        [0.1387, 0.1816, 0.2120, 0.2794, 0.3903, 0.5600, 0.7853, 0.9624, 1.1526, 1.4106, 1.6079, 2.0896],
        [0.1364, 0.1758, 0.2053, 0.2687, 0.3730, 0.5318, 0.7394, 0.9020, 1.0795, 1.3076, 1.4917, 1.8819],
        [0.1337, 0.1722, 0.2000, 0.2602, 0.3593, 0.5086, 0.7037, 0.8560, 1.0113, 1.2296, 1.4010, 1.7863],
        [0.1309, 0.1687, 0.1953, 0.2540, 0.3486, 0.4906, 0.6747, 0.8182, 0.9600, 1.1741, 1.3207, 1.6719],
        [0.1300, 0.1665, 0.1924, 0.2499, 0.3406, 0.4772, 0.6539, 0.7893, 0.9206, 1.1223, 1.2634, 1.6063],
        [0.1292, 0.1647, 0.1905, 0.2467, 0.3344, 0.4684, 0.6361, 0.7667, 0.8902, 1.0811, 1.2240, 1.5615],
    ]
)
_CRAMER_VON_MISES: Final[Floats] = np.array(
    [
        [0.01878, 0.02586, 0.03098, 0.04306, 0.06410, 0.09798, 0.14316, 0.17823, 0.21860, 0.27047, 0.30799, 0.39401],
        [0.01798, 0.02463, 0.02942, 0.04042, 0.05933, 0.08984, 0.12983, 0.16150, 0.19484, 0.24232, 0.27315, 0.34361],
        [0.01726, 0.02357, 0.02807, 0.03815, 0.05548, 0.08316, 0.11999, 0.14820, 0.17814, 0.21931, 0.24839, 0.31352],
        [0.01672, 0.02265, 0.02680, 0.03631, 0.05239, 0.07778, 0.11095, 0.13768, 0.16491, 0.20062, 0.22801, 0.29149],
        [0.01643, 0.02197, 0.02589, 0.03491, 0.04997, 0.07342, 0.10409, 0.12862, 0.15312, 0.18525, 0.21029, 0.27310],
        [0.01607, 0.02141, 0.02521, 0.03380, 0.04819, 0.07026, 0.09921, 0.12206, 0.14420, 0.17470, 0.19886, 0.25502],
        [0.01580, 0.02097, 0.02472, 0.03303, 0.04682, 0.06805, 0.09575, 0.11751, 0.13895, 0.16784, 0.19074, 0.24419],
        [0.01566, 0.02070, 0.02437, 0.03251, 0.04587, 0.06651, 0.09309, 0.11442, 0.13489, 0.16398, 0.18472, 0.23611],
    ]
)
_LEAST: Final = 1e-15
_LOGIT: Final[Floats] = np.log(np.array(UPPER_TAIL) / (1.0 - np.array(UPPER_TAIL)))


@dataclass(frozen=True, slots=True)
class Goodness:
    """Two tests of one fit.

    Parameters
    ----------
    anderson_darling, cramer_von_mises : float
        Statistics A² and W²; large where the law does not fit. A² weighs the ends of the tail more.
    anderson_darling_p, cramer_von_mises_p : float
        Probability of as large a statistic where the law holds, kept within [0.001, 0.99]: the ends mean "at most" and "at least".
    """

    anderson_darling: float
    cramer_von_mises: float
    anderson_darling_p: float
    cramer_von_mises_p: float


def goodness_of_fit(excesses: ArrayLike, fit: GpdFit | None = None, weights: ArrayLike | None = None) -> Goodness:
    """Test whether excesses follow a generalised Pareto law whose parameters were estimated from them.

    The statistics are integrals of the squared distance between the weighted empirical distribution and the fitted one, in closed form
    between observations, times the effective number of excesses; with equal weights the usual sums.

    Parameters
    ----------
    excesses : float64[k]
        Positive.
    fit : GpdFit, optional
        Of these excesses and weights; by maximum likelihood if not given. The p-values belong to maximum likelihood.
    weights : float64[k], optional

    Raises
    ------
    MeasureError
        As `fit_gpd`.
    """
    fitted = fit_gpd(excesses, weights) if fit is None else fit
    vector = checked_pnl(excesses, "excesses")
    mass = checked_weights(weights, excesses, vector.size)
    held = mass > 0.0
    return goodness(vector[held], mass[held], fitted)


def goodness(excesses: Floats, mass: Floats, fit: GpdFit) -> Goodness:
    """Return the tests of a fit; as `goodness_of_fit`, of positive excesses and positive weights."""
    a, w = statistics(excesses, mass, fit)
    return Goodness(a, w, _upper_tail(a, fit.shape, _ANDERSON_DARLING), _upper_tail(w, fit.shape, _CRAMER_VON_MISES))


def statistics(excesses: Floats, mass: Floats, fit: GpdFit) -> tuple[float, float]:
    """Return (A², W²)."""
    order = np.argsort(excesses, kind="stable")
    reached = np.cumsum(mass[order] / mass.sum())[:-1]
    level = np.clip(gpd_cdf(excesses[order], fit.shape, fit.scale), _LEAST, 1.0 - _LEAST)
    below, above = np.log(level), np.log1p(-level)
    inner = reached**2 * np.diff(below) - (1.0 - reached) ** 2 * np.diff(above) - np.diff(level)
    a = -above[0] - level[0] + float(inner.sum()) - below[-1] - (1.0 - level[-1])
    cubes = np.diff(level**3, prepend=0.0, append=1.0)
    squares = np.diff(level**2, prepend=0.0, append=1.0)
    steps = np.concatenate(([0.0], reached, [1.0]))
    w = float((steps**2 * np.diff(level, prepend=0.0, append=1.0) - steps * squares + cubes / 3.0).sum())
    effective = effective_count(mass)
    return effective * float(a), effective * w


def simulated_points(shape: float, count: int, replications: int, seed: int) -> tuple[Floats, Floats]:
    """Simulate the points of one row: samples of a law with this shape, fitted by maximum likelihood.

    Parameters
    ----------
    shape : float
    count : int
        Excesses in each sample.
    replications : int
        Samples; those whose likelihood has no maximum inside (`boundary`) are left out.
    seed : int
        The same seed gives the same points.

    Returns
    -------
    tuple of float64[12]
        Points of A² and of W² exceeded with the probabilities `UPPER_TAIL`.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    mass = np.full(count, 1.0 / count)
    found = []
    for _ in range(replications):
        sample = gpd_quantile(rng.random(count), shape, 1.0)
        fit = fit_excesses(sample, mass, FitMethod.ML)
        if fit.status is not FitStatus.BOUNDARY:
            found.append(statistics(sample, mass, fit))
    a, w = np.array(found).T
    levels = 1.0 - np.array(UPPER_TAIL)
    return np.quantile(a, levels), np.quantile(w, levels)


def _upper_tail(statistic: float, shape: float, table: Floats) -> float:
    """Return the p-value: linear in the shape between rows, and between columns linear in logit p by log statistic."""
    place = float(np.interp(shape, SHAPES, np.arange(len(SHAPES))))
    row = min(int(place), len(SHAPES) - 2)
    points = table[row] + (place - row) * (table[row + 1] - table[row])
    logit = float(np.interp(np.log(max(statistic, _LEAST)), np.log(points), _LOGIT))
    return min(max(1.0 / (1.0 + exp(-logit)), UPPER_TAIL[-1]), UPPER_TAIL[0])
