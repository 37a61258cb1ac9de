"""The simulation must notice: each bug of a kind is planted, and some early seed has to catch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from risk_core.engine import fold as fold_module
from risk_core.engine.canonical import Evaluator
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.market import Market
from services.common.adapters.memory_snapshots import MemorySnapshots, _Held
from services.common.adapters.memory_stores import MemoryLeases, MemoryResultStore
from services.common.ports import Commit, DeterminismError, Lease, Snapshot
from services.risk.finisher import Finisher
from services.risk.shard import Shard
from tests.simulation.cluster import Cluster, Parts, Violation

SEEDS = 60


def caught(parts: Parts | None = None, seeds: int = SEEDS) -> str:
    """Return what the first seed that notices says; fail if none does."""
    for seed in range(seeds):
        try:
            Cluster(seed, parts).run()
        except (Violation, DeterminismError, ValueError, RuntimeError, KeyError) as error:
            return f"{type(error).__name__}: {error}"
    raise AssertionError(f"{seeds} seeds did not notice the planted bug")


def test_forgotten_dedup_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold that takes repeats books fills twice, or closes days twice."""
    original = Fold.apply

    def apply(self: Fold, record: Any, log_seq: int) -> list[Any]:
        source = self.sources.get(record.source_id)
        if source is not None:
            source.last_seq = min(source.last_seq, record.source_seq - 1)
        self.fill_ids.clear()
        return original(self, record, log_seq)

    monkeypatch.setattr(Fold, "apply", apply)
    assert caught()


def test_wrong_watermark_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watermark that follows the fastest source closes buckets before slower ones were heard."""
    monkeypatch.setattr(fold_module, "min", max, raising=False)
    assert caught()


def test_arrival_order_instead_of_event_order_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last tick to arrive is not the newest one."""

    def apply_ticks(self: Market, column: Any, event_ns: Any, price: Any) -> None:
        self.price[column], self.price_ns[column] = price, event_ns

    monkeypatch.setattr(Market, "apply_ticks", apply_ticks)
    assert "differ" in caught()


def test_checkpoint_without_waiting_ticks_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """State lost between checkpoint and restore shows after a crash."""
    original = Fold.state
    monkeypatch.setattr(Fold, "state", lambda self: {**original(self), "cells": [], "waiting": []})
    assert caught()


def test_checkpoint_without_frozen_forecast_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Evaluator.state
    monkeypatch.setattr(Evaluator, "state", lambda self: {**original(self), "frozen": None})
    assert caught()


def test_unfinished_entry_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry may close several buckets; a crash between two must not lose the second."""
    monkeypatch.setattr(Shard, "resume", lambda self: None)
    assert caught(seeds=150)


def test_publishing_before_commit_and_not_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows committed but not published before a crash must be published on start."""
    monkeypatch.setattr(Finisher, "show_again", lambda self, checkpoint: None)
    assert "never published" in caught()


def test_commit_that_is_not_atomic_is_caught() -> None:
    """Checkpoint first, rows never: a crash in between loses the rows."""

    class Torn(MemoryResultStore):
        def commit_many(self, commits: Sequence[Commit]) -> None:
            super().commit_many([replace(c, results=()) if c.checkpoint.log_seq % 7 == 0 else c for c in commits])

    assert "missing" in caught(Parts(store=Torn))


def test_store_without_fencing_is_caught() -> None:
    """A paused owner that wakes must not write, even though determinism makes its rows the same."""

    class Unfenced(MemoryResultStore):
        def commit_many(self, commits: Sequence[Commit]) -> None:
            shard = self._database.shards[commits[0].lease.shard_id]
            standing = Lease(commits[0].lease.shard_id, shard.owner or "", shard.epoch)
            super().commit_many([replace(c, lease=standing) for c in commits])

    assert "stale owner wrote" in caught(Parts(store=Unfenced))


def test_snapshots_without_compare_and_set_are_caught() -> None:
    """A paused owner that wakes must not overwrite newer numbers."""

    class Blind(MemorySnapshots):
        def write(self, shard_id: str, epoch: int, run_id: str, kind: Any, items: Sequence[Snapshot]) -> int:
            self._require()
            for item in items:
                self._held[shard_id, item.node_id, kind] = _Held(epoch, run_id, item.order, item.payload, 2**62)
            return len(items)

        def _enter(self, shard_id: str, epoch: int) -> bool:
            self._require()
            return True

    assert "snapshot" in caught(Parts(snapshots=Blind), seeds=150)


def test_cache_not_rewritten_after_its_return_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finals that came while the cache was away must be there when it is back."""

    def rewrite(self: Finisher) -> bool:
        taken, self.dirty = self.dirty, {}
        try:
            self.ports.snapshots.write(self.lease.shard_id, self.lease.epoch, self.line, "final", list(taken.values()))
        except Exception:
            self.newest.clear()
        return True

    monkeypatch.setattr(Finisher, "rewrite", rewrite)
    monkeypatch.setattr(Finisher, "refresh", lambda self: None)
    assert "newest" in caught()


def test_leases_that_are_never_taken_over_are_caught() -> None:
    """Liveness: a crashed worker's shard must find a new owner."""

    class Sticky(MemoryLeases):
        def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
            if shard_id in self._database.shards:
                return None
            return super().acquire(shard_id, owner, ttl_seconds)

    assert "liveness" in caught(Parts(leases=Sticky), seeds=10)


def test_look_ahead_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging a day by a forecast that already knows it."""
    original = Evaluator.evaluate

    def evaluate(self: Evaluator, bucket: Bucket, frozen_as: Any = None) -> Any:
        if bucket.date is not None and self.window.count:
            var, es, _ = self.measures(bucket.quantity, bucket.price)
            self.frozen = type(self.frozen)(bucket.as_of_ns, var, es) if self.frozen is not None else None
        return original(self, bucket, frozen_as)

    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    assert "day close rows" in caught()


def test_forecast_changed_by_a_correction_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction revises results, never the forecast that was frozen."""
    monkeypatch.setattr(Finisher, "_frozen_before", lambda self, item: None)
    assert "day close rows" in caught()


def test_one_wrong_bit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Summing the exposures in another order changes the last bit, and is seen."""
    original = Evaluator.measures

    def measures(self: Evaluator, quantity: Any, price: Any) -> Any:
        var, es, vectors = original(self, quantity, price)
        es[0, 0, 0] = es[0, 0, 0] * (1.0 + 2.3e-16)
        return var, es, vectors

    monkeypatch.setattr(Evaluator, "measures", measures)
    assert "differ" in caught(seeds=3)
