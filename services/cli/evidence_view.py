"""Explanations and reproductions as text."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from services.common.evidence_shapes import Attribution, AttributionItem, AttributionPart, Change, Explanation, Reproduction

CONTRIBUTORS = 3
PARTS = 5
"""Instruments or days shown of a step; the rest is one line."""


def explanation_view(e: Explanation) -> Group:
    """Return the number, its tail scenarios and its positions."""
    head = Text.from_markup(
        f"[bold]{e.result_id}[/]  run {e.run_id}, {e.as_of}, revision {e.revision}, log_seq {e.log_seq}\n"
        f"VaR [bold]{e.value_at_risk:,.2f}[/]  ES [bold]{e.expected_shortfall:,.2f}[/] {e.currency}  "
        f"by {e.method} at {e.confidence:.1%} over {e.horizon_days} day, {e.scenario_count} scenarios, {e.status}"
    )
    tail = Table(title=f"{e.tail_count} scenarios behind it, worst first")
    for name in ("date", "P&L", "weight", "in VaR", "in ES"):
        tail.add_column(name, justify="left" if name == "date" else "right")
    tail.add_column("largest parts")
    for s in e.scenarios:
        parts = sorted(s.contributions, key=lambda c: -abs(c.pnl))[:CONTRIBUTORS]
        named = ", ".join(f"{c.symbol} {c.pnl:,.0f}" for c in parts)
        tail.add_row(s.date, f"{s.pnl:,.0f}", f"{s.weight:.4f}", f"{s.var_weight:.3f}", f"{s.es_weight:.3f}", named)
    held = Table(title="positions")
    for name in ("instrument", "quantity", "price", "market value"):
        held.add_column(name, justify="left" if name == "instrument" else "right")
    for p in e.positions:
        price = "none yet" if p.price is None else f"{p.price:,.4f} {p.currency}"
        value = "none yet" if p.market_value is None else f"{p.market_value:,.0f}"
        held.add_row(p.symbol, f"{p.quantity:,.6g}", price, value)
    return Group(head, tail, held, reproduction_view(e.reproduction))


def change_view(change: Change) -> Table:
    """Return the steps from the older number to the newer one, each with its largest parts."""
    table = Table(title=f"{change.result_id} since {change.since_as_of[:10]}, {change.currency}")
    for name in ("step", "VaR", "ES"):
        table.add_column(name, justify="left" if name == "step" else "right")
    table.add_row(f"[bold]{change.since}", f"{change.since_value_at_risk:,.2f}", f"{change.since_expected_shortfall:,.2f}")
    for step in change.steps:
        table.add_row(f"[bold]{step.name}", f"[bold]{step.var:+,.2f}", f"[bold]{step.es:+,.2f}")
        moved = [p for p in step.parts if p.var or p.es]
        shown = sorted(moved, key=lambda p: -max(abs(p.var), abs(p.es)))[:PARTS]
        for part in shown:
            table.add_row(f"  {part.what}", f"{part.var:+,.2f}", f"{part.es:+,.2f}")
        rest = [p for p in moved if p not in shown]
        if rest:
            table.add_row(f"  {len(rest)} more", f"{sum(p.var for p in rest):+,.2f}", f"{sum(p.es for p in rest):+,.2f}")
    table.add_row(f"[bold]{change.result_id}", f"{change.value_at_risk:,.2f}", f"{change.expected_shortfall:,.2f}")
    return table


def attribution_view(a: Attribution) -> Group:
    """Return VaR and ES by group, each a table whose components add up to its last line."""
    smoothed = f", smoothed from {a.value_at_risk:,.2f}" if a.robust and a.total_var != a.value_at_risk else ""
    head = Text.from_markup(
        f"[bold]{a.result_id}[/]  {a.as_of[:10]}, {a.method} at {a.confidence:.1%}, by {a.by}\n"
        f"VaR [bold]{a.total_var:,.2f}[/]{smoothed}  ES [bold]{a.total_es:,.2f}[/] {a.currency}"
        + (f"\n{a.stand_ins} vectors have no number by this method: historical simulation stands in" if a.stand_ins else "")
    )
    return Group(
        head,
        _attribution_table(a, "VaR", lambda i: i.var, a.total_var, a.diversification_var),
        _attribution_table(a, "ES", lambda i: i.es, a.total_es, a.diversification_es),
    )


def _attribution_table(
    a: Attribution, name: str, part_of: Callable[[AttributionItem], AttributionPart], total: float, diversification: float
) -> Table:
    table = Table(title=f"{name} by {a.by}, {a.currency}", caption=f"diversification benefit {diversification:,.2f}")
    for column in (a.by, "market value", "component", "share", "marginal", "standalone", "incremental"):
        table.add_column(column, justify="left" if column == a.by else "right")
    for item in sorted(a.items, key=lambda i: -part_of(i).component):
        p = part_of(item)
        table.add_row(
            Text(item.label),
            f"{item.market_value:,.0f}",
            f"{p.component:,.2f}",
            "" if p.share is None else f"{p.share:.1%}",
            "" if p.marginal is None else f"{p.marginal:.5f}",
            f"{p.standalone:,.2f}",
            f"{p.incremental:,.2f}",
        )
    alone = sum(part_of(i).standalone for i in a.items)
    table.add_row("[bold]total", f"{sum(i.market_value for i in a.items):,.0f}", f"[bold]{total:,.2f}", "", "", f"{alone:,.2f}", "")
    return table


def reproduction_view(r: Reproduction) -> Text:
    """Return one line a result: equal, or what differs."""
    if r.matches:
        return Text.from_markup(f"[bold green]equal[/]  {r.result_id}, bit for bit, recomputed from the {r.source}")
    lines = [f"{name}: stored {r.stored.get(name)}, recomputed {r.recomputed.get(name)}" for name in r.differing]
    return Text.from_markup(f"[bold red]differs[/]  {r.result_id}, recomputed from the {r.source}\n  " + "\n  ".join(lines))
