"""Tags: out and in by the book file, on the wire only where there are any, and never in the identity of a book without."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_core.book import BookError, Tag
from risk_core.records import Genesis
from services.common.books.csv_format import COLUMNS, export_book
from services.common.books.csv_import import import_book
from services.common.books.table_rows import BookFileError
from services.common.codec import HEADER_BYTES, MalformedRecord, decode, encode
from services.common.codec_bodies import _Genesis
from services.ingest.genesis import book_hash
from tests.golden.codec.write import HERE, RECORDS, TAGGED
from tests.unit.common.test_codec import reseal
from tests.worlds import small_book

BOOK = small_book()
HEADER = "record,name,kind,currency,symbol,asset_class,tags\n"
TOP = HEADER + "book,,,USD,,,\n"
NODE = "node,Firm,firm,,,,\n"

keys = st.from_regex(r"\A[a-z][a-z0-9_]{0,39}\Z")
words = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters=";="), min_size=1, max_size=20)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)


@given(st.dictionaries(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6]), keys), values, max_size=6))
def test_tags_come_back_as_they_went_out(cells: dict[tuple[int, str], str]) -> None:
    book = replace(BOOK, tags=tuple(Tag(i, k, v) for (i, k), v in sorted(cells.items())))
    try:
        text = export_book(book)
    except BookFileError as error:
        assert "characters; at most 500" in str(error)  # noqa: PT017
        return
    assert import_book(text) == book
    record = replace(RECORDS["genesis"], body=Genesis(book, "feed", "book", "", 0, 0, "{}"))
    assert decode(encode(record)) == record
    assert (book_hash(book) == book_hash(BOOK)) == (not cells)


def test_a_book_without_tags_is_what_it_was() -> None:
    """Hashes and header as they were before there were tags; the golden bytes are held by test_codec."""
    assert book_hash(BOOK) == "380eac55f67157118bc7e52636c7cc6f6fc5d263717bc09d81b4c4024080a58d"
    assert export_book(BOOK).splitlines()[0] == ",".join(COLUMNS[:-1])
    assert import_book(export_book(BOOK)).tags == ()


def test_the_wire_carries_tags_as_a_last_field_of_the_book() -> None:
    plain = msgspec.msgpack.decode(encode(RECORDS["genesis"])[HEADER_BYTES:])
    payload = encode(TAGGED)
    tagged = msgspec.msgpack.decode(payload[HEADER_BYTES:])
    assert tagged[1:] == plain[1:]
    assert tagged[0] == [*plain[0], [[2, "country", "US"], [2, "sector", "tech"], [4, "sector", "energy"]]]
    assert payload == (HERE / "v2" / "genesis_tagged.bin").read_bytes()
    assert decode(payload) == TAGGED
    with pytest.raises(msgspec.ValidationError, match="length"):  # what a build from before tags says: bad_value
        msgspec.msgpack.decode(payload[HEADER_BYTES:], type=_Genesis)


def test_a_tag_of_no_instrument_is_refused_on_the_wire() -> None:
    payload = encode(TAGGED)
    body = msgspec.msgpack.decode(payload[HEADER_BYTES:])
    body[0][-1][0][0] = 99
    with pytest.raises(MalformedRecord) as refused:
        decode(reseal(payload[:HEADER_BYTES] + msgspec.msgpack.encode(body)))
    assert refused.value.reason == "bad_value"
    assert "99 is not an instrument" in refused.value.detail


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("tech", "line 3, column tags: 'tech' is no tag; write key=value, several as sector=tech;country=US"),
        ("Sector=tech", "line 3, column tags: 'Sector' is no key: small letters"),
        ("sector=", "line 3, column tags: '' is no value of sector"),
        ("sector=a=b", "line 3, column tags: 'a=b' is no value of sector"),
        ("sector=tech;sector=energy", "line 3, column tags: sector is given twice"),
        ("=tech", "line 3, column tags: '=tech' starts like a formula"),
        ("sector=" + "x" * 101, "is no value of sector: 1 to 100"),
    ],
)
def test_bad_tags_are_named_by_line_and_column(cell: str, said: str) -> None:
    with pytest.raises(BookFileError) as error:
        import_book(TOP + f"instrument,,,USD,SPX,index,{cell}\n" + NODE)
    assert said in str(error.value)


def test_tags_are_taken_with_blanks_and_in_any_order() -> None:
    text = TOP + "instrument,,,USD,SPX,index,sector = broad market ; country=US;\n" + "instrument,,,USD,AAPL,equity,\n" + NODE
    book = import_book(text)
    assert book.tags == (Tag(1, "country", "US"), Tag(1, "sector", "broad market"))
    assert ",country=US;sector=broad market\n" in export_book(book)
    with pytest.raises(BookFileError, match="column tags: 'a=b' has no meaning in a row 'node'"):
        import_book(TOP + "node,Firm,firm,,,,a=b\n")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ((Tag(99, "sector", "tech"),), "99 is not an instrument"),
        ((Tag(2, "sector", "tech"), Tag(2, "sector", "energy")), "'AAA': has two values of the tag sector"),
        ((Tag(2, "Sector", "tech"),), "'AAA', tags: 'Sector' is no key"),
        ((Tag(2, "sector", "a;b"),), "is no value of sector"),
    ],
)
def test_a_book_refuses_tags_that_cannot_be(tags: tuple[Tag, ...], said: str) -> None:
    with pytest.raises(BookError, match=said):
        replace(BOOK, tags=tags)
