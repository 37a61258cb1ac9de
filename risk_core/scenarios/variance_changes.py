"""Change points of a variance: cumulative sums of squares, iterated.

C. Inclán and G. Tiao, "Use of cumulative sums of squares for retrospective detection of changes of variance", Journal of the American
Statistical Association 89 (1994) 913-923, with the corrections of A. Sansó, V. Aragó and J. Ll. Carrion, "Testing for changes in the
unconditional variance of financial time series", Revista de Economía Financiera 4 (2004) 32-53: Inclán and Tiao's statistic takes fat tails
and clusters of volatility for changes, theirs divides by what these do to a sum of squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kstwobign

from risk_core.measures.checks import checked_pnl
from risk_core.scenarios.scenario_set import ScenarioError

Floats = NDArray[np.float64]

FEWEST: Final = 30
"""Segments shorter than this are not tested."""
_ROUNDS: Final = 20


class Correction(StrEnum):
    """What the largest deviation of the cumulative sum of squares is divided by."""

    NORMAL = "normal"
    """The deviation of normal squares: Inclán and Tiao (1994)."""
    KURTOSIS = "kurtosis"
    """The deviation of the squares seen: kappa 1 of Sansó, Aragó and Carrion (2004); for independent observations."""
    LONG_RUN = "long_run"
    """Their long-run deviation: kappa 2, with Bartlett weights to lag 12 (n/100)**(1/4); for clustered ones too."""


@dataclass(frozen=True, slots=True)
class VarianceChanges:
    """Where the variance of a series changed.

    Parameters
    ----------
    changes : tuple of int
        First observation of each new segment, rising; positions in the series, oldest first. Empty where none is found.
    variances : tuple of float
        Mean square of each segment, one more than changes.
    statistic : float
        Of the whole series; beyond `critical` it holds a change.
    critical : float
        Of each test: the quantile of the largest absolute value of a Brownian bridge.
    observations : int
    """

    changes: tuple[int, ...]
    variances: tuple[float, ...]
    statistic: float
    critical: float
    observations: int


def variance_changes(series: ArrayLike, *, level: float = 0.05, correction: Correction = Correction.LONG_RUN) -> VarianceChanges:
    """Return the change points of the variance of a series about zero, by the iterated test of Inclán and Tiao.

    The series is halved at its most likely change while that is significant; then each change is tested again between its two
    neighbours, until none moves or falls away. A test takes time in its segment's length, for the long run times its lags; there are one or
    two for each change.

    Parameters
    ----------
    series : float64[S]
        P&L or moves, oldest first. Fourth moments must exist.
    level : float
        Of each test, in (0, 0.5]: chance to find a change where there is none.
    correction : Correction or str

    Returns
    -------
    VarianceChanges
        None found in a constant series, and in fewer than `FEWEST` observations.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values.
    ScenarioError
        For an impossible level or correction.
    """
    values = checked_pnl(series, "series")
    if not 0.0 < level <= 0.5:
        raise ScenarioError(f"level is the chance of a false change, in (0, 0.5], such as 0.05, not {level!r}")
    if correction not in tuple(Correction):
        raise ScenarioError(f"unknown correction {correction!r}; choose one of {', '.join(Correction)}")
    kind, critical = Correction(correction), float(kstwobign.isf(level))
    scale = float(np.abs(values).max())
    squares = (values / scale) ** 2 if scale > 0.0 else np.zeros_like(values)  # large numbers have no fourth power
    found = _refined(squares, _divided(squares, kind, critical), kind, critical)
    edges = [0, *found, values.size]
    variances = tuple(float(squares[a:b].mean()) * scale * scale for a, b in pairwise(edges))
    return VarianceChanges(tuple(found), variances, largest_deviation(squares, kind)[0], critical, values.size)


def largest_deviation(squares: Floats, correction: Correction) -> tuple[float, int]:
    """Return the statistic of one segment and the first observation after its most likely change; (0, 0) where there is nothing to test."""
    n = squares.size
    total = float(squares.sum())
    if n < FEWEST or not total > 0.0:
        return 0.0, 0
    deviation = np.abs(np.cumsum(squares) - np.arange(1, n + 1) * (total / n))
    place = int(np.argmax(deviation[:-1]))
    spread = _spread(squares, total / n, correction)
    if not spread > 1e-24 * (total / n) ** 2:  # equal squares, but for rounding
        return 0.0, 0
    return float(deviation[place]) / sqrt(n * spread), place + 1


def _spread(squares: Floats, mean: float, correction: Correction) -> float:
    """Return the variance, for one observation, of a sum of squares."""
    if correction is Correction.NORMAL:
        return 2.0 * mean * mean
    centred = squares - mean
    n = centred.size
    spread = float(centred @ centred)
    lags = min(int(12.0 * (n / 100.0) ** 0.25), n - 1) if correction is Correction.LONG_RUN else 0
    for lag in range(1, lags + 1):
        spread += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centred[lag:] @ centred[:-lag])
    return spread / n


def _divided(squares: Floats, correction: Correction, critical: float) -> list[int]:
    found, left = [], [(0, squares.size)]
    while left:
        start, end = left.pop()
        statistic, place = largest_deviation(squares[start:end], correction)
        if statistic > critical:
            found.append(start + place)
            left += [(start, start + place), (start + place, end)]
    return sorted(found)


def _refined(squares: Floats, found: list[int], correction: Correction, critical: float) -> list[int]:
    for _ in range(_ROUNDS):
        edges = [0, *found, squares.size]
        again = set()
        for before, after in zip(edges[:-2], edges[2:], strict=True):
            statistic, place = largest_deviation(squares[before:after], correction)
            if statistic > critical:
                again.add(before + place)
        if sorted(again) == found:
            break
        found = sorted(again)
    return found
