"""A suite as a table: plain text, for a terminal with colours, and HTML."""

from __future__ import annotations

from html import escape
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from risk_core.uncertainty import Interval

if TYPE_CHECKING:
    from risk_core.suite.suite import SuiteRow, VarSuite

HEADINGS: Final = ("method", "confidence", "VaR", "interval", "ES", "interval", "status", "ms")
LEFT: Final = (0, 6)
"""Columns of words."""


def cells(suite: VarSuite) -> list[tuple[str, ...]]:
    """Return the table's cells as text, one tuple a row; a method is named in its first row only."""
    digits = _digits([abs(r.expected_shortfall) for r in suite.rows])
    return [_cells(row, digits, place == 0) for _, rows in groupby(suite.rows, key=lambda r: r.method) for place, row in enumerate(rows)]


def as_text(suite: VarSuite) -> str:
    """Return aligned text."""
    lines = [HEADINGS, *cells(suite)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADINGS))]
    shown = [
        "  ".join(c.ljust(w) if k in LEFT else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True))) for line in lines
    ]
    return "\n".join([_title(suite), *(line.rstrip() for line in shown)])


def as_rich(suite: VarSuite) -> Any:
    """Return a rich table. Called by rich itself, so it is there."""
    table = import_module("rich.table").Table(title=_title(suite))
    for k, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if k in LEFT else "right")
    for line in cells(suite):
        table.add_row(*line)
    return table


def as_html(suite: VarSuite) -> str:
    """Return an HTML table; the reason of a status is its tooltip."""
    head = "".join(f"<th>{escape(h)}</th>" for h in HEADINGS)
    body = []
    for row, line in zip(suite.rows, cells(suite), strict=True):
        shown = [f'<td style="text-align:{"left" if k in LEFT else "right"}">{escape(c)}</td>' for k, c in enumerate(line)]
        body.append(f'<tr title="{escape(row.reason)}">{"".join(shown)}</tr>')
    return f"<table><caption>{escape(_title(suite))}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _title(suite: VarSuite) -> str:
    asked = any(r.value_at_risk_interval is not None for r in suite.rows)
    return f"Value at risk and expected shortfall, {suite.pnl.size} scenarios" + (f", {suite.level:.0%} intervals" if asked else "")


def _cells(row: SuiteRow, digits: int, first: bool) -> tuple[str, ...]:
    return (
        row.label if first else "",
        f"{row.confidence:.4g}",
        f"{row.value_at_risk:,.{digits}f}",
        _between(row.value_at_risk_interval, digits),
        f"{row.expected_shortfall:,.{digits}f}",
        _between(row.expected_shortfall_interval, digits),
        row.status,
        f"{1e3 * row.seconds:,.0f}" if first else "",
    )


def _between(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    lower, upper = ("?" if end is None else f"{end:,.{digits}f}" for end in (interval.lower, interval.upper))
    return f"{lower} .. {upper}"


def _digits(sizes: list[float]) -> int:
    """Return decimals that show about four significant digits of the largest number."""
    largest = max(sizes, default=0.0)
    digits = 4
    while digits and largest >= 10.0 ** (4 - digits):
        digits -= 1
    return 8 if 0.0 < largest < 0.01 else digits
