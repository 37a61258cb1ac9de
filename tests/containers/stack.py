"""The compose stack as a thing to start, ask and hurt, under a project name and ports of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.containers.dashboards import ROOT
from tests.real_servers import free_ports, required_image
from tests.server_units import HOST

SERVICES = ("ingest", "recorder", "risk", "regime", "backtest", "jobs", "api", "prometheus")
"""All but Grafana, whose image cannot be built from packages; what they depend on is started with them."""
UP_SECONDS = 420


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack."""

    project: str
    environment: dict[str, str]
    ports: dict[str, int]

    def compose(self, *arguments: str, check: bool = True, timeout: float = UP_SECONDS) -> str:
        """Run `docker compose`; return its standard output."""
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(ROOT / "docker/local.env"), *arguments]
        result = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {result.stdout[-2000:]}{result.stderr[-4000:]}\n{self.logs()}")
        return result.stdout

    def logs(self) -> str:
        """The end of what the services said."""
        services = [name for name in SERVICES if name != "prometheus"]
        return self.compose("logs", "--no-color", "--tail", "40", "migrate", *services, check=False)[-8000:]

    def sql(self, query: str, database: str = "plimsoll", role: str = "plimsoll", password: str = "owner") -> list[list[str]]:
        """Rows of a query, asked over TCP with the role's own password."""
        client = f"psql -qAt -F '|' -v ON_ERROR_STOP=1 -h 127.0.0.1 -U {role} {database}"
        script = f'PGPASSWORD=$(cat /run/plimsoll/database/{password}) exec {client} -c "$1"'
        text = self.compose("exec", "-T", "timescaledb", "sh", "-c", script, "sh", query)
        return [line.split("|") for line in text.splitlines()]

    def api(self, path: str) -> Any:
        """An answer of the API, asked with its key."""
        key = self.compose("exec", "-T", "api", "cat", "/run/plimsoll/services/api_key")
        request = urllib.request.Request(f"http://{HOST}:{self.ports['API_PORT']}{path}", headers={"X-API-Key": key})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        """Series of an instant query."""
        with urllib.request.urlopen(f"http://{HOST}:{self.ports['PROMETHEUS_PORT']}/api/v1/query?query={query}", timeout=30) as response:
            return list(json.load(response)["data"]["result"])

    def containers(self, service: str) -> list[str]:
        """Ids of a service's containers."""
        return self.compose("ps", "-q", service).split()

    def kill_worker(self, container: str) -> None:
        """kill -9 of the process itself, as a crash is: the engine starts the container again by its restart policy."""
        shown = subprocess.run(["docker", "top", container, "-o", "pid,args"], capture_output=True, text=True, check=True)
        rows = [row.split() for row in shown.stdout.splitlines()[1:]]
        # neither the init, nor what the process has beside it, nor a health check
        (pid,) = [int(row[0]) for row in rows if len(row) > 2 and row[2].endswith("/plimsoll")]
        os.kill(pid, signal.SIGKILL)

    def until(self, what: str, true: Callable[[], bool], seconds: float) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{self.logs()}"
            time.sleep(0.5)


@contextmanager
def running_stack(**settings: str) -> Iterator[Stack]:
    """Start the stack with `settings`, and remove it with its data afterwards."""
    for variable in ("PLIMSOLL_IMAGE", "PULSAR_IMAGE", "TIMESCALE_IMAGE", "VALKEY_IMAGE", "PROMETHEUS_IMAGE"):
        required_image(variable)
    names = ("API_PORT", "PROMETHEUS_PORT", "PULSAR_PORT", "DATABASE_PORT")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RISK_", "COMPOSE_"))}
    environment |= settings | {name: str(port) for name, port in ports.items()}
    stack = Stack(f"plimsoll-test-{secrets.token_hex(3)}", environment, ports)
    try:
        stack.compose("up", "--detach", *SERVICES)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "10", check=False)
