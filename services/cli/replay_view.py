"""Progress of a replay in a terminal, and its summary as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from risk_core.book import Node
from risk_core.records import SPREAD, RiskResult
from services.common.schemas import utc_text
from services.common.status import RunStatus

PLAIN_EVERY_DAYS = 250
"""Without a terminal, one line each time so many days are done."""


class ReplayView:
    """A progress bar on a terminal; a line now and then elsewhere. Everything goes to standard error."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True)
        self._quiet = quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._printed = -1
        self._state = ""

    def __enter__(self) -> ReplayView:
        if self.console.is_terminal and not self._quiet:
            self._progress = Progress(
                TextColumn("[bold]{task.fields[state]:>9}"),
                BarColumn(bar_width=32),
                TextColumn("{task.completed:.0f} of {task.total:.0f} days"),
                TextColumn("[cyan]{task.fields[date]}"),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                console=self.console,
                transient=False,
            )
            self._task = self._progress.add_task("", total=1, state="starting", date="", rate="")
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, text: str) -> None:
        """Print one line."""
        if not self._quiet:
            self.console.print(text, highlight=False, soft_wrap=True)

    def show(self, status: RunStatus) -> None:
        """Show where the run stands."""
        live = status.mode == "live"
        state = "live" if live and status.state == "running" else status.state
        date = utc_text(status.as_of_ns)[:19].replace("T", " ") if live and status.as_of_ns is not None else _date(status.as_of_ns)
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task,
                total=max(status.days_total or 1, 1),
                completed=status.days_done,
                state=state,
                date=f"as of {date}" if date else "",
                rate=f"{status.days_per_second:.0f} days/s" if status.days_per_second else "",
            )
            return
        step = status.days_done // PLAIN_EVERY_DAYS
        if state != self._state or step > self._printed:
            self._state, self._printed = state, max(step, self._printed)
            days = "history is read" if live else f"{status.days_done} of {status.days_total} days"
            self.say(f"{state}: {days}" + (f", as of {date}" if date else ""))


def summary(status: RunStatus, rows: Sequence[RiskResult], nodes: Sequence[Node], seconds: float) -> dict[str, object]:
    """Return what `--json` prints: counts of the run and the newest final numbers of every node."""
    names = {n.node_id: n for n in nodes}
    found: dict[int, dict[str, object]] = {}
    for row in rows:
        node = found.setdefault(
            row.node_id,
            {
                "node_id": row.node_id,
                "name": names[row.node_id].name if row.node_id in names else str(row.node_id),
                "as_of": utc_text(row.as_of_ns),
                "as_of_ns": str(row.as_of_ns),
                "currency": row.currency,
                "methods": {},
            },
        )
        methods = node["methods"]
        assert isinstance(methods, dict)
        methods.setdefault(row.method, {})[repr(row.confidence)] = {
            "value_at_risk": row.value_at_risk,
            "expected_shortfall": row.expected_shortfall,
            "status": row.status,
            **{name: getattr(row, name) for name in SPREAD},
            **(row.measures or {}),
        }
    return {
        "days": status.days_done,
        "ticks": status.ticks,
        "results": status.results,
        "rejected": status.rejected,
        "late": status.late,
        "seconds": round(seconds, 3),
        "run_id": status.run_id,
        "state": status.state,
        "nodes": [found[k] for k in sorted(found)],
    }


def print_json(value: dict[str, object]) -> None:
    """Print one JSON object as one line on standard output."""
    sys.stdout.write(json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n")
    sys.stdout.flush()


HEADINGS: Final = (
    ("node", "left"),
    ("", "left"),
    ("method", "left"),
    ("VaR", "right"),
    ("95 % interval", "right"),
    ("ES", "right"),
    ("95 % interval", "right"),
    ("status", "left"),
)


def result_table(rows: Sequence[RiskResult], nodes: Sequence[Node], confidence: float) -> Table:
    """Return the newest numbers of one confidence as a table."""
    table = Table(title=f"VaR and ES at {confidence:.1%}, as of {_date(max((r.as_of_ns for r in rows), default=None))}")
    for heading, justify in HEADINGS:
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    names = {n.node_id: n.name for n in nodes}
    last = None
    for r in sorted(rows, key=lambda r: (r.node_id, r.method)):
        if r.confidence == confidence:
            name = names.get(r.node_id, str(r.node_id)) if r.node_id != last else ""
            var = f"{r.value_at_risk:,.0f}", _interval(r.value_at_risk_lower, r.value_at_risk_upper)
            es = f"{r.expected_shortfall:,.0f}", _interval(r.expected_shortfall_lower, r.expected_shortfall_upper)
            table.add_row(name, r.currency, r.method, *var, *es, r.status)
            last = r.node_id
    return table


def _interval(lower: float | None, upper: float | None) -> str:
    low, high = ("?" if bound is None else f"{bound:,.0f}" for bound in (lower, upper))
    return "" if lower is upper is None else f"{low} to {high}"


def _date(ns: int | None) -> str:
    return "" if not ns else datetime.fromtimestamp(ns / 1e9, UTC).strftime("%a %d %b %Y")
