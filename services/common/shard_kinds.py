"""What the shards of a worker are about: risk of nodes, or regimes of instruments. One worker, one fold, one way of finishing for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from risk_core.engine.canonical import Evaluated, Evaluator, Frozen
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.watch import WatchEvaluator
from risk_core.records import Genesis, ScenarioRow
from services.common.sharding import owned_nodes


class BucketEvaluator(Protocol):
    """What makes rows of the buckets of a shard's fold."""

    frozen: Frozen | None

    def evaluate(self, bucket: Bucket, frozen_as: Frozen | None = None) -> Evaluated:
        """Return the rows of the next closed bucket."""
        ...

    def state(self) -> dict[str, Any]:
        """Return plain data: "scenarios", how many stored scenario rows it goes on from, "frozen", and what else it needs."""
        ...

    def restore(self, state: dict[str, Any], rows: Sequence[ScenarioRow]) -> None:
        """Go on from `state` with the stored rows, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class ShardKind:
    """What the shards of a worker are about.

    Parameters
    ----------
    shard_ids : callable
        Names of the shards, by how many there are of nodes.
    nodes : callable
        Nodes of a shard, by genesis, name and how many there are.
    evaluator : callable
        Makes rows of a fold's buckets, for a run id.
    """

    shard_ids: Callable[[int], tuple[str, ...]]
    nodes: Callable[[Genesis, str, int], tuple[int, ...]]
    evaluator: Callable[[Fold, str], BucketEvaluator]


WATCH_SHARD: Final = "regimes"
NODES: Final = ShardKind(
    shard_ids=lambda count: tuple(map(str, range(count))),
    nodes=lambda genesis, shard_id, count: owned_nodes((n.node_id for n in genesis.book.nodes), int(shard_id), count),
    evaluator=Evaluator,
)
"""Risk of the nodes."""
INSTRUMENTS: Final = ShardKind(shard_ids=lambda count: (WATCH_SHARD,), nodes=lambda genesis, shard_id, count: (), evaluator=WatchEvaluator)
"""Regimes and change points of the instruments: one shard, with no nodes."""
