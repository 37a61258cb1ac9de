"""The run that is served: its book, its methods, and which shard holds which node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from risk_core.book import Instrument, Node
from risk_core.engine.configuration import ModelConfiguration
from risk_core.methods import Method, methods_named
from risk_core.records import Genesis
from services.api.limits import Refreshed
from services.api.problems import ApiProblem, away, invalid
from services.common.codec import decode
from services.common.ports import Clock, Run, RunStore
from services.common.sharding import shard_of_nodes

REFRESH_SECONDS = 1.0
"""How often the store is asked for a newer run."""

HINT_MAX = 20
"""Known nodes or instruments that an error names."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What is fixed for a run. `nodes` in the book's order: parents before children."""

    run: Run
    genesis: Genesis
    configuration: ModelConfiguration
    methods: tuple[Method, ...]
    nodes: Mapping[int, Node]
    instruments: Mapping[int, Instrument]
    shard_of: Mapping[int, str]

    @staticmethod
    def of(run: Run, shard_count: int) -> RunContext:
        """Read a run's genesis record."""
        genesis = decode(run.genesis).body
        assert isinstance(genesis, Genesis), f"run {run.run_id} does not start with a genesis record"
        configuration = ModelConfiguration.from_json(genesis.configuration)
        nodes = {n.node_id: n for n in genesis.book.nodes}
        instruments = {i.instrument_id: i for i in genesis.book.instruments}
        methods = methods_named(configuration.methods)
        return RunContext(run, genesis, configuration, methods, nodes, instruments, shard_of_nodes(nodes, shard_count))

    def node(self, node_id: int) -> Node:
        """Return a node; raise the 404 that names those known."""
        node = self.nodes.get(node_id)
        if node is None:
            known = [f"{n.node_id} {n.name}" for n in self.nodes.values()]
            raise ApiProblem(404, "unknown-node", f"no node {node_id}; known are {_first(known)}")
        return node

    def instrument(self, instrument_id: int) -> Instrument:
        """Return an instrument; raise the 404 that names those known."""
        instrument = self.instruments.get(instrument_id)
        if instrument is None:
            known = [f"{i.instrument_id} {i.symbol}" for i in self.instruments.values()]
            raise ApiProblem(404, "unknown-instrument", f"no instrument {instrument_id}; known are {_first(known)}")
        return instrument

    def below(self, node_id: int) -> tuple[int, ...]:
        """Return a node and all below it; raise the 404 that names those known."""
        found = {self.node(node_id).node_id}
        for node in self.nodes.values():  # parents come first
            if node.parent_id in found:
                found.add(node.node_id)
        return tuple(found)

    def method(self, name: str | None) -> str:
        """Return a method of the run, its first for None; raise 422 for another."""
        if name is None:
            return self.configuration.methods[0]
        if name not in self.configuration.methods:
            raise invalid(f"method = {name[:80]!r}: the run knows {', '.join(self.configuration.methods)}")
        return name

    def confidence(self, value: float | None) -> float:
        """Return a confidence of the run, the one nearest 0.99 for None; raise 422 for another."""
        known = self.configuration.confidences
        if value is None:
            return min(known, key=lambda c: abs(c - 0.99))
        near = min(known, key=lambda c: abs(c - value))
        if abs(near - value) > 1e-9:
            raise invalid(f"confidence = {value}: the run knows {', '.join(map(str, known))}")
        return near


def _first(known: list[str]) -> str:
    more = f" and {len(known) - HINT_MAX} more" if len(known) > HINT_MAX else ""
    return f"{', '.join(known[:HINT_MAX])}{more}"


class CurrentRun:
    """The newest registered run, asked for at most once a second; the one known before while the store is away."""

    def __init__(self, runs: RunStore, clock: Clock, shard_count: int) -> None:
        self._runs = runs
        self._shard_count = shard_count
        self._known: RunContext | None = None
        self._newest = Refreshed(self._read, clock, REFRESH_SECONDS)

    def get(self) -> RunContext:
        """Return the run. Raises Unavailable, and a 503 problem before the first run is registered."""
        context = self._newest.get()
        if context is None:
            raise away("no run is registered yet: the service is starting")
        return context

    def _read(self) -> RunContext | None:
        run = self._runs.latest()
        if run is not None and (self._known is None or run.run_id != self._known.run.run_id):
            self._known = RunContext.of(run, self._shard_count)
        return self._known
