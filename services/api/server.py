"""Serving the application, in a thread beside everything else or as the whole of a process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Final

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS: Final = 1
"""Time that open requests get at the end; event streams are ended first."""

CONNECTIONS_MAX: Final = 512
BACKLOG: Final = 256
KEEP_ALIVE_SECONDS: Final = 15


class ServeError(Exception):
    """The service cannot listen; the message says where and how to mend it."""


def serve(app: FastAPI, host: str, port: int, stop: Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set; call `ready` with the address once requests are answered.

    Blocks, in whichever thread it is called. Signals are left to the caller. Port 0 takes a free one, which the address names.

    Raises
    ------
    ServeError
        The address cannot be bound, or the application does not start.
    """
    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan="on",
        )
        server = _Server(config, lambda: ready(_address(host, listener)))
        watcher = Thread(target=_watch, args=(app, server, stop), name="api-stop", daemon=True)
        watcher.start()
        try:
            server.run(sockets=[listener])
        finally:
            server.ended.set()
        watcher.join()
        if not server.started:
            raise ServeError("the application did not start; its log says why")


class _Server(uvicorn.Server):
    """A server that leaves signals alone and says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ended = Event()
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the process that calls `serve` decides when to stop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _watch(app: FastAPI, server: _Server, stop: Event) -> None:
    """End the event streams and the server when asked; open streams would hold it up otherwise."""
    while not stop.wait(0.1):
        if server.ended.is_set():
            return
    app.state.hub.stop()
    server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServeError(f"cannot listen on {host}:{port}: {reason}; set RISK_API__PORT to another port, or to 0 for a free one") from None
    listener.setblocking(False)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    """Return an address to open on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{listener.getsockname()[1]}/"
