"""Expected shortfall over value at risk: how heavy a tail is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.result import Status
from risk_core.methods import normal_quantile, normal_shortfall


class RatioStatus(StrEnum):
    """Whether a ratio of expected shortfall to value at risk says anything."""

    OK = "ok"
    THIN_TAIL = "thin_tail"
    """The tail holds less than one effective scenario: both are the worst loss, and the ratio is one whatever the tail."""
    NO_LOSS = "no_loss"
    """Value at risk is not positive: the ratio has no meaning."""


@dataclass(frozen=True, slots=True)
class TailRatio:
    """Expected shortfall over value at risk.

    Parameters
    ----------
    ratio : float or None
        None with status `no_loss`.
    normal : float
        The same ratio for a normal P&L of mean zero, whatever its volatility: 1.1457 at 0.99. Above it the tail is heavier.
    confidence : float
    value_at_risk, expected_shortfall : float
        In the unit of the P&L, losses positive.
    status : RatioStatus
    reason : str
    """

    ratio: float | None
    normal: float
    confidence: float
    value_at_risk: float
    expected_shortfall: float
    status: RatioStatus = RatioStatus.OK
    reason: str = ""


def tail_ratio(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> TailRatio:
    """Return expected shortfall over value at risk, an indicator of how heavy the tail is.

    For a tail of index a the ratio tends to a / (a - 1) as the confidence goes to 1, for a normal one to 1: A. McNeil, R. Frey and
    P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 2.3.4.

    Parameters and errors are those of `value_at_risk`; also MeasureError at confidence 0.5, where normal value at risk is zero.
    """
    tail = tail_probability(confidence)
    if tail == 0.5:
        raise MeasureError("confidence must exceed 0.5 for a tail ratio: normal value at risk is zero there")
    normal = normal_shortfall(tail) / normal_quantile(tail)
    var, es = (f(pnl, confidence, weights, conventions) for f in (value_at_risk, expected_shortfall))
    if not var.value > 0.0:
        reason = f"value at risk is {var.value:g}, not a loss"
        return TailRatio(None, normal, confidence, var.value, es.value, RatioStatus.NO_LOSS, reason)
    status = RatioStatus.THIN_TAIL if var.status is Status.THIN_TAIL else RatioStatus.OK
    return TailRatio(es.value / var.value, normal, confidence, var.value, es.value, status, var.reason)
