"""Plimsoll's mathematics and its fold: pure functions and small classes without I/O.

`risk_core.value_at_risk` and everything else of `risk_core.measures`, `risk_core.scenarios` and `risk_core.suite` can be asked of the
package itself, and is loaded then: a service that needs none of it starts without pandas and scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_SUBPACKAGES: Final = (
    "book",
    "conventions",
    "copulas",
    "covariance",
    "delta_gamma",
    "engine",
    "extreme",
    "liquidity",
    "measures",
    "parametric",
    "records",
    "scenarios",
    "suite",
    "tails",
    "uncertainty",
)
_OFFERED: Final = ("measures", "scenarios", "suite")


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        if name in _SUBPACKAGES:
            return import_module(f"risk_core.{name}")
        for module in map(import_module, (f"risk_core.{part}" for part in _OFFERED)):
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module 'risk_core' has no attribute {name!r}; dir(risk_core) lists what it has")


def __dir__() -> list[str]:
    offered = [name for part in _OFFERED for name in import_module(f"risk_core.{part}").__all__]
    return sorted({*_SUBPACKAGES, *offered})
