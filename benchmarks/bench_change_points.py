"""Change points: PELT against ruptures on one series, and the cost of one observation of each online detector inside a batch.

ruptures is not among the requirements: without it (`pip install ruptures`) the two ratios are left out. Ratios are of the calling thread's
processor time, and breakpoints are compared first.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_garch import thread_seconds
from benchmarks.rows import Row, row
from risk_core.change_points import (
    BayesianChangePoint,
    Cusum,
    CusumVariance,
    Detector,
    Ewma,
    ExceptionCusum,
    Mosum,
    PageVariance,
    VolatilityBreakout,
    exceptions,
    pelt,
)

PELT_OBSERVATIONS, BATCH, RUN_LENGTHS = 1_000, 100_000, 500
DETECTORS: tuple[Detector, ...] = (Cusum(), CusumVariance(), PageVariance(), Ewma(), Mosum(), VolatilityBreakout(), ExceptionCusum())


def levels(count: int) -> NDArray[np.float64]:
    """Ten levels of a mean under normal noise."""
    rng = np.random.Generator(np.random.PCG64(0))
    return np.repeat(rng.normal(0.0, 3.0, 10), count // 10) + rng.standard_normal(count // 10 * 10)


def observation_us(detector: Detector, series: NDArray[np.float64]) -> float:
    """Microseconds an observation, all of `run` included."""
    return thread_seconds(lambda: detector.run(series), 0.4) / series.size * 1e6


def against_ruptures() -> list[Row]:
    """PELT with cost l2 and jump = 1: ruptures in Python, and its KernelCPD in C, which has the same cost as a linear kernel."""
    try:
        rpt: Any = importlib.import_module("ruptures")
    except ImportError:
        return []
    series = levels(PELT_OBSERVATIONS)
    penalty = 3.0 * np.log(series.size)
    mine = pelt(series, penalty=penalty, pruning="at_once")

    def theirs() -> list[int]:
        found: list[int] = rpt.Pelt(model="l2", min_size=2, jump=1).fit(series).predict(penalty)
        return found

    def kernel() -> list[int]:
        found: list[int] = rpt.KernelCPD(kernel="linear", min_size=2, jump=1).fit(series[:, None]).predict(pen=penalty)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not list(mine.breakpoints) == theirs() == kernel() == list(pelt(series, penalty=penalty).breakpoints):
            raise SystemExit("the breakpoints differ: nothing to compare")
        seconds = thread_seconds(lambda: pelt(series, penalty=penalty), 1.0)
        slow, compiled = thread_seconds(theirs, 1.0), thread_seconds(kernel, 1.0)
    return [
        row("pelt_vs_ruptures", slow / seconds, "x", f">= 1,000: ruptures.Pelt, the same breakpoints, {slow * 1e3:,.0f} ms"),
        row("pelt_vs_kernelcpd", compiled / seconds, "x", f">= 2: ruptures.KernelCPD, linear kernel, {compiled * 1e3:.2f} ms"),
    ]


def run() -> list[Row]:
    """Measure."""
    noise = np.random.Generator(np.random.PCG64(1)).standard_normal(BATCH)
    hits = exceptions(noise, 2.33)
    costs = {type(d).__name__: observation_us(d, hits if isinstance(d, ExceptionCusum) else noise) for d in DETECTORS}
    slowest = max(costs, key=costs.__getitem__)
    rows = against_ruptures()
    for count in (1_000, 4_000, 16_000):
        series, still = levels(count), noise[:count]
        rows += [
            row(f"pelt_{count}_ms", thread_seconds(lambda s=series: pelt(s), 0.5) * 1e3, "ms", f"{count:,} observations, ten levels"),  # type: ignore[misc]
            row(f"pelt_no_change_{count}_ms", thread_seconds(lambda s=still: pelt(s), 0.5) * 1e3, "ms", "no change: little to prune"),  # type: ignore[misc]
        ]
    rows.append(row("online_detector_us", costs[slowest], "us", f"<= 1 an observation in a batch; the slowest: {slowest}"))
    rows += [row(f"{name}_ns", cost * 1e3, "ns", "an observation in a batch") for name, cost in costs.items()]
    for bound in (100, 250, RUN_LENGTHS, 1_000):
        watching = BayesianChangePoint(bound=bound)
        watching.run(noise[:bound])
        target = "<= 10, " if bound == RUN_LENGTHS else ""
        cost = observation_us(watching, noise[:2_000])
        rows.append(row(f"bocpd_{bound}_us", cost, "us", f"{target}an observation in a batch, {bound} run lengths"))
    chart = Cusum()
    rows.append(row("detector_update_us", thread_seconds(lambda: chart.update(0.5), 0.3) * 1e6, "us", "one observation, from Python"))
    return rows


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
