"""The compiled kernels, loaded with the first call: whoever imports the measures does not wait for the compiler."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from risk_core.measures import kernels, many_kernels, tilting
else:

    class _Later:
        """A module that is imported when one of its names is asked for, and each name once."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module(self._module), name)
            setattr(self, name, found)
            return found

    kernels, many_kernels, tilting = (_Later(f"risk_core.measures.{name}") for name in ("kernels", "many_kernels", "tilting"))

__all__ = ["kernels", "many_kernels", "tilting"]
