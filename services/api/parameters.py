"""Parameters that several routes share."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from fastapi import Path, Query

from services.api.problems import invalid
from services.common.iso import NS_PER_DAY, is_date, ns_from_iso

ITEMS_MAX = 10_000
EXACT_DIGITS = 15
"""A number of so many digits is nanoseconds, not a date."""

NodePath: TypeAlias = Annotated[int, Path(ge=1, lt=2**63, description="Node of the book", examples=[1])]
MethodQuery: TypeAlias = Annotated[
    str | None, Query(max_length=100, description="Method; the run's first when left out", examples=["historical"])
]
ConfidenceQuery: TypeAlias = Annotated[
    float | None, Query(gt=0.5, lt=1.0, description="Confidence; the one nearest 0.99 when left out", examples=[0.99])
]
FromQuery: TypeAlias = Annotated[
    str | None,
    Query(alias="from", max_length=40, description="First time or date, ISO-8601 or nanoseconds, inclusive", examples=["2024-01-01"]),
]
ToQuery: TypeAlias = Annotated[
    str | None,
    Query(alias="to", max_length=40, description="End: a date includes its whole day, a time is exclusive", examples=["2024-06-30"]),
]
LimitQuery: TypeAlias = Annotated[int, Query(ge=1, le=ITEMS_MAX, description="Most items of a page")]
CursorQuery: TypeAlias = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")]
AsOfQuery: TypeAlias = Annotated[
    str | None, Query(max_length=40, description="Exact as_of; the newest when left out", examples=["2024-05-01T20:00:00Z"])
]
Revisions: TypeAlias = Annotated[Literal["newest", "all"], Query(description="What counts now, or also what corrections replaced")]


def time_ns(name: str, text: str | None, end: bool = False) -> int | None:
    """Return a time parameter as nanoseconds; for an `end`, a date means the midnight after it. Raises a 422 problem."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) >= EXACT_DIGITS:
        exact = int(text)
        if exact >= 2**63:
            raise invalid(f"{name} = {text}: beyond 64-bit nanoseconds")
        return exact
    try:
        found = ns_from_iso(text.replace(" ", "+"))  # a plus sign in a query arrives as a space
        return found + NS_PER_DAY if end and is_date(text) else found
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


def time_range(from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """Return (from_ns, to_ns) of a range; raise a 422 problem when it runs backwards."""
    from_ns, to_ns = time_ns("from", from_), time_ns("to", to, end=True)
    if from_ns is not None and to_ns is not None and from_ns > to_ns:
        raise invalid(f"from {from_} is after to {to}")
    return from_ns, to_ns
