"""The board joins cache and history, keeps apart runs, and tells only what changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.api.board import CLOSE_RETRY_NS, Board
from services.api.context import CurrentRun
from services.common.ports import Run, Snapshot
from services.common.run_identity import line_of
from services.common.snapshot_payload import decode_final, encode_final
from tests.unit.api.small_run import SmallRun, small_run


@pytest.fixture
def run() -> SmallRun:
    return small_run(4)


def board_of(run: SmallRun) -> Board:
    return Board(CurrentRun(run.runs, run.clock, run.shard_count), run.snapshots, run.queries, run.clock, 0.1)


def told(board: Board) -> dict[int, Any]:
    return {s["node_id"]: s for s in json.loads(board.all())["snapshots"]}


def write(run: SmallRun, node_id: int, kind: Any, payload: bytes) -> None:
    """Put a payload into the cache, newer than all before."""
    order = (2**62, int(run.clock.ns))
    assert run.snapshots.write("0", 10**6, line_of(run.runs.latest()), kind, [Snapshot(node_id, order, payload)]) == 1  # type: ignore[union-attr]


def test_only_what_changed_is_told(run: SmallRun) -> None:
    board = board_of(run)
    first = board.changes(0)
    assert set(first.snapshots) == set(range(1, 8))
    assert first.closes == ()
    run.clock.sleep(1.0)
    assert board.changes(first.version).snapshots == {}
    live = run.snapshots.read({3: "0"})[3]["live"]
    write(run, 3, "live", live[:-1] + b" }")
    run.clock.sleep(1.0)
    second = board.changes(first.version)
    assert set(second.snapshots) == {3}
    assert set(board.changes(0).snapshots) == set(range(1, 8))


def test_the_cache_is_read_at_most_once_an_interval(run: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    board, reads = board_of(run), 0
    read = run.snapshots.read

    def counted(shard_of_node: Any) -> Any:
        nonlocal reads
        reads += 1
        return read(shard_of_node)

    monkeypatch.setattr(run.snapshots, "read", counted)
    for _ in range(20):
        board.all()
        board.one(1)
        board.changes(0)
        run.clock.sleep(0.01)
    assert reads == 2


def test_an_intraday_final_keeps_the_last_close(run: SmallRun) -> None:
    """Its payload carries none: it stays as known, or comes from history when the board is new."""
    known = board_of(run)
    before = told(known)[5]
    payload = run.snapshots.read({5: "0"})[5]["final"]
    final = decode_final(payload)
    rows = [r for r in run.stored() if r.node_id == 5 and str(r.as_of_ns) == final.final.as_of_ns and r.revision == final.final.revision]
    write(run, 5, "final", encode_final([replace(r, as_of_ns=r.as_of_ns + 60 * 10**9) for r in rows]))
    run.clock.sleep(1.0)
    assert decode_final(run.snapshots.read({5: "0"})[5]["final"]).last_close is None
    for board in (known, board_of(run)):
        after = told(board)[5]
        assert after["final"]["as_of"] > before["final"]["as_of"]
        assert after["last_close"] == before["last_close"]


def test_history_that_is_away_is_asked_again_for_the_last_close(run: SmallRun) -> None:
    before = told(board_of(run))[5]
    rows = [r for r in run.stored() if r.node_id == 5 and r.as_of_ns == max(x.as_of_ns for x in run.stored())]
    newest = [r for r in rows if r.revision == max(x.revision for x in rows)]
    write(run, 5, "final", encode_final(newest))
    board = board_of(run)
    board._run.get()
    run.database.available = False
    assert told(board)[5]["last_close"] is None
    run.database.available = True
    run.clock.sleep(1.0)
    assert told(board)[5]["last_close"] is None  # not asked again at once
    run.clock.ns += CLOSE_RETRY_NS
    assert told(board)[5]["last_close"] == before["last_close"]


def test_numbers_of_the_run_before_are_not_shown(run: SmallRun) -> None:
    board = board_of(run)
    assert told(board)[1]["live"] is not None
    known = run.runs.latest()
    assert known is not None
    run.runs.register(Run("another", known.run_id, known.genesis, {}, first_log_seq=10**6))
    run.clock.sleep(5.0)
    shown = told(board)
    assert all(s["live"] is None and s["final"] is None and s["last_close"] is None for s in shown.values())


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff\x00", b'{"final":null}', b'{"log_seq":"x"}', b"[]"])
def test_payloads_that_cannot_be_read_hide_one_part_of_one_node(run: SmallRun, payload: bytes) -> None:
    board = board_of(run)
    before = told(board)
    write(run, 2, "live", payload)
    write(run, 4, "final", payload)
    run.clock.sleep(1.0)
    after = told(board)
    assert after[2] == before[2] | {"live": None}
    assert after[4]["live"] == before[4]["live"]
    assert after[4]["final"] is None
    assert {k: v for k, v in after.items() if k not in (2, 4)} == {k: v for k, v in before.items() if k not in (2, 4)}
