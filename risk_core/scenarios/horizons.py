"""Moves over several days from those of one: overlapping and separate windows, and the square root of time where it is asked for.

A holding stands still over the horizon. Overlapping windows share days, so neighbours tell almost the same: their number is not the number
of observations.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.move_checks import checked_count, checked_moves
from risk_core.scenarios.scenario_set import ScenarioError

Floats = NDArray[np.float64]


def overlapping_moves(moves: ArrayLike, horizon: int, absolute: ArrayLike | None = None, step: int = 1) -> Floats:
    """Return the moves of windows of several days, each beginning a step after the one before.

    Parameters
    ----------
    moves : float64[N, S]
        Of one day each, oldest first. Finite.
    horizon : int
        Days of a window, at least 1.
    absolute : bool[N], optional
        Instruments whose moves are price differences and add up; the others are simple returns and compound: prod(1 + r) - 1.
    step : int
        Days from one window to the next: 1 overlaps, `horizon` does not. The newest window ends with the newest day.

    Returns
    -------
    float64[N, (S - horizon) // step + 1]
        Oldest first.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, fewer days than one window needs, or an impossible horizon, step or `absolute`.
    """
    given = checked_moves(moves)
    days, stride = checked_count(horizon, "horizon", 1), checked_count(step, "step", 1)
    count = given.shape[1]
    if count < days:
        raise ScenarioError(f"a window of {days} days needs as many, not {count}")
    adding = np.zeros(len(given), np.bool_) if absolute is None else np.asarray(absolute, np.bool_)
    if adding.shape != (len(given),):
        raise ScenarioError(
            f"absolute must say of each of the {len(given)} instruments whether its moves add up, not have shape {adding.shape}"
        )
    first = np.arange((count - days) % stride, count - days + 1, stride)
    compounding = np.where(adding, 0.0, 1.0)[:, None]
    joint = np.zeros((len(given), first.size))
    for day in range(days):
        joint += given[:, first + day] * (1.0 + compounding * joint)
    return joint


def separate_moves(moves: ArrayLike, horizon: int, absolute: ArrayLike | None = None) -> Floats:
    """Return the moves of windows that share no day, float64[N, S // horizon]; see `overlapping_moves`."""
    return overlapping_moves(moves, horizon, absolute, step=horizon)


def square_root_of_time(moves: ArrayLike, horizon: int) -> Floats:
    """Return moves times the square root of the horizon, float64[N, S].

    It is right for independent days of one variance and no mean, and for volatility only: the law of the sum is nearer to the normal than
    that of a day, so a far quantile is overstated; where volatility clusters or moves trend it is understated.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, or an impossible horizon.
    """
    return checked_moves(moves) * sqrt(checked_count(horizon, "horizon", 1))
