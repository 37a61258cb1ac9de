"""Forecasts of value at risk and expected shortfall, each day's from the days before it: methods that steer, and their plain twins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.configuration import WatchConfiguration
from risk_core.engine.watch.changes import InstrumentChanges
from risk_core.engine.watch.regime import InstrumentRegime
from risk_core.methods import METHODS, Measure, Method
from risk_core.scenarios.moves import moves_of
from risk_core.scenarios.regime_switching import regime_weights
from risk_core.scenarios.simulated import set_seed
from risk_core.scenarios.weights import equal_weights
from risk_core.tails import tail_numbers
from risk_core.weighting import weigh

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

CONFIDENCES: Final = (0.99, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """A book that holds the same shares of its value in the same instruments every day.

    Parameters
    ----------
    name : str
    moves : float64[N, T]
        Per cent, oldest first.
    """

    name: str
    moves: Floats = field(repr=False)

    @property
    def exposures(self) -> Floats:
        """Return equal shares, float64[N]."""
        return equal_weights(len(self.moves))

    @property
    def pnl(self) -> Floats:
        """Return per cent of the portfolio's value, float64[T], oldest first."""
        total: Floats = np.add.accumulate(self.exposures[:, None] * self.moves, axis=0)[-1]
        return total

    def until(self, day: int) -> Portfolio:
        """Return the portfolio without day `day` and those after it."""
        return Portfolio(self.name, self.moves[:, :day])


@dataclass(frozen=True, slots=True)
class Plan:
    """How forecasts are made.

    Parameters
    ----------
    window : int
        Days that a forecast looks at.
    least : int
        Days that a window keeps after a change point.
    run_length : int
        Of the detector: days to a false alarm.
    watch : WatchConfiguration
        Of the hidden Markov model; the service's own by default.
    every : int
        Days from one forecast to the next.
    """

    window: int = 500
    least: int = 100
    run_length: int = 500
    watch: WatchConfiguration = field(default_factory=WatchConfiguration)
    every: int = 1

    def days(self, portfolio: Portfolio) -> Days:
        """Return the days that are forecast, int64[D]: a forecast of day t looks at days before t."""
        return np.arange(self.window, portfolio.moves.shape[1], self.every)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Value at risk and expected shortfall of one day at each of `CONFIDENCES`, loss positive, per cent."""

    numbers: tuple[tuple[float, float], ...]
    replaced: bool = False
    """Whether historical simulation stands in: the rule has no number for this window."""


Walk = Callable[[Portfolio, Plan, Sequence[int]], Iterator[Forecast]]
"""Yields the forecasts of rising days."""


def by_method(method: Method, portfolio: Portfolio, plan: Plan, days: Sequence[int]) -> Iterator[Forecast]:
    """Forecast as the service's challengers do: moves of the set, weights, tail."""
    for day in days:
        window, replaced = np.ascontiguousarray(portfolio.moves[:, day - plan.window : day]), False
        try:
            built = moves_of(method, window, set_seed(0, method.scenario_set, day), gradient=portfolio.exposures)
        except (ValueError, np.linalg.LinAlgError):
            built, replaced = window, True
        pnl = Portfolio(portfolio.name, built).pnl[::-1]
        yield _forecast(pnl, weigh(method, pnl).weights, method.measure, replaced)


def since_the_alarm(portfolio: Portfolio, plan: Plan, days: Sequence[int]) -> Iterator[Forecast]:
    """Historical simulation on a window that begins anew with each alarm of volatility."""
    pnl = portfolio.pnl
    alarms = volatility_alarms(pnl, plan.run_length)
    for day in days:
        recent = pnl[day - restarted_window(alarms, day, plan) : day][::-1]
        yield _forecast(recent, equal_weights(recent.size))


def volatility_alarms(pnl: Floats, run_length: int) -> Days:
    """Return the days at whose close the service's detector calls a rise of volatility, rising."""
    watch = InstrumentChanges(run_length)
    return np.array([t for t, move in enumerate(pnl.tolist()) if any(a.detector == "volatility" for a in watch.take(move))], np.int64)


def restarted_window(alarms: Days, day: int, plan: Plan) -> int:
    """Return the length of the window for `day`: from the newest alarm before it, itself included, within [least, window]."""
    known = alarms[alarms < day]
    return plan.window if known.size == 0 else min(plan.window, max(plan.least, day - int(known[-1])))


Weights = Callable[[Floats, Floats], Floats]
"""Filtered chances float64[S, K], oldest first, and tomorrow's float64[K], to weights float64[S], newest first."""


def likeness_weights(filtered: Floats, ahead: Floats) -> Floats:
    """Return the chance that each day was of tomorrow's state, scaled to sum to one, float64[S], newest first."""
    alike = (filtered @ ahead)[::-1]
    total: Floats = alike / alike.sum()
    return total


def by_state(weights: Weights, portfolio: Portfolio, plan: Plan, days: Sequence[int]) -> Iterator[Forecast]:
    """Historical simulation with days weighted by the filtered states of the service's hidden Markov model."""
    pnl, regime, taken = portfolio.pnl, InstrumentRegime(plan.watch), 0
    for day in days:
        for move in pnl[taken:day].tolist():
            regime.take(move)
        taken, recent = day, pnl[day - plan.window : day][::-1]
        if regime.filter is None:
            yield _forecast(recent, equal_weights(recent.size), replaced=True)
            continue
        filtered = regime.filter.model.filtered(regime.moves)[-plan.window :]
        yield _forecast(recent, weights(filtered, regime.filter.ahead))


def _forecast(pnl: Floats, weights: Floats, measure: Measure = Measure.EMPIRICAL, replaced: bool = False) -> Forecast:
    numbers, fallback = tail_numbers(measure, pnl, weights, CONFIDENCES)
    return Forecast(tuple((var.value, es.value) for var, es in numbers), replaced or fallback)


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to forecast.

    Parameters
    ----------
    name : str
        That of the method where the library has it.
    walk : Walk
    twin : str
        The rule that it is held against: the same without conditioning. Empty for a plain one.
    """

    name: str
    walk: Walk
    twin: str = ""


def _registered(name: str, twin: str = "") -> Rule:
    return Rule(name, partial(by_method, METHODS[name]), twin)


RULES: Final = {
    rule.name: rule
    for rule in (
        _registered("historical"),
        _registered("regime_weighted", "historical"),
        _registered("adaptive_window", "historical"),
        Rule("restarted_window", since_the_alarm, "historical"),
        Rule("state_likeness", partial(by_state, likeness_weights), "historical"),
        Rule("state_shares", partial(by_state, regime_weights), "historical"),
        _registered("monte_carlo_normal"),
        _registered("regime_switching", "monte_carlo_normal"),
        _registered("volatility_weighted", "historical"),
        _registered("filtered", "historical"),
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Forecasts of one rule.

    Parameters
    ----------
    days : int64[D]
    value_at_risk, expected_shortfall : float64[C, D]
        Per cent, loss positive; rows as `CONFIDENCES`.
    replaced : int
        Days on which historical simulation stood in.
    """

    days: Days
    value_at_risk: Floats
    expected_shortfall: Floats
    replaced: int


def walk(portfolio: Portfolio, name: str, plan: Plan) -> Walked:
    """Return the forecasts of a rule; what comes after a day changes nothing of it."""
    days = plan.days(portfolio)
    made = list(RULES[name].walk(portfolio, plan, days.tolist()))
    numbers = np.array([f.numbers for f in made]).reshape(len(made), len(CONFIDENCES), 2)
    return Walked(days, numbers[:, :, 0].T.copy(), numbers[:, :, 1].T.copy(), sum(f.replaced for f in made))


def walked(portfolios: Sequence[Portfolio], plan: Plan, run: Callable[..., Iterator[Walked]]) -> dict[tuple[str, str], Walked]:
    """Return the forecasts of every rule by portfolio and rule; `run` is `map`, or that of a pool."""
    tasks = [(p, name) for p in portfolios for name in RULES]
    found = run(walk, *zip(*tasks, strict=True), repeat(plan))
    return {(p.name, name): each for (p, name), each in zip(tasks, found, strict=True)}
