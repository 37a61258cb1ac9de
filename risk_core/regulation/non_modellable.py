"""Capital of risk factors that are not modellable: the sum of stress scenarios, SES (MAR33.16-33.17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from risk_core.regulation.checks import checked_amounts

RHO_NON_MODELLABLE: Final = 0.6
"""Between factors that are neither idiosyncratic credit nor idiosyncratic equity (MAR33.17)."""


@dataclass(frozen=True, slots=True)
class NonModellableCapital:
    """SES, loss positive: `value` is the sum of its three parts."""

    value: float
    credit: float
    equity: float
    others: float


def non_modellable_capital(
    *, idiosyncratic_credit: ArrayLike = (), idiosyncratic_equity: ArrayLike = (), others: ArrayLike = ()
) -> NonModellableCapital:
    """Return SES = sqrt(sum ISES_i^2) + sqrt(sum ISES_j^2) + sqrt((0.6 sum SES_k)^2 + 0.64 sum SES_k^2) (MAR33.17).

    Parameters
    ----------
    idiosyncratic_credit, idiosyncratic_equity : float64[I], float64[J]
        Stress scenario losses of factors that may be added with correlation zero; whether they may is for the bank to show.
    others : float64[K]
        Of all other non-modellable factors.
        A loss is one number per factor, not negative: calibrated to 97.5 % over a year of stress (MAR33.16), which is not done here.

    Raises
    ------
    MeasureError
        If a loss is negative or not finite.
    """
    mend = "a stress scenario without a loss counts 0"
    credit = checked_amounts(idiosyncratic_credit, "idiosyncratic_credit", mend=mend)
    equity = checked_amounts(idiosyncratic_equity, "idiosyncratic_equity", mend=mend)
    rest = checked_amounts(others, "others", mend=mend)
    parts = (
        float(np.sqrt(credit @ credit)),
        float(np.sqrt(equity @ equity)),
        float(np.sqrt((RHO_NON_MODELLABLE * rest.sum()) ** 2 + (1.0 - RHO_NON_MODELLABLE**2) * (rest @ rest))),
    )
    return NonModellableCapital(sum(parts), *parts)
