"""Log lines are structured, whichever library wrote them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.common.logs import configure_logging
from services.common.metrics import Metrics
from services.common.outage import Outage
from services.main.processes import IngestObserver


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_from_both_worlds() -> None:
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    structlog.get_logger("risk").info("bucket closed", as_of="2024-05-01", rows=12)
    logging.getLogger("some.library").warning("slow: %d ms", 7, extra={"node": 3})
    structlog.get_logger("risk").debug("not shown")
    logging.getLogger("uvicorn.access").info("not shown")
    try:
        raise ValueError("bad price")
    except ValueError:
        structlog.get_logger("risk").exception("failed")
    ours, theirs, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["rows"], ours["logger"]) == ("bucket closed", "info", 12, "risk")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["node"]) == ("slow: 7 ms", "warning", 3)
    assert failed["exception"][0]["exc_value"] == "bad price"


def test_people_get_text() -> None:
    stream = io.StringIO()
    configure_logging("warning", json=False, stream=stream)
    structlog.get_logger("risk").info("not shown")
    structlog.get_logger("risk").warning("late", ticks=4)
    assert "late" in stream.getvalue()
    assert "not shown" not in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_an_outage_is_told_twice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    outage = Outage(logging.getLogger("risk"), "the log")
    outage.back()
    outage.away("refused")
    outage.away("refused")
    outage.back()
    outage.back()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("WARNING", "the log is away"), ("INFO", "the log is back")]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        configure_logging("loud")


def test_refused_messages_are_told_at_every_tenfold() -> None:
    """The first, the tenth, the hundredth: a broken feed does not drown the log."""
    stream = io.StringIO()
    configure_logging("info", stream=stream)
    observer = IngestObserver(Metrics())
    for _ in range(120):
        observer.refused("not_a_number", 1)
    observer.refused("duplicate", 40)
    told = [(line["reason"], line["refused"]) for line in map(json.loads, stream.getvalue().splitlines())]
    assert told == [("not_a_number", 1), ("not_a_number", 10), ("not_a_number", 100), ("duplicate", 40)]
