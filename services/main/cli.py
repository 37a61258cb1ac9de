"""`plimsoll`: the command line, and the one place where ports meet adapters."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from risk_core.book import AssetClass, Book
from services.common.config import Settings, load_settings
from services.common.evidence_shapes import Evidence, ResultId
from services.common.feeds.port import Feed
from services.common.logs import configure_logging
from services.common.runtime import worker_name
from services.main import desk, market, regimes, zones
from services.main.user_errors import UserError, errors, user_errors

if TYPE_CHECKING:
    from services.common.metrics import Metrics
    from services.main.processes import Parts

app = typer.Typer(
    help="Plimsoll: streaming market risk. Ticks in, value at risk and expected shortfall out.\n\n"
    "Start with [bold]plimsoll run[/bold]: it replays real history on embedded servers and opens a console in the browser.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
logger = logging.getLogger("service")

From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day with results; days before seed the window.")]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]
Speed = Annotated[str | None, typer.Option(help="Trading days per second, or max.")]
FeedName = Annotated[str | None, typer.Option("--feed", help="sp500, synthetic, or a CSV or Parquet file.")]
BookName = Annotated[str | None, typer.Option("--book", help="demo, imported, or a book CSV file.")]
TicksPerDay = Annotated[int, typer.Option(min=1, max=10_000, help="More than 1 invents intraday paths between the closes.")]
Exit = Annotated[bool, typer.Option("--exit", help="End when the replay has ended.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Live = Annotated[bool, typer.Option("--live", help="After the feed's last day go on live: ticks from the inbox, days closed by the clock.")]
Anew = Annotated[bool, typer.Option("--anew", help="Start a new run instead of going on where the last one was.")]


def settings_for(
    from_: datetime | None = None,
    to: datetime | None = None,
    speed: str | None = None,
    feed: str | None = None,
    book: str | None = None,
    port: int | None = None,
    live: bool = False,
) -> Settings:
    """Return settings from the environment, with what the command line gives on top. History before a live market is read at full speed."""
    settings = load_settings()
    if live:
        settings = settings.model_copy(update={"live": settings.live.model_copy(update={"enabled": True})})
        speed = speed or "max"
    given: dict[str, Any] = {"from_date": from_ and from_.date(), "to_date": to and to.date(), "speed": speed, "feed": feed, "book": book}
    replay = {**settings.replay.model_dump(), **{k: v for k, v in given.items() if v is not None}}
    api = {**settings.api.model_dump(), **({} if port is None else {"port": port})}
    return load_settings(replay=replay, api=api, live=settings.live.model_dump())


@contextmanager
def process(
    name: str, read_settings: Callable[[], Settings], metrics: Metrics | None = None
) -> Iterator[tuple[Parts, ExitStack, threading.Event]]:
    """Open what every process of a stack has: settings, a log of its own doings, stores, and an event that ends it."""
    from services.main.processes import Parts

    with user_errors(), ExitStack() as stack:
        settings, stop = read_settings(), stack.enter_context(stop_on_signal())
        configure_logging(settings.logging.level, settings.logging.json_lines)
        logger.info("%s starts", name, extra={"version": version("plimsoll"), "metrics_port": settings.metrics.port})
        stack.callback(logger.info, "%s ends", name)
        yield Parts.open(settings, stack, metrics), stack, stop


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; a second signal ends the process at once."""
    stop = threading.Event()

    def handle(number: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def feed_and_book(settings: Settings, ticks_per_day: int) -> tuple[Feed, Book]:
    """Return the feed and the book that the settings name."""
    from services.common.books.csv_import import import_book
    from services.common.books.demo import demo
    from services.common.feeds.catalog import open_feed
    from services.common.feeds.port import select_days

    feed = open_feed(settings.replay.feed, ticks_per_day)
    name = settings.replay.book
    if name == "demo":
        span = select_days(feed, settings.replay.from_date, settings.replay.to_date, settings.model.window)
        book, traded = demo(feed, span)
        return traded, book
    path = imported_book(settings) if name == "imported" else Path(name)
    if not path.exists():
        raise UserError(f"book {name!r}: there is no file {path}; import one with `plimsoll book import FILE`, or give --book demo")
    return feed, import_book(path.read_bytes(), known_book(feed))


def known_book(feed: Feed) -> Book:
    """Return what a book file may refer to: the feed's instruments, under one node."""
    from services.common.books.demo import FIRM, instruments_of

    instruments = instruments_of(feed)
    index = next((i.instrument_id for i in instruments if i.asset_class is AssetClass.INDEX), None)
    return Book("USD", feed.calendar, instruments, (FIRM,), default_proxy_id=index)


def imported_book(settings: Settings) -> Path:
    """Return where `book import` keeps the book."""
    return settings.data_directory / "book.csv"


@app.callback()
def _every_command() -> None:
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a crash in compiled code says where


@app.command()
def run(
    from_: From = None,
    to: To = None,
    speed: Speed = None,
    feed: FeedName = None,
    book: BookName = None,
    ticks_per_day: TicksPerDay = 1,
    port: Annotated[int | None, typer.Option(help="Port of the console; 0 takes a free one.")] = None,
    exit_: Exit = False,
    json_: Json = False,
    anew: Anew = False,
    live: Live = False,
    console: Annotated[bool, typer.Option(help="Serve the console and the API.")] = True,
) -> None:
    """Replay history through the whole service in this process, and open a console.

    Goes on where the last run was; [bold]--anew[/bold] starts over. Ctrl-C stops it cleanly.
    """
    from services.cli.replay_view import ReplayView, print_json, result_table, summary
    from services.common.metrics import Metrics
    from services.embedded import Embedded
    from services.ingest.log_state import scan
    from services.main import processes, wiring
    from services.main.workers_beside import WorkersBeside

    started = time.monotonic()
    with user_errors(), ExitStack() as stack:
        settings = settings_for(from_, to, speed, feed, book, port, live)
        if settings.live.enabled and exit_:
            raise UserError("--exit ends with the replay, and --live goes on after it: leave one out")
        configure_logging("warning", settings.logging.json_lines)
        view = stack.enter_context(ReplayView())
        view.say("Starting PostgreSQL and Valkey ...")
        where = wiring.addresses(settings, stack)
        wiring.migrate_at(where)
        kept = wiring.stores(settings, where, stack)
        view.say("Reading history ...")
        source, held = feed_and_book(settings, ticks_per_day)
        state = scan(e.payload for e in kept.log_store.entries(0))
        metrics = Metrics()
        nonce = uuid.uuid4().hex if anew else ""
        beside = WorkersBeside(settings, where, kept) if settings.regimes.enabled or settings.backtests.enabled else None
        universe = wiring.embedded_universe(settings, where, kept, stack)
        service = Embedded(settings, universe, source, held, state, metrics, anew, nonce, beside)
        stop = stack.enter_context(stop_on_signal())
        stack.callback(service.close)
        service.start()
        if console and not exit_:
            view.say(f"Console: {processes.serve_console(settings, service, kept, metrics, stack)}")
        if source.note:
            view.say(f"Data: {source.note}.")
        service.wait(view.show, until_finished=exit_, stop=stop)
        status = service.status()
        rows = service.newest_results()
        status = replace(status, results=kept.queries.counts(status.run_id).results if status.run_id else 0)
        if json_:
            print_json(summary(status, rows, held.nodes, time.monotonic() - started))
        elif rows:
            view.console.print(result_table(rows, held.nodes, 0.99))
        view.say("Stopping; the next `plimsoll run` goes on from here." if status.state != "finished" else "Done.")


@app.command()
def migrate() -> None:
    """Create or upgrade the tables, and the topics of a broker. Safe to repeat, and from several places at once."""
    from services.main import wiring

    with user_errors(), ExitStack() as stack:
        settings = load_settings()
        report = wiring.migrate_at(wiring.addresses(settings, stack))
        for note in report.notes:
            errors.print(note, highlight=False)
        if settings.log.url != "memory:":
            for made in wiring.set_up_topics(settings):
                errors.print(f"made {made}", highlight=False)
        errors.print(f"Schema {report.revision} on PostgreSQL {report.server}.", highlight=False)


@app.command()
def ingest(ticks_per_day: TicksPerDay = 1, anew: Anew = False, live: Live = False) -> None:
    """Publish a feed's ticks and fills to the log; one process writes, others stand by."""
    from services.ingest.service import IngestService
    from services.main import processes, wiring

    with process("ingest", lambda: service_settings(live)) as (parts, stack, stop):
        settings = parts.settings
        source, held = feed_and_book(settings, ticks_per_day)
        broker = wiring.broker(settings, stack)
        service = IngestService(
            feed=source,
            book=held,
            settings=settings,
            log=broker.log,
            dead_letters=parts.stores.dead_letters,
            leases=parts.stores.leases,
            clock=parts.clock,
            owner=worker_name(settings.worker_name),
            inbox=broker.inbox("fills"),
            ticks=broker.inbox("ticks") if settings.live.enabled else None,
            nonce=uuid.uuid4().hex if anew else "",
            anew=anew,
            observers=(processes.IngestObserver(parts.metrics),),
        )
        service.run(stop)


@app.command()
def record() -> None:
    """Keep the log in the database, verbatim: the log of record after the broker's retention."""
    from services.main import processes, wiring

    with process("record", service_settings) as (parts, stack, stop):
        processes.record(parts, wiring.broker(parts.settings, stack), stop)


@app.command()
def risk() -> None:
    """Compute risk: lease shards, fold the log, write live and final numbers."""
    from services.main import processes, wiring

    with process("risk", service_settings) as (parts, stack, stop):
        processes.risk(parts, wiring.broker(parts.settings, stack), stop)


@app.command()
def regime() -> None:
    """Follow regimes, volatility and change points of instruments; one process writes, others stand by."""
    from services.main import processes, wiring

    with process("regime", service_settings, processes.SecondReader()) as (parts, stack, stop):
        broker = wiring.broker(parts.settings, stack)
        processes.regimes(parts, broker.log, broker.publisher, stop)


@app.command()
def backtest() -> None:
    """Keep zones of every judged day: exceptions, traffic light, multipliers, tests; one process works, others stand by."""
    from services.main import processes, wiring

    with process("backtest", service_settings) as (parts, stack, stop):
        processes.backtests(parts, wiring.broker(parts.settings, stack).publisher, stop)


@app.command()
def jobs() -> None:
    """Evaluate challengers, the methods too heavy for every tick, beside the stream; any number of processes share the work."""
    from services.main import processes, wiring

    with process("jobs", service_settings) as (parts, stack, stop):
        processes.jobs(parts, wiring.broker(parts.settings, stack), stop)


@app.command()
def api() -> None:
    """Serve the HTTP interface and the console over a stack's stores."""
    from services.main import processes

    with process("api", load_settings) as (parts, _, stop):
        processes.api(parts, stop)


def service_settings(live: bool = False) -> Settings:
    """Return the settings of one process of a stack; the memory log has no other process to talk to."""
    settings = settings_for(live=live)
    if settings.log.url == "memory:":
        raise UserError(
            "RISK_LOG__URL = 'memory:' joins no processes: set it to pulsar://host:port, or use `plimsoll run`, which has all parts in one"
        )
    return settings


@app.command()
def replay(
    from_: From = None,
    to: To = None,
    speed: Speed = None,
    feed: FeedName = None,
    book: BookName = None,
    ticks_per_day: TicksPerDay = 1,
    exit_: Exit = False,
    json_: Json = False,
    anew: Anew = False,
) -> None:
    """Replay history into a running stack (Pulsar), and follow it until its numbers are final.

    The words are those of [bold]plimsoll run[/bold], which has every part in one process instead.
    """
    from services.cli.replay_view import ReplayView, print_json, result_table, summary
    from services.main import follow, processes, wiring

    started = time.monotonic()
    with user_errors(), ExitStack() as stack:
        settings = settings_for(from_, to, speed, feed, book)
        if settings.log.url == "memory:":
            raise UserError("RISK_LOG__URL = 'memory:' joins no stack: set it to pulsar://host:port, or use `plimsoll run`")
        parts = processes.Parts.open(settings, stack)
        source, held = feed_and_book(settings, ticks_per_day)
        view = stack.enter_context(ReplayView())
        stop = stack.enter_context(stop_on_signal())
        following = follow.Following(parts, wiring.broker(settings, stack), source, held, uuid.uuid4().hex if anew else "", anew)
        status, rows = following.run(view.show, exit_, stop)
        if json_:
            print_json(summary(status, rows, held.nodes, time.monotonic() - started))
        elif rows:
            view.console.print(result_table(rows, held.nodes, 0.99))


Since = Annotated[str | None, typer.Option("--since", help="An older result of the same node: its difference is split.")]
Result = Annotated[str, typer.Argument(help="node:as_of_ns:method:confidence[:revision], as the API and the console show it.")]


@contextmanager
def evidence() -> Iterator[Evidence]:
    """Yield the evidence behind the stores that the settings name."""
    from services.common.evidence import StoredEvidence
    from services.common.evidence_shapes import NoEvidence
    from services.main import wiring

    with user_errors(), ExitStack() as stack:
        settings = load_settings()
        kept = wiring.joined(settings, stack)
        try:
            yield StoredEvidence(kept.runs, kept.results, kept.queries, kept.log_store, settings.shards.count)
        except NoEvidence as error:
            raise UserError(str(error)) from None


def result_id(text: str) -> ResultId:
    """Parse a result id."""
    try:
        return ResultId.parse(text)
    except ValueError as error:
        raise UserError(str(error)) from None


@app.command()
def explain(result: Result, since: Since = None, json_: Json = False) -> None:
    """Print the scenarios and positions behind a stored number; with --since, why it is not what an older one was."""
    import msgspec

    from services.cli.evidence_view import change_view, explanation_view

    with evidence() as found:
        if since is not None:
            change = found.change(result_id(result), result_id(since))
            if json_:
                sys.stdout.write(msgspec.json.encode(change).decode() + "\n")
            else:
                Console().print(change_view(change))
            return
        explanation = found.explain(result_id(result))
        if json_:
            sys.stdout.write(msgspec.json.encode(explanation).decode() + "\n")
        else:
            Console().print(explanation_view(explanation))


@app.command()
def attribution(
    result: Result,
    by: Annotated[str, typer.Option("--by", help="instrument, portfolio, desk, currency, asset_class, or tag:KEY.")] = "instrument",
    robust: Annotated[bool, typer.Option("--robust", help="Smooth what is read off single scenarios (Harrell and Davis).")] = False,
    json_: Json = False,
) -> None:
    """Print who carries the risk of a stored number: component, marginal, standalone and incremental VaR and ES by group."""
    import msgspec

    from services.cli.evidence_view import attribution_view
    from services.common.evidence_shapes import UnknownGrouping

    with evidence() as found:
        try:
            attributed = found.attribution(result_id(result), by, robust)
        except UnknownGrouping as error:
            raise UserError(f"--by: {error}") from None
        if json_:
            sys.stdout.write(msgspec.json.encode(attributed).decode() + "\n")
        else:
            Console().print(attribution_view(attributed))


@app.command()
def reproduce(result: Result, json_: Json = False) -> None:
    """Calculate a stored number again from the log and the stored scenarios; exit code 1 when it differs."""
    import msgspec

    from services.cli.evidence_view import reproduction_view

    with evidence() as found:
        reproduction = found.reproduce(result_id(result))
        if json_:
            sys.stdout.write(msgspec.json.encode(reproduction).decode() + "\n")
        else:
            Console().print(reproduction_view(reproduction), soft_wrap=True)
        if not reproduction.matches:
            raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Look at everything the service needs, and say what is missing and how to mend it."""
    from services.main.doctor import findings

    with user_errors():
        bad = 0
        for finding in findings(load_settings()):
            bad += not finding.well
            mark = "[green]ok[/]     " if finding.well else "[red]missing[/]"
            errors.print(
                f"{mark} {finding.what}: {finding.detail}" + ("" if finding.well else f"\n        -> {finding.fix}"), highlight=False
            )
        if bad:
            raise typer.Exit(1)


book_app = typer.Typer(help="Your own book: import, export, compare.", no_args_is_help=True)
app.add_typer(book_app, name="book")
app.add_typer(desk.app, name="desk")
app.command("publish")(market.publish)
app.command("zones")(zones.zones)
app.add_typer(regimes.app, name="regimes")


@book_app.command("import")
def book_import(
    file: Annotated[Path, typer.Argument(help="A book CSV; docs/book-format.md has the columns.")], feed: FeedName = None
) -> None:
    """Check a book file and keep it; `plimsoll run --book imported --anew` uses it. Nothing is half imported."""
    from services.common.books.csv_import import import_book
    from services.common.feeds.catalog import open_feed

    with user_errors():
        settings = settings_for(feed=feed)
        data = file.read_bytes()
        book = import_book(data, known_book(open_feed(settings.replay.feed)))
        kept = imported_book(settings)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(kept)
        errors.print(
            f"Imported {len(book.nodes)} nodes, {len(book.positions)} positions, {len(book.instruments)} instruments from {file}. "
            "Use it with: plimsoll run --book imported --anew",
            highlight=False,
            soft_wrap=True,
        )


@book_app.command("export")
def book_export(book: BookName = None, feed: FeedName = None) -> None:
    """Print a book as CSV."""
    from services.common.books.csv_format import export_book

    with user_errors():
        settings = settings_for(feed=feed, book=book)
        sys.stdout.write(export_book(feed_and_book(settings, 1)[1]))


@book_app.command("reconcile")
def book_reconcile(
    file: Annotated[Path, typer.Argument(help="Positions as another system has them.")], book: BookName = None, feed: FeedName = None
) -> None:
    """Compare the book's positions with a file; exit code 1 when they differ."""
    from services.common.books.reconcile import difference_table, read_positions, reconcile

    with user_errors():
        settings = settings_for(feed=feed, book=book)
        ours = feed_and_book(settings, 1)[1]
        differences = reconcile(ours, ours.positions, read_positions(file.read_bytes(), ours))
        sys.stdout.write(difference_table(differences) + "\n")
        if differences:
            raise typer.Exit(1)


if __name__ == "__main__":
    app()
