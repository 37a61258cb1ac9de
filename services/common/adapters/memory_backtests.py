"""Zones in memory, and what is due: the twin of the tables."""

from __future__ import annotations

from collections.abc import Sequence

from risk_core.records import BacktestResult
from services.common.adapters.memory_stores import MemoryDatabase
from services.common.adapters.rows import check_backtests, key_of
from services.common.ports import DueBacktest


class MemoryBacktests:
    """See `Backtests`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def due(self, limit: int) -> list[DueBacktest]:
        """Return what is due, if no other worker has it."""
        self._database.require()
        if self._database.backtester not in (None, self):
            return []
        self._database.backtester = self
        found: dict[tuple[str, int, str], tuple[int, tuple[int, ...]]] = {}
        for due_id, (run_id, node_id, method, from_ns) in sorted(self._database.backtests_due.items())[:limit]:
            before, ids = found.get((run_id, node_id, method), (from_ns, ()))
            found[run_id, node_id, method] = min(before, from_ns), (*ids, due_id)
        return [DueBacktest(*key, *value) for key, value in found.items()]

    def keep(self, due: Sequence[DueBacktest], rows: Sequence[BacktestResult]) -> None:
        """Keep rows and forget what was due."""
        check_backtests(rows)
        self._database.require()
        table = self._database.backtests
        table.update({key_of(row): row for row in rows})
        for due_id in (k for d in due for k in d.due_ids):
            self._database.backtests_due.pop(due_id, None)

    def waiting(self) -> int:
        """Return how many notes wait."""
        self._database.require()
        return len(self._database.backtests_due)

    def close(self) -> None:
        """Let go of what is due. Idempotent."""
        if self._database.backtester is self:
            self._database.backtester = None
