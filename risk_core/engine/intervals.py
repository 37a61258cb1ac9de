"""Which order statistics bound a value at risk: what `kernels.intervals` needs beside a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.methods import MeasurePlan, effective_count, normal_quantile
from risk_core.uncertainty.standard_errors import bounding_ranks

INTERVAL_LEVEL: Final = 0.95
"""Nominal coverage of the intervals stored beside each number."""


@dataclass(frozen=True)
class IntervalPlan:
    """Bounds of a plan's methods at `INTERVAL_LEVEL`."""

    plan: MeasurePlan

    @cached_property
    def effective(self) -> NDArray[np.float64]:
        """Kish's effective number of scenarios of each weight vector, float64[W]."""
        return np.array([effective_count(row) for row in self.plan.weights])

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Cumulative weight at the upper and at the lower bound of VaR, float64[W, C, 2]; 0 where there is none."""
        found = np.zeros((len(self.effective), len(self.plan.tail), 2))
        for w, effective in enumerate(self.effective):
            count = floor(effective + 1e-9)
            for c, tail in enumerate(self.plan.tail):
                upper, lower, _ = bounding_ranks(count, float(tail), INTERVAL_LEVEL)
                found[w, c] = [0.0 if rank is None else min(rank / count, 1.0) for rank in (upper, lower)]
        return found

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Arguments of `kernels.intervals` after those of `kernels.evaluate`."""
        return self.effective, self.bounds, normal_quantile(0.5 * (1.0 - INTERVAL_LEVEL))
