"""From closed buckets to durable, published, visible rows, in that order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from threading import Event
from typing import Any, Final, TypeAlias

import numpy as np

from risk_core.engine.canonical import Evaluated, Frozen
from risk_core.engine.fold import Bucket
from risk_core.records import ChangePoint, RegimeState, ScenarioRow, WatchRow
from services.common.job_inputs import job_of
from services.common.outage import Outage
from services.common.ports import (
    Checkpoint,
    Clock,
    Commit,
    Lease,
    Publisher,
    ResultStore,
    Run,
    Snapshot,
    SnapshotKind,
    Snapshots,
    Unavailable,
)
from services.common.run_identity import line_of
from services.common.schemas import encode_change_point, encode_day_close, encode_regime, encode_result
from services.common.shard_kinds import BucketEvaluator
from services.common.snapshot_payload import encode_final
from services.common.state_codec import pack, unpack
from services.risk.observer import Observer, Silent

logger = logging.getLogger("risk")

CHECKPOINT_VERSION = 1
FLUSH_SECONDS = 10.0
KINDS: Final[tuple[SnapshotKind, ...]] = ("final", "regime")
GROUP_MAX = 32
"""Buckets in one transaction when several wait: a replay at full speed then pays one fsync for all of them."""


Shown: TypeAlias = tuple[SnapshotKind, int]
"""A kind of snapshot, and the node or instrument that it is of."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A closed bucket on its way out; `again` marks one folded again by a correction."""

    bucket: Bucket
    position: bytes
    evaluator: BucketEvaluator
    again: bool


@dataclass(slots=True)
class FinisherPorts:
    """What the finisher writes to."""

    store: ResultStore
    publisher: Publisher
    snapshots: Snapshots
    recorded: Callable[[int], bool]
    """Whether the log of record holds everything through this log_seq; checkpoints never pass it."""
    clock: Clock
    observer: Observer = field(default_factory=Silent)
    cache: Outage = field(default_factory=lambda: Outage(logger, "the snapshot cache"))
    """What was seen of the cache."""
    work: Event = field(default_factory=Event)
    """Set with every bucket that is queued: a thread that looked every so often would take the interpreter from live numbers."""


class Finisher:
    """Finishes the buckets of one shard: evaluate → commit → publish and flush → snapshots.

    `steps()` yields between any two of these, so that a scheduler may stop, fail or crash there.
    """

    def __init__(self, ports: FinisherPorts, lease: Lease, run: Run, pending_max: int, group_max: int = GROUP_MAX) -> None:
        self.ports = ports
        self.lease = lease
        self.run_id = run.run_id
        self.line = line_of(run)
        self.pending_max = pending_max
        self.group_max = group_max
        self.pending: deque[Pending] = deque()
        self.dirty: dict[Shown, Snapshot] = {}
        self.newest: dict[Shown, Snapshot] = {}
        """Finals to write, and the newest ones written: one entry a node (or instrument) each."""
        self.busy = False
        self.fenced = False
        """Set by whoever drives `steps` when they raise Fenced; the worker then drops the shard."""
        self.committed_log_seq = 0
        self.committed_as_of_ns = 0
        self._outage = Outage(logger, "what finals are written to")
        self.counts = {"results": 0, "day_closes": 0, "buckets": 0, "emitted_closes": 0}

    def full(self) -> bool:
        """Return whether the reader must wait."""
        return len(self.pending) >= self.pending_max

    def idle(self) -> bool:
        """Return whether every bucket taken is out."""
        return not self.pending and not self.busy

    def add(self, pending: Pending) -> None:
        """Queue a bucket."""
        self.pending.append(pending)
        self.ports.work.set()

    def steps(self) -> Iterator[str]:
        """Finish what is pending, up to `group_max` buckets in one transaction; each name yielded says what was just done.

        Raises Fenced and DeterminismError. Unavailable parts are yielded as "wait" and tried again.
        """
        if not self.pending:
            return
        self.busy = True
        try:
            group: list[tuple[Bucket, Evaluated]] = []
            commits: list[Commit] = []
            carried: list[ScenarioRow] = []
            watched: list[WatchRow] = []
            while self.pending and len(group) < self.group_max:
                item = self.pending.popleft()
                first: list[Frozen | None] = []
                while not self._tried(lambda item=item, first=first: first.append(self._frozen_before(item))):  # type: ignore[misc]
                    yield "wait"
                evaluated = item.evaluator.evaluate(item.bucket, first[0])
                group.append((item.bucket, evaluated))
                carried += [] if evaluated.scenario_row is None else [evaluated.scenario_row]
                watched += evaluated.watched
                if not self._silent(item) or not self.pending or len(group) == self.group_max:
                    commits.append(self._commit(item, evaluated, carried, watched, [e.as_of_ns for _, e in group if _emits(e)]))
                    carried, watched = [], []
                yield "evaluated"
            while not self.ports.recorded(max(c.checkpoint.log_seq for c in commits)):
                yield "wait"
            began_ns = self.ports.clock.now_ns()
            while not self._tried(lambda: self.ports.store.commit_many(commits)):
                self.ports.observer.history_error()
                yield "wait"
            self.ports.observer.checkpoint((self.ports.clock.now_ns() - began_ns) / 1e9)
            for bucket, evaluated in group:
                self._count(evaluated, bucket)
            yield "committed"
            emitted = [e for _, e in group if _emits(e)]
            if emitted:
                while not self._tried(lambda: self._publish(emitted)):
                    yield "wait"
                yield "published"
                self._show(emitted)
                yield "shown"
        finally:
            self.busy = False

    def _tried(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Unavailable as error:
            self._outage.away(error)
            return False
        self._outage.back()
        return True

    def _frozen_before(self, item: Pending) -> Frozen | None:
        """Return the forecast as first frozen at this close, when the bucket is folded again."""
        if not item.again or item.bucket.date is None:
            return None
        first = self.ports.store.checkpoint_at(self.run_id, self.lease.shard_id, item.bucket.as_of_ns)
        return None if first is None else Frozen.restore(unpack(first.state)["evaluator"]["frozen"])  # type: ignore[index, call-overload, arg-type]

    def _silent(self, item: Pending) -> bool:
        """Return whether a bucket only seeds the window: nobody will ask for the state right after it."""
        return not item.bucket.emit and item.evaluator.frozen is None and not item.again

    def _commit(
        self, item: Pending, evaluated: Evaluated, rows: Sequence[ScenarioRow], watched: Sequence[WatchRow], unpublished: list[int]
    ) -> Commit:
        bucket = item.bucket
        state = pack({"fold": bucket.state, "evaluator": item.evaluator.state(), "unpublished": np.array(unpublished, np.int64)})
        checkpoint = Checkpoint(
            run_id=self.run_id,
            shard_id=self.lease.shard_id,
            as_of_ns=bucket.as_of_ns,
            log_seq=bucket.entry_log_seq,
            position=item.position,
            state=state,
            day_close=bucket.date is not None,
            format_version=CHECKPOINT_VERSION,
        )
        jobs = () if evaluated.inputs is None else (job_of(self.run_id, self.lease.shard_id, evaluated.inputs),)
        return Commit(self.lease, checkpoint, evaluated.results, evaluated.day_closes, tuple(rows), jobs, tuple(watched))

    def _count(self, evaluated: Evaluated, bucket: Bucket) -> None:
        self.committed_log_seq = max(self.committed_log_seq, bucket.entry_log_seq)
        self.committed_as_of_ns = max(self.committed_as_of_ns, bucket.as_of_ns)
        self.counts["results"] += len(evaluated.results)
        self.counts["day_closes"] += len(evaluated.day_closes)
        self.counts["buckets"] += 1
        self.counts["emitted_closes"] += int(bucket.emit and bucket.date is not None)
        self.ports.observer.results(evaluated.results)
        self.ports.observer.day_closes(evaluated.day_closes)
        self.ports.observer.watched(evaluated.watched)
        self.ports.observer.pending_finals(len(self.pending))

    def _publish(self, group: Sequence[Evaluated]) -> None:
        for evaluated in group:
            for result in evaluated.results:
                self.ports.publisher.publish("results", str(result.node_id), encode_result(result))
            for row in evaluated.day_closes:
                self.ports.publisher.publish("day_closes", str(row.node_id), encode_day_close(row))
            for said in evaluated.watched:
                if isinstance(said, RegimeState):
                    self.ports.publisher.publish("regimes", str(said.instrument_id), encode_regime(said))
                elif isinstance(said, ChangePoint):
                    self.ports.publisher.publish("change_points", str(said.instrument_id), encode_change_point(said))
        self.ports.publisher.flush(FLUSH_SECONDS)

    def _show(self, group: Sequence[Evaluated]) -> None:
        for evaluated in group:
            closes = {k: list(rows) for k, rows in groupby(evaluated.day_closes, key=lambda r: r.node_id)}
            for node_id, rows in groupby(evaluated.results, key=lambda r: r.node_id):
                results = list(rows)
                order = (evaluated.as_of_ns, results[0].revision)
                if self._newer(("final", node_id), order):
                    self._keep("final", Snapshot(node_id, order, encode_final(results, closes.get(node_id, []))))
            for state in evaluated.watched:
                order = (state.as_of_ns, state.revision)
                if isinstance(state, RegimeState) and self._newer(("regime", state.instrument_id), order):
                    self._keep("regime", Snapshot(state.instrument_id, order, encode_regime(state)))
        self.rewrite()

    def _newer(self, shown: Shown, order: tuple[int, int]) -> bool:
        return shown not in self.newest or order >= self.newest[shown].order

    def _keep(self, kind: SnapshotKind, snapshot: Snapshot) -> None:
        self.newest[kind, snapshot.node_id] = self.dirty[kind, snapshot.node_id] = snapshot

    def rewrite(self) -> bool:
        """Write finals that the cache does not hold yet; keep them, and return False, when it is away."""
        taken, self.dirty = self.dirty, {}
        if taken:
            try:
                for kind in KINDS:
                    items = [snapshot for (of, _), snapshot in taken.items() if of == kind]
                    if items:
                        self.ports.snapshots.write(self.lease.shard_id, self.lease.epoch, self.line, kind, items)
            except Unavailable as error:
                self.ports.cache.away(error)
                self.dirty = {**taken, **self.dirty}
                return False
            self.ports.cache.back()
        return True

    def refresh(self) -> None:
        """Have every node's newest final written again: a quiet book must not expire, a cache may have come back empty."""
        self.dirty = {**self.newest, **self.dirty}

    def show_again(self, checkpoint: Checkpoint) -> None:
        """Publish and show the rows of the last transaction again: the process before may have died right after it."""
        self.committed_log_seq, self.committed_as_of_ns = checkpoint.log_seq, checkpoint.as_of_ns
        group = []
        state: dict[str, Any] = unpack(checkpoint.state)
        for as_of_ns in state["unpublished"].tolist():
            results, day_closes = self.ports.store.committed_results(checkpoint.run_id, self.lease.shard_id, as_of_ns)
            watched = self.ports.store.committed_watched(checkpoint.run_id, self.lease.shard_id, as_of_ns)
            newest = max((r.revision for r in (*results, *watched)), default=0)
            group.append(
                Evaluated(
                    as_of_ns,
                    tuple(r for r in results if r.revision == newest),
                    tuple(r for r in day_closes if r.revision == newest),
                    None,
                    watched=tuple(r for r in watched if r.revision == newest),
                )
            )
        self._publish(group)
        self._show(group)


def _emits(evaluated: Evaluated) -> bool:
    """Return whether there is anything to publish and show."""
    return bool(evaluated.results or evaluated.day_closes or evaluated.watched)
