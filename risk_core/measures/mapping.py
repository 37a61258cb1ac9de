"""Mapping of a cash flow to the two neighbouring vertices of a curve, so that present value and volatility are kept.

J. P. Morgan/Reuters, RiskMetrics Technical Document (1996), sec. 6.2; J. Hull, Options, Futures and Other Derivatives (9th ed.),
technical note 25.
"""

from __future__ import annotations

from math import sqrt

from risk_core.measures.checks import MeasureError, checked_scalar


def mapping_share(left: float, right: float, correlation: float, volatility: float) -> float:
    """Return the share of a cash flow's present value that goes to the left vertex, in [0, 1]; the right one has the rest.

    The root in [0, 1] of a² left² + (1 - a)² right² + 2 a (1 - a) correlation left right = volatility².

    Parameters
    ----------
    left, right : float
        Price volatilities of zero-coupon bonds at the two vertices, positive, in one unit.
    correlation : float
        Of their returns, in [-1, 1].
    volatility : float
        Of the cash flow, usually interpolated: between `left` and `right`.

    Raises
    ------
    MeasureError
        For numbers out of range: outside the two vertices' volatilities there may be no share, or two.
    """
    a, b = checked_scalar(left, "left", above=0.0), checked_scalar(right, "right", above=0.0)
    rho, target = checked_scalar(correlation, "correlation", least=-1.0, most=1.0), checked_scalar(volatility, "volatility", above=0.0)
    if not min(a, b) <= target <= max(a, b):
        raise MeasureError(f"volatility must lie between those of the vertices, {a:g} and {b:g}, not {volatility!r}")
    if a == b:
        return 1.0
    unit = max(a, b)
    a, b, target = a / unit, b / unit, target / unit
    square, slope, rest = a * a + b * b - 2.0 * rho * a * b, b * (rho * a - b), (b - target) * (b + target)
    root = sqrt(max(slope * slope - square * rest, 0.0))
    # the share falls as the volatility goes from left to right, so it is the branch that has 1 at `left` and 0 at `right`
    share = (-slope - root) / square if a < b else (-slope + root) / square
    return min(max(share, 0.0), 1.0)
