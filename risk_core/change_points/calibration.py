"""Thresholds by average run length, false alarms and delays: what a detector does on a law, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from risk_core.change_points.detector import Detector
from risk_core.change_points.laws import BernoulliLaw, Law, NormalLaw
from risk_core.change_points.page import ExceptionCusum
from risk_core.measures.checks import LARGEST, MeasureError, checked_scalar

Floats = NDArray[np.float64]
Observe = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class RunLength:
    """How long a detector runs to its first alarm.

    Parameters
    ----------
    average : float
        Observations; those of all paths up to their alarm or end, over the number of alarms. infinity where there was none.
    standard_error : float
        average / sqrt(alarms), as if alarms came at a constant rate.
    alarms, draws : int
        Paths with an alarm, and in all.
    """

    average: float
    standard_error: float
    alarms: int
    draws: int


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A threshold and the run length it gives.

    Parameters
    ----------
    detector : Detector
        With the threshold, fresh.
    threshold : float
    run_length : RunLength
        At least what was asked for, on the paths that the threshold was chosen on.
    """

    detector: Detector
    threshold: float
    run_length: RunLength


@dataclass(frozen=True, slots=True)
class Delay:
    """How soon a detector sees a change.

    Parameters
    ----------
    average : float
        Observations from the change to the alarm, 1 for an alarm at the first changed one; over the paths without an alarm before the
        change. Paths that end without an alarm count with their length: the average is then too small, and `missed` says so.
    standard_error : float
    missed : float
        Share of those paths without an alarm to their end.
    early : float
        Share of all paths with an alarm before the change.
    """

    average: float
    standard_error: float
    missed: float
    early: float


def calibrate(
    detector: Detector,
    average_run_length: float,
    *,
    law: Law | None = None,
    draws: int = 2000,
    seed: int = 0,
    horizon: int | None = None,
    observe: Observe | None = None,
) -> Calibration:
    """Return the smallest threshold with at least this average run length to a false alarm, among the values that were seen.

    One set of paths serves all thresholds: the time to a first value above one is a step function of it.

    Parameters
    ----------
    detector : Detector
        Its threshold and memory do not matter.
    average_run_length : float
        Observations to a false alarm; above 1.
    law : callable, optional
        `law(rng, count)` gives observations of mean zero and variance one without a change; by default independent normal ones, and for
        exceptions independent ones of the detector's probability.
    draws, seed : int
        Paths, and the seed of all.
    horizon : int, optional
        Length of a path; by default four times the average run length.
    observe : callable, optional
        Makes observations of draws; by default the detector's `observations_of`.

    Raises
    ------
    MeasureError
        Where no threshold that was seen has so long a run, or settings are impossible.
    """
    wanted = checked_scalar(average_run_length, "average_run_length", above=1.0)
    length = _length(horizon, wanted)
    levels, moves, ends, base, alarms = [], [], [], 0.0, 0
    for values in _paths(detector, law, draws, seed, length, observe):
        record = np.flatnonzero(values > np.maximum.accumulate(np.append(0.0, values[:-1])))
        if record.size == 0:
            base += length
            continue
        base, alarms = base + record[0] + 1.0, alarms + 1
        times = np.append(record + 1.0, length)
        levels.append(values[record])
        moves.append(np.diff(times))
        ends.append(np.append(np.zeros(record.size - 1), 1.0))
    if not levels:
        raise MeasureError("the detector never moved: a longer horizon is needed, or its settings see nothing of this law")
    level, move, end = np.concatenate(levels), np.concatenate(moves), np.concatenate(ends)
    order = np.argsort(level, kind="stable")
    level = level[order]
    exposure, left = base + np.cumsum(move[order]), alarms - np.cumsum(end[order])
    last_of_equals = np.append(level[1:] > level[:-1], True)
    reached = np.flatnonzero((exposure >= wanted * left) & last_of_equals & (left > 0.0))
    if reached.size == 0:
        raise MeasureError(f"no threshold has an average run length of {wanted:g} within {length} observations: take a longer horizon")
    at = int(reached[0])
    found = _run_length(float(exposure[at]), int(left[at]), draws)
    threshold = float(level[at])
    return Calibration(detector.with_threshold(threshold), threshold, found)


def run_length(
    detector: Detector, *, law: Law | None = None, draws: int = 2000, seed: int = 0, horizon: int = 5000, observe: Observe | None = None
) -> RunLength:
    """Return the average run length to a false alarm at the detector's threshold. Parameters are those of `calibrate`."""
    exposure, alarms = 0.0, 0
    for values in _paths(detector, law, draws, seed, horizon, observe):
        above = np.flatnonzero(values > detector.threshold)
        exposure, alarms = exposure + (float(above[0]) + 1.0 if above.size else horizon), alarms + min(above.size, 1)
    return _run_length(exposure, alarms, draws)


def detection_delay(
    detector: Detector,
    *,
    shift: float = 0.0,
    scale: float = 1.0,
    after: int = 100,
    law: Law | None = None,
    draws: int = 1000,
    seed: int = 0,
    horizon: int = 1000,
    observe: Observe | None = None,
) -> Delay:
    """Return how soon the detector sees draws z become shift + scale * z after `after` observations, by simulation.

    `horizon` is the longest time to wait from then on; the other parameters are those of `calibrate`. For exceptions give `observe`, such
    as `lambda z: (z < quantile).astype(float)`, and a law of z.

    Raises
    ------
    MeasureError
        Where every path has an alarm before the change, or settings are impossible.
    """
    shift, scale = checked_scalar(shift, "shift"), checked_scalar(scale, "scale", above=0.0)
    if after < 0 or horizon < 1:
        raise MeasureError(f"after must not be negative and horizon at least 1, not {after!r} and {horizon!r}")
    if isinstance(detector, ExceptionCusum) and observe is None:
        raise MeasureError("exceptions have no shift: give observe, such as lambda z: (z < quantile).astype(float), and a law of z")

    def changed(z: Floats) -> Floats:
        z = z.copy()
        z[after:] = shift + scale * z[after:]
        return (observe or detector.observations_of)(z)

    delays, missed, early = [], 0, 0
    chosen = NormalLaw() if law is None else law
    for values in _paths(detector, chosen, draws, seed, after + horizon, changed):
        above = np.flatnonzero(values > detector.threshold)
        first = int(above[0]) if above.size else after + horizon - 1
        early += first < after
        missed += not above.size
        if first >= after:
            delays.append(first - after + 1)
    if not delays:
        raise MeasureError(f"every path has an alarm within the first {after} observations: raise the threshold")
    waits = np.array(delays, np.float64)
    return Delay(float(waits.mean()), float(waits.std()) / sqrt(waits.size), missed / waits.size, early / draws)


def _run_length(exposure: float, alarms: int, draws: int) -> RunLength:
    return RunLength(exposure / alarms, exposure / alarms**1.5, alarms, draws) if alarms else RunLength(inf, inf, 0, draws)


def _length(horizon: int | None, wanted: float) -> int:
    length = max(ceil(4.0 * wanted), 200) if horizon is None else horizon
    if not wanted <= length <= 10_000_000:
        raise MeasureError(f"horizon must be from the average run length to 10,000,000 observations, not {length!r}")
    return int(length)


def _paths(detector: Detector, law: Law | None, draws: int, seed: int, length: int, observe: Observe | None) -> Iterator[Floats]:
    """Yield the detector's values on each simulated path, from a fresh start, without restarts."""
    if draws < 1 or length < 1:
        raise MeasureError(f"draws and horizon must be at least 1, not {draws!r} and {length!r}")
    if law is None:
        law = BernoulliLaw(detector.probability) if isinstance(detector, ExceptionCusum) else NormalLaw()
    rng = np.random.Generator(np.random.PCG64(seed))
    observe = observe or detector.observations_of
    watching = detector.fresh(restart=False, **{detector.threshold_name: LARGEST})
    for _ in range(draws):
        watching.reset()
        yield watching.run(observe(law(rng, length))).values
