"""`plimsoll regimes`: regimes of a feed's history, of a run, and as a run would have known them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.common.config import load_settings
from services.main.user_errors import UserError, user_errors

if TYPE_CHECKING:
    from risk_core.engine.configuration import WatchConfiguration
    from services.cli.regime_history import Close
    from services.cli.regime_watch import Watched
    from services.common.feeds.port import FeedSymbol
    from services.main.wiring import Stores

app = typer.Typer(
    help="Market regimes: fitted to a whole history, followed by a run, or replayed day by day as a run would have known them.",
    no_args_is_help=True,
)

Symbol = Annotated[str | None, typer.Argument(help="A symbol of the feed; its index when left out.")]
FeedName = Annotated[str | None, typer.Option("--feed", help="sp500, synthetic, or a CSV or Parquet file.")]
From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day that is looked at.")]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]

AUTO = "auto"
LAWS = ("normal", "student_t")
STATES = range(2, 7)
Item = TypeVar("Item")


@app.command()
def fit(
    symbol: Symbol = None,
    feed: FeedName = None,
    from_: From = None,
    to: To = None,
    states: Annotated[str, typer.Option(help="2 to 6, or auto: the number of the least BIC.")] = "4",
    law: Annotated[str, typer.Option(help="Of a day within a regime: normal or student_t.")] = "normal",
    json_: Json = False,
) -> None:
    """Fit regimes and volatility to a whole history, and print what they are like: a description, not a forecast."""
    from risk_core.book import Shock
    from risk_core.measures.checks import MeasureError
    from services.cli.regime_fit import fitted
    from services.cli.regime_view import fit_view

    with user_errors():
        wanted = _states(states)
        if law not in LAWS:
            raise UserError(f"--law {law!r}: give {' or '.join(LAWS)}")
        name, of, history = _history(symbol, feed, from_, to)
        moves = [close.move for close in history if close.move is not None]
        span = (history[0].day.isoformat(), history[-1].day.isoformat())
        try:
            with Console(stderr=True).status(f"Fitting {of.symbol} ..."):
                found = fitted(of.symbol, name, span, moves, wanted, law)
        except MeasureError as error:
            raise UserError(f"{of.symbol}, {span[0]} to {span[1]}: {error}") from None
        _print_json(found) if json_ else Console().print(fit_view(found, of.shock is not Shock.ABSOLUTE))


@app.command()
def show(
    symbol: Annotated[str | None, typer.Argument(help="A symbol of the book; the first that is followed when left out.")] = None,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Newest days.")] = 20,
    json_: Json = False,
) -> None:
    """Print what the newest run says: regime, volatility, the model in use, its refits, and change points of the last year."""
    from services.cli.regime_view import watched_view

    with user_errors():
        found = _watched(symbol, days)
        _print_json(found) if json_ else Console().print(watched_view(found))


@app.command()
def replay(
    symbol: Symbol = None,
    feed: FeedName = None,
    from_: From = None,
    to: To = None,
    every: Annotated[int | None, typer.Option(min=1, help="Closes from one fit to the next; else RISK_REGIMES__EVERY.")] = None,
    first: Annotated[int | None, typer.Option(min=90, help="Closes before the first fit; else RISK_REGIMES__FIRST.")] = None,
    states: Annotated[int | None, typer.Option(min=STATES[0], max=STATES[-1], help="Else RISK_REGIMES__STATES.")] = None,
    json_: Json = False,
) -> None:
    """Walk through a history as the regime worker does, and print spells, refits and change points as they were known at the time."""
    from risk_core.book import Shock
    from risk_core.engine.configuration import WatchConfiguration
    from services.cli.regime_replay import replay as walk
    from services.cli.regime_view import replay_view

    with user_errors():
        name, of, history = _history(symbol, feed, from_, to)
        s = load_settings().regimes
        watch = WatchConfiguration((of.symbol,), states or s.states, first or s.first, every or s.every, s.history, s.run_length)
        moves = sum(close.move is not None for close in history)
        if moves < watch.first:
            raise UserError(
                f"{of.symbol} has {moves} daily moves from {history[0].day} to {history[-1].day}, and the first fit comes after "
                f"{watch.first}: take an earlier --from, a later --to, or a smaller --first"
            )
        found = walk(of.symbol, name, of.shock, _with_progress(history), watch)
        _print_json(found) if json_ else Console().print(replay_view(found, of.shock is not Shock.ABSOLUTE))


def _states(text: str) -> int | None:
    """Return the number of states, None for the best."""
    if text == AUTO:
        return None
    if not text.isdecimal() or int(text) not in STATES:
        raise UserError(f"--states {text!r}: give {STATES[0]} to {STATES[-1]}, or {AUTO}")
    return int(text)


def _history(symbol: str | None, feed: str | None, from_: datetime | None, to: datetime | None) -> tuple[str, FeedSymbol, list[Close]]:
    """Return the feed's name, the symbol, and its closes after the first."""
    from services.cli.regime_history import chosen_days, chosen_symbol, closes
    from services.common.feeds.catalog import open_feed

    source = open_feed(feed or load_settings().replay.feed)
    of = chosen_symbol(source, symbol)
    days = chosen_days(source, from_ and from_.date(), to and to.date())
    history = list(closes(source, of, days))
    if not history:
        raise UserError(f"{source.name} has one trading day from {days[0]} to {days[-1]}, and a move needs two: take a longer range")
    return source.name, of, history


def _with_progress(history: Sequence[Item]) -> Iterator[Item]:
    """Yield each item, with a bar on standard error if that is a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("walking"), BarColumn(bar_width=32), MofNCompleteColumn(), TextColumn("days"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(history)


def _watched(symbol: str | None, days: int) -> Watched:
    """Return what the newest run's regime worker said."""
    from services.cli.regime_watch import watched
    from services.common.iso import iso_from_ns
    from services.common.shard_kinds import WATCH_SHARD

    with _newest_run() as (kept, run_id, watch):
        if not watch.watching:
            raise UserError(
                "the newest run watches for no regimes and no changes: RISK_REGIMES__ENABLED was false, or there was nothing to watch, "
                "when it began; set it to true and start over with `plimsoll run --anew`"
            )
        instruments = kept.queries.instruments(run_id)
        if symbol is not None and symbol not in {i.symbol for i in instruments}:
            raise UserError(f"no instrument {symbol!r}; known are {', '.join(i.symbol for i in instruments)}")
        reached = kept.results.latest_checkpoint(run_id, WATCH_SHARD)
        if reached is None:
            raise UserError(
                f"the regime worker has said nothing yet: the first fit comes after {watch.first} closes (RISK_REGIMES__FIRST); "
                "a stack needs `plimsoll regime` beside its other processes"
            )
        last = iso_from_ns(reached.as_of_ns)[:10]
        return watched(kept.queries, run_id, watch, instruments, symbol, (reached.as_of_ns, last), days)


@contextmanager
def _newest_run() -> Iterator[tuple[Stores, str, WatchConfiguration]]:
    """Yield the stores that the settings name, their newest run, and what that watches."""
    from risk_core.engine.configuration import ModelConfiguration
    from services.common.adapters.rows import genesis_of
    from services.common.codec import decode
    from services.main import wiring

    with ExitStack() as stack:
        settings = load_settings()
        kept = wiring.joined(settings, stack)
        run = kept.runs.latest()
        if run is None:
            raise UserError("there is no run yet: start one with `plimsoll run`")
        yield kept, run.run_id, ModelConfiguration.from_json(genesis_of(run, decode).configuration).watch


def _print_json(value: object) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
