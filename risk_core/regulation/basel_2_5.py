"""Capital of Basel 2.5: value at risk and stressed value at risk over ten days at 99 % (BCBS 193, paragraph 718(Lxxvi))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from risk_core.backtests.zones import BASE_MULTIPLIER, Framework
from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions
from risk_core.measures.empirical import value_at_risk
from risk_core.regulation.averages import AVERAGE_DAYS, latest_and_average
from risk_core.regulation.base_horizon import BaseHorizon
from risk_core.regulation.checks import checked_multiplier

VALUE_AT_RISK_CONFIDENCE: Final = 0.99
"""718(Lxxvi)(b)."""


@dataclass(frozen=True, slots=True)
class StressedVaRCapital:
    """Capital for general market risk, loss positive: `value` is `current`, that of VaR, plus `stressed`, that of stressed VaR."""

    value: float
    current: float
    stressed: float


def ten_day_value_at_risk(pnl: ArrayLike, *, base: BaseHorizon | str, conventions: Conventions = DEFAULT_CONVENTIONS) -> float:
    """Return VaR over ten days at 99 %, loss positive and never clipped.

    For stressed VaR give the days of `most_severe_window`: the current book under the moves of that year (718(Lxxvi)(i)).

    Parameters
    ----------
    pnl : float64[S]
        Of the current book, gains positive.
    base : BaseHorizon
        Ten-day P&L, or one-day P&L to be scaled.
    conventions : Conventions

    Raises
    ------
    MeasureError
        If a number is missing or infinite.
    ConventionError
        For an unknown `base`.
    """
    return BaseHorizon(base).scale * value_at_risk(pnl, VALUE_AT_RISK_CONFIDENCE, conventions=conventions).value


def stressed_var_capital(
    current: ArrayLike, stressed: ArrayLike, *, multiplier: float, stressed_multiplier: float, days: int = AVERAGE_DAYS
) -> StressedVaRCapital:
    """Return max(VaR(t-1); m_c VaR_avg) + max(sVaR(t-1); m_s sVaR_avg) (718(Lxxvi)(k)).

    Parameters
    ----------
    current, stressed : float64[D]
        Daily ten-day VaR and stressed VaR, oldest first, not negative; the last is the latest.
    multiplier, stressed_multiplier : float
        m_c and m_s, at least 3 each: `backtesting_multiplier(exceptions, "basel_2.5").value`.
    days : int
        Of the averages.

    Raises
    ------
    MeasureError
        If a history is shorter than `days` or holds a negative or infinite number, or a multiplier is below 3.
    """
    least = BASE_MULTIPLIER[Framework.BASEL_2_5]
    factors = checked_multiplier(multiplier, "multiplier", least), checked_multiplier(stressed_multiplier, "stressed_multiplier", least)
    sides = latest_and_average(current, "current", days), latest_and_average(stressed, "stressed", days)
    first, second = (max(latest, factor * average) for factor, (latest, average) in zip(factors, sides, strict=True))
    return StressedVaRCapital(first + second, first, second)
