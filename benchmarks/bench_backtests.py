"""Backtests: the catalogue of one series, and the tests of many series on every day against a loop over the plain functions.

The loop is timed on a sample of days and series and scaled: all of them take minutes. The plain functions find exact p-values too;
the lean loop finds only what the rolling tests find.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from benchmarks.rows import Row, best_seconds, row
from risk_core.backtests import (
    RollingBacktest,
    RollingTable,
    chi_square_tail,
    christoffersen_conditional_coverage,
    christoffersen_independence,
    coverage_tests,
    kupiec_pof,
    rolling_backtests,
    traffic_light,
    traffic_light_bounds,
    transition_counts,
)
from risk_core.backtests.likelihood import independence_ratio, proportion_ratio

Bools = NDArray[np.bool_]
PValues = tuple[float, float | None, float | None, float | None]

DAYS, SERIES, WINDOW, SAMPLE = 7_500, 100, 250, 400
CONFIDENCES = np.where(np.arange(SERIES) % 2, 0.95, 0.99)


def exceptions(days: int, rates: NDArray[np.float64], seed: int) -> Bools:
    """Independent exceptions, bool[days, series]."""
    return np.asarray(np.random.Generator(np.random.PCG64(seed)).random((days, rates.size)) < rates)


def plain(days: Bools, confidence: float) -> PValues:
    """What a loop asks of the public functions."""
    x, n = int(days.sum()), days.size
    return (
        traffic_light(x, n, confidence).details["type_i"],  # type: ignore[return-value]
        kupiec_pof(x, n, confidence).p_value,
        christoffersen_independence(days, confidence).p_value,
        christoffersen_conditional_coverage(days, confidence).p_value,
    )


def lean(days: Bools, confidence: float) -> PValues:
    """The same p-values from the likelihood ratios, without results to read and without exact laws."""
    x, n, rate = int(days.sum()), days.size, round(1.0 - confidence, 15)
    traffic_light_bounds(n, confidence)
    counts = transition_counts(days)
    coverage, alone = float(proportion_ratio(x, n, rate)), float(independence_ratio(counts.n00, counts.n10, counts.n01, counts.n11))
    return (
        1.0 if x == 0 else float(bdtrc(x - 1, n, rate)),
        chi_square_tail(coverage, 1),
        chi_square_tail(alone, 1) if 0 < x < n else None,
        chi_square_tail(coverage + alone, 2),
    )


def looped(one: Callable[[Bools, float], PValues], hits: Bools, table: RollingTable) -> float:
    """Return the seconds that a loop would take over every day of every series, after checking that it finds the same numbers."""
    rng = np.random.Generator(np.random.PCG64(7))
    cells = list(zip(rng.integers(WINDOW, DAYS, SAMPLE).tolist(), rng.integers(0, SERIES, SAMPLE).tolist(), strict=True))
    for day, column in cells:
        found = table.at(day, column)
        expected = (found.type_i, found.kupiec_p, found.independence_p, found.conditional_p)
        if one(hits[day + 1 - WINDOW : day + 1, column], CONFIDENCES[column]) != expected:
            raise SystemExit(f"the rolling tests of day {day}, series {column}, differ from the plain ones: nothing to compare")
    began = time.perf_counter()
    for day, column in cells:
        one(hits[day + 1 - WINDOW : day + 1, column], CONFIDENCES[column])
    return (time.perf_counter() - began) / SAMPLE * DAYS * SERIES


def rolling() -> list[Row]:
    """Thirty years of a hundred series."""
    hits = exceptions(DAYS, 1.0 - CONFIDENCES, 1)
    table = rolling_backtests(hits, CONFIDENCES, WINDOW)
    seconds = best_seconds(lambda: rolling_backtests(hits, CONFIDENCES, WINDOW), 3.0)
    plain_seconds, lean_seconds = looped(plain, hits, table), looped(lean, hits, table)
    stream, days = RollingBacktest(0.99, WINDOW), hits[:, 0].tolist()

    def year() -> None:
        for hit in days[:WINDOW]:
            stream.update(hit)

    scaled = f"{SAMPLE} of {DAYS * SERIES:,} windows timed and scaled"
    return [
        row("rolling_30_years_100_series_ms", seconds * 1e3, "ms", f"{DAYS:,} days x {SERIES} series, windows of {WINDOW} days"),
        row("rolling_vs_loop", plain_seconds / seconds, "x", f">= 50: the plain functions, {plain_seconds:.0f} s: {scaled}"),
        row("rolling_vs_lean_loop", lean_seconds / seconds, "x", f"likelihood ratios only, {lean_seconds:.0f} s: {scaled}"),
        row("rolling_update_us", best_seconds(year) / WINDOW * 1e6, "us", "one more day of one series, from Python"),
    ]


def catalogue() -> list[Row]:
    """Every test of a thousand days, nothing simulated: of a right model, and of one with five times the exceptions."""
    rows = []
    for name, rate, against in (
        ("backtest_catalogue_ms", 0.01, "<= 50: eleven tests of 1,000 days, laws cached"),
        ("backtest_catalogue_wrong_ms", 0.05, "the same, five times the exceptions that are expected"),
    ):
        hits = exceptions(1_000, np.array([rate]), 3)[:, 0]
        began = time.perf_counter()
        tests = coverage_tests(hits, 0.99)
        first = time.perf_counter() - began
        seconds = best_seconds(lambda hits=hits: coverage_tests(hits, 0.99), 1.0)  # type: ignore[misc]
        rows.append(row(name, seconds * 1e3, "ms", f"{against}; {tests['pof'].exceptions} exceptions; the first call {first * 1e3:.0f} ms"))
    return rows


def run() -> list[Row]:
    """Measure."""
    return [*catalogue(), *rolling()]


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
