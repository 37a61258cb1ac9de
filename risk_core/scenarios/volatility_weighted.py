"""Volatility-weighted scenarios: J. Hull and A. White, "Incorporating volatility updating", Journal of Risk 1 (1998) 5-19."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.scenario_set import ScenarioSet
from risk_core.scenarios.weights import RISKMETRICS_DECAY, WeightError

Floats = NDArray[np.float64]


def volatility_weighted(scenarios: ScenarioSet, decay: float = RISKMETRICS_DECAY) -> ScenarioSet:
    """Return the same days with each move scaled from the volatility of its day to today's, see `volatility_scaled`."""
    return replace(scenarios, name="volatility_weighted", shocks=volatility_scaled(scenarios.shocks, decay))


def volatility_scaled(moves: ArrayLike, decay: float = RISKMETRICS_DECAY) -> Floats:
    """Return r_s sigma_S / sigma_s for each instrument by itself.

    sigma_s² is the forecast for day s made the day before: decay sigma_(s-1)² + (1 - decay) r_(s-1)², with a mean of zero. The first is the
    mean square of the window (the backcast of Hull and White's EWMA variant); sigma_S is the forecast for the day after the last.

    Parameters
    ----------
    moves : float64[N, S]
        Simple returns or price differences, oldest first. Finite.
    decay : float
        In (0, 1).

    Returns
    -------
    float64[N, S]
        An instrument that never moved stays as it is.

    Raises
    ------
    WeightError
        For an impossible decay.
    """
    if not 0.0 < decay < 1.0:
        raise WeightError(f"decay must lie strictly between 0 and 1, not {decay!r}")
    given = np.asarray(moves, np.float64)
    square = given * given
    count = given.shape[1]
    variance = np.empty((given.shape[0], count + 1))
    variance[:, 0] = np.add.accumulate(square, axis=1)[:, -1] / count
    for s in range(count):
        variance[:, s + 1] = decay * variance[:, s] + (1.0 - decay) * square[:, s]
    moved = variance[:, :1] > 0.0
    ratio = np.divide(variance[:, -1:], variance[:, :-1], out=np.ones_like(given), where=moved & (variance[:, :-1] > 0.0))
    scaled: Floats = given * np.sqrt(ratio)
    return scaled
