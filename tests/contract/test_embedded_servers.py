from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from services.common.adapters.embedded_servers import EmbeddedServerError, EmbeddedServers, ServerUrls, running_servers

OWNER = """
import sys, time
from pathlib import Path
from services.common.adapters.embedded_servers import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A directory as a first start leaves it."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-test-") as path:
        with EmbeddedServers(Path(path) / "made"):
            pass
        yield Path(path) / "made"


@pytest.fixture
def directory(made: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="plimsoll-test-") as path:
        subprocess.run(["cp", "-a", str(made), f"{path}/data"], check=True)
        yield Path(path) / "data"


@pytest.fixture
def owner(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the directory."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    if (directory / "postgres").exists():
        with EmbeddedServers(directory):
            pass  # stopped what the killed owner left behind


def counted(urls: ServerUrls) -> int:
    """Add a row and return how many there are; the cache must answer too."""
    with redis.Redis.from_url(urls.snapshots) as client:
        assert client.ping()
    with psycopg.connect(urls.history, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS seen (n int)")
        connection.execute("INSERT INTO seen VALUES (1)")
        row = connection.execute("SELECT count(*) FROM seen").fetchone()
        assert row is not None
        return int(row[0])


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended may stay as a zombie where nobody collects orphans."""
    return bool(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes())


def postmaster(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().split()[0])


def test_both_servers_run_and_remember(directory: Path) -> None:
    servers = EmbeddedServers(directory)
    with servers as urls:
        assert counted(urls) == 1
        assert servers.start() == urls
        pid = postmaster(directory)
    servers.stop()
    assert not alive(pid)
    with pytest.raises(EmbeddedServerError, match="not started"):
        _ = servers.urls
    with EmbeddedServers(directory) as urls:
        assert counted(urls) == 2


def test_nothing_listens_on_the_network_and_durability_is_on(directory: Path) -> None:
    with EmbeddedServers(directory) as urls:
        with psycopg.connect(urls.history) as connection:
            names = ("listen_addresses", "fsync", "synchronous_commit", "full_page_writes", "data_checksums")
            shown = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
        assert shown == [("",), ("on",), ("on",), ("on",), ("on",)]
        with redis.Redis.from_url(urls.snapshots) as client:
            assert client.config_get("port") == {"port": "0"} or client.config_get("port") == {b"port": b"0"}


def test_two_processes_on_one_directory_get_a_clear_error(directory: Path, owner: subprocess.Popen[str]) -> None:
    with pytest.raises(EmbeddedServerError, match=f"in use by process {owner.pid}: .*RISK_DATA_DIRECTORY"):
        EmbeddedServers(directory).start()
    found = running_servers(directory)
    assert found is not None
    assert found.owner_pid == owner.pid
    assert counted(found) == 1


def test_two_in_one_process_get_it_too(directory: Path) -> None:
    with EmbeddedServers(directory), pytest.raises(EmbeddedServerError, match="in use"):
        EmbeddedServers(directory).start()
    assert running_servers(directory) is None
    assert running_servers(directory / "nowhere") is None


def test_an_owner_killed_leaves_servers_that_the_next_one_replaces(directory: Path, owner: subprocess.Popen[str]) -> None:
    left = running_servers(directory)
    assert left is not None
    assert counted(left) == 1
    pid = postmaster(directory)
    owner.kill()
    owner.wait()
    assert alive(pid)
    assert running_servers(directory) is None
    with EmbeddedServers(directory) as urls:
        assert counted(urls) == 2
        assert postmaster(directory) != pid
        assert not alive(pid)


def test_everything_killed_at_once_recovers(directory: Path, owner: subprocess.Popen[str]) -> None:
    urls = running_servers(directory)
    assert urls is not None
    assert counted(urls) == 1
    owner.kill()
    owner.wait()
    os.kill(postmaster(directory), signal.SIGKILL)
    os.kill(int((directory / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
    with EmbeddedServers(directory) as again:
        assert counted(again) == 2


def test_a_pid_file_that_names_a_stranger_harms_nobody(directory: Path) -> None:
    with EmbeddedServers(directory) as urls:
        assert counted(urls) == 1
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (directory / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{directory}/postgres\n")
        (directory / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n")
        with EmbeddedServers(directory) as urls:
            assert counted(urls) == 2
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_leaves_no_half_of_a_cluster(directory: Path) -> None:
    shutil.rmtree(directory)
    half = directory / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedServers(directory) as urls:
        assert counted(urls) == 1


def test_a_path_too_long_for_a_socket_works(directory: Path) -> None:
    deep = directory.with_name("d" * 60) / ("e" * 60)
    deep.parent.mkdir()
    directory.rename(deep)
    with EmbeddedServers(deep) as urls:
        assert counted(urls) == 1
        assert "e" * 60 not in urls.history
        sockets = Path(urls.snapshots.removeprefix("unix://").partition("?")[0]).parent
        assert sockets.stat().st_mode & 0o077 == 0
    assert not sockets.exists()
    sockets.mkdir(mode=0o755)
    try:
        with pytest.raises(EmbeddedServerError, match="not a private directory"):
            EmbeddedServers(deep).start()
    finally:
        sockets.rmdir()


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    (directory / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'plenty'\n")
    started = time.monotonic()
    with pytest.raises(EmbeddedServerError, match="shared_buffers"):
        EmbeddedServers(directory).start()
    assert time.monotonic() - started < 10.0
    assert running_servers(directory) is None


def test_a_cluster_of_another_version_is_refused(directory: Path) -> None:
    (directory / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 14"):
        EmbeddedServers(directory).start()
