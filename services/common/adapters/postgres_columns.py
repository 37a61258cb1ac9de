"""How rows of the ports lie in tables: columns, wire types, and the way there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Generic, LiteralString, TypeVar

import numpy as np
from psycopg.types.json import Jsonb

from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeModel, RegimeState, RiskResult, ScenarioRow, WatchRow
from services.common.adapters.postgres_connection import Connection
from services.common.ports import FillRow, Job

EPOCH_2000_US: Final = 946_684_800_000_000
"""PostgreSQL's zero of time, in microseconds since 1970."""
EPOCH_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


def timestamp_wire(ns: int) -> int:
    """Return nanoseconds since 1970 as PostgreSQL's binary timestamptz (int64 microseconds since 2000), rounded down."""
    return ns // 1000 - EPOCH_2000_US


def timestamp(ns: int) -> datetime:
    """Return nanoseconds since 1970 as a time with its zone, rounded down to the microsecond."""
    return EPOCH_1970 + timedelta(microseconds=ns // 1000)


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A table of rows of one kind: `copied` column → wire type, `read` the columns that `load` takes."""

    name: LiteralString
    copied: dict[LiteralString, LiteralString]
    read: tuple[LiteralString, ...]
    dump: Callable[[T], tuple[Any, ...]]
    load: Callable[[Sequence[Any]], T]

    def copy(self, connection: Connection, rows: Iterable[T], *more: Any) -> None:
        """COPY rows in; `more` fills the last columns alike in each."""
        statement: LiteralString = "COPY " + self.name + " (" + ", ".join(self.copied) + ") FROM STDIN (FORMAT BINARY)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(self.copied.values()))
            for row in rows:
                copy.write_row(self.dump(row) + more)

    def select(self, rest: LiteralString) -> LiteralString:
        """Return `SELECT the read columns FROM the table`, and the rest of the query."""
        return "SELECT " + ", ".join(self.read) + " FROM " + self.name + " " + rest


# timestamptz is written as the int8 that it is on the wire: no datetime is built per row
_KEY_TYPES: Final[dict[LiteralString, LiteralString]] = {
    "method": "text",
    "horizon_days": "int4",
    "confidence": "float8",
    "revision": "int4",
}

_result_head = attrgetter("run_id", "node_id")
_RESULT_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "as_of_ns": "int8",
    **_KEY_TYPES,
    "currency": "text",
    "value_at_risk": "float8",
    "expected_shortfall": "float8",
    "scenario_count": "int4",
    "log_seq": "int8",
    "stale_share": "float8",
    "proxied_share": "float8",
    "thin_share": "float8",
    "status": "text",
    "value_at_risk_error": "float8",
    "value_at_risk_lower": "float8",
    "value_at_risk_upper": "float8",
    "expected_shortfall_error": "float8",
    "expected_shortfall_lower": "float8",
    "expected_shortfall_upper": "float8",
    "measures": "jsonb",
}
_result_tail = attrgetter(*(name for name in _RESULT_TAIL if name != "measures"))


def _json(values: dict[str, float] | None) -> Jsonb | None:
    return None if values is None else Jsonb(values)


def _numbers(values: dict[str, float] | None) -> dict[str, float] | None:
    """A number without decimals comes back as an int."""
    return None if values is None else {name: float(value) for name, value in values.items()}


RESULTS: Final[Table[RiskResult]] = Table(
    "risk_results",
    {"run_id": "text", "node_id": "int4", "as_of": "int8", **_RESULT_TAIL, "shard_id": "text"},
    ("run_id", "node_id", *_RESULT_TAIL),
    lambda row: (*_result_head(row), timestamp_wire(row.as_of_ns), *_result_tail(row), _json(row.measures)),
    lambda values: RiskResult(*(*values[:-1], _numbers(values[-1]))),
)

_DAY_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "as_of_ns": "int8",
    **_KEY_TYPES,
    "currency": "text",
    "forecast_value_at_risk": "float8",
    "forecast_expected_shortfall": "float8",
    "hypothetical_pnl": "float8",
    "actual_pnl": "float8",
    "fees": "float8",
    "exception_hypothetical": "bool",
    "exception_actual": "bool",
    "status": "text",
}
_day_tail = attrgetter(*_DAY_TAIL)

DAY_CLOSES: Final[Table[DayCloseRow]] = Table(
    "day_closes",
    {"run_id": "text", "node_id": "int4", "date": "date", "as_of": "int8", **_DAY_TAIL, "shard_id": "text"},
    ("run_id", "node_id", "date", *_DAY_TAIL),
    lambda row: (row.run_id, row.node_id, date.fromisoformat(row.date), timestamp_wire(row.as_of_ns), *_day_tail(row)),
    lambda values: DayCloseRow(values[0], values[1], values[2].isoformat(), *values[3:]),
)

_BACKTEST_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "as_of_ns": "int8",
    "method": "text",
    "horizon_days": "int4",
    "confidence": "float8",
    "outcome": "text",
    "window_days": "int4",
    "revision": "int4",
    "observations": "int4",
    "exceptions": "int4",
    "expected": "float8",
    "zone": "text",
    "zone_before": "text",
    "type_i": "float8",
    "multiplier_mar32": "float8",
    "multiplier_basel_2_5": "float8",
    "kupiec_p": "float8",
    "independence_p": "float8",
    "conditional_p": "float8",
}
_backtest_tail = attrgetter(*_BACKTEST_TAIL)

BACKTESTS: Final[Table[BacktestResult]] = Table(
    "backtest_results",
    {"run_id": "text", "node_id": "int4", "date": "date", "as_of": "int8", **_BACKTEST_TAIL},
    ("run_id", "node_id", "date", *_BACKTEST_TAIL),
    lambda row: (row.run_id, row.node_id, date.fromisoformat(row.date), timestamp_wire(row.as_of_ns), *_backtest_tail(row)),
    lambda values: BacktestResult(values[0], values[1], values[2].isoformat(), *values[3:]),
)

SCENARIO_COLUMNS: Final[tuple[LiteralString, ...]] = ("run_id", "as_of_ns", "date", "revision", "log_seq", "shock", "proxied")


def dump_scenario(row: ScenarioRow) -> tuple[object, ...]:
    """Return the arguments of the function `keep_scenario`."""
    shock, proxied = row.shock.astype("<f8", copy=False).tobytes(), row.proxied.tobytes()
    return row.run_id, timestamp(row.as_of_ns), row.as_of_ns, date.fromisoformat(row.date), row.revision, row.log_seq, shock, proxied


def load_scenario(values: Sequence[Any]) -> ScenarioRow:
    """Return a row from `SCENARIO_COLUMNS`; its arrays are its own."""
    shock, proxied = np.frombuffer(values[5], "<f8").astype(np.float64), np.frombuffer(values[6], np.uint8).copy()
    return ScenarioRow(values[0], values[1], values[2].isoformat(), values[3], values[4], shock, proxied)


_WATCH_HEAD: Final[dict[LiteralString, LiteralString]] = {
    "run_id": "text",
    "instrument_id": "int4",
    "as_of": "int8",
    "as_of_ns": "int8",
    "date": "date",
}
_STATE_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "revision": "int4",
    "log_seq": "int8",
    "price": "float8",
    "move": "float8",
    "model_version": "int4",
    "labels": "text[]",
    "filtered": "float8[]",
    "ahead": "float8[]",
    "volatility": "float8",
    "status": "text",
}
_MODEL_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "kind": "text",
    "revision": "int4",
    "log_seq": "int8",
    "model_version": "int4",
    "observations": "int4",
    "status": "text",
    "reason": "text",
    "parameters": "jsonb",
    "used": "bool",
}
_CHANGE_TAIL: Final[dict[LiteralString, LiteralString]] = {
    "detector": "text",
    "revision": "int4",
    "log_seq": "int8",
    "direction": "text",
    "statistic": "float8",
    "threshold": "float8",
}


def _watch_table(name: LiteralString, tail: dict[LiteralString, LiteralString], kind: Callable[..., Any]) -> Table[Any]:
    """Return a table of rows about instruments: tuples lie in arrays, dictionaries in JSON."""
    values_of = attrgetter(*tail)

    def dump(row: WatchRow) -> tuple[Any, ...]:
        head = (row.run_id, row.instrument_id, timestamp_wire(row.as_of_ns), row.as_of_ns, date.fromisoformat(row.date))
        return (*head, *(list(v) if isinstance(v, tuple) else Jsonb(v) if isinstance(v, dict) else v for v in values_of(row)))

    def load(values: Sequence[Any]) -> Any:
        plain = (tuple(v) if isinstance(v, list) else v for v in values[4:])
        return kind(*values[:3], values[3].isoformat(), *plain)

    copied: dict[LiteralString, LiteralString] = {**_WATCH_HEAD, **tail, "shard_id": "text"}
    return Table(name, copied, ("run_id", "instrument_id", "as_of_ns", "date", *tail), dump, load)


REGIME_STATES: Final[Table[RegimeState]] = _watch_table("regime_states", _STATE_TAIL, RegimeState)
REGIME_MODELS: Final[Table[RegimeModel]] = _watch_table("regime_models", _MODEL_TAIL, RegimeModel)
CHANGE_POINTS: Final[Table[ChangePoint]] = _watch_table("change_points", _CHANGE_TAIL, ChangePoint)
WATCHED: Final[dict[type, Table[Any]]] = {RegimeState: REGIME_STATES, RegimeModel: REGIME_MODELS, ChangePoint: CHANGE_POINTS}
"""In the order in which rows are written and read back."""

JOBS: Final[Table[Job]] = Table(
    "jobs",
    {
        "job_key": "text",
        "run_id": "text",
        "shard_id": "text",
        "kind": "text",
        "as_of": "int8",
        "as_of_ns": "int8",
        "payload": "bytea",
    },
    ("job_key", "run_id", "shard_id", "kind", "as_of_ns", "payload"),
    lambda row: (row.job_key, row.run_id, row.shard_id, row.kind, timestamp_wire(row.as_of_ns), row.as_of_ns, row.payload),
    lambda values: Job(*values),
)

_FILL_COLUMNS: Final[dict[LiteralString, LiteralString]] = {
    "log_seq": "int8",
    "ordinal": "int4",
    "event_ns": "int8",
    "fill_id": "text",
    "node_id": "int4",
    "instrument_id": "int4",
    "quantity": "int8",
    "price": "float8",
    "fees": "float8",
    "correction_id": "text",
    "superseded_by": "text",
}
_fill_values = attrgetter(*_FILL_COLUMNS)


@dataclass(frozen=True, slots=True)
class SourcedFill:
    """A fill with the source record that carried it; `first_log_seq` is that of the genesis record before it."""

    first_log_seq: int
    source_id: int
    source_seq: int
    row: FillRow


FILLS: Final[Table[SourcedFill]] = Table(
    "fills",
    {"first_log_seq": "int8", "source_id": "int8", "source_seq": "int8", "event_time": "int8", **_FILL_COLUMNS},
    ("first_log_seq", "source_id", "source_seq", *_FILL_COLUMNS),
    lambda fill: (fill.first_log_seq, fill.source_id, fill.source_seq, timestamp_wire(fill.row.event_ns), *_fill_values(fill.row)),
    lambda values: SourcedFill(values[0], values[1], values[2], FillRow(*values[3:])),
)
FILL_COLUMNS: Final = tuple(_FILL_COLUMNS)
