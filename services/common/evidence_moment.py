"""A past moment of one node brought back: from a checkpoint, or by folding the log of record again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from risk_core.book import Node
from risk_core.engine.canonical import Evaluator
from risk_core.engine.fold import Bucket, Correction, Fold, Refold
from risk_core.records import Genesis, RiskResult
from services.common.codec import MalformedRecord, decode
from services.common.evidence_shapes import NoEvidence
from services.common.iso import iso_from_ns
from services.common.ports import Checkpoint, LogStore, ResultStore, Run
from services.common.state_codec import unpack

ENTRIES_MAX: Final = 2_000_000
"""Log records folded again for one answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A bucket with the window as it stood, ready to be evaluated again."""

    evaluator: Evaluator
    bucket: Bucket
    source: Literal["checkpoint", "log"]

    def row_of(self, node_id: int) -> int:
        """Return the node's row in the arrays."""
        return self.evaluator.node_ids.index(node_id)

    def results(self, node_id: int) -> list[RiskResult]:
        """Return the node's rows, calculated again."""
        return [r for r in self.evaluator.evaluate(self.bucket).results if r.node_id == node_id]


def from_checkpoint(run: Run, genesis: Genesis, checkpoint: Checkpoint, store: ResultStore) -> Moment:
    """Return the moment of a checkpoint.

    Raises
    ------
    ValueError
        The store lacks scenario rows of its window.
    """
    state: Any = unpack(checkpoint.state)
    fold = Fold.restore(genesis, state["fold"])
    evaluator = Evaluator(fold, run.run_id)
    known = fold.knowledge(checkpoint.log_seq)
    rows = store.scenario_rows(run.run_id, checkpoint.as_of_ns, known, state["evaluator"]["scenarios"])
    evaluator.restore(state["evaluator"], rows)
    market, holdings = fold.market, fold.holdings
    bucket = Bucket(
        as_of_ns=checkpoint.as_of_ns,
        log_seq=known,
        entry_log_seq=checkpoint.log_seq,
        emit=True,
        revision=fold.revision(checkpoint.as_of_ns),
        date=None,
        price=market.price,
        price_ns=market.price_ns,
        quantity=holdings.quantity,
        opening=holdings.opening,
        baseline=market.baseline,
        trade_cost=holdings.trade_cost,
        fees=holdings.fees,
        shock=None,
        proxied=None,
        state={},
    )
    return Moment(evaluator, bucket, "checkpoint")


def from_log(run: Run, genesis: Genesis, node: Node, wanted: RiskResult, log: LogStore, entries_max: int = ENTRIES_MAX) -> Moment:
    """Fold the log of record from the run's start until the bucket of a result closes at its revision.

    A correction is folded as a worker does it: from the start again, with all corrections so far known beforehand.

    Raises
    ------
    NoEvidence
        The log does not hold such a bucket, or is longer than `entries_max` up to there.
    """
    known: list[tuple[Correction, bool, int]] = []
    left = entries_max
    while True:
        fold = Fold(genesis, (node.node_id,))
        evaluator = Evaluator(fold, run.run_id)
        fold.preload(known)
        asked: Refold | None = None
        for entry in log.entries(run.first_log_seq, wanted.log_seq):
            left -= 1
            if left < 0:
                raise NoEvidence(f"more than {entries_max} log records lie before {iso_from_ns(wanted.as_of_ns)}: reproduce it offline")
            for item in _closed(fold, entry.payload, entry.log_seq):
                if isinstance(item, Refold):
                    asked = item
                    break
                _roll(evaluator, item)
                if (item.as_of_ns, item.revision, item.log_seq) == (wanted.as_of_ns, wanted.revision, wanted.log_seq):
                    return Moment(evaluator, replace(item, date=None, emit=True), "log")
            if asked is not None:
                break
        if asked is None:
            raise NoEvidence(f"the log of record holds no bucket of {iso_from_ns(wanted.as_of_ns)} at revision {wanted.revision}")
        known = [*fold.corrections.values(), (asked.correction, True, asked.log_seq)]


def _closed(fold: Fold, payload: bytes, log_seq: int) -> Iterator[Bucket | Refold]:
    try:
        record = decode(payload)
    except MalformedRecord:
        return
    if isinstance(record.body, Genesis):
        return
    yield from fold.apply(record, log_seq)


def _roll(evaluator: Evaluator, bucket: Bucket) -> None:
    if bucket.date is not None and bucket.shock is not None and bucket.proxied is not None:
        evaluator.window.roll(bucket.shock, bucket.proxied, bucket.date)
