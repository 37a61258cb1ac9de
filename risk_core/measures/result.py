"""What a measure returns: a number with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Status(StrEnum):
    """How far a number can be trusted."""

    OK = "ok"
    THIN_TAIL = "thin_tail"
    """The tail holds less than one (effective) scenario: the number is the worst loss, whatever the confidence."""
    EMPTY_TAIL = "empty_tail"
    """No scenario lies strictly beyond VaR: the number is VaR itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A risk number.

    Parameters
    ----------
    value : float
        Loss positive, in the unit of the P&L; negative where even the tail gains. Never clipped.
    gradient : float64[S]
        d value / d pnl[s]. All measures here are homogeneous of degree one, so `value == gradient @ pnl`.
    status : Status
    reason : str
        Empty when the status is "ok".
    """

    value: float
    gradient: NDArray[np.float64]
    status: Status = Status.OK
    reason: str = ""

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
