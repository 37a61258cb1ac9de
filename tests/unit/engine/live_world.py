"""A small market with three currencies, absolute shocks, FX and cash instruments, for kernel and live tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from risk_core.engine import kernels
from risk_core.engine.live import LiveVectors
from risk_core.methods import MeasurePlan

CURRENCIES = 3
NODES = 4
INSTRUMENTS = 16
"""Columns 0, 1: absolute shocks; 2 to 10: equities; 11, 12: FX; 13 to 15: cash of each currency."""
FX_COLUMNS = (11, 12)
CASH = 13


@dataclass
class World:
    quantity: NDArray[np.int64]
    price: NDArray[np.float64]
    fx_to_base: NDArray[np.float64]
    instrument_currency: NDArray[np.int64]
    rate_currency: NDArray[np.int64]
    absolute: NDArray[np.bool_]
    node_currency: NDArray[np.int64]
    shocks_local: NDArray[np.float64]
    fx_shocks: NDArray[np.float64]
    age_order: NDArray[np.int64]
    cash: NDArray[np.int64] = field(init=False)
    shocks: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.cash = CASH + self.instrument_currency
        self.shocks = np.stack([self.seen_from(c) for c in range(CURRENCIES)])

    def seen_from(self, currency: int) -> NDArray[np.float64]:
        out: NDArray[np.float64] = kernels.currency_shocks(
            self.shocks_local, self.fx_shocks, self.instrument_currency, currency, self.absolute
        )
        return out

    def live(self, plan: MeasurePlan) -> LiveVectors:
        return LiveVectors(
            plan,
            quantity=self.quantity,
            price=self.price,
            fx_to_base=self.fx_to_base,
            instrument_currency=self.instrument_currency,
            rate_currency=self.rate_currency,
            absolute=self.absolute,
            cash=self.cash,
            node_currency=self.node_currency,
            node_group=self.node_currency,
            shocks=self.shocks.copy(),
            age_order=self.age_order,
        )


def random_shocks(rng: np.random.Generator, scenarios: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (local shocks [N, S], FX shocks [K, S])."""
    local = rng.standard_t(4, (INSTRUMENTS, scenarios)).clip(-20, 20) * 0.01
    local[:2] *= 40.0
    local[CASH:] = 0.0
    fx = np.zeros((CURRENCIES, scenarios))
    fx[1:] = local[list(FX_COLUMNS)]
    return local, fx


def make_world(seed: int, scenarios: int = 60, held: float = 0.6, foreign: bool = True) -> World:
    """Return a random market and book; without `foreign` everything held, and every node, is in the base currency."""
    rng = np.random.default_rng(seed)
    currency = rng.integers(0, CURRENCIES, INSTRUMENTS) * foreign
    currency[list(FX_COLUMNS)] = 0
    currency[CASH:] = range(CURRENCIES)
    rate = np.full(INSTRUMENTS, -1)
    rate[list(FX_COLUMNS)] = (1, 2)
    price = rng.uniform(5.0, 200.0, INSTRUMENTS)
    price[0] = -12.5
    price[CASH:] = 1.0
    fx = np.ones(CURRENCIES)
    fx[1:] = price[list(FX_COLUMNS)] = rng.uniform(0.5, 2.0, 2)
    local, fx_shocks = random_shocks(rng, scenarios)
    shape = (NODES, INSTRUMENTS)
    quantity = rng.integers(-(10**9), 10**9, shape) * (rng.random(shape) < held)
    quantity[:, CASH + 1 :] *= foreign
    return World(
        quantity=quantity,
        price=price,
        fx_to_base=fx,
        instrument_currency=currency,
        rate_currency=rate,
        absolute=np.arange(INSTRUMENTS) < 2,
        node_currency=rng.integers(0, CURRENCIES, NODES) * foreign,
        shocks_local=local,
        fx_shocks=fx_shocks,
        age_order=rng.permutation(scenarios),
    )
