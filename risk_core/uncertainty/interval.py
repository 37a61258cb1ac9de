"""What an estimate of uncertainty returns: an interval with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from risk_core.measures.checks import MeasureError


class IntervalStatus(StrEnum):
    """How far an interval can be trusted."""

    OK = "ok"
    FEW_IN_TAIL = "few_in_tail"
    """The tail holds few effective scenarios: the interval is given, but may cover far less often than its level says."""
    ONE_SIDED = "one_sided"
    """The sample says nothing about one side, which is None; the other side alone has the level asked for."""
    UNKNOWN = "unknown"
    """No interval and no standard error can be given: both sides are None."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a risk number, losses positive, in the unit of the P&L.

    Parameters
    ----------
    lower, upper : float or None
        None where the sample sets no bound: never NaN, never infinite.
    level : float
        Nominal coverage asked for, such as 0.95.
    standard_error : float or None
        Of the estimate; None for methods that have none.
    method : str
        What was computed, such as "order_statistics" or "stationary_bootstrap_bca".
    status : IntervalStatus
    reason : str
        Why the status is what it is; empty when "ok".
    coverage : float or None
        Exact probability of covering under the assumptions of the method, where that is known (order statistics of independent scenarios).
    """

    lower: float | None
    upper: float | None
    level: float
    standard_error: float | None
    method: str
    status: IntervalStatus = IntervalStatus.OK
    reason: str = ""
    coverage: float | None = None

    @property
    def width(self) -> float | None:
        """Upper minus lower; None unless both sides are known."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    def contains(self, value: float) -> bool:
        """Return whether a value lies inside, bounds included; a side that is None excludes nothing."""
        return (self.lower is None or self.lower <= value) and (self.upper is None or value <= self.upper)


def checked_level(level: float) -> float:
    """Return the nominal coverage of an interval.

    Raises
    ------
    MeasureError
        Unless 0 < level < 1.
    """
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not (isfinite(level) and 0.0 < level < 1.0):
        raise MeasureError(f"level is the coverage of the interval and must lie strictly between 0 and 1, such as 0.95, not {level!r}")
    return float(level)
