"""Deterministic synthetic market and book behind the mock API: nine nodes, 21 instruments, 1,000 trading days.

Every number the mock serves comes from one seeded return matrix, so component sums, exceptions and forecasts agree with one another.
"""

from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Array = npt.NDArray[np.float64]

DAYS = 1_000
WINDOW = 250
CONFIDENCES = (0.95, 0.975, 0.99, 0.999)
METHODS = ("historical", "age_weighted", "ewma_normal")
SYMBOLS = tuple("AAPL AMD BAC BBY CVX GE HD JNJ JPM KO LLY MRK MSFT PEP PFE PG RRC UNH WMT XOM SPX".split())  # noqa: SIM905
EUR_USD = 1.25
AGE_DECAY, EWMA_DECAY = 0.98, 0.94


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the book; a portfolio carries gross notional and a weight per instrument."""

    node_id: int
    name: str
    kind: str
    parent_id: int | None
    currency: str
    description: str
    notional: float = 0.0
    weights: tuple[float, ...] = ()

    def public(self) -> dict[str, Any]:
        keys = ("node_id", "name", "kind", "parent_id", "currency", "description")
        return {key: getattr(self, key) for key in keys}


def _weights(long: str, short: str = "", gross: float = 1.0) -> tuple[float, ...]:
    longs, shorts = long.split(), short.split()
    side = {s: gross / len(longs) for s in longs} | {s: -gross / len(shorts) for s in shorts}
    return tuple(side.get(s, 0.0) for s in SYMBOLS)


NODES = (
    Node(1, "Firm", "firm", None, "USD", "The whole book"),
    Node(2, "Fundamental", "desk", 1, "USD", "Stock pickers"),
    Node(3, "Systematic", "desk", 1, "USD", "Models"),
    Node(4, "US Long-Only", "portfolio", 2, "USD", "20 equities, equal weights", 120e6, _weights(" ".join(SYMBOLS[:20]))),
    Node(5, "Concentrated", "portfolio", 2, "USD", "Four names", 40e6, _weights("AAPL AMD RRC UNH")),
    Node(6, "Euro Blend", "portfolio", 2, "EUR", "Held in euro, synthetic FX", 35e6, _weights("JNJ KO PG XOM CVX MRK PFE WMT")),
    Node(7, "Long-Short", "portfolio", 3, "USD", "Quality against beta", 60e6, _weights("MSFT JNJ LLY PG UNH WMT", "BAC GE BBY", 0.9)),
    Node(8, "Market-Neutral", "portfolio", 3, "USD", "Index hedged", 80e6, _weights("AAPL JPM HD PEP XOM MRK", "SPX", 1.0)),
    Node(9, "Daily Trading", "portfolio", 3, "USD", "Trades every day through fills", 25e6, _weights("AMD BAC GE RRC", "SPX", 0.8)),
)
INDEX = {n.node_id: i for i, n in enumerate(NODES)}


@dataclass(frozen=True, slots=True)
class Market:
    """Everything precomputed once. ``pnl[d, n]`` is day d in node currency; ``var[m][c][d, n]`` is the forecast *for* day d."""

    dates: list[date]
    returns: Array
    prices: Array
    exposures: Array
    pnl: Array
    var: dict[str, dict[float, Array]] = field(default_factory=dict)
    es: dict[str, dict[float, Array]] = field(default_factory=dict)


def _returns(rng: np.random.Generator) -> Array:
    """One-factor returns with clustered volatility that triples over the last fifty days."""
    log_vol = np.zeros(DAYS)
    for d in range(1, DAYS):
        log_vol[d] = 0.97 * log_vol[d - 1] + 0.10 * rng.standard_normal()
    stress = 1 + 1.9 / (1 + np.exp(-(np.arange(DAYS) - 940) / 9))
    vol = 0.0085 * np.exp(log_vol) * stress
    market = vol * rng.standard_t(5, DAYS) * np.sqrt(3 / 5) + 0.0002
    beta = rng.uniform(0.5, 1.5, len(SYMBOLS))
    own = vol[:, None] * 1.3 * rng.standard_t(5, (DAYS, len(SYMBOLS))) * np.sqrt(3 / 5)
    beta[-1], own[:, -1] = 1.0, 0.0
    clipped: Array = np.clip(market[:, None] * beta + own, -0.35, 0.35)
    return clipped


def _exposures() -> Array:
    """``[node, instrument]`` exposures in node currency; a parent is the sum of its children in its own currency."""
    rows = np.zeros((len(NODES), len(SYMBOLS)))
    for node in reversed(NODES):
        i = INDEX[node.node_id]
        if node.weights:
            rows[i] = np.array(node.weights) * node.notional
        if node.parent_id is not None:
            rate = EUR_USD if node.currency == "EUR" else 1.0
            rows[INDEX[node.parent_id]] += rows[i] * rate
    return rows


def method_weights(method: str) -> Array:
    """Scenario weights, oldest first, adding up to one."""
    age = np.arange(WINDOW)[::-1]
    raw = {"historical": np.ones(WINDOW), "age_weighted": AGE_DECAY**age, "ewma_normal": EWMA_DECAY**age}[method]
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def tail(losses: Array, weights: Array, confidence: float) -> tuple[Array, Array]:
    """Gradients of VaR and ES with respect to the loss vector: the VaR scenario, and the tail weights that sum to one."""
    order = np.argsort(-losses, kind="stable")
    cumulative = np.cumsum(weights[order])
    cut = int(np.searchsorted(cumulative, 1 - confidence - 1e-12))
    var_gradient, es_gradient = np.zeros_like(losses), np.zeros_like(losses)
    var_gradient[order[cut]] = 1.0
    es_gradient[order[:cut]] = weights[order[:cut]]
    es_gradient[order[cut]] = (1 - confidence) - weights[order[:cut]].sum()
    return var_gradient, es_gradient / (1 - confidence)


def gradients(method: str, losses: Array, confidence: float) -> tuple[Array, Array]:
    """Gradients for any method: the tail ones, or those of the weighted standard deviation times a normal multiple."""
    weights = method_weights(method)
    if method != "ewma_normal":
        return tail(losses, weights, confidence)
    z = norm.ppf(confidence)
    slope = weights * losses / np.sqrt(weights @ losses**2)
    return z * slope, norm.pdf(z) / (1 - confidence) * slope


def _forecast(built: Market, method: str) -> None:
    """Fill the forecasts of one method for every day at once: the vectorised twin of :func:`gradients`."""
    losses = np.lib.stride_tricks.sliding_window_view(
        -built.pnl, WINDOW, axis=0
    )  # [day, node, scenario], row k is the forecast for day WINDOW + k
    weights = method_weights(method)
    deviation = np.sqrt((losses**2) @ weights)
    order = np.argsort(-losses, axis=2, kind="stable")
    ranked = np.take_along_axis(losses, order, axis=2)
    cumulative = np.cumsum(weights[order], axis=2)
    for c in CONFIDENCES:
        if method == "ewma_normal":
            var, es = norm.ppf(c) * deviation, norm.pdf(norm.ppf(c)) / (1 - c) * deviation
        else:
            cut = np.argmax(cumulative >= 1 - c - 1e-12, axis=2)
            var = np.take_along_axis(ranked, cut[..., None], axis=2)[..., 0]
            es = (np.diff(np.minimum(cumulative, 1 - c), axis=2, prepend=0.0) * ranked).sum(axis=2) / (1 - c)
        built.var[method][c][WINDOW:], built.es[method][c][WINDOW:] = var, es


@cache
def market(seed: int = 7) -> Market:
    """Build the synthetic market once per process."""
    rng = np.random.default_rng(seed)
    returns = _returns(rng)
    days = np.busday_offset("2005-01-03", np.arange(DAYS), roll="forward").astype(object).tolist()
    exposures = _exposures()
    start = rng.uniform(20, 120, len(SYMBOLS))
    start[-1] = 1_200.0
    built = Market(days, returns, start * np.cumprod(1 + returns, axis=0), exposures, returns @ exposures.T)
    for method in METHODS:
        built.var[method] = {c: np.zeros((DAYS + 1, len(NODES))) for c in CONFIDENCES}
        built.es[method] = {c: np.zeros((DAYS + 1, len(NODES))) for c in CONFIDENCES}
        _forecast(built, method)
    return built
