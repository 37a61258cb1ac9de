"""Series for change-point tests: independent, fat-tailed and clustered, with and without a change of volatility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.scenarios.variance_changes import Correction, variance_changes

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def normal(random: np.random.Generator, count: int) -> Floats:
    """Independent normal."""
    return random.standard_normal(count)


def student(random: np.random.Generator, count: int) -> Floats:
    """Independent Student t with five degrees of freedom, of variance one."""
    return random.standard_t(5.0, count) * np.sqrt(3.0 / 5.0)


def garch(random: np.random.Generator, count: int) -> Floats:
    """GARCH(1, 1) with alpha 0.1, beta 0.85, of variance one, after 200 days."""
    shocks, variance, found = random.standard_normal(count + 200), 1.0, np.empty(count + 200)
    for t, shock in enumerate(shocks):
        found[t] = np.sqrt(variance) * shock
        variance = 0.05 + 0.1 * found[t] ** 2 + 0.85 * variance
    return found[200:]


LAWS: Final[dict[str, Draw]] = {"normal": normal, "student": student, "garch": garch}


def changed(draw: Draw, random: np.random.Generator, count: int, since: int, ratio: float) -> Floats:
    """A series whose last `since` observations are `ratio` times as large."""
    series = draw(random, count)
    series[count - since :] *= ratio
    return series


def share_found(draw: Draw, correction: Correction, count: int, since: int, ratio: float, runs: int, seed: int) -> float:
    """Share of seeded runs in which a change is found."""
    random = np.random.default_rng(seed)
    found = [bool(variance_changes(changed(draw, random, count, since, ratio), correction=correction).changes) for _ in range(runs)]
    return float(np.mean(found))


def table(runs: int = 1000, count: int = 500) -> Iterator[str]:
    """The figures of the method page."""
    for law, draw in LAWS.items():
        for correction in Correction:
            size = share_found(draw, correction, count, 0, 1.0, runs, 1)
            power = [share_found(draw, correction, count, since, 2.0, runs // 2, 2) for since in (20, 40, 60, 100, 250)]
            yield f"{law:8} {correction:9} size {size:.3f} doubled, days since 20 40 60 100 250: " + " ".join(f"{p:.2f}" for p in power)


if __name__ == "__main__":
    print(*table(), sep="\n")
