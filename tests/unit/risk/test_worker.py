"""What a worker does with a long batch: it neither overfills its finishers nor forgets its leases."""

from __future__ import annotations

from typing import Any

import pytest

from risk_core.records import Record
from services.common.codec import encode
from services.risk.worker import RiskWorker
from tests.simulation.cluster import LEASE_SECONDS, Cluster

SEED = 11


def cluster() -> Cluster:
    """A cluster of two workers whose whole log waits to be read."""
    found = Cluster(SEED, faults=False)
    found.process_count = 2
    while len(found.processes) < 2:
        found._start()
    for record in found.records:
        found.log.append(encode(record))
    found.log.release()
    return found


def test_a_batch_is_cut_where_a_finisher_is_full() -> None:
    at = cluster()
    worker = at.processes[0].worker
    for _ in range(50):
        worker.step()
    assert worker.shards()
    for shard in worker.shards():
        assert 0 < len(shard.finisher.pending) <= worker.settings.pending_max + 2  # an entry may close a few buckets
    assert worker.cursors[0].log_seq < len(at.records)


def test_a_batch_that_takes_longer_than_a_lease_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    at = cluster()
    first, second = (p.worker for p in at.processes[:2])
    decode = RiskWorker._decode

    def slow(self: RiskWorker, *words: Any) -> Record | None:
        at.clock.sleep(LEASE_SECONDS / 10)
        if self is first:
            second.tend_leases()  # would take over what is not renewed
        return decode(self, *words)

    monkeypatch.setattr(RiskWorker, "_decode", slow)
    first.step()
    held = dict(first.leases)
    for _ in range(200):
        first.step()
        for finisher in first.finishers():
            list(finisher.steps())
    assert first.cursors[0].log_seq == len(at.records)
    assert first.lost == []
    assert {k: lease.epoch for k, lease in first.leases.items() if k in held} == {k: lease.epoch for k, lease in held.items()}


def test_leases_renewed_beside_are_lost_at_the_next_step_and_only_while_steps_are_made() -> None:
    sim = cluster()
    worker = sim.processes[0].worker
    worker.step()
    assert worker.leases
    worker.renewed_beside = True
    for _ in range(5):  # longer than a lease, kept by the renewals alone
        sim.clock.ns += int(LEASE_SECONDS * 0.6e9)
        worker.step()
        worker.renew_leases()
    assert worker.leases
    assert not worker.lost
    held = set(worker.leases)
    sim.clock.ns += int(LEASE_SECONDS * 1.2e9)  # no step is made, and so nothing is renewed
    worker.renew_leases()
    for shard_id in held:
        assert sim.leases.acquire(shard_id, "another", LEASE_SECONDS) is not None
    worker.step()
    worker.renew_leases()
    worker.step()
    assert set(worker.lost) == held
