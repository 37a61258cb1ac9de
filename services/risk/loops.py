"""The worker's threads: reading with live numbers, finishing beside it, and keeping the leases."""

from __future__ import annotations

import gc
from threading import Event

from services.common.ports import Fenced
from services.common.runtime import Group
from services.risk.worker import RiskWorker

WAIT_SECONDS = 0.05
"""Pause before a part that is away is tried again."""

IDLE_SECONDS = 0.002


def start(group: Group, worker: RiskWorker) -> None:
    """Start a worker's threads: reading with live numbers, finishing beside it, and keeping the leases."""
    worker.renewed_beside = True
    group.start("risk worker", lambda stop: read_loop(worker, stop))
    group.start("finisher", lambda stop: finish_loop(worker, stop))
    group.start("leases", lambda stop: lease_loop(worker, stop))


def lease_loop(worker: RiskWorker, stop: Event) -> None:
    """Renew leases until stopped."""
    while not stop.wait(worker.settings.lease_seconds / 5.0):
        worker.renew_leases()


def read_loop(worker: RiskWorker, stop: Event) -> None:
    """Step until stopped, then give the leases back."""
    unsettled = True
    try:
        while not stop.is_set():
            if unsettled and any(shard.live is not None for shard in worker.shards()):
                unsettled = False
                _settle_memory()
            if not worker.step() and (not worker.cursors or worker.blocked()):
                stop.wait(IDLE_SECONDS)
    finally:
        worker.close()


def _settle_memory() -> None:
    """Take what is loaded out of the garbage collector's sight: a full collection of it stops all threads for a tenth of a second."""
    gc.collect()
    gc.freeze()


def finish_loop(worker: RiskWorker, stop: Event) -> None:
    """Finish buckets, oldest first, until stopped."""
    while not stop.is_set():
        finishers = worker.finishers()
        if not finishers:
            worker.ports.finishing.work.wait(WAIT_SECONDS)
            worker.ports.finishing.work.clear()  # what was queued before this is seen next
        for finisher in finishers:
            try:
                for done in finisher.steps():
                    if done == "wait" and stop.wait(WAIT_SECONDS):
                        return
            except Fenced:
                finisher.fenced = True
