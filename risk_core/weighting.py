"""Weights of scenarios: by age alone, or read off the P&L vector itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS
from risk_core.methods import Method, Weighting
from risk_core.scenarios.adaptive_window import WindowStatus, adaptive_window
from risk_core.scenarios.regime_switching import regime_weights
from risk_core.scenarios.regimes import RegimeStatus, fit_regimes
from risk_core.scenarios.weights import equal_weights

Floats = NDArray[np.float64]

EQUAL_INSTEAD: Final = "equal_weights"
"""Doubt where a rule has no weights for a vector: all scenarios count the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Weights with what is to be known of them.

    Parameters
    ----------
    weights : float64[S]
        Newest scenario first.
    doubts : tuple of str
        For the status of the numbers: `window_shortened`, `window_mixed`, `one_regime`, `thin_state`, `equal_weights`, ...
    reason : str
    """

    weights: Floats = field(repr=False)
    doubts: tuple[str, ...] = ()
    reason: str = ""


def weigh(method: Method, pnl: Floats) -> Weighted:
    """Return a method's weights of a P&L vector float64[S], newest first.

    A rule that reads the vector and has no weights for it (constant, too short) gives equal ones, and says so.
    """
    rule = _RULES.get(method.weights)
    if rule is None:
        return Weighted(method.weights_by_age(len(pnl), DEFAULT_CONVENTIONS))
    try:
        return rule(pnl)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Weighted(equal_weights(len(pnl)), (EQUAL_INSTEAD,), str(error))


def _since_the_change(pnl: Floats) -> Weighted:
    window = adaptive_window(pnl[::-1])
    doubts = (f"window_{window.status}",) if window.status is not WindowStatus.OK else ()
    return Weighted(window.weights, doubts, window.reason)


def _by_regime(pnl: Floats) -> Weighted:
    fit = fit_regimes(pnl[::-1])
    doubts = (str(fit.status),) if fit.status is not RegimeStatus.OK else ()
    return Weighted(regime_weights(fit.smoothed, fit.predictive), doubts, fit.reason)


_RULES: Final[Mapping[Weighting, Callable[[Floats], Weighted]]] = {
    Weighting.CHANGE_POINT: _since_the_change,
    Weighting.REGIME: _by_regime,
}
