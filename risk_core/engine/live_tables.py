"""Tables and plan arrays that the live kernels read, built from plain arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.kernels import live_tail as t
from risk_core.engine.kernels import updates as u
from risk_core.methods import MeasurePlan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LINE: Final = 64  # bytes
_NEGLIGIBLE: Final = 1e-21  # share of variance weight that may be left out: 3e-11 of the largest P&L in sigma


def aligned(shape: tuple[int, ...]) -> Floats:
    """Return zeros that begin at a cache line: rows then are read without split loads, a fifth faster."""
    size = int(np.prod(shape))
    raw = np.zeros(size + _LINE // 8)
    start = (-raw.ctypes.data % _LINE) // 8
    return raw[start : start + size].reshape(shape)


def instrument_table(first: Integers, currency: Integers, rate_of: Integers, absolute: NDArray[np.bool_], cash: Integers) -> Integers:
    """Return int64[N, 5]."""
    return np.ascontiguousarray(np.column_stack((first, currency, rate_of, absolute, cash)).astype(np.int64))


def holding_table(quantity: Integers) -> tuple[Integers, Integers, Integers, int]:
    """Return (first holding of each instrument int64[N], of each node int64[P], holdings int64[H, 5] with room to grow, how many).

    Holdings come by instrument, then node.
    """
    instrument, node = np.nonzero(quantity.T)
    used = instrument.size
    table = np.zeros((used + max(64, used // 4), 5), np.int64)
    table[:, [u.NEXT, u.NEXT_OF_NODE]] = -1
    table[:used, u.NODE], table[:used, u.INSTRUMENT], table[:used, u.QUANTITY] = node, instrument, quantity[node, instrument]
    first_of_instrument = _chain(instrument, quantity.shape[1], table[:, u.NEXT])
    first_of_node = _chain(node, quantity.shape[0], table[:, u.NEXT_OF_NODE])
    return first_of_instrument, first_of_node, table, used


def _chain(key: Integers, keys: int, following: Integers) -> Integers:
    """Link the entries of each key in ascending order through `following`; return the first of each, -1 if none."""
    first = np.full(keys, -1, np.int64)
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    first[ordered[starts]] = order[starts]
    same = np.flatnonzero(np.diff(ordered) == 0)
    following[order[same]] = order[same + 1]
    return first


def node_tables(
    currency: Integers, group: Integers, currencies: int, first: Integers, holdings: Integers, instrument_currency: Integers
) -> tuple[Integers, Integers]:
    """Return (nodes int64[P, 8 + K], legs int64[L, 2]): a leg for each foreign currency a node holds something in."""
    nodes = np.zeros((currency.size, u.LEG + currencies), np.int64)
    nodes[:, u.LEG :] = nodes[:, [u.SEEN]] = -1
    nodes[:, u.NODE_CURRENCY], nodes[:, u.GROUP], nodes[:, u.DIRTY], nodes[:, u.FIRST_OF_NODE] = currency, group, 1, first
    pairs = np.unique(holdings[:, u.NODE] * currencies + instrument_currency[holdings[:, u.INSTRUMENT]])
    node, foreign = pairs // currencies, pairs % currencies
    kept = foreign != currency[node]
    legs = np.ascontiguousarray(np.column_stack((node[kept], foreign[kept])).astype(np.int64))
    nodes[legs[:, u.LEG_NODE], u.LEG + legs[:, u.LEG_CURRENCY]] = np.arange(len(legs))
    nodes[:, u.LEGS] = np.bincount(legs[:, u.LEG_NODE], minlength=len(nodes))
    return nodes, legs


def shock_bounds(shocks: Floats) -> Floats:
    """Return the largest fall and rise of each row, float64[G, N, 2]."""
    bounds = np.empty((*shocks.shape[:2], 2))
    bounds[..., u.FALL] = np.maximum(0.0, -shocks.min(axis=2))
    bounds[..., u.RISE] = np.maximum(0.0, shocks.max(axis=2))
    return bounds


def live_plan(plan: MeasurePlan, age_order: Integers) -> t.LivePlan:
    """Return the plan's arrays with weights by slot instead of by age."""
    weights = np.empty_like(plan.weights)
    weights[:, age_order] = plan.weights
    runs = np.zeros((len(weights), 2, 2), np.int64)
    for w, by_age in enumerate(plan.weights):
        left_out = np.cumsum(by_age[::-1])[::-1]
        runs[w] = _runs(age_order[left_out > _NEGLIGIBLE * left_out[0]])
    rows = sorted({int(w) for w, empirical in zip(plan.weight_of, plan.empirical, strict=True) if empirical})
    methods = [(rows.index(int(w)) if empirical else -1, int(w)) for w, empirical in zip(plan.weight_of, plan.empirical, strict=True)]
    levels = np.ascontiguousarray(np.column_stack((plan.tail, plan.quantile, plan.density, 1.0 / plan.tail)))
    return weights, runs, np.array(rows, np.int64), np.array(methods, np.int64), levels, plan.order


def empty_tails(plan: MeasurePlan, nodes: int, room: int = 0) -> t.Tails:
    """Return kept tails of no scenario yet, with room for at least twice the widest equally weighted tail."""
    tails = len({int(w) for w, empirical in zip(plan.weight_of, plan.empirical, strict=True) if empirical})
    widest = int(plan.tail.max() * plan.scenarios) + 1
    depth = min(plan.scenarios, max(room, 2 * widest, 64))
    size = np.zeros((nodes, 2), np.int64)
    size[:, t.NEEDED] = widest
    shape = (nodes, tails, len(plan.confidences))
    return (
        np.zeros((nodes, depth), np.uint32),
        np.zeros((nodes, depth)),
        np.zeros((nodes, tails, depth)),
        size,
        np.zeros(shape, np.int64),
        np.zeros(shape),
    )


def _runs(slots: Integers) -> Integers:
    """Return up to two [first, last) runs that cover the slots, int64[2, 2]; one that covers all if they lie in more."""
    ordered = np.sort(slots)
    breaks = np.flatnonzero(np.diff(ordered) > 1)
    if breaks.size != 1:
        return np.array([[ordered[0], ordered[-1] + 1], [0, 0]])
    k = breaks[0]
    return np.array([[ordered[0], ordered[k] + 1], [ordered[k + 1], ordered[-1] + 1]])
