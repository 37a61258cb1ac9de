"""What the documents say can be done: links lead somewhere, commands parse, targets exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from services.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
COMMANDS = typer.main.get_command(app)


def blocks(text: str, language: str) -> Iterator[str]:
    """Yield the code blocks of a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def shell_lines() -> list[tuple[str, str]]:
    """Return (document, command) of every shell block, comments and line continuations resolved."""
    found = []
    for path in DOCUMENTS:
        for block in blocks(path.read_text(), "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    found.append((path.relative_to(ROOT).as_posix(), shlex.join(words)))
    return found


def parse(words: list[str]) -> None:
    """Parse a plimsoll command line without running it."""
    command: click.Command = COMMANDS
    context = click.Context(COMMANDS, info_name="plimsoll")
    while isinstance(command, click.Group):
        name = words[0]
        inner = command.get_command(context, name)
        assert inner is not None, f"plimsoll has no command {name}"
        command, words = inner, words[1:]
    command.make_context(command.name, list(words), parent=context)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize(("document", "line"), shell_lines())
def test_commands_parse(document: str, line: str) -> None:
    words = shlex.split(line)
    while "=" in words[0] and words[0].split("=")[0].isupper():
        words = words[1:]
    if words[0].endswith("plimsoll"):
        parse(words[1:])
    elif words[0] == "make":
        targets = [w for w in words[1:] if "=" not in w]
        arguments = next((w.removeprefix("ARGS=") for w in words if w.startswith("ARGS=")), None)
        known = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(targets) <= set(known)
        if arguments is not None and targets == ["run"]:
            parse(["run", *shlex.split(arguments)])


def test_every_command_has_help_that_teaches() -> None:
    for name, command in COMMANDS.commands.items():  # type: ignore[attr-defined]
        assert command.help, name
        assert len(command.help) > 30, name


def test_make_help_lists_the_two_commands() -> None:
    printed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make run" in printed
    assert "make test" in printed


def test_metrics_table_is_current() -> None:
    from services.common.metrics import metrics_table

    assert metrics_table().strip() in (ROOT / "docs/operations/metrics.md").read_text()
