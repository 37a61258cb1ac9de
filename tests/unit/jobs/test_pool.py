"""Which pool the settings give; and that Ray is nobody's business who did not ask for it. Its own tests are in `tests/e2e/test_ray.py`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.common.config import JobsSettings, SettingsError, load_settings
from services.common.ports import Job
from services.jobs.pool import ProcessPool, open_pool
from services.jobs.ray_logs import log_tail
from services.jobs.ray_pool import DIRECTORY_MAX, OtherCalculation, RayPool, _calculate, short_directory
from services.jobs.work import Work
from services.main.doctor import jobs_finding


def test_a_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISK_JOBS__POOL", raising=False)
    assert isinstance(open_pool(load_settings().jobs, "any", lambda: False), ProcessPool)


def test_ray_is_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_JOBS__POOL", "ray")
    assert load_settings().jobs.ray_address == "local"
    monkeypatch.setenv("RISK_JOBS__RAY_ADDRESS", "ray://head:10001")
    pool = open_pool(load_settings().jobs, "any", lambda: False)
    assert isinstance(pool, RayPool)
    pool.close()
    pool.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("POOL", "rays")]
    + [("RAY_ADDRESS", v) for v in ("", "head", "ray://head", "ray://:10001", "head:port", "http://head:10001", "ray://head:10001/a")],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"RISK_JOBS__{name}", value)
    with pytest.raises(SettingsError, match=re.escape(f"RISK_JOBS__{name} = '{value}'")):
        load_settings()


def test_without_ray_the_extra_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"install plimsoll\[ray\]"):
        RayPool("local", "any", lambda: False)


@pytest.mark.parametrize("address", ["local", "auto", "ray://head:10001", "head:6379", "[::1]:6379"])
def test_an_address_that_ray_takes_is_taken(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_JOBS__RAY_ADDRESS", address)
    assert load_settings().jobs.ray_address == address


def test_doctor_says_where_jobs_are_calculated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a cluster answers is asked of a real one in `tests/e2e/test_ray.py`."""
    assert jobs_finding(JobsSettings(pool="process")).well
    assert jobs_finding(JobsSettings(pool="ray")).well
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    missing = jobs_finding(JobsSettings(pool="ray"))
    assert not missing.well
    assert "plimsoll[ray]" in missing.fix
    assert jobs_finding(JobsSettings(pool="process")).well, "Ray is nobody's business who did not ask for it"


def test_rays_directory_has_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the longest socket in it fits the 107 characters that the system allows."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "far" / "below"))
    assert short_directory() == "/tmp"
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert short_directory() == "/var/tmp"
    longest = "x" * DIRECTORY_MAX + "/plimsoll-ray-12345678/ray/session_2026-11-22_00-47-31_827073_4194304/sockets/plasma_store.10"
    assert len(longest) <= 107


def test_the_cause_of_a_failed_start_is_found_in_rays_logs(tmp_path: Path) -> None:
    logs = tmp_path / "session_latest" / "logs"
    assert log_tail(tmp_path) == ""
    logs.mkdir(parents=True)
    (logs / "raylet.err").write_text(
        "[t C 7 7] (raylet) a.cc:1: Check failed: Timed out waiting for file /x\n" + "/raylet(+0x26) main\n" * 90
    )
    (logs / "gcs_server.out").write_text("")
    assert log_tail(tmp_path) == "raylet.err: [t C 7 7] (raylet) a.cc:1: Check failed: Timed out waiting for file /x"


def test_a_worker_of_another_version_gives_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a worker, run here: the work is not even looked at."""
    monkeypatch.setattr(os, "nice", lambda by: by)  # or it would be that of all further tests
    rows, error = _calculate(Work(Job("run/0/1", "run", "0", "challengers", 1, b""), b"", (), ()), "newer")
    assert rows is None
    assert isinstance(error, OtherCalculation)
    assert "run both from one image" in str(error)


def test_ray_is_not_loaded_by_the_service() -> None:
    script = (
        "import sys; from services.jobs.ray_pool import RayPool; RayPool('local', 'any', lambda: False).close(); "
        "import services.main.processes; sys.exit('ray' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
