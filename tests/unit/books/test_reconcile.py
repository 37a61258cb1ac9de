from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.books.csv_format import export_book
from services.common.books.reconcile import Difference, difference_table, position_changes, read_positions, reconcile
from services.common.books.table_rows import BookFileError
from tests.worlds import small_book

BARE = "portfolio,symbol,quantity\nLong,INDEX,10\n"
BARE += "Long,AAA,90\nSpread,AAA,80\nSpread,BBB,-120\nEuro,EURX,50\nEuro,OIL,-30\nTrader,cash:EUR,12.5\n"


def test_a_book_agrees_with_its_own_file() -> None:
    book = small_book()
    assert reconcile(book, book.positions, read_positions(export_book(book), book)) == ()


def test_every_kind_of_difference_is_shown() -> None:
    book = small_book()
    found = reconcile(book, book.positions, read_positions(BARE, book))
    assert found == (
        Difference("Long", "AAA", 100_000_000, 90_000_000),  # other quantity
        Difference("Trader", "INDEX", 3_000_000, 0),  # they do not have it
        Difference("Trader", "cash:EUR", 0, 12_500_000),  # we do not have it
    )
    assert [d.difference for d in found] == [-10_000_000, -3_000_000, 12_500_000]
    lines = difference_table(found).splitlines()
    assert lines[0].split() == ["portfolio", "symbol", "ours", "theirs", "difference"]
    assert lines[1].split() == ["Long", "AAA", "100", "90", "-10"]
    assert len({len(line) for line in lines}) == 1


def test_a_holding_of_zero_equals_none() -> None:
    book = small_book()
    theirs = read_positions(BARE + "Long,BBB,0\n", book)
    assert not [d for d in reconcile(book, book.positions, theirs) if d.symbol == "BBB"]
    assert reconcile(book, [*book.positions, replace(book.positions[0], node_id=7, instrument_id=3, quantity=0)], book.positions) == ()


def test_bad_lines_are_all_named() -> None:
    with pytest.raises(BookFileError) as caught:
        read_positions(
            "portfolio,symbol,quantity\nLong,INDEX,x\nNobody,AAA,1\nLong,ZZZ,1\nLong,BBB,1\nLong,BBB,2\nFirm,AAA,1\n", small_book()
        )
    assert [(p.line, p.column) for p in caught.value.problems] == [
        (2, "quantity"),
        (3, "portfolio"),
        (4, "symbol"),
        (6, "symbol"),
        (7, "portfolio"),
    ]


def test_changes_make_the_difference_disappear() -> None:
    book = small_book()
    theirs = read_positions(BARE, book)
    changes = position_changes(book.positions, theirs)
    assert len(changes) == len(reconcile(book, book.positions, theirs)) == 3
    after = {(p.node_id, p.instrument_id): p for p in (*book.positions, *changes)}
    assert reconcile(book, after.values(), theirs) == ()
    assert position_changes(theirs, theirs) == ()
