"""Sources that send as things happen: promises from event times, heartbeats when idle, closed when silent."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.config import LiveSettings
from services.common.ports import Clock
from services.ingest.ingest import NS_PER_SECOND, Ingest
from services.ingest.log_state import SourceState
from services.ingest.payloads import read_ticks


@dataclass(slots=True)
class _Live:
    source: SourceState
    newest_ns: int
    heard_ns: int
    sent_ns: int


class LiveSources:
    """Drives live sources through one `Ingest`; call `step` at least once a heartbeat.

    Parameters
    ----------
    clock : Clock
        The run's.
    limits : LiveSettings
        How late, idle and silent a source may be.
    """

    def __init__(self, ingest: Ingest, clock: Clock, limits: LiveSettings) -> None:
        self._ingest = ingest
        self._clock = clock
        self._limits = limits
        self._live: dict[str, _Live] = {}

    def receive(self, name: str, payload: bytes) -> int:
        """Take one payload of ticks; return how many were logged. A source that was closed opens again."""
        live = self._joined(name)
        live.heard_ns = self._clock.now_ns()
        ticks, rejections = read_ticks(payload)
        self._ingest.refuse(live.source, rejections)
        self._ingest.stop_if_broken(live.source, rejections, accepted=0)
        latest_ns = live.heard_ns + self._ingest.future_ns
        plausible_ns = ticks.event_ns[ticks.event_ns <= latest_ns]
        if len(plausible_ns):
            live.newest_ns = max(live.newest_ns, int(plausible_ns.max()))
        taken = self._ingest.ticks(live.source, ticks, live.newest_ns - self._lateness_ns)
        if taken:
            live.sent_ns = live.heard_ns
        return taken

    def step(self) -> None:
        """Send heartbeats that are due, and close sources that fell silent."""
        now_ns = self._clock.now_ns()
        for live in self._live.values():
            if not live.source.open:
                continue
            if now_ns - live.heard_ns >= self._limits.silent_seconds * NS_PER_SECOND:
                self._ingest.close(live.source)
            elif now_ns - live.sent_ns >= self._limits.heartbeat_seconds * NS_PER_SECOND:
                self._ingest.heartbeat(live.source, now_ns - self._lateness_ns)
                live.sent_ns = now_ns

    @property
    def _lateness_ns(self) -> int:
        return round(self._limits.lateness_seconds * NS_PER_SECOND)

    def _joined(self, name: str) -> _Live:
        now_ns = self._clock.now_ns()
        if name not in self._live:
            self._live[name] = _Live(self._ingest.source(name), 0, now_ns, now_ns)
        live = self._live[name]
        if not live.source.open:
            self._ingest.open(name, now_ns - self._lateness_ns)
        return live
