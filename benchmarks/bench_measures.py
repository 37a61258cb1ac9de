"""Measures of one portfolio of 500 assets and 1,000 scenarios against Riskfolio-Lib and skfolio, and component ES of many portfolios.

Readings of "faster on one portfolio", each a set of rows:

- `measures_vs_...`: all fifteen shared measures from returns and weights, each library by the call that its users make: `risk_measures`
  once, `Sharpe_Risk` for each measure, one `skfolio.Portfolio` for each kind of path. `portfolio_vs_...` is the same measure by measure.
  Their matrix products run on all BLAS threads, which a busy machine slows far more than one thread: `product_us` says how much.
- `list_vs_...`: the same list against the peer's functions of a vector formed once, by our product for both: the least that it can cost
  them. The product is then most of our time, and no ratio can be large.
- `values_vs_...`, `list_of_vector_vs_...`: a P&L vector is given. A single cheap measure is bound by Python's calls and not by arithmetic.
- `components_vs_...`: value and the component of every asset. Ours come from the exact gradient; both peers measure the portfolio twice for
  each asset and divide the difference. Their time is that of a book of ten assets, times fifty: that leaves out most of their products.

Values agree (`tests/unit/evidence/test_peer_measures.py`). Every ratio is listed, those below ten too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.peer_measures import CONFIDENCE, PEERS, SHARED, our_components, our_portfolio
from benchmarks.rows import Row, best_seconds, row
from risk_core.measures import (
    component_expected_shortfalls,
    conditional_drawdown_at_risk,
    entropic_value_at_risk,
    expected_shortfall,
    risk_measures,
    value_at_risk,
)
from risk_core.measures.kernels import row_products

Floats = NDArray[np.float64]

ASSETS, SCENARIOS, PART = 500, 1_000, 10
BUDGET = 0.1
READINGS = {
    "components": "value and 500 components",
    "portfolio": "one measure from returns and weights",
    "values": "one measure of a given P&L vector",
}


def returns(assets: int, scenarios: int) -> Floats:
    """One-factor Student-t simple returns float64[S, N]."""
    random = np.random.Generator(np.random.PCG64(1))
    market = 0.006 * random.standard_t(4, (scenarios, 1))
    return np.ascontiguousarray(random.uniform(0.5, 1.5, assets) * market + 0.008 * random.standard_t(4, (scenarios, assets)))


def against(name: str) -> list[Row]:
    """Return the ratios against one library in each reading."""
    peer, whole, weights = PEERS[name](), returns(ASSETS, SCENARIOS), np.full(ASSETS, 1.0 / ASSETS)
    part, part_weights, series = np.ascontiguousarray(whole[:, :PART]), np.full(PART, 1.0 / PART), whole @ weights
    seconds = partial(best_seconds, budget_seconds=BUDGET)
    times: dict[str, list[tuple[str, float, float]]] = {"components": [], "portfolio": [], "values": []}
    for measure, shared in SHARED.items():
        theirs = seconds(partial(peer.components(shared), part, part_weights)) * (ASSETS / PART)
        times["components"].append((measure, theirs, seconds(partial(our_components(shared), whole, weights))))
        for what, given in (("portfolio", (whole, weights)), ("values", (series,))):
            call = peer.portfolio([shared]) if what == "portfolio" else peer.value(shared)
            one = partial(risk_measures, given[0], CONFIDENCE, weights if what == "portfolio" else None, (shared.name,))
            times[what].append((measure, seconds(partial(call, *given)), seconds(one)))
    everything, names = list(SHARED.values()), tuple(shared.name for shared in SHARED.values())
    ours = seconds(partial(our_portfolio(everything), whole, weights))
    theirs = seconds(partial(peer.portfolio(everything), whole, weights))
    of_vector, our_vector = sum(t for _, t, _ in times["values"]), seconds(partial(risk_measures, series, CONFIDENCE, None, names))
    product = seconds(partial(row_products, whole, weights))
    each = f"of {len(names)} measures"
    rows = [
        _ratio(f"measures_vs_{name}", theirs, ours, f">= 10: the list {each} from returns and weights, as their users call it; {name}"),
        _ratio(f"list_vs_{name}", product + of_vector, ours, f"the same, one product of {product * 1e6:,.0f} us for both; {name}"),
        _ratio(f"list_of_vector_vs_{name}", of_vector, our_vector, f"the list {each} of a given P&L vector; {name}"),
    ]
    for what, found in times.items():
        ratios = [slow / fast for _, slow, fast in found]
        rows.append(row(f"{what}_vs_{name}", median(ratios), "x", f"{READINGS[what]}: median {each}; least {min(ratios):.3g}"))
        rows += [_ratio(f"{what}_vs_{name}_{measure}", slow, fast, name) for measure, slow, fast in found]
    return rows


def _ratio(what: str, theirs: float, ours: float, label: str) -> Row:
    return row(what, theirs / ours, "x", f"{label} {theirs * 1e6:,.0f} us, ours {ours * 1e6:,.0f} us")


def product_rows() -> list[Row]:
    """Return what the product of one portfolio costs in numpy, on the threads of its BLAS, and in `risk_measures`, on one."""
    whole, weights = returns(ASSETS, SCENARIOS), np.full(ASSETS, 1.0 / ASSETS)
    theirs, ours = best_seconds(lambda: whole @ weights, BUDGET), best_seconds(partial(row_products, whole, weights), BUDGET)
    return [row("product_us", ours * 1e6, "us", f"float64 returns times weights, 500 x 1,000; numpy {theirs * 1e6:,.0f} us")]


def floor_rows(size: int = 1_000) -> list[Row]:
    """Return what the matrix product of many portfolios alone costs, in double and in single precision."""
    exposures = np.random.Generator(np.random.PCG64(2)).normal(0.0, 1e4, (size, size))
    shocks = np.ascontiguousarray(returns(size, size).T)
    rows = []
    for name, kind in (("double", np.float64), ("single", np.float32)):
        x, moves = exposures.astype(kind), shocks.astype(kind)
        rows.append(row(f"product_1000x1000_{name}_ms", best_seconds(partial(np.matmul, x, moves), 2.0) * 1e3, "ms", "the product alone"))
    return rows


def many_seconds(portfolios: int, assets: int, scenarios: int, confidence: float = 0.99) -> float:
    """Return seconds of component ES of all portfolios."""
    exposures = np.random.Generator(np.random.PCG64(2)).normal(0.0, 1e4, (portfolios, assets))
    shocks = np.ascontiguousarray(returns(assets, scenarios).T)
    return best_seconds(lambda: component_expected_shortfalls(exposures, shocks, confidence), 2.0 if portfolios >= 1_000 else 0.5)


def one_by_one_seconds() -> float:
    """Return seconds of one portfolio of 1,000 instruments: vector, ES, components by the gradient."""
    exposures = np.random.Generator(np.random.PCG64(2)).normal(0.0, 1e4, 1_000)
    shocks = np.ascontiguousarray(returns(1_000, SCENARIOS).T)
    return best_seconds(lambda: exposures * (shocks @ expected_shortfall(exposures @ shocks, 0.99).gradient))


CURVES: dict[str, Callable[[Floats], object]] = {
    "var": lambda x: value_at_risk(x, 0.99),
    "es": lambda x: expected_shortfall(x, 0.99),
    "evar": lambda x: entropic_value_at_risk(x, 0.99),
    "cdar": lambda x: conditional_drawdown_at_risk(x, 0.95, "uncompounded"),
}


def run() -> list[Row]:
    """Measure."""
    rows = [*product_rows(), *(each for peer in PEERS for each in against(peer))]
    many = many_seconds(1_000, 1_000, 1_000)
    rows += [
        row("component_es_1000x1000_ms", many * 1e3, "ms", "<= 100: 1,000 portfolios, 1,000 instruments, 1,000 scenarios, 0.99"),
        row("component_es_1000x1000_095_ms", many_seconds(1_000, 1_000, 1_000, 0.95) * 1e3, "ms", "the same at 0.95"),
        *floor_rows(),
        row("component_es_vs_one_by_one", one_by_one_seconds() * 1e3 / many, "x", "vector, ES and gradient portfolio by portfolio"),
    ]
    for scenarios in (250, 500, 1_000, 2_000, 4_000):
        series = returns(1, scenarios)[:, 0]
        for name, measure in CURVES.items():
            rows.append(row(f"{name}_us_s{scenarios}", best_seconds(partial(measure, series), BUDGET) * 1e6, "us", "cost curve in S"))
        curve = many_seconds(100, 1_000, scenarios) / 100
        rows.append(row(f"component_es_us_s{scenarios}", curve * 1e6, "us", "cost curve in S, a portfolio (N = 1,000, P = 100)"))
    for assets in (100, 1_000, 4_000):
        curve = many_seconds(100, assets, 1_000) / 100
        rows.append(row(f"component_es_us_n{assets}", curve * 1e6, "us", "cost curve in N, a portfolio (S = 1,000, P = 100)"))
    for portfolios in (1, 10, 100, 1_000):
        curve = many_seconds(portfolios, 1_000, 1_000) / portfolios
        rows.append(row(f"component_es_us_p{portfolios}", curve * 1e6, "us", "cost curve in P, a portfolio (S = N = 1,000)"))
    return rows


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
