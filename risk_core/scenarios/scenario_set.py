"""A scenario set: S joint moves of N instruments, with weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class ScenarioError(ValueError):
    """A scenario set that cannot be built; the message says which instrument or date, and how to mend it."""


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioSet:
    """Joint moves, instrument-major.

    Parameters
    ----------
    name : str
        How it was built.
    instruments : tuple of str
        Row labels, N.
    dates : datetime64[S]
        Day of each scenario, oldest first.
    shocks : float64[N, S]
        Simple returns, or price differences for `absolute` instruments, in each instrument's own currency. Finite.
    weights : float64[S]
        Not negative.
    absolute : bool[N]
        Instruments whose shocks are price differences.
    proxied : bool[N, S]
        Moves that were filled in from a proxy.

    Raises
    ------
    ScenarioError
        If shapes disagree or a shock or weight is not finite.
    """

    name: str
    instruments: tuple[str, ...]
    dates: NDArray[np.datetime64]
    shocks: Floats
    weights: Floats
    absolute: NDArray[np.bool_]
    proxied: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, s = len(self.instruments), len(self.dates)
        if len(set(self.instruments)) != n:
            raise ScenarioError("each instrument may be listed once")
        for what, array, shape in (
            ("shocks", self.shocks, (n, s)),
            ("weights", self.weights, (s,)),
            ("absolute", self.absolute, (n,)),
            ("proxied", self.proxied, (n, s)),
        ):
            if array.shape != shape:
                raise ScenarioError(f"{what} must have shape {shape}, not {array.shape}")
        bad = np.argwhere(~np.isfinite(self.shocks))
        if bad.size:
            j, k = bad[0]
            raise ScenarioError(f"the move of {self.instruments[j]} on {self.dates[k]} is {self.shocks[j, k]}")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0.0).all() and self.weights.any()):
            raise ScenarioError("weights must be finite, not negative, and not all zero")

    @property
    def age_order(self) -> NDArray[np.int64]:
        """Column of age 0 (newest), 1, …, as `kernels.evaluate` takes it."""
        return np.arange(len(self.dates))[::-1].copy()

    @property
    def as_of(self) -> np.datetime64:
        """Day of the newest scenario."""
        newest: np.datetime64 = self.dates[-1]
        return newest

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything that enters a number."""
        digest = hashlib.sha256(repr((self.instruments, self.shocks.shape)).encode())
        for array in (self.dates.astype("datetime64[ns]").astype(np.int64), self.shocks, self.weights, self.absolute, self.proxied):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def with_weights(self, weights: ArrayLike, name: str | None = None) -> ScenarioSet:
        """Return the same moves with other weights, float64[S], oldest first."""
        return replace(self, weights=np.ascontiguousarray(weights, np.float64), name=self.name if name is None else name)

    def exposures(self, by_instrument: Mapping[str, float]) -> Floats:
        """Return exposures float64[N] in the order of the set from a mapping; instruments left out are 0.

        Raises
        ------
        ScenarioError
            For an instrument that the set does not have.
        """
        unknown = sorted(set(by_instrument) - set(self.instruments))
        if unknown:
            raise ScenarioError(f"the set has no instrument {', '.join(map(repr, unknown))}")
        return np.array([float(by_instrument.get(i, 0.0)) for i in self.instruments])

    def contributions(self, exposure: ArrayLike) -> Floats:
        """Return the P&L of each holding by scenario, float64[N, S], gains positive.

        `exposure` float64[N] is the market value in currency (for absolute instruments: the number of units).
        """
        x = np.asarray(exposure, np.float64)
        if x.shape != (len(self.instruments),):
            raise ScenarioError(f"exposure must have shape ({len(self.instruments)},), not {x.shape}")
        result: Floats = x[:, None] * self.shocks
        return result

    def pnl(self, exposure: ArrayLike) -> Floats:
        """Return the P&L vector float64[S] of a book: the sum of `contributions`, instrument after instrument."""
        result: Floats = np.add.accumulate(self.contributions(exposure), axis=0)[-1]
        return result
