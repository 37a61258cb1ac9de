"""Pages by keyset: a cursor is the key of the last row seen, so a page costs the same at any depth and skips nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from services.common.ports import Page

PAGE_MAX: Final = 1000

T = TypeVar("T")


def check_limit(limit: int) -> None:
    """Raise ValueError unless a page of this size may be asked for."""
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"limit {limit} must lie between 1 and {PAGE_MAX}")


def encode_cursor(key: Sequence[object]) -> str:
    """Return a key as a cursor."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: Sequence[type]) -> tuple[object, ...]:
    """Return a cursor's key; raise ValueError unless its values are of these kinds."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        values = None
    if (
        not isinstance(values, list)
        or [type(v) for v in values] != list(kinds)
        or any(type(v) is int and not -(2**63) <= v < 2**63 for v in values)
    ):
        raise ValueError(f"cursor {cursor!r} is not one that this query gave; start without a cursor")
    return tuple(values)


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[object]]) -> Page[T]:
    """Return a page of up to `limit` of the rows found; one row more than that says that there is a next page."""
    shown = tuple(rows[:limit])
    return Page(shown, encode_cursor(key(shown[-1])) if len(rows) > limit else None)
