"""Keeps a server that hangs from holding up what does not need it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final, Generic, TypeVar

from services.api.problems import away
from services.common.ports import Clock, Unavailable

logger = logging.getLogger("api")

T = TypeVar("T")

PATIENCE_SECONDS: Final = 1.0
HISTORY_MAX: Final = 16
"""Requests that may wait for the history at once: fewer than the threads that serve, so that live numbers go on."""


class Refreshed(Generic[T]):
    """A value read beside its users. Once known, it is given at once or after a second at most, even while its source hangs.

    Parameters
    ----------
    read : callable
        Returns the value.
    interval_seconds : float
        Age up to which a value is given without reading again.
    """

    def __init__(self, read: Callable[[], T], clock: Clock, interval_seconds: float) -> None:
        self._read = read
        self._clock = clock
        self._interval_ns = int(interval_seconds * 1e9)
        self._lock = Lock()
        self._known: list[T] = []
        self._error: Exception | None = None
        self._due_ns = 0
        self._reading: Event | None = None
        self._hangs = False

    def get(self) -> T:
        """Return the value. While it cannot be read, the one known before; raises what reading it raises when there is none."""
        with self._lock:
            now_ns = self._clock.now_ns()
            if self._known and now_ns < self._due_ns:
                return self._known[0]
            reading = self._reading
            if reading is None:
                self._due_ns = now_ns + self._interval_ns
                reading = self._reading = Event()
                Thread(target=self._refresh, args=(reading,), name="api-refresh", daemon=True).start()
            wait_seconds = None if not self._known else 0.0 if self._hangs else PATIENCE_SECONDS
        answered = reading.wait(wait_seconds)
        with self._lock:
            self._hangs = not answered
            if self._known:
                return self._known[0]
            assert self._error is not None
            raise self._error

    def _refresh(self, reading: Event) -> None:
        try:
            value = self._read()
        except Exception as error:
            if not isinstance(error, Unavailable):
                logger.error("refresh failed", exc_info=error)
            with self._lock:
                self._error = error
        else:
            with self._lock:
                self._known = [value]
        with self._lock:
            self._reading = None
            self._hangs = False
        reading.set()


class Bulkhead:
    """A bound on how many requests wait for one server; beyond it, a 503 problem at once."""

    def __init__(self, name: str, waiting_max: int) -> None:
        self._name = name
        self._waiting_max = waiting_max
        self._lock = Lock()
        self._waiting = 0

    def __enter__(self) -> None:
        """Take a place."""
        with self._lock:
            if self._waiting >= self._waiting_max:
                raise away(f"{self._waiting_max} requests wait for the {self._name} already")
            self._waiting += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give it back."""
        with self._lock:
            self._waiting -= 1
