"""`plimsoll desk`: fills, corrections and start-of-day positions, sent to the run that is going on."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from risk_core.book import QUANTITY_SCALE, Book, NodeKind, Position
from risk_core.records import BookChange, FillCorrection, Fills, Genesis, PriceCorrection, Record
from services.common.books.csv_format import reference_of
from services.common.books.quantity import format_quantity
from services.common.books.reconcile import difference_table, position_changes, read_positions
from services.common.books.reconcile import reconcile as compare
from services.common.evidence_shapes import Evidence, NoEvidence
from services.common.ports import DeadLetters, FillRow, LogStore, Publisher, Queries, Run
from services.main.user_errors import UserError, errors, user_errors

POLL_SECONDS = 0.1
TOPIC = "fills"

app = typer.Typer(
    help="Orders of the desk: fills, corrections of fills and prices, start-of-day positions.\n\n"
    "Sent to the run that is going on, durably: one that is not up takes them when it is.",
    no_args_is_help=True,
)

OrderId = Annotated[str | None, typer.Option("--id", help="Yours, never used again; left out, one is made up.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.")]
Wait = Annotated[float, typer.Option(min=0.0, help="Seconds to wait for what ingest makes of it.")]
Time = Annotated[str | None, typer.Option("--time", help="ISO-8601 with an offset, or a date for its close; left out, now.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """The run that is going on, and the way to it."""

    run: Run
    book: Book
    publisher: Publisher
    log_store: LogStore
    dead_letters: DeadLetters
    queries: Queries
    evidence: Evidence

    @staticmethod
    @contextmanager
    def open() -> Iterator[Desk]:
        """Join the stores, and the broker or the inbox beside them."""
        from services.common.codec import decode
        from services.common.config import load_settings
        from services.common.evidence import StoredEvidence
        from services.main import wiring

        with user_errors(), ExitStack() as stack:
            settings = load_settings()
            kept = wiring.joined(settings, stack)
            run = kept.runs.latest()
            if run is None:
                raise UserError("there is no run yet: start one with `plimsoll run`, or the stack's ingest and risk processes")
            genesis = decode(run.genesis).body
            assert isinstance(genesis, Genesis)
            publisher = wiring.inbound_sender(settings, kept, stack)
            evidence = StoredEvidence(kept.runs, kept.results, kept.queries, kept.log_store, settings.shards.count)
            yield Desk(run, genesis.book, publisher, kept.log_store, kept.dead_letters, kept.queries, evidence)

    def fill(self, fill_id: str) -> FillRow:
        """Return a fill as it counts now, or as it last did."""
        from services.common.ports import FillFilter

        where = FillFilter(self.run.first_log_seq, tuple(n.node_id for n in self.book.nodes), superseded=True, fill_id=fill_id)
        rows = self.queries.fills(where).rows
        if not rows:
            raise UserError(f"no fill {fill_id!r} is recorded; the API lists them: GET /api/v1/nodes/1/fills")
        return next((row for row in rows if row.superseded_by is None), rows[0])

    def held(self) -> tuple[Position, ...]:
        """Return the positions of all portfolios at their newest checkpoints."""
        portfolios = [n.node_id for n in self.book.nodes if n.kind is NodeKind.PORTFOLIO]
        try:
            found = [self.evidence.positions(node_id) for node_id in portfolios]
        except NoEvidence as error:
            raise UserError(str(error)) from None
        return tuple(Position(p.node_id, i.instrument_id, round(i.quantity * QUANTITY_SCALE)) for p in found for i in p.items)

    def set_positions(self, positions: Iterable[Position], reference: str | None, at: str | None, wait_seconds: float) -> None:
        """Send start-of-day positions."""
        names = {n.node_id: n.name for n in self.book.nodes}
        symbols = {i.instrument_id: reference_of(i) for i in self.book.instruments}
        rows = [
            {"portfolio": names[p.node_id], "symbol": symbols[p.instrument_id], "quantity": format_quantity(p.quantity)} for p in positions
        ]
        time_ns = None if at is None else _time_ns(at, self.book.calendar)
        order = {"kind": "positions", "reference": _made_up(reference), "positions": rows, "time": time_ns}
        self.send("positions", order, None, wait_seconds)

    def send(self, key: str, order: dict[str, Any], known_fill: FillRow | None, wait_seconds: float) -> None:
        """Check an order against the book, send it, and say what became of it."""
        payload = json.dumps(
            {"version": 1} | {name: value for name, value in order.items() if value is not None or name in _NULLS}
        ).encode()
        self._check(payload, known_fill)
        after = self.log_store.last_log_seq()
        self.publisher.publish(TOPIC, key, payload)
        self.publisher.flush(30.0)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            if self._answered(payload, _id_of(order), after):
                return
            time.sleep(POLL_SECONDS)
        errors.print(
            f"Sent as {_id_of(order)}. It waits: nothing took it within {wait_seconds:g} s; `plimsoll run`, or the ingest process, does.",
            highlight=False,
            soft_wrap=True,
        )

    def _check(self, payload: bytes, known_fill: FillRow | None) -> None:
        """Refuse at once what ingest would refuse, as far as the book tells."""
        from services.common.feeds.port import RawFill
        from services.ingest.commands import Known, check_command
        from services.ingest.payloads import read_command
        from services.ingest.validate import Rejection, Rules, check_fill

        latest_ns, rules = 2**63 - 1, Rules(self.book)
        order = read_command(payload, 0)
        if isinstance(order, RawFill):
            judged: object = check_fill(rules, (), order, latest_ns)
        elif not isinstance(order, Rejection):
            fills = {} if known_fill is None else {known_fill.fill_id: known_fill.event_ns}
            judged = check_command(rules, Known(fills, (), -(2**63)), order, latest_ns, payload)
        else:
            judged = order
        if isinstance(judged, Rejection):
            raise UserError(f"{judged.detail} ({judged.reason})")

    def _answered(self, payload: bytes, order_id: str, after: int) -> bool:
        """Say what ingest made of an order, if it did; a refusal is an error."""
        from services.ingest.log_state import decoded

        for letter in self.dead_letters.recent(100):
            if letter.raw == payload:
                raise UserError(f"ingest refused it as {letter.reason}: {letter.detail}")
        for entry in self.log_store.entries(after):
            record = decoded(entry.payload)
            if record is not None and order_id in _ids(record):
                errors.print(f"Taken: {order_id} is record {entry.log_seq} of the log.", highlight=False, soft_wrap=True)
                return True
        return False


_NULLS = frozenset({"fill", "price"})
"""Where null has a meaning: there was none."""


def _id_of(order: dict[str, Any]) -> str:
    """Return the id that ingest tells repeats by: a correction of a fill has its own beside the fill's."""
    return str(order.get("correction_id") or order.get("reference") or order["fill_id"])


def _ids(record: Record) -> set[str]:
    match record.body:
        case Fills(fills=fills):
            return {f.fill_id for f in fills}
        case PriceCorrection(correction_id=order_id) | FillCorrection(correction_id=order_id) | BookChange(reference=order_id):
            return {order_id}
        case _:
            return set()


def _made_up(given: str | None) -> str:
    return given or f"desk/{uuid.uuid4().hex[:12]}"


def _time_ns(text: str, calendar: str) -> int:
    """Return nanoseconds of a time, or of a date's close on the book's calendar."""
    from services.common.feeds.sessions import load_sessions
    from services.common.feeds.times import parse_time

    at = parse_time(text)
    if isinstance(at, date):
        sessions = load_sessions(calendar, at - timedelta(days=7), at + timedelta(days=7))
        return int(sessions.close_ns[sessions.index(at)])
    if at is None:
        raise UserError(f"time {text!r}: needs a date, or ISO-8601 with an offset: 2008-09-15T20:00:00Z")
    return at


@app.command("fill")
def fill(
    portfolio: Annotated[str, typer.Argument(help="A portfolio of the book.")],
    symbol: Annotated[str, typer.Argument(help="An instrument of the book.")],
    quantity: Annotated[str, typer.Argument(help="Decimal; negative sells (write -- before the arguments).")],
    price: Annotated[float, typer.Argument(help="In the instrument's currency.")],
    fees: Annotated[float, typer.Option(help="In the instrument's currency; negative is a rebate.")] = 0.0,
    at: Time = None,
    order_id: OrderId = None,
    wait: Wait = 10.0,
) -> None:
    """Book a trade."""
    with Desk.open() as desk:
        order = {
            "fill_id": _made_up(order_id),
            "portfolio": portfolio,
            "symbol": symbol,
            "quantity": quantity,
            "price": price,
            "fees": fees,
            "time": None if at is None else _time_ns(at, desk.book.calendar),
        }
        desk.send(portfolio, order, None, wait)


@app.command("correct-fill")
def correct_fill(
    fill_id: Annotated[str, typer.Argument(help="As it was booked; GET /api/v1/nodes/1/fills lists them.")],
    quantity: Annotated[str | None, typer.Option(help="What was traded; negative sold.")] = None,
    price: Annotated[float | None, typer.Option(help="In the instrument's currency.")] = None,
    fees: Annotated[float | None, typer.Option(help="In the instrument's currency.")] = None,
    portfolio: Annotated[str | None, typer.Option(help="Where it belongs.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What was traded.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="There was no such trade.")] = False,
    reason: Reason = "",
    order_id: OrderId = None,
    wait: Wait = 10.0,
) -> None:
    """Replace or cancel a fill, in closed days too: what depends on it is calculated again, as a new revision.

    What is not given stays as it was booked.
    """
    changes = (quantity, price, fees, portfolio, symbol)
    with Desk.open() as desk:
        if cancel == any(change is not None for change in changes):
            raise UserError("say what it should have been (--quantity, --price, --fees, --portfolio, --symbol), or --cancel")
        booked = desk.fill(fill_id)
        names = {n.node_id: n.name for n in desk.book.nodes}
        symbols = {i.instrument_id: reference_of(i) for i in desk.book.instruments}
        trade = {
            "portfolio": portfolio or names[booked.node_id],
            "symbol": symbol or symbols[booked.instrument_id],
            "quantity": format_quantity(booked.quantity) if quantity is None else quantity,
            "price": booked.price if price is None else price,
            "fees": booked.fees if fees is None else fees,
        }
        order = {
            "kind": "fill_correction",
            "correction_id": _made_up(order_id),
            "fill_id": fill_id,
            "fill": None if cancel else trade,
            "reason": reason or None,
        }
        desk.send(names[booked.node_id], order, booked, wait)


@app.command("correct-price")
def correct_price(
    symbol: Annotated[str, typer.Argument(help="An instrument of the book.")],
    at: Annotated[str, typer.Argument(metavar="TIME", help="Exactly that of the price: ISO-8601 with an offset, or a date for its close.")],
    price: Annotated[str, typer.Argument(help="What it was; `none` if there was none.")],
    reason: Reason = "",
    order_id: OrderId = None,
    wait: Wait = 10.0,
) -> None:
    """Replace, add or remove a price, in closed days too: what depends on it is calculated again, as a new revision."""
    with Desk.open() as desk:
        order = {
            "kind": "price_correction",
            "correction_id": _made_up(order_id),
            "symbol": symbol,
            "time": _time_ns(at, desk.book.calendar),
            "price": None if price == "none" else price,
            "reason": reason or None,
        }
        desk.send(symbol, order, None, wait)


@app.command("positions")
def positions(
    file: Annotated[Path, typer.Argument(help="CSV with portfolio, symbol, quantity; or a book file, of which the positions count.")],
    reference: Annotated[
        str | None, typer.Option(help="Names this file, once: a second with it is refused. Left out, one is made up.")
    ] = None,
    at: Time = None,
    wait: Wait = 10.0,
) -> None:
    """Set start-of-day positions: absolute quantities that count as held at the close before. What is not in the file stays."""
    with Desk.open() as desk:
        desk.set_positions(read_positions(file.read_bytes(), desk.book), reference, at, wait)


@app.command("reconcile")
def reconcile(
    file: Annotated[Path, typer.Argument(help="Positions as another system has them: all that it holds.")],
    apply: Annotated[bool, typer.Option("--apply", help="Set the positions that differ to those of the file.")] = False,
    wait: Wait = 10.0,
) -> None:
    """Compare what the run holds now with a file; exit code 1 when they differ and nothing is applied."""
    with Desk.open() as desk:
        ours, theirs = desk.held(), read_positions(file.read_bytes(), desk.book)
        differences = compare(desk.book, ours, theirs)
        sys.stdout.write(difference_table(differences) + "\n")
        if differences and not apply:
            raise typer.Exit(1)
        if differences:
            desk.set_positions(position_changes(ours, theirs), None, None, wait)
