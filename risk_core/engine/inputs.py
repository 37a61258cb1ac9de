"""What a day close freezes for the methods that are evaluated beside the stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a day close freezes: exposures of P nodes, their papers, and the day's outcome; all in each node's currency.

    Parameters
    ----------
    scenarios : int
        Rows of the window, the last of which is the close's own.
    exposure : float64[P, N]
    shares : float64[P, 3]
        Stale, proxied and thin share.
    flags : P str
        What degrades a node's numbers whatever the method, joined by `+`.
    judged_ns : int
        The close whose forecast this day is held against; 0 if there is none.
    outcome : float64[3, P]
        Hypothetical P&L, actual P&L and fees of the day.
    """

    as_of_ns: int
    date: str
    revision: int
    log_seq: int
    scenarios: int
    node_ids: tuple[int, ...]
    exposure: Floats
    shares: Floats
    flags: tuple[str, ...]
    judged_ns: int
    outcome: Floats
