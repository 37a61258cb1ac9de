"""A past moment of one node brought back: from a checkpoint, or by folding the log of record again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Node
from risk_core.engine.canonical import Evaluator
from risk_core.engine.fold import Bucket, Correction, Fold, Refold
from risk_core.methods import methods_named
from risk_core.records import Genesis, RiskResult, ScenarioRow
from services.common.codec import MalformedRecord, decode
from services.common.evidence_shapes import NoEvidence
from services.common.iso import iso_from_ns
from services.common.ports import Checkpoint, LogStore, ResultStore, Run
from services.common.state_codec import unpack

if TYPE_CHECKING:
    from risk_core.engine.challengers import Challengers

ENTRIES_MAX: Final = 2_000_000
"""Log records folded again for one answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A bucket with the window as it stood, ready to be evaluated again; `rows` are the window's, oldest first."""

    evaluator: Evaluator
    bucket: Bucket
    rows: tuple[ScenarioRow, ...]
    source: Literal["checkpoint", "log"]

    def row_of(self, node_id: int) -> int:
        """Return the node's row in the arrays."""
        return self.evaluator.node_ids.index(node_id)

    def holdings(self, node_id: int) -> dict[int, NDArray[np.int64]]:
        """Return the quantities of a node's portfolios, int64[N] in millionths, by node id: they sum to the node's own."""
        index, kept = self.evaluator.index, self.bucket.state["holdings"]
        found: dict[int, NDArray[np.int64]] = {}
        for (portfolio, instrument), quantity in zip(kept["portfolio_keys"].tolist(), kept["portfolio_quantity"].tolist(), strict=True):
            if node_id in index.ancestors[portfolio]:
                row = found.setdefault(portfolio, np.zeros(len(index.instrument_ids), np.int64))
                row[index.column_of[instrument]] = quantity
        return found

    def challengers(self) -> Challengers:
        """Return what evaluates the methods that are not streamed. It brings most of the library with it: loaded when it is asked for."""
        from risk_core.engine.challengers import Challengers

        return Challengers(self.evaluator.index.book, self.rows, self.evaluator.configuration)

    def results(self, node_id: int, method: str) -> list[RiskResult]:
        """Return the node's rows of a method, calculated again."""
        evaluator = self.evaluator
        if method in (m.name for m in evaluator.methods):
            found: Iterable[RiskResult] = evaluator.evaluate(self.bucket).results
        else:
            inputs = evaluator.inputs(self.bucket, "", np.zeros((3, len(evaluator.node_ids))))
            confidences = evaluator.configuration.confidences
            found = self.challengers().results(evaluator.run_id, methods_named((method,)), inputs, confidences)
        return [r for r in found if (r.node_id, r.method) == (node_id, method)]


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
        state={"holdings": state["fold"]["holdings"]},
    )
    return Moment(evaluator, bucket, tuple(rows), "checkpoint")


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
        rows: deque[ScenarioRow] = deque(maxlen=evaluator.window.size)
        for entry in log.entries(run.first_log_seq, wanted.log_seq):
            left -= 1
            if left < 0:
                raise NoEvidence(f"more than {entries_max} log records lie before {iso_from_ns(wanted.as_of_ns)}: reproduce it offline")
            for item in _closed(fold, entry.payload, entry.log_seq):
                if isinstance(item, Refold):
                    asked = item
                    break
                rows += _roll(evaluator, item)
                if (item.as_of_ns, item.revision, item.log_seq) == (wanted.as_of_ns, wanted.revision, wanted.log_seq):
                    kept = tuple(rows)[-evaluator.window.count :] if evaluator.window.count else ()
                    return Moment(evaluator, replace(item, date=None, emit=True), kept, "log")
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


def _roll(evaluator: Evaluator, bucket: Bucket) -> list[ScenarioRow]:
    if bucket.date is None or bucket.shock is None or bucket.proxied is None:
        return []
    evaluator.window.roll(bucket.shock, bucket.proxied, bucket.date)
    key = evaluator.run_id, bucket.as_of_ns, bucket.date, bucket.revision, bucket.log_seq
    return [ScenarioRow(*key, bucket.shock, bucket.proxied)]
