"""Live numbers: P&L vectors kept up to date tick by tick, and the measures on them. One thread, no clock."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.engine import kernels
from risk_core.engine.kernels.updates import GROSS, PENDING, VALUE, WEAR
from risk_core.methods import MeasurePlan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LIVE_TOLERANCE: Final = 1e-9
"""Live and canonical agree within LIVE_TOLERANCE * sum |x_j| * max |R_j|."""

_NEGLIGIBLE: Final = 1e-21  # share of variance weight that may be left out: 3e-11 of the largest P&L in sigma


class LiveError(ValueError):
    """Arguments that do not fit the live state; the message says which and how."""


class LiveVectors:
    """Incremental P&L vectors of a set of nodes, with VaR and ES of every method and confidence of a plan.

    All columns and rows are dense indices: instruments N, currencies K, nodes P, groups G (one shock matrix for each currency in which some
    node is valued), scenario slots S.

    Parameters
    ----------
    plan : MeasurePlan
        With `plan.scenarios` = S.
    quantity : int64[P, N]
        Netted positions in millionths.
    price : float64[N]
        Last prices in each instrument's currency; 0.0 where there is none yet.
    fx_to_base : float64[K]
        Base currency per unit: 1.0 for the base, 0.0 while a rate is unknown (its holdings then count nothing).
    instrument_currency : int64[N]
    rate_currency : int64[N]
        For FX instruments the currency whose `fx_to_base` is their price; -1 for all others.
    absolute : bool[N]
        Instruments with absolute shocks.
    cash : int64[N]
        Column of the cash instrument of each instrument's currency (read where `absolute`).
    node_currency, node_group : int64[P]
        Currency of each node, and which of the G shock matrices is in that currency.
    shocks : float64[G, N, S]
        `kernels.currency_shocks` by group. Taken over, not copied, when C-contiguous float64: `roll` writes to it.
    age_order : int64[S]
        Slot of age 0 (newest), 1, …
    """

    def __init__(
        self,
        plan: MeasurePlan,
        *,
        quantity: ArrayLike,
        price: ArrayLike,
        fx_to_base: ArrayLike,
        instrument_currency: ArrayLike,
        rate_currency: ArrayLike,
        absolute: ArrayLike,
        cash: ArrayLike,
        node_currency: ArrayLike,
        node_group: ArrayLike,
        shocks: ArrayLike,
        age_order: ArrayLike,
    ) -> None:
        self.plan = plan
        matrix = np.ascontiguousarray(quantity, np.int64)
        self._nodes_count, self._instruments = matrix.shape
        self.shocks = np.ascontiguousarray(shocks, np.float64)
        self.age_order = np.array(age_order, np.int64)
        self.price = np.array(price, np.float64)
        self.fx_to_base = np.array(fx_to_base, np.float64)
        self._instrument_currency = np.array(instrument_currency, np.int64)
        self._node_currency = np.array(node_currency, np.int64)
        self._check(matrix)
        self._market = (
            self.price,
            self.fx_to_base,
            self._instrument_currency,
            np.array(rate_currency, np.int64),
            np.array(absolute, np.bool_),
            np.array(cash, np.int64),
        )
        self._group = np.array(node_group, np.int64)
        self._link_holdings(matrix)
        self._make_vectors()
        self._make_tails()
        self._load_shocks()
        self.rebuild()

    # --- updates -------------------------------------------------------------------------------------------------------------------

    def apply_prices(self, column: Integers, price: Floats) -> None:
        """Apply ticks in order: `column` int64[n], `price` float64[n]. Cost is linear in the holders of each instrument.

        An FX instrument's tick also reprices every holding in, and every node valued in, its currency, at one pass for each leg.
        """
        if kernels.apply_prices(column, price, self._market, self._holdings, self._nodes, self._vectors):
            self._rebuild_worn()

    def apply_quantity(self, node: int, column: int, change: int) -> None:
        """Add `change` millionths to one node's position, at present prices."""
        self.apply_quantities(np.array([node]), np.array([column]), np.array([change]))

    def apply_quantities(self, node: ArrayLike, column: ArrayLike, change: ArrayLike) -> None:
        """Add position changes, int64[n] each, at present prices; a fill touches a node and its ancestors in one call."""
        rows, columns = np.array(node, np.int64), np.array(column, np.int64)
        holding = np.array([self._holding(int(p), int(j)) for p, j in zip(rows, columns, strict=True)], np.int64)
        if kernels.apply_quantities(holding, np.array(change, np.int64), self._market, self._holdings, self._nodes, self._vectors):
            self._rebuild_worn()

    def reset_instrument(self, column: int, price: float, quantity: ArrayLike) -> None:
        """Set one instrument's price and its quantity in every node (int64[P]) together: a split, or a corrected position."""
        wanted = np.array(quantity, np.int64)
        for p in np.flatnonzero(wanted):
            self._holding(int(p), column)
        if kernels.reset_instrument(column, price, wanted, self._market, self._holdings, self._nodes, self._vectors):
            self._rebuild_worn()

    def roll(self, slot: int, shocks: ArrayLike) -> None:
        """Replace the oldest scenario by the newest: `slot` must be `age_order[-1]`, `shocks` is float64[G, N]."""
        if slot != self.age_order[-1]:
            raise LiveError(f"slot {slot} is not the oldest scenario; that is slot {self.age_order[-1]}")
        column = np.ascontiguousarray(shocks, np.float64)
        if column.shape != self.shocks.shape[:2]:
            raise LiveError(f"new shocks must have shape {self.shocks.shape[:2]} (groups, instruments), not {column.shape}")
        kernels.roll(slot, column, self._market, self._holdings, self._nodes, self._vectors)
        self.age_order = np.concatenate((self.age_order[-1:], self.age_order[:-1]))
        self._weights_by_slot()

    def rebuild(self, nodes: Integers | None = None) -> None:
        """Recompute vectors and values of `nodes` (default: all) from positions, prices and shocks."""
        which = np.arange(self._nodes_count) if nodes is None else np.array(nodes, np.int64)
        kernels.rebuild(which, self._market, self._holdings, self._nodes, self._vectors)
        self._tails[2][which] = 0

    def replace_shocks(self, shocks: ArrayLike, age_order: ArrayLike) -> None:
        """Take a whole new scenario set of the same shape, and rebuild."""
        self.shocks[...] = shocks
        self.age_order = np.array(age_order, np.int64)
        self._load_shocks()
        self.rebuild()

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def take_dirty(self) -> Integers:
        """Return nodes changed since the last call, ascending, and forget them."""
        dirty = np.flatnonzero(self._nodes[7])
        self._nodes[7][dirty] = False
        return dirty

    def measures(self, nodes: Integers) -> tuple[Floats, Floats]:
        """Return (value_at_risk, expected_shortfall), float64[n, M, C] each, exact on the present vectors; `nodes` is int64[n]."""
        var, es = kernels.live_measures(nodes, self.vectors, self._state, self._plan_arrays, self._tails)
        return var, es

    @property
    def vectors(self) -> Floats:
        """P&L by scenario slot, float64[P, S], in each node's currency. A view: do not write."""
        return self._vectors[3]

    @property
    def market_value(self) -> Floats:
        """Market value of each node in its currency, float64[P]. A view."""
        value: Floats = self._state[:, VALUE]
        return value

    @property
    def gross(self) -> Floats:
        """Sum of absolute holdings' values of each node in its currency, float64[P]. A view."""
        gross: Floats = self._state[:, GROSS]
        return gross

    def quantity(self, node: int, column: int) -> int:
        """Return one position in millionths."""
        h = self._find(node, column)
        return int(self._holdings[6][h]) if h >= 0 else 0

    # --- construction --------------------------------------------------------------------------------------------------------------

    def _check(self, quantity: Integers) -> None:
        _, instruments, scenarios = self.shocks.shape
        if scenarios != self.plan.scenarios:
            raise LiveError(f"shocks have {scenarios} scenarios but the plan has {self.plan.scenarios}")
        if instruments != quantity.shape[1] or self.price.shape != (instruments,):
            raise LiveError(f"quantity {quantity.shape}, price {self.price.shape} and shocks {self.shocks.shape} disagree on instruments")
        if not np.array_equal(np.sort(self.age_order), np.arange(scenarios)):
            raise LiveError("age_order must name every slot once")
        for name, values in (("price", self.price), ("fx_to_base", self.fx_to_base), ("shocks", self.shocks)):
            if not np.isfinite(values).all():
                where = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
                raise LiveError(f"{name}{list(where)} is not finite; give 0.0 where a price is not known yet")

    def _link_holdings(self, quantity: Integers) -> None:
        instrument, node = np.nonzero(quantity.T)
        count = instrument.size
        self._used = count
        grow = max(64, count // 4)
        filler = np.full(count + grow, -1, np.int64)
        node_of, instrument_of, held = filler.copy(), filler.copy(), np.zeros(count + grow, np.int64)
        node_of[:count], instrument_of[:count], held[:count] = node, instrument, quantity[node, instrument]
        first_i, next_i = _chains(instrument, self._instruments, filler)
        first_n, next_n = _chains(node, self._nodes_count, filler)
        self._holdings = (first_i, next_i, first_n, next_n, node_of, instrument_of, held)

    def _make_vectors(self) -> None:
        currencies = self.fx_to_base.size
        groups, instruments, scenarios = self.shocks.shape
        nodes = self._nodes_count
        self._state = np.zeros((nodes, 4))
        holders, at = self._holdings[4][: self._used], self._instrument_currency[self._holdings[5][: self._used]]
        pairs = np.unique(holders * currencies + at)
        leg_node, leg_currency = pairs // currencies, pairs % currencies
        foreign = leg_currency != self._node_currency[leg_node]
        leg_node, leg_currency = leg_node[foreign], leg_currency[foreign]
        leg_of = np.full((nodes, currencies), -1, np.int64)
        leg_of[leg_node, leg_currency] = np.arange(leg_node.size)
        self._nodes = (
            self._node_currency,
            self._group,
            leg_of,
            leg_node,
            leg_currency,
            self._state,
            np.zeros((leg_node.size, 2)),
            np.ones(nodes, np.bool_),
        )
        self._vectors = (
            self.shocks,
            np.zeros((groups, instruments)),
            np.zeros((groups, instruments)),
            np.zeros((nodes, scenarios)),
            np.zeros((leg_node.size, scenarios)),
            np.zeros((nodes, PENDING), np.int64),
            np.zeros((nodes, PENDING)),
            np.zeros(nodes, np.int64),
            np.zeros(nodes + 2, np.int64),
        )

    def _make_tails(self) -> None:
        plan, nodes, scenarios = self.plan, self._nodes_count, self.plan.scenarios
        rows = sorted({int(w) for w, empirical in zip(plan.weight_of, plan.empirical, strict=True) if empirical})
        self._tail_row = np.array(rows, np.int64)
        self._tail_of = np.array(
            [rows.index(int(w)) if empirical else -1 for w, empirical in zip(plan.weight_of, plan.empirical, strict=True)], np.int64
        )
        shape = (nodes, len(rows), len(plan.confidences))
        self._tails = (
            np.zeros((nodes, scenarios), np.int64),
            np.zeros((nodes, len(rows), scenarios)),
            np.zeros(nodes, np.int64),
            np.full(nodes, int(plan.tail.max() * scenarios) + 1, np.int64),
            np.zeros(nodes),
            np.zeros(shape, np.int64),
            np.zeros(shape),
        )

    def _load_shocks(self) -> None:
        self._vectors[1][...] = np.maximum(0.0, -self.shocks.min(axis=2))
        self._vectors[2][...] = np.maximum(0.0, self.shocks.max(axis=2))
        self._weights_by_slot()

    def _weights_by_slot(self) -> None:
        plan = self.plan
        weights = np.empty_like(plan.weights)
        weights[:, self.age_order] = plan.weights
        runs = np.zeros((len(weights), 2, 2), np.int64)
        for w, by_age in enumerate(plan.weights):
            left_out = np.cumsum(by_age[::-1])[::-1]
            runs[w] = _runs(self.age_order[left_out > _NEGLIGIBLE * left_out[0]])
        self._plan_arrays = (
            weights,
            runs,
            self._tail_row,
            self._tail_of,
            plan.weight_of,
            plan.tail,
            plan.order,
            plan.quantile,
            plan.density,
        )
        self._tails[2][:] = 0

    # --- growth --------------------------------------------------------------------------------------------------------------------

    def _find(self, node: int, column: int) -> int:
        first, following, _, _, holder, _, _ = self._holdings
        h = int(first[column])
        while h >= 0 and holder[h] != node:
            h = int(following[h])
        return h

    def _holding(self, node: int, column: int) -> int:
        """Return the holding of an instrument by a node, made with quantity 0 if there is none."""
        h = self._find(node, column)
        if h >= 0:
            return h
        if self._used == self._holdings[4].size:
            first_i, next_i, first_n, next_n, node_of, instrument_of, held = self._holdings
            next_i, next_n, node_of, instrument_of = (_grown(a, -1) for a in (next_i, next_n, node_of, instrument_of))
            self._holdings = (first_i, next_i, first_n, next_n, node_of, instrument_of, _grown(held, 0))
        first_i, next_i, first_n, next_n, node_of, instrument_of, held = self._holdings
        h = self._used
        self._used += 1
        next_i[h], first_i[column] = first_i[column], h
        next_n[h], first_n[node] = first_n[node], h
        node_of[h], instrument_of[h], held[h] = node, column, 0
        self._leg(node, int(self._instrument_currency[column]))
        return h

    def _leg(self, node: int, currency: int) -> None:
        """Make a node's leg in a foreign currency if there is none."""
        node_currency, group, leg_of, leg_node, leg_currency, state, leg_state, dirty = self._nodes
        if currency == node_currency[node] or leg_of[node, currency] >= 0:
            return
        leg_of[node, currency] = leg_node.size
        self._nodes = (
            node_currency,
            group,
            leg_of,
            np.append(leg_node, node),
            np.append(leg_currency, currency),
            state,
            np.vstack((leg_state, np.zeros((1, 2)))),
            dirty,
        )
        legs = np.vstack((self._vectors[4], np.zeros((1, self.plan.scenarios))))
        self._vectors = (*self._vectors[:4], legs, *self._vectors[5:])

    def _rebuild_worn(self) -> None:
        worn = np.flatnonzero(self._state[:, WEAR] > kernels.WORN * self._state[:, GROSS])
        self.rebuild(worn)


def _chains(key: Integers, keys: int, filler: Integers) -> tuple[Integers, Integers]:
    """Return (first[keys], next[H]): entries of each key linked in ascending order."""
    first, following = np.full(keys, -1, np.int64), filler.copy()
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    first[ordered[starts]] = order[starts]
    same = ordered[1:] == ordered[:-1]
    following[order[:-1][same]] = order[1:][same]
    return first, following


def _runs(slots: Integers) -> Integers:
    """Return up to two [first, last) runs that cover the slots, int64[2, 2]; one that covers all if they lie in more."""
    ordered = np.sort(slots)
    breaks = np.flatnonzero(np.diff(ordered) > 1)
    if breaks.size > 1:
        return np.array([[ordered[0], ordered[-1] + 1], [0, 0]])
    if breaks.size == 1:
        k = breaks[0]
        return np.array([[ordered[0], ordered[k] + 1], [ordered[k + 1], ordered[-1] + 1]])
    return np.array([[ordered[0], ordered[-1] + 1], [0, 0]])


def _grown(values: Integers, filler: int) -> Integers:
    return np.concatenate((values, np.full(max(64, values.size), filler, np.int64)))
