"""Server-sent events: one thread reads the board for all clients; each client holds only the newest state it has not sent."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from threading import Event, Lock, Thread
from typing import Final

from services.api.board import Board, Changes
from services.api.problems import ApiProblem, away
from services.common.ports import Unavailable

HEARTBEAT_SECONDS: Final = 10.0
RUN_SECONDS: Final = 1.0
SUBSCRIBERS_MAX: Final = 64
CLOSES_MAX: Final = 1_000
"""Day closes that wait for a slow client; older ones are in history."""

RETRY_MS: Final = 1_000
"""What a client is told to wait before it connects again."""

logger = logging.getLogger("api")


class Subscriber:
    """What one client has not been sent yet: the newest snapshot of each changed node, the newest run, the last closes.

    A slow client therefore skips states, and never grows.
    """

    def __init__(self) -> None:
        self.closed = False
        self.greeted = False
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = Lock()
        self._run: bytes | None = None
        self._snapshots: dict[int, bytes] = {}
        self._message: bytes | None = None
        self._closes: deque[bytes] = deque(maxlen=CLOSES_MAX)

    def offer_run(self, message: bytes) -> None:
        """Replace the run event that waits."""
        with self._lock:
            self._run = message
        self._notify()

    def offer_changes(self, changes: Changes, message: bytes) -> None:
        """Merge changes; `message` is the event made of all of them, shared by clients that keep up."""
        with self._lock:
            self._message = message if not self._snapshots else None
            self._snapshots = {**self._snapshots, **changes.snapshots} if self._snapshots else changes.snapshots
            self._closes.extend(changes.closes)
        self._notify()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._notify()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield events as they come, and a comment when there were none for a while."""
        yield b"retry: %d\n\n" % RETRY_MS
        while not self.closed:
            try:
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield b": heartbeat\n\n"
                continue
            self._wake.clear()
            for message in self._take():
                yield message

    def _take(self) -> list[bytes]:
        with self._lock:
            messages = [] if self._run is None else [self._run]
            if self._snapshots:
                messages.append(self._message or snapshots_event(self._snapshots))
            messages += [event("close", text) for text in self._closes]
            self._run, self._snapshots, self._message = None, {}, None
            self._closes.clear()
            return messages

    def _notify(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            self.closed = True  # the server's loop has ended


class Hub:
    """Reads the board at most `hz` times a second while anybody listens, and tells what changed."""

    def __init__(self, board: Board, run: Callable[[], bytes], hz: float) -> None:
        self._board = board
        self._run = run
        self._interval_seconds = 1.0 / hz
        self._stop = Event()
        self._heard = Event()
        self._lock = Lock()
        self._subscribers: set[Subscriber] = set()
        self._fresh: set[Subscriber] = set()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = Thread(target=self._loop, name="api-stream", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all streams and the thread. Idempotent."""
        self._stop.set()
        self._heard.set()
        with self._lock:
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            subscriber.close()
        if self._thread is not None:
            self._thread.join()

    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def subscribers(self) -> int:
        """Return how many clients listen."""
        return len(self._subscribers)

    def subscribe(self) -> Subscriber:
        """Add a client, which is sent everything first. Call from the event loop; raises a 503 problem beyond the bound."""
        if self._stop.is_set():
            raise away("the service is stopping")
        subscriber = Subscriber()
        with self._lock:
            if len(self._subscribers) >= SUBSCRIBERS_MAX:
                raise away(f"{SUBSCRIBERS_MAX} streams are open, which is the most this process serves")
            self._subscribers.add(subscriber)
            self._fresh.add(subscriber)
        self._heard.set()
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Remove a client. Idempotent."""
        with self._lock:
            self._subscribers.discard(subscriber)
            self._fresh.discard(subscriber)

    # --------------------------------------------------------------- loop

    def _loop(self) -> None:
        run_id, version, rounds = "", 0, 0
        rounds_a_run = max(1, round(RUN_SECONDS / self._interval_seconds))
        while not self._stop.is_set():
            if not self._subscribers:
                version = 0
                self._heard.wait()
                self._heard.clear()
                continue
            with self._lock:
                fresh, self._fresh = self._fresh, set()
                listening = list(self._subscribers)
            try:
                self._tell_run([s for s in listening if rounds % rounds_a_run == 0 or not s.greeted])
                changes = self._board.changes(version)
                if run_id not in ("", changes.run_id):
                    for subscriber in listening:
                        subscriber.close()  # another run may have another book: clients start anew
                self._tell_changes(changes, [s for s in listening if s not in fresh])
                if fresh:
                    self._tell_changes(changes if version == 0 else self._board.changes(0), list(fresh))
                run_id, version = changes.run_id, changes.version
            except (Unavailable, ApiProblem):
                with self._lock:
                    self._fresh |= fresh & self._subscribers
            except Exception:
                logger.exception("stream round failed")
                self._stop.wait(RUN_SECONDS)
            rounds += 1
            self._stop.wait(self._interval_seconds)

    def _tell_run(self, to: list[Subscriber]) -> None:
        if to:
            message = event("run", self._run())
            for subscriber in to:
                subscriber.offer_run(message)
                subscriber.greeted = True

    def _tell_changes(self, changes: Changes, to: list[Subscriber]) -> None:
        if to and (changes.snapshots or changes.closes):
            message = snapshots_event(changes.snapshots)
            for subscriber in to:
                subscriber.offer_changes(changes, message)


def event(name: str, data: bytes) -> bytes:
    """Return one server-sent event; the data is JSON on one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def snapshots_event(snapshots: dict[int, bytes]) -> bytes:
    """Return the event of changed nodes."""
    return event("snapshots", b'{"snapshots":[%b]}' % b",".join(snapshots.values()))
