"""Real servers for tests: Pulsar, TimescaleDB and Valkey, in containers where an engine answers, else as plain processes.

Fixtures (session-scoped): `pulsar_server`, `timescale_server`, `valkey_server`. A test that kills its server starts one of its own with
`run_pulsar`, `run_timescale` or `run_valkey`. Where neither way is open a test is skipped, or fails under PLIMSOLL_REQUIRE_REAL=1.
Everything listens on 127.0.0.1 (or a Unix socket) only.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import psycopg
import pytest
import redis

from services.common.adapters.embedded_servers import EmbeddedServers
from tests.server_units import HOST, OWNER_LABEL, Container, Process, Unit, http_text

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGES: Final = {
    "PULSAR_IMAGE": "plimsoll/pulsar:4.2.4",
    "TIMESCALE_IMAGE": "plimsoll/timescaledb:2.19.3-pg17",
    "VALKEY_IMAGE": "plimsoll/valkey:8.1",
    "PROMETHEUS_IMAGE": "plimsoll/prometheus:2.53",
    "PLIMSOLL_IMAGE": "plimsoll/plimsoll:dev",
}
"""Environment variable → image that docker/build-images.sh makes."""
PULSAR_COMMAND: Final = "bin/apply-config-from-env.py conf/standalone.conf && exec bin/pulsar standalone -nfw -nss"


class _Unhurtable:
    """Servers whose owner shields them; a test that would hurt one cannot run."""

    def _refuse(self) -> None:
        unavailable("a server that may be killed (this one is shared and embedded)")

    kill = start = pause = resume = _refuse


@dataclass(frozen=True, slots=True)
class PulsarServer:
    """A broker. `new_tenant` gives a test names that no other test uses."""

    url: str
    admin_url: str
    unit: Unit

    def new_tenant(self) -> str:
        """A tenant name of this test alone; it does not exist yet."""
        return f"test-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class HistoryServer:
    """A PostgreSQL server, with TimescaleDB or without. `url` is that of an empty database."""

    url: str
    has_timescale: bool
    unit: Unit

    def new_database(self) -> str:
        """URL of an empty database of this test alone."""
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        # Not urllib: it cannot put back the empty host of a Unix socket's URL.
        url = re.sub(r"^(postgresql://[^/]*/)\w+", rf"\g<1>{name}", self.url)
        if self.has_timescale:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        return url


@dataclass(frozen=True, slots=True)
class SnapshotServer:
    """A Valkey server."""

    url: str
    unit: Unit


def unavailable(what: str) -> NoReturn:
    """Skip the test, or fail it where every real part is required."""
    if os.environ.get("PLIMSOLL_REQUIRE_REAL") == "1":
        pytest.fail(f"{what} is required (PLIMSOLL_REQUIRE_REAL=1) and cannot be had; see docker/build-images.sh", pytrace=False)
    pytest.skip(f"needs {what}; see docker/build-images.sh")


def required_image(variable: str) -> str:
    """The local image of a server that has no other form; where containers were ruled out, the test is skipped."""
    if os.environ.get("PLIMSOLL_NO_DOCKER") == "1":
        pytest.skip("containers are ruled out (PLIMSOLL_NO_DOCKER=1)")
    return container_image(variable) or unavailable(f"the image {IMAGES[variable]}")


@cache
def container_image(variable: str) -> str | None:
    """The local image of a server, or None: no engine answers, or the image was not built."""
    if os.environ.get("PLIMSOLL_NO_DOCKER") == "1" or shutil.which("docker") is None:
        return None
    image = os.environ.get(variable) or IMAGES[variable]
    found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, timeout=60, check=False)
    if found.returncode != 0:
        return None
    _prepare_testcontainers()
    return image


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, all different."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@contextmanager
def run_pulsar() -> Iterator[PulsarServer]:
    """Run a broker: the image of docker/pulsar, or the same jars on this machine's Java."""
    port, port_http = free_ports(2)
    url, admin_url = f"pulsar://{HOST}:{port}", f"http://{HOST}:{port_http}"

    def ready() -> bool:
        return http_text(f"{admin_url}/admin/v2/brokers/health") == "ok"

    if image := container_image("PULSAR_IMAGE"):
        # The broker tells its clients the port to come back to, so it has the same number inside and outside.
        environment = _BROKER_ENVIRONMENT | {
            "PULSAR_PREFIX_advertisedAddress": HOST,
            "PULSAR_PREFIX_brokerServicePort": str(port),
            "PULSAR_PREFIX_webServicePort": str(port_http),
        }
        container = Container(image, {port: port, port_http: port_http}, environment, ready, ["bash", "-c", PULSAR_COMMAND])
        try:
            yield PulsarServer(url, admin_url, container)
        finally:
            container.remove()
    elif shutil.which("java") and shutil.which("mvn"):
        with tempfile.TemporaryDirectory(prefix="plimsoll-pulsar-", ignore_cleanup_errors=True) as directory:
            subprocess.run([str(ROOT / "docker/pulsar/jars.sh"), str(ROOT / "build/pulsar/lib")], check=True, timeout=900)
            command = [str(ROOT / "docker/pulsar/run-plain.sh"), directory, str(port), str(port_http)]
            process = Process(command, Path(directory) / "broker.log", ready, _BROKER_ENVIRONMENT)
            try:
                yield PulsarServer(url, admin_url, process)
            finally:
                process.remove()
    else:
        unavailable("a Pulsar broker (a container engine, or Java 17 and Maven)")


@contextmanager
def run_timescale() -> Iterator[HistoryServer]:
    """Run TimescaleDB in a container, or PostgreSQL without it from a wheel."""
    image = container_image("TIMESCALE_IMAGE")
    if image is None:
        with _embedded() as servers:
            yield HistoryServer(servers.urls.history, False, _Unhurtable())
        return
    (port,) = free_ports(1)
    password = secrets.token_hex(8)
    url = f"postgresql://plimsoll:{password}@{HOST}:{port}/plimsoll"

    def ready() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                return connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    environment = {"POSTGRES_USER": "plimsoll", "POSTGRES_DB": "plimsoll", "POSTGRES_PASSWORD": password}
    container = Container(image, {5432: port}, environment, ready, ["postgres", "-c", "max_connections=100", "-c", "timezone=UTC"])
    try:
        yield HistoryServer(url, True, container)
    finally:
        container.remove()


@contextmanager
def run_valkey() -> Iterator[SnapshotServer]:
    """Run Valkey in a container, or from a wheel."""
    image = container_image("VALKEY_IMAGE")
    if image is None:
        with _embedded() as servers:
            yield SnapshotServer(servers.urls.snapshots, _Unhurtable())
        return
    (port,) = free_ports(1)
    url = f"redis://{HOST}:{port}/0"

    def ready() -> bool:
        try:
            with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    command = ["valkey-server", "--bind", "*", "--protected-mode", "no", "--save", "", "--appendonly", "no"]
    container = Container(image, {6379: port}, {}, ready, command)
    try:
        yield SnapshotServer(url, container)
    finally:
        container.remove()


@contextmanager
def run_prometheus(files: Mapping[str, bytes]) -> Iterator[str]:
    """Run Prometheus in a container and yield its URL. `files` are its configuration, by path; it can scrape this machine's loopback."""
    image = required_image("PROMETHEUS_IMAGE")
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    command = ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus", f"--web.listen-address={HOST}:{port}"]
    container = Container(image, {}, {}, lambda: "Ready" in http_text(f"{url}/-/ready"), command, files, network="host")
    try:
        yield url
    finally:
        container.remove()


@pytest.fixture(scope="session")
def pulsar_server() -> Iterator[PulsarServer]:
    """A broker shared by the session: use a tenant of your own."""
    with run_pulsar() as server:
        yield server


@pytest.fixture(scope="session")
def timescale_server() -> Iterator[HistoryServer]:
    """A database server shared by the session: use a database of your own."""
    with run_timescale() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[SnapshotServer]:
    """A Valkey server shared by the session: use names of your own."""
    with run_valkey() as server:
        yield server


_BROKER_ENVIRONMENT: Final = {
    "PULSAR_MEM": "-Xms128m -Xmx384m -XX:MaxDirectMemorySize=384m",
    # A broker that lives for one test run is better off without the optimising compiler: it starts in half the CPU time.
    "PULSAR_EXTRA_OPTS": "-XX:TieredStopAtLevel=1",
}


@contextmanager
def _embedded() -> Iterator[EmbeddedServers]:
    with tempfile.TemporaryDirectory(prefix="plimsoll-embedded-", ignore_cleanup_errors=True) as directory:
        servers = EmbeddedServers(Path(directory))
        with servers:
            yield servers


def _prepare_testcontainers() -> None:
    """Settle testcontainers for a machine without an image registry, and remove what killed test runs left behind."""
    # Its reaper is an image of its own, which cannot be had here; orphans are found by their label instead.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", HOST)
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    line = f'{{{{.ID}}}} {{{{.Label "{OWNER_LABEL}"}}}}'
    listed = subprocess.run(
        ["docker", "ps", "--all", "--filter", f"label={OWNER_LABEL}", "--format", line], capture_output=True, timeout=60, check=True
    )
    for identifier, owner in (row.split() for row in listed.stdout.decode().splitlines()):
        if not Path(f"/proc/{owner}").exists():
            subprocess.run(["docker", "rm", "--force", "--volumes", identifier], capture_output=True, timeout=60, check=False)
