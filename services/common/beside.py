"""A process of low priority beside the service's, so that neither its interpreter nor a processor is taken from live numbers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar

NICENESS: Final = 10
WAIT_SECONDS: Final = 0.1
END_SECONDS: Final = 10.0
"""How long it may take to end in order."""

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Stopped(Exception):
    """The service stops before the call is done."""


class Died(Exception):
    """The process ended during the call; the next call starts another."""


class Beside:
    """One process that does what it is called for: started at the first call, and again after it died; it ends with the service.

    One thread may call at a time. Functions and arguments are sent by pickle.

    Parameters
    ----------
    begin : callable
        Called once in each new process, with `arguments`.
    """

    niceness: int = NICENESS
    """Set before the first call by who needs another."""

    def __init__(self, begin: Callable[Given, None], *arguments: Given.args, **named: Given.kwargs) -> None:
        assert not named
        self._begin = begin
        self._arguments = arguments
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Return the living process's id."""
        return None if self._process is None else self._process.pid

    def call(self, function: Callable[..., Answer], *arguments: Any, stopping: Callable[[], bool] = lambda: False) -> Answer:
        """Return what the function returns there, or raise what it raises.

        Raises
        ------
        Stopped
            `stopping` said so; the process is ended, whatever it is at: its answer would be taken for that of the next call.
        Died
            The process ended.
        """
        connection = self._connection or self._start()
        try:
            connection.send((function, arguments))
            while not connection.poll(WAIT_SECONDS):
                if stopping():
                    self.close()
                    raise Stopped
            answer, error = connection.recv()
        except (EOFError, OSError):
            pid = self.pid
            self.close()
            raise Died(f"process {pid}, which does {function.__name__}, ended") from None
        if error is not None:
            raise error
        return answer  # type: ignore[no-any-return]

    def _start(self) -> Connection:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self.niceness, self._begin, self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._connection = ours
        return ours

    def close(self) -> None:
        """End the process, whatever it is at. Idempotent."""
        process, connection, self._process, self._connection = self._process, self._connection, None, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.terminate()
            process.join(END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def end_with_parent(niceness: int = NICENESS) -> None:
    """Have this process be of low priority, leave the terminal to the service, and end when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service hears the terminal, and ends this process when it is done
    os.nice(niceness)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _serve(connection: Connection, niceness: int, begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    end_with_parent(niceness)
    begin(*arguments)
    while True:
        try:
            function, given = connection.recv()
        except EOFError:
            return
        try:
            reply: tuple[Any, Exception | None] = (function(*given), None)
        except Exception as error:
            error.add_note(traceback.format_exc())
            reply = (None, error)
        connection.send(reply)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
