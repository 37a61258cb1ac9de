"""Who carries the risk: component, marginal, standalone and incremental risk, for every measure at once.

All measures are homogeneous of degree one in the P&L vector, so by Euler's theorem the gradient splits them without remainder
(D. Tasche, "Risk contributions and performance measurement", 1999).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.result import Measured

Floats = NDArray[np.float64]

_TOLERANCE = 1e-9


class AttributionError(ValueError):
    """Parts that do not make the whole."""


def components(measured: Measured, contributions: ArrayLike) -> Floats:
    """Return each part's component risk; they sum to the measured value.

    Parameters
    ----------
    measured : Measured
        Of the whole P&L vector.
    contributions : float64[J, S]
        P&L of each part by scenario; their sum is the vector that was measured.

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
