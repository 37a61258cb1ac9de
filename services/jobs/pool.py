"""A process beside the service's for heavy calculations, of low priority, so that they never delay a tick."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from services.jobs.work import Calculated, Work

NICENESS: Final = 10
WAIT_SECONDS: Final = 0.1
ATTEMPTS_MAX: Final = 3
"""Times that one job may cost a process its life before the service ends."""

logger = logging.getLogger("jobs")


class Stopped(Exception):
    """The service stops before the calculation is done."""


class ProcessPool:
    """One process that calculates; started at the first job, and again when it died."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._pool: ProcessPoolExecutor | None = None

    def calculate(self, work: Work) -> Calculated:
        """Return a job's rows.

        Raises
        ------
        Stopped
            The service stops; the job stays as it is.
        BrokenProcessPool
            The process died `ATTEMPTS_MAX` times.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._calculate(work)
            except BrokenProcessPool:
                logger.warning("the calculating process died", extra={"job": work.job.job_key, "attempt": attempt})
                self.close()
                if attempt == ATTEMPTS_MAX:
                    raise
        raise AssertionError

    def _calculate(self, work: Work) -> Calculated:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin)
        future = self._pool.submit(_calculate, work)
        while True:
            try:
                return future.result(WAIT_SECONDS)
            except NotYet:
                if self._stopping():
                    raise Stopped from None

    def close(self) -> None:
        """End the process, whatever it is at."""
        pool, self._pool = self._pool, None
        if pool is not None:
            processes = list(pool._processes.values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


def _begin() -> None:
    """Give way to the service, and end with it however it ends: a pool's process would wait for ever for the next call."""
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _calculate(work: Work) -> Calculated:
    from services.jobs.calculation import calculate

    return calculate(work)
