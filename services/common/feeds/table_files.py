"""Reading tables of prices: CSV and Parquet, long and wide, into rows; every problem is named by line and column."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from services.common.feeds.port import FeedError
from services.common.feeds.times import parse_time

ROWS_MAX: Final = 20_000_000
PROBLEMS_MAX: Final = 20
_LONG: Final = ("time", "symbol", "price")


@dataclass(slots=True)
class Rows:
    """One tick a row. `when` is a session's date or nanoseconds; `line` is where it stands (1 is the header of a CSV file)."""

    unit: str
    when: list[date | int] = field(default_factory=list)
    symbol: list[str] = field(default_factory=list)
    price: list[float] = field(default_factory=list)
    currency: list[str | None] = field(default_factory=list)
    line: list[int] = field(default_factory=list)

    def add(self, line: int, when: date | int, symbol: str, price: float, currency: str | None) -> None:
        """Append one tick."""
        self.when.append(when)
        self.symbol.append(symbol)
        self.price.append(price)
        self.currency.append(currency)
        self.line.append(line)

    def where(self, k: int) -> str:
        """Return where a row came from."""
        return f"{self.unit} {self.line[k]}"


@dataclass(frozen=True, slots=True)
class Split:
    """A line of a file of splits."""

    line: int
    day: date
    symbol: str
    numerator: int
    denominator: int


def read_rows(path: Path) -> Rows:
    """Return the ticks of a CSV or Parquet file.

    Raises
    ------
    FeedError
        No such file, unknown columns, or cells that cannot be read.
    """
    if not path.is_file():
        raise FeedError(f"{path}: no such file")
    parquet = path.suffix.lower() == ".parquet"
    header, lines = _parquet(path) if parquet else _csv(path)
    rows = Rows("row" if parquet else "line")
    problems: list[str] = []
    names = [str(h).strip() for h in header]
    lower = [n.lower() for n in names]
    if len(set(lower)) < len(lower):
        raise FeedError(f"{path}: the column {next(n for n in names if lower.count(n.lower()) > 1)!r} comes twice")
    long = set(_LONG) <= set(lower)
    if not long and lower[0] not in {"time", "date"}:
        raise FeedError(
            f"{path}: columns {', '.join(names)}; needs time, symbol, price[, currency], or time first and one column per symbol"
        )
    if len(lines) > ROWS_MAX:
        raise FeedError(f"{path}: {len(lines)} rows; at most {ROWS_MAX}")
    for line, cells in lines:
        if len(cells) != len(names):
            problems.append(f"{rows.unit} {line}: {len(cells)} cells; the header has {len(names)}")
        elif long:
            _long_row(rows, problems, line, dict(zip(lower, cells, strict=True)))
        else:
            _wide_row(rows, problems, line, names, cells)
        if len(problems) > PROBLEMS_MAX:
            break
    raise_all(path, problems)
    if not rows.when:
        raise FeedError(f"{path}: no prices")
    return rows


def read_splits(path: Path) -> list[Split]:
    """Return the splits of a CSV file with the columns date, symbol, numerator, denominator; FeedError for anything else."""
    header, lines = _csv(path)
    if [h.strip().lower() for h in header] != ["date", "symbol", "numerator", "denominator"]:
        raise FeedError(f"{path}: columns {', '.join(header)}; needs date, symbol, numerator, denominator")
    splits, problems = [], []
    for line, cells in lines:
        try:
            day, symbol, numerator, denominator = cells
            splits.append(Split(line, date.fromisoformat(day.strip()), symbol.strip(), int(numerator), int(denominator)))
        except ValueError:
            problems.append(f"line {line}: {cells}; write for example 2014-06-09,AAPL,7,1")
    raise_all(path, problems)
    return splits


def _long_row(rows: Rows, problems: list[str], line: int, cells: dict[str, Any]) -> None:
    at = f"{rows.unit} {line}"
    when, price = _time(cells["time"]), _number(cells["price"])
    symbol, currency = str(cells["symbol"] or "").strip(), str(cells.get("currency") or "").strip() or None
    if when is None:
        problems.append(f"{at}, column time: {cells['time']!r} {_TIME_HELP}")
    elif not symbol:
        problems.append(f"{at}, column symbol: is empty")
    elif price is None:
        problems.append(f"{at}, column price: {cells['price']!r} is no number")
    else:
        rows.add(line, when, symbol, price, currency)


def _wide_row(rows: Rows, problems: list[str], line: int, names: list[str], cells: list[Any]) -> None:
    """An empty cell is a symbol that did not trade."""
    at = f"{rows.unit} {line}"
    when = _time(cells[0])
    if when is None:
        problems.append(f"{at}, column {names[0]}: {cells[0]!r} {_TIME_HELP}")
        return
    for name, cell in zip(names[1:], cells[1:], strict=True):
        if cell is None or cell == "":
            continue
        price = _number(cell)
        if price is None:
            problems.append(f"{at}, column {name}: {cell!r} is no number")
        else:
            rows.add(line, when, name, price, None)


_TIME_HELP: Final = "is neither a date (2008-09-15) nor a time with an offset (2008-09-15T20:00:00Z)"


def _csv(path: Path) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            lines: list[tuple[int, list[Any]]] = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except UnicodeDecodeError as error:
        raise FeedError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        raise FeedError(f"{path}: {error}") from None
    if not header:
        raise FeedError(f"{path}: is empty")
    return header, lines


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise FeedError(f"{path}: {error}") from None
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            if column.type.tz is None:
                raise FeedError(f"{path}, column {name}: times without a time zone; store them as UTC, or as dates")
            column = column.cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64())
        columns.append(column.to_pylist())
    return table.column_names, [(k, list(cells)) for k, cells in enumerate(zip(*columns, strict=True), start=1)]


def _number(cell: Any) -> float | None:
    """Return a cell as a float, None when it is none. Python alone would take 1_000."""
    if isinstance(cell, str):
        try:
            return None if "_" in cell else float(cell)
        except ValueError:
            return None
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def _time(cell: Any) -> date | int | None:
    if isinstance(cell, str):
        return parse_time(cell.strip())
    return cell if isinstance(cell, date | int) and not isinstance(cell, bool) else None


def raise_all(path: Path, problems: list[str]) -> None:
    """Raise one FeedError with up to twenty problems of a file, if there are any."""
    if problems:
        more = "; and more" if len(problems) > PROBLEMS_MAX else ""
        raise FeedError(f"{path}: {'; '.join(problems[:PROBLEMS_MAX])}{more}")
