"""Dynamic conditional correlation: one fit of 50 assets, its cost in assets and days, and one more day on a stream.

A fit is margins and correlations: GARCH(1,1) of each asset, then alpha and beta by full maximum likelihood, from the optimum of the
composite one. A likelihood with its derivatives costs T N³, so the curve bends from N to N³ as assets are added.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, best_seconds, row
from risk_core.correlation import CorrelationStatus, fit_dcc

ASSETS, DAYS = 50, 2_500
MANY = 200
MOST_ASSETS = 100


def world(assets: int, days: int, seed: int = 0) -> NDArray[np.float64]:
    """Returns of DCC(0.03, 0.95) about correlations of 0.4, with GARCH margins, oldest first, in percent."""
    rng = np.random.Generator(np.random.PCG64(seed))
    target = 0.6 * np.eye(assets) + 0.4
    q, h, out = target.copy(), np.ones(assets), np.empty((days + 100, assets))
    for t in range(days + 100):
        unit = 1.0 / np.sqrt(np.diag(q))
        z = np.linalg.cholesky(q * unit * unit[:, None]) @ rng.standard_normal(assets)
        out[t] = np.sqrt(h) * z
        h = 0.05 + 0.07 * out[t] ** 2 + 0.88 * h
        q = 0.02 * target + 0.03 * np.outer(z, z) + 0.95 * q
    return np.ascontiguousarray(out[100:].T)


def once(call: Callable[[], object], repeats: int = 1) -> float:
    """Return the least wall seconds of a call among a few."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def run() -> list[Row]:
    """Measure."""
    returns = world(MOST_ASSETS, DAYS)
    fifty = returns[:ASSETS]
    fit = fit_dcc(fifty[:, :500])  # compiles
    fit_dcc(fifty[:10, :500], asymmetric=True)
    found = fit_dcc(fifty)
    if found.status is not CorrelationStatus.OK or abs(found.parameters["alpha"] - 0.03) > 0.005:
        raise SystemExit(f"the fit went astray: {found.status}, {found.parameters}")
    rows = [
        row("dcc_50_assets_s", once(lambda: fit_dcc(fifty), 2), "s", f"<= 5: {ASSETS} assets x {DAYS:,} days, margins and full likelihood"),
        row("adcc_50_assets_s", once(lambda: fit_dcc(fifty, asymmetric=True)), "s", "the same with joint losses"),
        row("dcc_50_assets_composite_s", once(lambda: fit_dcc(fifty, likelihood="composite"), 2), "s", "neighbouring pairs only"),
    ]
    rows += [
        row(f"dcc_{n}_assets_1000_days_s", once(partial(fit_dcc, returns[:n, :1_000])), "s", "cost in assets")
        for n in (10, 25, 50, MOST_ASSETS)
    ]
    rows += [row(f"dcc_20_assets_{t}_days_s", once(partial(fit_dcc, returns[:20, :t])), "s", "cost in days") for t in (500, 1_000, 2_500)]
    wide = world(MANY, 500)
    against = f"{MANY} assets x 500 days, neighbouring pairs only"
    rows.append(row("dcc_200_assets_composite_s", once(partial(fit_dcc, wide, likelihood="composite"), 2), "s", against))
    for name, online, day in (("50", fit.online(), fifty[:, 0]), ("200", fit_dcc(wide[:, :99]).online(), wide[:, 0])):
        seconds = best_seconds(partial(online.update, day))
        rows.append(row(f"dcc_update_{name}_assets_us", seconds * 1e6, "us", "one more day, from Python"))
    return rows


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
