"""What every registered method says of one sample, and the intervals of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.laws import CONFIDENCES
from risk_core.extreme import fit_peaks
from risk_core.measures import MeasureError
from risk_core.methods import ONE_DAY, Measure, Method, Weighting
from risk_core.scenarios.moves import moves_of
from risk_core.tails import TAILS
from risk_core.uncertainty import (
    expected_shortfall_interval,
    normal_expected_shortfall_interval,
    normal_value_at_risk_interval,
    order_statistic_interval,
)
from risk_core.weighting import weigh

Floats = NDArray[np.float64]
Ends = tuple[float | None, float | None]
Bounds = Callable[[Floats, Floats, float], Ends]

LEVEL: Final = 0.9


def estimate(method: Method, moves: Floats, exposures: Floats, seed: int) -> tuple[Floats, bool, Floats | None]:
    """Return (VaR, ES) float64[C, 2], whether the historical number stands in, and the ends of intervals float64[C, 2, 2].

    Intervals are None for a method without a closed one; NaN marks one that this sample does not give, infinity a side that is open.

    Parameters
    ----------
    moves : float64[N, S]
        Oldest first.
    exposures : float64[N]
    seed : int
        Of simulated sets.
    """
    fallback = False
    try:
        built = moves_of(method, moves, seed, gradient=exposures)
    except (ValueError, np.linalg.LinAlgError):
        built, fallback = moves, True
    pnl = np.add.accumulate(exposures[:, None] * built, axis=0)[-1][::-1]
    weights = weigh(method, pnl).weights
    try:
        numbers = _numbers(method.measure, pnl, weights)
        none = not bool(np.isfinite(numbers).all())
    except (ValueError, np.linalg.LinAlgError):
        none = True
    if none:
        numbers, fallback = _numbers(Measure.EMPIRICAL, pnl, weights), True
    if method not in with_intervals():
        return numbers, fallback, None
    return numbers, fallback, np.array([[_ends(bounds, pnl, weights, c) for bounds in INTERVALS[method.measure]] for c in CONFIDENCES])


def costly(method: Method) -> bool:
    """Return whether a method takes fewer samples: simulated sets build ten thousand draws, weights read off the vector fit regimes."""
    return method.scenario_set.simulated or method.weights not in (Weighting.EQUAL, Weighting.EXPONENTIAL)


def with_intervals() -> tuple[Method, ...]:
    """Return methods that have intervals: of simulated sets they would tell the error of the simulation, not that of the sample."""
    return tuple(m for m in ONE_DAY.values() if m.measure in INTERVALS and not m.scenario_set.simulated)


def _numbers(measure: Measure, pnl: Floats, weights: Floats) -> Floats:
    tail = TAILS[measure](pnl, weights)
    return np.array([(tail.value_at_risk(c).value, tail.expected_shortfall(c).value) for c in CONFIDENCES])


def _ends(bounds: Bounds, pnl: Floats, weights: Floats, confidence: float) -> tuple[float, float]:
    try:
        lower, upper = bounds(pnl, weights, confidence)
    except MeasureError:
        return np.nan, np.nan
    if lower is None and upper is None:
        return np.nan, np.nan
    return -np.inf if lower is None else lower, np.inf if upper is None else upper


def _of(interval: Callable[..., object], pnl: Floats, weights: Floats, confidence: float) -> Ends:
    found = interval(pnl, confidence, weights, level=LEVEL)
    return found.lower, found.upper  # type: ignore[attr-defined]


def _of_peaks(of: str, pnl: Floats, weights: Floats, confidence: float) -> Ends:
    found = fit_peaks(pnl, weights).interval(confidence, LEVEL, of=of)
    return found.lower, found.upper


INTERVALS: Final[Mapping[Measure, tuple[Bounds, Bounds]]] = {
    Measure.EMPIRICAL: (partial(_of, order_statistic_interval), partial(_of, expected_shortfall_interval)),
    Measure.NORMAL: (partial(_of, normal_value_at_risk_interval), partial(_of, normal_expected_shortfall_interval)),
    Measure.PEAKS: (partial(_of_peaks, "value_at_risk"), partial(_of_peaks, "expected_shortfall")),
}
"""Intervals of VaR and ES in closed form, or by the profile of a likelihood; other measures have bootstrap intervals only."""
