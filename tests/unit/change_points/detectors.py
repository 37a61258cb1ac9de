"""One of each detector, and series for them."""

from __future__ import annotations

import numpy as np

from risk_core.change_points import (
    BayesianChangePoint,
    Cusum,
    CusumVariance,
    Detector,
    Ewma,
    ExceptionCusum,
    Mosum,
    PageMean,
    PageVariance,
    VolatilityBreakout,
    exceptions,
)

DETECTORS: tuple[Detector, ...] = (
    Cusum(mean=0.1, standard_deviation=1.3, k=0.4, h=4.0, head_start=2.0),
    CusumVariance(h=6.0),
    PageMean(shift=0.8, sides="upper"),
    PageVariance(ratio=1.5, head_start=1.0),
    Ewma(weight=0.2, limit=3.0),
    Ewma(exact=False),
    Mosum(window=7),
    VolatilityBreakout(warm_up=12, threshold=1.7),
    BayesianChangePoint(bound=40, recent=6, hazard=0.02),
    ExceptionCusum(probability=0.05, multiple=3.0, threshold=1.0),
)
IDS = [f"{type(d).__name__}{i}" for i, d in enumerate(DETECTORS)]


def series_for(detector: Detector, seed: int = 0, count: int = 160) -> np.ndarray:
    """Normal, of twice the deviation and a higher mean in the second half; 0 and 1 for exceptions."""
    z = np.random.Generator(np.random.PCG64(seed)).standard_normal(count)
    z[count // 2 :] = 0.8 + 2.0 * z[count // 2 :]
    return exceptions(z, 1.645) if isinstance(detector, ExceptionCusum) else z
