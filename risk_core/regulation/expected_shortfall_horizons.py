"""Expected shortfall by liquidity horizons: the cascade of MAR33.4 over nested sets of risk factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.empirical import expected_shortfall
from risk_core.measures.result import Status
from risk_core.regulation.base_horizon import BASE_DAYS, BaseHorizon
from risk_core.regulation.checks import Floats

HORIZON_DAYS: Final = (10, 20, 40, 60, 120)
"""LH_1 to LH_5 (MAR33.4, table 1). Which factor has which is MAR33.12, table 2."""
SHORTFALL_CONFIDENCE: Final = 0.975
"""MAR33.3."""
_STEP_SCALES: Final = np.sqrt(np.diff(HORIZON_DAYS, prepend=0) / BASE_DAYS)


class Subsets(StrEnum):
    """Which risk factors were shocked for the P&L given under a horizon."""

    OWN = "own"
    """Those of exactly that horizon. P&L of longer horizons is added: exact where P&L is a sum over factors, as in linear books."""
    NESTED = "nested"
    """Those of that horizon and longer, Q(p, j), all others held: as MAR33.4 defines it, for books that are revalued in full."""

    @classmethod
    def _missing_(cls, value: object) -> Subsets:
        raise ConventionError(f"unknown subsets {value!r}; choose one of {', '.join(cls)}")


@dataclass(frozen=True, slots=True, eq=False)
class HorizonShortfall:
    """Liquidity-adjusted expected shortfall, loss positive, in the unit of the P&L.

    `value` is the root of the sum of squares of `terms`. All arrays are float64[5], in the order of `HORIZON_DAYS`: `base` is ES over ten
    days of the factors with that horizon or a longer one, and `terms` is max(`base`, 0) times the root of the step between horizons over
    ten days. `status` and `reason` are those of the ES of all factors.
    """

    value: float
    base: Floats
    terms: Floats
    status: Status
    reason: str


def liquidity_horizon_shortfall(
    pnl: Mapping[int, ArrayLike],
    *,
    subsets: Subsets | str,
    base: BaseHorizon | str,
    confidence: float = SHORTFALL_CONFIDENCE,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> HorizonShortfall:
    """Return ES = sqrt(sum_j (ES_T(Q_j) sqrt((LH_j - LH_(j-1)) / T))^2) with T = 10 and LH_0 = 0 (MAR33.4).

    Parameters
    ----------
    pnl : mapping of int to float64[S]
        By liquidity horizon in days, each of 10, 20, 40, 60 and 120 at most once: P&L of the same S scenarios, gains positive. A horizon
        that is left out has no risk factor of its own.
    subsets : Subsets
        Whether P&L is of a horizon's own factors, or of all with that horizon or longer.
    base : BaseHorizon
        Ten-day P&L, or one-day P&L to be scaled.
    confidence : float
    conventions : Conventions

    Returns
    -------
    HorizonShortfall
        A set of factors whose very tail gains counts as zero: its square would make a gain a loss.

    Raises
    ------
    MeasureError
        For an unknown horizon, none at all, vectors of different lengths, or numbers that are missing or infinite.
    ConventionError
        For an impossible confidence, or an unknown `subsets` or `base`.
    """
    scale, nested = BaseHorizon(base).scale, _nested(pnl, Subsets(subsets))
    measured = [expected_shortfall(vector, confidence, conventions=conventions) for vector in nested]
    shortfalls = scale * np.array([found.value for found in measured])
    terms = np.maximum(shortfalls, 0.0) * _STEP_SCALES
    return HorizonShortfall(float(np.sqrt(terms @ terms)), shortfalls, terms, measured[0].status, measured[0].reason)


def _nested(pnl: Mapping[int, ArrayLike], subsets: Subsets) -> Floats:
    """Return float64[5, S]: P&L of the factors with each horizon or a longer one."""
    unknown = [days for days in pnl if days not in HORIZON_DAYS]
    if unknown:
        raise MeasureError(f"{unknown[0]!r} is no liquidity horizon; MAR33.4 has {', '.join(map(str, HORIZON_DAYS))}: round up to one")
    if not pnl:
        raise MeasureError("pnl is empty: give the P&L vector of at least one liquidity horizon")
    vectors = {days: checked_pnl(vector, f"pnl[{days}]") for days, vector in pnl.items()}
    sizes = {days: vector.size for days, vector in vectors.items()}
    if len(set(sizes.values())) > 1:
        raise MeasureError(f"the vectors of pnl differ in length, {sizes}; give every horizon the same scenarios")
    rows, longer = [], np.zeros(next(iter(sizes.values())))
    for days in reversed(HORIZON_DAYS):
        if days in vectors:
            longer = vectors[days] + longer if subsets is Subsets.OWN else vectors[days]
        rows.append(longer)
    return np.array(rows[::-1])
