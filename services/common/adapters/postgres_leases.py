"""Leases in table `shards`, on the server's clock. Each call is one statement, so nothing is half done."""

from __future__ import annotations

from typing import Final, LiteralString

from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.ports import Lease

_ACQUIRE: Final[LiteralString] = """
INSERT INTO shards AS s (shard_id, owner, epoch, lease_until)
VALUES (%(shard_id)s, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(ttl)s))
ON CONFLICT (shard_id) DO UPDATE
SET owner = excluded.owner, epoch = s.epoch + 1, lease_until = clock_timestamp() + make_interval(secs => %(ttl)s)
WHERE s.owner IS NULL OR s.owner = excluded.owner OR s.lease_until <= clock_timestamp()
RETURNING epoch
"""
_RENEW: Final[LiteralString] = """
UPDATE shards SET lease_until = clock_timestamp() + make_interval(secs => %s)
WHERE shard_id = %s AND owner = %s AND epoch = %s
"""
_RELEASE: Final[LiteralString] = """
UPDATE shards SET owner = NULL, lease_until = clock_timestamp() WHERE shard_id = %s AND owner = %s AND epoch = %s
"""


class PostgresLeases:
    """Ownership that all processes of a database agree on."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
        """Take a free, expired or own shard with epoch + 1."""
        with self._database.session() as connection:
            row = connection.execute(_ACQUIRE, {"shard_id": shard_id, "owner": owner, "ttl": float(ttl_seconds)}).fetchone()
        return None if row is None else Lease(shard_id, owner, row[0])

    def renew(self, lease: Lease, ttl_seconds: float) -> bool:
        """Extend while the epoch stands."""
        with self._database.session() as connection:
            return connection.execute(_RENEW, (float(ttl_seconds), lease.shard_id, lease.owner, lease.epoch)).rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give back; the epoch stays, so that the next owner's is higher."""
        with self._database.session() as connection:
            connection.execute(_RELEASE, (lease.shard_id, lease.owner, lease.epoch))
