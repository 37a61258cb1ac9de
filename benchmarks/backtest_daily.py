"""How often a model is ever flagged where its backtests are read every day, and how soon; for docs/methods/backtests-coverage.md.

Independent exceptions at a constant rate, 99 %, windows of 250 days; zones and p-values count from the first full window on, the e-value
from the first day. `python -m benchmarks.backtest_daily` takes half a minute.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.backtests import rolling_backtests

CONFIDENCE, WINDOW, MODELS, BATCH = 0.99, 250, 2_000, 500
YEARS = (2, 4, 10)
FLAGS = ("red", "yellow or red", "Kupiec < 5 %", "conditional coverage < 5 %", "e-value >= 20")
Bools = NDArray[np.bool_]


def flags(rates: NDArray[np.float64], seed: int) -> Bools:
    """Return which flags are up, bool[flags, days, BATCH], where the rate of exceptions on each day is `rates` [days]."""
    rng = np.random.Generator(np.random.PCG64(seed))
    table = rolling_backtests(rng.random((rates.size, BATCH)) < rates[:, None], CONFIDENCE, WINDOW)
    full = table.observations == WINDOW
    tests = (table.zone == 2, table.zone >= 1, table.kupiec_p < 0.05, table.conditional_p < 0.05)
    return np.array([*(test & full for test in tests), table.e_value >= 20.0])


def ever(rate: float) -> NDArray[np.float64]:
    """Return the share of models that were ever flagged, float64[years, flags]."""
    batches = [flags(np.full(250 * YEARS[-1], rate), seed) for seed in range(MODELS // BATCH)]
    return np.asarray(np.mean([[up[:, : 250 * years].any(axis=1).mean(axis=1) for years in YEARS] for up in batches], axis=0))


def median_delay(quiet_days: int, rate: float) -> NDArray[np.float64]:
    """Return the median days to each flag from the day on which a right model goes wrong, float64[flags]; a flag that is up counts 1."""
    found = []
    for seed in range(MODELS // BATCH):
        late = flags(np.concatenate([np.full(quiet_days, 1.0 - CONFIDENCE), np.full(1_000, rate)]), seed)[:, quiet_days:]
        found.append(np.where(late.any(axis=1), late.argmax(axis=1) + 1, np.inf))
    return np.asarray(np.median(np.concatenate(found, axis=1), axis=1))


def main() -> None:
    """Print both tables."""
    print("share ever flagged, %:", ", ".join(FLAGS))
    for rate in (0.01, 0.02, 0.04):
        for years, shares in zip(YEARS, ever(rate), strict=True):
            print(f"{rate:.0%}, {years:>2} years  ", "  ".join(f"{100 * share:5.1f}" for share in shares))
    print("median days to a flag at 4 %:", ", ".join(FLAGS))
    for quiet in (0, 2_500):
        print(f"after {quiet:>5,} days at 1 %  ", "  ".join(f"{days:5.0f}" for days in median_delay(quiet, 0.04)))


if __name__ == "__main__":
    main()
