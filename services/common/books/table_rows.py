"""Text of a spreadsheet to rows of named cells; every problem is kept with its line and column, up to a bound."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

PROBLEMS_MAX: Final = 100
ROWS_MAX: Final = 1_000_000
BYTES_MAX: Final = 200_000_000
CELL_MAX: Final = 500

_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one cell. Line 1 is the header; line 0 and column "" mean the file or the row."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(filter(None, [f"line {self.line}" if self.line else "", f"column {self.column}" if self.column else ""]))
        return f"{place}: {self.message}" if place else self.message


class BookFileError(ValueError):
    """A file that cannot be taken. `problems` names each cell; `more` counts those beyond the bound."""

    def __init__(self, problems: tuple[Problem, ...], more: int = 0) -> None:
        self.problems = problems
        self.more = more
        lines = [str(p) for p in problems]
        super().__init__("\n".join(lines + ([f"and {more} more"] if more else [])))


@dataclass(slots=True)
class Problems:
    """Collects problems, the first hundred in full."""

    found: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, line: int, column: str, message: str) -> None:
        """Keep one."""
        if len(self.found) < PROBLEMS_MAX:
            self.found.append(Problem(line, column, message))
        else:
            self.more += 1

    def stop_if_any(self) -> None:
        """Raise BookFileError, in order of lines, if there is a problem."""
        if self.found:
            raise BookFileError(tuple(sorted(self.found, key=lambda p: p.line)), self.more)


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column, without surrounding blanks; one that is not there is empty."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_rows(data: bytes | str, columns: Sequence[str], needed: Sequence[str], problems: Problems) -> list[Row]:
    """Return the rows of comma-separated text whose header names some of `columns`, all of `needed`.

    A byte-order mark, any line ends, columns in any order and empty lines are taken. Other separators, another encoding, a
    repeated header and cells beyond the header are problems.

    Raises
    ------
    BookFileError
        At once when the header cannot be used; other problems are added to `problems`.
    """
    reader = csv.reader(io.StringIO(_text(data, problems), newline=""), strict=True)
    header: list[str] | None = None
    rows: list[Row] = []
    line = 1
    try:
        for cells in reader:
            cells = [c.strip() for c in cells]
            if header is None:
                header = [c.lower() for c in cells]
                _check_header(cells, header, columns, needed, problems)
            elif any(cells):
                _take(rows, header, line, cells, problems)
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(line, "", f"{error}; is a quotation mark left open?")
    if header is None:
        problems.add(0, "", "the file is empty")
        problems.stop_if_any()
    return rows


def _text(data: bytes | str, problems: Problems) -> str:
    if len(data) > BYTES_MAX:
        problems.add(0, "", f"{len(data)} bytes; at most {BYTES_MAX}")
        problems.stop_if_any()
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.add(line, "", f"byte {error.start} is not UTF-8; save the file as 'CSV UTF-8 (comma delimited)'")
        problems.stop_if_any()
        raise AssertionError from error


def _check_header(shown: list[str], header: list[str], columns: Sequence[str], needed: Sequence[str], problems: Problems) -> None:
    if len(header) == 1 and any(s in header[0] for s in ";\t|"):
        problems.add(1, "", _separator(header[0]))
        problems.stop_if_any()
    for k, name in enumerate(header):
        if not name:
            problems.add(1, str(k + 1), "has no name in the header")
        elif name not in columns:
            problems.add(1, shown[k], f"is unknown; known columns are {', '.join(columns)}")
        elif header.index(name) < k:
            problems.add(1, shown[k], "is in the header twice")
    for name in needed:
        if name not in header:
            problems.add(1, name, "is missing from the header")
    problems.stop_if_any()


def _separator(text: str) -> str:
    found = next(s for s in (";", "\t", "|") if s in text)
    return f"the columns are separated by {found!r}; save the file with commas"


def _take(rows: list[Row], header: list[str], line: int, cells: list[str], problems: Problems) -> None:
    if [c.lower() for c in cells] == header:
        problems.add(line, "", "is the header again; were two files pasted together?")
        return
    beyond = [c for c in cells[len(header) :] if c]
    if beyond:
        problems.add(line, "", f"has {len(cells)} cells and the header {len(header)}; put text or numbers with a comma in quotation marks")
        return
    if len(rows) >= ROWS_MAX:
        problems.add(line, "", f"more than {ROWS_MAX} rows")
        return
    row = Row(line, dict(zip(header, cells, strict=False)))
    for column, cell in row.cells.items():
        problem = cell_problem(cell, column)
        if problem:
            problems.add(line, column, problem)
    rows.append(row)


def cell_problem(cell: str, column: str) -> str | None:
    """Return why a cell cannot be taken: control characters, too long, or text that a spreadsheet would run as a formula."""
    if len(cell) > CELL_MAX:
        return f"has {len(cell)} characters; at most {CELL_MAX}"
    if not cell.isprintable():
        return f"{cell!r} holds a line break or control character"
    if column != "quantity" and cell.startswith(_FORMULA):
        return f"{cell!r} starts like a formula; begin it with a letter or digit"
    return None
