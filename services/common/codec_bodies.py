"""Bodies on the wire: one explicit type each, so that a change of `risk_core.records` never changes bytes unnoticed.

Ticks are raw columns (docs/decisions/0004-wire-format.md has the measurement); every other body is a msgpack array whose
fields stand in the order declared here. An older version is a table of the bodies that differed, each mapped forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from risk_core import records
from risk_core.book import AssetClass, NodeKind, Shock

WIRE_VERSION: Final = 2

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
IsoDate = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]


class BodyError(Exception):
    """A body that cannot be read."""

    def __init__(self, reason: Literal["garbage", "bad_value"], detail: str) -> None:
        super().__init__(detail)
        self.reason: Literal["garbage", "bad_value"] = reason
        self.detail = detail


# ------------------------------------------------------------------ types


class _Wire(Struct, array_like=True, forbid_unknown_fields=True):
    """A msgpack array of exactly these fields."""


class _Instrument(_Wire):
    instrument_id: Int32
    symbol: str
    asset_class: AssetClass
    currency: str
    proxy_id: Int32 | None
    shock: Shock
    fx_currency: str | None
    adjusted: bool
    synthetic: bool


class _Node(_Wire):
    node_id: Int64
    name: str
    kind: NodeKind
    parent_id: Int64 | None
    currency: str
    description: str


class _Position(_Wire):
    node_id: Int64
    instrument_id: Int32
    quantity: Int64


class _SymbolValidity(_Wire):
    symbol: str
    instrument_id: Int32
    valid_from_ns: Int64
    valid_to_ns: Int64


class _Book(_Wire):
    base_currency: str
    calendar: str
    instruments: tuple[_Instrument, ...]
    nodes: tuple[_Node, ...]
    positions: tuple[_Position, ...]
    symbols: tuple[_SymbolValidity, ...]
    default_proxy_id: Int32 | None


class _Tag(_Wire):
    instrument_id: Int32
    key: str
    value: str


class _TaggedBook(_Book):
    """A book that may have tags. Without them it is written as `_Book`: the bytes, and so the run, of such a book are as ever."""

    tags: tuple[_Tag, ...] = ()


class _Genesis(_Wire):
    book: _Book
    feed_hash: str
    book_hash: str
    nonce: str
    emit_from_ns: Int64
    cadence_ns: Int64
    configuration: str


class _TaggedGenesis(_Wire):
    book: _TaggedBook
    feed_hash: str
    book_hash: str
    nonce: str
    emit_from_ns: Int64
    cadence_ns: Int64
    configuration: str


class _SourceOpen(_Wire):
    name: str


class _SourceClose(_Wire):
    pass


class _Heartbeat(_Wire):
    pass


class _Fill(_Wire):
    fill_id: str
    node_id: Int64
    instrument_id: Int32
    quantity: Int64
    price: float
    fees: float


class _Fills(_Wire):
    fills: tuple[_Fill, ...]


class _BookChange(_Wire):
    positions: tuple[_Position, ...]
    reference: str


class _Split(_Wire):
    action_id: str
    instrument_id: Int32
    numerator: Int64
    denominator: Int64


class _PriceCorrection(_Wire):
    correction_id: str
    effective_ns: Int64
    instrument_id: Int32
    price: float | None
    reason: str


class _FillCorrection(_Wire):
    correction_id: str
    effective_ns: Int64
    fill_id: str
    fill: _Fill | None
    reason: str


class _DayClose(_Wire):
    calendar: str
    date: IsoDate


# ---------------------------------------------------------------- formats


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How one body of one version is written and read. `decode` raises BodyError only; `encode` ValueError only."""

    encode: Callable[[Any], bytes]
    decode: Callable[[memoryview], records.Body]


_encoder = msgspec.msgpack.Encoder()


def _packed(body_type: type[records.Body], wire_type: type[_Wire], forward: Callable[[Any], Any] | None = None) -> BodyFormat:
    """Return the msgpack format of a body; `forward` turns an older wire type into the current one."""
    decoder = msgspec.msgpack.Decoder(wire_type)
    # msgspec describes a type at its first use, visibly to other threads before it is done: here only the importing one runs
    msgspec.msgpack.Decoder(body_type)

    def encode(body: records.Body) -> bytes:
        try:
            return _encoder.encode(msgspec.convert(body, wire_type, from_attributes=True))
        except ValueError as error:
            raise ValueError(f"{body_type.__name__}: {error}") from None

    def decode(raw: memoryview) -> records.Body:
        try:
            wire = decoder.decode(raw)
            body: records.Body = msgspec.convert(forward(wire) if forward else wire, body_type, from_attributes=True)
        except msgspec.ValidationError as error:
            raise BodyError("bad_value", f"{body_type.__name__}: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BodyError("garbage", f"{body_type.__name__}: {error}") from None
        return body

    return BodyFormat(encode, decode)


def _genesis() -> BodyFormat:
    """Return the format of the genesis: one type reads both forms, the shorter is written where it says all."""
    plain, tagged = _packed(records.Genesis, _Genesis), _packed(records.Genesis, _TaggedGenesis)

    def encode(body: records.Genesis) -> bytes:
        return (tagged if body.book.tags else plain).encode(body)

    return BodyFormat(encode, tagged.decode)


_INT64: Final = np.dtype("<i8")
_FLOAT64: Final = np.dtype("<f8")
_INT32: Final = np.dtype("<i4")
_TICK_BYTES: Final = _INT64.itemsize + _FLOAT64.itemsize + _INT32.itemsize


def _encode_ticks(ticks: records.Ticks) -> bytes:
    event_ns, price, instrument_id = ticks.event_ns, ticks.price, ticks.instrument_id
    right = event_ns.dtype == _INT64 and price.dtype == _FLOAT64 and instrument_id.dtype == _INT32
    if not right or event_ns.ndim != 1 or not event_ns.shape == price.shape == instrument_id.shape:
        columns: dict[str, NDArray[Any]] = {"instrument_id": instrument_id, "price": price, "event_ns": event_ns}
        seen = ", ".join(f"{name} {column.dtype}{list(column.shape)}" for name, column in columns.items())
        raise ValueError(f"Ticks: {seen}; needs instrument_id int32[n], price float64[n], event_ns int64[n]")
    return b"".join((event_ns.tobytes(), price.tobytes(), instrument_id.tobytes()))


def _decode_ticks(raw: memoryview) -> records.Ticks:
    count, rest = divmod(len(raw), _TICK_BYTES)
    if rest:
        raise BodyError("garbage", f"Ticks: {len(raw)} bytes are no multiple of {_TICK_BYTES}")
    event_ns = np.frombuffer(raw, _INT64, count)
    price = np.frombuffer(raw, _FLOAT64, count, 8 * count)
    return records.Ticks(np.frombuffer(raw, _INT32, count, 16 * count), price, event_ns)


KIND_OF: Final[Mapping[type[records.Body], int]] = {
    records.Genesis: 1,
    records.SourceOpen: 2,
    records.SourceClose: 3,
    records.Heartbeat: 4,
    records.Ticks: 5,
    records.Fills: 6,
    records.BookChange: 7,
    records.Split: 8,
    records.PriceCorrection: 9,
    records.FillCorrection: 10,
    records.DayClose: 11,
}
"""Numbers are for ever: a retired body's is not given to another."""

_CURRENT: Final[Mapping[int, BodyFormat]] = {
    1: _genesis(),
    2: _packed(records.SourceOpen, _SourceOpen),
    3: _packed(records.SourceClose, _SourceClose),
    4: _packed(records.Heartbeat, _Heartbeat),
    5: BodyFormat(_encode_ticks, _decode_ticks),
    6: _packed(records.Fills, _Fills),
    7: _packed(records.BookChange, _BookChange),
    8: _packed(records.Split, _Split),
    9: _packed(records.PriceCorrection, _PriceCorrection),
    10: _packed(records.FillCorrection, _FillCorrection),
    11: _packed(records.DayClose, _DayClose),
}


# -------------------------------------- version 1: fills without fees, ticks row by row


class _FillV1(_Wire):
    fill_id: str
    node_id: Int64
    instrument_id: Int32
    quantity: Int64
    price: float


class _FillsV1(_Wire):
    fills: tuple[_FillV1, ...]


class _FillCorrectionV1(_Wire):
    correction_id: str
    effective_ns: Int64
    fill_id: str
    fill: _FillV1 | None
    reason: str


def _fill_forward(old: _FillV1) -> _Fill:
    return _Fill(old.fill_id, old.node_id, old.instrument_id, old.quantity, old.price, 0.0)


def _fills_forward(old: _FillsV1) -> _Fills:
    return _Fills(tuple(_fill_forward(f) for f in old.fills))


def _fill_correction_forward(old: _FillCorrectionV1) -> _FillCorrection:
    fill = None if old.fill is None else _fill_forward(old.fill)
    return _FillCorrection(old.correction_id, old.effective_ns, old.fill_id, fill, old.reason)


_TICK_ROW_V1: Final = np.dtype([("instrument_id", "<i4"), ("price", "<f8"), ("event_ns", "<i8")])


def _decode_ticks_v1(raw: memoryview) -> records.Ticks:
    if len(raw) % _TICK_ROW_V1.itemsize:
        raise BodyError("garbage", f"Ticks: {len(raw)} bytes are no multiple of {_TICK_ROW_V1.itemsize}")
    rows = np.frombuffer(raw, _TICK_ROW_V1)
    return records.Ticks(*(np.ascontiguousarray(rows[name]) for name in ("instrument_id", "price", "event_ns")))


def _refuse_writing(_: records.Body) -> bytes:
    raise ValueError(f"only wire version {WIRE_VERSION} is written")


_PREVIOUS: Final[Mapping[int, BodyFormat]] = {
    kind: BodyFormat(_refuse_writing, body_format.decode)
    for kind, body_format in {
        **_CURRENT,
        5: BodyFormat(_refuse_writing, _decode_ticks_v1),
        6: _packed(records.Fills, _FillsV1, _fills_forward),
        10: _packed(records.FillCorrection, _FillCorrectionV1, _fill_correction_forward),
    }.items()
}

FORMATS: Final[Mapping[int, Mapping[int, BodyFormat]]] = {WIRE_VERSION: _CURRENT, WIRE_VERSION - 1: _PREVIOUS}
"""version -> kind -> format. Every version here has golden files under tests/golden/codec."""
