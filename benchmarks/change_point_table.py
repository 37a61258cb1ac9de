"""Prints, as markdown, what each online detector costs and sees: `python -m benchmarks.change_point_table`.

Thresholds are calibrated for one false alarm in 500 normal observations. The first columns keep them and change the law: Student t with
five degrees of freedom, GARCH(1,1) of 0.08 and 0.90, all of variance one. Then each law has its own threshold for the same run length.
Delays are observations from the change to the alarm where there was none in the 100 before: of a mean that moves by one deviation, of a
doubled deviation. Alarms within 500 observations; the share of later ones is called missed where it is above 0.5 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_core.change_points import (
    BayesianChangePoint,
    Cusum,
    CusumVariance,
    Detector,
    Ewma,
    ExceptionCusum,
    GarchLaw,
    Law,
    Mosum,
    NormalLaw,
    PageMean,
    PageVariance,
    StudentTLaw,
    VolatilityBreakout,
    calibrate,
    detection_delay,
    run_length,
)
from risk_core.measures import MeasureError

Floats = NDArray[np.float64]

RUN, DRAWS, SLOW_DRAWS, HORIZON, SEED = 500, 300, 120, 2_000, 1
LAWS: dict[str, Law] = {"normal": NormalLaw(), "t": StudentTLaw(5.0), "GARCH": GarchLaw()}
HIT = 0.05


@dataclass(frozen=True)
class Entry:
    """A detector with its name and the changes it is for."""

    name: str
    detector: Detector
    changes: tuple[str, ...]


ENTRIES = (
    Entry("CUSUM, k 0.5", Cusum(), ("mean",)),
    Entry("Page, shift 1", PageMean(), ("mean",)),
    Entry("EWMA, weight 0.1", Ewma(), ("mean",)),
    Entry("MOSUM, window 20", Mosum(), ("mean",)),
    Entry("Bayesian, hazard 0.004", BayesianChangePoint(bound=250), ("mean", "volatility")),
    Entry("scale CUSUM", CusumVariance(sides="upper"), ("volatility",)),
    Entry("Page, volatility x 1.5", PageVariance(ratio=1.5, sides="upper"), ("volatility",)),
    Entry("volatility breakout", VolatilityBreakout(), ("volatility",)),
    Entry("exceptions of 95 % VaR, x 3", ExceptionCusum(probability=HIT, multiple=3.0), ("volatility",)),
)
CHANGES: dict[str, dict[str, Any]] = {"mean": {"shift": 1.0}, "volatility": {"scale": 2.0}}


def quantile(law: Law) -> float:
    """Quantile of a law by simulation: the VaR of a right model that does not follow volatility."""
    return float(np.quantile(law(np.random.Generator(np.random.PCG64(99)), 400_000), HIT))


def cells(entry: Entry, change: str) -> list[str]:
    """One row of the table."""
    draws = SLOW_DRAWS if isinstance(entry.detector, BayesianChangePoint) else DRAWS
    watches = {name: observer(entry.detector, law) for name, law in LAWS.items()}
    base = calibrate(entry.detector, RUN, law=LAWS["normal"], draws=draws, seed=SEED, horizon=HORIZON, observe=watches["normal"])
    found = [entry.name, change, f"{base.threshold:.2f}"]
    for name, law in LAWS.items():
        length = run_length(base.detector, law=law, draws=draws, seed=SEED + 1, horizon=HORIZON, observe=watches[name])
        found.append(f"{1000.0 / length.average:.1f}")
    for name, law in LAWS.items():
        try:
            own = calibrate(entry.detector, RUN, law=law, draws=draws, seed=SEED, horizon=HORIZON, observe=watches[name])
        except MeasureError:
            found += [*([] if name == "normal" else ["none"]), ""]
            continue
        delay = detection_delay(own.detector, **CHANGES[change], law=law, draws=draws, seed=SEED + 2, horizon=500, observe=watches[name])
        late = f" ({delay.missed:.0%} missed)" if delay.missed > 0.005 else ""
        found += [*([] if name == "normal" else [f"{own.threshold:.2f}"]), f"{delay.average:.0f}{late}"]
    return found


def observer(detector: Detector, law: Law) -> Callable[[Floats], Floats] | None:
    """Exceptions are of the law's own quantile."""
    if not isinstance(detector, ExceptionCusum):
        return None
    level = quantile(law)
    return lambda z: (z < level).astype(np.float64)


def main() -> None:
    """Print."""
    print("| detector | change | threshold | false alarms per 1,000 | on t | on GARCH | delay | ", end="")
    print("threshold t | delay | threshold GARCH | delay |")
    print("|---|---|" + "---|" * 9)
    for entry in ENTRIES:
        for change in entry.changes:
            print("| " + " | ".join(cells(entry, change)) + " |", flush=True)


if __name__ == "__main__":
    main()
