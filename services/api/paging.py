"""Pages of the interface, oldest or newest first, over a store that reads newest first and gives so many rows at once."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from risk_core.records import DayCloseRow, RiskResult
from services.api.problems import invalid
from services.common.iso import NS_PER_DAY
from services.common.ports import HistoryFilter, Page

Row = TypeVar("Row", RiskResult, DayCloseRow)
Where = TypeVar("Where")
AnyRow = TypeVar("AnyRow")

STORE_ROWS: Final = 1_000
"""Rows that a store gives at once."""

WINDOWS_MAX: Final = 200
"""Windows of time looked at for one page; beyond, the page is short and its cursor goes on."""


class _Mark(msgspec.Struct, array_like=True):
    as_of_ns: int
    revision: int
    digest: str


_mark: Final = msgspec.json.Decoder(_Mark)


def oldest_first(
    fetch: Callable[[HistoryFilter, int, str | None], Page[Row]],
    where: HistoryFilter,
    limit: int,
    cursor: str | None,
    start_ns: int,
    spacing_ns: int,
) -> tuple[list[Row], str | None]:
    """Return up to `limit` rows of one method and confidence, oldest first, and the cursor of the rest.

    Reads windows of time from the start, each about one page of the store: every row is read about once.

    Parameters
    ----------
    fetch : callable
        `Queries.results` or `Queries.day_closes`.
    start_ns : int
        No row is older than this.
    spacing_ns : int
        Usual time between rows; 0 for one a day.
    """
    digest = _digest(where)
    after = (-1, -1) if cursor is None else _read(cursor, digest)
    newest = fetch(where, 1, None).rows
    if not newest:
        return [], None
    end_ns = newest[0].as_of_ns + 1
    at_ns = max(start_ns, where.from_ns if where.from_ns is not None else start_ns, after[0])
    width_ns = STORE_ROWS * (spacing_ns or NS_PER_DAY)
    rows: list[Row] = []
    for _ in range(WINDOWS_MAX):
        if at_ns >= end_ns or len(rows) > limit:
            break
        upto_ns = min(end_ns, at_ns + width_ns)
        found = _all(fetch, replace(where, from_ns=at_ns, to_ns=upto_ns))
        rows += [r for r in sorted(found, key=_place) if _place(r) > after]
        at_ns = upto_ns
        if len(found) < STORE_ROWS // 4:
            width_ns *= 2
        elif len(found) > STORE_ROWS:
            width_ns = width_ns // 2 + 1
    if len(rows) <= limit and at_ns >= end_ns:
        return rows, None
    place = _place(rows[limit - 1]) if len(rows) > limit else (at_ns, -1)
    return rows[:limit], _write(_Mark(*place, digest))


def newest_first(
    fetch: Callable[[Where, int, str | None], Page[AnyRow]], where: Where, limit: int, cursor: str | None
) -> tuple[list[AnyRow], str | None]:
    """Return up to `limit` rows as the store has them, newest first, and the cursor of the rest. A 422 problem for a bad cursor."""
    rows: list[AnyRow] = []
    while True:
        try:
            page = fetch(where, min(limit - len(rows), STORE_ROWS), cursor)
        except ValueError as error:
            raise invalid(f"cursor: {error}") from None
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None or len(rows) >= limit:
            return rows, cursor


def _all(fetch: Callable[[HistoryFilter, int, str | None], Page[Row]], where: HistoryFilter) -> list[Row]:
    page = fetch(where, STORE_ROWS, None)
    rows = list(page.rows)
    while page.next_cursor is not None:
        page = fetch(where, STORE_ROWS, page.next_cursor)
        rows += page.rows
    return rows


def _place(row: RiskResult | DayCloseRow) -> tuple[int, int]:
    return row.as_of_ns, row.revision


def _digest(where: HistoryFilter) -> str:
    """Return what a cursor belongs to."""
    return hashlib.sha256(repr(where).encode()).hexdigest()[:12]


def _write(mark: _Mark) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(mark)).decode().rstrip("=")


def _read(cursor: str, digest: str) -> tuple[int, int]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark = _mark.decode(raw)
    except (binascii.Error, ValueError):
        raise invalid("cursor: give back a next_cursor of this interface as it was") from None
    if mark.digest != digest:
        raise invalid("cursor: it belongs to another query; repeat the one that gave it, or leave the cursor out")
    return mark.as_of_ns, mark.revision
