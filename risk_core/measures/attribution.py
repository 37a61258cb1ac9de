"""Who carries the risk: component, marginal, standalone and incremental risk, for every measure at once.

All measures are homogeneous of degree one in the P&L vector, so by Euler's theorem the gradient splits them without remainder
(D. Tasche, "Risk contributions and performance measurement", 1999; P. Jorion, Value at Risk, ch. 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions
from risk_core.measures.result import Measured

Floats = NDArray[np.float64]

_TOLERANCE = 1e-9


class AttributionError(ValueError):
    """Parts that do not make the whole, or shapes that do not fit."""


class Measure(Protocol):
    """What `value_at_risk` and its siblings are."""

    def __call__(self, pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = ..., /) -> Measured:
        """Measure a P&L vector."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """A portfolio's risk by instrument, losses positive.

    Parameters
    ----------
    total : Measured
        Of the whole portfolio.
    component : float64[N]
        Exposure times marginal: sums to `total.value`. Negative for what hedges.
    marginal : float64[N]
        Change of the measure for one more unit of exposure.
    standalone : float64[N]
        The measure of each position alone. For a subadditive measure the sum is at least `total.value`.
    incremental : float64[N]
        The measure of the whole minus the measure without the position: measured again, so it does not sum.
    """

    total: Measured
    component: Floats
    marginal: Floats
    standalone: Floats
    incremental: Floats

    @property
    def diversification_benefit(self) -> float:
        """Sum of standalone risks minus the risk of the whole."""
        return float(self.standalone.sum()) - self.total.value


def attribute(
    exposures: ArrayLike,
    shocks: ArrayLike,
    measure: Measure,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> Attribution:
    """Return the risk of linear exposures, whole and by instrument.

    Parameters
    ----------
    exposures : float64[N]
        In currency for relative shocks, in units for absolute ones.
    shocks : float64[N, S]
        Instrument-major, as `ScenarioSet.shocks`.
    measure : callable
        `value_at_risk`, `expected_shortfall`, `normal_value_at_risk` or `normal_expected_shortfall`.
    confidence, weights, conventions
        Of the measure.

    Raises
    ------
    AttributionError
        If shapes do not fit.
    MeasureError, ConventionError
        From the measure.
    """
    x, moves = np.asarray(exposures, np.float64), np.asarray(shocks, np.float64)
    if x.ndim != 1 or moves.ndim != 2 or moves.shape[0] != x.size:
        raise AttributionError(f"exposures {x.shape} and shocks {moves.shape} must have shapes (N,) and (N, S)")

    def measured(vector: ArrayLike) -> Measured:
        return measure(vector, confidence, weights, conventions)

    parts = x[:, None] * moves
    pnl = parts.sum(axis=0)
    total = measured(pnl)
    return Attribution(
        total=total,
        component=components(total, parts),
        marginal=marginal(total, moves),
        standalone=standalone(measured, parts),
        incremental=incremental(measured, pnl, parts),
    )


def components(measured: Measured, contributions: ArrayLike) -> Floats:
    """Return each part's component risk; they sum to the measured value.

    Parameters
    ----------
    measured : Measured
        Of the whole P&L vector.
    contributions : float64[J, S]
        P&L of each part by scenario: instruments, or desks; their sum is the vector that was measured.

    Returns
    -------
    float64[J]
        Loss positive; negative for a part that hedges.

    Raises
    ------
    AttributionError
        If the parts do not sum to the measured vector.
    """
    parts = np.asarray(contributions, np.float64)
    if parts.ndim != 2 or parts.shape[1] != measured.gradient.size:
        raise AttributionError(f"contributions must have shape (parts, {measured.gradient.size}), not {parts.shape}")
    result: Floats = parts @ measured.gradient
    gap, scale = abs(float(result.sum()) - measured.value), float(np.abs(parts).sum(axis=0) @ np.abs(measured.gradient))
    if not gap <= _TOLERANCE * max(scale, abs(measured.value)):
        raise AttributionError(f"components sum to {result.sum():.10g}, the measure is {measured.value:.10g}: the parts are not the whole")
    return result


def marginal(measured: Measured, shocks: ArrayLike) -> Floats:
    """Return the change of the measure for one more unit of exposure to each instrument: float64[N] from shocks float64[N, S]."""
    result: Floats = np.asarray(shocks, np.float64) @ measured.gradient
    return result


def standalone(measure: Callable[[Floats], Measured], contributions: ArrayLike) -> Floats:
    """Return the measure of each part on its own, float64[J]."""
    return np.array([measure(part).value for part in np.asarray(contributions, np.float64)])


def incremental(measure: Callable[[Floats], Measured], pnl: ArrayLike, contributions: ArrayLike) -> Floats:
    """Return the measure of the whole minus the measure without each part, float64[J]: measured again, not a gradient."""
    whole = np.asarray(pnl, np.float64)
    value = measure(whole).value
    return np.array([value - measure(whole - part).value for part in np.asarray(contributions, np.float64)])
