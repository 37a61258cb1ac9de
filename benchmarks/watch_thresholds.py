"""Prints, as markdown, the thresholds of the watch on instruments and what they give: `python -m benchmarks.watch_thresholds`.

The law is GARCH(1,1) with alpha 0.08, beta 0.9 and Student t innovations of five degrees of freedom. Each threshold is calibrated for its
detector alone; the last columns count alarms of both together, as they run in the service, with restarts.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.change_points import Cusum, GarchLaw, VolatilityBreakout, calibrate
from risk_core.engine.configuration import RUN_LENGTHS
from risk_core.engine.watch.changes import DRIFT_K, THRESHOLDS, InstrumentChanges

Floats = NDArray[np.float64]

LAW: Final = GarchLaw(df=5.0)
DRAWS: Final = 1_000
CHECKED: Final = 200_000
"""Closes of the last columns, in one path."""


def in_slow_volatilities(draws: Floats) -> Floats:
    """Return each observation in units of the slow volatility before it, after the warm-up."""
    watching = VolatilityBreakout(threshold=1e100)
    slow = watching.run(draws).columns["slow"]
    return np.asarray(draws[watching.warm_up :] / slow[watching.warm_up - 1 : -1], np.float64)


def thresholds(run_length: float) -> tuple[float, float]:
    """Return the thresholds of ratio and drift."""
    ratio = calibrate(VolatilityBreakout(), run_length, law=LAW, draws=DRAWS, seed=1).threshold
    drift = calibrate(Cusum(k=DRIFT_K), run_length, law=LAW, draws=DRAWS, seed=2, observe=in_slow_volatilities).threshold
    return ratio, drift


def closes_to_an_alarm(run_length: int) -> tuple[float, float]:
    """Return how many closes there are to an alarm of each detector."""
    watch = InstrumentChanges(run_length)
    seen = [a.detector for x in LAW(np.random.Generator(np.random.PCG64(3)), CHECKED).tolist() for a in watch.take(x)]
    return CHECKED / max(1, seen.count("volatility")), CHECKED / max(1, seen.count("drift"))


def main() -> None:
    """Print the table."""
    heads = ("closes to a false alarm", "ratio of volatilities", "in use", "CUSUM of drift", "in use", "volatility", "drift")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for run_length in RUN_LENGTHS:
        ratio, drift = thresholds(float(run_length))
        both = closes_to_an_alarm(run_length)
        used = THRESHOLDS[run_length]
        lines.append(f"| {run_length:,} | {ratio:.3f} | {used[0]} | {drift:.2f} | {used[1]} | {both[0]:,.0f} | {both[1]:,.0f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
