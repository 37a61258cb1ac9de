"""`plimsoll zones`: does each method hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.common.config import load_settings
from services.main.user_errors import UserError, user_errors

if TYPE_CHECKING:
    from risk_core.book import Node
    from risk_core.engine.configuration import ModelConfiguration
    from services.common.ports import Queries


def zones(
    node: Annotated[str | None, typer.Argument(help="A node's name or number, for its tests in words; all nodes when left out.")] = None,
    confidence: Annotated[float, typer.Option(help="Of the forecasts.")] = 0.99,
    window: Annotated[int, typer.Option(min=1, max=1000, help="Judged days, the newest.")] = 250,
    actual: Annotated[bool, typer.Option("--actual", help="Judge by the P&L with the day's trades.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON array of the nodes asked for.")] = False,
) -> None:
    """Print in which traffic-light zone every method of every node stands, or what the backtests of one node say."""
    import msgspec

    from risk_core.methods import methods_named
    from services.cli.backtest_view import backtests_view, zones_view
    from services.common.backtests import Outcome, backtests, judged_days

    outcome: Outcome = "actual" if actual else "hypothetical"
    with judged_book() as (queries, run_id, configuration):
        if confidence not in configuration.confidences:
            raise UserError(f"--confidence {confidence}: the run has {', '.join(map(str, configuration.confidences))}")
        nodes = queries.nodes(run_id)
        chosen = [n for n in _as_a_tree(nodes) if node is None or node in (n.name, str(n.node_id))]
        if not chosen:
            raise UserError(f"no node {node!r}; known are {', '.join(n.name for n in nodes)}")
        found = [
            backtests(
                n.node_id,
                confidence,
                window,
                outcome,
                judged_days(queries, run_id, n.node_id, methods_named(configuration.methods), confidence, window),
            )
            for n in chosen
        ]
    if json_:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    elif not any(of.items for of in found):
        Console().print("no day has been judged yet")
    else:
        Console().print(zones_view(chosen, found) if node is None else backtests_view(chosen[0], found[0]))


def _as_a_tree(nodes: Sequence[Node], above: int | None = None) -> Iterator[Node]:
    """Yield each node with those below it behind it."""
    for node in nodes:
        if node.parent_id == above:
            yield node
            yield from _as_a_tree(nodes, node.node_id)


@contextmanager
def judged_book() -> Iterator[tuple[Queries, str, ModelConfiguration]]:
    """Yield the history behind the stores that the settings name, its newest run, and what that calculates."""
    from risk_core.engine.configuration import ModelConfiguration
    from services.common.adapters.rows import genesis_of
    from services.common.codec import decode
    from services.main import wiring

    with user_errors(), ExitStack() as stack:
        settings = load_settings()
        kept = wiring.joined(settings, stack)
        run = kept.runs.latest()
        if run is None:
            raise UserError("there is no run yet: start one with `plimsoll run`")
        yield kept.queries, run.run_id, ModelConfiguration.from_json(genesis_of(run, decode).configuration)
