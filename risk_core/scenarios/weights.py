"""Scenario weights by age: age 0 is the newest scenario. Built by repeated multiplication, so that every machine gives the same bits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BRW_DECAY: Final = 0.98
"""Boudoukh, Richardson and Whitelaw (1998)."""
RISKMETRICS_DECAY: Final = 0.94
"""RiskMetrics (1996), daily data."""


class WeightError(ValueError):
    """Weights that cannot be; the message says why."""


def equal_weights(count: int) -> NDArray[np.float64]:
    """Return `count` weights of 1/count."""
    _check_count(count)
    return np.full(count, 1.0 / count)


def exponential_weights(count: int, decay: float, *, normalised: bool = True) -> NDArray[np.float64]:
    """Return weights proportional to decay**age, newest first.

    Parameters
    ----------
    count : int
        Number of scenarios S.
    decay : float
        In (0, 1).
    normalised : bool
        True: scaled to sum to one, which is (1 - decay) decay**age / (1 - decay**S). False: (1 - decay) decay**age, the recursion that
        starts from zero.

    Returns
    -------
    float64[S]
    """
    _check_count(count)
    if not 0.0 < decay < 1.0:
        raise WeightError(f"decay must lie strictly between 0 and 1, not {decay!r}")
    weights = np.multiply.accumulate(np.concatenate(([1.0], np.full(count - 1, decay))))
    result: NDArray[np.float64] = weights / np.add.accumulate(weights)[-1] if normalised else weights * (1.0 - decay)
    return result


def _check_count(count: int) -> None:
    if count < 1:
        raise WeightError(f"a scenario set needs at least one scenario, not {count}")
