"""How steady and how right component value at risk is, by estimator: a seeded simulation.

`python -m tests.unit.uncertainty.steadiness` prints the table of docs/methods/uncertainty.md; the committed test runs a small part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.measures.attribution import Measure, components
from risk_core.uncertainty import (
    harrell_davis_expected_shortfall,
    harrell_davis_value_at_risk,
    kernel_expected_shortfall,
    kernel_value_at_risk,
    smoothed_expected_shortfall,
    smoothed_value_at_risk,
)

Floats = NDArray[np.float64]

EXPOSURES = np.array([1.0, 0.8, 0.6, 0.4, -0.3])
CORRELATION = 0.3
DEGREES = 4
QUANTILES: tuple[Measure, ...] = (value_at_risk, harrell_davis_value_at_risk, kernel_value_at_risk, smoothed_value_at_risk)
SHORTFALLS: tuple[Measure, ...] = (
    expected_shortfall,
    harrell_davis_expected_shortfall,
    kernel_expected_shortfall,
    smoothed_expected_shortfall,
)


@dataclass(frozen=True, slots=True)
class Steadiness:
    """Of one estimator, all over the true total.

    `change` is the root mean square difference of a component between two independent samples; `component_error` and `total_error` are root
    mean square errors against the truth, `total_bias` the mean error.
    """

    change: float
    component_error: float
    total_error: float
    total_bias: float


def shocks(count: int, samples: int, seed: int) -> Iterator[Floats]:
    """Yield samples float64[5, count] of a multivariate t with scale matrix of ones and 0.3."""
    random = np.random.Generator(np.random.PCG64(seed))
    root = np.linalg.cholesky(np.where(np.eye(5) > 0, 1.0, CORRELATION))
    for _ in range(samples):
        mixing = np.sqrt(DEGREES / random.chisquare(DEGREES, count))
        yield root @ random.standard_normal((5, count)) * mixing


def truth(confidence: float, shortfall: bool) -> Floats:
    """Return true components: the law is elliptical, so they are covariances with the whole."""
    scale = np.where(np.eye(5) > 0, 1.0, CORRELATION)
    q = float(stats.t.isf(1 - confidence, DEGREES))
    if shortfall:
        q = float(stats.t.pdf(q, DEGREES)) / (1 - confidence) * (DEGREES + q * q) / (DEGREES - 1)
    spread = np.sqrt(EXPOSURES @ scale @ EXPOSURES)
    return np.asarray(q * EXPOSURES * (scale @ EXPOSURES) / spread)


def steadiness(measures: Sequence[Measure], confidence: float, count: int, samples: int, seed: int) -> list[Steadiness]:
    """Return the steadiness of each measure, all on the same samples."""
    found = np.empty((len(measures), samples, 5))
    for i, moves in enumerate(shocks(count, samples, seed)):
        parts = EXPOSURES[:, None] * moves
        pnl = parts.sum(axis=0)
        for m, measure in enumerate(measures):
            found[m, i] = components(measure(pnl, confidence), parts)
    results = []
    for measure, estimates in zip(measures, found, strict=True):
        true = truth(confidence, measure in SHORTFALLS)
        total = true.sum()
        error = estimates - true
        change = estimates[0 : 2 * (samples // 2) : 2] - estimates[1 : 2 * (samples // 2) : 2]
        results.append(
            Steadiness(
                float(np.sqrt(np.mean(change**2)) / total),
                float(np.sqrt(np.mean(error**2)) / total),
                float(np.sqrt(np.mean(error.sum(axis=1) ** 2)) / total),
                float(error.sum(axis=1).mean() / total),
            )
        )
    return results


def main(samples: int = 1000) -> None:
    """Print the table."""
    for confidence in (0.95, 0.99):
        for count in (250, 500):
            measures = (*QUANTILES, *SHORTFALLS)
            for measure, s in zip(measures, steadiness(measures, confidence, count, samples, 31), strict=True):
                name = measure.__name__  # type: ignore[attr-defined]
                errors = f"{s.change:.3f} | {s.component_error:.3f} | {s.total_error:.3f} | {s.total_bias:+.3f}"
                print(f"{confidence} | {count} | {name} | {errors}", flush=True)


if __name__ == "__main__":
    main()
