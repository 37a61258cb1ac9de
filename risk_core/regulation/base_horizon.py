"""Over how many days a P&L vector looks, and what makes it one of ten days."""

from __future__ import annotations

from enum import StrEnum
from math import sqrt
from typing import Final

from risk_core.conventions import ConventionError

BASE_DAYS: Final = 10
"""T, the base horizon of both frameworks (MAR33.4; Basel 2.5, 718(Lxxvi)(c))."""


class BaseHorizon(StrEnum):
    """Over how many days the P&L was computed."""

    TEN_DAYS = "ten_days"
    """Ten, in overlapping windows or not: what MAR33.4(5) and (7) ask for."""
    ONE_DAY_SCALED = "one_day_scaled"
    """One; risk is multiplied by the root of ten. Basel 2.5 allows it, MAR33.4(5) does not: an approximation there."""

    @classmethod
    def _missing_(cls, value: object) -> BaseHorizon:
        raise ConventionError(f"unknown base horizon {value!r}; choose one of {', '.join(cls)}")

    @property
    def scale(self) -> float:
        """What a risk number of such P&L is multiplied by to be one of ten days."""
        return 1.0 if self is BaseHorizon.TEN_DAYS else sqrt(BASE_DAYS)
