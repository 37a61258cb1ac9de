"""Value at risk and expected shortfall of any distribution that has a quantile and a distribution function.

C. Acerbi and D. Tasche, "On the coherence of expected shortfall", Journal of Banking & Finance 26 (2002) 1487-1503.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final, Protocol
from warnings import catch_warnings, simplefilter

from risk_core.conventions import tail_probability
from risk_core.measures.checks import LARGEST, MeasureError
from risk_core.measures.closed_form import ClosedForm

_ACCURACY: Final = 1e-6
"""Shortfalls less certain than this, relative to what is integrated, are refused."""


class Law(Protocol):
    """A univariate law with parameters fixed, such as `scipy.stats.norminvgauss(2.0, -0.5)`."""

    def ppf(self, q: Any, /) -> Any:
        """Return the quantile at a probability."""
        ...

    def cdf(self, x: Any, /) -> Any:
        """Return the probability of at most x."""
        ...


def distribution_risk(law: Law, confidence: float) -> ClosedForm:
    """Return VaR = -q and ES = -q + (1 / tail) times the integral of the distribution function below q, q the quantile at the tail.

    The integral is partial integration of the mean of the quantiles below the tail: no density, and no quantile far out, is asked for.
    Continuous laws only: of a few outcomes with probabilities take `value_at_risk` and `expected_shortfall` with weights.

    Parameters
    ----------
    law : Law
        Of the **P&L**, gains positive; a frozen distribution of scipy will do. A law of losses is to be mirrored first.
    confidence : float
        In [0.5, 1).

    Raises
    ------
    MeasureError
        If the law gives no finite quantile, its tail has no mean, or the integral is not found to 1e-6.
    ConventionError
        For an impossible confidence.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> round(distribution_risk(uniform(-50.0, 100.0), 0.99).value_at_risk, 9)
    49.0
    """
    from scipy.integrate import IntegrationWarning, quad  # takes a second to import

    tail = tail_probability(confidence)
    point = float(law.ppf(tail))
    if not abs(point) <= LARGEST:
        raise MeasureError(f"the law has {point} as its quantile at {tail:g}; check its parameters")
    unit = abs(float(law.ppf(0.5 * tail)) - point)
    if not isfinite(unit):
        raise MeasureError(f"the law has no finite quantile at {0.5 * tail:g}; check its parameters")
    if unit == 0.0:
        unit = max(abs(point), 1.0)

    def below(u: float) -> float:  # u in [0, 1): the distance below the quantile is unit u / (1 - u)
        return float(law.cdf(point - unit * u / (1.0 - u))) / (1.0 - u) ** 2

    with catch_warnings():
        simplefilter("error", IntegrationWarning)
        try:
            area, error = quad(below, 0.0, 1.0, epsabs=0.0, epsrel=1e-10, limit=400)
        except (IntegrationWarning, ZeroDivisionError) as found:  # the second where the search went on to infinity
            reason = str(found).splitlines()[0]
            raise MeasureError(f"the tail of the law has no mean, or its integral was not found: {reason}") from None
    if not isfinite(area) or error > _ACCURACY * max(area, tail):
        raise MeasureError(f"the mean of the tail was found as {area:g} with an error of {error:g}: the law may have none")
    return ClosedForm(-point, unit * area / tail - point)
