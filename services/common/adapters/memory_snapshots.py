"""Snapshots in memory, with the rules of the Lua script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.common.ports import NODE_KINDS, Clock, Snapshot, SnapshotKind, Unavailable


@dataclass(frozen=True, slots=True)
class _Held:
    epoch: int
    line: str
    order: tuple[int, int]
    payload: bytes
    expires_ns: int


class MemorySnapshots:
    """The twin of the Redis adapter; `clear` is a server that comes back empty, `available` one that is away."""

    def __init__(self, clock: Clock, ttl_seconds: float = 86_400.0) -> None:
        self._clock = clock
        self._ttl_ns = round(ttl_seconds * 1e9)
        self._epochs: dict[str, tuple[int, int]] = {}
        self._held: dict[tuple[str, int, str], _Held] = {}
        self.available = True

    def write(self, shard_id: str, epoch: int, line: str, kind: SnapshotKind, items: Sequence[Snapshot]) -> int:
        """Compare and set."""
        self._require()
        if not items or not self._enter(shard_id, epoch):
            return 0
        expires_ns = self._clock.now_ns() + self._ttl_ns
        taken = 0
        for item in items:
            key = (shard_id, item.node_id, kind)
            held = self._live(key)
            if held is None or (item.order >= held.order if held.line == line else epoch > held.epoch):
                self._held[key] = _Held(epoch, line, item.order, item.payload, expires_ns)
                taken += 1
        return taken

    def read(self, shard_of_node: Mapping[int, str], kinds: Sequence[SnapshotKind] = NODE_KINDS) -> dict[int, dict[str, bytes]]:
        """Return those present."""
        self._require()
        found: dict[int, dict[str, bytes]] = {}
        for node_id, shard_id in shard_of_node.items():
            present: dict[str, bytes] = {
                kind: held.payload for kind in kinds if (held := self._live((shard_id, node_id, kind))) is not None
            }
            if present:
                found[node_id] = present
        return found

    def refresh(self, shard_id: str, epoch: int, node_ids: Sequence[int]) -> None:
        """Extend the time to live, unless a higher epoch rules."""
        self._require()
        if not node_ids or not self._enter(shard_id, epoch):
            return
        expires_ns = self._clock.now_ns() + self._ttl_ns
        for node_id in node_ids:
            for kind in NODE_KINDS:
                held = self._live((shard_id, node_id, kind))
                if held is not None:
                    self._held[shard_id, node_id, kind] = _Held(held.epoch, held.line, held.order, held.payload, expires_ns)

    def clear(self) -> None:
        """Forget everything, as a cache that was started anew."""
        self._epochs.clear()
        self._held.clear()

    def _enter(self, shard_id: str, epoch: int) -> bool:
        now_ns = self._clock.now_ns()
        ruling, until_ns = self._epochs.get(shard_id, (0, now_ns))
        if until_ns > now_ns and epoch < ruling:
            return False
        self._epochs[shard_id] = (epoch, now_ns + 2 * self._ttl_ns)
        return True

    def _live(self, key: tuple[str, int, str]) -> _Held | None:
        held = self._held.get(key)
        return held if held is not None and held.expires_ns > self._clock.now_ns() else None

    def _require(self) -> None:
        if not self.available:
            raise Unavailable("the snapshot store is away")
