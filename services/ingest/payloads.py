"""Inbound JSON, version 1, to raw ticks and fills: docs/feeds.md has the schemas. Shape is judged here, meaning by `validate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from services.common.feeds.port import RawFill, RawTicks
from services.common.feeds.times import parse_time
from services.ingest.reasons import Reason
from services.ingest.validate import Rejection

VERSION: Final = 1
FILL_BYTES_MAX: Final = 16_384
TICKS_BYTES_MAX: Final = 1_000_000
TICKS_MAX: Final = 10_000
TEXT_MAX: Final = 200
_INT64: Final = range(-(2**63), 2**63)


class _Refused(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Field:
    """`kinds` are JSON types by Python's names; a field without a default is required."""

    kinds: tuple[type, ...]
    required: bool = True


_FILL: Final = {
    "version": _Field((int,)),
    "fill_id": _Field((str,)),
    "portfolio": _Field((str,)),
    "symbol": _Field((str,)),
    "quantity": _Field((str, int)),
    "price": _Field((int, float, str, type(None))),
    "time": _Field((str, int), required=False),
    "fees": _Field((int, float), required=False),
    "currency": _Field((str,), required=False),
}
_TICKS: Final = {"version": _Field((int,)), "ticks": _Field((list,)), "sequence": _Field((int,), required=False)}
_TICK: Final = {
    "symbol": _Field((str,)),
    "price": _Field((int, float, str, type(None))),
    "time": _Field((str, int)),
    "currency": _Field((str,), required=False),
}


def read_fill(payload: bytes, now_ns: int) -> RawFill | Rejection:
    """Return the fill in a payload; without a time it was executed now."""
    try:
        fields = _checked(_load(payload, FILL_BYTES_MAX), _FILL, "fill")
        return RawFill(
            fill_id=fields["fill_id"],
            portfolio=fields["portfolio"],
            symbol=fields["symbol"],
            quantity=str(fields["quantity"]),
            price=_price(fields["price"]),
            event_ns=_time(fields["time"]) if "time" in fields else now_ns,
            fees=float(fields.get("fees", 0.0)),
            currency=fields.get("currency"),
        )
    except _Refused as refused:
        return Rejection(refused.reason, refused.detail, payload)


def read_ticks(payload: bytes) -> tuple[RawTicks, tuple[Rejection, ...]]:
    """Return the ticks in a payload, and what in it could not be read.

    `sequence` numbers the first tick and the others follow; a tick of a bad shape keeps its number. In the dead letters a tick is
    the payload it came in, or its own part of a payload with many.
    """
    try:
        envelope = _checked(_load(payload, TICKS_BYTES_MAX), _TICKS, "ticks")
        items = envelope["ticks"]
        if len(items) > TICKS_MAX:
            raise _Refused(Reason.OVERSIZE, f"{len(items)} ticks; at most {TICKS_MAX} in one payload")
        first = envelope.get("sequence", -1)
        if not -1 <= first <= _INT64[-1] - TICKS_MAX:
            raise _Refused(Reason.BAD_VALUE, f"sequence {first}: must be a whole number from 0")
    except _Refused as refused:
        return _columns([]), (Rejection(refused.reason, refused.detail, payload),)
    rows: list[_Row] = []
    rejections: list[Rejection] = []
    for k, item in enumerate(items):
        raw = payload if len(items) == 1 else json.dumps(item).encode()
        try:
            if not isinstance(item, dict):
                raise _Refused(Reason.BAD_VALUE, f"tick {k} is no object")
            fields = _checked(item, _TICK, f"tick {k}")
            sequence = -1 if first < 0 else first + k
            rows.append(_Row(fields["symbol"], _price(fields["price"]), _time(fields["time"]), fields.get("currency"), sequence, raw))
        except _Refused as refused:
            rejections.append(Rejection(refused.reason, refused.detail, raw))
    return _columns(rows), tuple(rejections)


@dataclass(frozen=True, slots=True)
class _Row:
    symbol: str
    price: float
    event_ns: int
    currency: str | None
    sequence: int
    raw: bytes


def _columns(rows: list[_Row]) -> RawTicks:
    symbols = {s: k for k, s in enumerate(sorted({r.symbol for r in rows}))}
    currencies = {c: k for k, c in enumerate(sorted({r.currency for r in rows if r.currency is not None}))}
    return RawTicks(
        symbols=tuple(symbols),
        symbol=np.array([symbols[r.symbol] for r in rows], np.int32),
        price=np.array([r.price for r in rows], np.float64),
        event_ns=np.array([r.event_ns for r in rows], np.int64),
        currencies=tuple(currencies),
        currency=np.array([-1 if r.currency is None else currencies[r.currency] for r in rows], np.int32),
        sequence=np.array([r.sequence for r in rows], np.int64),
        raw=tuple(r.raw for r in rows),
    )


def _load(payload: bytes, bytes_max: int) -> dict[str, Any]:
    """Return the JSON object in a payload of our version."""
    if len(payload) > bytes_max:
        raise _Refused(Reason.OVERSIZE, f"{len(payload)} bytes; at most {bytes_max}")
    try:
        fields = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A number cut after its point reads as malformed; an object without its end was cut all the same.
        if "truncated" in str(error) or (payload.startswith(b"{") and not payload.rstrip().endswith(b"}")):
            raise _Refused(Reason.TRUNCATED, str(error)) from None
        fields = _load_lenient(payload, str(error))
    if not isinstance(fields, dict):
        raise _Refused(Reason.BAD_VALUE, f"a JSON {type(fields).__name__}; needs an object")
    version = fields.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version != VERSION:
        raise _Refused(Reason.UNKNOWN_VERSION, f"version {version}; this build reads {VERSION}")
    return fields


def _load_lenient(payload: bytes, why: str) -> Any:
    """Python's own reader takes NaN, Infinity and 1e999, which many programs write: the price then gets its true reason."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise _Refused(Reason.GARBAGE, why) from None


def _checked(fields: dict[str, Any], schema: dict[str, _Field], what: str) -> dict[str, Any]:
    for name, field in schema.items():
        if name not in fields:
            if field.required:
                raise _Refused(Reason.BAD_VALUE, f"{what}: the field {name} is missing")
            continue
        value = fields[name]
        if not isinstance(value, field.kinds) or isinstance(value, bool):
            raise _Refused(Reason.BAD_VALUE, f"{what}: {name} is {_shown(value)}; needs {' or '.join(_KIND[k] for k in field.kinds)}")
        if isinstance(value, str) and not 0 < len(value) <= TEXT_MAX:
            raise _Refused(Reason.BAD_VALUE, f"{what}: {name} has {len(value)} characters; needs 1 to {TEXT_MAX}")
    unknown = sorted(fields.keys() - schema.keys())
    if unknown:
        raise _Refused(Reason.BAD_VALUE, f"{what}: unknown field {_shown(unknown[0])}; known are {', '.join(schema)}")
    return fields


_KIND: Final = {int: "a whole number", float: "a number", str: "text", list: "a list", type(None): "null"}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def _price(value: int | float | str | None) -> float:
    """Return a price as sent; null, and text that is no number, become NaN and are refused as such."""
    if value is None:
        return float("nan")
    try:
        return float(value)
    except ValueError:
        return float("nan")
    except OverflowError:
        return float("inf")


def _time(value: str | int) -> int:
    """Return nanoseconds of a whole number or ISO text; refuse a date alone, a missing offset, and what int64 cannot hold."""
    at = value if isinstance(value, int) else parse_time(value)
    if not isinstance(at, int) or at not in _INT64:
        raise _Refused(
            Reason.BAD_VALUE, f"time {_shown(value)}: needs nanoseconds since 1970, or ISO-8601 with an offset: 2008-09-15T20:00:00Z"
        )
    return at
