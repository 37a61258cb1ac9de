"""How often each interval covers the number it is for: a seeded simulation.

`python -m tests.unit.uncertainty.coverage` prints the tables of docs/methods/uncertainty.md; the committed test runs a small part.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.uncertainty import (
    Interval,
    IntervalKind,
    Resampling,
    Scheme,
    expected_shortfall_interval,
    normal_value_at_risk_interval,
    order_statistic_interval,
    tail_draws,
    value_at_risk_interval,
)
from risk_core.uncertainty.bootstrap import interval_of_draws
from risk_core.uncertainty.tail_draws import tail_jackknife

Floats = NDArray[np.float64]

LAWS = ("normal", "t4", "garch")
CONFIDENCES = (0.95, 0.99)
COUNTS = (250, 500, 1000)
LEVEL = 0.95
LAGS = 10
GARCH = (0.05, 0.10, 0.85)
"""omega, alpha, beta: unconditional variance one, kurtosis 3.77."""
GARCH_TRUTH = {0.95: (1.623, 2.129), 0.99: (2.429, 2.935)}
"""Unconditional VaR and ES by `garch_truth`."""


def draw(law: str, samples: int, count: int, seed: int) -> Floats:
    """Return P&L float64[samples, count]."""
    random = np.random.Generator(np.random.PCG64(seed))
    if law == "normal":
        return random.standard_normal((samples, count))
    if law == "t4":
        return random.standard_t(4, (samples, count))
    return garch_paths(samples, count, random)


def garch_paths(samples: int, count: int, random: np.random.Generator, burn: int = 250) -> Floats:
    """Return GARCH(1,1) paths with normal innovations, float64[samples, count]."""
    omega, alpha, beta = GARCH
    variance, path = np.ones(samples), np.empty((samples, count))
    for t in range(-burn, count):
        move = np.sqrt(variance) * random.standard_normal(samples)
        variance = omega + alpha * move * move + beta * variance
        if t >= 0:
            path[:, t] = move
    return path


def garch_truth(seed: int = 1, samples: int = 40_000, count: int = 250) -> dict[float, tuple[float, float]]:
    """Return unconditional VaR and ES of the GARCH law from ten million scenarios."""
    pooled = garch_paths(samples, count, np.random.Generator(np.random.PCG64(seed))).ravel()
    return {c: (value_at_risk(pooled, c).value, expected_shortfall(pooled, c).value) for c in CONFIDENCES}


def truth(law: str, confidence: float) -> dict[str, float]:
    """Return VaR, ES and z sigma of the law."""
    z = float(stats.norm.isf(1 - confidence))
    if law == "normal":
        return {"VaR": z, "ES": float(stats.norm.pdf(z)) / (1 - confidence), "normal": z}
    if law == "t4":
        q = float(stats.t.isf(1 - confidence, 4))
        return {"VaR": q, "ES": float(stats.t.pdf(q, 4)) / (1 - confidence) * (4 + q * q) / 3, "normal": z * sqrt(2.0)}
    var, es = GARCH_TRUTH[confidence]
    return {"VaR": var, "ES": es, "normal": z}


def intervals(pnl: Floats, resamples: int, seed: int) -> Iterator[tuple[float, str, str, float, float]]:
    """Yield (confidence, measure, method, lower, upper) of every method; infinite where one-sided."""
    for confidence in CONFIDENCES:
        plain: list[tuple[str, Interval]] = [
            ("VaR", order_statistic_interval(pnl, confidence)),
            *(("VaR", value_at_risk_interval(pnl, confidence, density=d)) for d in ("kernel", "spacing")),
            ("VaR", value_at_risk_interval(pnl, confidence, lags=LAGS)),
            *(("ES", expected_shortfall_interval(pnl, confidence, lags=lags)) for lags in (0, LAGS)),
            *(("normal", normal_value_at_risk_interval(pnl, confidence, moments=m)) for m in ("sample", "normal", "chi_squared")),
        ]
        for measure, found in plain:
            lower, upper = -np.inf if found.lower is None else found.lower, np.inf if found.upper is None else found.upper
            yield confidence, measure, found.method, lower, upper
    for scheme in Scheme:  # the draws of a scheme serve both measures, both confidences and all kinds
        plan = Resampling(resamples, scheme, seed=seed)
        drawn = tail_draws(pnl, CONFIDENCES, resampling=plan)
        for c, confidence in enumerate(CONFIDENCES):
            left_out = tail_jackknife(pnl, confidence, block=ceil(drawn.block_length))
            for i, (name, measure_of, draws) in enumerate(
                (("VaR", value_at_risk, drawn.value_at_risk), ("ES", expected_shortfall, drawn.expected_shortfall))
            ):
                estimate = measure_of(pnl, confidence).value
                for kind in IntervalKind:
                    lower, upper = interval_of_draws(draws[:, c], estimate, LEVEL, kind, left_out[i])
                    yield confidence, name, f"{scheme}_{kind}", lower, upper


def coverage(law: str, count: int, samples: int, resamples: int, seed: int) -> dict[tuple[float, str, str], tuple[float, float]]:
    """Return (share of intervals that cover, median width over truth) by confidence, measure and method; one-sided ones count."""
    known = {c: truth(law, c) for c in CONFIDENCES}
    hits: dict[tuple[float, str, str], list[bool]] = defaultdict(list)
    widths: dict[tuple[float, str, str], list[float]] = defaultdict(list)
    for i, pnl in enumerate(draw(law, samples, count, seed)):
        for confidence, measure, method, lower, upper in intervals(pnl, resamples, seed + i):
            aim = known[confidence][measure]
            hits[confidence, measure, method].append(lower <= aim <= upper)
            widths[confidence, measure, method].append((upper - lower) / aim)
    return {key: (float(np.mean(hit)), float(np.median(widths[key]))) for key, hit in hits.items()}


def main(samples: int = 300, resamples: int = 400) -> None:
    """Print coverage and median width of every interval for the laws named on the command line, or all."""
    for law in sys.argv[1:] or LAWS:
        cells = [coverage(law, count, samples, resamples, 20_000 + count) for count in COUNTS]
        for confidence, measure, method in sorted(cells[0]):
            found = [cell[confidence, measure, method] for cell in cells]
            row = " | ".join(f"{hit:.2f} ({width:.2f})" for hit, width in found)
            print(f"{law} | {confidence} | {measure} {method} | {row}", flush=True)


if __name__ == "__main__":
    main()
