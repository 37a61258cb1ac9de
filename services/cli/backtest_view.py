"""How zones and backtests read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from risk_core.book import Node
from services.common.backtests import BacktestList, MethodBacktest


def zones_view(nodes: Sequence[Node], judged: Sequence[BacktestList]) -> Table:
    """Return the zone and the exceptions of every method of every node; nodes or methods go across, whichever are fewer."""
    methods = list(dict.fromkeys(item.method for of in judged for item in of.items))
    first, depth = judged[0], dict[int | None, int]({None: -1})
    for node in nodes:
        depth[node.node_id] = depth.get(node.parent_id, -1) + 1
    names = [
        ("  " * depth[node.node_id] + node.name, {item.method: item for item in of.items}) for node, of in zip(nodes, judged, strict=True)
    ]
    table = Table(title=f"Zones at {first.confidence:.1%}, last {first.window} judged days, {first.outcome} P&L")
    across = len(nodes) < len(methods)
    table.add_column("method" if across else "node", no_wrap=True)
    for head in [name.strip() for name, _ in names] if across else [m.replace("_", " ") for m in methods]:
        table.add_column(head, justify="center")
    if across:
        for method in methods:
            table.add_row(method.replace("_", " "), *[_zone(held.get(method)) for _, held in names])
    else:
        for name, held in names:
            table.add_row(Text(name), *[_zone(held.get(method)) for method in methods])
    return table


def backtests_view(node: Node, judged: BacktestList) -> Group:
    """Return a table of the methods of a node, and what the tests of each say in words."""
    table = Table(title=f"{node.name} at {judged.confidence:.1%}, {judged.outcome} P&L")
    for column in ("method", "zone", "exceptions", "expected", "days", "chance", "multiplier MAR32", "Basel 2.5"):
        table.add_column(column, justify="left" if column in ("method", "zone") else "right")
    for item in judged.items:
        table.add_row(
            item.method.replace("_", " "),
            _zone(item, counted=False),
            str(item.exceptions),
            f"{item.expected:.1f}",
            str(item.observations),
            f"{item.type_i:.4f}",
            f"{item.multiplier_mar32:.2f}",
            f"{item.multiplier_basel_2_5:.2f}",
        )
    return Group(table, *[_readings(item) for item in judged.items])


def _zone(item: MethodBacktest | None, counted: bool = True) -> Text:
    if item is None:
        return Text("-", style="dim")
    return Text(f"{item.zone} {item.exceptions}" if counted else item.zone, style={"red": "bold red"}.get(item.zone, item.zone))


def _readings(item: MethodBacktest) -> Text:
    text = Text(f"\n{item.method.replace('_', ' ')}, {item.first_as_of[:10]} to {item.last_as_of[:10]}\n", style="bold")
    for test in item.tests:
        text.append(f"  {test.reading}\n", style={"reject": "red", "not_applicable": "dim"}.get(test.decision, "default"))
    return text
