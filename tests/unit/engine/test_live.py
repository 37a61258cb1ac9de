"""Live vectors against canonical evaluation: any sequence of ticks, fills, splits, currency moves and rolls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from risk_core.engine import kernels
from risk_core.engine.kernels import updates as u
from risk_core.engine.live import LIVE_TOLERANCE, LiveError, LiveVectors
from risk_core.methods import AGE_WEIGHTED, EWMA_NORMAL, HISTORICAL, MeasurePlan, Method
from tests.unit.engine.live_world import CASH, CURRENCIES, FX_COLUMNS, INSTRUMENTS, NODES, World, make_world, random_shocks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def assert_agrees(live: LiveVectors, world: World, quantity: Integers, whole: bool = True) -> None:
    """Everything live shows against a canonical computation from plain positions and prices.

    Reading whole vectors settles what waits; without `whole` pending updates stay pending.
    """
    exposure = kernels.exposures(
        quantity, live.price, live.fx_to_base, world.instrument_currency, world.node_currency, world.absolute, world.cash
    )
    vectors = np.empty((NODES, live.plan.scenarios))
    for p in range(NODES):
        vectors[p] = kernels.pnl_vectors(exposure[p : p + 1], live.shocks[world.node_currency[p]])[0]
    var, es = kernels.evaluate(vectors, live.age_order, *live.plan.arrays)
    largest = np.abs(live.shocks).max(axis=(1, 2))[world.node_currency]
    bound = LIVE_TOLERANCE * np.abs(exposure).sum(axis=1) * largest
    live_var, live_es = live.measures(np.arange(NODES))
    assert (np.abs(live_var - var).max(axis=(1, 2)) <= bound).all()
    assert (np.abs(live_es - es).max(axis=(1, 2)) <= bound).all()
    if whole:
        assert (np.abs(live.vectors - vectors).max(axis=1) <= bound).all()
    fx = live.fx_to_base[world.instrument_currency][None] / live.fx_to_base[world.node_currency][:, None]
    values = quantity / 1e6 * live.price * fx
    scale = np.abs(values).sum(axis=1)
    assert (np.abs(live.market_value - values.sum(axis=1)) <= 1e-9 * scale).all()
    assert (np.abs(live.gross - scale) <= 1e-9 * scale + 1e-9).all()


class LiveBook(RuleBasedStateMachine):
    """Random lives of a book. The positions are kept here a second time, as a plain matrix."""

    @initialize(
        seed=st.integers(0, 2**31),
        scenarios=st.integers(1, 90),
        held=st.sampled_from([0.0, 0.3, 1.0]),
        methods=st.sampled_from([(HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL), (HISTORICAL, AGE_WEIGHTED), (EWMA_NORMAL,)]),
        foreign=st.booleans(),
    )
    def start(self, seed: int, scenarios: int, held: float, methods: tuple[Method, ...], foreign: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.world = make_world(seed, scenarios, held, foreign)
        self.live = self.world.live(MeasurePlan(scenarios, methods))
        self.quantity = self.world.quantity.copy()
        self.live.take_dirty()
        self.touched: set[int] = set()

    @rule(count=st.integers(1, 40), size=st.sampled_from([0.0, 1e-4, 0.02, 0.5]))
    def ticks(self, count: int, size: float) -> None:
        columns = self.rng.integers(0, CASH, count)
        factor = np.exp(size * self.rng.standard_normal(count))
        price = np.where(
            self.world.absolute[columns], self.live.price[columns] + 100 * size * (factor - 1), self.live.price[columns] * factor
        )
        self.live.apply_prices(columns, price)

    @rule(size=st.sampled_from([1e-4, 0.02]))
    def trickle(self, size: float) -> None:
        """Read after every tick: the kept tails follow, and vectors may go stale."""
        for _ in range(u.PENDING + 4):
            column = self.rng.integers(2, FX_COLUMNS[0], 1)
            self.live.apply_prices(column, self.live.price[column] * np.exp(size * self.rng.standard_normal(1)))
            self.live.measures(self.live.take_dirty())

    @rule(which=st.integers(0, 1), factor=st.sampled_from([0.5, 0.999, 1.0, 1.01, 3.0]))
    def rate(self, which: int, factor: float) -> None:
        column = FX_COLUMNS[which]
        self.live.apply_prices(np.array([column]), np.array([self.live.price[column] * factor]))

    @rule(node=st.integers(0, NODES - 1), column=st.integers(0, INSTRUMENTS - 1), change=st.integers(-(10**10), 10**10))
    def fill(self, node: int, column: int, change: int) -> None:
        self.quantity[node, column] += change
        self.live.apply_quantity(node, column, change)
        assert self.live.quantity(node, column) == self.quantity[node, column]

    @rule(node=st.integers(0, NODES - 1))
    def close_out(self, node: int) -> None:
        for column in range(INSTRUMENTS):
            self.live.apply_quantity(node, column, -int(self.quantity[node, column]))
        self.quantity[node] = 0

    @rule(column=st.integers(0, FX_COLUMNS[0] - 1), factor=st.sampled_from([2, 3, 10]))
    def split(self, column: int, factor: int) -> None:
        self.quantity[:, column] *= factor
        self.live.reset_instrument(column, self.live.price[column] / factor, self.quantity[:, column])
        # a hundredth of the positions goes at once, so that repeated splits stay within 64 bits
        keep = self.quantity[:, column] // 100
        self.live.reset_instrument(column, self.live.price[column], keep)
        self.quantity[:, column] = keep

    @rule()
    def roll(self) -> None:
        local, fx = random_shocks(self.rng, 1)
        columns = [
            kernels.currency_shocks(local, fx, self.world.instrument_currency, c, self.world.absolute)[:, 0] for c in range(CURRENCIES)
        ]
        slot = int(self.live.age_order[-1])
        self.live.roll(slot, np.array(columns))
        assert self.live.age_order[0] == slot

    @rule()
    def rebuild(self) -> None:
        self.live.rebuild()

    @rule()
    def read_some(self) -> None:
        self.live.measures(self.live.take_dirty())

    @rule()
    def read_vectors(self) -> None:
        assert_agrees(self.live, self.world, self.quantity)

    @invariant()
    def live_agrees_with_canonical(self) -> None:
        if hasattr(self, "live"):
            assert_agrees(self.live, self.world, self.quantity, whole=False)


TestLiveBook = LiveBook.TestCase
TestLiveBook.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("methods", [(HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL), (HISTORICAL, AGE_WEIGHTED)])
@pytest.mark.parametrize("scenarios", [500, 1000])
def test_long_lives_at_full_size(scenarios: int, methods: tuple[Method, ...]) -> None:
    world = make_world(9, scenarios)
    live = world.live(MeasurePlan(scenarios, methods))
    rng = np.random.default_rng(0)
    for step in range(300):
        columns = rng.integers(0, CASH, 3)
        live.apply_prices(columns, live.price[columns] * np.exp(0.03 * rng.standard_normal(3)))
        if step % 10 == 0:
            assert_agrees(live, world, world.quantity, whole=step % 50 == 0)


def test_vectors_that_no_method_reads_go_stale_and_are_restored() -> None:
    world = make_world(7, 250, 1.0, foreign=False)
    live = world.live(MeasurePlan(250, (HISTORICAL, AGE_WEIGHTED)))
    rng = np.random.default_rng(7)
    stale = 0
    for _ in range(400):
        column = rng.integers(2, 11, 1)
        live.apply_prices(column, live.price[column] * np.exp(1e-3 * rng.standard_normal(1)))
        assert_agrees(live, world, world.quantity, whole=False)
        stale += int((live._tables[2][:, u.STALE] > 0).sum())
    assert stale > 0
    assert_agrees(live, world, world.quantity)
    assert (live._tables[2][:, u.STALE] <= 0).all()
    for _ in range(40):
        column = rng.integers(2, 11, 1)
        live.apply_prices(column, live.price[column] * np.exp(1e-3 * rng.standard_normal(1)))
        live.measures(np.arange(NODES))
    for count in (4, 1, 2, 1, 4):  # more rows than may wait, unseen: the vector is restored, and not dropped again for a while
        live.apply_prices(np.tile(np.arange(2, 11), count), np.tile(live.price[2:11], count) * rng.uniform(0.9, 1.1, 9 * count))
        assert_agrees(live, world, world.quantity, whole=False)
    assert (live._tables[2][:, u.STALE] < 0).all()
    live.apply_quantity(0, 14, 10**7)  # the first foreign holding makes a leg
    live.apply_prices(np.array([FX_COLUMNS[0]]), np.array([live.price[FX_COLUMNS[0]] * 1.2]))
    world.quantity[0, 14] += 10**7
    assert_agrees(live, world, world.quantity)


@pytest.mark.parametrize("methods", [(HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL), (HISTORICAL, AGE_WEIGHTED)])
def test_currencies_that_move_after_many_ticks_were_followed(methods: tuple[Method, ...]) -> None:
    """Nodes with legs: a rate's move reorders scenarios and must find the vector whole."""
    world = make_world(12, 400, 1.0)
    live = world.live(MeasurePlan(400, methods))
    rng = np.random.default_rng(12)
    for round_ in range(40):
        for _ in range(u.PENDING + 3 if round_ % 4 == 0 else 1):
            column = rng.integers(2, 11, 1)
            live.apply_prices(column, live.price[column] * np.exp(1e-3 * rng.standard_normal(1)))
            live.measures(np.arange(NODES))
        which = np.array([FX_COLUMNS[round_ % 2]])
        live.apply_prices(which, live.price[which] * np.exp(0.4 * rng.standard_normal(1)))
        assert_agrees(live, world, world.quantity, whole=False)


def test_one_way_market_keeps_the_tail_exact() -> None:
    """Every tick falls: the kept tail has to be selected again and again."""
    world = make_world(3, 500)
    live = world.live(MeasurePlan(500))
    for _ in range(60):
        columns = np.arange(2, 11)
        live.apply_prices(columns, live.price[columns] * 0.93)
        assert_agrees(live, world, world.quantity)


@pytest.mark.parametrize("methods", [(HISTORICAL,), (AGE_WEIGHTED,), (EWMA_NORMAL,), (EWMA_NORMAL, HISTORICAL)])
def test_any_choice_of_methods(methods: tuple[Any, ...]) -> None:
    world = make_world(6, 120)
    live = world.live(MeasurePlan(120, methods, (0.999, 0.9, 0.99)))
    rng = np.random.default_rng(6)
    for count in (1, 1, 5, 40, 1):
        columns = rng.integers(0, CASH, count)
        live.apply_prices(columns, live.price[columns] * 1.01)
        assert_agrees(live, world, world.quantity, whole=False)


def test_age_weighted_tails_deeper_than_the_room_kept_for_them() -> None:
    """All weight is new and all losses are old: the tail takes in nearly every scenario."""
    world = make_world(8, 400)
    world.shocks[...] = np.where(np.arange(400) < 380, -0.01, 0.01)
    world.shocks[:, CASH:] = 0.0
    world.quantity[...] = np.abs(world.quantity)
    world.age_order = np.arange(400)[::-1].copy()
    live = world.live(MeasurePlan(400))
    assert_agrees(live, world, world.quantity)
    live.apply_prices(np.array([3]), np.array([50.0]))
    assert_agrees(live, world, world.quantity)
    assert live._tails[0].shape[1] > 2 * 21


def test_dirty_nodes_are_the_holders() -> None:
    world = make_world(2)
    world.quantity[:] = 0
    world.quantity[1, 4] = world.quantity[3, 4] = world.quantity[2, 5] = 10**6
    live = world.live(MeasurePlan(60))
    assert live.take_dirty().tolist() == [0, 1, 2, 3]
    live.apply_prices(np.array([4]), np.array([live.price[4] * 1.1]))
    assert live.take_dirty().tolist() == [1, 3]
    live.apply_prices(np.array([4]), np.array([live.price[4]]))
    assert live.take_dirty().tolist() == []


def test_unknown_rate_counts_nothing_until_it_is_known() -> None:
    world = make_world(4)
    world.node_currency[:] = 0
    world.fx_to_base[1] = world.price[FX_COLUMNS[0]] = 0.0
    live = world.live(MeasurePlan(60))
    mine = world.instrument_currency != 1
    assert live.market_value == pytest.approx(
        (world.quantity[:, mine] / 1e6 * world.price[mine] * world.fx_to_base[world.instrument_currency[mine]]).sum(axis=1)
    )
    live.apply_prices(np.array([FX_COLUMNS[0]]), np.array([1.25]))
    assert_agrees(live, world, world.quantity)


def test_worn_nodes_are_rebuilt() -> None:
    """A node that trades in and out of a huge position must not keep its rounding."""
    world = make_world(1)
    live = world.live(MeasurePlan(60))
    for _ in range(3):
        live.apply_quantity(0, 3, 10**17)
        live.apply_prices(np.array([3]), np.array([live.price[3] * 1.1]))
        live.apply_quantity(0, 3, -(10**17))
        assert_agrees(live, world, world.quantity)
    assert (live._states[2][:, u.WEAR] <= u.WORN * live._states[2][:, u.GROSS]).all()


def test_replaced_scenarios() -> None:
    world, other = make_world(1), make_world(2)
    live = world.live(MeasurePlan(60))
    live.replace_shocks(other.shocks, other.age_order)
    assert_agrees(live, world, world.quantity)


def test_wrong_arguments_are_named() -> None:
    world = make_world(1)
    with pytest.raises(LiveError, match="60 scenarios but the plan has 61"):
        world.live(MeasurePlan(61))
    live = world.live(MeasurePlan(60))
    with pytest.raises(LiveError, match="not the oldest"):
        live.roll(int(live.age_order[0]), np.zeros((CURRENCIES, INSTRUMENTS)))
    with pytest.raises(LiveError, match="must have shape"):
        live.roll(int(live.age_order[-1]), np.zeros((CURRENCIES, 3)))
    with pytest.raises(LiveError, match="apply_prices"):
        live.reset_instrument(FX_COLUMNS[0], 3.0, world.quantity[:, FX_COLUMNS[0]])
    world.price[5] = np.nan
    with pytest.raises(LiveError, match=r"price\[5\] is not finite"):
        world.live(MeasurePlan(60))
    world.price[5], world.age_order[0] = 1.0, world.age_order[1]
    with pytest.raises(LiveError, match="every slot once"):
        world.live(MeasurePlan(60))
