"""The moves of each named set, made from historical ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.methods import ScenarioName
from risk_core.scenarios.simulated import DEGREES_OF_FREEDOM, simulated_moves
from risk_core.scenarios.volatility_weighted import volatility_scaled

Floats = NDArray[np.float64]

MOVES: Final[Mapping[ScenarioName, Callable[[Floats, int], Floats]]] = {
    ScenarioName.HISTORICAL: lambda moves, seed: moves,
    ScenarioName.VOLATILITY_WEIGHTED: lambda moves, seed: volatility_scaled(moves),
    ScenarioName.SIMULATED_NORMAL: simulated_moves,
    ScenarioName.SIMULATED_STUDENT_T: partial(simulated_moves, degrees_of_freedom=DEGREES_OF_FREEDOM),
}
"""Moves float64[N, S], oldest first, in each instrument's own currency, and a seed, to the moves of the set."""
