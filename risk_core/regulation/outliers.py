"""Days with a loss beyond VaR, counted as MAR32 counts them: by actual and by hypothetical P&L, missing days included."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from risk_core.backtests import BacktestError, ExceptionSeries, Missing, Ties, exception_series
from risk_core.regulation.checks import checked_days
from risk_core.regulation.stress_window import YEAR_DAYS


@dataclass(frozen=True, slots=True)
class Outliers:
    """Exceptions of one VaR over the last twelve months.

    `actual` and `hypothetical` are the counts by each P&L, `actual_missing` and `hypothetical_missing` those of them that are only a day
    without P&L or VaR.
    """

    actual: int
    hypothetical: int
    actual_missing: int
    hypothetical_missing: int

    @property
    def count(self) -> int:
        """Return the greater of the two counts, which is the one that matters (MAR32.5(1), 32.18(1))."""
        return max(self.actual, self.hypothetical)


def count_outliers(actual: ArrayLike, hypothetical: ArrayLike, value_at_risk: ArrayLike, *, days: int = YEAR_DAYS) -> Outliers:
    """Return the exceptions of the last twelve months, counted apart by actual and hypothetical P&L (MAR32.5, 32.18).

    Parameters
    ----------
    actual, hypothetical : float64[D]
        Daily P&L, oldest first, gains positive: with and without the trades of the day. NaN is missing.
    value_at_risk : float64[D] or float
        One-day VaR forecast for each day, loss positive. NaN is missing.
    days : int
        How many of the newest count.

    Returns
    -------
    Outliers
        A loss of exactly VaR is no exception. A day on which P&L or VaR is missing is one (MAR32.5(2), 32.18(2)).

    Raises
    ------
    BacktestError
        If lengths differ, a number is infinite, or there are fewer than `days`.

    Notes
    -----
    MAR32.6 lets a supervisor excuse an exception that a non-modellable factor explains. That is a decision, not a number: none is excused.
    """
    wanted = checked_days(days, "days")
    by_actual = _newest(actual, value_at_risk, wanted, "actual")
    by_hypothetical = _newest(hypothetical, value_at_risk, wanted, "hypothetical")
    if len(by_actual) != len(by_hypothetical):
        raise BacktestError(f"actual has {len(by_actual)} days and hypothetical {len(by_hypothetical)}; align them day by day")
    return Outliers(
        *(int(series.hits[-wanted:].sum()) for series in (by_actual, by_hypothetical)),
        *(int(series.missing[-wanted:].sum()) for series in (by_actual, by_hypothetical)),
    )


def _newest(pnl: ArrayLike, value_at_risk: ArrayLike, wanted: int, name: str) -> ExceptionSeries:
    try:
        series = exception_series(pnl, value_at_risk, ties=Ties.STRICT, missing=Missing.EXCEPTION, warm_up=0)
    except BacktestError as error:
        raise BacktestError(f"{name} P&L: {error}") from None
    if len(series) < wanted:
        raise BacktestError(
            f"{name} has {len(series)} days, fewer than {wanted}; a desk is judged by twelve months, or give a smaller days"
        )
    return series
