"""Stores in memory, with the semantics of the servers: the twins that the simulation and the contract suites run.

One `MemoryDatabase` stands for one PostgreSQL server: the stores over it share its clock, its `shards` table and its
outages (`available`). Nothing handed in or out is shared with the caller.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from risk_core.book import Book
from risk_core.records import BacktestResult, DayCloseRow, FillCorrection, Fills, Genesis, Record, RiskResult, ScenarioRow, WatchRow
from services.common.adapters.rows import (
    WATCH_KEYS,
    Row,
    check_commits,
    check_entries,
    check_rows,
    determinism_error,
    fill_row,
    genesis_of,
    key_of,
    plain_letter,
    plain_run,
    require_same,
    require_same_run,
    rows_of,
    unpacked,
)
from services.common.ports import (
    KEPT_BY_JOBS,
    Checkpoint,
    Clock,
    Commit,
    DeadLetter,
    Fenced,
    FillRow,
    Job,
    Lease,
    LoggedEntry,
    Run,
    Unavailable,
)

Key = tuple[object, ...]


@dataclass(slots=True)
class _Shard:
    owner: str | None
    epoch: int
    lease_until_ns: int


@dataclass(slots=True)
class MemoryDatabase:
    """The tables of one server, and whether it answers."""

    clock: Clock
    available: bool = True
    shards: dict[str, _Shard] = field(default_factory=dict)
    results: dict[Key, RiskResult] = field(default_factory=dict)
    day_closes: dict[Key, DayCloseRow] = field(default_factory=dict)
    scenario_rows: dict[Key, ScenarioRow] = field(default_factory=dict)
    watched: dict[type, dict[Key, WatchRow]] = field(default_factory=lambda: {kind: {} for kind in WATCH_KEYS})
    backtests: dict[Key, BacktestResult] = field(default_factory=dict)
    backtests_due: dict[int, tuple[str, int, str, int]] = field(default_factory=dict)
    backtester: object | None = None
    notes: int = 0
    jobs: dict[Key, Job] = field(default_factory=dict)
    jobs_done: set[Key] = field(default_factory=set)
    job_shards: dict[tuple[str, str], MemoryJobs] = field(default_factory=dict)
    shard_of_row: dict[tuple[type, Key], str] = field(default_factory=dict)
    checkpoints: dict[tuple[str, str], dict[tuple[int, int], Checkpoint]] = field(default_factory=dict)
    log_records: list[LoggedEntry] = field(default_factory=list)
    fills: dict[tuple[int, int, int, int], FillRow] = field(default_factory=dict)
    line: int = 0
    runs: dict[str, Run] = field(default_factory=dict)
    books: dict[str, Book] = field(default_factory=dict)
    dead_letters: deque[DeadLetter] = field(default_factory=deque)

    def judged(self, rows: Sequence[DayCloseRow]) -> None:
        """Note as due what was added to the judged days."""
        first: dict[tuple[str, int, str], int] = {}
        for row in rows:
            key = (row.run_id, row.node_id, row.method)
            first[key] = min(row.as_of_ns, first.get(key, row.as_of_ns))
        for key, from_ns in sorted(first.items()):
            self.notes += 1
            self.backtests_due[self.notes] = (*key, from_ns)

    def require(self) -> None:
        """Raise Unavailable while the server is away."""
        if not self.available:
            raise Unavailable("the database is away")


class MemoryLeases:
    """Leases on the database's clock."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
        """Take a free, expired or own shard with epoch + 1."""
        self._database.require()
        shard = self._database.shards.get(shard_id)
        now_ns = self._database.clock.now_ns()
        if shard is not None and shard.owner not in (None, owner) and shard.lease_until_ns > now_ns:
            return None
        epoch = 1 if shard is None else shard.epoch + 1
        self._database.shards[shard_id] = _Shard(owner, epoch, now_ns + _ns(ttl_seconds))
        return Lease(shard_id, owner, epoch)

    def renew(self, lease: Lease, ttl_seconds: float) -> bool:
        """Extend while the epoch stands."""
        self._database.require()
        if not _stands(self._database, lease):
            return False
        self._database.shards[lease.shard_id].lease_until_ns = self._database.clock.now_ns() + _ns(ttl_seconds)
        return True

    def release(self, lease: Lease) -> None:
        """Give back; the epoch stays, so that the next owner's is higher."""
        self._database.require()
        if _stands(self._database, lease):
            self._database.shards[lease.shard_id].owner = None


class MemoryResultStore:
    """Final numbers, checkpoints and scenario rows."""

    def __init__(self, database: MemoryDatabase, checkpoint_keep_days: int = 260) -> None:
        self._database = database
        self._keep_days = checkpoint_keep_days

    def commit(self, commit: Commit) -> None:
        """Write one bucket."""
        self.commit_many((commit,))

    def commit_many(self, commits: Sequence[Commit]) -> None:
        """Write buckets of one lease in one transaction."""
        lease = check_commits(commits)
        self._database.require()
        if not _stands(self._database, lease):
            raise Fenced(f"shard {lease.shard_id!r}: epoch {lease.epoch} of {lease.owner!r} no longer stands")
        new: dict[tuple[type, Key], Row] = {}
        for commit in commits:
            for row in rows_of(commit):
                key = (type(row), key_of(row))
                kept = new.get(key) or self._table(type(row)).get(key[1])
                if kept is None:
                    new[key] = _copied(row)
                else:
                    require_same(kept, row)
        for (kind, key_values), row in new.items():
            self._table(kind)[key_values] = row
        self._database.judged([row for row in new.values() if isinstance(row, DayCloseRow)])
        for commit in commits:
            for result in commit.results:
                self._database.shard_of_row[RiskResult, key_of(result)] = lease.shard_id
            for day in commit.day_closes:
                self._database.shard_of_row[DayCloseRow, key_of(day)] = lease.shard_id
            for row in commit.watched:
                self._database.shard_of_row[type(row), key_of(row)] = lease.shard_id
            self._keep(commit.checkpoint)

    def latest_checkpoint(self, run_id: str, shard_id: str) -> Checkpoint | None:
        """Return the newest by (log_seq, as_of)."""
        return max(self._checkpoints(run_id, shard_id), key=_age, default=None)

    def checkpoint_before(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest day close strictly before."""
        before = (c for c in self._checkpoints(run_id, shard_id) if c.day_close and c.as_of_ns < as_of_ns)
        return max(before, key=lambda c: (c.as_of_ns, c.log_seq), default=None)

    def checkpoint_at(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest at exactly this as_of."""
        return max((c for c in self._checkpoints(run_id, shard_id) if c.as_of_ns == as_of_ns), key=_age, default=None)

    def scenario_rows(self, run_id: str, through_ns: int, through_log_seq: int, count: int) -> list[ScenarioRow]:
        """Return the last rows known by then."""
        self._database.require()
        newest: dict[int, ScenarioRow] = {}
        for row in sorted(self._database.scenario_rows.values(), key=lambda r: (r.as_of_ns, r.revision)):
            if row.run_id == run_id and row.as_of_ns <= through_ns and row.log_seq <= through_log_seq:
                newest[row.as_of_ns] = row
        return [_copied_scenario(newest[as_of_ns]) for as_of_ns in sorted(newest)[-count:]] if count > 0 else []

    def committed_results(self, run_id: str, shard_id: str, as_of_ns: int) -> tuple[list[RiskResult], list[DayCloseRow]]:
        """Return the rows of a bucket, in the order of their keys."""
        self._database.require()

        def mine(row: RiskResult | DayCloseRow) -> bool:
            shard = self._database.shard_of_row[type(row), key_of(row)]
            return row.run_id == run_id and row.as_of_ns == as_of_ns and shard == shard_id

        results = sorted((r for r in self._database.results.values() if mine(r)), key=key_of)
        return results, sorted((d for d in self._database.day_closes.values() if mine(d)), key=key_of)

    def committed_watched(self, run_id: str, shard_id: str, as_of_ns: int) -> list[WatchRow]:
        """Return the rows about instruments of a bucket, by kind and key."""
        self._database.require()
        shards = self._database.shard_of_row
        rows = [row for table in self._database.watched.values() for _, row in sorted(table.items(), key=lambda item: item[0])]
        return [r for r in rows if (r.run_id, r.as_of_ns, shards[type(r), key_of(r)]) == (run_id, as_of_ns, shard_id)]

    def _checkpoints(self, run_id: str, shard_id: str) -> list[Checkpoint]:
        self._database.require()
        return list(self._database.checkpoints.get((run_id, shard_id), {}).values())

    def _keep(self, checkpoint: Checkpoint) -> None:
        kept = self._database.checkpoints.setdefault((checkpoint.run_id, checkpoint.shard_id), {})
        kept[checkpoint.as_of_ns, checkpoint.log_seq] = checkpoint
        newest = max(kept.values(), key=_age)
        closes = sorted({c.as_of_ns for c in kept.values() if c.day_close})[-self._keep_days :]
        for place, old in list(kept.items()):
            if old is not newest and not (old.day_close and old.as_of_ns in closes):
                del kept[place]

    def _table(self, kind: type) -> dict[Key, Row]:
        tables: dict[type, object] = {
            RiskResult: self._database.results,
            DayCloseRow: self._database.day_closes,
            ScenarioRow: self._database.scenario_rows,
            Job: self._database.jobs,
            **self._database.watched,
        }
        return tables[kind]  # type: ignore[return-value]


class MemoryJobs:
    """The queue of heavy evaluations. `line` returns a run and those it goes on from."""

    def __init__(self, database: MemoryDatabase, line: Callable[[str], Sequence[str]] = lambda run_id: (run_id,)) -> None:
        self._database = database
        self._line = line

    def take(self, run_ids: Sequence[str]) -> Job | None:
        """Return the oldest job of a shard that is free."""
        self._database.require()
        free = [job for key, job in self._database.jobs.items() if key not in self._database.jobs_done and job.run_id in run_ids]
        for job in sorted(free, key=lambda job: (job.as_of_ns, list(self._database.jobs).index(key_of(job)))):
            if self._database.job_shards.get((job.run_id, job.shard_id), self) is self:
                self._database.job_shards[job.run_id, job.shard_id] = self
                return job
        return None

    def forecasts(self, job: Job, as_of_ns: int, methods: Sequence[str]) -> list[RiskResult]:
        """Return rows of the line of the job's run."""
        self._database.require()
        line = self._line(job.run_id)
        rows = self._database.results.values()
        return [r for r in rows if r.run_id in line and r.as_of_ns == as_of_ns and r.method in methods]

    def keep(self, job: Job, results: Sequence[RiskResult], day_closes: Sequence[DayCloseRow]) -> None:
        """Keep rows, all or none."""
        check_rows(job.run_id, results, day_closes)
        self._database.require()
        tables: list[tuple[dict[Key, Any], Sequence[Row]]] = [(self._database.results, results), (self._database.day_closes, day_closes)]
        for table, rows in tables:
            for row in rows:
                if key_of(row) in table:
                    require_same(table[key_of(row)], row)
        self._database.judged([row for row in day_closes if key_of(row) not in self._database.day_closes])
        for table, rows in tables:
            for row in rows:
                table[key_of(row)] = row
                self._database.shard_of_row[type(row), key_of(row)] = KEPT_BY_JOBS

    def done(self, job: Job) -> None:
        """Mark, forget older ones that are done, and let the shard go."""
        self._database.require()
        self._database.jobs_done.add(key_of(job))
        for key in [key for key in self._database.jobs_done if key in self._database.jobs]:
            other = self._database.jobs[key]
            if (other.run_id, other.shard_id) == (job.run_id, job.shard_id) and other.as_of_ns < job.as_of_ns:
                del self._database.jobs[key]
                self._database.jobs_done.discard(key)
        self.leave()

    def leave(self) -> None:
        """Let the shard go."""
        self._database.job_shards = {k: v for k, v in self._database.job_shards.items() if v is not self}

    def waiting(self, run_id: str) -> int:
        """Return how many jobs are not done."""
        self._database.require()
        return sum(job.run_id == run_id and key not in self._database.jobs_done for key, job in self._database.jobs.items())


class MemoryLogStore:
    """The log of record. `decode` reads a payload (the codec's); one it refuses is kept, but not unpacked."""

    def __init__(self, database: MemoryDatabase, decode: Callable[[bytes], Record]) -> None:
        self._database = database
        self._decode = decode

    def last_log_seq(self) -> int:
        """Return the number of records kept."""
        self._database.require()
        return len(self._database.log_records)

    def last_position(self) -> bytes | None:
        """Return the last record's position."""
        self._database.require()
        return self._database.log_records[-1].position if self._database.log_records else None

    def record(self, entries: Sequence[LoggedEntry]) -> None:
        """Keep entries."""
        self._database.require()
        if not entries:
            return
        kept = self._database.log_records
        check_entries(entries, len(kept))
        for entry in entries:
            if entry.log_seq <= len(kept) and kept[entry.log_seq - 1].payload != entry.payload:
                before = kept[entry.log_seq - 1].payload
                raise determinism_error("log_records", ("log_seq",), (entry.log_seq,), "payload", before, entry.payload)
        new = [(entry, unpacked(entry.payload, self._decode)) for entry in entries if entry.log_seq > len(kept)]
        for entry, record in new:
            kept.append(entry)
            if record is not None:
                self._unpack(entry.log_seq, record)

    def entries(self, after_log_seq: int, through_log_seq: int | None = None) -> Iterator[LoggedEntry]:
        """Yield kept records in order."""
        self._database.require()
        yield from self._database.log_records[max(after_log_seq, 0) : through_log_seq]

    def _unpack(self, log_seq: int, record: Record) -> None:
        body, fills, line = record.body, self._database.fills, self._database.line
        if isinstance(body, Genesis):
            self._database.line = log_seq
        elif isinstance(body, Fills):
            for ordinal, fill in enumerate(body.fills):
                key = (line, record.source_id, record.source_seq, ordinal)
                fills.setdefault(key, fill_row(log_seq, ordinal, record.event_ns, fill))
        elif isinstance(body, FillCorrection):
            for key, row in fills.items():
                counts = key[0] == line and row.superseded_by is None
                if counts and row.fill_id == body.fill_id and row.correction_id != body.correction_id:
                    fills[key] = dataclasses.replace(row, superseded_by=body.correction_id)
            if body.fill is not None:
                key = (line, record.source_id, record.source_seq, 0)
                row = fill_row(log_seq, 0, body.effective_ns, body.fill)
                fills.setdefault(key, dataclasses.replace(row, correction_id=body.correction_id))


class MemoryRunStore:
    """Runs and their books. `decode` reads the genesis record of a run."""

    def __init__(self, database: MemoryDatabase, decode: Callable[[bytes], Record]) -> None:
        self._database = database
        self._decode = decode

    def register(self, run: Run) -> None:
        """Insert a run and its book if new."""
        book = genesis_of(run, self._decode).book
        self._database.require()
        kept = self._database.runs.get(run.run_id)
        if kept is None:
            self._database.runs[run.run_id] = plain_run(run)
            self._database.books[run.run_id] = book
        else:
            require_same_run(kept, run)

    def latest(self) -> Run | None:
        """Return the newest registered run."""
        self._database.require()
        return plain_run(next(reversed(self._database.runs.values()))) if self._database.runs else None

    def get(self, run_id: str) -> Run | None:
        """Return a run by id."""
        self._database.require()
        run = self._database.runs.get(run_id)
        return None if run is None else plain_run(run)


class MemoryDeadLetters:
    """A bounded ring of refused messages."""

    def __init__(self, database: MemoryDatabase, letters_max: int = 10_000) -> None:
        self._database = database
        self._letters_max = letters_max

    def put(self, letter: DeadLetter) -> None:
        """Keep one."""
        self._database.require()
        letters = self._database.dead_letters
        letters.append(plain_letter(letter))
        while len(letters) > self._letters_max:
            letters.popleft()

    def recent(self, limit: int) -> list[DeadLetter]:
        """Return the newest first."""
        self._database.require()
        return list(reversed(self._database.dead_letters))[: max(limit, 0)]


def _copied(row: Row) -> Row:
    return _copied_scenario(row) if isinstance(row, ScenarioRow) else row


def _copied_scenario(row: ScenarioRow) -> ScenarioRow:
    return dataclasses.replace(row, shock=row.shock.copy(), proxied=row.proxied.copy())


def _stands(database: MemoryDatabase, lease: Lease) -> bool:
    shard = database.shards.get(lease.shard_id)
    return shard is not None and shard.owner == lease.owner and shard.epoch == lease.epoch


def _age(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.log_seq, checkpoint.as_of_ns


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
