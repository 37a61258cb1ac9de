"""The seams: every technology sits behind one of these, and every adapter of a port passes one contract suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from risk_core.book import Instrument, Node
from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult, ScenarioRow, WatchRow


class Unavailable(Exception):
    """The server behind a port does not answer now; the same call may succeed later. Nothing was half done."""


class Fenced(Exception):
    """A newer epoch owns the shard (or a newer producer the source): the caller must stop writing."""


class DeterminismError(Exception):
    """A row with the same key holds other values: the fold gave two answers. Fatal."""


class Clock(Protocol):
    """Wall time and sleep, replaceable in simulation."""

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause the caller."""
        ...


# ------------------------------------------------------------------ log


@dataclass(frozen=True, slots=True)
class Entry:
    """A log record as read. `position` is opaque and restarts a reader just after this entry."""

    position: bytes
    payload: bytes


class LogReader(Protocol):
    """Reads one log in order from a position. Never acknowledges; retention is by time and size."""

    def read(self, max_entries: int, timeout_seconds: float) -> list[Entry]:
        """Return the next entries, at least one unless the time-out passes. Blocks for the first only, then drains."""
        ...

    def caught_up(self) -> bool:
        """Return whether everything appended so far was read."""
        ...

    def close(self) -> None:
        """Release the reader. Idempotent."""
        ...


class Log(Protocol):
    """The one ordered log of a risk universe (`risk/input/log`)."""

    def append(self, payload: bytes) -> None:
        """Queue one record, in order; blocks while the bounded queue is full. Durable only after `flush`.

        Raises ValueError for an oversize payload, Unavailable when the log is gone.
        """
        ...

    def flush(self, timeout_seconds: float) -> None:
        """Return once everything appended is durable; raise Unavailable otherwise."""
        ...

    def reader(self, after: bytes | None) -> LogReader:
        """Open a reader just after a position, or at the earliest entry for None."""
        ...

    def close(self) -> None:
        """Flush and release. Idempotent."""
        ...


class Publisher(Protocol):
    """Writes public topics (`risk/analytics/...`, dead letters), with a registered schema where the topic has one."""

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        """Queue one message; blocks while the bounded queue is full."""
        ...

    def flush(self, timeout_seconds: float) -> None:
        """Return once all published messages are durable; raise Unavailable otherwise."""
        ...

    def close(self) -> None:
        """Flush and release. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """An inbound message, sent at `sent_ns` by the clock of the sender or the server; `receipt` acknowledges it."""

    key: str
    payload: bytes
    receipt: object
    sent_ns: int


class Inbox(Protocol):
    """A durable subscription to an inbound topic (`risk/book/fills`), at least once, in order per key."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return waiting messages, at least one unless the time-out passes."""
        ...

    def acknowledge(self, receipt: object) -> None:
        """Mark a message as durably handled."""
        ...

    def close(self) -> None:
        """Release. Idempotent."""
        ...


# -------------------------------------------------------------- history


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of a shard (or source) for a time on the server's clock; `epoch` fences older owners."""

    shard_id: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of one shard's fold after log_seq entries; `day_close` ones are kept for corrections and explanations."""

    run_id: str
    shard_id: str
    as_of_ns: int
    log_seq: int
    position: bytes
    state: bytes
    day_close: bool
    format_version: int


@dataclass(frozen=True, slots=True)
class Job:
    """A heavy evaluation with frozen inputs, run beside the stream by the job pool."""

    job_key: str
    run_id: str
    shard_id: str
    kind: str
    as_of_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything one bucket makes durable in one transaction."""

    lease: Lease
    checkpoint: Checkpoint
    results: tuple[RiskResult, ...] = ()
    day_closes: tuple[DayCloseRow, ...] = ()
    scenario_rows: tuple[ScenarioRow, ...] = ()
    jobs: tuple[Job, ...] = ()
    watched: tuple[WatchRow, ...] = ()


class Leases(Protocol):
    """Leased, epoch-fenced ownership on the database server's clock (table `shards`)."""

    def acquire(self, shard_id: str, owner: str, ttl_seconds: float) -> Lease | None:
        """Take a free or expired shard with epoch + 1, or return None while another holds it.

        An expired owner whose epoch still stands renews (same epoch) rather than acquires. The same owner name may always
        take its own shard again, with epoch + 1: a restarted process fences its former self, so live workers need distinct names.
        """
        ...

    def renew(self, lease: Lease, ttl_seconds: float) -> bool:
        """Extend; True while the lease's epoch still stands, even if it had expired; False once taken over or released."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the shard back at once if the epoch still stands; the lease can then neither renew nor commit."""
        ...


KEPT_BY_JOBS: Final = "jobs"
"""What stands where other rows name the shard that committed them: rows of jobs are published by whoever ran the job."""


class Jobs(Protocol):
    """The queue of heavy evaluations (table `jobs`), one job of a shard at a time, in order. Any number of runners share it."""

    def take(self, run_ids: Sequence[str]) -> Job | None:
        """Return the oldest job of these runs that is not done, of a shard that no other runner works for, or None.

        The shard is this runner's until `done`, `leave` or the loss of its connection. Raises Unavailable.
        """
        ...

    def forecasts(self, job: Job, as_of_ns: int, methods: Sequence[str]) -> list[RiskResult]:
        """Return the rows of the job's run of some methods at an as_of, all revisions, of every node."""
        ...

    def keep(self, job: Job, results: Sequence[RiskResult], day_closes: Sequence[DayCloseRow]) -> None:
        """Keep a job's rows in one transaction, comparing bit for bit those that are kept already.

        Raises DeterminismError, Unavailable, and ValueError for a number that is not finite.
        """
        ...

    def done(self, job: Job) -> None:
        """Mark a job whose rows are kept and published, and let its shard go."""
        ...

    def leave(self) -> None:
        """Let the shard go with its job not done."""
        ...

    def waiting(self, run_id: str) -> int:
        """Return how many jobs of a run are not done."""
        ...


@dataclass(frozen=True, slots=True)
class DueBacktest:
    """Judged days of one method of a node, from an as_of on, that zones do not hold yet; `due_ids` say so until they are kept."""

    run_id: str
    node_id: int
    method: str
    from_ns: int
    due_ids: tuple[int, ...]


class Backtests(Protocol):
    """Zones, and what is due (tables `backtest_results`, `backtests_due`). Whoever adds to `day_closes` adds what is due with it."""

    def due(self, limit: int) -> list[DueBacktest]:
        """Return what is due of the oldest `limit` notes, one for each run, node and method; empty while another worker has them.

        They are this worker's until `keep`, or the loss of its connection. Raises Unavailable.
        """
        ...

    def keep(self, due: Sequence[DueBacktest], rows: Sequence[BacktestResult]) -> None:
        """Keep rows in place of those of the same key, and forget what was due, in one transaction.

        Zones follow from the judged days, so the newest judgement counts. Raises Unavailable, and ValueError for a number that is
        not finite.
        """
        ...

    def waiting(self) -> int:
        """Return how many notes wait."""
        ...


class ResultStore(Protocol):
    """Final numbers, checkpoints and scenario rows: the record."""

    def commit(self, commit: Commit) -> None:
        """Write one bucket atomically: lock and check the shard row, insert on conflict do nothing, compare, checkpoint.

        Rows are compared bit for bit; the checkpoint is replaced, not compared. An expired lease commits while its epoch stands.
        Raises Fenced, DeterminismError, Unavailable, and ValueError for a number that is not finite or rows of another run or
        shard. Repeating a commit is harmless.
        """
        ...

    def commit_many(self, commits: Sequence[Commit]) -> None:
        """Write 1 to 256 consecutive buckets of one lease in one transaction: all or nothing, one fsync for all."""
        ...

    def latest_checkpoint(self, run_id: str, shard_id: str) -> Checkpoint | None:
        """Return the newest checkpoint of a shard: the greatest (log_seq, as_of)."""
        ...

    def checkpoint_before(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the newest day-close checkpoint with as_of strictly before."""
        ...

    def checkpoint_at(self, run_id: str, shard_id: str, as_of_ns: int) -> Checkpoint | None:
        """Return the checkpoint taken at exactly this as_of, newest log_seq first."""
        ...

    def scenario_rows(self, run_id: str, through_ns: int, through_log_seq: int, count: int) -> list[ScenarioRow]:
        """Return the last `count` rows with as_of <= through_ns, newest revision with log_seq <= through_log_seq each, oldest first."""
        ...

    def committed_results(self, run_id: str, shard_id: str, as_of_ns: int) -> tuple[list[RiskResult], list[DayCloseRow]]:
        """Return rows of the shard's bucket at as_of (all revisions, by key), for publishing again after a restart.

        A row belongs to the shard that committed it last.
        """
        ...

    def committed_watched(self, run_id: str, shard_id: str, as_of_ns: int) -> list[WatchRow]:
        """Return the rows about instruments of the shard's bucket at as_of (all revisions, by kind and key), alike."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """A run as registered: the identity of everything that shapes its numbers."""

    run_id: str
    parent_run_id: str | None
    genesis: bytes
    description: Mapping[str, object] = field(default_factory=dict)
    first_log_seq: int = 0


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """A log record as kept by the recorder."""

    log_seq: int
    position: bytes
    payload: bytes


class LogStore(Protocol):
    """The log of record after broker retention (tables `log_records`, `ticks`, `fills`)."""

    def last_log_seq(self) -> int:
        """Return the number of records kept (0 when empty). log_seq counts from 1."""
        ...

    def last_position(self) -> bytes | None:
        """Return the position of the last kept record."""
        ...

    def record(self, entries: Sequence[LoggedEntry]) -> None:
        """Keep entries verbatim, with their ticks and fills unpacked, in one transaction. Idempotent by log_seq.

        Raises DeterminismError if a payload differs from the one already kept (positions may), ValueError for a gap, Unavailable.
        """
        ...

    def entries(self, after_log_seq: int, through_log_seq: int | None = None) -> Iterator[LoggedEntry]:
        """Yield kept records in order with log_seq > after."""
        ...


class RunStore(Protocol):
    """Runs and the static book for people and programs (tables `runs instruments nodes`)."""

    def register(self, run: Run) -> None:
        """Insert a run and its book if new. Idempotent; a differing row raises DeterminismError.

        `genesis` is the payload of the run's genesis record; `description` must be JSON. A description comes back as JSON gives it.
        """
        ...

    def latest(self) -> Run | None:
        """Return the newest registered run."""
        ...

    def get(self, run_id: str) -> Run | None:
        """Return a run by id."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message: raw bytes kept, reason named."""

    reason: str
    detail: str
    source: str
    received_ns: int
    raw: bytes


class DeadLetters(Protocol):
    """Bounded store of refused messages."""

    def put(self, letter: DeadLetter) -> None:
        """Keep one, dropping the oldest beyond the bound."""
        ...

    def recent(self, limit: int) -> list[DeadLetter]:
        """Return the newest first."""
        ...


# -------------------------------------------------------------- queries


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page, and the cursor of the next (None at the end)."""

    rows: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """One node's rows, newest first: from_ns <= as_of < to_ns; newest revision of each unless `all_revisions`.

    `exceptions_only` keeps day closes whose actual or hypothetical loss went beyond the forecast.
    """

    run_id: str
    node_id: int
    from_ns: int | None = None
    to_ns: int | None = None
    method: str | None = None
    horizon_days: int | None = None
    confidence: float | None = None
    all_revisions: bool = False
    exceptions_only: bool = False


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """One instrument's rows, newest first: from_ns <= as_of < to_ns, newest revision of each."""

    run_id: str
    instrument_id: int
    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill as recorded. A correction marks the row it replaces `superseded_by` and adds one with its `correction_id`."""

    log_seq: int
    ordinal: int
    event_ns: int
    fill_id: str
    node_id: int
    instrument_id: int
    quantity: int
    price: float
    fees: float
    correction_id: str | None
    superseded_by: str | None


@dataclass(frozen=True, slots=True)
class FillFilter:
    """Fills of some nodes in a run, newest first: from_ns <= event < to_ns, one id if given; superseded ones only on request.

    `first_log_seq` is the run's.
    """

    first_log_seq: int
    node_ids: tuple[int, ...]
    from_ns: int | None = None
    to_ns: int | None = None
    superseded: bool = False
    fill_id: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """How much is kept: results, day closes and scenario rows of a run; records and fills of the log."""

    results: int
    day_closes: int
    scenario_rows: int
    log_records: int
    fills: int


class Queries(Protocol):
    """Reads for people and programs. Pages hold 1 to 1,000 rows; a cursor is opaque and belongs to its filter.

    Raises ValueError for a bad cursor or limit, Unavailable.
    """

    def results(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[RiskResult]:
        """Return a node's results by as_of, then method, horizon and confidence, all descending."""
        ...

    def day_closes(self, where: HistoryFilter, limit: int = 100, cursor: str | None = None) -> Page[DayCloseRow]:
        """Return a node's day closes in the same order."""
        ...

    def regime_states(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeState]:
        """Return an instrument's regime states by as_of, descending."""
        ...

    def regime_models(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[RegimeModel]:
        """Return the refits of an instrument's models by as_of, then kind, descending."""
        ...

    def change_points(self, where: WatchFilter, limit: int = 100, cursor: str | None = None) -> Page[ChangePoint]:
        """Return an instrument's change points by as_of, then detector, descending."""
        ...

    def zones(self, run_id: str, outcome: str, window_days: int) -> list[BacktestResult]:
        """Return the newest row of each node, method, horizon and confidence, by key, of the 60 days to the node's newest."""
        ...

    def zone_history(self, where: HistoryFilter, outcome: str, window_days: int, limit: int = 100) -> list[BacktestResult]:
        """Return a node's rows by as_of, then method, horizon and confidence, all descending: the newest `limit`, newest revisions."""
        ...

    def latest_results(self, run_id: str, node_ids: Sequence[int] | None = None) -> list[RiskResult]:
        """Return all results at each node's newest as_of, newest revisions, by key; of every node for None."""
        ...

    def first_as_of_ns(self, run_id: str, node_id: int) -> int | None:
        """Return the as_of of a node's oldest result, None without any."""
        ...

    def nodes(self, run_id: str) -> list[Node]:
        """Return the nodes of a run, parents before children."""
        ...

    def instruments(self, run_id: str) -> list[Instrument]:
        """Return the instruments of a run by id."""
        ...

    def fills(self, where: FillFilter, limit: int = 100, cursor: str | None = None) -> Page[FillRow]:
        """Return fills by event time, then log_seq and ordinal, all descending."""
        ...

    def counts(self, run_id: str) -> HistoryCounts:
        """Return how much is kept."""
        ...


# ------------------------------------------------------------ snapshots


SnapshotKind: TypeAlias = Literal["live", "final", "regime"]
"""The first two are of nodes, the third of instruments."""


NODE_KINDS: Final[tuple[SnapshotKind, ...]] = ("live", "final")


class Snapshot(NamedTuple):
    """One node's (or instrument's) newest numbers. `order` grows within a run: (log_seq, 0) for live, (as_of_ns, revision) for final."""

    node_id: int
    order: tuple[int, int]
    payload: bytes


class Snapshots(Protocol):
    """The cache people read (Redis): never the record. Live and final are separate keys; one epoch key per shard."""

    def write(self, shard_id: str, epoch: int, line: str, kind: SnapshotKind, items: Sequence[Snapshot]) -> int:
        """Compare and set each item in one call; return how many were taken.

        `line` names the log that orders are of: an upgrade goes on in it under another run. Refused: an epoch lower than the
        shard's; within a line an older `order` (an equal one is taken); another line without an epoch above the one that wrote
        the item. Raises Unavailable, within a second.
        """
        ...

    def read(self, shard_of_node: Mapping[int, str], kinds: Sequence[SnapshotKind] = NODE_KINDS) -> dict[int, dict[str, bytes]]:
        """Return {node_id: {"live": payload, "final": payload}} of those present."""
        ...

    def refresh(self, shard_id: str, epoch: int, node_ids: Sequence[int]) -> None:
        """Extend the time to live of a quiet book; ignored when a higher epoch rules."""
        ...
