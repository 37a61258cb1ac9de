"""From domain rows to the shapes of the interface."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from risk_core.book import QUANTITY_SCALE, Node
from risk_core.records import RiskResult
from services.api.context import RunContext
from services.api.shapes import FillItem, HistoryItem, MethodItem, MethodNumbers, NodeItem, RunClock, RunCounts, RunItem
from services.common.iso import iso_from_ns
from services.common.ports import FillRow
from services.common.status import RunStatus


@cache
def product_version() -> str:
    """Return the installed version."""
    try:
        return version("plimsoll")
    except PackageNotFoundError:
        return "unknown"


def run_item(context: RunContext, status: RunStatus) -> RunItem:
    """Return the run, and where it stands."""
    return RunItem(
        run_id=context.run.run_id,
        profile=status.profile,
        mode=status.mode,
        state="seeding" if status.state == "starting" else status.state,
        clock=RunClock(
            as_of=_iso(status.as_of_ns),
            first=_iso(status.first_ns),
            last=_iso(status.last_ns),
            days_done=max(status.days_done, 0),
            days_total=status.days_total,
            seed_done=max(status.seed_done, 0),
            seed_total=status.seed_total,
            speed="max" if status.speed == "max" else float(status.speed),
            days_per_second=status.days_per_second,
        ),
        methods=[MethodItem(m.name, m.label, m.description, m.streamed) for m in context.methods],
        confidences=list(context.configuration.confidences),
        base_currency=context.genesis.book.base_currency,
        log_seq=status.log_seq,
        counts=RunCounts(status.ticks, status.results, dict(status.rejected), status.late),
        data_note=status.data_note,
        version=product_version(),
    )


def node_item(node: Node) -> NodeItem:
    """Return a node."""
    return NodeItem(node.node_id, node.name, str(node.kind), node.parent_id, node.currency, node.description)


def history_item(row: RiskResult) -> HistoryItem:
    """Return a final result."""
    return HistoryItem(
        as_of=iso_from_ns(row.as_of_ns),
        as_of_ns=str(row.as_of_ns),
        revision=row.revision,
        var=row.value_at_risk,
        es=row.expected_shortfall,
        status=row.status,
        scenario_count=row.scenario_count,
        stale_share=row.stale_share,
        proxied_share=row.proxied_share,
        thin_share=row.thin_share,
        **_spread(row),
        measures=row.measures,
    )


def _spread(row: RiskResult) -> dict[str, float | None]:
    return {
        "var_error": row.value_at_risk_error,
        "var_lower": row.value_at_risk_lower,
        "var_upper": row.value_at_risk_upper,
        "es_error": row.expected_shortfall_error,
        "es_lower": row.expected_shortfall_lower,
        "es_upper": row.expected_shortfall_upper,
    }


def method_numbers(rows: Iterable[RiskResult]) -> list[MethodNumbers]:
    """Return those of one method's rows, newest first, that are of its newest as_of."""
    known = list(rows)
    return [
        MethodNumbers(
            method=row.method,
            confidence=row.confidence,
            as_of=iso_from_ns(row.as_of_ns),
            as_of_ns=str(row.as_of_ns),
            revision=row.revision,
            var=row.value_at_risk,
            es=row.expected_shortfall,
            status=row.status,
            **_spread(row),
            measures=row.measures,
        )
        for row in sorted(known, key=lambda r: r.confidence)
        if row.as_of_ns == known[0].as_of_ns
    ]


def fill_item(context: RunContext, row: FillRow) -> FillItem:
    """Return a fill."""
    instrument = context.instruments[row.instrument_id]
    return FillItem(
        fill_id=row.fill_id,
        time=iso_from_ns(row.event_ns),
        time_ns=str(row.event_ns),
        node_id=row.node_id,
        portfolio=context.nodes[row.node_id].name,
        instrument_id=row.instrument_id,
        symbol=instrument.symbol,
        quantity=row.quantity / QUANTITY_SCALE,
        price=row.price,
        fees=row.fees,
        currency=instrument.currency,
        log_seq=row.log_seq,
        correction_id=row.correction_id,
        superseded_by=row.superseded_by,
    )


def _iso(time_ns: int | None) -> str | None:
    return None if time_ns is None else iso_from_ns(time_ns)
