"""Nanosecond times as ISO-8601 text, and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

NS_PER_DAY: Final = 86_400_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NS_MAX: Final = 2**63 - 1


@lru_cache(maxsize=1024)
def iso_from_ns(time_ns: int) -> str:
    """Return UTC nanoseconds as `2024-05-01T20:00:00Z`, with microseconds where there are any; finer digits are cut off."""
    text = (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat()
    return text.replace("+00:00", "Z")


def ns_from_iso(text: str) -> int:
    """Return UTC nanoseconds of an ISO-8601 time or date.

    A date is its midnight, and a time without an offset is read as UTC.

    Raises
    ------
    ValueError
        For text that is neither, or a time that int64 nanoseconds cannot hold.
    """
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no ISO-8601 time or date such as 2024-05-01T20:00:00Z or 2024-05-01") from None
    time_ns = (time - _EPOCH) // timedelta(microseconds=1) * 1000
    if not -NS_MAX <= time_ns <= NS_MAX:
        raise ValueError(f"{text!r} lies outside the years 1678 to 2262 that nanoseconds can hold")
    return time_ns


def is_date(text: str) -> bool:
    """Return whether the text is a date without a time."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
