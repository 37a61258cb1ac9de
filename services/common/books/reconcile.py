"""Our positions against a file of someone else's: where they differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from risk_core.book import Book, NodeKind, Position
from services.common.books.csv_format import COLUMNS, reference_of
from services.common.books.quantity import QuantityError, format_quantity, parse_quantity
from services.common.books.table_rows import Problems, read_rows


@dataclass(frozen=True, slots=True)
class Difference:
    """One holding that differs, in millionths; 0 where a side does not hold it. `theirs` - `ours` is `difference`."""

    portfolio: str
    symbol: str
    ours: int
    theirs: int

    @property
    def difference(self) -> int:
        """Return theirs less ours."""
        return self.theirs - self.ours


def read_positions(data: bytes | str, book: Book) -> tuple[Position, ...]:
    """Return the positions in a file: portfolio, symbol, quantity; or a book file, of which only the positions count.

    Raises
    ------
    BookFileError
        Every problem, by line and column. A portfolio or symbol that the book does not have is one.
    """
    problems = Problems()
    rows = read_rows(data, (*COLUMNS, "portfolio"), ("symbol", "quantity"), problems)
    portfolios = {n.name: n.node_id for n in book.nodes if n.kind is NodeKind.PORTFOLIO}
    instruments = {reference_of(i): i.instrument_id for i in book.instruments}
    positions: dict[tuple[int, int], Position] = {}
    for row in rows:
        if row["record"] not in {"", "position"}:
            continue
        column = "portfolio" if row["portfolio"] else "name"
        node_id, instrument_id = portfolios.get(row[column]), instruments.get(row["symbol"])
        if node_id is None:
            problems.add(row.line, column, f"{row[column]!r} is no portfolio of the book")
        if instrument_id is None:
            problems.add(row.line, "symbol", f"{row['symbol']!r} is no instrument of the book")
        try:
            quantity = parse_quantity(row["quantity"])
        except QuantityError as error:
            problems.add(row.line, "quantity", str(error))
            continue
        if node_id is None or instrument_id is None:
            continue
        if (node_id, instrument_id) in positions:
            problems.add(row.line, "symbol", f"{row[column]!r} holds {row['symbol']!r} on a line above already; net them into one row")
        positions[node_id, instrument_id] = Position(node_id, instrument_id, quantity)
    problems.stop_if_any()
    return tuple(positions.values())


def reconcile(book: Book, ours: Iterable[Position], theirs: Iterable[Position]) -> tuple[Difference, ...]:
    """Return holdings that differ, in the book's order of portfolios and instruments.

    Parameters
    ----------
    book : Book
        Names them.
    ours, theirs : iterable of Position
        Held now, and claimed; a holding of 0 equals none.
    """
    mine = {(p.node_id, p.instrument_id): p.quantity for p in ours}
    claimed = {(p.node_id, p.instrument_id): p.quantity for p in theirs}
    names = {n.node_id: n.name for n in book.nodes}
    symbols = {i.instrument_id: reference_of(i) for i in book.instruments}
    return tuple(
        Difference(names[node_id], symbols[instrument_id], mine.get((node_id, instrument_id), 0), claimed.get((node_id, instrument_id), 0))
        for node_id in names
        for instrument_id in symbols
        if mine.get((node_id, instrument_id), 0) != claimed.get((node_id, instrument_id), 0)
    )


def position_changes(ours: Iterable[Position], theirs: Iterable[Position]) -> tuple[Position, ...]:
    """Return the absolute quantities that turn our holdings into theirs: what a `BookChange` record carries.

    A holding that they do not have becomes 0; one that agrees is left out.
    """
    mine = {(p.node_id, p.instrument_id): p.quantity for p in ours}
    wanted = dict.fromkeys(mine, 0) | {(p.node_id, p.instrument_id): p.quantity for p in theirs}
    return tuple(Position(*key, quantity) for key, quantity in sorted(wanted.items()) if quantity != mine.get(key, 0))


def difference_table(differences: Iterable[Difference]) -> str:
    """Return the differences as text in columns, for a terminal."""
    rows = [("portfolio", "symbol", "ours", "theirs", "difference")]
    rows += [
        (d.portfolio, d.symbol, format_quantity(d.ours), format_quantity(d.theirs), format_quantity(d.difference)) for d in differences
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = ["  ".join(c.ljust(w) if k < 2 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
