"""Every number of a window's tests is a function of five counts and the rate: looked up, never summed over days."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, chdtrc

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.likelihood import independence_ratio, proportion_ratio
from risk_core.backtests.zones import BASE_MULTIPLIER, GREEN_LEVEL, YELLOW_LEVEL, Framework, Zone, basel_multiplier, plus_factor

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
T = TypeVar("T")

ZONES: Final = (Zone.GREEN, Zone.YELLOW, Zone.RED)
LARGEST_BET: Final = 0.5


class Counts(NamedTuple):
    """Of windows, int64 of one shape: days, exceptions, exceptions right after one, and whether the first and last day are exceptions."""

    observations: Integers
    exceptions: Integers
    pairs: Integers
    first: Integers
    last: Integers


class Numbers(NamedTuple, Generic[T]):
    """Of windows, float64 of one shape, or of one window. The logs are of what tomorrow multiplies the capital by."""

    zone: T
    """A place in `ZONES`."""
    type_i: T
    multiplier_mar32: T
    multiplier_basel_2_5: T
    kupiec_p: T
    independence_p: T
    conditional_p: T
    log_if_hit: T
    log_if_none: T


def tests_of(counts: Counts, confidence: float) -> Numbers[Floats]:
    """Return the tests of windows by their counts; those of `coverage_tests`, to the bit.

    Parameters
    ----------
    counts : Counts
    confidence : float
        Of VaR.

    Raises
    ------
    BacktestError
        If the confidence is not within (0, 1).
    """
    n, x, pairs, first, last = counts
    rate = rate_of(confidence)
    cumulative = bdtr(x, n, rate)
    zone = np.where(x == 0, 0, (cumulative >= GREEN_LEVEL).astype(np.int64) + (cumulative >= YELLOW_LEVEL))
    coverage = proportion_ratio(x, n, rate)
    into, out = x - first - pairs, x - last - pairs
    alone = independence_ratio(np.maximum(n - 1, 0) - into - out - pairs, out, into, pairs)
    bet = np.clip((x / np.maximum(n, 1) - rate) / (1.0 - rate), 0.0, LARGEST_BET)
    columns = (
        zone,
        np.where(x == 0, 1.0, bdtrc(np.maximum(x - 1, 0), n, rate)),
        _multipliers(n, x, zone, confidence, Framework.MAR32),
        _multipliers(n, x, zone, confidence, Framework.BASEL_2_5),
        chdtrc(1.0, coverage),
        chdtrc(1.0, alone),
        chdtrc(2.0, coverage + alone),
        np.log1p(bet * (1.0 / rate - 1.0)),
        np.log1p(-bet),
    )
    return Numbers(*(np.asarray(column, np.float64) for column in columns))


@lru_cache(maxsize=65_536)
def numbers_at(confidence: float, *counts: int) -> Numbers[float]:
    """Return the numbers of one window, remembered: its counts are mostly those of another day, or of another series."""
    return Numbers(*(values.item() for values in tests_of(Counts(*(np.array([count]) for count in counts)), confidence)))


def _multipliers(n: Integers, x: Integers, zone: Integers, confidence: float, framework: Framework) -> Floats:
    """Return the multipliers: in the yellow zone by Basel's table where it applies, elsewhere by the formula behind it."""
    least, most = (BASE_MULTIPLIER[framework] + plus_factor(0, 1, confidence, framework=framework, zone=ZONES[place]) for place in (0, 2))
    found, yellow = np.where(zone == 2, most, least), zone == 1
    found[yellow] = [_yellow(*cell, confidence, framework) for cell in zip(x[yellow].tolist(), n[yellow].tolist(), strict=True)]
    return found


@lru_cache(maxsize=65_536)
def _yellow(exceptions: int, observations: int, confidence: float, framework: Framework) -> float:
    if (observations, round(confidence, 12)) == (250, 0.99):
        return basel_multiplier(exceptions, framework)
    return BASE_MULTIPLIER[framework] + plus_factor(exceptions, observations, confidence, framework=framework, zone=Zone.YELLOW)
