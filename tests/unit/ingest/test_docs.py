"""The documents say what the code does: reasons, columns, and examples that work."""

from __future__ import annotations

import re
from pathlib import Path

from risk_core.book import AssetClass, NodeKind, Shock
from services.common.books.csv_format import COLUMNS
from services.common.books.csv_import import import_book
from services.ingest.payloads import read_command, read_ticks
from services.ingest.reasons import Reason, Warn

DOCS = Path(__file__).parents[3] / "docs"


def test_every_reason_has_its_row_and_every_row_a_reason() -> None:
    text = (DOCS / "feeds.md").read_text()
    refused, strange = text.split("## What is strange, and taken")
    rows = re.findall(r"^\| `(\w+)` \|", refused.split("## What is refused")[1], re.M)
    assert rows == [r.value for r in Reason]
    assert re.findall(r"^\| `(\w+)` \|", strange, re.M) == [w.value for w in Warn]


def test_examples_of_messages_are_taken() -> None:
    examples = re.findall(r"```json\n(.*?)```", (DOCS / "feeds.md").read_text(), re.S)
    ticks, rejections = read_ticks(examples[0].strip().encode())
    assert (len(ticks), rejections) == (1, ())
    orders = [read_command(example.strip().encode(), 0) for example in examples[1:]]
    assert [type(order).__name__ for order in orders] == ["RawFill", "RawFillCorrection", "RawPriceCorrection", "RawPositions"]


def test_the_example_book_is_taken_and_every_column_and_word_is_described() -> None:
    text = (DOCS / "book-format.md").read_text()
    example = re.findall(r"```csv\n(.*?)```", text, re.S)[0]
    assert len(import_book(example).positions) == 2
    for word in (*COLUMNS, *AssetClass, *NodeKind, *Shock):
        assert re.search(rf"\b{word}\b", text), word
