"""Heavy calculations on a Ray cluster: the same jobs by the same function, on other machines. Needs the extra `ray`.

Ray lives in a process beside the service's: it takes signal handlers and the environment over, and ends its process when a cluster is gone.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import platform
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from services.common.beside import NICENESS, Beside, Died
from services.common.config import SettingsError
from services.common.ports import Unavailable
from services.common.run_identity import calculation_hash
from services.jobs.pool import again_if_died
from services.jobs.ray_logs import log_tail
from services.jobs.work import Calculated, Work

TASK: Final = "plimsoll-job"
"""What a worker's process is called while it calculates: `ray::plimsoll-job`."""
LOCAL: Final = "local"
WAIT_SECONDS: Final = 0.5
REACH_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 1.0
"""A job is asked for again at once: this is how often while the cluster is away."""
END_SECONDS: Final = 5.0
OBJECT_STORE_BYTES: Final = 100 << 20

DIRECTORY_MAX: Final = 14
"""Longest name of a directory for Ray's temporary ones: a socket's whole name may have 107 characters, of which Ray and we need 93."""
AGENTS: Final = ("ray.dashboard.agent", "ray._private.runtime_env.agent.runtime_env_agent")
"""What a node starts as programs of their own, dashboard or not, and ends itself without after 15 s: read from the disk beforehand."""

EVERYWHERE: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A process that is told to end does not ask the cluster first, which may be gone.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    # A head that went away is told of as soon as that, and the job asked for again, instead of a silence of half a minute.
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",
}
"""What Ray is told by its environment, where nobody said otherwise."""
ALONE: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""What a cluster of one process is told as well: nothing listens beyond this machine, and nobody on it gets in without the token."""


class OtherCalculation(RuntimeError):
    """A worker of the cluster would calculate other numbers: its sources or its numeric packages are not the service's."""


class RayPool:
    """Calculates on a Ray cluster, from a process that connects with its first job.

    Ray itself repeats nothing: a lost worker is counted here, as that of the process pool is.

    Parameters
    ----------
    address : str
        `local` for a cluster of this service alone, `ray://host:10001` for one elsewhere, `host:6379` or `auto` for that of this machine.
    calculation : str
        Hash of the calculation whose rows are wanted.
    stopping : callable
        Whether the service stops.

    Raises
    ------
    SettingsError
        Ray is not installed.
    """

    def __init__(self, address: str, calculation: str, stopping: Callable[[], bool]) -> None:
        if not installed():
            raise SettingsError("RISK_JOBS__POOL = 'ray': Ray is not installed; install plimsoll[ray], or set RISK_JOBS__POOL to process")
        self._address = address
        self._calculation = calculation
        self._stopping = stopping
        self._own = (
            tempfile.TemporaryDirectory(prefix="plimsoll-ray-", dir=short_directory(), ignore_cleanup_errors=True)
            if address == LOCAL
            else None
        )
        self.beside = Beside(_begin, address, self._own.name if self._own else None)
        if not self._own:
            self.beside.niceness = 0  # it calculates nothing, and a connection that hardly gets the processor is lost

    def calculate(self, work: Work) -> Calculated:
        """Return a job's rows; see `Pool`.

        Raises
        ------
        Stopped
            The service stops; the job stays as it is.
        Died
            The job lost its worker `ATTEMPTS_MAX` times.
        Unavailable
            The cluster does not answer.
        OtherCalculation
            A worker is not of the service's version.
        """
        try:
            return again_if_died(work, lambda: self.beside.call(_submit, work, self._address, self._calculation, stopping=self._stopping))
        except Unavailable:
            if self._own:
                self.beside.close()  # what has started of a cluster of our own ends with its process
            raise

    def close(self) -> None:
        """Leave the cluster, and with it what is being calculated; end it, if it is this service's own. Idempotent."""
        self.beside.close()
        if self._own:
            self._own.cleanup()


def installed() -> bool:
    """Return whether Ray is there, without loading it."""
    return importlib.util.find_spec("ray") is not None


def short_directory() -> str:
    """Return where Ray's temporary directories go: the system's place, unless the names of sockets in it would be too long."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= DIRECTORY_MAX else "/tmp"


# ------------------------------------------------------------------------------ in the process beside the service's

_leaving: Final = threading.Event()


_directory: str | None = None


def _begin(address: str, directory: str | None) -> None:
    global _directory
    _directory = directory
    alone = {**ALONE, "RAY_AUTH_TOKEN": secrets.token_hex(32)} if address == LOCAL else {}
    for name, value in {**EVERYWHERE, **alone}.items():
        os.environ.setdefault(name, value)


def _submit(work: Work, address: str, calculation: str) -> Calculated:
    """Have a worker of the cluster calculate, and wait for it."""
    try:
        ray = _connected(address)
        task = ray.remote(num_cpus=1, max_retries=0)(_calculate).options(name=TASK)
        rows = task.remote(work, calculation)
        while not ray.wait([rows], timeout=WAIT_SECONDS)[0]:
            if _leaving.is_set():
                sys.exit(0)
        answer, error = _fetched(ray, rows)
    except ConnectionError as away:
        _disconnect()
        time.sleep(AWAY_SECONDS)
        raise Unavailable(f"the Ray cluster at {address}: {away}") from None
    if error is not None:
        raise error
    return answer  # type: ignore[no-any-return]


def _fetched(ray: Any, rows: Any) -> Any:
    lost = ray.exceptions
    try:
        return ray.get(rows)
    except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError, lost.ObjectLostError) as died:
        raise Died(f"a worker of the Ray cluster was lost: {died}") from None


def _connected(address: str) -> Any:
    """Return Ray, connected."""
    if (known := sys.modules.get("ray")) is not None and known.is_initialized():
        return known
    reach(address)
    ray = importlib.import_module("ray")
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # it tells of what its exceptions say
    if address == LOCAL:
        _start_own(ray)
    else:
        ray.init(address=address, configure_logging=False, log_to_driver=False)
    signal.signal(signal.SIGTERM, _leave)
    return ray


def _start_own(ray: Any) -> None:
    for agent in AGENTS:
        with suppress(ImportError):
            importlib.import_module(agent)
    try:
        ray.init(
            address=LOCAL,
            num_cpus=1,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            configure_logging=False,
            log_to_driver=False,
            _temp_dir=_directory,
        )
    except Exception as failed:  # Ray raises plain ones; whatever it is, another start may do
        raise ConnectionError(f"did not start: {failed}\n{log_tail(Path(_directory or ''))}") from None


def _disconnect() -> None:
    if (ray := sys.modules.get("ray")) is not None:
        ray.shutdown()


def _leave(number: int, frame: object) -> None:
    """End in order, so that the cluster drops what it calculates for us: after this wait, or as the pool's end is heard; else hard.

    Nothing is raised here, as Ray may be leaving already; and a cluster of our own sends this to all of its processes, us among them.
    """
    if not _leaving.is_set():
        _leaving.set()
        timer = threading.Timer(END_SECONDS, os._exit, (1,))
        timer.daemon = True
        timer.start()


def reach(address: str) -> None:
    """Find out whether anybody is there at all, since Ray asks for half a minute.

    Raises
    ------
    ConnectionError
        Nobody is; `local` and `auto` are not asked.
    """
    where = urlsplit(address if "://" in address else f"//{address}")
    if where.hostname and where.port:
        try:
            socket.create_connection((where.hostname, where.port), REACH_SECONDS).close()
        except OSError as nobody:  # a name that is not known, or silence, is an outage as well
            raise ConnectionError(str(nobody)) from None


# ------------------------------------------------------------------------------------------ in a worker of the cluster


@cache
def _own_calculation() -> str:
    return calculation_hash()


def _calculate(work: Work, calculation: str) -> tuple[Calculated | None, Exception | None]:
    """Return rows, or what went wrong as it is, not in a wrapping of Ray's."""
    from services.jobs.calculation import calculate

    if (niceness := os.getpriority(os.PRIO_PROCESS, 0)) < NICENESS:
        os.nice(NICENESS - niceness)
    if _own_calculation() != calculation:
        return None, OtherCalculation(
            f"the Ray worker on {platform.node()} is not of this service's version: its sources in risk_core or its numeric packages are "
            "others, and so might its numbers be; run both from one image"
        )
    try:
        return calculate(work), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error
