"""Logging set-up: structured lines on standard error. Called from the composition root only."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")
QUIET: Final = ("uvicorn.access", "httpx", "httpcore", "asyncio")
"""Libraries that log every request or task below this level: warning."""


def configure_logging(level: str = "info", json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to one stream, UTC, one event a line.

    Parameters
    ----------
    level : str
        debug, info, warning or error.
    json : bool or None
        JSON lines; for None: unless the stream is a terminal.
    stream : text file or None
        Standard error for None.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r}: choose one of {', '.join(LEVELS)}")
    target = stream if stream is not None else sys.stderr
    as_json = not target.isatty() if json is None else json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()] if as_json else [structlog.dev.ConsoleRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # warns of what its exceptions tell anyway: a fenced commit, a lost connection
