"""Numba kernels of the engine.

*Canonical* kernels (`vectors`, `tail`, `intervals`) give final results, the same bits on every machine: instruments in ascending column
order, sums strictly sequential, no BLAS, no fastmath, no fused multiply-add, no transcendental but the square root. Each has a plain numpy
twin of the same name in `risk_core.engine.twins`, equal bit for bit. *Live* kernels (`updates`, `live_tail`) may
reorder sums and fuse, and agree with canonical within the stated bound.

Arguments are trusted: finite, C-contiguous, float64, int64 or bool, of the stated shapes. Compiled code is cached; numba's cache watches
the file of a kernel but not the files of kernels it calls, so remove `__pycache__` after changing `lowest` or `flush`.
"""

from risk_core.conventions import MASS_SLACK
from risk_core.engine.kernels.intervals import intervals
from risk_core.engine.kernels.live_tail import live_measures
from risk_core.engine.kernels.tail import evaluate
from risk_core.engine.kernels.updates import WORN, apply, roll, settle
from risk_core.engine.kernels.vectors import currency_shocks, exposures, pnl_vectors

__all__ = [
    "MASS_SLACK",
    "WORN",
    "apply",
    "currency_shocks",
    "evaluate",
    "exposures",
    "intervals",
    "live_measures",
    "pnl_vectors",
    "roll",
    "settle",
]
