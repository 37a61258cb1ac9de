"""The regime worker's walk through a feed's history, without a service: what it would have said at each close."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod

import numpy as np

from risk_core.book import Shock
from risk_core.engine.configuration import WatchConfiguration
from risk_core.engine.watch.changes import InstrumentChanges
from risk_core.engine.watch.regime import InstrumentRegime
from services.cli.regime_history import Close
from services.cli.regime_shapes import Change, DayState, Refit, day_state


@dataclass(frozen=True, slots=True)
class Spell:
    """Days on end of one likeliest regime.

    Parameters
    ----------
    regime : str
    first, last : str
        Days.
    days : int
    total : float
        From the close before the spell to its last one: a simple return, or a difference where shocks are absolute.
    volatility : float or None
        Of its daily moves about their mean; None for fewer than two.
    """

    regime: str
    first: str
    last: str
    days: int
    total: float
    volatility: float | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What was said, oldest first: states from the first fit on, spells of the likeliest regime, refits, change points."""

    symbol: str
    feed: str
    first: str
    last: str
    closes: int
    watch: WatchConfiguration
    spells: tuple[Spell, ...]
    refits: tuple[Refit, ...]
    change_points: tuple[Change, ...]
    states: tuple[DayState, ...]


def replay(symbol: str, feed: str, shock: Shock, history: Iterable[Close], watch: WatchConfiguration) -> Replay:
    """Walk day by day; nothing is looked at before its day.

    Parameters
    ----------
    symbol, feed : str
        Names.
    shock : Shock
        What the moves are.
    history : iterable of Close
        Oldest first, at least one.
    watch : WatchConfiguration
        A `run_length` of 0 watches for no change.
    """
    regime = InstrumentRegime(watch)
    changes = InstrumentChanges(watch.run_length) if watch.run_length else None
    seen: list[Close] = []
    states: list[DayState] = []
    refits: list[Refit] = []
    found: list[Change] = []
    for close in history:
        date, move = close.day.isoformat(), close.move
        seen.append(close)
        refits += [Refit(date, r.kind, regime.version, len(regime.moves), r.status, r.reason) for r in regime.take(move)]
        if regime.filter is not None:
            known, volatility = regime.filter, None if regime.volatility is None else regime.volatility.value
            chances = known.value.tolist(), known.ahead.tolist()
            states.append(day_state(date, close.price, move, regime.version, known.model.labels, *chances, volatility))
        if changes is not None and move is not None:
            found += [Change(symbol, date, a.detector, a.direction, a.statistic, a.threshold) for a in changes.take(move)]
    told = spells(states, seen[len(seen) - len(states) :], shock)
    ends = seen[0].day.isoformat(), seen[-1].day.isoformat()
    return Replay(symbol, feed, *ends, len(seen), watch, told, tuple(refits), tuple(found), tuple(states))


def spells(states: Sequence[DayState], seen: Sequence[Close], shock: Shock) -> tuple[Spell, ...]:
    """Return the stretches of one likeliest regime; `seen` has the closes of the same days."""
    found = []
    for regime, pairs in groupby(zip(states, seen, strict=True), key=lambda pair: pair[0].regime):
        days = [close for _, close in pairs]
        moves = [close.move for close in days if close.move is not None]
        spread = float(np.std(moves)) if len(moves) > 1 else None
        found.append(Spell(regime, days[0].day.isoformat(), days[-1].day.isoformat(), len(days), _total(days, shock), spread))
    return tuple(found)


def _total(days: Sequence[Close], shock: Shock) -> float:
    if shock is Shock.ABSOLUTE:
        return sum(close.price - close.before for close in days)
    return prod(close.price / close.before for close in days if close.before > 0.0) - 1.0
