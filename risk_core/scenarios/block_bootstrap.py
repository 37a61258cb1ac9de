"""Bootstrap scenarios: paths of historical days drawn in blocks, compounded to moves over a horizon.

Whole days are drawn, so instruments keep their dependence, and days in a row, so volatility keeps its clusters within a horizon.
D. N. Politis and J. P. Romano, "The stationary bootstrap", Journal of the American Statistical Association 89 (1994) 1303-1313; "A
circular block-resampling procedure for stationary data", in Exploring the Limits of Bootstrap (1992) 263-270.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.move_checks import Index, checked_count, checked_moves, index_series
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.simulated import DRAWS
from risk_core.uncertainty.resampling import Resampling, Scheme

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def bootstrap_moves(
    moves: ArrayLike,
    seed: int,
    *,
    draws: int = DRAWS,
    horizon: int = 1,
    scheme: Scheme = Scheme.STATIONARY,
    block_length: float | None = None,
    absolute: ArrayLike | None = None,
) -> Floats:
    """Return joint moves over a horizon, float64[N, draws], each compounded from a path of historical days.

    Parameters
    ----------
    moves : float64[N, S]
        Historical, of one day each, oldest first. Finite.
    seed : int
        Not negative; of PCG64.
    draws : int
        Independent paths, at least 1.
    horizon : int
        Days of a path, at least 1. At 1 the set is historical simulation with noise added.
    scheme : Scheme or str
        "stationary": blocks of geometric length; "circular": of one length; "iid": days by themselves. The first block of a path is whole.
    block_length : float or None
        Mean length for "stationary", rounded up for "circular", at most S. None: that of the mean move of all instruments
        (`pnl_block_length`: of the series or of its absolute value, the longer).
    absolute : bool[N], optional
        Instruments whose moves are price differences and add up; the others are simple returns and compound: prod(1 + r) - 1.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, a return below -1, or impossible draws, horizon or `absolute`.
    MeasureError
        For an unknown scheme, an impossible block length or seed.
    """
    given = checked_moves(moves)
    paths, days = checked_count(draws, "draws", 1), checked_count(horizon, "horizon", 1)
    adding = _adding(given, absolute)
    path = bootstrap_days(index_series(given, Index.EQUAL), seed, draws=paths, horizon=days, scheme=scheme, block_length=block_length)
    steps = np.ascontiguousarray(path.T)
    joint = np.zeros((given.shape[0], paths))
    for row, total, adds in zip(given, joint, adding, strict=True):  # row by row: each fits into the cache
        for day in steps:
            total += row[day] if adds else row[day] * (1.0 + total)
    return joint


def bootstrap_days(
    series: ArrayLike, seed: int, *, draws: int, horizon: int, scheme: Scheme = Scheme.STATIONARY, block_length: float | None = None
) -> Integers:
    """Return the days of each path, int64[draws, horizon], positions in the series that sets the block length.

    Parameters are those of `bootstrap_moves`; `series` is float64[S], in time order.
    """
    values = np.asarray(series, np.float64)
    block = Resampling(scheme=scheme, block_length=block_length, seed=seed).block(values)
    random = np.random.Generator(np.random.PCG64(seed))
    return _PATHS[Scheme(scheme)](random, draws, horizon, values.size, block)


def _stationary(random: np.random.Generator, draws: int, horizon: int, count: int, block: float) -> Integers:
    fresh = random.random((draws, horizon)) * block < 1.0
    fresh[:, 0] = True
    at = np.flatnonzero(fresh.ravel())
    first = random.integers(0, count, at.size) - at
    days: Integers = (np.repeat(first, np.diff(at, append=draws * horizon)) + np.arange(draws * horizon)) % count
    return days.reshape(draws, horizon)


def _circular(random: np.random.Generator, draws: int, horizon: int, count: int, block: float) -> Integers:
    length = int(block)
    starts = random.integers(0, count, (draws, ceil(horizon / length)))
    days: Integers = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :horizon] % count
    return days


_PATHS: Final[Mapping[Scheme, Callable[[np.random.Generator, int, int, int, float], Integers]]] = {
    Scheme.IID: _circular,  # blocks of one day
    Scheme.STATIONARY: _stationary,
    Scheme.CIRCULAR: _circular,
}


def _adding(given: Floats, absolute: ArrayLike | None) -> NDArray[np.bool_]:
    adding = np.zeros(given.shape[0], np.bool_) if absolute is None else np.asarray(absolute, np.bool_)
    if adding.shape != (given.shape[0],):
        raise ScenarioError(f"absolute must have one entry for each of the {given.shape[0]} instruments, not shape {adding.shape}")
    low = np.argwhere((given < -1.0) & ~adding[:, None])
    if low.size:
        row, column = (int(i) for i in low[0])
        raise ScenarioError(
            f"the move of instrument {row} in scenario {column} is {given[row, column]:g}, no simple return; "
            "name the instrument in absolute to add its moves up"
        )
    return adding
