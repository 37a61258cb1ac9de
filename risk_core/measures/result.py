"""What a measure returns: a number with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions


class Status(StrEnum):
    """How far a number can be trusted."""

    OK = "ok"
    THIN_TAIL = "thin_tail"
    """The tail holds less than one (effective) scenario: the number is close to the worst loss, whatever the confidence."""
    EMPTY_TAIL = "empty_tail"
    """No scenario lies strictly beyond VaR: the number is VaR itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A risk number with its gradient and its papers.

    Parameters
    ----------
    value : float
        Loss positive, in the unit of the P&L; negative where even the tail gains. Never clipped.
    gradient : float64[S]
        d value / d pnl[s]. All measures here are homogeneous of degree one, so `value == gradient @ pnl` (Euler).
    confidence : float
        As asked for, such as 0.99.
    conventions : Conventions
        As used.
    status : Status
    reason : str
        Why the statuses are what they are; empty when both are "ok".
    fit_status : StrEnum
        How far the fit behind the number can be trusted; "ok" where nothing is fitted.
    """

    value: float
    gradient: NDArray[np.float64] = field(repr=False)
    confidence: float
    conventions: Conventions = DEFAULT_CONVENTIONS
    status: Status = Status.OK
    reason: str = ""
    fit_status: StrEnum = Status.OK

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # numpy's scalars are floats that not every encoder takes

    def __float__(self) -> float:
        return self.value

    @property
    def doubts(self) -> tuple[str, ...]:
        """What degrades the number, in words; empty where nothing does."""
        return tuple(dict.fromkeys(str(s) for s in (self.status, self.fit_status) if s != "ok"))

    @property
    def observations(self) -> NDArray[np.int64]:
        """Scenarios that produced the number, int64, heaviest first."""
        order = np.argsort(-np.abs(self.gradient), kind="stable")
        chosen: NDArray[np.int64] = order[self.gradient[order] != 0.0]
        return chosen

    @property
    def observation_weights(self) -> NDArray[np.float64]:
        """Weight of each of `observations`: value == -sum(weight * pnl)."""
        weights: NDArray[np.float64] = -self.gradient[self.observations]
        return weights
