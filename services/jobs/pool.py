"""Heavy calculations in a process beside the service's, so that they never delay a tick."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from services.common.beside import Beside, Died
from services.common.config import JobsSettings
from services.jobs.work import Calculated, Work

ATTEMPTS_MAX: Final = 3
"""Times that one job may cost a process its life before the service ends."""

logger = logging.getLogger("jobs")


class Pool(Protocol):
    """Calculates jobs, one at a time for its caller, somewhere that takes nothing from live numbers."""

    def calculate(self, work: Work) -> Calculated:
        """Return a job's rows.

        Raises
        ------
        Stopped
            The service stops; the job stays as it is.
        Died
            What calculated the job died `ATTEMPTS_MAX` times.
        Unavailable
            Nobody is there to calculate it now; asked again later.
        """
        ...

    def close(self) -> None:
        """End, whatever is being calculated. Idempotent."""
        ...


def open_pool(settings: JobsSettings, calculation: str, stopping: Callable[[], bool]) -> Pool:
    """Return the pool that the settings name; it starts, or connects, with its first job.

    Parameters
    ----------
    settings : JobsSettings
        Which pool, and where.
    calculation : str
        Hash of the calculation whose rows are wanted: what calculates elsewhere must have the same.
    stopping : callable
        Whether the service stops; asked while a job is calculated.

    Raises
    ------
    SettingsError
        The pool needs a package that is not installed.
    """
    if settings.pool == "ray":
        from services.jobs.ray_pool import RayPool

        return RayPool(settings.ray_address, calculation, stopping)
    return ProcessPool(stopping)


class ProcessPool:
    """One process that calculates."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self.beside = Beside(_begin)

    def calculate(self, work: Work) -> Calculated:
        """Return a job's rows; see `Pool`."""
        return again_if_died(work, lambda: self.beside.call(_calculate, work, stopping=self._stopping))

    def close(self) -> None:
        """End the process, whatever it is at."""
        self.beside.close()


def again_if_died(work: Work, once: Callable[[], Calculated]) -> Calculated:
    """Return what `once` returns, called again where the process that calculated died.

    Raises
    ------
    Died
        It died `ATTEMPTS_MAX` times.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return once()
        except Died:
            logger.warning("the calculating process died", extra={"job": work.job.job_key, "attempt": attempt})
            if attempt == ATTEMPTS_MAX:
                raise
    raise AssertionError


def _begin() -> None:
    """Nothing to hold: each job brings all it needs."""


def _calculate(work: Work) -> Calculated:
    from services.jobs.calculation import calculate

    return calculate(work)
