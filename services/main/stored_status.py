"""Where a run stands, read from the stores: for processes that only serve."""

from __future__ import annotations

import time

from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import Genesis
from services.common.codec import decode
from services.common.config import Settings
from services.common.ports import HistoryCounts, Queries, RunStore
from services.common.status import RunStatus

RATE_SECONDS = 2.0
COUNTING_SHARE = 0.05
"""Of the time; a long history takes long to count."""


class StoredStatus:
    """Reads the newest run and its newest results."""

    def __init__(self, settings: Settings, runs: RunStore, queries: Queries) -> None:
        self._settings = settings
        self._runs = runs
        self._queries = queries
        self._counted = (0.0, 0, 0.0)
        self._counts: tuple[str, HistoryCounts] | None = None
        self._count_again = 0.0

    def read(self, exactly: bool = False) -> RunStatus:
        """Return the status, its counts a little old unless `exactly`. Raises Unavailable while the stores are away."""
        if exactly:
            self._counts = None
        run = self._runs.latest()
        if run is None:
            return self._status("", "starting", None, None, 0, 0, 0, 0)
        genesis = decode(run.genesis).body
        assert isinstance(genesis, Genesis)
        counts = self._count(run.run_id)
        configuration = ModelConfiguration.from_json(genesis.configuration)
        streamed = {m.name for m in configuration.streamed}
        newest = [r for r in self._queries.latest_results(run.run_id) if r.method in streamed]
        as_of = min((r.as_of_ns for r in newest), default=None)
        rows_a_day = len(newest) * len(configuration.methods) // len(streamed)
        days = counts.results // rows_a_day if rows_a_day else 0
        state = "running" if newest else "seeding"
        return self._status(run.run_id, state, as_of, genesis.emit_from_ns, days, counts.results, counts.log_records, counts.scenario_rows)

    def _count(self, run_id: str) -> HistoryCounts:
        began = time.monotonic()
        if self._counts is None or self._counts[0] != run_id or began >= self._count_again:
            self._counts = run_id, self._queries.counts(run_id)
            ended = time.monotonic()
            self._count_again = ended + (ended - began) / COUNTING_SHARE
        return self._counts[1]

    def _status(
        self, run_id: str, state: str, as_of_ns: int | None, first_ns: int | None, days: int, results: int, log_seq: int, seeded: int
    ) -> RunStatus:
        return RunStatus(
            run_id=run_id,
            profile=self._settings.profile,
            mode="live" if self._settings.live.enabled else "replay",
            state=state,
            as_of_ns=as_of_ns,
            first_ns=first_ns,
            last_ns=None,
            days_done=days,
            days_total=None,
            seed_done=min(seeded, self._settings.model.window),
            seed_total=self._settings.model.window,
            speed=self._settings.replay.speed,
            days_per_second=self._rate(days),
            log_seq=log_seq,
            ticks=0,
            results=results,
            late=0,
        )

    def _rate(self, days: int) -> float:
        now = time.monotonic()
        since, before, rate = self._counted
        if now - since >= RATE_SECONDS:
            rate = max(days - before, 0) / (now - since) if since else 0.0
            self._counted = (now, days, rate)
        return self._counted[2]
