"""May a desk use models: its exceptions (MAR32.18-32.19) and its P&L attribution (MAR32.43-32.44) together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from risk_core.backtests import desk_eligible
from risk_core.regulation.outliers import Outliers, count_outliers
from risk_core.regulation.pnl_attribution import AttributionZone
from risk_core.regulation.stress_window import YEAR_DAYS


@dataclass(frozen=True, slots=True)
class DeskBacktest:
    """Exceptions of a desk in twelve months, at 99 % and at 97.5 %, and whether it holds the limits of 12 and 30."""

    at_99: Outliers
    at_975: Outliers
    eligible: bool


class DeskApproach(StrEnum):
    """How a desk's capital is computed."""

    MODELS = "models"
    MODELS_WITH_SURCHARGE = "models_with_surcharge"
    STANDARDISED = "standardised"
    UNDECIDED = "undecided"
    """Backtests hold, but the attribution test could not be applied."""


@dataclass(frozen=True, slots=True)
class DeskDecision:
    """A desk's approach, and in words what led to it."""

    approach: DeskApproach
    reasons: tuple[str, ...]


def desk_backtest(
    actual: ArrayLike, hypothetical: ArrayLike, value_at_risk_99: ArrayLike, value_at_risk_975: ArrayLike, *, days: int = YEAR_DAYS
) -> DeskBacktest:
    """Return whether a desk's exceptions let it stay with models (MAR32.18-32.19).

    More than 12 at 99 % or more than 30 at 97.5 % in twelve months end it. Of actual and hypothetical P&L the greater count matters; a
    day without P&L or VaR is an exception.

    Parameters
    ----------
    actual, hypothetical : float64[D]
        The desk's daily P&L, oldest first, gains positive. NaN is missing.
    value_at_risk_99, value_at_risk_975 : float64[D] or float
        Its one-day VaR for each day, loss positive. NaN is missing.
    days : int
        How many of the newest count.

    Raises
    ------
    BacktestError
        If lengths differ, a number is infinite, or there are fewer than `days`.
    """
    at_99 = count_outliers(actual, hypothetical, value_at_risk_99, days=days)
    at_975 = count_outliers(actual, hypothetical, value_at_risk_975, days=days)
    return DeskBacktest(at_99, at_975, desk_eligible(at_99.count, at_975.count))


def desk_decision(
    backtest: DeskBacktest, attribution: AttributionZone | str, *, previously: DeskApproach | str | None = None
) -> DeskDecision:
    """Return how a desk's capital is computed from this quarter on.

    Parameters
    ----------
    backtest : DeskBacktest
    attribution : AttributionZone
        Of `pnl_attribution`.
    previously : DeskApproach or None
        Of the quarter before. A desk on the standardised approach comes back through the green zone only (MAR32.43(2)).

    Raises
    ------
    ValueError
        For an unknown zone or approach.
    """
    zone, before = AttributionZone(attribution), None if previously is None else DeskApproach(previously)
    counts = f"{backtest.at_99.count} exceptions at 99 % of at most 12, {backtest.at_975.count} at 97.5 % of at most 30"
    reasons = (counts, f"P&L attribution: {zone}")
    if not backtest.eligible or zone is AttributionZone.RED:
        return DeskDecision(DeskApproach.STANDARDISED, reasons)
    if before is DeskApproach.STANDARDISED and zone is not AttributionZone.GREEN:
        return DeskDecision(DeskApproach.STANDARDISED, (*reasons, "a desk comes back to models through the green zone only"))
    return DeskDecision(_APPROACHES[zone], reasons)


_APPROACHES = {
    AttributionZone.GREEN: DeskApproach.MODELS,
    AttributionZone.AMBER: DeskApproach.MODELS_WITH_SURCHARGE,
    AttributionZone.NOT_APPLICABLE: DeskApproach.UNDECIDED,
}
