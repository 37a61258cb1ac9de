"""Component risk with its uncertainty: every resample is attributed anew."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions
from risk_core.measures.attribution import Attribution, Measure, attribute
from risk_core.measures.checks import checked_weights
from risk_core.uncertainty.bootstrap import (
    DEFAULT_RESAMPLING,
    IntervalKind,
    checked_kind,
    interval_around,
    jackknife,
    refuse_unscaled_weights,
    resampled,
    trust,
)
from risk_core.uncertainty.interval import Interval, IntervalStatus, checked_level
from risk_core.uncertainty.resampling import Integers, Resampling

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AttributionErrors:
    """A portfolio's risk by instrument, with how far each number can be trusted.

    Parameters
    ----------
    attribution : Attribution
        Of the sample itself.
    total : Interval
        Of the whole portfolio's risk.
    component : tuple of Interval
        Of each instrument's component risk, N of them. Components are correlated: their errors do not add up to that of the whole.
    draws : float64[resamples, N]
        Components in each resample; each row sums to that resample's total.
    """

    attribution: Attribution
    total: Interval
    component: tuple[Interval, ...]
    draws: Floats = field(repr=False)

    @property
    def standard_errors(self) -> Floats:
        """Standard error of each component, float64[N]; 0 where no resample changes it."""
        return np.array([interval.standard_error or 0.0 for interval in self.component])


def attribute_with_errors(
    exposures: ArrayLike,
    shocks: ArrayLike,
    measure: Measure,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    level: float = 0.95,
    kind: IntervalKind | str = IntervalKind.PERCENTILE,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> AttributionErrors:
    """Return the risk of linear exposures by instrument, with bootstrap standard errors and intervals.

    Scenarios are resampled whole, so the dependence between instruments is kept; by blocks, that in time too. The block length, if not
    given, is that of the portfolio's P&L.

    Parameters
    ----------
    exposures : float64[N]
        In currency for relative shocks, in units for absolute ones.
    shocks : float64[N, S]
        Instrument-major, in time order, either way, unless draws are independent.
    measure : callable
        Any `Measure`: `value_at_risk`, `harrell_davis_value_at_risk`, `kernel_expected_shortfall`, ...
    confidence, weights, conventions
        Of the measure. Weights travel with their scenarios.
    level : float
        Of the intervals, in (0, 1), each on its own.
    kind : IntervalKind or str
    resampling : Resampling

    Returns
    -------
    AttributionErrors
        An instrument without exposure has component 0 and an `unknown` interval.

    Raises
    ------
    AttributionError
        If shapes do not fit.
    MeasureError, ConventionError
        From the measure; also for an impossible level or kind.
    """
    checked_level(level)
    chosen = checked_kind(kind)
    refuse_unscaled_weights(conventions)
    whole = attribute(exposures, shocks, measure, confidence, weights, conventions)
    parts = np.asarray(exposures, np.float64)[:, None] * np.asarray(shocks, np.float64)
    mass = checked_weights(weights, parts[0], parts.shape[1])
    kept = mass > 0.0
    parts, mass = parts[:, kept], mass[kept]
    pnl = parts.sum(axis=0)

    def statistic(rows: Integers) -> Floats:
        measured = measure(pnl[rows], confidence, None if weights is None else mass[rows], conventions)
        return np.append(parts[:, rows] @ measured.gradient, measured.value)

    draws = resampled(statistic, pnl, resampling)
    left_out = jackknife(statistic, pnl.size, resampling.block(pnl)) if chosen is IntervalKind.BCA else None
    status, reason = trust(whole.total, mass)
    method = f"{resampling.scheme}_bootstrap_{chosen}"

    def interval(j: int, estimate: float, trusted: IntervalStatus) -> Interval:
        return interval_around(draws[:, j], estimate, level, chosen, None if left_out is None else left_out[:, j], method, trusted, reason)

    # the worst loss bounds draws of the whole from one side, draws of a part from neither
    of_parts = IntervalStatus.FEW_IN_TAIL if status is IntervalStatus.ONE_SIDED else status
    component = tuple(interval(j, float(estimate), of_parts) for j, estimate in enumerate(whole.component))
    total = interval(len(component), whole.total.value, status)
    return AttributionErrors(whole, total, component, draws[:, :-1])
