"""What a run's regime worker has said of an instrument, gathered from the stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from risk_core.book import Instrument, Shock
from risk_core.engine.configuration import WatchConfiguration
from risk_core.records import RegimeModel
from risk_core.regimes import HiddenMarkovModel
from risk_core.volatility.model_states import NAMES
from services.cli.regime_shapes import Chain, Change, DayState, Refit, Volatility, chain, day_state
from services.common.iso import NS_PER_DAY
from services.common.ports import Queries, WatchFilter

YEAR_NS = 365 * NS_PER_DAY
REFITS = 10
"""Newest rows shown: each refit makes two, one of regimes and one of volatility."""
CHANGES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Watched:
    """What was said by a close, newest first.

    Parameters
    ----------
    symbol : str or None
        The instrument whose regime is shown; None where the run follows none and none was asked for.
    relative : bool
        Whether its moves are returns.
    followed : tuple of str
        All symbols whose regime the run follows.
    of_all : bool
        Whether the change points are those of all instruments.
    last : str
        The newest close said of, as a date.
    watch : WatchConfiguration
    states : tuple of DayState
    chain : Chain or None
        The regimes of the model in use; None while there is none.
    volatility : Volatility or None
    refits : tuple of Refit
    change_points : tuple of Change
        Of the year to `last`.
    """

    symbol: str | None
    relative: bool
    followed: tuple[str, ...]
    of_all: bool
    last: str
    watch: WatchConfiguration
    states: tuple[DayState, ...]
    chain: Chain | None
    volatility: Volatility | None
    refits: tuple[Refit, ...]
    change_points: tuple[Change, ...]


def watched(
    queries: Queries,
    run_id: str,
    watch: WatchConfiguration,
    instruments: Sequence[Instrument],
    symbol: str | None,
    reached: tuple[int, str],
    days: int,
) -> Watched:
    """Gather what is said of an instrument.

    Parameters
    ----------
    instruments : sequence of Instrument
        Of the run.
    symbol : str or None
        One of theirs; None takes the first that is followed, and the change points of all.
    reached : (int, str)
        The newest close said of: UTC nanoseconds and date.
    days : int
        Newest states, at most.

    Raises
    ------
    Unavailable
        The store cannot be reached.
    """
    by_symbol = {i.symbol: i for i in instruments}
    shown = symbol or next(iter(watch.regimes_of), None)
    states: tuple[DayState, ...] = ()
    models: tuple[RegimeModel, ...] = ()
    if shown is not None:
        where = WatchFilter(run_id, by_symbol[shown].instrument_id)
        states = tuple(
            day_state(r.date, r.price, r.move, r.model_version, r.labels, r.filtered, r.ahead, r.volatility)
            for r in queries.regime_states(where, days).rows
        )
        models = queries.regime_models(where, REFITS).rows
    of_change = instruments if symbol is None else [by_symbol[symbol]]
    changes = [change for i in of_change for change in _changes(queries, run_id, i, reached[0])]
    return Watched(
        symbol=shown,
        relative=shown is None or by_symbol[shown].shock is not Shock.ABSOLUTE,
        followed=watch.regimes_of,
        of_all=symbol is None,
        last=reached[1],
        watch=watch,
        states=states,
        chain=_chain(models),
        volatility=_volatility(models, states),
        refits=tuple(Refit(m.date, m.kind, m.model_version, m.observations, m.status, m.reason) for m in models),
        change_points=tuple(sorted(changes, key=lambda c: (c.date, c.symbol, c.detector), reverse=True)),
    )


def _changes(queries: Queries, run_id: str, instrument: Instrument, reached_ns: int) -> list[Change]:
    where = WatchFilter(run_id, instrument.instrument_id, from_ns=reached_ns - YEAR_NS, to_ns=reached_ns + 1)
    rows = queries.change_points(where, CHANGES_MAX).rows
    return [Change(instrument.symbol, r.date, r.detector, r.direction, r.statistic, r.threshold) for r in rows]


def _newest(models: Sequence[RegimeModel], kind: str) -> RegimeModel | None:
    """Return the newest refit that left parameters in use."""
    return next((m for m in models if m.kind == kind and m.parameters), None)


def _chain(models: Sequence[RegimeModel]) -> Chain | None:
    row = _newest(models, "regimes")
    if row is None:
        return None
    p = row.parameters
    return chain(HiddenMarkovModel.from_state(p), p["errors"], p["statistics"])


def _volatility(models: Sequence[RegimeModel], states: Sequence[DayState]) -> Volatility | None:
    row = _newest(models, "volatility")
    if row is None:
        return None
    p = row.parameters
    # a refit that is not used keeps the bare parameters of before, without their errors
    named, errors = p.get("parameters", p), p.get("standard_errors", {})
    ordered = {name: named[name] for name in NAMES if name in named}
    return Volatility(ordered, errors, row.status, row.reason, states[0].volatility if states else None)
