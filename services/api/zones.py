"""Zones as kept by the backtest worker, as shapes, with the counts at which the zones meet."""

from __future__ import annotations

from functools import lru_cache

from risk_core.records import BacktestResult
from services.api.zone_shapes import ZoneItem
from services.common.iso import iso_from_ns

BOUNDS_KEPT = 16_384
"""Enough for every length of a window at a few confidences."""


def zone_item(row: BacktestResult) -> ZoneItem:
    """Return where a method of a node stood."""
    green, yellow = _bounds(row.observations, row.confidence)
    return ZoneItem(
        node_id=row.node_id,
        method=row.method,
        confidence=row.confidence,
        as_of=iso_from_ns(row.as_of_ns),
        as_of_ns=str(row.as_of_ns),
        date=row.date,
        revision=row.revision,
        observations=row.observations,
        exceptions=row.exceptions,
        expected=row.expected,
        zone=row.zone,  # type: ignore[arg-type]  # one of three words
        zone_before=row.zone_before,  # type: ignore[arg-type]
        green_most=green,
        yellow_most=yellow,
        type_i=row.type_i,
        multiplier_mar32=row.multiplier_mar32,
        multiplier_basel_2_5=row.multiplier_basel_2_5,
        kupiec_p=row.kupiec_p,
        independence_p=row.independence_p,
        conditional_p=row.conditional_p,
    )


@lru_cache(maxsize=BOUNDS_KEPT)
def _bounds(observations: int, confidence: float) -> tuple[int, int]:
    from risk_core.backtests import traffic_light_bounds

    return traffic_light_bounds(observations, confidence)
