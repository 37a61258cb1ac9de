"""What the commands about regimes say, as plain values: printed as tables, or encoded as JSON as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from risk_core.regimes import HiddenMarkovModel, RegimeError


@dataclass(frozen=True, slots=True)
class Regime:
    """One state of a hidden Markov model. None where there is too little to say so.

    Parameters
    ----------
    label : str
    mean, volatility : float
        Of a day, in the unit of the moves.
    mean_error : float or None
        Standard error, as are the others named so.
    df : float or None
        Degrees of freedom; None for a normal law.
    duration, duration_error : float or None
        Expected trading days of a stay; None for a state that is never left.
    stationary : float or None
        Long-run share of the days.
    days : float
        Expected days of the history that belong to it.
    sharpe : float or None
        Of a year.
    drawdown, value_at_risk : float or None
        Losses, positive: of the sum of its own days; of a day at 99 %.
    """

    label: str
    mean: float
    mean_error: float | None
    volatility: float
    df: float | None
    duration: float | None
    duration_error: float | None
    stationary: float | None
    days: float
    sharpe: float | None
    drawdown: float | None
    value_at_risk: float | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The states of a model, and the chances of each (columns) after each (rows)."""

    regimes: tuple[Regime, ...]
    transition: tuple[tuple[float, ...], ...]
    transition_errors: tuple[tuple[float | None, ...], ...]
    error_status: str
    error_reason: str


@dataclass(frozen=True, slots=True)
class Volatility:
    """A volatility model: parameters with standard errors, and the volatility of the next day (None: no model is in use)."""

    parameters: dict[str, float]
    errors: dict[str, float]
    status: str
    reason: str
    tomorrow: float | None


@dataclass(frozen=True, slots=True)
class DayState:
    """What was known at a day's close: chances of the state of this day and of the next one, by label."""

    date: str
    price: float
    move: float | None
    regime: str
    chances: dict[str, float]
    tomorrow: dict[str, float]
    volatility: float | None
    model_version: int


@dataclass(frozen=True, slots=True)
class Refit:
    """What became of a refit of a day."""

    date: str
    kind: str
    model_version: int
    observations: int
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm of a detector."""

    symbol: str
    date: str
    detector: str
    direction: str
    statistic: float
    threshold: float


def day_state(
    date: str,
    price: float,
    move: float | None,
    model_version: int,
    labels: Sequence[str],
    filtered: Sequence[float],
    ahead: Sequence[float],
    volatility: float | None,
) -> DayState:
    """Return what was known at a close; the arguments are those of `RegimeState`."""
    chances = dict(zip(labels, filtered, strict=True))
    likeliest = max(chances, key=lambda label: chances[label])
    return DayState(date, price, move, likeliest, chances, dict(zip(labels, ahead, strict=True)), volatility, model_version)


def chain(model: HiddenMarkovModel, errors: Mapping[str, Any], statistics: Sequence[Mapping[str, Any]]) -> Chain:
    """Return the regimes of a model of one column, with the fields of its `HmmErrors` and of the `RegimeStatistics` of each state."""
    try:
        stationary: Sequence[float | None] = model.stationary.tolist()
    except RegimeError:
        stationary = [None] * model.states
    regimes = tuple(
        Regime(
            label=label,
            mean=float(model.means[k, 0]),
            mean_error=errors["means"][k][0],
            volatility=float(model.deviations[k, 0]),
            df=None if model.df is None else float(model.df[k]),
            duration=model.durations[k],
            duration_error=errors["durations"][k],
            stationary=stationary[k],
            **{name: statistics[k][name] for name in ("days", "sharpe", "drawdown", "value_at_risk")},
        )
        for k, label in enumerate(model.labels)
    )
    transition = tuple(map(tuple, model.transition.tolist()))
    return Chain(regimes, transition, tuple(map(tuple, errors["transition"])), str(errors["status"]), errors["reason"])
