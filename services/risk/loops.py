"""The worker's two threads: reading with live numbers, and finishing beside it."""

from __future__ import annotations

from threading import Event

from services.common.ports import Fenced
from services.risk.worker import RiskWorker

WAIT_SECONDS = 0.05
"""Pause before a part that is away is tried again."""

IDLE_SECONDS = 0.002


def read_loop(worker: RiskWorker, stop: Event) -> None:
    """Step until stopped, then give the leases back."""
    try:
        while not stop.is_set():
            if not worker.step() and (not worker.cursors or worker.blocked()):
                stop.wait(IDLE_SECONDS)
    finally:
        worker.close()


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
