"""Error bars of a simulated set: value at risk and expected shortfall with standard errors from independent batches.

Batches need no formula for the error, and hold for draws that are not independent one by one (mirrored pairs, Sobol sequences).
S. Asmussen and P. Glynn, Stochastic Simulation (2007), sec. 3.5.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import tail_probability
from risk_core.copulas.scenarios import SimulatedRisk
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.scenarios.move_checks import checked_count

Floats = NDArray[np.float64]

BATCHES: Final = 20
FEWEST: Final = 4
"""Draws that the tail of a batch must hold."""


def batch_risk(pnl: ArrayLike, confidence: float, batches: int = BATCHES) -> SimulatedRisk:
    """Return value at risk and expected shortfall of a simulated P&L, each with its standard error.

    The numbers are those of all draws; the errors are deviations among batches over sqrt(batches). An error from b batches is itself
    uncertain by 1 / sqrt(2 (b - 1)): 16 % of it for twenty.

    Parameters
    ----------
    pnl : float64[draws] or float64[batches, draws of each]
        Gains positive, equally weighted. One dimension: cut into runs of equal length, which must be independent of one another; an even
        length keeps mirrored pairs together. Two dimensions: each row a batch, such as a Sobol set of its own seed.
    confidence : float
        In [0.5, 1).
    batches : int
        At least 2; not read for two dimensions.

    Returns
    -------
    SimulatedRisk

    Raises
    ------
    MeasureError
        For NaN, another shape, draws that do not fall into equal batches, or tails of fewer than `FEWEST` draws.
    ScenarioError
        For an impossible number of batches.
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    given = np.asarray(pnl, np.float64)
    if given.ndim == 1:
        pieces = checked_count(batches, "batches", 2)
        if given.size % pieces:
            raise MeasureError(f"{given.size} draws do not fall into {pieces} batches of equal length; give a divisor")
        given = given.reshape(pieces, -1)
    if given.ndim != 2 or given.shape[0] < 2:
        raise MeasureError(f"pnl must have one dimension, or two with a row for each of at least two batches, not shape {given.shape}")
    whole = checked_pnl(given.ravel())
    if tail * given.shape[1] < FEWEST - 1e-9:
        raise MeasureError(
            f"a batch of {given.shape[1]} draws has a tail of {tail * given.shape[1]:.3g}; "
            f"give at least {ceil(FEWEST / tail - 1e-6)} draws for each of the {given.shape[0]} batches"
        )
    numbers = np.array([(value_at_risk(row, confidence).value, expected_shortfall(row, confidence).value) for row in given])
    errors = numbers.std(axis=0, ddof=1) / sqrt(len(numbers))
    return SimulatedRisk(
        value_at_risk(whole, confidence), expected_shortfall(whole, confidence), float(errors[0]), float(errors[1]), whole.size
    )
