"""Jobs on a real Ray cluster: the bits of the process pool; a worker killed, ticks meanwhile, a stop, an outage, a cluster of its own."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from services.common.beside import NICENESS, Died, Stopped
from services.common.config import JobsSettings
from services.common.ports import Unavailable
from services.common.run_identity import calculation_hash
from services.jobs.calculation import calculate
from services.jobs.pool import ATTEMPTS_MAX, ProcessPool
from services.jobs.ray_pool import TASK, RayPool
from services.jobs.work import Calculated, Work
from services.main.doctor import jobs_finding
from tests.ray_cluster import RayCluster, lives, of_session, start_ray
from tests.real_servers import free_ports
from tests.server_units import HOST
from tests.unit.jobs.test_runner import challenged, played, runner_of

pytestmark = pytest.mark.slow

DAYS = 4
LIMIT_SECONDS = 120.0
AT_ONCE_SECONDS = 20.0
LINGERING = {"ray::RuntimeEnvAgent", "ray::DashboardAgent"}
"""Ray's, and calculate nothing: they wait for connections to close, up to a minute, when their node was killed."""
LISTEN, MAPPED, LOOPBACK = "0A", "0000000000000000FFFF0000", "0100007F"
"""As the kernel's tables of sockets write them."""


@pytest.fixture(scope="module")
def starting() -> Iterator[Future[RayCluster]]:
    """A cluster that starts while the tests' jobs are made; none of its processes outlives the tests."""
    with ThreadPoolExecutor(1) as thread:
        start = thread.submit(start_ray)
        yield start
    if start.exception() is None:
        running = start.result()
        running.end()
        assert running.processes() == []
        assert not Path(running.directory.name).exists()


@pytest.fixture(scope="module")
def works(starting: Future[RayCluster]) -> list[Work]:
    """Every job of a small run."""
    works: list[Work] = []
    runner, _, _ = runner_of(played(cadence_ns=0, days=DAYS))

    def keep(work: Work) -> Calculated:
        works.append(work)
        return calculate(work)

    runner.ports.calculate = keep
    while runner.step():
        pass
    assert len(works) >= 2
    return works


@pytest.fixture(scope="module")
def wanted(works: list[Work]) -> list[Calculated]:
    """What the process pool says."""
    pool = ProcessPool(lambda: False)
    try:
        return [pool.calculate(work) for work in works]
    finally:
        pool.close()


@pytest.fixture(scope="module")
def cluster(starting: Future[RayCluster]) -> Iterator[RayCluster]:
    """A cluster, and what connects to it in the environment."""
    running = starting.result()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def stop() -> threading.Event:
    """What stops the pool."""
    return threading.Event()


@pytest.fixture(scope="module")
def pool(cluster: RayCluster, works: list[Work], stop: threading.Event) -> Iterator[RayPool]:
    """A pool that is connected as one of another machine."""
    with opened(cluster.client, stop.is_set) as connected:
        patiently(connected, works[0], cluster)
        yield connected


def patiently(pool: RayPool, work: Work, cluster: RayCluster) -> Calculated:
    """Ask as the service does: what is away is asked again, here a few times. What Ray's logs say is in the error."""
    said = []
    for _ in range(ATTEMPTS_MAX):
        try:
            return pool.calculate(work)
        except Unavailable as away:
            said.append(f"{away}\n{cluster.log_tail()}")
    raise AssertionError("\n".join(said))


@contextmanager
def opened(address: str, stopping: Callable[[], bool] = lambda: False) -> Iterator[RayPool]:
    pool = RayPool(address, calculation_hash(), stopping)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def hurting(cluster: RayCluster, number: signal.Signals, times: int) -> Iterator[list[int]]:
    """Send a signal to so many workers, each while it is at a job; yield their ids and, in the end, stop."""
    hurt: list[int] = []
    over = threading.Event()

    def hurt_them() -> None:
        while len(hurt) < times and not over.is_set():
            for pid in cluster.workers(f"ray::{TASK}"):
                if pid not in hurt:
                    assert os.getpriority(os.PRIO_PROCESS, pid) >= NICENESS
                    os.kill(pid, number)
                    hurt.append(pid)
            over.wait(0.002)

    thread = threading.Thread(target=hurt_them)
    thread.start()
    try:
        yield hurt
    finally:
        over.set()
        thread.join()


def test_rows_are_those_of_the_process_pool(pool: RayPool, works: list[Work], wanted: list[Calculated]) -> None:
    assert [pool.calculate(work) for work in works] == wanted


def test_a_service_on_a_node_of_the_cluster_has_them_too(cluster: RayCluster, works: list[Work], wanted: list[Calculated]) -> None:
    """Through the runner, so that they are kept and published as well."""
    run, twin = played(cadence_ns=0, days=DAYS), played(cadence_ns=0, days=DAYS)
    runner, _, heard = runner_of(run)
    with opened(cluster.address) as connected:
        runner.ports.calculate = connected.calculate
        while runner.step():
            pass
    plain, _, _ = runner_of(twin)
    while plain.step():
        pass
    assert challenged(run.stored()) == challenged(twin.stored())
    assert sum(len(calculated.results) for calculated in wanted) == len(heard.kept)


def test_a_killed_workers_job_is_done_again(
    cluster: RayCluster, pool: RayPool, works: list[Work], wanted: list[Calculated], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "jobs"), hurting(cluster, signal.SIGKILL, 1) as killed:
        assert pool.calculate(works[1]) == wanted[1]
    assert len(killed) == 1
    assert [(r.message, r.attempt) for r in caplog.records] == [("the calculating process died", 1)]  # type: ignore[attr-defined]


def test_a_job_that_kills_every_worker_ends_the_service(
    cluster: RayCluster, pool: RayPool, works: list[Work], wanted: list[Calculated]
) -> None:
    with hurting(cluster, signal.SIGKILL, ATTEMPTS_MAX) as killed, pytest.raises(Died, match="a worker of the Ray cluster was lost"):
        pool.calculate(works[1])
    assert len(killed) == ATTEMPTS_MAX
    assert pool.calculate(works[1]) == wanted[1], "Ray has not done it again by itself, and the cluster is as before"


def test_what_goes_wrong_there_is_raised_here(pool: RayPool, works: list[Work]) -> None:
    damaged = Work(works[0].job, works[0].genesis, works[0].rows[:-1], works[0].forecasts)
    with pytest.raises(ValueError, match="scenario rows; the store holds") as raised:
        pool.calculate(damaged)
    assert any("calculation.py" in note for note in raised.value.__notes__)


def test_no_tick_waits_for_a_job_that_never_ends(cluster: RayCluster, pool: RayPool, works: list[Work], wanted: list[Calculated]) -> None:
    """The job's worker is frozen: a whole history goes through this process meanwhile; then the job goes on, to the same bits."""
    with ThreadPoolExecutor(1) as runner, hurting(cluster, signal.SIGSTOP, 1) as frozen:
        job = runner.submit(pool.calculate, works[1])
        try:
            _until(lambda: bool(frozen))
            live = played(cadence_ns=0, days=DAYS)
            assert live.stored()
            assert not job.done()
        finally:
            os.kill(frozen[0], signal.SIGCONT)
        assert job.result(LIMIT_SECONDS) == wanted[1]


def test_a_stop_does_not_wait_and_leaves_no_one_calculating(
    cluster: RayCluster, pool: RayPool, works: list[Work], stop: threading.Event
) -> None:
    with hurting(cluster, signal.SIGSTOP, 1) as frozen:
        threading.Thread(target=lambda: stop.set() if _until(lambda: bool(frozen)) else None).start()
        with pytest.raises(Stopped):
            pool.calculate(works[1])
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < AT_ONCE_SECONDS
    _until(lambda: not lives(frozen[0]))


def test_doctor_says_whether_the_cluster_answers(cluster: RayCluster) -> None:
    there = jobs_finding(JobsSettings(pool="ray", ray_address=cluster.client))
    assert (there.well, cluster.client in there.detail) == (True, True)
    (port,) = free_ports(1)
    away = jobs_finding(JobsSettings(pool="ray", ray_address=f"ray://{HOST}:{port}"))
    assert not away.well
    assert "refused" in away.detail
    assert "RISK_JOBS__RAY_ADDRESS" in away.fix


def test_a_cluster_that_is_away_is_asked_for_again(works: list[Work]) -> None:
    (port,) = free_ports(1)
    with opened(f"ray://{HOST}:{port}") as early, pytest.raises(Unavailable, match=f"ray://{HOST}:{port}.*refused"):
        early.calculate(works[0])


def test_a_name_that_nobody_has_is_an_outage_and_says_so(works: list[Work]) -> None:
    with opened("ray://nobody.invalid:10001") as lost, pytest.raises(Unavailable, match=r"ray://nobody\.invalid:10001"):
        lost.calculate(works[0])


SERVICE = """
import os, pickle, signal, sys
from services.common.ports import Unavailable
from services.common.run_identity import calculation_hash
from services.jobs.ray_pool import RayPool

if __name__ == "__main__":
    before = signal.getsignal(signal.SIGTERM), os.getpgrp(), dict(os.environ)
    work = pickle.load(sys.stdin.buffer)
    pool = RayPool("local", calculation_hash(), lambda: False)
    rows = None
    for again in range(4):
        try:
            rows = pool.calculate(work)
            break
        except Unavailable as away:
            print(away, file=sys.stderr)
    assert (signal.getsignal(signal.SIGTERM), os.getpgrp(), dict(os.environ)) == before
    pickle.dump((rows, pool._own.name), sys.stdout.buffer)
    sys.stdout.close()
    signal.pause()
"""


def test_a_cluster_of_its_own_listens_here_only_and_ends_with_the_service(
    works: list[Work], wanted: list[Calculated], tmp_path: Path
) -> None:
    """With a directory for temporary files that is too deep for the names of sockets."""
    deep = tmp_path / "a/rather/deep/place/for/the/temporary/files/of/a/service/that/has/sockets"
    deep.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"TMPDIR": str(deep)}
    command = [sys.executable, "-c", SERVICE]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as service:
        try:
            assert service.stdin is not None
            assert service.stdout is not None
            service.stdin.write(pickle.dumps(works[0]))
            service.stdin.close()
            rows, directory = pickle.load(service.stdout)
            assert rows == wanted[0]
            assert len(directory) < len(str(deep))
            below = of_session(service.pid)
            listening = addresses(below)
            assert len(listening) >= 3
            assert set(listening) == {LOOPBACK}, "something listens beyond this machine"
        finally:
            service.kill()
            below = of_session(service.pid)
    try:
        _until(lambda: set(titles(of_session(service.pid))) <= LINGERING)
    finally:
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def titles(pids: list[int]) -> list[str]:
    """Return what processes are called; a program that has set no title, by its whole command."""
    found = []
    for pid in pids:
        with suppress(OSError):
            found.append((Path("/proc") / str(pid) / "cmdline").read_text().replace("\0", " ").strip())
    return found


def addresses(pids: list[int]) -> list[str]:
    """Local addresses, in hexadecimal, of the sockets on which processes listen."""
    inodes = set()
    for pid in pids:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as rows:
            cells = [row.split() for row in rows][1:]
        found += [
            row[1].rpartition(":")[0].removeprefix("0000000000000000FFFF0000") for row in cells if row[3] == "0A" and row[9] in inodes
        ]
    return found


def _until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return True
