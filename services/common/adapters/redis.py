"""Snapshots in Redis 7.2 or Valkey: one Lua call a batch, which compares and sets.

Keys, all of one shard in one slot of a cluster::

    risk:{<shard>}:epoch               highest epoch that wrote
    risk:{<shard>}:node:<id>:live      76 bytes of text that say who wrote it and how new it is (see HEADER_BYTES), then the payload
    risk:{<shard>}:node:<id>:final     alike
    risk:{<shard>}:instrument:<id>:regime

The cache is never the record: one that comes back empty is filled again by the next writes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, Final

import hiredis
import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from services.common.ports import NODE_KINDS, Snapshot, SnapshotKind, Unavailable

TIMEOUT_SECONDS: Final = 0.4
"""For connecting, and again for the answer: a server that is stopped holds a caller for less than a second."""
BATCH_MAX: Final = 1000
"""Items in one call: a script runs alone in the server, for about two milliseconds."""
ORDER_OFFSET: Final = 2**63
"""Makes an int64 non-negative, so that 20 digits compare as text: Lua's numbers lose integers beyond 2**53."""
HEADER_BYTES: Final = 76
"""16 hex digits for the line of runs, 20 digits of the epoch, 2 × 20 of the order."""
NOUNS: Final[dict[SnapshotKind, str]] = {"live": "node", "final": "node", "regime": "instrument"}
"""What a kind of snapshot is of."""

# Each script first lets the epoch in: a lower one is refused, any other rules from then on. The epoch outlives its items.
_ENTER: Final = """
local epoch = tonumber(ARGV[1])
local ruling = tonumber(redis.call('GET', KEYS[1]) or '0')
if epoch < ruling then return -1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 2 * tonumber(ARGV[2]))
"""
_WRITE: Final = (
    _ENTER
    + f"""
local call, sub, taken = redis.call, string.sub, 0
for i = 2, #KEYS do
    local value = ARGV[i + 1]
    local held = call('GETRANGE', KEYS[i], 0, {HEADER_BYTES - 1})
    local takes = held == ''
    if not takes then
        if sub(held, 1, 16) == sub(value, 1, 16) then takes = sub(value, 37, 76) >= sub(held, 37, 76)
        else takes = sub(value, 17, 36) > sub(held, 17, 36) end
    end
    if takes then
        call('SET', KEYS[i], value, 'PX', ARGV[2])
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
        self._lock = threading.Lock()
        self._local = threading.local()
        self._connections: list[Any] = []

    def write(self, shard_id: str, epoch: int, line: str, kind: SnapshotKind, items: Sequence[Snapshot]) -> int:
        """Compare and set."""
        head, rules = _head(line, epoch), (str(epoch), str(self._ttl_ms))
        order = items[0].order if items else (0, 0)
        told = head + _order(order)
        taken = 0
        with self._server() as client:
            for batch in _batches(items):
                keys = [_epoch_key(shard_id), *[_node_key(shard_id, item.node_id, kind) for item in batch]]
                values = [(told if item.order == order else head + _order(item.order)) + item.payload for item in batch]
                taken += max(0, self._call(client, _WRITE, keys, (*rules, *values)))
        return taken

    def read(self, shard_of_node: Mapping[int, str], kinds: Sequence[SnapshotKind] = NODE_KINDS) -> dict[int, dict[str, bytes]]:
        """Return those present, in one round trip a shard."""
        nodes_of: dict[str, list[int]] = {}
        for node_id, shard_id in shard_of_node.items():
            nodes_of.setdefault(shard_id, []).append(node_id)
        found: dict[int, dict[str, bytes]] = {}
        with self._server() as client:
            for shard_id, node_ids in nodes_of.items():
                wanted = [(node_id, kind) for node_id in node_ids for kind in kinds]
                values = self._execute(client, "MGET", *(_node_key(shard_id, node_id, kind) for node_id, kind in wanted))
                for (node_id, kind), value in zip(wanted, values, strict=True):
                    if value is not None:
                        found.setdefault(node_id, {})[kind] = value[HEADER_BYTES:]
        return found

    def refresh(self, shard_id: str, epoch: int, node_ids: Sequence[int]) -> None:
        """Extend the time to live, unless a higher epoch rules."""
        with self._server() as client:
            for batch in _batches(node_ids):
                keys = [_epoch_key(shard_id), *(_node_key(shard_id, node_id, kind) for node_id in batch for kind in NODE_KINDS)]
                self._call(client, _REFRESH, keys, (str(epoch), str(self._ttl_ms)))

    def close(self) -> None:
        """Close the connections of all threads. Idempotent."""
        with self._lock:
            connections, self._connections = self._connections, []
            client, self._client, self._local = self._client, None, threading.local()
        for connection in connections:
            connection.disconnect()
        if client is not None:
            client.close()

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

    def _call(self, client: Any, script: str, keys: Sequence[str], values: Sequence[bytes | str]) -> int:
        """Run a script by its digest, or with its text on a server that has not seen it (or was started anew)."""
        try:
            return int(self._execute(client, "EVALSHA", _DIGEST[script], len(keys), *keys, *values))
        except exceptions.NoScriptError:
            return int(self._execute(client, "EVAL", script, len(keys), *keys, *values))

    def _execute(self, client: Any, *command: Any) -> Any:
        """Send one command, twice where the connection was lost since its last use: each may be repeated safely.

        A single server gets it straight through this thread's connection: the client's own way costs twice the call itself.
        """
        if isinstance(client, RedisCluster):
            return client.execute_command(*command)  # type: ignore[no-untyped-call]
        connection = self._connection(client)
        packed = (hiredis.pack_command(command),)
        fresh = not connection.is_connected
        try:
            return _round_trip(connection, packed)
        except exceptions.ConnectionError:
            if fresh:
                raise
            return _round_trip(connection, packed)

    def _connection(self, client: Any) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = client.connection_pool.make_connection()
            with self._lock:
                self._connections.append(connection)
        return connection


def _round_trip(connection: Any, packed: tuple[bytes, ...]) -> Any:
    try:
        connection.send_packed_command(packed, check_health=False)
        return connection.read_response()
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
        connection.disconnect()
        raise


def _client(url: str, options: dict[str, Any]) -> Any:
    if url.startswith("redis+cluster://"):
        return RedisCluster.from_url(url.replace("redis+cluster://", "redis://", 1), **options)
    return redis.Redis.from_url(url, **options)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), BATCH_MAX):
        yield items[at : at + BATCH_MAX]


@lru_cache(maxsize=64)
def _head(line: str, epoch: int) -> bytes:
    return hashlib.sha256(line.encode()).hexdigest()[:16].encode() + b"%020d" % epoch


def _epoch_key(shard_id: str) -> str:
    return f"risk:{{{shard_id}}}:epoch"


@lru_cache(maxsize=65_536)
def _node_key(shard_id: str, node_id: int, kind: SnapshotKind) -> str:
    return f"risk:{{{shard_id}}}:{NOUNS[kind]}:{node_id}:{kind}"


@lru_cache(maxsize=16)
def _order(order: tuple[int, int]) -> bytes:
    return b"%020d%020d" % (order[0] + ORDER_OFFSET, order[1] + ORDER_OFFSET)
