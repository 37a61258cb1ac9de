"""Snapshots in Redis 7.2 or Valkey: one Lua call a batch, which compares and sets.

Keys, all of one shard in one slot of a cluster::

    risk:{<shard>}:epoch               highest epoch that wrote
    risk:{<shard>}:node:<id>:live      hash: payload, run_id, epoch, order
    risk:{<shard>}:node:<id>:final

The cache is never the record: one that comes back empty is filled again by the next writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from services.common.ports import Snapshot, SnapshotKind, Unavailable

TIMEOUT_SECONDS: Final = 0.4
"""For connecting, and again for the answer: a server that is stopped holds a caller for less than a second."""
BATCH_MAX: Final = 1000
"""Items in one call: a script runs alone in the server, for about two milliseconds."""
EPOCH_DIGITS: Final = 20
ORDER_OFFSET: Final = 2**63
"""Makes an int64 non-negative, so that 20 digits compare as text: Lua's numbers lose integers beyond 2**53."""
KINDS: Final[tuple[SnapshotKind, ...]] = ("live", "final")

# Each script first lets the epoch in: a lower one is refused, any other rules from then on. The epoch outlives its items.
_ENTER: Final = """
local epoch = tonumber(ARGV[1])
local ruling = tonumber(redis.call('GET', KEYS[1]) or '0')
if epoch < ruling then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 2 * tonumber(ARGV[2]))
"""
_WRITE: Final = (
    _ENTER
    + """
local ttl, run, taken = ARGV[2], ARGV[3], 0
for i = 2, #KEYS do
    local order, payload = ARGV[2 * i], ARGV[2 * i + 1]
    local held = redis.call('HMGET', KEYS[i], 'run_id', 'epoch', 'order')
    local takes = not held[1]
    if held[1] == run then takes = order >= held[3] elseif held[1] then takes = epoch > tonumber(held[2]) end
    if takes then
        redis.call('HSET', KEYS[i], 'payload', payload, 'run_id', run, 'epoch', ARGV[1], 'order', order)
        redis.call('PEXPIRE', KEYS[i], ttl)
        taken = taken + 1
    end
end
return taken
"""
)
_REFRESH: Final = (
    _ENTER
    + """
for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 0
"""
)
_DIGEST: Final = {script: hashlib.sha1(script.encode()).hexdigest() for script in (_WRITE, _REFRESH)}  # the name EVALSHA knows it by

# Answers of a server that is there but cannot serve now: failing over, full, or stuck.
_AWAY: Final = (
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
)
_AWAY_ANSWERS: Final = ("BUSY", "MISCONF", "NOREPLICAS")


class RedisSnapshots:
    """The snapshot cache.

    Parameters
    ----------
    url : str
        redis://, rediss:// or unix://; `redis+cluster://host:port` for a cluster.
    ttl_seconds : float
        Time to live of a snapshot.
    """

    def __init__(self, url: str, ttl_seconds: float = 86_400.0) -> None:
        self._ttl_ms = max(1, round(ttl_seconds * 1000))
        options: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        self._open = partial(_client, url, options)
        self._client: Any = None

    def write(self, shard_id: str, epoch: int, run_id: str, kind: SnapshotKind, items: Sequence[Snapshot]) -> int:
        """Compare and set."""
        taken = 0
        with self._server() as client:
            for batch in _batches(items):
                keys = [_epoch_key(shard_id), *(_node_key(shard_id, item.node_id, kind) for item in batch)]
                values: list[bytes | str] = [str(epoch), str(self._ttl_ms), run_id]
                for item in batch:
                    values += (_order(item.order), item.payload)
                taken += max(0, _call(client, _WRITE, keys, values))
        return taken

    def read(self, shard_of_node: Mapping[int, str]) -> dict[int, dict[str, bytes]]:
        """Return those present, in one round trip."""
        wanted = [(node_id, kind) for node_id in shard_of_node for kind in KINDS]
        with self._server() as client:
            pipeline = client.pipeline(transaction=False)
            for node_id, kind in wanted:
                pipeline.hget(_node_key(shard_of_node[node_id], node_id, kind), "payload")
            payloads = pipeline.execute() if wanted else []
        found: dict[int, dict[str, bytes]] = {}
        for (node_id, kind), payload in zip(wanted, payloads, strict=True):
            if payload is not None:
                found.setdefault(node_id, {})[kind] = payload
        return found

    def refresh(self, shard_id: str, epoch: int, node_ids: Sequence[int]) -> None:
        """Extend the time to live, unless a higher epoch rules."""
        with self._server() as client:
            for batch in _batches(node_ids):
                keys = [_epoch_key(shard_id), *(_node_key(shard_id, node_id, kind) for node_id in batch for kind in KINDS)]
                _call(client, _REFRESH, keys, [str(epoch), str(self._ttl_ms)])

    def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextmanager
    def _server(self) -> Iterator[Any]:
        """Yield the client; a server that is away or stopped raises Unavailable, and whatever was sent is not waited for."""
        try:
            if self._client is None:
                self._client = self._open()
            yield self._client
        except exceptions.AuthenticationError:
            raise
        except exceptions.ResponseError as error:
            if isinstance(error, _AWAY) or str(error).startswith(_AWAY_ANSWERS):
                raise Unavailable(f"snapshots: {error}") from error
            raise
        except (exceptions.RedisError, exceptions.RedisClusterException, OSError) as error:
            raise Unavailable(f"snapshots: {error}") from error


def _client(url: str, options: dict[str, Any]) -> Any:
    if url.startswith("redis+cluster://"):
        return RedisCluster.from_url(url.replace("redis+cluster://", "redis://", 1), **options)
    return redis.Redis.from_url(url, **options)


def _call(client: Any, script: str, keys: Sequence[str], values: Sequence[bytes | str]) -> int:
    """Run a script by its digest, or with its text on a server that has not seen it (or was started anew)."""
    try:
        return int(client.evalsha(_DIGEST[script], len(keys), *keys, *values))
    except exceptions.NoScriptError:
        return int(client.eval(script, len(keys), *keys, *values))


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), BATCH_MAX):
        yield items[at : at + BATCH_MAX]


def _epoch_key(shard_id: str) -> str:
    return f"risk:{{{shard_id}}}:epoch"


def _node_key(shard_id: str, node_id: int, kind: str) -> str:
    return f"risk:{{{shard_id}}}:node:{node_id}:{kind}"


def _order(order: tuple[int, int]) -> str:
    return f"{order[0] + ORDER_OFFSET:020d}{order[1] + ORDER_OFFSET:020d}"
