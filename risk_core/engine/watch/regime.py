"""One instrument's regime and volatility: filtered at each close, fitted again on a schedule, never with what comes later."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.configuration import WatchConfiguration
from risk_core.measures.checks import MeasureError
from risk_core.regimes import (
    HiddenMarkovModel,
    RefitStatus,
    RegimeError,
    RegimeFilter,
    hmm_standard_errors,
    refit_model,
    regime_statistics,
)
from risk_core.volatility import OnlineVolatility, fit_volatility

Floats = NDArray[np.float64]

VOLATILITY_MODEL: Final = "gjr"
INNOVATION: Final = "student_t"
STARTS: Final = 4
FAILED: Final = "failed"
"""Status of a first fit that raised: there is no model yet."""


@dataclass(frozen=True, slots=True)
class Refitted:
    """What a refit said; `parameters` are those in use afterwards, whether they are its own (`used`) or those of before."""

    kind: str
    status: str
    reason: str
    used: bool
    parameters: dict[str, Any]


class InstrumentRegime:
    """Follows the moves of one instrument.

    The state after a close does not depend on how it was reached: moves one by one, or `from_state` in between, give the same bits.

    Parameters
    ----------
    settings : WatchConfiguration
    """

    def __init__(self, settings: WatchConfiguration) -> None:
        self.settings = settings
        self.seen = 0
        self.version = 0
        self.moves: Floats = np.empty(0)
        self.filter: RegimeFilter | None = None
        self.volatility: OnlineVolatility | None = None

    def take(self, move: float | None) -> list[Refitted]:
        """Take the day's move, None for a day without one; return the refits that were due."""
        if move is None:
            if self.filter is not None:
                self.filter.skip()
            return []
        self.moves = np.append(self.moves, move)[-self.settings.history :]
        self.seen += 1
        if self.filter is not None:
            self.filter.update(move)
        if self.volatility is not None:
            self.volatility.update(move)
        past = self.seen - self.settings.first
        return [self._refit_regimes(), self._refit_volatility()] if past >= 0 and past % self.settings.every == 0 else []

    def _refit_regimes(self) -> Refitted:
        former = None if self.filter is None else self.filter.model
        try:
            refit = refit_model(self.moves, former, self.settings.states, starts=STARTS)
        except RegimeError as error:
            return Refitted("regimes", FAILED, str(error), False, {})
        used = refit.status is not RefitStatus.HELD
        if used:
            self.version += 1
            self.filter = _filtered(refit.model, self.moves)
        status = refit.fit_status if refit.status is RefitStatus.OK and refit.fit_status is not None else refit.status
        return Refitted("regimes", str(status), refit.reason, used, _described(refit.model, self.moves))

    def _refit_volatility(self) -> Refitted:
        kept = None if self.volatility is None else dict(self.volatility.held.parameters)  # type: ignore[union-attr]
        before: dict[str, Any] = {} if kept is None else {"model": VOLATILITY_MODEL, "innovation": INNOVATION, "parameters": kept}
        try:
            fit = fit_volatility(self.moves, VOLATILITY_MODEL, innovation=INNOVATION, initial=kept)
        except MeasureError as error:
            return Refitted("volatility", FAILED, str(error), False, before)
        if not fit.trusted:
            return Refitted("volatility", str(fit.status), fit.reason, False, before)
        self.volatility = OnlineVolatility(fit)
        said: dict[str, Any] = {"model": VOLATILITY_MODEL, "innovation": INNOVATION, "parameters": dict(fit.parameters)}
        said |= {"standard_errors": dict(fit.standard_errors("qml")), "log_likelihood": fit.log_likelihood}
        return Refitted("volatility", str(fit.status), fit.reason, True, said)

    def state(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "seen": self.seen,
            "version": self.version,
            "moves": self.moves.copy(),
            "filter": None if self.filter is None else self.filter.state(),
            "volatility": None if self.volatility is None else self.volatility.state,
        }

    @staticmethod
    def from_state(settings: WatchConfiguration, state: dict[str, Any]) -> InstrumentRegime:
        """Inverse of `state`."""
        found = InstrumentRegime(settings)
        found.seen, found.version = state["seen"], state["version"]
        found.moves = np.array(state["moves"], np.float64)
        found.filter = None if state["filter"] is None else RegimeFilter.from_state(state["filter"])
        found.volatility = None if state["volatility"] is None else OnlineVolatility.from_state(state["volatility"])
        return found


def _filtered(model: HiddenMarkovModel, moves: Floats) -> RegimeFilter:
    """Return the filter after the moves."""
    found = RegimeFilter(model)
    for move in moves.tolist():
        found.update(move)
    return found


def _described(model: HiddenMarkovModel, moves: Floats) -> dict[str, Any]:
    """Return what people ask of a regime model, in plain numbers; None where there is no answer."""
    errors = hmm_standard_errors(model, moves)
    try:
        stationary: list[float] | None = model.stationary.tolist()
    except RegimeError:
        stationary = None
    chances = model.filtered(moves)
    said = {
        **model.state(),
        "deviations": model.deviations.tolist(),
        "stationary": stationary,
        "durations": list(model.durations),
        "errors": {
            "status": str(errors.status),
            "reason": errors.reason,
            "transition": [list(row) for row in errors.transition],
            "means": [list(row) for row in errors.means],
            "durations": list(errors.durations),
        },
        "statistics": [_plain_statistics(s) for s in regime_statistics(moves, chances, model.labels)],
        "log_likelihood": model.log_likelihood(moves),
    }
    return {name: _plain(value) for name, value in said.items()}


def _plain_statistics(s: Any) -> dict[str, Any]:
    return {name: getattr(s, name) for name in s.__slots__}


def _plain(value: Any) -> Any:
    """Return JSON's own types, None for a number that is not finite."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return value
