"""The moves of each named set, made from historical ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.methods import ScenarioName
from risk_core.scenarios.volatility_weighted import volatility_scaled

Floats = NDArray[np.float64]

MOVES: Final[Mapping[ScenarioName, Callable[[Floats], Floats]]] = {
    ScenarioName.HISTORICAL: lambda moves: moves,
    ScenarioName.VOLATILITY_WEIGHTED: volatility_scaled,
}
"""Moves float64[N, S], oldest first, in each instrument's own currency, to the moves of the set."""
