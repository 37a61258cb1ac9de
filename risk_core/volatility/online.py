"""One return at a time: a volatility that goes on from any fitted state, in O(1), and can be put away as JSON and taken up again.

No warm-up: a fitted state knows tomorrow. A missing or infinite return is refused and the state stays as it was, so that the caller decides
whether to carry it over the day or to fill the return.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from risk_core.measures.checks import MeasureError
from risk_core.volatility.model_fit import ModelFit
from risk_core.volatility.model_kernels import DF, POWER
from risk_core.volatility.model_states import CODES, NAMES, Model, ModelState
from risk_core.volatility.result import VolatilityFit
from risk_core.volatility.state import Recursion, VolatilityState, step

VERSION: Final = 1
_COMPONENTS: Final = ("level", "up", "down", "persistence", "mass")


class OnlineVolatility:
    """A volatility that follows a stream.

    Parameters
    ----------
    start : VolatilityFit, ModelFit, VolatilityState or ModelState
        EWMA, RiskMetrics 2006, GARCH, GJR, EGARCH or APARCH, after its data.

    Examples
    --------
    >>> from risk_core.volatility import ewma_volatility
    >>> online = OnlineVolatility(ewma_volatility([1.0, -1.0]))
    >>> online.update(2.0) > 1.0
    True
    >>> OnlineVolatility.from_state(online.state).value == online.value
    True
    """

    __slots__ = ("_count", "_held")

    def __init__(self, start: VolatilityFit | ModelFit | VolatilityState | ModelState) -> None:
        self._held: VolatilityState | ModelState = start.state if isinstance(start, (VolatilityFit, ModelFit)) else start
        self._count = 0

    def update(self, r: float) -> float:
        """Take one more return and give the volatility of the next.

        Raises
        ------
        MeasureError
            If the return is missing or not finite; the state is what it was.
        """
        self._held = self._held.step(r) if isinstance(self._held, ModelState) else step(self._held, r)
        self._count += 1
        return self.value

    @property
    def value(self) -> float:
        """Volatility of the next return."""
        return self._held.volatility

    @property
    def variance(self) -> float:
        """Its square."""
        return self._held.variance

    @property
    def count(self) -> int:
        """Returns taken since the start, which `from_state` carries on."""
        return self._count

    @property
    def held(self) -> VolatilityState | ModelState:
        """The state as the library has it: for forecasts and risk numbers."""
        return self._held

    @property
    def state(self) -> dict[str, Any]:
        """All there is to know, of JSON's own types; numbers keep their bits."""
        held: dict[str, Any] = {"version": VERSION, "count": self._count}
        if isinstance(self._held, ModelState):
            return held | {"model": self._held.model.value, "parameters": dict(self._held.parameters), "level": self._held.level}
        recursion = self._held.recursion
        lists = {name: getattr(recursion, name).tolist() for name in _COMPONENTS}
        return held | {"model": "components", "mean": recursion.mean, **lists, "components": self._held.components.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> OnlineVolatility:
        """Return the estimator that `state` was taken from, bit for bit.

        Raises
        ------
        MeasureError
            For a state of another version, or one that lacks a field.
        """
        if state.get("version") != VERSION:
            raise MeasureError(f"the state has version {state.get('version')!r}; this reads {VERSION}: fit again")
        try:
            taken = cls(_model(state) if state["model"] in list(Model) else _mixture(state))
            taken._count = int(state["count"])
        except (KeyError, TypeError, ValueError) as error:
            raise MeasureError(f"the state of a volatility cannot be read ({error!r}): fit again") from None
        return taken


def _model(state: Mapping[str, Any]) -> ModelState:
    named, level = {str(n): float(v) for n, v in state["parameters"].items()}, float(state["level"])
    if not {"omega", "alpha", "beta"} <= set(named) <= set(NAMES):
        raise ValueError(f"parameters {sorted(named)}")
    theta = np.zeros(len(NAMES))
    theta[POWER], theta[DF] = 2.0, np.inf
    for at, name in enumerate(NAMES):
        if name in named:
            theta[at] = named[name]
    model = Model(state["model"])
    if not np.isfinite(level) or not np.isfinite(theta[:DF]).all() or (CODES[model] != CODES[Model.EGARCH] and level < 0.0):
        raise ValueError("a number is not finite, or a variance negative")
    return ModelState(model, named, level, theta)


def _mixture(state: Mapping[str, Any]) -> VolatilityState:
    arrays = [np.array(state[name], np.float64) for name in (*_COMPONENTS, "components")]
    if not all(a.shape == arrays[0].shape and a.ndim == 1 and np.isfinite(a).all() for a in arrays):
        raise ValueError("components of different lengths, or not finite")
    return VolatilityState(Recursion(float(state["mean"]), *arrays[:5]), arrays[5])
