"""What is watched about instruments: rows as shapes, the newest state of those that are followed, and volatility ahead."""

from __future__ import annotations

import logging
from math import sqrt
from typing import Any, Final

from risk_core.book import Instrument
from risk_core.records import ChangePoint, RegimeModel, RegimeState
from risk_core.volatility import forecast_volatility, model_state
from services.api.context import RunContext
from services.api.problems import ApiProblem
from services.api.regime_shapes import (
    ChangePointItem,
    FollowedItem,
    RegimeModelItem,
    RegimesItem,
    RegimeStateItem,
    VolatilityDay,
    VolatilityForecastItem,
    WatchSettings,
)
from services.common.codec_errors import MalformedRecord
from services.common.iso import iso_from_ns
from services.common.ports import Queries, Snapshots, Unavailable, WatchFilter
from services.common.schemas import decode_regime
from services.common.shard_kinds import WATCH_SHARD

SEED: Final = 0
"""Of the simulated paths: one question has one answer."""

MODELS_AT_ONCE: Final = 20
VOLATILITY: Final = "volatility"
"""Kind of the refits of a volatility model."""

logger = logging.getLogger("api")


def state_item(row: RegimeState) -> RegimeStateItem:
    """Return a regime state."""
    return RegimeStateItem(
        **_when(row),
        price=row.price,
        move=row.move,
        model_version=row.model_version,
        labels=list(row.labels),
        filtered=list(row.filtered),
        ahead=list(row.ahead),
        volatility=row.volatility,
        status=row.status,
    )


def model_item(row: RegimeModel) -> RegimeModelItem:
    """Return a refit."""
    return RegimeModelItem(
        **_when(row),
        kind=row.kind,
        model_version=row.model_version,
        observations=row.observations,
        used=row.used,
        status=row.status,
        reason=row.reason,
        parameters=row.parameters,
    )


def change_item(row: ChangePoint) -> ChangePointItem:
    """Return a change point."""
    return ChangePointItem(**_when(row), detector=row.detector, direction=row.direction, statistic=row.statistic, threshold=row.threshold)


def _when(row: RegimeState | RegimeModel | ChangePoint) -> dict[str, Any]:
    return {
        "as_of": iso_from_ns(row.as_of_ns),
        "as_of_ns": str(row.as_of_ns),
        "date": row.date,
        "revision": row.revision,
        "log_seq": row.log_seq,
    }


def regimes_item(context: RunContext, snapshots: Snapshots, queries: Queries) -> RegimesItem:
    """Return what is watched, and the newest state of each instrument that is followed.

    Read from the cache; from history where the cache is away or has none of this run.

    Raises
    ------
    Unavailable
        Neither answers.
    """
    watch = context.configuration.watch
    followed = [i for symbol in watch.regimes_of for i in context.instruments.values() if i.symbol == symbol]
    shown = _shown(context, followed, snapshots)
    items = []
    for instrument in followed:
        row = shown.get(instrument.instrument_id) or newest_state(context, instrument.instrument_id, queries)
        state = None if row is None else state_item(row)
        items.append(FollowedItem(instrument.instrument_id, instrument.symbol, str(instrument.shock), state))
    settings = WatchSettings(list(watch.regimes_of), watch.states, watch.first, watch.every, watch.history, watch.run_length)
    return RegimesItem(settings, items)


def newest_state(context: RunContext, instrument_id: int, queries: Queries) -> RegimeState | None:
    """Return an instrument's newest regime state in history."""
    return next(iter(queries.regime_states(WatchFilter(context.run.run_id, instrument_id), 1).rows), None)


def _shown(context: RunContext, followed: list[Instrument], snapshots: Snapshots) -> dict[int, RegimeState]:
    """Return the states in the cache that are of this run; none while it is away."""
    try:
        found = snapshots.read({i.instrument_id: WATCH_SHARD for i in followed}, ("regime",))
        rows = {instrument_id: decode_regime(kinds["regime"]) for instrument_id, kinds in found.items()}
    except Unavailable:
        return {}
    except MalformedRecord as error:
        logger.warning("regime in the cache cannot be read", extra={"error": str(error)})
        return {}
    return {instrument_id: row for instrument_id, row in rows.items() if row.run_id == context.run.run_id}


def volatility_item(context: RunContext, instrument: Instrument, queries: Queries, days: int, level: float) -> VolatilityForecastItem:
    """Return the volatility of an instrument's next days, from its newest state and the volatility model then in use.

    Raises
    ------
    ApiProblem
        404, saying why there is nothing to forecast from.
    Unavailable
    """
    state = newest_state(context, instrument.instrument_id, queries)
    model = None if state is None else _in_use(queries, context, state)
    if state is None or model is None or not state.volatility:
        raise _no_forecast(context, instrument, queries)
    said = model.parameters
    held = model_state(said["model"], said["parameters"], state.volatility**2)
    forecast = forecast_volatility(held, days, level=level, seed=SEED)
    expected = [None] * days if forecast.variance is None else forecast.variance.tolist()
    bands = zip(expected, forecast.median.tolist(), forecast.lower.tolist(), forecast.upper.tolist(), strict=True)
    return VolatilityForecastItem(
        instrument_id=instrument.instrument_id,
        symbol=instrument.symbol,
        as_of=iso_from_ns(state.as_of_ns),
        as_of_ns=str(state.as_of_ns),
        model=said["model"],
        innovation=said["innovation"],
        fitted=model.date,
        level=level,
        closed_form=forecast.closed_form,
        long_run=_root(held.long_run_variance),
        items=[
            VolatilityDay(day, _root(mean), sqrt(median), sqrt(low), sqrt(high)) for day, (mean, median, low, high) in enumerate(bands, 1)
        ],
    )


def _root(variance: float | None) -> float | None:
    return None if variance is None else sqrt(variance)


def _in_use(queries: Queries, context: RunContext, state: RegimeState) -> RegimeModel | None:
    """Return the refit behind a state's volatility: the newest one that was taken."""
    where = WatchFilter(context.run.run_id, state.instrument_id, to_ns=state.as_of_ns + 1)
    cursor: str | None = None
    while True:
        page = queries.regime_models(where, MODELS_AT_ONCE, cursor)
        for row in page.rows:
            if row.kind == VOLATILITY and row.used:
                return row
        cursor = page.next_cursor
        if cursor is None:
            return None


def _no_forecast(context: RunContext, instrument: Instrument, queries: Queries) -> ApiProblem:
    """Return the problem that says why there is no volatility model."""
    watch = context.configuration.watch
    if instrument.symbol not in watch.regimes_of:
        known = ", ".join(watch.regimes_of) or "none"
        return _problem(f"{instrument.symbol} is not followed in this run; followed are: {known} (RISK_REGIMES__ENABLED, RISK_REGIMES__OF)")
    tried = queries.regime_models(WatchFilter(context.run.run_id, instrument.instrument_id), MODELS_AT_ONCE).rows
    last = next((row for row in tried if row.kind == VOLATILITY), None)
    if last is None:
        return _problem(f"{instrument.symbol} has no model yet: the first fit comes after {watch.first} closes (RISK_REGIMES__FIRST)")
    why = f"its fit of {last.date} says {last.status}{': ' if last.reason else ''}{last.reason}"
    return _problem(f"{instrument.symbol} has no volatility at its newest close: {why}; the next fit comes within {watch.every} closes")


def _problem(detail: str) -> ApiProblem:
    return ApiProblem(404, "no-forecast", detail)
