"""How far the numbers of a tail can be trusted, by its measure: the intervals that are stored beside VaR and ES."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.intervals import INTERVAL_LEVEL
from risk_core.measures import Measured
from risk_core.measures.quantiles import sequential_sum
from risk_core.methods import Measure, normal_quantile
from risk_core.tails import TAILS
from risk_core.uncertainty import (
    Interval,
    IntervalStatus,
    expected_shortfall_interval,
    group_jackknife,
    normal_expected_shortfall_interval,
    normal_value_at_risk_interval,
    order_statistic_interval,
)
from risk_core.volatility import riskmetrics_2006_weights

Floats = NDArray[np.float64]
Pairs: TypeAlias = tuple[tuple[Interval, Interval], ...]
"""Of VaR and ES, by confidence."""
Numbers: TypeAlias = Sequence[tuple[Measured, Measured]]


def tail_intervals(
    measure: Measure,
    pnl: Floats,
    weights: Floats,
    confidences: Sequence[float],
    numbers: Numbers,
    level: float = INTERVAL_LEVEL,
    dependent: bool = False,
) -> Pairs:
    """Return the intervals of VaR and ES of a vector by a measure, of nominal coverage `level`.

    Empirical: order statistics and the influence function; normal: the delta method; smooth: the variance that its own weights give VaR
    (Maritz and Jarrett), and the influence function; fits: the group jackknife (of the parameters, where a fit filters through the days).
    On a simulated set it is the error of the simulation, not of what the simulation was fitted to.

    Parameters
    ----------
    measure : Measure
    pnl, weights : float64[S]
        Newest first.
    confidences : C floats
    numbers : C pairs of Measured
        VaR and ES of the whole vector by the measure.
    level : float
    dependent : bool
        Whether neighbouring scenarios share days: the group jackknife for all measures, whose blocks are longer than what they share.
    """
    if dependent:
        return _jackknifed(measure, pnl, weights, confidences, numbers, level)
    if measure is Measure.SMOOTH:
        return tuple(_smooth(pnl, weights, *pair, level) for pair in numbers)
    if measure is Measure.RISKMETRICS_2006:
        return tail_intervals(Measure.NORMAL, pnl, riskmetrics_2006_weights(pnl.size), confidences, numbers, level)
    if measure not in _DIRECT:
        return _jackknifed(measure, pnl, weights, confidences, numbers, level)
    of_var, of_es = _DIRECT[measure]
    return tuple((_with_error(of_var(pnl, c, weights, level=level)), of_es(pnl, c, weights, level=level)) for c in confidences)


def _jackknifed(measure: Measure, pnl: Floats, weights: Floats, confidences: Sequence[float], numbers: Numbers, level: float) -> Pairs:
    def statistics(vector: Floats, mass: Floats) -> list[float]:
        tail = TAILS[measure](vector, mass)
        return [m.value for c in confidences for m in (tail.value_at_risk(c), tail.expected_shortfall(c))]

    flat = [number.value for pair in numbers for number in pair]
    found = group_jackknife(statistics, pnl, weights, flat, level=level, keep_days=measure in FILTERS)
    return tuple(zip(found[::2], found[1::2], strict=True))


def _smooth(pnl: Floats, weights: Floats, var: Measured, es: Measured, level: float) -> tuple[Interval, Interval]:
    """Return sqrt(sum g v² - (sum g v)²) for VaR, g its weights: J. Maritz and R. Jarrett, JASA 73 (1978) 194-196."""
    mass = -var.gradient
    error = sqrt(max(sequential_sum(mass * (pnl + var.value) ** 2), 0.0))
    asymptotic = expected_shortfall_interval(pnl, es.confidence, weights, level=level)
    return (
        _centred(var.value, error or None, "maritz_jarrett", level),
        _centred(es.value, asymptotic.standard_error, asymptotic.method, level),
    )


def _centred(estimate: float, error: float | None, method: str, level: float) -> Interval:
    if error is None:
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, "the tail says nothing of the spread")
    reach = normal_quantile(0.5 * (1.0 - level)) * error
    return Interval(estimate - reach, estimate + reach, level, error, method)


def _with_error(interval: Interval) -> Interval:
    """Read a standard error off the width of an interval of order statistics: R. Woodruff, JASA 47 (1952) 635-646."""
    if interval.standard_error is not None or not interval.width:
        return interval
    return replace(interval, standard_error=interval.width / (2.0 * normal_quantile(0.5 * (1.0 - interval.level))))


FILTERS: Final = (Measure.GARCH_NORMAL, Measure.GARCH_STUDENT_T, Measure.CONDITIONAL_PEAKS)
"""Measures of tomorrow given the days before, in their order: resampled days would be another history."""
_DIRECT: Final[Mapping[Measure, tuple[Callable[..., Interval], Callable[..., Interval]]]] = {
    Measure.EMPIRICAL: (order_statistic_interval, expected_shortfall_interval),
    Measure.NORMAL: (normal_value_at_risk_interval, normal_expected_shortfall_interval),
}
