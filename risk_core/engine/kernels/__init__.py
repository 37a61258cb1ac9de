"""Numba kernels of the engine.

*Canonical* kernels give final results, the same bits on every machine: instruments in ascending column order, sums strictly sequential, no
BLAS, no fastmath, no fused multiply-add, no transcendental but the square root. Each has a plain numpy twin of the same name in
`risk_core.engine.twins`, equal bit for bit. *Live* kernels may reorder sums and fuse, and agree with canonical within the stated bound.

Arguments are trusted: finite, C-contiguous, float64, int64 or bool, of the stated shapes. Whatever a kernel calls lives in its own file,
because numba's cache watches only the file of the caller.
"""

from risk_core.engine.kernels.tail import MASS_SLACK, evaluate, live_measures
from risk_core.engine.kernels.updates import WORN, apply_prices, apply_quantities, rebuild, reset_instrument, roll
from risk_core.engine.kernels.vectors import currency_shocks, exposures, pnl_vectors

__all__ = [
    "MASS_SLACK",
    "WORN",
    "apply_prices",
    "apply_quantities",
    "currency_shocks",
    "evaluate",
    "exposures",
    "live_measures",
    "pnl_vectors",
    "rebuild",
    "reset_instrument",
    "roll",
]
