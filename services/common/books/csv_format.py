"""A book as one CSV file: its columns, and the way out. docs/book-format.md is its description."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from typing import Final

from risk_core.book import AssetClass, Book, Instrument
from services.common.books.quantity import format_quantity
from services.common.books.table_rows import Problems, cell_problem
from services.common.feeds.times import iso_of_ns

COLUMNS: Final = (
    *("record", "id", "name", "kind", "parent", "currency", "symbol", "quantity", "asset_class", "proxy", "shock", "fx_currency"),
    *("adjusted", "synthetic", "valid_from", "valid_to", "description"),
    "tags",
)
"""Header of an exported file, the last only where the book has tags. A file may leave out columns it does not use, and order them as it
likes."""

CASH: Final = "cash:"
"""Rows name cash by this and its currency, as a stock may have the same letters."""

FOR_EVER_NS: Final = 2**63 - 1


def export_book(book: Book) -> str:
    """Return a book as a file; `import_book` gives it back, and exporting that gives the same text.

    Raises
    ------
    BookFileError
        Two nodes have one name, or two instruments one symbol: positions could not name them. Or a text could not be read back.
    """
    rows = list(_rows_of(book))
    problems = Problems()
    for what, names in (("node", [n.name for n in book.nodes]), ("instrument", [reference_of(i) for i in book.instruments])):
        for name, count in Counter(names).items():
            if count > 1:
                problems.add(0, "", f"{count} {what}s are called {name!r}; rename them before the export")
    for row in rows:
        for column, cell in row.items():
            reason = "starts or ends with a blank" if cell != cell.strip() else cell_problem(cell, column)
            if reason:
                problems.add(0, column, f"{cell!r} would not come back: {reason}")
    problems.stop_if_any()
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS if book.tags else COLUMNS[:-1], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _rows_of(book: Book) -> Iterable[dict[str, str]]:
    named = {i.instrument_id: reference_of(i) for i in book.instruments}
    names = {n.node_id: n.name for n in book.nodes}
    tags = tag_cells(book)
    proxy = named[book.default_proxy_id] if book.default_proxy_id is not None else ""
    yield {"record": "book", "currency": book.base_currency, "name": book.calendar, "proxy": proxy}
    for i in book.instruments:
        yield {
            "record": "instrument",
            "id": str(i.instrument_id),
            "symbol": i.symbol,
            "asset_class": i.asset_class.value,
            "currency": i.currency,
            "proxy": named[i.proxy_id] if i.proxy_id is not None else "",
            "shock": i.shock.value,
            "fx_currency": i.fx_currency or "",
            "adjusted": _yes(i.adjusted),
            "synthetic": _yes(i.synthetic),
            **tags.get(i.instrument_id, {}),
        }
    for v in book.symbols:
        valid_to = "" if v.valid_to_ns == FOR_EVER_NS else iso_of_ns(v.valid_to_ns)
        valid_from = "" if v.valid_from_ns == 0 else iso_of_ns(v.valid_from_ns)
        yield {"record": "symbol", "symbol": v.symbol, "id": str(v.instrument_id), "valid_from": valid_from, "valid_to": valid_to}
    for n in book.nodes:
        yield {
            "record": "node",
            "id": str(n.node_id),
            "name": n.name,
            "kind": n.kind.value,
            "parent": names[n.parent_id] if n.parent_id is not None else "",
            "currency": n.currency,
            "description": n.description,
        }
    for p in book.positions:
        row = {"record": "position", "name": names[p.node_id], "symbol": named[p.instrument_id]}
        yield row | {"quantity": format_quantity(p.quantity)}


def reference_of(instrument: Instrument) -> str:
    """Return how a row names an instrument: its symbol; cash by `cash:` and its currency, as a stock may have the same letters."""
    return f"cash:{instrument.currency}" if instrument.asset_class is AssetClass.CASH else instrument.symbol


def tag_cells(book: Book) -> dict[int, dict[str, str]]:
    """Return the cell of column `tags` of every instrument that has some: `country=US;sector=tech`, by key."""
    cells: dict[int, list[str]] = {}
    for tag in sorted(book.tags, key=lambda t: (t.instrument_id, t.key)):
        cells.setdefault(tag.instrument_id, []).append(f"{tag.key}={tag.value}")
    return {instrument_id: {"tags": ";".join(parts)} for instrument_id, parts in cells.items()}


def _yes(value: bool) -> str:
    return "yes" if value else ""
