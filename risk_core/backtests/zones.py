"""Basel's traffic light for any number of days and any confidence, its plus factors and multipliers, and desk eligibility."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from scipy.special import bdtr, bdtrc, ndtri

from risk_core.backtests.coverage import minimum_detectable_rate, rate_of
from risk_core.backtests.exceptions import checked_counts
from risk_core.backtests.result import OK, BacktestError, DecideBy, Decision, TestResult, checked_choice, checked_probability, direction_of

GREEN_LEVEL: Final = 0.95
YELLOW_LEVEL: Final = 0.9999


class Zone(StrEnum):
    """Of a model."""

    GREEN = "green"
    YELLOW = "yellow"
    """Amber, as others call it."""
    RED = "red"


class Framework(StrEnum):
    """Whose multiplier."""

    MAR32 = "mar32"
    """Basel's revised market risk standard: 1.50 to 2.00 on the capital of ES models."""
    BASEL_2_5 = "basel_2.5"
    """Basel 1996 to 2.5: 3 to 4 on VaR."""


BASE_MULTIPLIER: Final = {Framework.MAR32: 1.5, Framework.BASEL_2_5: 3.0}
_TABLES: Final = {
    Framework.MAR32: {5: 0.20, 6: 0.26, 7: 0.33, 8: 0.38, 9: 0.42},
    Framework.BASEL_2_5: {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85},
}
_MOST: Final = {Framework.MAR32: 0.5, Framework.BASEL_2_5: 1.0}


def traffic_light(
    exceptions: int,
    observations: int = 250,
    confidence: float = 0.99,
    *,
    green_level: float = GREEN_LEVEL,
    yellow_level: float = YELLOW_LEVEL,
    power: float = 0.8,
) -> TestResult:
    """Return the zone of a count of exceptions.

    Parameters
    ----------
    exceptions : int
    observations : int
    confidence : float
        Of VaR.
    green_level, yellow_level : float
        Green while the binomial probability of so many exceptions or fewer is below the first, yellow while below the second. No
        exception is always green.
    power : float
        For the minimum detectable rate of Kupiec's test.

    Returns
    -------
    TestResult
        Rejected in the red zone. `details`: "zone"; "probability" P(X <= x) and "type_i" P(X >= x), which is `p_value_exact`;
        "green_most", "yellow_most", the largest counts of the zones; for both frameworks "plus_factor_..." generalised to any number of
        days and confidence, "multiplier_...", and at 250 days and 99 % "table_plus_factor_..." and "table_multiplier_...".

    Raises
    ------
    BacktestError
        If the counts cannot be, a probability is not within (0, 1), or the levels are not in order.
    """
    x, n = checked_counts(exceptions, observations)
    rate = rate_of(confidence)
    green, yellow = traffic_light_bounds(n, confidence, (green_level, yellow_level))
    zone = zone_of(x, (green, yellow))
    probability, type_i = float(bdtr(x, n, rate)), 1.0 if x == 0 else float(bdtrc(x - 1, n, rate))
    details: dict[str, float | int | str] = {
        "zone": str(zone),
        "probability": probability,
        "type_i": type_i,
        "green_most": green,
        "yellow_most": yellow,
        "p_value_exact_method": "exact",
    }
    for framework in Framework:
        plus = plus_factor(x, n, confidence, framework=framework, zone=zone)
        details |= {f"plus_factor_{framework}": plus, f"multiplier_{framework}": BASE_MULTIPLIER[framework] + plus}
        if (n, round(1.0 - rate, 12)) == (250, 0.99):
            table = table_plus_factor(x, framework)
            details |= {
                f"table_plus_factor_{framework}": table,
                f"table_multiplier_{framework}": round(BASE_MULTIPLIER[framework] + table, 2),
            }
    return TestResult(
        name="Basel traffic light",
        statistic=float(x),
        p_value=None,
        p_value_exact=type_i,
        decision=Decision.REJECT if zone is Zone.RED else Decision.ACCEPT,
        decided_by=DecideBy.EXACT,
        test_level=yellow_level,
        direction=direction_of(x, n * rate),
        observations=n,
        exceptions=x,
        expected_exceptions=n * rate,
        hypothesis=f"losses exceed VaR on {100 * rate:.4g} % of days",
        minimum_detectable_rate=minimum_detectable_rate(n, confidence, power=power),
        power=power,
        status=OK,
        details=details,
        verdict=zone_verdict(zone, type_i),
    )


def traffic_light_bounds(
    observations: int = 250, confidence: float = 0.99, levels: tuple[float, float] = (GREEN_LEVEL, YELLOW_LEVEL)
) -> tuple[int, int]:
    """Return the most exceptions of the green and of the yellow zone: (4, 9) for 250 days at 99 %.

    Raises
    ------
    BacktestError
        If `observations` is not positive, or a probability is not within (0, 1), or the levels are not in order.
    """
    n = checked_counts(0, observations)[1]
    rate = rate_of(confidence)
    return bounds_of(np.asarray(bdtr(np.arange(n + 1), n, rate)), levels)


def bounds_of(cumulative: np.ndarray[tuple[int], np.dtype[np.float64]], levels: tuple[float, float]) -> tuple[int, int]:
    """Return the largest counts with a cumulative probability below each level, at least 0. `cumulative[x]` is P(X <= x)."""
    first, second = (checked_probability(level, "a zone's level") for level in levels)
    if not first <= second:
        raise BacktestError(f"levels of the zones must rise, not {first} and {second}")
    return max(int(np.searchsorted(cumulative, first)) - 1, 0), max(int(np.searchsorted(cumulative, second)) - 1, 0)


def zone_of(exceptions: int, bounds: tuple[int, int]) -> Zone:
    """Return the zone of a count, given the most of the green and of the yellow zone."""
    return Zone.GREEN if exceptions <= bounds[0] else Zone.YELLOW if exceptions <= bounds[1] else Zone.RED


def plus_factor(
    exceptions: int,
    observations: int = 250,
    confidence: float = 0.99,
    *,
    framework: Framework | str = Framework.BASEL_2_5,
    zone: Zone | str | None = None,
) -> float:
    """Return the plus factor for any number of days and any confidence.

    Nothing in the green zone, the most in the red. In the yellow zone VaR is scaled to the quantile that was observed, under a normal
    law: base (z_c / z_(1 - x/N) - 1), not above the most (Basel 1996, the reasoning behind its table; MATLAB's "Increase"). Unrounded.

    Parameters
    ----------
    exceptions, observations : int
    confidence : float
        Of VaR.
    framework : Framework
        Base 3 and at most 1, or base 1.5 and at most 0.5.
    zone : Zone or None
        None: that of `traffic_light_bounds`.
    """
    x, n = checked_counts(exceptions, observations)
    chosen, level = checked_choice(Framework, framework, "framework"), 1.0 - rate_of(confidence)
    where = zone_of(x, traffic_light_bounds(n, confidence)) if zone is None else checked_choice(Zone, zone, "zone")
    if where is not Zone.YELLOW:
        return 0.0 if where is Zone.GREEN else _MOST[chosen]
    assumed, observed = float(ndtri(level)), float(ndtri(1.0 - x / n)) if x < n else -np.inf
    if observed <= 0.0:
        return _MOST[chosen]
    return float(min(max(BASE_MULTIPLIER[chosen] * (assumed / observed - 1.0), 0.0), _MOST[chosen]))


def table_plus_factor(exceptions: int, framework: Framework | str = Framework.BASEL_2_5) -> float:
    """Return the plus factor of Basel's table for 250 days at 99 %.

    From five exceptions on 0.40, 0.50, 0.65, 0.75, 0.85, 1 (Basel 1996), or 0.20, 0.26, 0.33, 0.38, 0.42, 0.50 (MAR32).
    """
    x = checked_counts(exceptions, 250)[0]
    chosen = checked_choice(Framework, framework, "framework")
    return 0.0 if x <= 4 else _TABLES[chosen].get(x, _MOST[chosen])


def basel_multiplier(exceptions: int, framework: Framework | str = Framework.MAR32) -> float:
    """Return the multiplier of 250 days at 99 % by Basel's table: 1.50 to 2.00 (MAR32), or 3 to 4 (Basel 2.5)."""
    return round(BASE_MULTIPLIER[checked_choice(Framework, framework, "framework")] + table_plus_factor(exceptions, framework), 2)


def desk_eligible(exceptions_99: int, exceptions_975: int) -> bool:
    """Return whether a desk may stay with internal models (MAR32.18): at most 12 exceptions at 99 % and 30 at 97.5 % in twelve months."""
    return checked_counts(exceptions_99, 366)[0] <= 12 and checked_counts(exceptions_975, 366)[0] <= 30


def zone_verdict(zone: Zone, type_i: float) -> str:
    """Return the sentence of a zone."""
    says = {
        Zone.GREEN: "no sign of a fault",
        Zone.YELLOW: "a sign of a fault, not a proof; the multiplier rises",
        Zone.RED: "the model is presumed wrong; the multiplier is at its most",
    }[zone]
    return f"{str(zone).capitalize()} zone: {says}. A right model has so many exceptions or more with probability {type_i:.2g}."
