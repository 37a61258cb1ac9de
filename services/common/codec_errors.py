"""What is said of a payload that cannot be read."""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["truncated", "oversize", "garbage", "checksum", "unknown_version", "unknown_body", "bad_value"]
"""Why a payload is refused: the closed set that dead letters and their metric are labelled with."""


class MalformedRecord(Exception):
    """A payload that is no record or message of ours. `reason` is for machines, `detail` for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail
