"""Measures of a P&L vector beyond VaR and ES, by the name under which they are stored beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import tail_probability
from risk_core.measures.drawdown import (
    Accumulation,
    DrawdownRisk,
    conditional_drawdown_at_risk,
    entropic_drawdown_at_risk,
    maximum_drawdown,
)
from risk_core.measures.entropic import entropic_value_at_risk
from risk_core.measures.expectile import expectile_value_at_risk
from risk_core.measures.spectral import ExponentialSpectrum, spectral_risk
from risk_core.measures.tail_ratio import tail_ratio

Floats = NDArray[np.float64]


def _spectral(pnl: Floats, weights: Floats, confidence: float) -> float:
    """Absolute risk aversion 2 / (1 - confidence): on average it reads as deep in the tail as expected shortfall at the confidence."""
    return spectral_risk(pnl, ExponentialSpectrum(2.0 / tail_probability(confidence)), weights).value


def _drawdown(measure: Callable[..., DrawdownRisk], pnl: Floats, weights: Floats, confidence: float) -> float:
    """Of today's positions held through the days of the window: the vector is read oldest first, its weights are not."""
    return measure(pnl[::-1], confidence, Accumulation.UNCOMPOUNDED).value


FURTHER: Final[Mapping[str, Callable[[Floats, Floats, float], float | None]]] = {
    "spectral_risk": _spectral,
    "expectile_value_at_risk": lambda pnl, weights, confidence: expectile_value_at_risk(pnl, confidence, weights).value,
    "entropic_value_at_risk": lambda pnl, weights, confidence: entropic_value_at_risk(pnl, confidence, weights).value,
    "shortfall_ratio": lambda pnl, weights, confidence: tail_ratio(pnl, confidence, weights).ratio,
    "maximum_drawdown": lambda pnl, weights, confidence: maximum_drawdown(pnl[::-1], Accumulation.UNCOMPOUNDED).value,
    "conditional_drawdown_at_risk": partial(_drawdown, conditional_drawdown_at_risk),
    "entropic_drawdown_at_risk": partial(_drawdown, entropic_drawdown_at_risk),
}
"""P&L and weights, float64[S] newest first, and a confidence, to a number in the unit of the P&L (the ratio has none), or None."""


def further_measures(names: tuple[str, ...], pnl: Floats, weights: Floats, confidence: float) -> dict[str, float] | None:
    """Return the named measures that have a number; None if no name is given.

    Parameters
    ----------
    names : tuple of str
        Of `FURTHER`.
    pnl, weights : float64[S]
        Newest first, gains positive.
    confidence : float

    Raises
    ------
    MeasureError, ConventionError
        For a vector, weights or a confidence that the measures refuse.
    """
    if not names:
        return None
    found = ((name, FURTHER[name](pnl, weights, confidence)) for name in names)
    return {name: float(value) + 0.0 for name, value in found if value is not None}
