"""The twelve months that are worst for the current book: the search behind stressed VaR and stressed expected shortfall."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.regulation.checks import checked_days

YEAR_DAYS: Final = 250
"""Trading days that stand for twelve months (MAR32.3(3))."""


class Severity(StrEnum):
    """By what windows are compared."""

    VALUE_AT_RISK = "value_at_risk"
    EXPECTED_SHORTFALL = "expected_shortfall"

    @classmethod
    def _missing_(cls, value: object) -> Severity:
        raise ConventionError(f"unknown severity {value!r}; choose one of {', '.join(cls)}")


class WindowTies(StrEnum):
    """Which of several windows of the same severity is taken. Ties are common: an order statistic stays while its day is within."""

    NEWEST = "newest"
    OLDEST = "oldest"

    @classmethod
    def _missing_(cls, value: object) -> WindowTies:
        raise ConventionError(f"unknown tie rule {value!r}; choose one of {', '.join(cls)}")


@dataclass(frozen=True, slots=True)
class StressWindow:
    """Where the worst window lies: days `start` to `stop - 1` of the P&L that was searched.

    `value` is its severity, loss positive, in the unit and over the horizon of the P&L; `tied` counts the windows that share it.
    """

    value: float
    start: int
    stop: int
    tied: int


_MEASURES: Final = {Severity.VALUE_AT_RISK: value_at_risk, Severity.EXPECTED_SHORTFALL: expected_shortfall}


def most_severe_window(
    pnl: ArrayLike,
    confidence: float,
    *,
    severity: Severity | str,
    days: int = YEAR_DAYS,
    ties: WindowTies | str = WindowTies.NEWEST,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> StressWindow:
    """Return the consecutive days over which the current book would have had the greatest VaR or ES.

    Parameters
    ----------
    pnl : float64[D]
        P&L of today's positions under each day's past moves, oldest first, gains positive: not what the book earned then.
    confidence : float
        0.99 for stressed VaR of Basel 2.5, 0.975 for ES of MAR33.
    severity : Severity
    days : int
        Length of the window. Days count alike within it.
    ties : WindowTies
    conventions : Conventions

    Raises
    ------
    MeasureError
        If there are fewer days than one window, or a number is missing or infinite.
    ConventionError
        For an impossible confidence, or an unknown `severity` or `ties`.

    Notes
    -----
    MAR33.7 asks for a search from 2007 on, at least quarterly; Basel 2.5, 718(Lxxvi)(i), for a relevant year of significant stress.
    """
    vector, length = checked_pnl(pnl), checked_days(days, "days")
    if vector.size < length:
        raise MeasureError(f"pnl has {vector.size} days, fewer than one window of {length}; give a longer history, or fewer days")
    measure, rule = _MEASURES[Severity(severity)], WindowTies(ties)
    values = np.array([measure(window, confidence, conventions=conventions).value for window in sliding_window_view(vector, length)])
    worst = np.flatnonzero(values == values.max())
    start = int(worst[-1] if rule is WindowTies.NEWEST else worst[0])
    return StressWindow(float(values[start]), start, start + length, int(worst.size))
