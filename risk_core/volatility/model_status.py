"""How far a fitted volatility model can be trusted, and why."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.volatility.coordinates import LARGEST_DF, LEAST_DF, LOSSES, LOWER, NEWS, TOTAL, UPPER
from risk_core.volatility.model_kernels import ALPHA, BETA, DF, EGARCH, GAMMA, MEAN, OMEGA, POWER, SKEW
from risk_core.volatility.model_search import Found
from risk_core.volatility.model_states import CODES, NAMES, UNIT_ROOT, Model, ModelState
from risk_core.volatility.result import VolatilityStatus

_SEARCHED: Final = dict(enumerate(NAMES)) | {TOTAL: "persistence", NEWS: "share of news", LOSSES: "asymmetry"}


def judged(kind: Model, found: Found, moving: NDArray[np.bool_], state: ModelState, flat: bool) -> tuple[VolatilityStatus, str]:
    """Return the gravest status, and the reasons of all."""
    code, point = CODES[kind], found.point
    lower, upper = LOWER[code], UPPER[code]
    edge = moving & ((point <= lower + 1e-9) | (point >= upper - 1e-9))
    tests = [
        (not found.arrived, VolatilityStatus.NOT_CONVERGED, f"the search ended with a Newton decrement of {found.decrement:.2g}"),
        (
            bool(edge[DF]) and point[DF] >= upper[DF] - 1e-9,
            VolatilityStatus.DF_AT_LOWER_BOUND,
            f"the tail is heavier than any with a variance: df stands at its lower bound {LEAST_DF:g}",
        ),
        (
            not flat and state.persistence >= UNIT_ROOT,
            VolatilityStatus.NEAR_UNIT_ROOT,
            f"persistence is {state.persistence:.6g}: the long-run variance is not known",
        ),
        (flat, VolatilityStatus.NO_CLUSTERING, "no reaction to news is seen: the variance is constant"),
    ]
    held = (OMEGA, MEAN, SKEW) if flat else (OMEGA, MEAN, SKEW, POWER, ALPHA, GAMMA, BETA)
    labels = dict(enumerate(NAMES)) if code == EGARCH else _SEARCHED
    tests += [(bool(edge[i]), VolatilityStatus.AT_BOUND, f"the {labels[i]} stands at the edge of what is searched") for i in held]
    tests.append(
        (
            bool(edge[DF]) and point[DF] <= lower[DF] + 1e-9,
            VolatilityStatus.DF_AT_UPPER_BOUND,
            f"no heavier tail than the normal's is seen: df stands at its upper bound {LARGEST_DF:g}",
        )
    )
    hits = [(status, reason) for holds, status, reason in tests if holds]
    return (hits[0][0], "; ".join(r for _, r in hits)) if hits else (VolatilityStatus.OK, "")
