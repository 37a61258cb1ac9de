"""What every store checks alike: numbers refused at the edge, and rows compared bit for bit."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, LiteralString

import numpy as np

from risk_core.book import Fill
from risk_core.records import (
    BacktestResult,
    ChangePoint,
    DayCloseRow,
    Genesis,
    Record,
    RegimeModel,
    RegimeState,
    RiskResult,
    ScenarioRow,
    WatchRow,
)
from services.common.codec import MalformedRecord
from services.common.ports import Commit, DeadLetter, DeterminismError, FillRow, Job, Lease, LoggedEntry, Run

COMMITS_MAX = 256
"""Most commits one transaction may hold."""

RESULT_KEY = ("run_id", "node_id", "as_of_ns", "method", "horizon_days", "confidence", "revision")
DAY_CLOSE_KEY = RESULT_KEY
SCENARIO_KEY = ("run_id", "as_of_ns", "revision")
JOB_KEY = ("job_key",)
BACKTEST_KEY: tuple[LiteralString, ...] = (
    *("run_id", "node_id", "as_of_ns", "method", "horizon_days", "confidence", "outcome", "window_days", "revision"),
)
WATCH_KEYS: dict[type, tuple[str, ...]] = {
    RegimeState: ("run_id", "instrument_id", "as_of_ns", "revision"),
    RegimeModel: ("run_id", "instrument_id", "as_of_ns", "kind", "revision"),
    ChangePoint: ("run_id", "instrument_id", "as_of_ns", "detector", "revision"),
}

Row = RiskResult | DayCloseRow | ScenarioRow | Job | RegimeState | RegimeModel | ChangePoint | BacktestResult


def rows_of(commit: Commit) -> Iterator[Row]:
    """Yield every keyed row of a commit."""
    yield from commit.results
    yield from commit.day_closes
    yield from commit.scenario_rows
    yield from commit.jobs
    yield from commit.watched


def key_of(row: Row) -> tuple[object, ...]:
    """Return the primary key of a row."""
    key: tuple[object, ...] = _key_getters[type(row)](row)
    return key


def same_bits(a: object, b: object) -> bool:
    """Return whether two field values are equal; floats and arrays by their bits, so 0.0 and -0.0 differ."""
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def require_same(kept: Row, given: Row) -> None:
    """Raise DeterminismError naming table, key, column and both values unless the rows agree in every field."""
    for field in dataclasses.fields(given):
        before, now = getattr(kept, field.name), getattr(given, field.name)
        if not same_bits(before, now):
            raise determinism_error(type(given).__name__, _KEYS[type(given)], key_of(given), field.name, before, now)


def determinism_error(what: str, names: Sequence[str], key: Sequence[object], column: str, kept: object, given: object) -> DeterminismError:
    """Return the error for one column of one key that got two answers."""
    place = ", ".join(f"{name}={value!r}" for name, value in zip(names, key, strict=True))
    return DeterminismError(f"{what} ({place}): {column} is kept as {_shown(kept)} but is now {_shown(given)}")


def check_commits(commits: Sequence[Commit]) -> Lease:
    """Check a batch of commits before anything is written, and return its one lease.

    Raises
    ------
    ValueError
        An empty or oversize batch, more than one lease, rows of another run or shard, a fraction of a microsecond in a key, or a number
        that is not finite.
    """
    if not 0 < len(commits) <= COMMITS_MAX:
        raise ValueError(f"a batch holds 1 to {COMMITS_MAX} commits, not {len(commits)}")
    lease = commits[0].lease
    for commit in commits:
        if commit.lease != lease:
            raise ValueError(f"one batch, one lease: {commit.lease} is not {lease}")
        if commit.checkpoint.shard_id != lease.shard_id:
            raise ValueError(f"checkpoint of shard {commit.checkpoint.shard_id!r} under the lease of {lease.shard_id!r}")
        for job in commit.jobs:
            _check_place(job, commit.checkpoint.run_id)
        check_rows(commit.checkpoint.run_id, commit.results, commit.day_closes)
        for scenario in commit.scenario_rows:
            _check_place(scenario, commit.checkpoint.run_id)
            _check_scenario(scenario)
        for watched in commit.watched:
            _check_place(watched, commit.checkpoint.run_id)
            _check_leaves(watched)
    return lease


def check_rows(run_id: str, results: Sequence[RiskResult], day_closes: Sequence[DayCloseRow]) -> None:
    """Check rows before they are written.

    Raises
    ------
    ValueError
        Rows of another run, a fraction of a microsecond in a key, or a number that is not finite.
    """
    for result in results:
        _check_place(result, run_id)
        _check_finite(result, _RESULT_FLOATS)
        _check_measures(result)
    for day in day_closes:
        _check_place(day, run_id)
        _check_finite(day, _DAY_CLOSE_FLOATS)


def check_backtests(rows: Sequence[BacktestResult]) -> None:
    """Check rows before they are written: ValueError for a number that is not finite, or a fraction of a microsecond in a key."""
    for row in rows:
        _check_place(row, row.run_id)
        _check_leaves(row)


def _check_place(row: Row, run_id: str) -> None:
    if row.run_id != run_id:
        raise ValueError(f"{type(row).__name__} {key_of(row)} is not of the run {run_id!r}")
    if row.as_of_ns % 1000:
        raise ValueError(f"{type(row).__name__} {key_of(row)}: as_of must be whole microseconds, the resolution of timestamptz keys")


def check_entries(entries: Sequence[LoggedEntry], last_log_seq: int) -> None:
    """Check that entries follow each other and the last kept one without a gap; raise ValueError otherwise."""
    expected = min(entries[0].log_seq, last_log_seq + 1)
    if expected < 1:
        raise ValueError(f"log_seq counts from 1; {entries[0].log_seq} was given")
    for entry in entries:
        if entry.log_seq != expected:
            raise ValueError(f"log_seq {entry.log_seq} where {expected} was expected: records are kept without gaps")
        expected += 1


def unpacked(payload: bytes, decode: Callable[[bytes], Record]) -> Record | None:
    """Return the record of a payload, or None for one that the codec refuses: it is logged, so it is kept, and that is all."""
    try:
        return decode(payload)
    except MalformedRecord:
        return None


def fill_row(log_seq: int, ordinal: int, event_ns: int, fill: Fill) -> FillRow:
    """Return the row of a fill as accepted."""
    where = (fill.fill_id, fill.node_id, fill.instrument_id)
    return FillRow(log_seq, ordinal, event_ns, *where, fill.quantity, fill.price, fill.fees, None, None)


def genesis_of(run: Run, decode: Callable[[bytes], Record]) -> Genesis:
    """Return the genesis record that a run carries; raise ValueError if its bytes hold another kind of record."""
    body = decode(run.genesis).body
    if not isinstance(body, Genesis):
        raise ValueError(f"run {run.run_id}: its genesis bytes hold a {type(body).__name__} record")
    return body


def require_same_run(kept: Run, given: Run) -> None:
    """Raise DeterminismError unless a run is registered again just as it was."""
    plain = plain_run(given)
    for field in dataclasses.fields(Run):
        before, now = getattr(kept, field.name), getattr(plain, field.name)
        if before != now:
            raise determinism_error("runs", ("run_id",), (given.run_id,), field.name, before, now)


def plain_run(run: Run) -> Run:
    """Return the run as JSON gives it back: tuples become lists, and nothing is shared."""
    return dataclasses.replace(run, description=json.loads(json.dumps(dict(run.description), allow_nan=False)))


def plain_letter(letter: DeadLetter) -> DeadLetter:
    """Return the letter with texts that any database takes: NUL and lone surrogates are spelled out. The raw bytes stay."""

    def plain(text: str) -> str:
        return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()

    return dataclasses.replace(letter, reason=plain(letter.reason), detail=plain(letter.detail), source=plain(letter.source))


def _check_finite(row: RiskResult | DayCloseRow, names: tuple[str, ...]) -> None:
    values = _float_getters[type(row)](row)
    if math.isfinite(sum(v for v in values if v is not None)):  # the usual case in one test; a sum may overflow, so only the values decide
        return
    for name, value in zip(names, values, strict=True):
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{type(row).__name__} {key_of(row)}: {name} is {value}; give a status instead of a number that is not finite")


def _check_measures(row: RiskResult) -> None:
    for name, value in (row.measures or {}).items():
        if not math.isfinite(value):
            raise ValueError(f"RiskResult {key_of(row)}: measures[{name!r}] is {value}; leave out what has no number")


def _check_leaves(row: WatchRow | BacktestResult) -> None:
    for field in dataclasses.fields(row):
        bad = [v for v in _leaves(getattr(row, field.name)) if isinstance(v, float) and not math.isfinite(v)]
        if bad:
            raise ValueError(f"{type(row).__name__} {key_of(row)}: {field.name} holds {bad[0]}; give None and a status instead")


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _check_scenario(row: ScenarioRow) -> None:
    if row.shock.dtype != np.float64 or row.proxied.dtype != np.uint8 or row.shock.shape != row.proxied.shape or row.shock.ndim != 1:
        raise ValueError(f"ScenarioRow {key_of(row)}: shock must be float64[N] and proxied uint8[N] of the same length")
    if not np.isfinite(row.shock).all():
        at = int(np.flatnonzero(~np.isfinite(row.shock))[0])
        raise ValueError(f"ScenarioRow {key_of(row)}: shock[{at}] is {row.shock[at]}; a missing move comes from a proxy")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value!r} ({value.hex()})"
    if isinstance(value, np.ndarray | bytes):
        raw = value if isinstance(value, bytes) else value.tobytes()
        return f"{len(raw)} bytes {raw[:8].hex()}..."
    return repr(value)


def _floats(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if f.type in ("float", "float | None"))


_RESULT_FLOATS = _floats(RiskResult)
_DAY_CLOSE_FLOATS = _floats(DayCloseRow)
_float_getters = {RiskResult: attrgetter(*_RESULT_FLOATS), DayCloseRow: attrgetter(*_DAY_CLOSE_FLOATS)}
_KEYS: dict[type, tuple[str, ...]] = {
    RiskResult: RESULT_KEY,
    DayCloseRow: DAY_CLOSE_KEY,
    ScenarioRow: SCENARIO_KEY,
    Job: JOB_KEY,
    BacktestResult: BACKTEST_KEY,
    **WATCH_KEYS,
}
_key_getters: dict[type, Callable[[Any], Any]] = {
    RiskResult: attrgetter(*RESULT_KEY),
    DayCloseRow: attrgetter(*DAY_CLOSE_KEY),
    ScenarioRow: attrgetter(*SCENARIO_KEY),
    Job: lambda job: (job.job_key,),
    BacktestResult: attrgetter(*BACKTEST_KEY),
    **{kind: attrgetter(*names) for kind, names in WATCH_KEYS.items()},
}

WATCH_PAGE_KINDS: dict[type, tuple[type, ...]] = {RegimeState: (int,), RegimeModel: (int, str), ChangePoint: (int, str)}
HISTORY_PAGE_KEY = ("as_of_ns", "method", "horizon_days", "confidence", "revision")
HISTORY_PAGE_KINDS = (int, str, int, float, int)
FILL_PAGE_KEY = ("event_ns", "log_seq", "ordinal")
FILL_PAGE_KINDS = (int, int, int)


def history_page_key(row: RiskResult | DayCloseRow | BacktestResult) -> tuple[object, ...]:
    """Return what orders a node's rows on pages."""
    return row.as_of_ns, row.method, row.horizon_days, row.confidence, row.revision


def fill_page_key(row: FillRow) -> tuple[object, ...]:
    """Return what orders fills on pages."""
    return row.event_ns, row.log_seq, row.ordinal


def watch_page_key(row: WatchRow) -> tuple[object, ...]:
    """Return what orders an instrument's rows on pages: their key without run, instrument and revision."""
    return key_of(row)[2:-1]
