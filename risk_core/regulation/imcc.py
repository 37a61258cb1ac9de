"""Capital of modellable risk factors, and of the desks that may use models: IMCC and C_A (MAR33.13-33.15, 33.41)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from numpy.typing import ArrayLike

from risk_core.backtests.zones import BASE_MULTIPLIER, Framework
from risk_core.conventions import ConventionError
from risk_core.regulation.averages import AVERAGE_DAYS, latest_and_average
from risk_core.regulation.checks import checked_amount, checked_multiplier

RHO_MODELLED: Final = 0.5
"""Weight of the bank's own diversification (MAR33.15(2))."""


class RiskClass(StrEnum):
    """Broad regulatory risk classes (MAR33.14)."""

    INTEREST_RATE = "interest_rate"
    EQUITY = "equity"
    FOREIGN_EXCHANGE = "foreign_exchange"
    COMMODITY = "commodity"
    CREDIT_SPREAD = "credit_spread"

    @classmethod
    def _missing_(cls, value: object) -> RiskClass:
        raise ConventionError(f"unknown risk class {value!r}; choose one of {', '.join(cls)}")


@dataclass(frozen=True, slots=True)
class ModellableCapital:
    """IMCC, loss positive.

    `value` is `RHO_MODELLED` times `unconstrained` plus the rest of the weight times `constrained`, the plain sum over risk classes.
    """

    value: float
    unconstrained: float
    constrained: float


@dataclass(frozen=True, slots=True)
class ModelCapital:
    """C_A: the greater of `latest`, IMCC plus SES of the previous day, and `averaged`, their averages with IMCC multiplied."""

    value: float
    latest: float
    averaged: float


def modellable_capital(unconstrained: float, by_class: Mapping[RiskClass | str, float]) -> ModellableCapital:
    """Return IMCC = 0.5 IMCC(C) + 0.5 sum_i IMCC(C_i) (MAR33.15).

    Parameters
    ----------
    unconstrained : float
        IMCC(C): stressed, liquidity-adjusted ES of the whole book with all factors moving.
    by_class : mapping of RiskClass to float
        IMCC(C_i): the same with only that class's factors moving, over the same stress period (MAR33.15(1)). A class that is left out
        holds no risk.

    Raises
    ------
    MeasureError
        If a number is negative or not finite.
    ConventionError
        For an unknown risk class.
    """
    whole = checked_amount(unconstrained, "unconstrained")
    constrained = sum(checked_amount(part, f"by_class[{RiskClass(name)}]") for name, part in by_class.items())
    return ModellableCapital(RHO_MODELLED * whole + (1.0 - RHO_MODELLED) * constrained, whole, float(constrained))


def model_capital(modellable: ArrayLike, non_modellable: ArrayLike, *, multiplier: float, days: int = AVERAGE_DAYS) -> ModelCapital:
    """Return C_A = max(IMCC(t-1) + SES(t-1); m_c IMCC_avg + SES_avg) of desks in the green and amber zones (MAR33.41).

    Parameters
    ----------
    modellable, non_modellable : float64[D]
        Daily IMCC and SES, oldest first; the last is that of the previous day. SES of a book without non-modellable factors is zeros.
    multiplier : float
        m_c, at least 1.5 (MAR33.42): `backtesting_multiplier`. It does not multiply SES.
    days : int
        Of the averages.

    Raises
    ------
    MeasureError
        If a history is shorter than `days` or holds a negative or infinite number, or the multiplier is below 1.5.
    """
    factor = checked_multiplier(multiplier, "multiplier", BASE_MULTIPLIER[Framework.MAR32])
    imcc, imcc_average = latest_and_average(modellable, "modellable", days)
    ses, ses_average = latest_and_average(non_modellable, "non_modellable", days)
    latest, averaged = imcc + ses, factor * imcc_average + ses_average
    return ModelCapital(max(latest, averaged), latest, averaged)
