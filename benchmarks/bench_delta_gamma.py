"""Delta-gamma VaR of a book of 1,000 assets under t factors: simulated, exact, and against a naive Cholesky simulation.

Covariance of ten factors and specific risk, gamma diagonal and short on average, t with 5 degrees, VaR at 0.99. The accuracy of the
simulation is its root mean square error over seeds against the exact inversion. The naive simulation is timed for a few thousand paths;
how many it needs for an error of 0.3 % follows from the law of its order statistic with the exact density, so its time is extrapolated.
"""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, best_seconds, row
from risk_core.delta_gamma import (
    DeltaGamma,
    StudentT,
    exact_value_at_risk,
    quasi_monte_carlo_value_at_risk,
    saddlepoint_value_at_risk,
)
from risk_core.delta_gamma.inversion import Path

ASSETS, FACTORS, CONFIDENCE = 1_000, StudentT(5.0), 0.99
SEEDS, NAIVE_PATHS, TARGET = 32, 4_000, 0.003


def book() -> DeltaGamma:
    """A book led by its deltas, short gamma on average."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(ASSETS, 10)) * np.array([0.004, 0.006, 0.005, 0.004, 0.003, 0.003, 0.002, 0.002, 0.002, 0.002])
    loadings[:, 0] += 0.01
    covariance = loadings @ loadings.T + np.diag(rng.uniform(1e-4, 4e-4, ASSETS))
    return DeltaGamma(rng.normal(0.3, 1.0, ASSETS) * 1e4, rng.normal(-1.0, 3.0, ASSETS) * 1e5, covariance)


def naive(held: DeltaGamma, root: NDArray[np.float64], paths: int, rng: np.random.Generator) -> float:
    """VaR by correlated t draws of every asset, and the P&L asset by asset."""
    moves = rng.standard_normal((paths, ASSETS)) @ root.T
    moves *= np.sqrt((FACTORS.degrees_of_freedom - 2.0) / rng.chisquare(FACTORS.degrees_of_freedom, paths))[:, None]
    return float(-np.quantile(held.pnl(moves), 1.0 - CONFIDENCE))


def run() -> list[Row]:
    """Measure."""
    held = book()
    _ = held.quadratic
    exact = exact_value_at_risk(held, CONFIDENCE, FACTORS).value
    simulate = partial(quasi_monte_carlo_value_at_risk, held, CONFIDENCE, factors=FACTORS, points=512, pool=1_024)
    seconds = best_seconds(lambda: simulate(1), 2.0)
    error = sqrt(float(np.mean([(simulate(s).value_at_risk / exact - 1.0) ** 2 for s in range(SEEDS)])))
    prepare = best_seconds(lambda: book().quadratic, 2.0)
    root, rng = np.linalg.cholesky(np.asarray(held.covariance)), np.random.default_rng(1)
    naive_path = best_seconds(lambda: naive(held, root, NAIVE_PATHS, rng), 2.0) / NAIVE_PATHS
    tail = 1.0 - CONFIDENCE
    needed = tail * CONFIDENCE / (Path(held, exact, FACTORS).density * TARGET * exact) ** 2
    naive_seconds = needed * naive_path
    return [
        row("mc_delta_gamma_ms", seconds * 1e3, "ms", "<= 100: VaR and ES of 1,000 assets, t factors; book prepared, at the RMSE below"),
        row("mc_delta_gamma_rmse", error * 100.0, "%", f"<= 0.3: of VaR against exact inversion, {SEEDS} seeds"),
        row("mc_vs_naive", naive_seconds / seconds, "x", f">= 50: naive Cholesky, {needed:,.0f} paths for 0.3 %, {naive_seconds:.1f} s"),
        row("mc_prepare_ms", prepare * 1e3, "ms", "once for each book: Cholesky and eigendecomposition"),
        row("mc_with_prepare_vs_naive", naive_seconds / (seconds + prepare), "x", "the same with the preparation counted"),
        row("delta_gamma_exact_ms", best_seconds(lambda: exact_value_at_risk(held, CONFIDENCE, FACTORS), 1.0) * 1e3, "ms", "t factors"),
        row("delta_gamma_saddlepoint_ms", best_seconds(lambda: saddlepoint_value_at_risk(held, CONFIDENCE), 1.0) * 1e3, "ms", "normal"),
    ]


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
