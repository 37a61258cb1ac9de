"""The process's one client of a Pulsar cluster, and what its errors mean."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

import pulsar

from services.common.ports import Unavailable

OPERATION_SECONDS: Final = 10
"""Longest wait for opening, closing and asking where a topic ends."""
REVIVE_SECONDS: Final = 3.0
"""How long the client may try by itself before a lost producer or reader is opened anew: its own pauses double up to a minute."""
PROBE_SECONDS: Final = 0.5
"""Longest wait for a broker's port to answer."""
_DEFAULT_PORT: Final = 6650


def unavailable(what: str, error: Exception) -> Unavailable:
    """Return the port's exception for one of the client's."""
    if isinstance(error, pulsar.TopicNotFound):
        return Unavailable(f"{what}: the topic does not exist; `plimsoll doctor` says what is missing")
    return Unavailable(f"{what}: {error}")


class Connection:
    """A client, made after the process started (it does not survive a fork) and closed by its owner.

    Nothing is sent before the first topic is opened. The native logger is used, for errors only: a Python one can hang the
    interpreter at exit.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._hosts = [urlsplit(f"//{host}") for host in parts.netloc.split(",")]
        logger = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        self.client = pulsar.Client(url, operation_timeout_seconds=OPERATION_SECONDS, logger=logger)

    def reachable(self) -> bool:
        """Return whether any broker's port answers, within `PROBE_SECONDS` each."""
        for host in self._hosts:
            with suppress(OSError), socket.create_connection((host.hostname or "", host.port or _DEFAULT_PORT), PROBE_SECONDS):
                return True
        return False

    def close(self) -> None:
        """Release the client. Idempotent; a broker that is away does not matter."""
        with suppress(pulsar.PulsarException):
            self.client.close()


def connect(url: str) -> Connection:
    """Return the connection of this process to `pulsar://host:port[,host:port]`."""
    return Connection(url)


class _Connected(Protocol):
    def is_connected(self) -> bool: ...


class Patience:
    """How long something has been disconnected; says when to open it anew."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lost_at: float | None = None

    def is_over(self, what: _Connected | None) -> bool:
        """Return whether the client had its time to come back by itself, and a broker answers."""
        if what is not None and what.is_connected():
            self._lost_at = None
            return False
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        if now - self._lost_at < REVIVE_SECONDS:
            return False
        self._lost_at = now  # the next attempt waits as long
        return self._connection.reachable()
