"""Do the model's P&L and the desk's move alike: the P&L attribution test (PLA, MAR32.34-32.42)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov

from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.regulation.checks import Floats, checked_days
from risk_core.regulation.stress_window import YEAR_DAYS

GREEN_CORRELATION: Final = 0.80
RED_CORRELATION: Final = 0.70
GREEN_DISTANCE: Final = 0.09
RED_DISTANCE: Final = 0.12
"""MAR32.42, table 2. On a threshold a desk is amber."""


class AttributionZone(StrEnum):
    """Where a desk stands."""

    GREEN = "green"
    AMBER = "amber"
    """Models with a surcharge (MAR32.44)."""
    RED = "red"
    """The standardised approach (MAR32.43)."""
    NOT_APPLICABLE = "not_applicable"
    """Model and desk share a pricer: the test cannot find what it looks for."""


@dataclass(frozen=True, slots=True)
class PnlAttribution:
    """One desk's test.

    `correlation` is Spearman's, None where a P&L never moves; `distance` is that of Kolmogorov and Smirnov, `p_value` its asymptotic
    p-value. `reason` says why a number or the zone is missing; empty otherwise.
    """

    zone: AttributionZone
    correlation: float | None
    distance: float
    p_value: float
    reason: str


def pnl_attribution(risk_theoretical: ArrayLike, hypothetical: ArrayLike, *, shared_pricer: bool, days: int = YEAR_DAYS) -> PnlAttribution:
    """Return the P&L attribution test of a desk over the last 250 days.

    Parameters
    ----------
    risk_theoretical, hypothetical : float64[D]
        RTPL and HPL of the same days, oldest first: of the risk model's valuation and of the front office's, positions held (MAR32.22,
        32.25).
    shared_pricer : bool
        Whether both come from one valuation of the same factors. Their likeness is then no evidence: the zone is `not_applicable`.
    days : int
        How many of the newest count (MAR32.35).

    Raises
    ------
    MeasureError
        If lengths differ, there are fewer than `days`, or a number is missing or infinite.

    Notes
    -----
    Ranks of equal P&L are averaged, which MAR32.36 leaves open. Both statistics are computed in whole numbers, so none falls on the wrong
    side of a threshold by rounding.
    """
    wanted = checked_days(days, "days")
    model, desk = checked_pnl(risk_theoretical, "risk_theoretical"), checked_pnl(hypothetical, "hypothetical")
    if model.size != desk.size or model.size < wanted:
        raise MeasureError(f"risk_theoretical has {model.size} days and hypothetical {desk.size}; give both the same {wanted} or more")
    model, desk = model[-wanted:], desk[-wanted:]
    correlation, distance = _rank_correlation(model, desk), _distribution_distance(model, desk)
    p_value = float(kolmogorov(sqrt(wanted / 2.0) * distance))
    if shared_pricer:
        reason = "risk-theoretical and hypothetical P&L share a pricer: their likeness says nothing of the model"
        return PnlAttribution(AttributionZone.NOT_APPLICABLE, correlation, distance, p_value, reason)
    reason = "" if correlation is not None else "a P&L that never moves has no rank correlation"
    return PnlAttribution(attribution_zone(correlation, distance), correlation, distance, p_value, reason)


def attribution_zone(correlation: float | None, distance: float) -> AttributionZone:
    """Return the zone of a rank correlation and a distance of distributions (MAR32.42).

    Green above 0.80 and below 0.09; red below 0.70 or above 0.12; amber otherwise. Without a correlation a desk cannot be green.
    """
    if distance > RED_DISTANCE or (correlation is not None and correlation < RED_CORRELATION):
        return AttributionZone.RED
    if correlation is not None and correlation > GREEN_CORRELATION and distance < GREEN_DISTANCE:
        return AttributionZone.GREEN
    return AttributionZone.AMBER


def _rank_correlation(one: Floats, other: Floats) -> float | None:
    a, b = _doubled_ranks(one), _doubled_ranks(other)
    n = one.size

    def co(x: NDArray[np.int64], y: NDArray[np.int64]) -> int:
        return n * int(x @ y) - int(x.sum()) * int(y.sum())

    spread = co(a, a) * co(b, b)
    return co(a, b) / sqrt(spread) if spread else None


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Return twice the rank of each number, lowest 2, equal ones averaged: whole numbers all."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.int64] = (2 * counts.cumsum() - counts + 1)[places]
    return ranks


def _distribution_distance(one: Floats, other: Floats) -> float:
    points = np.concatenate([one, other])
    below = [np.searchsorted(np.sort(sample), points, side="right") for sample in (one, other)]
    return int(np.abs(below[0] - below[1]).max()) / one.size
