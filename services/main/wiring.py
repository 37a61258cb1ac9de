"""Adapters for a profile: the only file that imports them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from db.migrate import MigrationReport, inspect, migrate
from services.common.adapters.lineage import Line, LineageQueries, LineageResultStore
from services.common.adapters.postgres_backtests import PostgresBacktests
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_inbox import PostgresInbox, PostgresSender
from services.common.adapters.postgres_jobs import PostgresJobs
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_log_store import PostgresLogStore
from services.common.adapters.postgres_queries import PostgresQueries
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.adapters.postgres_runs import PostgresDeadLetters, PostgresRunStore
from services.common.adapters.redis import RedisSnapshots
from services.common.codec import decode
from services.common.config import Settings
from services.common.ports import DeadLetters, Inbox, Log, Publisher, Queries, ResultStore
from services.common.runtime import SystemClock
from services.common.schemas import MESSAGES, broker_schema
from services.common.topics import SUBSCRIPTIONS, Topics
from services.embedded import Universe


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where history and snapshots are, embedded servers started."""

    history: str
    snapshots: str


@dataclass(frozen=True, slots=True)
class Stores:
    """History and snapshots."""

    database: PostgresDatabase
    leases: PostgresLeases
    results: ResultStore
    log_store: PostgresLogStore
    runs: PostgresRunStore
    dead_letters: DeadLetters
    queries: Queries
    snapshots: RedisSnapshots
    jobs: PostgresJobs
    backtests: PostgresBacktests


def addresses(settings: Settings, stack: ExitStack, join: bool = False) -> Addresses:
    """Return the addresses, starting the embedded servers that are asked for; they stop with the stack.

    With `join`, those of a living `plimsoll run` are used while it lives.
    """
    history = settings.history.url.get_secret_value()
    snapshots = settings.snapshots.url.get_secret_value()
    if "embedded:" in (history, snapshots):
        from services.common.adapters.embedded_servers import EmbeddedServers, running_servers

        urls = running_servers(settings.data_directory) if join else None
        urls = urls or stack.enter_context(EmbeddedServers(settings.data_directory))
        history = urls.history if history == "embedded:" else history
        snapshots = urls.snapshots if snapshots == "embedded:" else snapshots
    return Addresses(history, snapshots)


def migrate_at(where: Addresses) -> MigrationReport:
    """Bring the database to the newest schema."""
    return migrate(where.history)


def inspect_at(where: Addresses) -> MigrationReport:
    """Look at the database without changing it."""
    return inspect(where.history)


def stores(settings: Settings, where: Addresses, stack: ExitStack) -> Stores:
    """Connect to history and snapshots."""
    database = PostgresDatabase(where.history)
    stack.callback(database.close)
    snapshots = RedisSnapshots(where.snapshots, settings.snapshots.ttl_seconds)
    stack.callback(snapshots.close)
    runs = PostgresRunStore(database, decode)
    jobs = PostgresJobs(PostgresDatabase(where.history), Line(runs).of)
    stack.callback(jobs.close)
    backtests = PostgresBacktests(PostgresDatabase(where.history))
    stack.callback(backtests.close)
    return Stores(
        database=database,
        leases=PostgresLeases(database),
        results=LineageResultStore(runs, PostgresResultStore(database, settings.history.checkpoint_keep_days)),
        log_store=PostgresLogStore(database, decode),
        runs=runs,
        dead_letters=PostgresDeadLetters(database, settings.ingest.dead_letters_max),
        queries=LineageQueries(runs, PostgresQueries(database)),
        snapshots=snapshots,
        jobs=jobs,
        backtests=backtests,
    )


def joined(settings: Settings, stack: ExitStack) -> Stores:
    """Connect to the stores, running or not; in a directory where nothing has run yet the tables are made."""
    where = addresses(settings, stack, join=True)
    if settings.log.url == "memory:":
        migrate_at(where)
    return stores(settings, where, stack)


def embedded_universe(settings: Settings, where: Addresses, kept: Stores, stack: ExitStack) -> Universe:
    """Return the memory log over the table of records, which a process beside this one writes, with topics in memory."""
    from services.common.adapters.memory_log import MemoryLog
    from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
    from services.common.adapters.recording_process import RecordingProcess

    log_store = RecordingProcess(where.history, kept.log_store, decode)
    stack.callback(log_store.close)
    log = MemoryLog(
        after_log_seq=kept.log_store.last_log_seq(),
        older=kept.log_store.entries,
        payload_bytes_max=settings.log.payload_bytes_max,
        flush_waits_for_record=True,
    )
    return Universe(
        clock=SystemClock(),
        log=log,
        last_log_seq=lambda: log.last_log_seq,
        trim=log.trim,
        publisher=MemoryPublisher(MemoryBroker()),
        leases=kept.leases,
        results=kept.results,
        log_store=log_store,
        runs=kept.runs,
        dead_letters=kept.dead_letters,
        snapshots=kept.snapshots,
        orders=PostgresInbox(PostgresDatabase(where.history), "fills"),
        ticks=PostgresInbox(PostgresDatabase(where.history), "ticks"),
        jobs=kept.jobs,
    )


def recorded(kept: Stores) -> tuple[Log, Publisher]:
    """Return the log of a service in one process as another process reads it, and topics in memory."""
    from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
    from services.common.adapters.recorded_log import RecordedLog

    return RecordedLog(kept.log_store), MemoryPublisher(MemoryBroker(retained_max=1))


def inbound_sender(settings: Settings, kept: Stores, stack: ExitStack) -> Publisher:
    """Return what takes orders of the desk and live ticks: the broker, or the inbox in the database where there is none."""
    return PostgresSender(kept.database) if settings.log.url == "memory:" else broker(settings, stack).publisher


@dataclass(frozen=True, slots=True)
class Broker:
    """The log and the topics of a broker; `inbox` opens the subscription of an inbound topic."""

    log: Log
    publisher: Publisher
    inbox: Callable[[str], Inbox]


def broker(settings: Settings, stack: ExitStack) -> Broker:
    """Connect to Pulsar: one client for the process."""
    from services.common.adapters.pulsar import PulsarInbox, PulsarLog, PulsarPublisher, connect

    topics = Topics(settings.log.tenant)
    client = connect(settings.log.url)
    stack.callback(client.close)
    bounds = settings.log
    log = PulsarLog(client, topics.address("log"), queue_max=bounds.queue_max, payload_bytes_max=bounds.payload_bytes_max)
    stack.callback(log.close)
    publisher = PulsarPublisher(client, topics, {name: broker_schema(name) for name in MESSAGES}, queue_max=bounds.queue_max)
    stack.callback(publisher.close)

    def inbox(name: str) -> Inbox:
        inbox = PulsarInbox(client, topics.address(name), SUBSCRIPTIONS[name][0])
        stack.callback(inbox.close)
        return inbox

    return Broker(log, publisher, inbox)


def set_up_topics(settings: Settings) -> list[str]:
    """Create what is missing on the broker; return what was made."""
    from services.common.adapters.pulsar_admin import ensure_topics

    return ensure_topics(settings.log)


def missing_topics(settings: Settings) -> list[str]:
    """Return what is missing on the broker."""
    from services.common.adapters.pulsar_admin import missing

    return missing(settings.log)
