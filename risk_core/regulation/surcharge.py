"""What desks in the amber zone of the P&L attribution test cost on top (MAR33.45)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from risk_core.regulation.checks import checked_amount, checked_amounts

SURCHARGE_SHARE: Final = 0.5
"""Of the gap between standardised and model capital, where every desk is amber."""


@dataclass(frozen=True, slots=True)
class AmberSurcharge:
    """The surcharge in currency, and k, the share of the gap between standardised and model capital that it takes, in [0, 0.5]."""

    value: float
    share: float


def amber_surcharge(*, green: ArrayLike, amber: ArrayLike, standardised: float, models: float) -> AmberSurcharge:
    """Return k max(0, SA(G,A) - IMA(G,A)) with k = 0.5 sum of SA over amber desks / sum of SA over green and amber desks (MAR33.45).

    Parameters
    ----------
    green, amber : float64[N], float64[M]
        Standardised capital of each desk in the green and in the amber zone, alone; not negative. Either may be empty.
    standardised : float
        SA(G,A): standardised capital of all these desks together.
    models : float
        IMA(G,A): `model_capital` plus default risk capital of the same desks.

    Raises
    ------
    MeasureError
        If a number is negative or not finite.
    """
    amber_total = float(checked_amounts(amber, "amber").sum())
    total = float(checked_amounts(green, "green").sum()) + amber_total
    gap = max(0.0, checked_amount(standardised, "standardised") - checked_amount(models, "models"))
    share = SURCHARGE_SHARE * amber_total / total if total > 0.0 else 0.0
    return AmberSurcharge(share * gap, share)
