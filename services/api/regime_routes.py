"""The routes of what is watched about instruments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from services.api.openapi import answer, returns
from services.api.paging import newest_first
from services.api.parameters import CursorQuery, FromQuery, LimitQuery, ToQuery, time_range
from services.api.regime_shapes import ChangePointPage, RegimeModelPage, RegimesItem, RegimeStatePage, VolatilityForecastItem
from services.api.regimes import change_item, model_item, regimes_item, state_item, volatility_item
from services.api.routes import Parts
from services.common.ports import Snapshots, WatchFilter

DAYS_MAX = 250

InstrumentPath = Annotated[int, Path(ge=0, lt=2**31, description="Instrument of the book", examples=[1])]
DaysQuery = Annotated[int, Query(ge=1, le=DAYS_MAX, description="Trading days ahead", examples=[20])]
LevelQuery = Annotated[float, Query(ge=0.01, le=0.999, description="Share of simulated paths inside the band", examples=[0.9])]


def regime_routes(parts: Parts, snapshots: Snapshots) -> APIRouter:
    """Return the routes of instruments that are watched."""
    router = APIRouter(prefix="/api/v1", tags=["instrument"])

    @router.get(
        "/regimes",
        responses=returns(RegimesItem, "Settings and newest states", 503),
        summary="Instruments whose regime is followed, with their newest state, and how the run watches",
    )
    def regimes() -> Response:
        context = parts.run.get()
        with parts.history:
            return answer(regimes_item(context, snapshots, parts.queries))

    @router.get(
        "/instruments/{instrument_id}/regimes",
        responses=returns(RegimeStatePage, "Regime states, newest first", 404, 422, 503),
        summary="Regime and volatility of an instrument at each day close, newest first",
    )
    def states(
        instrument_id: InstrumentPath,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
    ) -> Response:
        where = _filter(parts, instrument_id, from_, to)
        with parts.history:
            rows, following = newest_first(parts.queries.regime_states, where, limit, cursor)
        return answer(RegimeStatePage([state_item(r) for r in rows], following))

    @router.get(
        "/instruments/{instrument_id}/regime-models",
        responses=returns(RegimeModelPage, "Refits, newest first", 404, 422, 503),
        summary="Every refit of an instrument's regime and volatility models, newest first",
    )
    def models(
        instrument_id: InstrumentPath,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
    ) -> Response:
        where = _filter(parts, instrument_id, from_, to)
        with parts.history:
            rows, following = newest_first(parts.queries.regime_models, where, limit, cursor)
        return answer(RegimeModelPage([model_item(r) for r in rows], following))

    @router.get(
        "/instruments/{instrument_id}/change-points",
        responses=returns(ChangePointPage, "Change points, newest first", 404, 422, 503),
        summary="Alarms of an instrument's detectors of change, newest first",
    )
    def changes(
        instrument_id: InstrumentPath,
        from_: FromQuery = None,
        to: ToQuery = None,
        limit: LimitQuery = 1000,
        cursor: CursorQuery = None,
    ) -> Response:
        where = _filter(parts, instrument_id, from_, to)
        with parts.history:
            rows, following = newest_first(parts.queries.change_points, where, limit, cursor)
        return answer(ChangePointPage([change_item(r) for r in rows], following))

    @router.get(
        "/instruments/{instrument_id}/volatility-forecast",
        responses=returns(VolatilityForecastItem, "Volatility of the next days", 404, 422, 503),
        summary="Volatility of an instrument's next days, with a band, from the model in use at its newest close",
    )
    def forecast(instrument_id: InstrumentPath, days: DaysQuery = 20, level: LevelQuery = 0.9) -> Response:
        context = parts.run.get()
        instrument = context.instrument(instrument_id)
        with parts.history:
            return answer(volatility_item(context, instrument, parts.queries, days, level))

    return router


def _filter(parts: Parts, instrument_id: int, from_: str | None, to: str | None) -> WatchFilter:
    context = parts.run.get()
    context.instrument(instrument_id)
    return WatchFilter(context.run.run_id, instrument_id, *time_range(from_, to))
