"""Newest numbers of all nodes, read from the snapshot cache once for everybody."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import msgspec

from services.api.context import CurrentRun, RunContext
from services.common.iso import iso_from_ns
from services.common.live_payload import MalformedPayload, live_json, live_log_seq
from services.common.ports import Clock, HistoryFilter, Queries, Snapshots, Unavailable
from services.common.snapshot_payload import LastClose, decode_final, last_close_of

CLOSE_RETRY_NS: Final = 5_000_000_000
"""Pause before history is asked again for a node's last close."""

CLOSES_MAX: Final = 10_000
"""Close events kept for the stream's next round."""

HISTORY_ROWS: Final = 100
"""Day closes asked for: more than methods times confidences of one day."""

logger = logging.getLogger("api")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class FinalPart:
    """A final payload, and what is shown of it. `close` is the JSON of the event that a day closed."""

    payload: bytes | None
    text: bytes = b"null"
    as_of_ns: int | None = None
    last_close: LastClose | None = None
    close: bytes | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One node: the live payload, the final part, and the snapshot's JSON made of them."""

    live: bytes | None
    final: FinalPart
    text: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a version of the board: snapshots by node, and day closes in order."""

    run_id: str
    version: int
    snapshots: dict[int, bytes]
    closes: tuple[bytes, ...]


@dataclass(slots=True)
class _State:
    run_id: str = ""
    version: int = 0
    shown: dict[int, Shown] = field(default_factory=dict)
    changed_at: dict[int, int] = field(default_factory=dict)
    closes: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=CLOSES_MAX))
    ask_again_ns: dict[int, int] = field(default_factory=dict)


class Board:
    """Polls the cache when somebody looks, at most once an interval.

    Every method raises Unavailable while the cache is away, and what `CurrentRun.get` raises.
    """

    def __init__(self, run: CurrentRun, snapshots: Snapshots, queries: Queries, clock: Clock, interval_seconds: float) -> None:
        self._run = run
        self._snapshots = snapshots
        self._queries = queries
        self._clock = clock
        self._interval_ns = int(interval_seconds * 1e9)
        self._lock = Lock()
        self._due_ns = 0
        self._state = _State()

    def all(self) -> bytes:
        """Return the JSON of all snapshots."""
        with self._lock:
            shown = self._fresh().shown.values()
            as_of_ns = max((s.final.as_of_ns for s in shown if s.final.as_of_ns is not None), default=None)
            as_of = None if as_of_ns is None else iso_from_ns(as_of_ns)
            return b'{"as_of":%b,"snapshots":[%b]}' % (_encode(as_of), b",".join(s.text for s in shown))

    def one(self, node_id: int) -> bytes:
        """Return the JSON of one snapshot; the node is one of the run's."""
        with self._lock:
            return self._fresh().shown[node_id].text

    def changes(self, since: int) -> Changes:
        """Return what changed after version `since`; everything for 0."""
        with self._lock:
            state = self._fresh()
            snapshots = {k: state.shown[k].text for k, at in state.changed_at.items() if at > since}
            closes = tuple(text for at, text in state.closes if at > since) if since else ()
            return Changes(state.run_id, state.version, snapshots, closes)

    # --------------------------------------------------------------- poll

    def _fresh(self) -> _State:
        context = self._run.get()
        now_ns = self._clock.now_ns()
        if context.run.run_id != self._state.run_id:
            self._state = _State(context.run.run_id)
            self._due_ns = now_ns
        if now_ns >= self._due_ns:
            self._poll(context, now_ns)
            self._due_ns = now_ns + self._interval_ns
        return self._state

    def _poll(self, context: RunContext, now_ns: int) -> None:
        found = self._snapshots.read(context.shard_of)
        state = self._state
        state.version += 1
        for node_id in context.nodes:
            payloads = found.get(node_id, {})
            live = payloads.get("live")
            before = state.shown.get(node_id)
            final = self._final(context, node_id, payloads.get("final"), before, now_ns)
            if before is not None and live == before.live and final is before.final:
                continue
            told = (node_id, _live_text(context, live), final.text, _encode(final.last_close))
            text = b'{"node_id":%d,"live":%b,"final":%b,"last_close":%b}' % told
            state.shown[node_id] = Shown(live, final, text)
            state.changed_at[node_id] = state.version
            if final.close is not None and before is not None and final.close != before.final.close:
                state.closes.append((state.version, final.close))

    def _final(self, context: RunContext, node_id: int, payload: bytes | None, before: Shown | None, now_ns: int) -> FinalPart:
        known = before.final if before is not None else FinalPart(None)
        lacking = known.as_of_ns is not None and known.last_close is None and now_ns >= self._state.ask_again_ns.get(node_id, 0)
        if payload == known.payload and not lacking:
            return known
        told = None
        try:
            told = decode_final(payload) if payload is not None else None
        except msgspec.DecodeError as error:
            logger.warning("final snapshot cannot be read", extra={"node_id": node_id, "error": str(error)})
        if told is None or told.final.log_seq < context.run.first_log_seq:
            return FinalPart(payload)
        last_close = told.last_close or known.last_close or self._close_from_history(context, node_id, now_ns)
        if payload == known.payload and last_close is None:
            return known
        close = None if told.close is None else b'{"node_id":%d,%b' % (node_id, _encode(told.close)[1:])
        return FinalPart(payload, _encode(told.final), int(told.final.as_of_ns), last_close, close)

    def _close_from_history(self, context: RunContext, node_id: int, now_ns: int) -> LastClose | None:
        """Ask for the last judged day: the payload of an intraday bucket does not carry it."""
        if now_ns < self._state.ask_again_ns.get(node_id, 0):
            return None
        self._state.ask_again_ns[node_id] = now_ns + CLOSE_RETRY_NS
        try:
            rows = self._queries.day_closes(HistoryFilter(context.run.run_id, node_id), HISTORY_ROWS).rows
        except Unavailable:
            return None
        order = {m: k for k, m in enumerate(context.configuration.methods)}
        newest = [r for r in rows if r.as_of_ns == rows[0].as_of_ns]
        return last_close_of(sorted(newest, key=lambda r: (order.get(r.method, len(order)), r.confidence)))


def _live_text(context: RunContext, live: bytes | None) -> bytes:
    """Return the JSON of live numbers; null for those of an older run, which stay in the cache until they are overwritten."""
    if live is None:
        return b"null"
    try:
        return live_json(live) if live_log_seq(live) >= context.run.first_log_seq else b"null"
    except MalformedPayload as error:
        logger.warning("live snapshot cannot be read", extra={"error": str(error)})
        return b"null"
