"""The worker's two threads: reading with live numbers, and finishing beside it."""

from __future__ import annotations

import gc
from threading import Event

from services.common.ports import Fenced
from services.risk.worker import RiskWorker

WAIT_SECONDS = 0.05
"""Pause before a part that is away is tried again."""

IDLE_SECONDS = 0.002


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
            stop.wait(IDLE_SECONDS)
        for finisher in finishers:
            try:
                for done in finisher.steps():
                    if done == "wait" and stop.wait(WAIT_SECONDS):
                        return
            except Fenced:
                finisher.fenced = True
