"""The compose profile `ray`, as Docker's client reads it: needs no engine and no image."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest

from services.common.config import JobsSettings
from tests.containers.dashboards import ROOT

NODES = ("ray-head", "ray-worker")


@cache
def services(*profile: str) -> dict[str, Any]:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("needs Docker's client with compose")
    command = [docker, "compose", "--env-file", "/dev/null", *profile, "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["services"])


def test_it_adds_a_head_a_worker_and_who_gives_them_jobs() -> None:
    assert set(services("--profile", "ray")) - set(services()) == {*NODES, "ray-jobs"}


def test_the_jobs_address_is_one_that_the_settings_take_and_is_the_heads() -> None:
    there = services("--profile", "ray")
    environment = there["ray-jobs"]["environment"]
    settings = JobsSettings(pool=environment["RISK_JOBS__POOL"], ray_address=environment["RISK_JOBS__RAY_ADDRESS"])
    assert settings == JobsSettings(pool="ray", ray_address="ray://ray-head:10001")
    command = there["ray-head"]["command"]
    assert "--ray-client-server-port=10001" in command
    assert "--address=ray-head:6379" in there["ray-worker"]["command"]
    assert "--port=6379" in command


@pytest.mark.parametrize("name", [*NODES, "ray-jobs"])
def test_nothing_is_published_or_sent_and_a_token_is_asked_for(name: str) -> None:
    service = services("--profile", "ray")[name]
    environment = service["environment"]
    assert not service.get("ports")
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S"] == "120"
    assert name != "ray-head" or "--include-dashboard=false" in service["command"]
