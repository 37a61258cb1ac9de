"""Inbound JSON, version 1, to raw ticks and orders of the desk: docs/feeds.md has the schemas.

Shape is judged here, meaning by `validate` and `commands`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from services.common.feeds.port import RawFill, RawTicks
from services.common.feeds.times import parse_time
from services.ingest.commands import RawCommand, RawFillCorrection, RawPositions, RawPriceCorrection
from services.ingest.reasons import Reason
from services.ingest.validate import Rejection

VERSION: Final = 1
ORDER_BYTES_MAX: Final = 16_384
POSITIONS_BYTES_MAX: Final = 1_000_000
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


_ENVELOPE: Final = {"version": _Field((int,)), "kind": _Field((str,), required=False)}
_POSITION: Final = {"portfolio": _Field((str,)), "symbol": _Field((str,)), "quantity": _Field((str, int))}
_TRADE: Final = {
    **_POSITION,
    "price": _Field((int, float, str, type(None))),
    "fees": _Field((int, float), required=False),
    "currency": _Field((str,), required=False),
}
_FILL: Final = {**_ENVELOPE, "fill_id": _Field((str,)), **_TRADE, "time": _Field((str, int), required=False)}
_CORRECTION: Final = {**_ENVELOPE, "correction_id": _Field((str,)), "reason": _Field((str,), required=False)}
_FILL_CORRECTION: Final = {**_CORRECTION, "fill_id": _Field((str,)), "fill": _Field((dict, type(None)))}
_PRICE_CORRECTION: Final = {
    **_CORRECTION,
    "symbol": _Field((str,)),
    "time": _Field((str, int)),
    "price": _Field((int, float, str, type(None))),
    "currency": _Field((str,), required=False),
}
_POSITIONS: Final = {**_ENVELOPE, "reference": _Field((str,)), "positions": _Field((list,)), "time": _Field((str, int), required=False)}
_TICKS: Final = {"version": _Field((int,)), "ticks": _Field((list,)), "sequence": _Field((int,), required=False)}
_TICK: Final = {
    "symbol": _Field((str,)),
    "price": _Field((int, float, str, type(None))),
    "time": _Field((str, int)),
    "currency": _Field((str,), required=False),
}


def read_command(payload: bytes, now_ns: int) -> RawFill | RawCommand | Rejection:
    """Return the fill, correction or positions in a payload; a fill or positions without a time are of now."""
    try:
        fields = _load(payload, POSITIONS_BYTES_MAX)
        kind = fields.get("kind", "fill")
        form = _COMMANDS.get(kind) if isinstance(kind, str) else None
        if form is None:
            raise _Refused(Reason.BAD_VALUE, f"kind {_shown(kind)}: needs one of {', '.join(_COMMANDS)}")
        if len(payload) > form.bytes_max:
            raise _Refused(Reason.OVERSIZE, f"{len(payload)} bytes; at most {form.bytes_max}")
        return form.build(_checked(fields, form.schema, kind), now_ns)
    except _Refused as refused:
        return Rejection(refused.reason, refused.detail, payload)


def _fill(fields: Mapping[str, Any], now_ns: int) -> RawFill:
    return _trade(fields, fields["fill_id"], _time(fields["time"]) if "time" in fields else now_ns)


def _trade(fields: Mapping[str, Any], fill_id: str, event_ns: int) -> RawFill:
    return RawFill(
        fill_id=fill_id,
        portfolio=fields["portfolio"],
        symbol=fields["symbol"],
        quantity=str(fields["quantity"]),
        price=_price(fields["price"]),
        event_ns=event_ns,
        fees=float(fields.get("fees", 0.0)),
        currency=fields.get("currency"),
    )


def _fill_correction(fields: Mapping[str, Any], now_ns: int) -> RawFillCorrection:
    trade = fields["fill"]
    fill = None if trade is None else _trade(_checked(trade, _TRADE, "fill"), fields["fill_id"], now_ns)
    return RawFillCorrection(fields["correction_id"], fields["fill_id"], fill, fields.get("reason", ""))


def _price_correction(fields: Mapping[str, Any], _: int) -> RawPriceCorrection:
    price = None if fields["price"] is None else _price(fields["price"])
    at_ns = _time(fields["time"])
    return RawPriceCorrection(fields["correction_id"], fields["symbol"], at_ns, price, fields.get("currency"), fields.get("reason", ""))


def _positions(fields: Mapping[str, Any], now_ns: int) -> RawPositions:
    rows = []
    for k, item in enumerate(fields["positions"]):
        if not isinstance(item, dict):
            raise _Refused(Reason.BAD_VALUE, f"position {k} is no object")
        row = _checked(item, _POSITION, f"position {k}")
        rows.append((row["portfolio"], row["symbol"], str(row["quantity"])))
    return RawPositions(fields["reference"], _time(fields["time"]) if "time" in fields else now_ns, tuple(rows))


@dataclass(frozen=True, slots=True)
class _Form:
    """A kind of order: its fields, its bound, and how it is made of them."""

    schema: dict[str, _Field]
    build: Callable[[Mapping[str, Any], int], RawFill | RawCommand]
    bytes_max: int = ORDER_BYTES_MAX


_COMMANDS: Final = {
    "fill": _Form(_FILL, _fill),
    "fill_correction": _Form(_FILL_CORRECTION, _fill_correction),
    "price_correction": _Form(_PRICE_CORRECTION, _price_correction),
    "positions": _Form(_POSITIONS, _positions, POSITIONS_BYTES_MAX),
}


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


_KIND: Final = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "an object", type(None): "null"}


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
