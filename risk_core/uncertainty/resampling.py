"""Which scenarios a resample holds: independent draws, or blocks that keep neighbours together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.measures.checks import MeasureError
from risk_core.uncertainty.block_length import pnl_block_length

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CELLS: Final = 1 << 20  # indices held at once; part of what a seed means


class Scheme(StrEnum):
    """How a resample is drawn."""

    IID = "iid"
    """Scenario by scenario: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979) 1-26."""
    STATIONARY = "stationary"
    """Blocks of geometric length on the circle: D. N. Politis and J. P. Romano, "The stationary bootstrap", Journal of the American
    Statistical Association 89 (1994) 1303-1313."""
    CIRCULAR = "circular"
    """Blocks of one length on the circle: D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data", in
    Exploring the Limits of Bootstrap (1992) 263-270."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """A bootstrap, as data: the same values give the same bits.

    Parameters
    ----------
    resamples : int
        At least 2.
    scheme : Scheme or str
    block_length : float or None
        In scenarios: the mean length for "stationary", rounded up to a whole length for "circular", not read by "iid". None: chosen from
        the data by `pnl_block_length`.
    seed : int
        Not negative; of PCG64.
    """

    resamples: int = 1000
    scheme: Scheme = Scheme.STATIONARY
    block_length: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "scheme", Scheme(self.scheme))
        except ValueError:
            raise MeasureError(f"unknown scheme {self.scheme!r}; choose one of {', '.join(Scheme)}") from None
        for name, value, least in (("resamples", self.resamples, 2), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise MeasureError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if self.block_length is not None and not (self.block_length >= 1.0 and isfinite(self.block_length)):
            raise MeasureError(f"block_length counts scenarios and must be at least 1, not {self.block_length!r}")

    def block(self, pnl: Floats) -> float:
        """Return the block length for a P&L vector in time order: as given, or chosen; 1 for "iid", at most the length of the vector."""
        if self.scheme is Scheme.IID:
            return 1.0
        length = self.block_length
        if length is None:
            chosen = pnl_block_length(pnl)
            length = chosen.stationary if self.scheme is Scheme.STATIONARY else chosen.circular
        length = min(float(length), float(pnl.size))
        return float(ceil(length)) if self.scheme is Scheme.CIRCULAR else length

    def indices(self, pnl: Floats) -> Iterator[Integers]:
        """Yield positions in the vector, int64[b, S] at a time, until `resamples` rows are drawn."""
        block = self.block(pnl)
        random = np.random.Generator(np.random.PCG64(self.seed))
        rows = max(1, _CELLS // pnl.size)
        for start in range(0, self.resamples, rows):
            yield _DRAWS[self.scheme](random, min(rows, self.resamples - start), pnl.size, block)


def _independent(random: np.random.Generator, rows: int, count: int, block: float) -> Integers:
    return random.integers(0, count, (rows, count))


def _stationary(random: np.random.Generator, rows: int, count: int, block: float) -> Integers:
    fresh = random.random((rows, count)) * block < 1.0
    fresh[:, 0] = True
    at = np.flatnonzero(fresh.ravel())
    starts = random.integers(0, count, at.size)
    drawn = np.repeat(starts - at, np.diff(at, append=rows * count))
    drawn += np.arange(rows * count)
    drawn[drawn >= count] -= count  # a block is never longer than the row
    return drawn.reshape(rows, count)


def _circular(random: np.random.Generator, rows: int, count: int, block: float) -> Integers:
    length = int(block)
    starts = random.integers(0, count, (rows, ceil(count / length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(rows, -1)[:, :count]
    return np.where(drawn >= count, drawn - count, drawn)


_DRAWS: Final = {Scheme.IID: _independent, Scheme.STATIONARY: _stationary, Scheme.CIRCULAR: _circular}
