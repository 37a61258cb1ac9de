"""The exponentially weighted covariance of several series, one day after another.

J. P. Morgan/Reuters, RiskMetrics Technical Document (1996), ch. 5. `risk_core.covariance` has the same matrix at once, from weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_covariance, checked_day, checked_matrix
from risk_core.correlation.online import symmetric_from
from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]


class CovarianceStart(StrEnum):
    """The matrix before the first day."""

    NORMALISED = "normalised"
    """Zero, and divided by 1 - decay**days: weights that sum to one."""
    ZERO = "zero"
    """Zero: weights (1 - decay) decay**age."""
    FIRST = "first"
    """The products of the first day: the recursion begins with the second."""


@njit(cache=True, nogil=True, error_model="numpy")
def fade(matrix: Floats, returns: Floats, decay: float) -> None:
    """Write decay * matrix + (1 - decay) * r r' in place, symmetric to the last bit."""
    for i in range(returns.shape[0]):
        news = (1.0 - decay) * returns[i]
        for j in range(i, returns.shape[0]):
            matrix[i, j] = decay * matrix[i, j] + news * returns[j]
            matrix[j, i] = matrix[i, j]


def checked_decay(decay: float) -> float:
    """Return a decay in (0, 1), or MeasureError."""
    number = checked_scalar(decay, "decay", above=0.0, most=1.0)
    if number >= 1.0:
        raise MeasureError("decay must be less than 1, such as 0.94")
    return number


class EwmaCovariance:
    """S' = decay S + (1 - decay) r r', mean zero.

    Parameters
    ----------
    count : int
        Number of instruments.
    decay : float
        In (0, 1); 0.94 for days in RiskMetrics.
    start : CovarianceStart, str or float64[N, N]
        Before the first day; a matrix is yesterday's forecast.
    """

    def __init__(self, count: int, decay: float = 0.94, start: CovarianceStart | str | ArrayLike = CovarianceStart.NORMALISED) -> None:
        if count < 1:
            raise MeasureError(f"there must be at least one instrument, not {count}")
        self._decay, self._days, self._matrix = checked_decay(decay), 0, np.zeros((count, count))
        if not isinstance(start, str):
            self._matrix, self._start = checked_covariance(start, "start", count), "given"
        elif start in list(CovarianceStart):
            self._start = str(start)
        else:
            raise MeasureError(f"unknown start {start!r}; choose one of {', '.join(CovarianceStart)}, or give a matrix")

    def update(self, returns: ArrayLike) -> None:
        """Move on by one day float64[N]: O(N²). MeasureError, and no change, if a return is missing or not finite."""
        day = checked_day(returns, len(self._matrix))
        if self._start == CovarianceStart.FIRST and self._days == 0:
            self._matrix = np.outer(day, day)
        else:
            fade(self._matrix, day, self._decay)
        self._days += 1

    def value(self) -> Floats:
        """Return the covariance of the next day, float64[N, N]; MeasureError before the first day, where no matrix was given."""
        if self._days == 0 and self._start != "given":
            raise MeasureError("no day was seen yet: update first, or start from a matrix")
        whole = 1.0 - self._decay**self._days if self._start == CovarianceStart.NORMALISED else 1.0
        return np.asarray(self._matrix / whole)

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        upper = self._matrix[np.triu_indices(len(self._matrix))].tolist()
        return {
            "kind": "ewma",
            "version": 1,
            "count": len(self._matrix),
            "decay": self._decay,
            "start": self._start,
            "days": self._days,
            "matrix": upper,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the estimator of a `state`; MeasureError if it is of another kind or incomplete."""
        if state.get("kind") != "ewma" or state.get("version") != 1:
            raise MeasureError(f"not an ewma state of version 1: kind {state.get('kind')!r}, version {state.get('version')!r}")
        try:
            made = cls(int(state["count"]), float(state["decay"]))
            made._matrix = symmetric_from(state["matrix"], int(state["count"]), "matrix")
            made._start, made._days = str(state["start"]), int(state["days"])
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return made


def ewma_covariances(
    returns: ArrayLike, decay: float = 0.94, start: CovarianceStart | str | ArrayLike = CovarianceStart.NORMALISED
) -> Floats:
    """Return the covariance known after each day, float64[T, N, N]: the forecast of the day after.

    Parameters
    ----------
    returns : float64[N, T]
        Instrument-major, oldest first.
    decay, start
        As `EwmaCovariance`, whose values these are, to the bit. MeasureError as there.
    """
    given = checked_matrix(returns, least=1)
    running = EwmaCovariance(given.shape[0], decay, start)
    path = np.empty((given.shape[1], given.shape[0], given.shape[0]))
    for t, day in enumerate(given.T):
        running.update(day)
        path[t] = running.value()
    return path
