"""Simulated p-values: independent exceptions from a seed, and Monte Carlo tests of Dwass and Barnard."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.backtests.result import BacktestError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEFAULT_SIMULATIONS: Final = 999
DEFAULT_SEED: Final = 0
_MOST_CELLS: Final = 200_000_000
_TIE: Final = 1e-9


@lru_cache(maxsize=4)
def simulated_hits(observations: int, rate: float, simulations: int, seed: int) -> Bools:
    """Return independent exceptions of probability `rate`, read-only bool[simulations, N]: the same bits for the same seed.

    Raises
    ------
    BacktestError
        If that is more than 200 million days.
    """
    if observations * simulations > _MOST_CELLS:
        raise BacktestError(f"{simulations} simulations of {observations} days are too many; ask for at most {_MOST_CELLS // observations}")
    random = np.random.Generator(np.random.PCG64(seed))
    hits = np.asarray(random.random((simulations, observations)) < rate)
    hits.flags.writeable = False
    return hits


def simulated_p_value(statistic: float, null: Floats) -> tuple[float, int]:
    """Return ((1 + draws at least as large) / (1 + draws), draws): a valid p-value for any number of draws. NaN draws do not count."""
    known = null[~np.isnan(null)]
    beyond = int((known >= statistic - _TIE * (1.0 + abs(statistic))).sum())
    return (1.0 + beyond) / (1.0 + known.size), int(known.size)


def simulated_details(draws: int, seed: int) -> dict[str, float | int | str]:
    """Return what a result says about its simulated p-value."""
    return {"p_value_exact_method": "simulated", "simulations": draws, "seed": seed}


def checked_simulations(simulations: int) -> int:
    """Return a number of simulations, 0 for none.

    Raises
    ------
    BacktestError
        If it is negative or not whole.
    """
    if int(simulations) != simulations or simulations < 0:
        raise BacktestError(f"simulations must be a whole number, 0 for none, not {simulations!r}")
    return int(simulations)


NOT_ASKED: Final[dict[str, float | int | str]] = {"p_value_exact_reason": "no simulations were asked for"}
