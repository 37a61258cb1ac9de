"""The multiplier of model capital by exceptions of the bank's VaR: MAR32's 1.50 to 2.00 and Basel 2.5's 3 to 4."""

from __future__ import annotations

from dataclasses import dataclass

from risk_core.backtests.zones import (
    BASE_MULTIPLIER,
    Framework,
    Zone,
    basel_multiplier,
    table_plus_factor,
    traffic_light_bounds,
    zone_of,
)
from risk_core.regulation.checks import checked_amount


@dataclass(frozen=True, slots=True)
class BacktestingMultiplier:
    """A multiplier and what it is made of: `value` is `base` plus `backtesting` plus `qualitative`.

    `zone` is that of the count of `exceptions`; MAR32 calls the yellow one amber.
    """

    value: float
    base: float
    backtesting: float
    qualitative: float
    exceptions: int
    zone: Zone


def backtesting_multiplier(exceptions: int, framework: Framework | str, *, qualitative: float = 0.0) -> BacktestingMultiplier:
    """Return the multiplier for exceptions of 99 % one-day VaR in 250 days, bank-wide.

    Parameters
    ----------
    exceptions : int
        The greater of actual and hypothetical: `count_outliers(...).count` (MAR32.5(1), MAR33.42(4)).
    framework : Framework
        "mar32": m_c, 1.50 to 2.00, of IMCC (MAR32.9, table 1; MAR33.42). "basel_2.5": m_c of VaR and m_s of stressed VaR, 3 to 4; both
        take the exceptions of VaR (718(Lxxvi)(l)).
    qualitative : float
        What the supervisor adds besides, not negative.

    Raises
    ------
    BacktestError
        If the count is not a whole number within [0, 250], or the framework is unknown.
    MeasureError
        If `qualitative` is negative or not finite.
    """
    extra = checked_amount(qualitative, "qualitative")
    table = basel_multiplier(exceptions, framework)
    base, zone = BASE_MULTIPLIER[Framework(framework)], zone_of(int(exceptions), traffic_light_bounds())
    return BacktestingMultiplier(table + extra, base, table_plus_factor(exceptions, framework), extra, int(exceptions), zone)


def multiplier_table(framework: Framework | str) -> tuple[BacktestingMultiplier, ...]:
    """Return the table of a framework: multipliers of 0 to 10 exceptions, the last for any more."""
    return tuple(backtesting_multiplier(exceptions, framework) for exceptions in range(11))
