"""Threads that live and die together: one failure ends the process, and recovery is the ordinary start."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

JOIN_SECONDS = 10.0


class SystemClock:
    """The wall clock."""

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(seconds)


def worker_name(configured: str) -> str:
    """Return the configured name, or one that no other process has."""
    return configured or f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() & 0xFFFFFF:06x}"


class Stopping(Protocol):
    """What ends a loop: an event, of this process or of another."""

    def is_set(self) -> bool:
        """Return whether to end."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it; return whether it came."""
        ...


class Group:
    """Named threads with one stop event. The first exception stops all and is kept."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self.failed: str | None = None
        self._threads: list[threading.Thread] = []

    def start(self, name: str, loop: Callable[[threading.Event], None]) -> None:
        """Run `loop(stop)` in a thread; it returns soon after stop is set."""

        def guarded() -> None:
            try:
                loop(self.stop)
            except BaseException as error:
                if self.failure is None:
                    self.failure, self.failed = error, name
                self.stop.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Stop all and wait for them, at most JOIN_SECONDS together."""
        self.stop.set()
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def check(self) -> None:
        """Raise what a thread died of."""
        if self.failure is not None:
            raise RuntimeError(f"the {self.failed} part failed: {self.failure}") from self.failure
