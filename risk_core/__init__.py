"""Plimsoll's mathematics and its fold: pure functions and small classes without I/O.

`risk_core.value_at_risk`, `risk_core.fit_peaks` and everything else that one of the packages offers can be asked of `risk_core` itself, and
is loaded then: a service that needs none of it starts without pandas and scipy. The few names that two packages share are refused here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_SUBPACKAGES: Final = (
    "backtests",
    "book",
    "change_points",
    "conventions",
    "copulas",
    "correlation",
    "covariance",
    "delta_gamma",
    "engine",
    "extreme",
    "liquidity",
    "measures",
    "parametric",
    "records",
    "regimes",
    "regulation",
    "scenarios",
    "suite",
    "tails",
    "uncertainty",
    "volatility",
    "weighting",
)
_OFFERED: Final = (
    "measures",
    "scenarios",
    "suite",
    "parametric",
    "extreme",
    "liquidity",
    "covariance",
    "delta_gamma",
    "copulas",
    "uncertainty",
    "volatility",
    "correlation",
    "regimes",
    "change_points",
    "backtests",
    "regulation",
)
_SHARED: Final = (
    "Calibration",
    "Criterion",
    "ExceptionCusum",
    "FitMethod",
    "FitStatus",
    "Interval",
    "IntervalStatus",
    "Kernel",
    "Law",
    "Moments",
    "Refit",
    "SimulatedRisk",
    "Target",
    "cornish_fisher_value_at_risk",
)
"""Names that two packages have, for different things."""


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        if name in _SUBPACKAGES:
            return import_module(f"risk_core.{name}")
        if name in _SHARED:
            raise AttributeError(f"risk_core has more than one {name}; take that of a package: {', '.join(_holders(name))}")
        for module in map(import_module, (f"risk_core.{part}" for part in _OFFERED)):
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module 'risk_core' has no attribute {name!r}; dir(risk_core) lists what it has")


def __dir__() -> list[str]:
    offered = [name for part in _OFFERED for name in import_module(f"risk_core.{part}").__all__]
    return sorted({*_SUBPACKAGES, *offered} - {*_SHARED})


def _holders(name: str) -> list[str]:
    return [f"risk_core.{part}" for part in _OFFERED if name in import_module(f"risk_core.{part}").__all__]
