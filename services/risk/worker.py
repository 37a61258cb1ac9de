"""The risk worker: leases shards, reads the log by position, folds, shows live numbers, hands buckets to finishers.

Single-threaded and step-wise: a thread, a process or a simulation calls `step()`. Finishing runs beside it, by
`finish_step()`. See docs/decisions/0002-runtime.md.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

from risk_core.records import Genesis, Record
from services.common.codec import MalformedRecord, decode
from services.common.outage import Outage
from services.common.ports import (
    Clock,
    Entry,
    Lease,
    Leases,
    Log,
    LogReader,
    Run,
    RunStore,
    Snapshot,
    Unavailable,
)
from services.common.run_identity import first_run, run_under
from services.common.shard_kinds import NODES, ShardKind
from services.risk.finisher import GROUP_MAX, Finisher, FinisherPorts
from services.risk.shard import Shard

logger = logging.getLogger("risk")

READ_MAX = 256
"""Entries taken from the log at once."""

REFRESH_NS = 5_000_000_000
"""Period of writing every snapshot again."""

CACHE_RETRY_NS = 500_000_000
"""Pause after the snapshot cache did not answer."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How this worker shares the book; none of it enters the numbers."""

    owner: str
    shard_count: int = 1
    shard_target: int = 0
    """Shards taken at once; further ones only when nobody renewed them for a while. 0 takes all."""
    lease_seconds: float = 5.0
    pending_max: int = 64
    read_timeout_seconds: float = 0.05
    group_max: int = GROUP_MAX


@dataclass(slots=True)
class WorkerPorts:
    """Everything outside."""

    log: Log
    leases: Leases
    runs: RunStore
    finishing: FinisherPorts
    clock: Clock
    calculation: str
    kind: ShardKind = NODES
    """What this worker's shards are about."""


@dataclass(slots=True, eq=False)
class Cursor:
    """A reader, and the shards that stand exactly at its place."""

    reader: LogReader
    log_seq: int
    shards: list[Shard | Waiting]
    buffer: deque[Entry] = field(default_factory=deque)
    decoded: tuple[int, Record | None] | None = None
    """The head entry, decoded once."""
    run_clock_ns: int = 0
    """The run's clock: when the newest entry was ingested."""


@dataclass(slots=True, eq=False)
class Waiting:
    """An owned shard that has not met a genesis record yet."""

    lease: Lease


class RiskWorker:
    """One worker process's logic."""

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self.ports = ports
        self.settings = settings
        self.cursors: list[Cursor] = []
        self.leases: dict[str, Lease] = {}
        self.free_since_ns: dict[str, int] = {}
        self.run: Run | None = None
        self.genesis: Genesis | None = None
        self.lost: list[str] = []
        self.dirty: dict[str, dict[int, Snapshot]] = {}
        """Live numbers not yet in the cache, newest per node: bounded by the book."""
        self.observer = ports.finishing.observer
        self._ticks, self._late = 0, 0
        self._history, self._log = Outage(logger, "the history"), Outage(logger, "the log")
        self._renewal = Outage(logger, "the history, which holds the leases,")
        self._unstarted: list[Lease] = []
        self.renewed_beside = False
        """Whether `renew_leases` is called from another thread: a renewal waits for the database's disk, and a tick would wait with it."""
        self._not_renewed: deque[Lease] = deque()
        self._stepped_ns = 0
        self._next_lease_ns = 0
        self._cache_again_ns = 0
        self._refresh_ns = 0

    # -------------------------------------------------------------- loop

    def step(self) -> bool:
        """Do one round: leases when due, then one batch of every cursor. Return whether any entry was taken."""
        for shard in self.shards():
            if shard.finisher.fenced:
                self._lose(shard.lease.shard_id, "a newer owner wrote")
        self._drop_not_renewed()
        now_ns = self._stepped_ns = self.ports.clock.now_ns()
        if now_ns >= self._next_lease_ns:
            self.tend_leases()
            self._next_lease_ns = now_ns + int(self.settings.lease_seconds / 5 * 1e9)
        moved = False
        for cursor in list(self.cursors):
            moved |= self._read(cursor)
        self._branch()
        self._join()
        return moved

    def shards(self) -> list[Shard]:
        """Return every running shard."""
        return [s for c in self.cursors for s in c.shards if isinstance(s, Shard)]

    def finishers(self) -> list[Finisher]:
        """Return the finishers that have something to do."""
        return [s.finisher for s in self.shards() if s.finisher.pending and not s.finisher.fenced]

    def blocked(self) -> bool:
        """Return whether reading waits for a finisher."""
        return any(self._must_wait(c) for c in self.cursors) or any(s.refold is not None for s in self.shards())

    def idle(self, log_seq: int) -> bool:
        """Return whether every owned shard has taken entries through `log_seq` and finished what they closed."""
        shards = self.shards()
        starting = bool(self._unstarted) or any(isinstance(s, Waiting) for c in self.cursors for s in c.shards)
        caught_up = not starting and all(c.log_seq >= log_seq for c in self.cursors)
        return bool(shards) and caught_up and all(s.finisher.idle() and s.refold is None for s in shards)

    def _lose(self, shard_id: str, why: str) -> None:
        logger.warning("shard lost", extra={"shard": shard_id, "why": why})
        self.lost.append(shard_id)
        self.drop(shard_id)

    def drop(self, shard_id: str) -> None:
        """Give up a shard without writing: its lease was lost, or its numbers cannot be trusted."""
        self.leases.pop(shard_id, None)
        self.dirty.pop(shard_id, None)
        self.observer.shard_epoch(shard_id, 0)
        self._unstarted = [lease for lease in self._unstarted if lease.shard_id != shard_id]
        for cursor in list(self.cursors):
            cursor.shards = [s for s in cursor.shards if s.lease.shard_id != shard_id]
            if not cursor.shards:
                self._close(cursor)

    def close(self) -> None:
        """Release leases and readers; pending buckets stay undone and are folded again by the next owner."""
        for cursor in list(self.cursors):
            self._close(cursor)
        for lease in self.leases.values():
            try:
                self.ports.leases.release(lease)
            except Unavailable:
                break
        self.leases.clear()

    # ------------------------------------------------------------ leases

    def tend_leases(self) -> None:
        """Renew what is owned, take what is free."""
        ttl = self.settings.lease_seconds
        try:
            if not self.renewed_beside:
                self._renew()
                self._drop_not_renewed()
            for shard_id in self._wanted():
                if self._may_take(shard_id):
                    taken = self.ports.leases.acquire(shard_id, self.settings.owner, ttl)
                    if taken is not None:
                        self.leases[shard_id] = taken
                        logger.info("shard taken", extra={"shard": shard_id, "epoch": taken.epoch})
                        self.observer.shard_epoch(shard_id, taken.epoch)
                        self.free_since_ns.pop(shard_id, None)
                        self._unstarted.append(taken)
            while self._unstarted:
                self._start(self._unstarted[0])
                self._unstarted.pop(0)
        except Unavailable as error:
            self._history.away(error)
            return
        self._history.back()

    def renew_leases(self) -> None:
        """Renew what is owned, from a thread of its own, while steps are made: one that stands still must lose its shards."""
        if self.ports.clock.now_ns() - self._stepped_ns > self.settings.lease_seconds * 1e9:
            return
        try:
            self._renew()
        except Unavailable as error:
            self._renewal.away(error)
            return
        self._renewal.back()

    def _renew(self) -> None:
        for lease in list(self.leases.values()):
            if not self.ports.leases.renew(lease, self.settings.lease_seconds):
                self._not_renewed.append(lease)

    def _drop_not_renewed(self) -> None:
        while self._not_renewed:
            lease = self._not_renewed.popleft()
            if self.leases.get(lease.shard_id) == lease:
                self._lose(lease.shard_id, "the lease was not renewed in time")

    def _wanted(self) -> list[str]:
        others = [s for s in self.ports.kind.shard_ids(self.settings.shard_count) if s not in self.leases]
        return [] if others and self.superseded() else others

    def _may_take(self, shard_id: str) -> bool:
        target = self.settings.shard_target or self.settings.shard_count
        if len(self.leases) < target:
            return True
        now_ns = self.ports.clock.now_ns()
        since = self.free_since_ns.setdefault(shard_id, now_ns)
        return now_ns - since > 2 * self.settings.lease_seconds * 1e9

    def _start(self, lease: Lease) -> None:
        """Begin a shard that was just taken: from its newest checkpoint, or from the run's genesis."""
        self._know_run()
        if self.run is None or self.genesis is None:
            self._cursor(None, 0, [Waiting(lease)])
            return
        shard = self._shard(lease)
        checkpoint = self.ports.finishing.store.latest_checkpoint(self.run.run_id, lease.shard_id)
        if checkpoint is not None:
            shard.restore(checkpoint)
            shard.finisher.show_again(checkpoint)
            shard.resume()
            logger.info("shard goes on", extra={"shard": lease.shard_id, "run_id": self.run.run_id, "log_seq": shard.log_seq})
        self._cursor(shard.position, shard.log_seq, [shard])

    def _know_run(self) -> None:
        newest = self.ports.runs.latest()
        if newest is None or (self.run is not None and newest.genesis == self.run.genesis):
            return
        run = run_under(self.ports.calculation, newest)
        if run is not newest:
            self.ports.runs.register(run)
            logger.info("run goes on under another calculation", extra={"run_id": run.run_id, "parent": run.parent_run_id})
        body = decode(run.genesis).body
        assert isinstance(body, Genesis)
        self.run, self.genesis = run, body
        self.observer.book(body.book.nodes)
        self.observer.instruments(body.book.instruments)

    def superseded(self) -> bool:
        """Return whether a process of another calculation was started since: this one keeps its shards and takes no more."""
        if self.run is None:
            return False
        newest = self.ports.runs.latest()
        return newest is not None and newest.genesis == self.run.genesis and newest.run_id != self.run.run_id

    def _shard(self, lease: Lease) -> Shard:
        assert self.run is not None
        assert self.genesis is not None
        kind, bounds = self.ports.kind, (self.settings.pending_max, self.settings.group_max)
        nodes = kind.nodes(self.genesis, lease.shard_id, self.settings.shard_count)
        return Shard(lease, self.run, self.genesis, nodes, self.ports.finishing, bounds, kind)

    # ----------------------------------------------------------- reading

    def _cursor(self, position: bytes | None, log_seq: int, shards: list[Shard | Waiting]) -> Cursor:
        cursor = Cursor(self.ports.log.reader(position), log_seq, shards)
        self.cursors.append(cursor)
        return cursor

    def _close(self, cursor: Cursor) -> None:
        cursor.reader.close()
        self.cursors.remove(cursor)

    def _read(self, cursor: Cursor) -> bool:
        if self._must_wait(cursor):
            self._live(cursor)
            return False
        if not cursor.buffer:
            first = cursor is self.cursors[0]
            timeout = self.settings.read_timeout_seconds if first else 0.0
            try:
                cursor.buffer.extend(cursor.reader.read(self._room(cursor), timeout))
            except Unavailable as error:
                self._log.away(error)
                return False
            self._log.back()
        began_ns = self.ports.clock.now_ns()
        taken = False
        while cursor.buffer and self._take(cursor, cursor.buffer[0]):
            cursor.buffer.popleft()
            taken = True
            if self._full(cursor) or self.ports.clock.now_ns() >= self._next_lease_ns:
                break  # the rest waits: a batch of a large book can take longer than a lease lasts
        if self._live(cursor) and taken:
            self.observer.live((self.ports.clock.now_ns() - began_ns) / 1e9)
        if taken:
            self._tell(cursor)
        return taken

    def _must_wait(self, cursor: Cursor) -> bool:
        """Reading waits while a finisher is full, and once while live numbers start."""
        shards = [s for s in cursor.shards if isinstance(s, Shard)]
        starting = cursor is self._main() and any(s.wants_live() and not s.finisher.idle() for s in shards)
        return starting or self._full(cursor)

    def _full(self, cursor: Cursor) -> bool:
        return any(s.finisher.full() for s in cursor.shards if isinstance(s, Shard))

    def _tell(self, cursor: Cursor) -> None:
        """Report progress of the main cursor, by its first shard: every shard folds all ticks."""
        shard = next((s for s in cursor.shards if isinstance(s, Shard)), None)
        if shard is None or cursor is not self._main():
            return
        ticks, late = shard.fold.ticks, shard.fold.dropped["late"]
        self.observer.ticks(max(ticks - self._ticks, 0))
        self.observer.late(max(late - self._late, 0))
        self._ticks, self._late = ticks, late
        self.observer.watermark(shard.fold.watermark_ns, cursor.run_clock_ns)
        self.observer.log_seq(cursor.log_seq)

    def _room(self, cursor: Cursor) -> int:
        """Entries to read: a cursor that catches up stops where the next one stands, to join it there."""
        ahead = [c.log_seq - cursor.log_seq for c in self.cursors if c.log_seq > cursor.log_seq]
        return min([READ_MAX, *ahead])

    def _take(self, cursor: Cursor, entry: Entry) -> bool:
        """Give one entry to the cursor's shards; False when it must wait for finishers."""
        log_seq = cursor.log_seq + 1
        if cursor.decoded is None or cursor.decoded[0] != log_seq:
            cursor.decoded = (log_seq, self._decode(entry.payload, log_seq))
        record = cursor.decoded[1]
        if record is not None and isinstance(record.body, Genesis):
            if not self._begin_run(cursor, record.body, entry, log_seq):
                return False
        elif record is not None and log_seq > self._first_log_seq():
            for shard in cursor.shards:
                if isinstance(shard, Shard) and shard.refold is None:
                    shard.take(record, log_seq, entry.position)
        cursor.log_seq = log_seq
        if record is not None:
            cursor.run_clock_ns = max(cursor.run_clock_ns, record.ingest_ns)
        for shard in cursor.shards:
            if isinstance(shard, Shard) and shard.refold is None:
                shard.log_seq, shard.position = log_seq, entry.position
        return True

    def _first_log_seq(self) -> int:
        return self.run.first_log_seq if self.run is not None else 0

    def _decode(self, payload: bytes, log_seq: int) -> Record | None:
        """Decode an entry; one that cannot be read counts in log_seq, and the recorder has its bytes."""
        try:
            return decode(payload)
        except MalformedRecord as error:
            logger.error("log entry cannot be read", extra={"log_seq": log_seq, "reason": error.reason, "detail": error.detail})
            self.observer.rejected(error.reason)
            return None

    # -------------------------------------------------------------- runs

    def _begin_run(self, cursor: Cursor, genesis: Genesis, entry: Entry, log_seq: int) -> bool:
        if self.run is not None and (self.run.genesis == entry.payload or log_seq <= self.run.first_log_seq):
            self._start_waiting(cursor)
            return True
        if any(isinstance(s, Shard) and not s.finisher.idle() for s in cursor.shards):
            return False
        calculation = self.ports.calculation
        try:
            newest = self.ports.runs.latest()
            if newest is not None and newest.genesis == entry.payload:  # a process of another calculation may have met it first
                run = run_under(calculation, newest)
            else:
                run = first_run(entry.payload, genesis.book.base_currency, calculation, self.run, log_seq)
            self.ports.runs.register(run)
        except Unavailable:
            return False
        self.run, self.genesis = run, genesis
        names = {"run_id": run.run_id, "parent": run.parent_run_id}
        logger.info("run begins", extra={**names, "log_seq": log_seq, "nodes": len(genesis.book.nodes)})
        self.observer.book(genesis.book.nodes)
        self.observer.instruments(genesis.book.instruments)
        started: list[Shard | Waiting] = []
        for shard in cursor.shards:
            lease = shard.lease if isinstance(shard, Waiting) else self._renewed_epoch(shard.lease)
            if lease is not None:
                started.append(self._shard(lease))
        cursor.shards = started
        return True

    def _start_waiting(self, cursor: Cursor) -> None:
        """The run is known already: a shard that waited for its genesis starts from its checkpoint, if it has one."""
        self._unstarted += [s.lease for s in cursor.shards if isinstance(s, Waiting)]
        cursor.shards = [s for s in cursor.shards if not isinstance(s, Waiting)]

    def _renewed_epoch(self, lease: Lease) -> Lease | None:
        """A new run needs a higher epoch than the one that wrote the old run's snapshots."""
        self.ports.leases.release(lease)
        taken = self.ports.leases.acquire(lease.shard_id, self.settings.owner, self.settings.lease_seconds)
        if taken is None:
            logger.warning("shard lost", extra={"shard": lease.shard_id, "why": "another worker took it as the run began"})
            self.leases.pop(lease.shard_id, None)
            self.lost.append(lease.shard_id)
            return None
        self.leases[lease.shard_id] = taken
        return taken

    # --------------------------------------------------- branch and join

    def _branch(self) -> None:
        """Give a shard that must fold again a reader of its own, once what it closed before is durable."""
        for cursor in list(self.cursors):
            for shard in list(cursor.shards):
                if isinstance(shard, Shard) and shard.refold is not None and shard.finisher.idle():
                    try:
                        shard.begin_again()
                    except Unavailable:
                        return
                    cursor.shards.remove(shard)
                    self._cursor(shard.position, shard.log_seq, [shard])
            if not cursor.shards:
                self._close(cursor)

    def _join(self) -> None:
        """Merge cursors that stand at the same place."""
        at: dict[int, Cursor] = {}
        for cursor in sorted(self.cursors, key=lambda c: -len(c.shards)):
            if cursor.buffer:
                continue
            if cursor.log_seq in at:
                at[cursor.log_seq].shards.extend(cursor.shards)
                self._close(cursor)
            else:
                at[cursor.log_seq] = cursor

    # -------------------------------------------------------------- live

    def _main(self) -> Cursor:
        return max(self.cursors, key=lambda c: c.log_seq)

    def _live(self, cursor: Cursor) -> bool:
        """Show live numbers of the main cursor's shards, and return whether any was; one that catches up writes none."""
        if cursor is not self._main():
            return False
        now_ns = self.ports.clock.now_ns()
        shards = [s for s in cursor.shards if isinstance(s, Shard)]
        shown = [self._show_live(s, now_ns) for s in shards]
        for shard in shards:
            if shard.live is not None:
                shard.live.tend(now_ns)
        if now_ns >= self._refresh_ns:
            self._refresh_ns = now_ns + REFRESH_NS
        return any(shown)

    def _show_live(self, shard: Shard, now_ns: int) -> bool:
        shard_id = shard.lease.shard_id
        waiting = self.dirty.setdefault(shard_id, {})
        for snapshot in shard.live_snapshots(now_ns):
            waiting[snapshot.node_id] = shard.newest_live[snapshot.node_id] = snapshot
        if now_ns >= self._refresh_ns:
            shard.finisher.refresh()
            waiting.update(shard.newest_live)
        if now_ns < self._cache_again_ns:
            return False
        shown = bool(waiting)
        try:
            if waiting:
                self.ports.finishing.snapshots.write(shard_id, shard.lease.epoch, shard.finisher.line, "live", list(waiting.values()))
                waiting.clear()
                self.ports.finishing.cache.back()
            available = shard.finisher.rewrite()
        except Unavailable as error:
            self.ports.finishing.cache.away(error)
            available = False
        if not available:
            self.observer.snapshot_error()
            self._cache_again_ns = now_ns + CACHE_RETRY_NS
        return shown and available


__all__ = ["RiskWorker", "WorkerPorts", "WorkerSettings"]
