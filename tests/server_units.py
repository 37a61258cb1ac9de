"""A server of a test as something to start, hurt and remove: a container, or a plain process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 120.0
"""Longest start of one server; a loaded two-core machine needs 30 s for a broker."""
OWNER_LABEL: Final = "plimsoll.test.owner"


class Unit(Protocol):
    """A running server as something to hurt. Addresses and data stay the same over `kill` and `start`."""

    def kill(self) -> None:
        """End it at once, as kill -9 does."""

    def start(self) -> None:
        """Start it again after `kill`; returns when it answers."""

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""

    def resume(self) -> None:
        """End a pause."""


class Container:
    """A container of one image; see `Unit`."""

    def __init__(
        self,
        image: str,
        ports: dict[int, int],
        environment: dict[str, str],
        ready: Callable[[], bool],
        command: list[str],
        files: Mapping[str, bytes] | None = None,
        network: str | None = None,
    ) -> None:
        from testcontainers.core.container import DockerContainer

        self._ready = ready
        self._container = DockerContainer(image).with_envs(**environment).with_command(command)
        # An address as well as a port: the engine then publishes on loopback only. The annotation of `ports` knows only numbers.
        published: dict[str, Any] = {f"{inside}/tcp": (HOST, outside) for inside, outside in ports.items()}
        self._container.ports.update(published)
        for path, content in (files or {}).items():
            self._container.with_copy_into_container(content, path, 0o644)
        self._container.with_kwargs(
            labels={OWNER_LABEL: str(os.getpid())}, cap_drop=["ALL"], security_opt=["no-new-privileges"], network_mode=network
        )
        self._container.start()
        self._await()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill("SIGKILL")
        self._container.wait()

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._await()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def remove(self) -> None:
        self._container.stop()

    def _await(self) -> None:
        def alive() -> bool:
            self._container.reload()
            return self._container.status in ("created", "running")

        try:
            wait(self._ready, alive)
        except Exception as error:
            error.add_note("\n".join(log.decode(errors="replace")[-4000:] for log in self._container.get_logs()))
            self.remove()
            raise


class Process:
    """A server as a plain process in a private directory; see `Unit`."""

    def __init__(self, command: list[str], log: Path, ready: Callable[[], bool], environment: dict[str, str]) -> None:
        self._command, self._log, self._ready, self._environment = command, log, ready, os.environ | environment
        self.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment,
            )
        try:
            wait(self._ready, lambda: self._process.poll() is None)
        except Exception as error:
            error.add_note(self._log.read_text(errors="replace")[-4000:])
            self.kill()
            raise

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()


def wait(ready: Callable[[], bool], alive: Callable[[], bool]) -> None:
    """Return when `ready`; raise when no longer `alive`, or after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if not alive():
            raise RuntimeError("the server ended while it was starting")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server did not answer within {START_SECONDS:.0f} s")
        time.sleep(0.1)


def http_text(url: str) -> str:
    """Body of an answer; empty when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return ""
