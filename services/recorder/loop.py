"""The recorder's thread: few large transactions rather than many small ones, unless somebody waits."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from services.recorder.recorder import BATCH_MAX, Recorder

POLL_SECONDS = 0.2
GATHER_SECONDS = 0.1
"""Pause in which entries gather: each transaction costs an fsync, and the time of a processor."""


class Recorded:
    """How far the log is recorded; asking for more than that makes the recorder hurry."""

    def __init__(self) -> None:
        self.log_seq = 0
        self.hurry = Event()

    def holds(self, log_seq: int) -> bool:
        """Return whether the log of record holds everything through `log_seq`."""
        if self.log_seq >= log_seq:
            return True
        self.hurry.set()
        return False


def record_loop(recorder: Recorder, stop: Event, hurry: Event, after: Callable[[int | None], None] = lambda kept: None) -> None:
    """Keep the log until stopped; `after` is told of every step what `try_step` returned."""
    while not stop.is_set():
        kept = recorder.try_step(POLL_SECONDS)
        after(kept)
        if kept is None:
            stop.wait(POLL_SECONDS)
        elif kept < BATCH_MAX:
            hurry.wait(GATHER_SECONDS)
        hurry.clear()
