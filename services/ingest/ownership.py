"""Who may write a source: a lease, renewed while it is held."""

from __future__ import annotations

import logging
from typing import Final

from services.common.ports import Clock, Lease, Leases, Unavailable

logger = logging.getLogger("ingest")

RENEWALS_PER_LEASE: Final = 3
NS_PER_SECOND: Final = 1_000_000_000


class SourceOwner:
    """Holds the lease `source:<name>` for one process.

    Whoever takes it over reads the log first (`log_state.scan`) and continues. Should the former owner still append, its
    records have numbers that the log holds already, and every reader drops them.
    """

    def __init__(self, leases: Leases, name: str, owner: str, clock: Clock, lease_seconds: float) -> None:
        self._leases = leases
        self._shard_id = f"source:{name}"
        self._owner = owner
        self._clock = clock
        self._seconds = lease_seconds
        self._lease: Lease | None = None
        self._renewed_ns = 0

    @property
    def epoch(self) -> int:
        """Return the epoch of the lease, 0 while none is held."""
        return self._lease.epoch if self._lease else 0

    def hold(self) -> bool:
        """Take or renew the lease when that is due; return whether it is held. Cheap to call often."""
        now_ns = self._clock.now_ns()
        try:
            if self._lease is None:
                self._lease = self._leases.acquire(self._shard_id, self._owner, self._seconds)
                self._renewed_ns = now_ns
                if self._lease is not None:
                    logger.info("source taken", extra={"source": self._shard_id, "epoch": self._lease.epoch})
            elif now_ns - self._renewed_ns >= self._seconds / RENEWALS_PER_LEASE * NS_PER_SECOND:
                if not self._leases.renew(self._lease, self._seconds):
                    self._lose("the lease was not renewed in time")
                self._renewed_ns = now_ns
        except Unavailable:
            # Without the database nobody can take over either; past the lease's end we stop to be safe.
            if self._lease is not None and now_ns - self._renewed_ns >= self._seconds * NS_PER_SECOND:
                self._lose("the history, which keeps leases, is away")
        return self._lease is not None

    def _lose(self, why: str) -> None:
        self._lease = None
        logger.warning("source lost", extra={"source": self._shard_id, "why": why})

    def release(self) -> None:
        """Give the lease back."""
        if self._lease is not None:
            self._leases.release(self._lease)
            self._lease = None
