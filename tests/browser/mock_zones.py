"""Zones of the mock's judged days, by the service's own rolling backtest and in its own shapes."""

from typing import Any

from risk_core.backtests import RollingBacktest
from risk_core.records import BacktestResult
from services.api.zone_shapes import ZoneItem, ZoneList
from services.api.zones import zone_item
from services.common.backtests import Outcome
from services.common.iso import ns_from_iso
from tests.browser.mock_data import METHODS
from tests.browser.mock_desk import Desk


def zone_history(desk: Desk, node_id: int, method: str, confidence: float, outcome: Outcome, window: int) -> list[ZoneItem]:
    """Zones of one method of a node after every judged day, oldest first; challengers are `behind` days."""
    if not desk.keeps_zones:
        return []
    days = desk.day_closes(node_id, desk.like(method), confidence, None)
    judged = days[: len(days) - (desk.behind if method in desk.challengers else 0)]
    return _zones(desk, node_id, method, confidence, outcome, window, judged)


def newest_zones(desk: Desk, confidence: float, outcome: Outcome, window: int) -> ZoneList:
    """The newest zone of each method of each node."""
    methods = [*METHODS, *desk.challengers]
    rows = [zone_history(desk, n["node_id"], m, confidence, outcome, window)[-1:] for n in desk.nodes() for m in methods]
    return ZoneList(outcome, window, methods, [row for found in rows for row in found])


def _zones(
    desk: Desk, node_id: int, method: str, confidence: float, outcome: Outcome, window: int, days: list[dict[str, Any]]
) -> list[ZoneItem]:
    rolling, zone, found = RollingBacktest(confidence, window), None, []
    for day in days:
        now = rolling.update(day[f"exception_{outcome}"])
        row = BacktestResult(
            run_id=desk.run_id,
            node_id=node_id,
            date=day["date"],
            as_of_ns=ns_from_iso(day["as_of"]),
            method=method,
            horizon_days=1,
            confidence=confidence,
            outcome=outcome,
            window_days=window,
            revision=day["revision"],
            observations=now.observations,
            exceptions=now.exceptions,
            expected=now.expected,
            zone=str(now.zone),
            zone_before=zone,
            type_i=now.type_i,
            multiplier_mar32=now.multiplier_mar32,
            multiplier_basel_2_5=now.multiplier_basel_2_5,
            kupiec_p=now.kupiec_p,
            independence_p=now.independence_p,
            conditional_p=now.conditional_p,
        )
        found.append(zone_item(row))
        zone = str(now.zone)
    return found
