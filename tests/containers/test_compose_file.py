"""The compose file as the engine reads it: what is published, what a service may do, and that every setting in it exists."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel

from services.common.config import Settings
from tests.containers.dashboards import ROOT
from tests.real_servers import required_image

OURS = {"secrets", "migrate", "ingest", "recorder", "risk", "regime", "backtest", "jobs", "ray-jobs", "api"}
ONE_SHOT = {"secrets", "migrate"}
RAY_NODES = {"ray-head", "ray-worker"}
SERVICES = sorted(OURS | RAY_NODES | {"pulsar", "timescaledb", "valkey", "prometheus", "grafana"})


@cache
def compose() -> dict[str, Any]:
    required_image("PLIMSOLL_IMAGE")
    command = ["docker", "compose", "--env-file", "/dev/null", "--profile", "ray", "config", "--format", "json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    return dict(json.loads(result.stdout))


def test_every_service_is_known_here() -> None:
    assert sorted(compose()["services"]) == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_hardened(name: str) -> None:
    service = compose()["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert not service.get("cap_add")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["mem_limit"]) <= 2 << 30
    assert service["pids_limit"]
    assert service["init"]
    assert service["logging"]["options"]["max-size"]
    assert "stop_grace_period" in service or name == "secrets"
    assert service.get("read_only") or name == "pulsar"
    assert name in ONE_SHOT or service["healthcheck"]["test"]
    assert name in ONE_SHOT or service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port["host_ip"] == "127.0.0.1" for port in compose()["services"][name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_a_version_and_no_password_is_in_the_environment(name: str) -> None:
    service = compose()["services"][name]
    assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*|plimsoll/plimsoll(-ray)?:dev", service["image"])
    if name != "secrets":
        assert not [
            key for key, value in service.get("environment", {}).items() if "PASSWORD" in key and not key.endswith("_FILE") and value
        ]
    assert "@timescaledb" in service.get("environment", {}).get("RISK_HISTORY__URL", "@timescaledb")


def _names(model: type[BaseModel], prefix: str) -> set[str]:
    names = set()
    for field, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= _names(kind, f"{prefix}{field.upper()}__")
        else:
            names.add(prefix + field.upper())
    return names


def test_every_setting_exists() -> None:
    known = _names(Settings, "RISK_")
    for name in OURS:
        given = {key for key in compose()["services"][name].get("environment", {}) if key.startswith("RISK_")}
        assert given <= known, name
    example = set(re.findall(r"^#?(RISK_\w+__\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example <= known


def test_the_example_shows_the_variables_and_their_defaults() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    passed_on = set(re.findall(r"^  (RISK_\w+):$", text, re.MULTILINE))
    example = dict(re.findall(r"^#?([A-Z]\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(example) == set(used) | passed_on
    assert {name: example[name] for name in used} == used
    local = dict(re.findall(r"^([A-Z]\w+)=(.*)$", (ROOT / "docker/local.env").read_text(), re.MULTILINE))
    assert set(local) == {name for name in used if name.endswith("_IMAGE")} - {"GRAFANA_IMAGE"}


def test_services_start_in_order() -> None:
    services = compose()["services"]
    for name in OURS - ONE_SHOT:
        waits = {other: condition["condition"] for other, condition in services[name]["depends_on"].items()}
        assert waits == {"migrate": "service_completed_successfully", "valkey": "service_healthy"}
    waits = {other: condition["condition"] for other, condition in services["migrate"]["depends_on"].items()}
    assert waits == {"pulsar": "service_healthy", "timescaledb": "service_healthy"}
    assert services["timescaledb"]["depends_on"]["secrets"]["condition"] == "service_completed_successfully"


def test_ray_is_there_only_when_asked_for_and_gets_no_secret_but_its_own() -> None:
    services = compose()["services"]
    assert {name for name, service in services.items() if service.get("profiles")} == RAY_NODES | {"ray-jobs"}
    for name in RAY_NODES:
        service = services[name]
        assert {v["source"] for v in service["volumes"]} == {"ray-kernels", "secrets-ray"}
        assert not [key for key in service["environment"] if not key.startswith(("RAY_", "GRPC_"))]
        assert not service.get("ports")
    tokens = {services[name]["environment"]["RAY_AUTH_TOKEN_PATH"] for name in (*RAY_NODES, "ray-jobs")}
    assert tokens == {"/run/plimsoll/ray/token"}
    assert {services[name]["environment"]["RAY_AUTH_MODE"] for name in (*RAY_NODES, "ray-jobs")} == {"token"}
    assert services["ray-worker"]["depends_on"]["ray-head"]["condition"] == "service_healthy"
    assert services["ray-jobs"]["environment"]["RISK_JOBS__RAY_ADDRESS"] == "ray://ray-head:10001"


def test_broker_settings_of_the_image_hold_under_the_official_one() -> None:
    """What makes the broker fast is in our image's file; the compose file must say it for the official image too."""
    conf = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "docker/pulsar/conf/standalone.conf").read_text(), re.MULTILINE))
    environment = compose()["services"]["pulsar"]["environment"]
    for key in ("managedLedgerNewEntriesCheckDelayInMillis", "journalMaxGroupWaitMSec", "brokerDeleteInactiveTopicsEnabled"):
        assert environment[f"PULSAR_PREFIX_{key}"] == conf[key]
