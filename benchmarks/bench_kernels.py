"""The risk kernels against full recomputation by other libraries and against the memory floor.

S = N = 1,000, a hundred nodes that hold every instrument, four confidences with ES. A live figure is the time of one tick applied
and every node measured again, exactly, divided by the nodes. The floor is the bare pass over every vector for the same ticks (the
same rows of the same shock matrix), measured in turns with it; both are the shortest of many turns.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from benchmarks.rows import Row, best_seconds, row
from risk_core.book import QUANTITY_SCALE
from risk_core.engine.kernels import evaluate, pnl_vectors
from risk_core.engine.live import LiveVectors
from risk_core.methods import DEFAULT_CONFIDENCES, MeasurePlan, methods_named

NODES, INSTRUMENTS, SCENARIOS = 100, 1_000, 1_000
TICKS = 64
TURN_SECONDS = 2.0


@njit(cache=True, nogil=True)
def axpy_all(vectors: NDArray[np.float64], change: NDArray[np.float64], moves: NDArray[np.float64], j: int) -> None:
    """The floor: one pass over every vector for one tick."""
    for p in range(vectors.shape[0]):
        a = change[p]
        for s in range(vectors.shape[1]):
            vectors[p, s] += a * moves[j, s]


def shocks(instruments: int, scenarios: int) -> NDArray[np.float64]:
    """One-factor Student-t moves, instrument-major."""
    rng = np.random.default_rng(1)
    market = 0.008 * rng.standard_t(4, scenarios)
    return np.ascontiguousarray(rng.uniform(0.5, 1.5, (instruments, 1)) * market + 0.01 * rng.standard_t(4, (instruments, scenarios)))


def live(nodes: int, instruments: int, scenarios: int, methods: tuple[str, ...] = ("historical",)) -> LiveVectors:
    """Return live vectors of a random book."""
    rng = np.random.default_rng(2)
    return LiveVectors(
        MeasurePlan(scenarios, methods_named(methods), DEFAULT_CONFIDENCES),
        quantity=rng.integers(-500, 1_000, (nodes, instruments)) * QUANTITY_SCALE,
        price=rng.uniform(10, 300, instruments),
        fx_to_base=np.ones(1),
        instrument_currency=np.zeros(instruments, np.int64),
        rate_currency=np.full(instruments, -1),
        absolute=np.zeros(instruments, np.bool_),
        cash=np.zeros(instruments, np.int64),
        node_currency=np.zeros(nodes, np.int64),
        node_group=np.zeros(nodes, np.int64),
        shocks=shocks(instruments, scenarios)[None],
        age_order=np.arange(scenarios),
    )


def tick_and_floor_seconds(vectors: LiveVectors, nodes: int, instruments: int) -> tuple[float, float]:
    """Return seconds per (node, tick): a tick of a few basis points, then VaR and ES of every node; and the bare pass."""
    rng = np.random.default_rng(3)
    rows = rng.integers(0, instruments, TICKS)
    columns = [rows[k : k + 1] for k in range(TICKS)]
    every, bare, change = np.arange(nodes), np.zeros((nodes, vectors.plan.scenarios)), np.full(nodes, 1e-9)
    moves = vectors.shocks[0]
    live_turns: list[float] = []
    floor_turns: list[float] = []
    deadline = time.perf_counter() + TURN_SECONDS
    while time.perf_counter() < deadline or len(floor_turns) < 3:
        prices = [vectors.price[c] * (1.0 + 0.0005 * rng.standard_normal(1)) for c in columns]
        began = time.perf_counter()
        for column, price in zip(columns, prices, strict=True):
            vectors.apply_prices(column, price)
            vectors.measures(every)
        middle = time.perf_counter()
        for j in rows:
            axpy_all(bare, change, moves, j)
        live_turns.append(middle - began)
        floor_turns.append(time.perf_counter() - middle)
    return min(live_turns[1:]) / TICKS / nodes, min(floor_turns[1:]) / TICKS / nodes


def tick_seconds(nodes: int, instruments: int, scenarios: int) -> float:
    """Return seconds per (node, tick) of the historical method."""
    return tick_and_floor_seconds(live(nodes, instruments, scenarios), nodes, instruments)[0]


def peers() -> dict[str, Callable[[], object]]:
    """Return full recomputations of one node: P&L vector, then VaR and ES at four confidences."""
    moves = shocks(INSTRUMENTS, SCENARIOS).T.copy()
    exposure = np.random.default_rng(4).uniform(-1e4, 2e4, INSTRUMENTS)
    frame, series = pd.DataFrame(moves), pd.Series(exposure)

    def by_pandas() -> object:
        pnl = frame.mul(series, axis=1).sum(axis=1)
        cuts = [pnl.quantile(1.0 - c) for c in DEFAULT_CONFIDENCES]
        return [(-q, -pnl[pnl <= q].mean()) for q in cuts]

    found: dict[str, Callable[[], object]] = {"pandas": by_pandas}
    if importlib.util.find_spec("skfolio"):
        from skfolio.measures import cvar, value_at_risk

        found["skfolio"] = lambda: [(value_at_risk(moves @ exposure, beta=c), cvar(moves @ exposure, beta=c)) for c in DEFAULT_CONFIDENCES]
    if importlib.util.find_spec("riskfolio"):
        from riskfolio.src.RiskFunctions import CVaR_Hist, VaR_Hist

        found["riskfolio"] = lambda: [
            (VaR_Hist(moves @ exposure, alpha=1.0 - c), CVaR_Hist(moves @ exposure, alpha=1.0 - c)) for c in DEFAULT_CONFIDENCES
        ]
    return found


def canonical_seconds(instruments: int, scenarios: int) -> float:
    """Return seconds per node of a final evaluation: three methods, four confidences."""
    moves = shocks(instruments, scenarios)
    exposure = np.random.default_rng(5).uniform(-1e4, 2e4, (NODES, instruments))
    plan = MeasurePlan(scenarios)
    ages = np.arange(scenarios)

    def final() -> object:
        return evaluate(pnl_vectors(exposure, moves), ages, *plan.arrays)

    return best_seconds(final, 1.0) / NODES


def run() -> list[Row]:
    """Measure."""
    tick, floor = tick_and_floor_seconds(live(NODES, INSTRUMENTS, SCENARIOS), NODES, INSTRUMENTS)
    three = ("historical", "age_weighted", "ewma_normal")
    all_methods, all_floor = tick_and_floor_seconds(live(NODES, INSTRUMENTS, SCENARIOS, three), NODES, INSTRUMENTS)
    bars = {"pandas": ">= 1,000", "skfolio": ">= 100", "riskfolio": ">= 100"}
    rows = [
        row("kernel_ns", tick * 1e9, "ns", "per (node, tick), historical, four confidences with ES"),
        row("kernel_all_methods_ns", all_methods * 1e9, "ns", "the same with all three methods"),
        row("kernel_vs_axpy", tick / floor, "x", f"<= 2.5: the bare pass over the vector, {floor * 1e9:.0f} ns"),
        row("kernel_all_methods_vs_axpy", all_methods / all_floor, "x", f"the same with all three methods, {all_floor * 1e9:.0f} ns"),
    ]
    for name, recompute in peers().items():
        seconds = best_seconds(recompute, 2.0)
        rows.append(row(f"kernel_vs_{name}", seconds / tick, "x", f"{bars[name]}: full recomputation by {name}, {seconds * 1e6:.0f} us"))
    rows.append(row("canonical_us", canonical_seconds(INSTRUMENTS, SCENARIOS) * 1e6, "us", "per node: vectors and three methods"))
    for scenarios in (250, 500, 1_000, 2_000, 4_000):
        curve = tick_seconds(NODES, 100, scenarios)
        rows.append(row(f"kernel_ns_s{scenarios}", curve * 1e9, "ns", "cost curve in S (N = 100)"))
    for instruments in (100, 1_000, 4_000):
        curve = tick_seconds(20, instruments, 500)
        rows.append(row(f"kernel_ns_n{instruments}", curve * 1e9, "ns", "cost curve in N (S = 500, 20 nodes)"))
        canonical = canonical_seconds(instruments, 500)
        rows.append(row(f"canonical_us_n{instruments}", canonical * 1e6, "us", "cost curve in N (S = 500)"))
    for nodes in (1, 10, 100, 400):
        curve = tick_seconds(nodes, 100, 1_000)
        rows.append(row(f"kernel_ns_p{nodes}", curve * 1e9, "ns", "cost curve in nodes (S = 1,000, N = 100), per node"))
    return rows


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
