"""The way in of a book file: every error collected, by line and column; all or nothing is taken."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final, TypeVar

from risk_core.book import (
    AssetClass,
    Book,
    BookError,
    Instrument,
    Node,
    NodeKind,
    Position,
    Shock,
    SymbolValidity,
    Tag,
    cash_instruments,
    tag_problem,
)
from services.common.books.csv_format import CASH, COLUMNS, FOR_EVER_NS, reference_of
from services.common.books.quantity import QuantityError, parse_quantity
from services.common.books.table_rows import Problems, Row, read_rows
from services.common.feeds.times import parse_time

ID_MAX: Final = 2**31 - 1
DEFAULT_CALENDAR: Final = "XNYS"

_USED: Final = {
    "book": ({"currency"}, {"name", "proxy"}),
    "instrument": ({"symbol", "asset_class", "currency"}, {"id", "proxy", "shock", "fx_currency", "adjusted", "synthetic", "tags"}),
    "symbol": ({"symbol", "id"}, {"valid_from", "valid_to"}),
    "node": ({"name", "kind"}, {"id", "parent", "currency", "description"}),
    "position": ({"name", "symbol", "quantity"}, set[str]()),
}
"""record -> columns it needs, columns it may have."""

_SPILLED: Final = "leave it empty, and put text or numbers with a comma in quotation marks"

_Choice = TypeVar("_Choice", bound=StrEnum)


def import_book(data: bytes | str, known: Book | None = None) -> Book:
    """Return the book in a file.

    Parameters
    ----------
    data : bytes or str
        The file; bytes are UTF-8, with or without a byte-order mark.
    known : Book, optional
        The book in use: instruments and nodes without an id keep the one they have there, by symbol and by name, and new ones
        get ids it never used.

    Raises
    ------
    BookFileError
        Every problem of the file, by line and column, up to a hundred. Nothing of it is taken.
    """
    problems = Problems()
    rows = read_rows(data, COLUMNS, ("record",), problems)
    good = [row for row in rows if _fits_record(row, problems)]
    return _Import(good, known, problems).book()


def _fits_record(row: Row, problems: Problems) -> bool:
    used = _USED.get(row["record"])
    if used is None:
        problems.add(row.line, "record", f"{row['record']!r} is none of {', '.join(_USED)}")
        return False
    needed, allowed = used
    for column in COLUMNS[1:]:
        if column in needed and not row[column]:
            problems.add(row.line, column, f"is empty; a row {row['record']!r} needs it")
        elif row[column] and column not in needed | allowed:
            problems.add(row.line, column, f"{row[column]!r} has no meaning in a row {row['record']!r}; {_SPILLED}")
    return True


class _Import:
    """Rows to objects. A row with a problem still counts as there, so that one error does not cause others elsewhere."""

    def __init__(self, rows: list[Row], known: Book | None, problems: Problems) -> None:
        self._problems = problems
        self._rows = {record: [r for r in rows if r["record"] == record] for record in _USED}
        self._known_instruments = {reference_of(i): i.instrument_id for i in known.instruments} if known else {}
        self._known_nodes = {n.name: n.node_id for n in known.nodes} if known else {}

    def book(self) -> Book:
        """Return the book, or raise all problems."""
        headers = self._rows["book"]
        if len(headers) != 1:
            self._problems.add(
                headers[1].line if headers else 0, "record", f"{len(headers)} rows 'book'; a file has one, with the base currency"
            )
            self._problems.stop_if_any()
        header = headers[0]
        self._currency(header, "currency")
        self._book_checks(header["currency"])
        instruments = self._instruments(header["currency"])
        by_name = {reference_of(i): i.instrument_id for i in instruments}
        nodes = self._nodes(header["currency"])
        symbols = self._symbols(set(by_name.values()))
        positions = self._positions(by_name, nodes)
        proxy_id = self._named(header, "proxy", by_name)
        tags = self._tags(instruments)
        self._problems.stop_if_any()
        try:
            return Book(header["currency"], header["name"] or DEFAULT_CALENDAR, instruments, nodes, positions, symbols, proxy_id, tags)
        except BookError as error:
            self._problems.add(0, "", str(error))
            self._problems.stop_if_any()
            raise AssertionError("unreachable") from error

    def _book_checks(self, base_currency: str) -> None:
        """Name the line of what `Book` itself would refuse without one."""
        rows = self._rows["instrument"]
        fx = {r["fx_currency"] for r in rows if r["asset_class"] == AssetClass.FX.value}
        for row in rows + self._rows["node"]:
            if row["currency"] and row["currency"] not in fx | {base_currency}:
                self._problems.add(row.line, "currency", f"{row['currency']} needs an FX instrument of the file, priced in {base_currency}")
        for row in rows:
            is_fx = row["asset_class"] == AssetClass.FX.value
            if is_fx and not row["fx_currency"]:
                self._problems.add(row.line, "fx_currency", "is empty; an FX instrument needs the currency that it prices")
            if not is_fx and row["fx_currency"]:
                self._problems.add(row.line, "fx_currency", "belongs to FX instruments")
            if is_fx and row["currency"] != base_currency:
                self._problems.add(row.line, "currency", f"FX must be priced in the base currency {base_currency}, not {row['currency']}")

    # -------------------------------------------------------- instruments

    def _instruments(self, base_currency: str) -> tuple[Instrument, ...]:
        rows = self._rows["instrument"]
        references = [f"{CASH}{r['currency']}" if r["asset_class"] == AssetClass.CASH.value else r["symbol"] for r in rows]
        ids = self._ids(rows, references, self._known_instruments)
        first_line: dict[str, int] = {}
        listed = []
        for row, reference, instrument_id in zip(rows, references, ids, strict=True):
            if reference in first_line:
                self._problems.add(row.line, "symbol", f"{reference!r} is an instrument on line {first_line[reference]} already")
            if row["symbol"].startswith(CASH):
                self._problems.add(row.line, "symbol", f"{row['symbol']!r} starts with {CASH!r}, by which positions name cash")
            first_line.setdefault(reference, row.line)
            self._currency(row, "currency")
            self._currency(row, "fx_currency")
            instrument = Instrument(
                instrument_id,
                row["symbol"],
                self._choice(row, "asset_class", AssetClass, AssetClass.EQUITY),
                row["currency"],
                shock=self._choice(row, "shock", Shock, Shock.RELATIVE),
                fx_currency=row["fx_currency"] or None,
                adjusted=self._flag(row, "adjusted"),
                synthetic=self._flag(row, "synthetic"),
            )
            listed.append(instrument)
        first_id = max([0, *ids, *self._known_instruments.values()]) + 1
        cash = tuple(
            replace(c, instrument_id=self._known_instruments.get(reference_of(c), c.instrument_id))
            for c in cash_instruments(listed, base_currency, first_id)
        )
        by_name = {reference_of(i): i.instrument_id for i in (*listed, *cash)}
        proxied = [replace(i, proxy_id=self._named(r, "proxy", by_name)) for i, r in zip(listed, rows, strict=True)]
        for instrument, row in zip(proxied, rows, strict=True):
            if instrument.proxy_id == instrument.instrument_id:
                self._problems.add(row.line, "proxy", f"{row['proxy']!r} cannot be its own proxy")
        return (*proxied, *cash)

    def _tags(self, instruments: tuple[Instrument, ...]) -> tuple[Tag, ...]:
        """Return the tags, by instrument in the order of the rows and by key."""
        found = []
        for row, instrument in zip(self._rows["instrument"], instruments, strict=False):  # instruments that the file leaves out come after
            tags: dict[str, str] = {}
            for part in filter(None, (p.strip() for p in row["tags"].split(";"))):
                key, equals, value = (p.strip() for p in part.partition("="))
                problem = tag_problem(key, value) if equals else f"{part!r} is no tag; write key=value, several as sector=tech;country=US"
                if problem:
                    self._problems.add(row.line, "tags", problem)
                elif key in tags:
                    self._problems.add(row.line, "tags", f"{key} is given twice; an instrument has one value a key")
                else:
                    tags[key] = value
            found += [Tag(instrument.instrument_id, key, tags[key]) for key in sorted(tags)]
        return tuple(found)

    def _symbols(self, instrument_ids: set[int]) -> tuple[SymbolValidity, ...]:
        symbols = []
        for row in self._rows["symbol"]:
            instrument_id = self._whole(row, "id") if row["id"] else None
            if instrument_id is not None and instrument_id not in instrument_ids:
                self._problems.add(row.line, "id", f"{instrument_id} is no instrument of the file")
            times = []
            for column, default in (("valid_from", 0), ("valid_to", FOR_EVER_NS)):
                at = parse_time(row[column]) if row[column] else default
                if not isinstance(at, int):
                    self._problems.add(row.line, column, f"{row[column]!r} is no time with an offset, such as 2014-06-09T13:30:00Z")
                    at = default
                times.append(at)
            if times[0] >= times[1]:
                self._problems.add(row.line, "valid_to", "must be later than valid_from")
            symbols.append(SymbolValidity(row["symbol"], instrument_id or 0, *times))
        return tuple(symbols)

    # ------------------------------------------------- nodes and positions

    def _nodes(self, base_currency: str) -> tuple[Node, ...]:
        rows = self._rows["node"]
        ids = self._ids(rows, [r["name"] for r in rows], self._known_nodes)
        by_name: dict[str, int] = {}
        nodes = []
        for row, node_id in zip(rows, ids, strict=True):
            if row["name"] in by_name:
                self._problems.add(row.line, "name", f"{row['name']!r} is the name of a node above")
            if row["parent"] and row["parent"] not in by_name:
                self._problems.add(row.line, "parent", f"{row['parent']!r} is no node above this row; list parents before their children")
            self._currency(row, "currency")
            kind = self._choice(row, "kind", NodeKind, NodeKind.PORTFOLIO)
            currency = row["currency"] or base_currency
            nodes.append(Node(node_id, row["name"], kind, by_name.get(row["parent"]), currency, row["description"]))
            by_name.setdefault(row["name"], node_id)
        if not rows:
            self._problems.add(0, "", "the file has no row 'node'; a book needs at least one")
        return tuple(nodes)

    def _positions(self, instruments: dict[str, int], nodes: tuple[Node, ...]) -> tuple[Position, ...]:
        by_name = {n.name: n for n in nodes}
        first_line: dict[tuple[str, str], int] = {}
        positions = []
        for row in self._rows["position"]:
            node = by_name.get(row["name"])
            if node is None and row["name"]:
                self._problems.add(row.line, "name", f"{row['name']!r} is no node of the file")
            elif node is not None and node.kind is not NodeKind.PORTFOLIO:
                self._problems.add(row.line, "name", f"{row['name']!r} is a {node.kind.value}; only portfolios hold positions")
            held = (row["name"], row["symbol"])
            if held in first_line and all(held):
                self._problems.add(
                    row.line, "symbol", f"{held[0]!r} holds {held[1]!r} on line {first_line[held]} already; net them into one row"
                )
            first_line.setdefault(held, row.line)
            instrument_id = self._named(row, "symbol", instruments)
            quantity = self._quantity(row)
            if node is not None and instrument_id is not None and quantity is not None:
                positions.append(Position(node.node_id, instrument_id, quantity))
        return tuple(positions)

    # -------------------------------------------------------------- cells

    def _ids(self, rows: list[Row], names: list[str], known: dict[str, int]) -> list[int]:
        """Return an id per row: its own, the known one of its name, or the next that was never used."""
        given = [self._whole(row, "id") if row["id"] else known.get(name) for row, name in zip(rows, names, strict=True)]
        first_line: dict[int, int] = {}
        for row, number in zip(rows, given, strict=True):
            if number is not None and number in first_line:
                self._problems.add(row.line, "id", f"{number} is the id of line {first_line[number]} already; ids are used once")
            elif number is not None:
                first_line[number] = row.line
        following = max([0, *first_line, *known.values()]) + 1
        ids = []
        for number in given:
            ids.append(following if number is None else number)
            following += number is None
        return ids

    def _named(self, row: Row, column: str, by_name: dict[str, int]) -> int | None:
        if row[column] and row[column] not in by_name:
            self._problems.add(row.line, column, f"{row[column]!r} is no instrument of the file")
        return by_name.get(row[column])

    def _quantity(self, row: Row) -> int | None:
        try:
            return parse_quantity(row["quantity"]) if row["quantity"] else None
        except QuantityError as error:
            self._problems.add(row.line, "quantity", str(error))
            return None

    def _whole(self, row: Row, column: str) -> int | None:
        text = row[column]
        if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= ID_MAX:
            return int(text)
        self._problems.add(row.line, column, f"{text!r} must be a whole number from 1 to {ID_MAX}")
        return None

    def _choice(self, row: Row, column: str, choices: type[_Choice], default: _Choice) -> _Choice:
        try:
            return choices(row[column]) if row[column] else default
        except ValueError:
            self._problems.add(row.line, column, f"{row[column]!r} is none of {', '.join(c.value for c in choices)}")
            return default

    def _flag(self, row: Row, column: str) -> bool:
        if row[column] not in {"", "yes", "no"}:
            self._problems.add(row.line, column, f"{row[column]!r} must be yes, no or empty")
        return row[column] == "yes"

    def _currency(self, row: Row, column: str) -> None:
        text = row[column]
        if text and not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
            self._problems.add(row.line, column, f"{text!r} must be three capital letters, such as EUR")
