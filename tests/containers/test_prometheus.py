"""The committed Prometheus files, checked by promtool: configuration, rules, and the rules' own tests."""

from __future__ import annotations

import re
import subprocess

import pytest

from services.common.metrics import DECLARED
from tests.containers.dashboards import ROOT
from tests.real_servers import required_image

RULES = (ROOT / "prometheus/rules/plimsoll.yml").read_text()
TESTS = (ROOT / "prometheus/tests/plimsoll.test.yml").read_text()
ALERTS = re.findall(r"alert: (\w+)", RULES)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    image = required_image("PROMETHEUS_IMAGE")
    mount = f"{ROOT / 'prometheus'}:/etc/prometheus:ro"
    command = ["docker", "run", "--rm", "--network", "none", "-v", mount, "--entrypoint", "promtool", image, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "--lint=all", "/etc/prometheus/prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "/etc/prometheus/rules/plimsoll.yml"),
        ("test", "rules", "/etc/prometheus/tests/plimsoll.test.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    result = promtool(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_both_ways_and_has_a_runbook(alert: str) -> None:
    fired = re.findall(rf"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels", TESTS)
    assert fired
    runbook = (ROOT / "docs/operations/alerts.md").read_text()
    assert f"\n## {alert}\n" in runbook
    assert f"runbook_url: docs/operations/alerts.md#{alert.lower()}" in RULES


def test_rules_name_only_metrics_that_exist() -> None:
    exported = {f"{d.name}{suffix}" for d in DECLARED for suffix in ("", "_bucket")}
    recorded = set(re.findall(r"record: (\S+)", RULES))
    expressions = "\n".join(re.findall(r"expr: (.*)", RULES))
    assert set(re.findall(r"\b(?:\w+:)?risk_\w+(?::\w+)?", expressions)) <= exported | recorded


def test_every_process_of_the_stack_is_scraped() -> None:
    config = (ROOT / "prometheus/prometheus.yml").read_text()
    ours = {"risk", "ingest", "recorder", "regime", "backtest", "jobs", "api"}
    assert ours == set(re.findall(r"names: \[(\w+)\], type: A, port: 9464", config))
