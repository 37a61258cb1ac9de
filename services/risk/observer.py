"""What a risk worker tells about itself; `services.common.metrics.Metrics` is one that listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from risk_core.book import Instrument, Node
from risk_core.records import DayCloseRow, RiskResult, WatchRow


class Observer(Protocol):
    """Listens to a worker. Called once a batch or bucket, from the reading and the finishing thread."""

    def book(self, nodes: Sequence[Node]) -> None:
        """A run began, with these nodes."""

    def instruments(self, instruments: Sequence[Instrument]) -> None:
        """A run began, with these instruments."""

    def ticks(self, count: int) -> None:
        """Ticks were folded."""

    def late(self, count: int) -> None:
        """Ticks came after their bucket closed."""

    def rejected(self, reason: str, count: int = 1) -> None:
        """Log entries could not be read."""

    def watermark(self, watermark_ns: int, run_clock_ns: int) -> None:
        """Event time is complete to here."""

    def log_seq(self, log_seq: int) -> None:
        """Entries are folded to here."""

    def live(self, latency_seconds: float) -> None:
        """A batch's live numbers are visible, so long after it was read."""

    def checkpoint(self, duration_seconds: float) -> None:
        """A bucket was made durable."""

    def results(self, rows: Sequence[RiskResult]) -> None:
        """Results became durable."""

    def day_closes(self, rows: Sequence[DayCloseRow]) -> None:
        """Days were judged."""

    def watched(self, rows: Sequence[WatchRow]) -> None:
        """Regimes, their models and change points became durable."""

    def pending_finals(self, count: int) -> None:
        """So many buckets wait."""

    def shard_epoch(self, shard_id: str, epoch: int) -> None:
        """A shard was taken under an epoch, or lost (0)."""

    def snapshot_error(self) -> None:
        """The cache did not answer."""

    def history_error(self) -> None:
        """The store did not answer."""


class Silent(Observer):
    """Listens to nothing."""
