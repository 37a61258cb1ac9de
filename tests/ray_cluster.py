"""A real Ray cluster on this machine: a head that calculates nothing and one more node that does. Everything listens on 127.0.0.1 only.

The cluster lives in a process of its own, since Ray has one state a process: `python -m tests.ray_cluster` with a client port and a
directory is that process. It tells where it is in one line of JSON, and ends when its standard input does, thus with the tests however they
end. It and all below it are one session of the system, by which they are found and ended for sure.

A node of Ray ends itself when its Python agents need more than 15 s to start, a bound that cannot be set: they do where files were never
read before and the processors are taken, as in a new clone on a busy machine. So the agents' files are read first, nothing is started
that is not needed, and a start that fails is made again.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.jobs.ray_logs import log_tail
from services.jobs.ray_pool import AGENTS, short_directory
from tests.server_units import HOST

ENVIRONMENT: Final = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the name is about other systems; the effect is that nodes have the loopback address
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # the server for drivers starts programs while its other threads are in gRPC
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120",  # a driver's server is a Python process as well: 30 s may be too short
}
STORE_BYTES: Final = 80 << 20
ATTEMPTS_MAX: Final = 3
START_SECONDS: Final = 100.0
"""Longest start: Ray gives up after some 50."""
END_SECONDS: Final = 20.0
GONE_SECONDS: Final = 5.0
CLIENT_PORTS: Final = range(20_000, 23_000)
"""Below those that the system gives to connections, so that none takes the port meanwhile, and below those of Ray's servers for drivers."""


class NotStarted(Exception):
    """The cluster did not come up; says what Ray's logs say."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A running cluster: its address for a driver on its machine, that for one elsewhere, and what both need in their environment."""

    address: str
    client: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    directory: tempfile.TemporaryDirectory[str]

    def processes(self) -> list[int]:
        """All that runs of the cluster, whoever is its parent by now."""
        return of_session(self.process.pid)

    def workers(self, title: str) -> list[int]:
        """Processes of the cluster that are called so just now."""
        found = []
        for pid in self.processes():
            with suppress(OSError):
                if (Path("/proc") / str(pid) / "cmdline").read_text().rstrip("\0 ") == title:
                    found.append(pid)
        return found

    def log_tail(self) -> str:
        """Return the last telling lines of its logs."""
        return log_tail(Path(self.directory.name) / "ray")

    def end(self) -> None:
        """End every process of the cluster, in order or else hard, and remove its files. Idempotent."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        deadline = time.monotonic() + GONE_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.directory.cleanup()


def start_ray() -> RayCluster:
    """Start a cluster; whoever called ends it.

    Raises
    ------
    NotStarted
        It did not come up `ATTEMPTS_MAX` times.
    """
    reasons = []
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return _started()
        except NotStarted as reason:
            reasons.append(f"start {attempt} of {ATTEMPTS_MAX}: {reason}")
    raise NotStarted("\n".join(reasons))


def _started() -> RayCluster:
    directory = tempfile.TemporaryDirectory(prefix="plimsoll-ray-", dir=short_directory(), ignore_cleanup_errors=True)
    # a head notes its address in `ray` below this directory, which it expects to be there
    environment = ENVIRONMENT | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": directory.name}
    (Path(directory.name) / "ray").mkdir()
    log = Path(directory.name) / "cluster.log"
    port = _free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster", str(port), directory.name],
            cwd=Path(__file__).resolve().parent.parent,
            env={**inherited, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # no signal of the terminal, or to the tests' group, reaches it: it ends with its standard input
        )
    cluster = RayCluster("", f"ray://{HOST}:{port}", environment, process, directory)
    line = _first_line(process, START_SECONDS)
    if line is None:
        why = f"{log.read_text(errors='replace')[-2000:]}\n{cluster.log_tail()}"
        cluster.end()
        raise NotStarted(why)
    return RayCluster(json.loads(line)["address"], cluster.client, environment, process, directory)


def _first_line(process: subprocess.Popen[bytes], limit_seconds: float) -> bytes | None:
    """Return the line of JSON that a process says, or nothing if it ends or is silent for too long."""
    assert process.stdout is not None
    deadline = time.monotonic() + limit_seconds
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            return None
        if not (part := os.read(process.stdout.fileno(), 4096)):
            return None
        said += part
        for line in said.split(b"\n")[:-1]:
            if line.startswith(b"{"):
                return line
    return None


def _free_port() -> int:
    for port in random.SystemRandom().sample(CLIENT_PORTS, 50):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise NotStarted(f"no port is free between {CLIENT_PORTS.start} and {CLIENT_PORTS.stop}")


def of_session(session: int) -> list[int]:
    """Return the living processes of a session of the system."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, _, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if state != "Z" and int(its) == session:
                    found.append(int(entry.name))
    return found


def lives(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(client_port: int, directory: str) -> None:
    """Be the cluster."""
    Cluster: Any = importlib.import_module("ray.cluster_utils").Cluster  # loaded here only, and partly without types
    for agent in AGENTS:
        importlib.import_module(agent)
    common: dict[str, Any] = {
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "include_log_monitor": False,
        "no_monitor": True,
        "temp_dir": f"{directory}/ray",
    }
    cluster = Cluster(initialize_head=True, head_node_args={**common, "num_cpus": 0, "ray_client_server_port": client_port})
    cluster.add_node(num_cpus=1, **common)
    _wait_for(client_port)
    print(json.dumps({"address": cluster.address}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


def _wait_for(port: int) -> None:
    """Wait until the server for drivers listens: the head does not."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection((HOST, port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
