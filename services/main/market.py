"""`plimsoll publish`: ticks from anywhere into the live market."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from services.main.user_errors import UserError, errors, user_errors

TOPIC = "ticks"
FLUSH_SECONDS = 30.0


def publish(
    file: Annotated[Path, typer.Argument(help="JSON lines, each a message of docs/feeds.md; - reads standard input until it ends.")] = Path(
        "-"
    ),
    source: Annotated[str, typer.Option(help="Who sends: each source has its own sequence and its own promise.")] = "stdin",
) -> None:
    """Send ticks to the live market of a running `plimsoll run --live`, or of a stack whose ingest is live.

    A line is sent as it comes. One that is no message of ticks stops the command; what ingest refuses goes to the dead letters.
    """
    from services.common.config import load_settings
    from services.ingest.payloads import read_ticks
    from services.main import wiring

    with user_errors(), ExitStack() as stack:
        settings = load_settings()
        where = wiring.addresses(settings, stack, join=True)
        if settings.log.url == "memory:":
            wiring.migrate_at(where)
        publisher = wiring.inbound_sender(settings, wiring.stores(settings, where, stack), stack)
        sent = 0
        for number, line in _lines(file):
            ticks, rejections = read_ticks(line)
            if rejections and not len(ticks):
                raise UserError(f"{file}, line {number}: {rejections[0].detail} ({rejections[0].reason}); {sent} ticks before it were sent")
            publisher.publish(TOPIC, source, line)
            sent += len(ticks)
        publisher.flush(FLUSH_SECONDS)
        errors.print(f"Sent {sent} ticks as {source}.", highlight=False)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines that are not blank."""
    with ExitStack() as stack:
        opened = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
        for number, line in enumerate(opened, start=1):
            if line.strip():
                yield number, line.strip()
