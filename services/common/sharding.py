"""Which shard owns which node: the one rule that workers, interface and evidence share."""

from __future__ import annotations

from collections.abc import Iterable


def shard_of_nodes(node_ids: Iterable[int], shard_count: int) -> dict[int, str]:
    """Return the shard of each node: by turns, in ascending order of ids."""
    return {node_id: str(k % shard_count) for k, node_id in enumerate(sorted(node_ids))}


def owned_nodes(node_ids: Iterable[int], shard: int, shard_count: int) -> tuple[int, ...]:
    """Return the node ids of a shard, ascending."""
    return tuple(sorted(node_ids)[shard::shard_count])
