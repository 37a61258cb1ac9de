"""How well the fits recover their parameter from ranks: bias and root mean square error.

Run as `python -m tests.unit.copulas.recovery` for the table of docs/methods/copulas.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from risk_core.copulas import (
    ClaytonCopula,
    FitMethod,
    FittableCopula,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    StudentTCopula,
    pseudo_observations,
)

TARGETS: Final[dict[str, tuple[FittableCopula, Callable[[FittableCopula], float]]]] = {
    "Gaussian rho": (GaussianCopula.pair(0.5), lambda c: c.rho),  # type: ignore[attr-defined]
    "Student t rho": (StudentTCopula.pair(0.5, 4.0), lambda c: c.rho),  # type: ignore[attr-defined]
    "Student t 1/df": (StudentTCopula.pair(0.5, 4.0), lambda c: 1.0 / c.freedom),  # type: ignore[attr-defined]
    "Clayton theta": (ClaytonCopula(2.0), lambda c: c.theta),  # type: ignore[attr-defined]
    "Gumbel theta": (GumbelCopula(2.0), lambda c: c.theta),  # type: ignore[attr-defined]
    "Frank theta": (FrankCopula(5.0), lambda c: c.theta),  # type: ignore[attr-defined]
}
"""Name to (true copula, parameter read)."""


def recovery(name: str, method: FitMethod, observations: int, replications: int) -> tuple[float, float, float]:
    """Return (true value, bias, root mean square error); replication k has seed k."""
    true, read = TARGETS[name]
    fits = [type(true).fit(pseudo_observations(true.sample(observations, k)), method) for k in range(replications)]
    errors = np.array([read(fit) for fit in fits]) - read(true)
    return read(true), float(errors.mean()), float(np.sqrt(np.mean(errors**2)))


if __name__ == "__main__":
    for name in TARGETS:
        for method in FitMethod:
            cells = [recovery(name, method, n, 200) for n in (250, 1000)]
            print(f"| {name} | {cells[0][0]:g} | {method} | " + " | ".join(f"{b:+.3f} | {e:.3f}" for _, b, e in cells) + " |")
