"""Total capital for market risk: models, default risk, surcharge and the standardised approach together (MAR33.43, 33.46)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from risk_core.regulation.checks import checked_amount

RISK_WEIGHT: Final = 12.5
"""Of capital (MAR33.46): the reciprocal of 8 %."""


@dataclass(frozen=True, slots=True)
class TotalCapital:
    """ACR, loss positive.

    `value` is the sum of `limited`, models with surcharge and standardised desks but at most the standardised approach for all desks, and
    `excess`, what models ask for beyond the standardised approach of the same desks. `risk_weighted_assets` is 12.5 times it.
    """

    value: float
    limited: float
    excess: float

    @property
    def risk_weighted_assets(self) -> float:
        """Return 12.5 times the capital."""
        return RISK_WEIGHT * self.value


def total_capital(
    *,
    models: float,
    default_risk: float,
    surcharge: float,
    standardised_models: float,
    standardised_others: float,
    standardised_all: float,
) -> TotalCapital:
    """Return ACR = min(IMA + surcharge + C_U; SA of all desks) + max(0; IMA - SA of model desks), with IMA = C_A + DRC (MAR33.43).

    Default risk and the standardised approach are not computed here: they come in as numbers.

    Parameters
    ----------
    models : float
        C_A of `model_capital`.
    default_risk : float
        DRC, the default risk capital of the same desks (MAR33.18 and following).
    surcharge : float
        Of desks in the amber zone: `amber_surcharge`.
    standardised_models : float
        SA(G,A): the standardised capital of all desks in the green and amber zones.
    standardised_others : float
        C_U: the standardised capital of desks that are out of scope or not eligible.
    standardised_all : float
        The standardised capital of all desks together.

    Raises
    ------
    MeasureError
        If a number is negative or not finite.
    """
    own = checked_amount(models, "models") + checked_amount(default_risk, "default_risk")
    sum_of_parts = own + checked_amount(surcharge, "surcharge") + checked_amount(standardised_others, "standardised_others")
    limited = min(sum_of_parts, checked_amount(standardised_all, "standardised_all"))
    excess = max(0.0, own - checked_amount(standardised_models, "standardised_models"))
    return TotalCapital(limited + excess, limited, excess)
