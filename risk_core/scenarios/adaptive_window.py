"""An adaptive look-back window: historical simulation on the days since the variance last changed.

After a break the older days describe another market. The window begins at the newest change point of the variance, but keeps a least
number of scenarios, and says what it did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import checked_pnl
from risk_core.scenarios.move_checks import Index, checked_count, checked_moves, index_series
from risk_core.scenarios.variance_changes import FEWEST, Correction, VarianceChanges, variance_changes
from risk_core.scenarios.weights import equal_weights

Floats = NDArray[np.float64]

LEAST: Final = 100
"""Scenarios that a window keeps: the tail of 0.99 then holds one."""


class WindowStatus(StrEnum):
    """What became of the window."""

    OK = "ok"
    """Whole: no change was found."""
    SHORTENED = "shortened"
    """It begins at the newest change."""
    MIXED = "mixed"
    """The newest change is too new: the window holds the least number of scenarios, some from before it."""
    UNTESTED = "untested"
    """Whole: too few scenarios to test."""


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveWindow:
    """A window with its papers.

    Parameters
    ----------
    weights : float64[S]
        Newest scenario first; equal within the window, zero before it; they sum to one.
    start : int
        Oldest scenario kept, counted from the oldest given.
    change : int or None
        First scenario after the newest change, counted alike; None where no change was found.
    changes : VarianceChanges
        All that was found, with the statistic.
    status : WindowStatus
    reason : str
        What was found and done; never empty.
    """

    weights: Floats = field(repr=False)
    start: int
    change: int | None
    changes: VarianceChanges
    status: WindowStatus
    reason: str

    @property
    def scenarios(self) -> int:
        """Scenarios kept."""
        return self.weights.size - self.start


def adaptive_window(
    pnl: ArrayLike, *, least: int = LEAST, level: float = 0.05, correction: Correction = Correction.LONG_RUN
) -> AdaptiveWindow:
    """Return the window that begins at the newest change of the variance of a P&L vector, or of any one series.

    Parameters
    ----------
    pnl : float64[S]
        Oldest first. Gains positive (the sign is not read).
    least : int
        Scenarios to keep whatever changed, at least 1; all are kept where fewer are given.
    level, correction
        As of `variance_changes`.

    Returns
    -------
    AdaptiveWindow

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values.
    ScenarioError
        For an impossible least, level or correction.
    """
    vector = checked_pnl(pnl)
    kept = checked_count(least, "least", 1)
    found = variance_changes(vector, level=level, correction=correction)
    count = vector.size
    change = found.changes[-1] if found.changes else None
    start = 0 if change is None else max(0, min(change, count - kept))
    weights = np.zeros(count)
    weights[: count - start] = equal_weights(count - start)
    return AdaptiveWindow(weights, start, change, found, *_verdict(count, start, change, level, found))


def adaptive_moves(
    moves: ArrayLike,
    *,
    least: int = LEAST,
    level: float = 0.05,
    correction: Correction = Correction.LONG_RUN,
    index: Index = Index.EQUAL,
) -> tuple[Floats, AdaptiveWindow]:
    """Return the moves of the window float64[N, scenarios], oldest first, and the window, found on one series of all instruments.

    Parameters
    ----------
    moves : float64[N, S]
        Oldest first. Finite.
    least, level, correction
        As of `adaptive_window`.
    index : Index or str
        The series: "equal" or "principal".

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, or impossible parameters.
    """
    given = checked_moves(moves)
    window = adaptive_window(index_series(given, index), least=least, level=level, correction=correction)
    return given[:, window.start :], window


def _verdict(count: int, start: int, change: int | None, level: float, found: VarianceChanges) -> tuple[WindowStatus, str]:
    if change is None:
        if count < FEWEST:
            return WindowStatus.UNTESTED, f"{count} scenarios are too few to test for a change; {FEWEST} are needed"
        tested = f"statistic {found.statistic:.3g}, critical {found.critical:.3g} at {level:g}"
        return WindowStatus.OK, f"no change of variance in {count} scenarios ({tested})"
    before, after = found.variances[-2:]
    text = f"volatility went from {sqrt(before):.3g} to {sqrt(after):.3g} at scenario {change} of {count}, {count - change} ago"
    if start < change:
        return WindowStatus.MIXED, f"{text}; the window keeps {count - start}, {change - start} from before"
    return WindowStatus.SHORTENED, f"{text}; the window begins there"
