"""Live numbers: P&L vectors kept up to date tick by tick, and the measures on them. One thread, no clock."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.engine import kernels
from risk_core.engine import live_tables as tables
from risk_core.engine.kernels import updates as u
from risk_core.engine.kernels.live_tail import KEPT
from risk_core.methods import MeasurePlan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LIVE_TOLERANCE: Final = 1e-9
"""Live and canonical agree within LIVE_TOLERANCE * sum |x_j| * max |R_j|."""

_NONE: Final = np.zeros(0, np.int64)


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
        `kernels.currency_shocks` by group. Copied.
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
        positions = np.ascontiguousarray(quantity, np.int64)
        given = np.asarray(shocks, np.float64)
        self.shocks = tables.aligned(given.shape)
        self.shocks[...] = given
        self.age_order = np.array(age_order, np.int64)
        self.price = np.array(price, np.float64)
        self.fx_to_base = np.array(fx_to_base, np.float64)
        currency = np.array(instrument_currency, np.int64)
        valued_in = np.array(node_currency, np.int64)
        self._check(positions, currency, valued_in)
        nodes, scenarios = positions.shape[0], plan.scenarios
        first, first_of_node, holdings, self._used = tables.holding_table(positions)
        node_table, legs = tables.node_tables(
            valued_in, np.array(node_group, np.int64), self.fx_to_base.size, first_of_node, holdings[: self._used], currency
        )
        self._tables = (
            tables.instrument_table(
                first, currency, np.array(rate_currency, np.int64), np.array(absolute, np.bool_), np.array(cash, np.int64)
            ),
            holdings,
            node_table,
            legs,
        )
        self._states = (
            self.price,
            self.fx_to_base,
            np.zeros((nodes, 5)),
            np.zeros((len(legs), 2)),
            tables.aligned((nodes, scenarios)),
            tables.aligned((len(legs), scenarios)),
            np.zeros((nodes, u.PENDING), np.int64),
            np.zeros((nodes, u.PENDING)),
        )
        self._tails = tables.empty_tails(plan, nodes)
        self._load_shocks()
        self.rebuild()

    # --- updates -------------------------------------------------------------------------------------------------------------------

    def apply_prices(self, column: Integers, price: Floats) -> None:
        """Apply ticks in order: `column` int64[n], `price` float64[n], C-contiguous. Cost is linear in the holders of each instrument.

        An FX instrument's tick also reprices every holding in, and every node valued in, its currency, at one pass for each leg.
        """
        if kernels.apply(column, price, _NONE, _NONE, self.shocks, self._bounds, self._tables, self._states):
            self._rebuild_worn()

    def apply_quantity(self, node: int, column: int, change: int) -> None:
        """Add `change` millionths to one node's position, at present prices. A fill is one call for its node and each ancestor."""
        h = self._holding(node, column)
        holdings = self._tables[1]
        self._set_holdings(np.array([h]), holdings[[h], u.QUANTITY] + change, float(self.price[column]))

    def reset_instrument(self, column: int, price: float, quantity: ArrayLike) -> None:
        """Set one instrument's price and its quantity in every node (int64[P]) together: a split, or a corrected position.

        Raises
        ------
        LiveError
            For an FX instrument whose price changes: a rate moves by `apply_prices`.
        """
        instruments = self._tables[0]
        if instruments[column, u.RATE_OF] >= 0 and price != self.price[column]:
            raise LiveError(f"instrument column {column} is an FX rate; move it with apply_prices")
        wanted = np.array(quantity, np.int64)
        for p in np.flatnonzero(wanted):
            self._holding(int(p), column)
        holdings = self._tables[1]
        holding = np.flatnonzero(holdings[: self._used, u.INSTRUMENT] == column)
        self._set_holdings(holding, wanted[holdings[holding, u.NODE]], price)
        self.price[column] = price

    def roll(self, slot: int, shocks: ArrayLike) -> None:
        """Replace the oldest scenario by the newest: `slot` must be `age_order[-1]`, `shocks` is float64[G, N]."""
        if slot != self.age_order[-1]:
            raise LiveError(f"slot {slot} is not the oldest scenario; that is slot {self.age_order[-1]}")
        column = np.ascontiguousarray(shocks, np.float64)
        if column.shape != self.shocks.shape[:2]:
            raise LiveError(f"new shocks must have shape {self.shocks.shape[:2]} (groups, instruments), not {column.shape}")
        kernels.settle(self.shocks, self._tables, self._states)
        kernels.roll(slot, column, self.shocks, self._bounds, self._tables, self._states)
        self.age_order = np.concatenate((self.age_order[-1:], self.age_order[:-1]))
        self._load_ages()

    def rebuild(self, nodes: Integers | None = None) -> None:
        """Recompute vectors and values of `nodes` (default: all) from positions, prices and shocks."""
        _, holdings, node_table, legs = self._tables
        _, _, state, leg_state, vector, leg_vector, _, _ = self._states
        which = np.arange(len(node_table)) if nodes is None else np.array(nodes, np.int64)
        chosen = np.zeros(len(node_table), np.bool_)
        chosen[which] = True
        mine = np.flatnonzero(chosen[legs[:, u.LEG_NODE]])
        vector[which], leg_vector[mine], state[which], leg_state[mine] = 0.0, 0.0, 0.0, 0.0
        node_table[which, u.WAITING] = 0
        node_table[which, u.STALE] = 0
        node_table[which, u.SEEN] = -1
        node_table[which, u.DIRTY] = 1
        # from nothing to what is held
        holding = np.flatnonzero(chosen[holdings[:, u.NODE]] & (holdings[:, u.QUANTITY] != 0))
        quantity, column = holdings[holding, u.QUANTITY], holdings[holding, u.INSTRUMENT]
        holdings[holding, u.QUANTITY] = 0
        if holding.size:
            kernels.apply(column, self.price[column], holding, quantity, self.shocks, self._bounds, self._tables, self._states)
        state[which, u.WEAR] = 0.0
        self._tails[3][which, KEPT] = 0

    def replace_shocks(self, shocks: ArrayLike, age_order: ArrayLike) -> None:
        """Take a whole new scenario set of the same shape, and rebuild."""
        self.shocks[...] = shocks
        self.age_order = np.array(age_order, np.int64)
        self._load_shocks()
        self.rebuild()

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def take_dirty(self) -> Integers:
        """Return nodes changed since the last call, int64 ascending, and forget them."""
        flags = self._tables[2][:, u.DIRTY]
        dirty = np.flatnonzero(flags)
        flags[dirty] = 0
        return dirty

    def measures(self, nodes: Integers) -> tuple[Floats, Floats]:
        """Return (value_at_risk, expected_shortfall), float64[n, M, C] each, exact on the present vectors; `nodes` is int64[n]."""
        while True:
            var, es, room = kernels.live_measures(nodes, self.shocks, self._tables, self._states, self._plan, self._tails)
            if room == 0:
                return var, es
            self._tails = tables.empty_tails(self.plan, len(self._tables[2]), 2 * room)

    @property
    def vectors(self) -> Floats:
        """P&L by scenario slot, float64[P, S], in each node's currency, up to date at the time of the call. A view: do not write."""
        kernels.settle(self.shocks, self._tables, self._states)
        return self._states[4]

    @property
    def market_value(self) -> Floats:
        """Market value of each node in its currency, float64[P]. A view."""
        value: Floats = self._states[2][:, u.VALUE]
        return value

    @property
    def gross(self) -> Floats:
        """Sum of absolute holdings' values of each node in its currency, float64[P]. A view."""
        gross: Floats = self._states[2][:, u.GROSS]
        return gross

    def quantity(self, node: int, column: int) -> int:
        """Return one position in millionths."""
        h = self._find(node, column)
        return int(self._tables[1][h, u.QUANTITY]) if h >= 0 else 0

    # --- inside --------------------------------------------------------------------------------------------------------------------

    def _check(self, quantity: Integers, instrument_currency: Integers, node_currency: Integers) -> None:
        _, instruments, scenarios = self.shocks.shape
        if scenarios != self.plan.scenarios:
            raise LiveError(f"shocks have {scenarios} scenarios but the plan has {self.plan.scenarios}")
        if not quantity.shape[1] == instruments == self.price.size == instrument_currency.size:
            raise LiveError(f"quantity {quantity.shape}, price {self.price.shape} and shocks {self.shocks.shape} disagree on instruments")
        if node_currency.size != quantity.shape[0]:
            raise LiveError(f"quantity has {quantity.shape[0]} nodes but node_currency {node_currency.size}")
        if not np.array_equal(np.sort(self.age_order), np.arange(scenarios)):
            raise LiveError("age_order must name every slot once")
        for name, values in (("price", self.price), ("fx_to_base", self.fx_to_base), ("shocks", self.shocks)):
            if not np.isfinite(values).all():
                where = [int(k) for k in np.argwhere(~np.isfinite(values))[0]]
                raise LiveError(f"{name}{where} is not finite; give 0.0 where a price is not known yet")

    def _load_shocks(self) -> None:
        self._bounds = tables.shock_bounds(self.shocks)
        self._load_ages()

    def _load_ages(self) -> None:
        self._plan = tables.live_plan(self.plan, self.age_order)
        self._tails[3][:, KEPT] = 0

    def _set_holdings(self, holding: Integers, quantity: Integers, price: float) -> None:
        column = self._tables[1][holding, u.INSTRUMENT]
        prices = np.full(holding.size, price)
        if holding.size and kernels.apply(column, prices, holding, quantity, self.shocks, self._bounds, self._tables, self._states):
            self._rebuild_worn()

    def _rebuild_worn(self) -> None:
        state = self._states[2]
        self.rebuild(np.flatnonzero(state[:, u.WEAR] > u.WORN * state[:, u.GROSS]))

    def _find(self, node: int, column: int) -> int:
        instruments, holdings, _, _ = self._tables
        h = int(instruments[column, u.FIRST])
        while h >= 0 and holdings[h, u.NODE] != node:
            h = int(holdings[h, u.NEXT])
        return h

    def _holding(self, node: int, column: int) -> int:
        """Return the holding of an instrument by a node, made with quantity 0 if there is none."""
        h = self._find(node, column)
        if h >= 0:
            return h
        instruments, holdings, nodes, legs = self._tables
        if self._used == len(holdings):
            holdings = np.vstack((holdings, np.zeros_like(holdings)))
            self._tables = (instruments, holdings, nodes, legs)
        h = self._used
        self._used += 1
        holdings[h] = instruments[column, u.FIRST], node, column, 0, nodes[node, u.FIRST_OF_NODE]
        instruments[column, u.FIRST] = nodes[node, u.FIRST_OF_NODE] = h
        self._leg(node, int(instruments[column, u.CURRENCY]))
        return h

    def _leg(self, node: int, currency: int) -> None:
        """Make a node's leg in a foreign currency if there is none."""
        instruments, holdings, nodes, legs = self._tables
        if currency == nodes[node, u.NODE_CURRENCY] or nodes[node, u.LEG + currency] >= 0:
            return
        kernels.settle(self.shocks, self._tables, self._states)  # a node with legs has no stale vector
        nodes[node, u.LEG + currency] = len(legs)
        nodes[node, u.LEGS] += 1
        self._tables = (instruments, holdings, nodes, np.vstack((legs, [[node, currency]])))
        price, fx, state, leg_state, vector, leg_vector, row, size = self._states
        leg_state = np.vstack((leg_state, np.zeros((1, 2))))
        leg_vector = np.vstack((leg_vector, np.zeros((1, self.plan.scenarios))))
        self._states = (price, fx, state, leg_state, vector, leg_vector, row, size)
