"""Forecasts and what happened, checked once at the door; and p-values from simulated statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from risk_core.backtests.result import BacktestError
from risk_core.conventions import ConventionError, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]

_CELLS: Final = 2_000_000
_SLACK: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A series of forecasts with its outcomes, oldest first.

    Parameters
    ----------
    pnl, value_at_risk, expected_shortfall : float64[S]
        P&L gains positive; forecasts loss positive, made before the outcome. One unit.
    tail : float
        1 - confidence.
    exceeded : bool[S]
        Days with a loss strictly beyond VaR.
    """

    pnl: Floats
    value_at_risk: Floats
    expected_shortfall: Floats
    tail: float
    exceeded: NDArray[np.bool_]

    @property
    def days(self) -> int:
        """Return the number of days."""
        return int(self.pnl.size)

    @property
    def exceptions(self) -> int:
        """Return the number of days beyond VaR."""
        return int(self.exceeded.sum())

    @property
    def counts(self) -> dict[str, Any]:
        """Return the counts that every result carries."""
        return {"observations": self.days, "exceptions": self.exceptions, "expected_exceptions": self.days * self.tail}


def checked_vector(values: ArrayLike, name: str) -> Floats:
    """Return float64[S], not empty and finite.

    Raises
    ------
    BacktestError
        Otherwise.
    """
    try:
        return checked_pnl(values, name)
    except MeasureError as error:
        raise BacktestError(str(error)) from None


def checked_like(values: ArrayLike, like: Floats, name: str, *, positive: bool = False) -> Floats:
    """Return float64 of the length of `like`; one number stands for every day.

    Raises
    ------
    BacktestError
        If the length differs, or a number is not finite, or not positive where it must be.
    """
    vector = checked_vector(np.atleast_1d(np.asarray(values)), name)
    if vector.size not in (1, like.size):
        raise BacktestError(f"{name} must have one number, or one for each of the {like.size} days, not {vector.size}")
    vector = np.broadcast_to(vector, like.shape)
    if positive and not (vector > 0.0).all():
        place = int(np.flatnonzero(vector <= 0.0)[0])
        raise BacktestError(f"{name} must be positive for this test, not {vector[place]} at position {place}; leave such days out")
    return vector


def checked_tail(confidence: float) -> float:
    """Return 1 - confidence.

    Raises
    ------
    BacktestError
        Unless 0.5 <= confidence < 1.
    """
    try:
        return tail_probability(confidence)
    except ConventionError as error:
        raise BacktestError(str(error)) from None


def checked_outcomes(
    pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float, *, positive: bool = False
) -> Outcomes:
    """Return forecasts and outcomes.

    Parameters
    ----------
    positive : bool
        Whether ES must be positive: ratios to it have no meaning otherwise.

    Raises
    ------
    BacktestError
        For NaN or infinite numbers, another length, ES below VaR.
    """
    vector = checked_vector(pnl, "pnl")
    var = checked_like(value_at_risk, vector, "value_at_risk")
    es = checked_like(expected_shortfall, vector, "expected_shortfall", positive=positive)
    below = np.flatnonzero(es < var - _SLACK * np.abs(var))
    if below.size:
        raise BacktestError(
            f"expected_shortfall {es[below[0]]} is below value_at_risk {var[below[0]]} at position {int(below[0])} ({below.size} days); "
            "both are losses, positive, of the same confidence"
        )
    return Outcomes(vector, var, es, checked_tail(confidence), -vector > var)


def checked_pit(pit: ArrayLike) -> Floats:
    """Return probability integral transforms float64[S], within [0, 1].

    Raises
    ------
    BacktestError
        Otherwise.
    """
    vector = checked_vector(pit, "pit")
    bad = np.flatnonzero((vector < 0.0) | (vector > 1.0))
    if bad.size:
        raise BacktestError(
            f"pit must be the forecast probability of a P&L no larger, within [0, 1], not {vector[bad[0]]} at position {bad[0]}"
        )
    return vector


def tail_days(days: int, tail: float) -> int:
    """Return the largest whole number of days within days times tail, rounding errors aside."""
    return int(days * tail * (1.0 + 1e-12) + 1e-12)


def chunks(count: int, width: int) -> Iterator[int]:
    """Yield how many simulations fit into memory at once, until there are `count`."""
    step = max(1, _CELLS // max(width, 1))
    for first in range(0, count, step):
        yield min(step, count - first)


def checked_count(value: int, name: str, least: int = 1) -> int:
    """Return a whole number.

    Raises
    ------
    BacktestError
        If it is not whole, or below `least`.
    """
    if isinstance(value, bool) or int(value) != value or value < least:
        raise BacktestError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def simulated_p_value(simulated: Floats, statistic: float, alternative: str) -> float:
    """Return (1 + simulations at least as extreme) / (1 + simulations): valid at any number of simulations.

    `alternative` is "less", "greater" or "two-sided" (twice the smaller, at most 1).
    """
    valid = simulated[np.isfinite(simulated)]
    slack = _SLACK * max(1.0, abs(statistic))
    less = (1.0 + np.count_nonzero(valid <= statistic + slack)) / (1.0 + valid.size)
    greater = (1.0 + np.count_nonzero(valid >= statistic - slack)) / (1.0 + valid.size)
    return pick_side(float(less), float(greater), alternative)


def normal_p_value(z: float, alternative: str) -> float:
    """Return the p-value of a standard normal statistic."""
    return pick_side(float(ndtr(z)), float(ndtr(-z)), alternative)


def pick_side(less: float, greater: float, alternative: str) -> float:
    """Return the p-value of the alternative named.

    Raises
    ------
    BacktestError
        If it is not "less", "greater" or "two-sided".
    """
    sides = {"less": less, "greater": greater, "two-sided": min(1.0, 2.0 * min(less, greater))}
    if alternative not in sides:
        raise BacktestError(f"alternative must be one of {', '.join(sides)}, not {alternative!r}")
    return min(1.0, sides[alternative])
