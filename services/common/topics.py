"""Names and retention of every topic: one table that the adapters, the set-up and the documentation read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a broker keeps what was read; whichever bound is met first ends it. `UNLIMITED` lifts one.

    `backlog_mebibytes` bounds what a slow subscription may keep waiting; beyond it `backlog_policy` says whether the
    producer is refused or the subscription loses its oldest messages. A broker wants it below `mebibytes`.
    """

    minutes: int
    mebibytes: int
    backlog_mebibytes: int
    backlog_policy: str


LOG_FOR_EVER: Final = Retention(UNLIMITED, UNLIMITED, UNLIMITED, "producer_exception")

NAMESPACES: Final[Mapping[str, Retention]] = MappingProxyType(
    {
        "input": LOG_FOR_EVER,
        "market": Retention(24 * 60, 10_240, 8_192, "producer_exception"),
        "book": Retention(7 * 24 * 60, 10_240, 8_192, "producer_exception"),
        "analytics": Retention(7 * 24 * 60, 10_240, 8_192, "consumer_backlog_eviction"),
    }
)
"""A namespace is a retention policy. A stranger who never reads analytics must not stop the risk worker; a fill must not be lost."""

DEAD_LETTERS_RETENTION: Final = Retention(30 * 24 * 60, 1_024, 512, "consumer_backlog_eviction")

TOPICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "log": "input/log",
        "dead_letters": "input/dead_letters",
        "ticks": "market/ticks",
        "fills": "book/fills",
        "results": "analytics/results",
        "day_closes": "analytics/day_closes",
        "zones": "analytics/zones",
        "breaches": "analytics/breaches",
        "regimes": "analytics/regimes",
        "change_points": "analytics/change_points",
    }
)
"""Short name, as the services use it, to namespace and topic within the tenant. None is partitioned."""

SUBSCRIPTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"fills": ("ingest",), "ticks": ("ingest",)})
"""Durable subscriptions that must exist before anyone publishes."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Full addresses of one tenant's topics."""

    tenant: str

    def address(self, name: str) -> str:
        """Return `persistent://tenant/namespace/topic` of a short name; ValueError for an unknown one."""
        if name not in TOPICS:
            raise ValueError(f"topic {name!r} is unknown; there are {', '.join(TOPICS)}")
        return f"persistent://{self.tenant}/{TOPICS[name]}"
