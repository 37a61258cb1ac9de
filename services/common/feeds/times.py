"""Times as text, exact to the nanosecond, and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso_of_ns(event_ns: int) -> str:
    """Return ISO-8601 UTC of nanoseconds since the epoch, with as much of a fraction as there is."""
    seconds, fraction = divmod(event_ns, NS_PER_SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{fraction:09d}".rstrip("0") if fraction else "") + "Z"


def parse_time(text: str) -> date | int | None:
    """Return a date, nanoseconds of a time with an offset, or None when the text is neither."""
    try:
        if len(text) <= 10:
            return date.fromisoformat(text)
        whole, nanoseconds = _split_fraction(text)
        at = datetime.fromisoformat(whole)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    return int((at.astimezone(UTC) - _EPOCH) // timedelta(seconds=1)) * NS_PER_SECOND + nanoseconds


def _split_fraction(text: str) -> tuple[str, int]:
    """Return the text without its fraction of a second, and the fraction in nanoseconds: datetime keeps only six digits."""
    head, point, tail = text.partition(".")
    if not point:
        return text, 0
    digits = len(tail) - len(tail.lstrip("0123456789"))
    if not 1 <= digits <= 9:
        raise ValueError(text)
    return head + tail[digits:], int(tail[:digits].ljust(9, "0"))
