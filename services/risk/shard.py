"""One owned shard: its fold, its evaluator and its finisher, from genesis, checkpoint or correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from risk_core.engine.canonical import FORECAST_LEAD_NS, Evaluator
from risk_core.engine.fold import Bucket, Correction, Fold, KnownCorrection, Refold
from risk_core.records import Genesis, Record
from services.common.ports import Checkpoint, Lease, ResultStore, Run, Snapshot
from services.common.shard_kinds import NODES, BucketEvaluator, ShardKind
from services.common.state_codec import unpack
from services.risk.finisher import Finisher, FinisherPorts, Pending
from services.risk.live import LiveBook


@dataclass(frozen=True, slots=True)
class _Again:
    """Folding again: through which log entry, and from which as_of rows are emitted."""

    correction: Correction
    through_log_seq: int


class Shard:
    """State of one shard in one run.

    `bounds` are the finisher's pending and group maxima; `log_seq` and `position` those of the last entry taken.
    """

    def __init__(
        self,
        lease: Lease,
        run: Run,
        genesis: Genesis,
        node_ids: tuple[int, ...],
        ports: FinisherPorts,
        bounds: tuple[int, int],
        kind: ShardKind = NODES,
    ) -> None:
        self.lease = lease
        self.run = run
        self.genesis = genesis
        self.node_ids = node_ids
        self.finisher = Finisher(ports, lease, run, *bounds)
        self.kind = kind
        self.fold = Fold(genesis, node_ids)
        self.evaluator: BucketEvaluator = kind.evaluator(self.fold, run.run_id)
        self.live: LiveBook | None = None
        self.newest_live: dict[int, Snapshot] = {}
        self.log_seq = 0
        self.position: bytes | None = None
        self.refold: Refold | None = None
        self._again: _Again | None = None

    @property
    def store(self) -> ResultStore:
        """The record of this shard's rows."""
        return self.finisher.ports.store

    # ------------------------------------------------------------ input

    def take(self, record: Record, log_seq: int, position: bytes) -> None:
        """Fold one entry; queue what it closes. Sets `refold` instead when the entry corrects closed buckets."""
        closed = self.fold.apply(record, log_seq)
        for item in closed:
            if isinstance(item, Refold):
                self.refold = item
                self.live = None
                return
        if self.live is not None:
            self.live.take(record)
        self.log_seq, self.position = log_seq, position
        self._queue([b for b in closed if isinstance(b, Bucket)], position)
        if self._again is not None and log_seq >= self._again.through_log_seq:
            self._again = None

    def _queue(self, buckets: Sequence[Bucket], position: bytes) -> None:
        for bucket in buckets:
            again = self._again
            if again is not None and bucket.as_of_ns < again.correction.effective_ns:
                bucket = bucket.silent()
            self.finisher.add(Pending(bucket, position, self.evaluator, again is not None))
            if self.live is not None:
                self.live.roll(bucket)

    # ---------------------------------------------------------- restore

    def restore(self, checkpoint: Checkpoint, corrections: Sequence[KnownCorrection] = ()) -> None:
        """Go on from a checkpoint: the fold's state, the frozen forecasts, and the window from its stored rows.

        `corrections` are made known first, for folding again.
        """
        state: dict[str, Any] = unpack(checkpoint.state)
        fold = Fold.restore(self.genesis, state["fold"])
        evaluator = self.kind.evaluator(fold, self.run.run_id)
        count = state["evaluator"]["scenarios"]
        rows = self.store.scenario_rows(self.run.run_id, checkpoint.as_of_ns, fold.knowledge(checkpoint.log_seq), count)
        evaluator.restore(state["evaluator"], rows)
        fold.preload(corrections)
        self.fold, self.evaluator = fold, evaluator
        self.log_seq, self.position = checkpoint.log_seq, checkpoint.position

    def begin_again(self) -> None:
        """Start folding again from the day close before the correction. The finisher must be idle.

        All corrections of closed buckets known so far, and the new one, are known beforehand this time.
        """
        refold = self.refold
        assert refold is not None
        known = [*self.fold.corrections.values(), (refold.correction, True, refold.log_seq)]
        checkpoint = self.store.checkpoint_before(self.run.run_id, self.lease.shard_id, refold.correction.effective_ns)
        if checkpoint is None:
            self.fold = Fold(self.genesis, self.node_ids)
            self.evaluator = self.kind.evaluator(self.fold, self.run.run_id)
            self.fold.preload(known)
            self.log_seq, self.position = 0, None
        else:
            self.restore(checkpoint, known)
        self.live = None
        self.refold = None
        self._again = _Again(refold.correction, refold.log_seq)
        self.resume()

    def resume(self) -> None:
        """Close what the checkpointed entry still had to close. Call once after `restore`."""
        if self.position is not None:
            self._queue(self.fold.resume(self.log_seq), self.position)

    # ------------------------------------------------------------- live

    def wants_live(self) -> bool:
        """Return whether live numbers should start: results are due, and nothing is folded again."""
        lead = self.genesis.emit_from_ns - FORECAST_LEAD_NS
        due = self.live is None and self._again is None and self.refold is None and bool(self.node_ids)
        return due and self.fold.market.close_ns >= lead

    def live_snapshots(self, now_ns: int) -> list[Snapshot]:
        """Return changed live numbers, starting them once the finisher is idle: the window is then as the fold sees it."""
        if isinstance(self.evaluator, Evaluator) and self.wants_live() and self.finisher.idle() and self.evaluator.window.count:
            self.live = LiveBook(self.fold, self.evaluator)
        return [] if self.live is None else self.live.snapshots(self.log_seq, now_ns)
