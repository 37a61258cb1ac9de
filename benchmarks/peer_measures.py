"""Measures that Riskfolio-Lib, skfolio and Plimsoll all have, under one name, each called as its users call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from risk_core import measures

Floats = NDArray[np.float64]
Value = Callable[[Floats], float]
Components = Callable[[Floats, Floats], Floats]
"""Returns float64[S, N] and weights float64[N] to the component of each asset, float64[N]."""
Portfolio = Callable[[Floats, Floats], list[float]]
"""The same to the values of a list of measures."""

CONFIDENCE: Final = 0.95
TAIL: Final = 0.05
"""Not 1 - 0.95, whose last bit moves Riskfolio-Lib to the next observation."""
PATH: Final = {"uncompounded": "_Abs", "compounded": "_Rel"}


@dataclass(frozen=True)
class Shared:
    """One measure under the names of three libraries.

    Parameters
    ----------
    ours : callable
        P&L vector to a result with value and gradient.
    name : str
        Of `risk_core.measures.RISK_MEASURES`.
    riskfolio, skfolio : str
        Stem of the function; member of `skfolio.RiskMeasure` or `ExtraRiskMeasure`.
    path : str or None
        Accumulation of a drawdown measure.
    """

    ours: Callable[[Floats], Any]
    name: str
    riskfolio: str
    skfolio: str
    path: str | None = None


TAILS: Final = {
    "var": Shared(lambda x: measures.value_at_risk(x, CONFIDENCE), "value_at_risk", "VaR", "VALUE_AT_RISK"),
    "es": Shared(lambda x: measures.expected_shortfall(x, CONFIDENCE), "expected_shortfall", "CVaR", "CVAR"),
    "evar": Shared(lambda x: measures.entropic_value_at_risk(x, CONFIDENCE), "entropic_value_at_risk", "EVaR", "EVAR"),
}
DRAWDOWNS: Final[Mapping[str, tuple[Callable[..., Any], tuple[float, ...], str, str]]] = {
    "maximum_drawdown": (measures.maximum_drawdown, (), "MDD", "MAX_DRAWDOWN"),
    "average_drawdown": (measures.average_drawdown, (), "ADD", "AVERAGE_DRAWDOWN"),
    "ulcer_index": (measures.ulcer_index, (), "UCI", "ULCER_INDEX"),
    "drawdown_at_risk": (measures.drawdown_at_risk, (CONFIDENCE,), "DaR", "DRAWDOWN_AT_RISK"),
    "cdar": (measures.conditional_drawdown_at_risk, (CONFIDENCE,), "CDaR", "CDAR"),
    "edar": (measures.entropic_drawdown_at_risk, (CONFIDENCE,), "EDaR", "EDAR"),
}


def _drawdown(function: Callable[..., Any], arguments: tuple[float, ...], path: str) -> Callable[[Floats], Any]:
    return lambda series: function(series, *arguments, path)


SHARED: Final[Mapping[str, Shared]] = {
    **TAILS,
    **{
        f"{name}_{path}": Shared(_drawdown(function, arguments, path), f"{function.__name__}_{path}", riskfolio, skfolio, path)
        for path in PATH
        for name, (function, arguments, riskfolio, skfolio) in DRAWDOWNS.items()
    },
}


def our_value(shared: Shared) -> Value:
    """Return the measure as a number of a P&L vector."""
    return lambda series: float(shared.ours(series))


def our_components(shared: Shared) -> Components:
    """Return components by the gradient."""
    return lambda returns, weights: weights * (shared.ours(returns @ weights).gradient @ returns)


def our_portfolio(chosen: Sequence[Shared]) -> Portfolio:
    """Return values in one call."""
    names = tuple(shared.name for shared in chosen)
    return lambda returns, weights: list(measures.risk_measures(returns, CONFIDENCE, weights, names).numbers.values())


class Peer(Protocol):
    """How the users of a library call it."""

    def value(self, shared: Shared) -> Value:
        """Return its function of a P&L vector."""
        ...

    def components(self, shared: Shared) -> Components:
        """Return its risk contributions."""
        ...

    def portfolio(self, chosen: Sequence[Shared]) -> Portfolio:
        """Return its call for the measures of a portfolio."""
        ...


class Riskfolio:
    """`VaR_Hist` and its siblings, `Risk_Contribution`, `Sharpe_Risk` for each measure. The covariance, which none reads, is given."""

    def __init__(self) -> None:
        self.functions = import_module("riskfolio.src.RiskFunctions")

    def value(self, shared: Shared) -> Value:
        function = getattr(self.functions, shared.riskfolio + (PATH[shared.path] if shared.path else "_Hist"))
        named = {"alpha": TAIL} if _has_confidence(shared) else {}

        def value(series: Floats) -> float:
            found = function(series, **named)
            return float(found[0] if isinstance(found, tuple) else found)

        return value

    def components(self, shared: Shared) -> Components:
        def components(returns: Floats, weights: Floats) -> Floats:
            cov = np.eye(weights.size)
            return np.ravel(self.functions.Risk_Contribution(weights[:, None], returns, cov=cov, rm=self._name(shared), alpha=TAIL))

        return components

    def portfolio(self, chosen: Sequence[Shared]) -> Portfolio:
        kinds, cov = [self._name(shared) for shared in chosen], np.eye(1)

        def portfolio(returns: Floats, weights: Floats) -> list[float]:
            return [float(self.functions.Sharpe_Risk(returns, weights[:, None], cov=cov, rm=kind, alpha=TAIL)) for kind in kinds]

        return portfolio

    def _name(self, shared: Shared) -> str:
        return shared.riskfolio + ("_Rel" if shared.path == "compounded" else "")


class Skfolio:
    """Functions of `skfolio.measures`, drawdowns included; `Portfolio.contribution`; the attributes of a `Portfolio` for each path."""

    def __init__(self) -> None:
        self.library, self.functions = import_module("skfolio"), import_module("skfolio.measures")

    def value(self, shared: Shared) -> Value:
        function = getattr(self.functions, shared.skfolio.lower())
        named = {"beta": CONFIDENCE} if _has_confidence(shared) else {}
        drawdowns, compounded = self.functions.get_drawdowns, shared.path == "compounded"
        return lambda series: float(function(drawdowns(series, compounded) if shared.path else series, **named))

    def components(self, shared: Shared) -> Components:
        kinds = (self.library.RiskMeasure, self.functions.ExtraRiskMeasure)
        measure = next(getattr(kind, shared.skfolio) for kind in kinds if hasattr(kind, shared.skfolio))

        def components(returns: Floats, weights: Floats) -> Floats:
            held = self.library.Portfolio(X=returns, weights=weights, compounded=shared.path == "compounded")
            return np.asarray(held.contribution(measure), np.float64)

        return components

    def portfolio(self, chosen: Sequence[Shared]) -> Portfolio:
        wanted = [(shared.path == "compounded", shared.skfolio.lower()) for shared in chosen]
        kinds = sorted({compounded for compounded, _ in wanted})

        def portfolio(returns: Floats, weights: Floats) -> list[float]:
            held = {kind: self.library.Portfolio(X=returns, weights=weights, compounded=kind) for kind in kinds}
            return [float(getattr(held[kind], name)) for kind, name in wanted]

        return portfolio


def _has_confidence(shared: Shared) -> bool:
    return shared.riskfolio not in ("MDD", "ADD", "UCI")


PEERS: Final[Mapping[str, Callable[[], Peer]]] = {
    name: peer for name, peer in (("riskfolio", Riskfolio), ("skfolio", Skfolio)) if find_spec(name)
}
"""Of those installed."""
