"""The book file: what goes out comes back, and what is wrong is named by line and column."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.book import AssetClass, Book, Instrument, Node, NodeKind, Position, Shock, SymbolValidity, cash_instruments
from services.common.books.csv_format import COLUMNS, export_book
from services.common.books.csv_import import import_book
from services.common.books.table_rows import PROBLEMS_MAX, BookFileError
from tests.worlds import small_book

EXAMPLES = Path(__file__).parents[3] / "examples" / "books"
HEADER = "record,name,kind,parent,currency,symbol,quantity,asset_class,proxy\n"
GOOD = (
    HEADER
    + "book,,,,USD,,,,SPX\n"
    + "instrument,,,,USD,SPX,,index,\n"
    + "instrument,,,,USD,AAPL,,equity,\n"
    + "node,Firm,firm,,,,,,\n"
    + "node,Alpha,portfolio,Firm,,,,,\n"
    + "position,Alpha,,,,AAPL,1250.5,,\n"
)

NAME = st.text(string.ascii_letters + string.digits + " ,\"'éß中.;&", min_size=1, max_size=12).filter(
    lambda t: t == t.strip() and t.isprintable()
)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def books(draw: st.DrawFn) -> Book:
    symbols = draw(st.lists(NAME, min_size=1, max_size=6, unique=True))
    ids = draw(st.lists(st.integers(1, 10_000), min_size=len(symbols) + 1, max_size=len(symbols) + 1, unique=True))
    priced = [Instrument(ids[-1], "EURUSD!", AssetClass.FX, "USD", fx_currency="EUR", synthetic=True)]
    for symbol, instrument_id in zip(symbols, ids, strict=False):
        kind = draw(st.sampled_from([AssetClass.EQUITY, AssetClass.INDEX, AssetClass.FUTURE]))
        proxy = draw(st.sampled_from([None, ids[-1]]))
        shock, flag = draw(st.sampled_from(Shock)), draw(st.booleans())
        priced.append(Instrument(instrument_id, symbol, kind, draw(st.sampled_from(["USD", "EUR"])), proxy, shock, adjusted=flag))
    instruments = (*priced, *cash_instruments(priced, "USD", 20_000))
    names = draw(st.lists(NAME, min_size=2, max_size=6, unique=True))
    nodes = [Node(5, names[0], NodeKind.FIRM, None, "USD", draw(st.one_of(st.just(""), NAME)))]
    nodes += [Node(10 + k, n, NodeKind.PORTFOLIO, 5, draw(st.sampled_from(["USD", "EUR"]))) for k, n in enumerate(names[1:])]
    held = draw(st.lists(st.tuples(st.integers(1, len(nodes) - 1), st.integers(0, len(instruments) - 1)), unique=True, max_size=8))
    positions = tuple(Position(nodes[n].node_id, instruments[i].instrument_id, draw(INT64)) for n, i in held)
    validity = tuple(
        SymbolValidity("OLD" + s, i, draw(st.integers(0, 10**18)), draw(st.integers(10**18 + 1, 2**63 - 1)))
        for s, i in zip(symbols, ids, strict=False)
    )
    return Book(
        "USD",
        draw(st.sampled_from(["XNYS", "24/7"])),
        instruments,
        tuple(nodes),
        positions,
        validity,
        draw(st.sampled_from([None, ids[0]])),
    )


@settings(max_examples=150, deadline=None)
@given(books())
def test_a_book_comes_back_as_it_went_out(book: Book) -> None:
    text = export_book(book)
    again = import_book(text)
    assert again == book
    assert export_book(again) == text


@settings(max_examples=50, deadline=None)
@given(books())
def test_a_spreadsheet_between_changes_nothing(book: Book) -> None:
    """Byte-order mark, CRLF, empty lines at the end: what Excel adds when it saves."""
    text = export_book(book)
    saved = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n" + b"," * (len(COLUMNS) - 1) + b"\r\n\r\n"
    assert import_book(saved) == book


def test_a_hand_written_file_gets_ids_cash_and_defaults() -> None:
    book = import_book(GOOD)
    assert [(i.instrument_id, i.symbol, i.asset_class.value) for i in book.instruments] == [
        (1, "SPX", "index"),
        (2, "AAPL", "equity"),
        (3, "USD", "cash"),
    ]
    assert [(n.node_id, n.name, n.parent_id, n.currency) for n in book.nodes] == [(1, "Firm", None, "USD"), (2, "Alpha", 1, "USD")]
    assert book.positions == (Position(2, 2, 1_250_500_000),)
    assert (book.calendar, book.default_proxy_id) == ("XNYS", 1)


def test_ids_of_the_book_in_use_stay_and_are_never_given_again() -> None:
    known = small_book()
    text = (
        HEADER
        + "book,,,,USD,,,,\ninstrument,,,,USD,NEW,,equity,\ninstrument,,,,USD,BBB,,equity,\n"
        + "node,Fresh,firm,,,,,,\nnode,Long,portfolio,Fresh,,,,,\n"
    )
    book = import_book(text, known)
    ids = {i.symbol: i.instrument_id for i in book.instruments}
    used = {i.instrument_id for i in known.instruments}
    assert ids["BBB"] == 3
    assert ids["NEW"] not in used
    assert ids["USD"] == next(i.instrument_id for i in known.instruments if i.symbol == "USD")
    assert {n.name: n.node_id for n in book.nodes} == {"Fresh": 8, "Long": 4}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.csv")), ids=lambda p: p.name)
def test_example_files_are_books(path: Path) -> None:
    book = import_book(path.read_bytes())
    assert book.positions
    assert import_book(export_book(book)) == book


def test_there_are_examples() -> None:
    assert len(list(EXAMPLES.glob("*.csv"))) >= 2


CASES = {
    "unknown record": (GOOD + "trade,,,,,,,,\n", 8, "record", "'trade' is none of"),
    "thousands quoted": (GOOD.replace("1250.5", '"1,250.5"'), 7, "quantity", "thousands separators; write 1250.5"),
    "thousands bare": (GOOD.replace("1250.5", "1,250.5"), 7, "asset_class", "comma in quotation marks"),
    "too many cells": (GOOD.replace("1250.5,,", "1250.5,,,7"), 7, "", "comma in quotation marks"),
    "decimal comma": (GOOD.replace("1250.5", '"1250,5"'), 7, "quantity", "decimal comma"),
    "exponent": (GOOD.replace("1250.5", "1.25E+03"), 7, "quantity", "exponent notation"),
    "brackets": (GOOD.replace("1250.5", "(1250)"), 7, "quantity", "write -1250"),
    "too fine": (GOOD.replace("1250.5", "0.0000001"), 7, "quantity", "finer than a millionth"),
    "too large": (GOOD.replace("1250.5", "9223372036855"), 7, "quantity", "beyond the largest"),
    "no number": (GOOD.replace("1250.5", "many"), 7, "quantity", "not a decimal number"),
    "nan": (GOOD.replace("1250.5", "NaN"), 7, "quantity", "not a decimal number"),
    "no quantity": (GOOD.replace("1250.5", ""), 7, "quantity", "is empty"),
    "unknown symbol": (GOOD.replace("AAPL,1250.5", "AAPX,1250.5"), 7, "symbol", "'AAPX' is no instrument"),
    "unknown portfolio": (GOOD.replace("position,Alpha", "position,Beta"), 7, "name", "'Beta' is no node"),
    "position of a firm": (GOOD.replace("position,Alpha", "position,Firm"), 7, "name", "only portfolios"),
    "position twice": (GOOD + "position,Alpha,,,,AAPL,1,,\n", 8, "symbol", "line 7 already"),
    "unknown parent": (GOOD.replace("portfolio,Firm", "portfolio,Form"), 6, "parent", "'Form' is no node above"),
    "node twice": (GOOD + "node,Alpha,portfolio,Firm,,,,,\n", 8, "name", "name of a node above"),
    "unknown kind": (GOOD.replace("Alpha,portfolio", "Alpha,folder"), 6, "kind", "'folder' is none of firm, desk, portfolio"),
    "unknown class": (GOOD.replace("AAPL,,equity", "AAPL,,share"), 4, "asset_class", "'share' is none of"),
    "unknown proxy": (GOOD.replace("USD,,,,SPX", "USD,,,,SPY"), 2, "proxy", "'SPY' is no instrument"),
    "own proxy": (GOOD.replace("AAPL,,equity,", "AAPL,,equity,AAPL"), 4, "proxy", "its own proxy"),
    "instrument twice": (GOOD + "instrument,,,,USD,AAPL,,equity,\n", 8, "symbol", "on line 4 already"),
    "currency without FX": (GOOD.replace("instrument,,,,USD,AAPL", "instrument,,,,EUR,AAPL"), 4, "currency", "EUR needs an FX instrument"),
    "currency in words": (GOOD.replace("instrument,,,,USD,AAPL", "instrument,,,,euro,AAPL"), 4, "currency", "three capital letters"),
    "no book row": (GOOD.replace("book,,,,USD,,,,SPX\n", ""), 0, "record", "0 rows 'book'"),
    "two book rows": (GOOD + "book,,,,EUR,,,,\n", 8, "record", "2 rows 'book'"),
    "meaningless cell": (GOOD.replace("node,Firm,firm,,,,,,", "node,Firm,firm,,,,7,,"), 5, "quantity", "no meaning in a row 'node'"),
    "header again": (GOOD + HEADER, 8, "", "header again"),
    "semicolons": (GOOD.replace(",", ";"), 1, "", "separated by ';'"),
    "tabs": (GOOD.replace(",", "\t"), 1, "", "separated by"),
    "header name twice": (GOOD.replace("record,name,kind", "record,name,name"), 1, "name", "in the header twice"),
    "unknown column": (GOOD.replace("proxy\n", "proxies\n", 1), 1, "proxies", "is unknown; known columns are"),
    "no header name": (GOOD.replace("record,name", "record,"), 1, "2", "has no name"),
    "no record column": (
        GOOD.replace("record,name", "symbol,name", 1).replace("symbol,quantity", "id,quantity", 1),
        1,
        "record",
        "is missing",
    ),
    "empty": ("", 0, "", "the file is empty"),
    "open quotation mark": (GOOD + 'node,"Gamma,portfolio,Firm,,,,,\n', 8, "", "quotation mark left open"),
    "formula": (GOOD.replace("position,Alpha", "position,=1+1"), 7, "name", "starts like a formula"),
    "control character": (GOOD.replace("node,Alpha", "node,Al\x07pha"), 6, "name", "control character"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_error_is_named_by_line_and_column(case: str) -> None:
    text, line, column, message = CASES[case]
    with pytest.raises(BookFileError) as caught:
        import_book(text)
    found = [(p.line, p.column) for p in caught.value.problems if message in p.message]
    assert found == [(line, column)], caught.value


def test_another_encoding_is_named() -> None:
    with pytest.raises(BookFileError, match=r"line 6: byte \d+ is not UTF-8"):
        import_book(GOOD.replace("Alpha", "Gäa").encode("latin-1"))
    with pytest.raises(BookFileError, match="not UTF-8"):
        import_book(GOOD.encode("utf-16"))


def test_all_errors_are_collected_within_a_bound() -> None:
    bad = GOOD + "".join(f"position,Alpha,,,,X{k},1 000,,\n" for k in range(80))
    with pytest.raises(BookFileError) as caught:
        import_book(bad)
    assert len(caught.value.problems) == PROBLEMS_MAX
    assert caught.value.more == 160 - PROBLEMS_MAX
    assert "and 60 more" in str(caught.value)
    assert [p.line for p in caught.value.problems] == sorted(p.line for p in caught.value.problems)


def test_one_error_does_not_cause_another() -> None:
    """A node whose kind is wrong is still there for its positions, and so is an instrument."""
    with pytest.raises(BookFileError) as caught:
        import_book(GOOD.replace("AAPL,,equity", "AAPL,,share").replace("Alpha,portfolio", "Alpha,folder"))
    assert [(p.line, p.column) for p in caught.value.problems] == [(4, "asset_class"), (6, "kind")]


@pytest.mark.parametrize("name", [" lead", "tail ", "=SUM(A1)", "two\nlines"])
def test_what_would_not_come_back_does_not_go_out(name: str) -> None:
    book = Book("USD", "XNYS", cash_instruments((), "USD", 1), (Node(1, name, NodeKind.PORTFOLIO, None, "USD"),))
    with pytest.raises(BookFileError, match="would not come back"):
        export_book(book)


def test_two_of_one_name_do_not_go_out() -> None:
    nodes = (Node(1, "A", NodeKind.FIRM, None, "USD"), Node(2, "A", NodeKind.PORTFOLIO, 1, "USD"))
    with pytest.raises(BookFileError, match="2 nodes are called 'A'"):
        export_book(Book("USD", "XNYS", cash_instruments((), "USD", 1), nodes))
