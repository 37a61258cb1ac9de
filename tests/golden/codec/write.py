"""Golden payloads of every wire version that is read. Run once a version: `python -m tests.golden.codec.write`.

Files of a version that was released are never written again: a decoder that no longer reads them is wrong.
Version 1 is written here from its description alone, without the codec.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from risk_core.book import AssetClass, Book, Fill, Instrument, Node, NodeKind, Position, Shock, SymbolValidity, Tag
from risk_core.records import (
    Body,
    BookChange,
    DayClose,
    FillCorrection,
    Fills,
    Genesis,
    Heartbeat,
    PriceCorrection,
    Record,
    SourceClose,
    SourceOpen,
    Split,
    Ticks,
)
from services.common import codec, state_codec

HERE = Path(__file__).parent
NOON = 1_205_323_200_000_000_001  # 2008-03-12 12:00:00.000000001 UTC

BOOK = Book(
    base_currency="USD",
    calendar="XNYS",
    instruments=(
        Instrument(1, "SPX", AssetClass.INDEX, "USD", adjusted=True),
        Instrument(2, "AAPL", AssetClass.EQUITY, "USD", proxy_id=1),
        Instrument(3, "EURUSD", AssetClass.FX, "USD", fx_currency="EUR"),
        Instrument(4, "WTI", AssetClass.EQUITY, "EUR", shock=Shock.ABSOLUTE, synthetic=True),
        Instrument(5, "USD", AssetClass.CASH, "USD"),
        Instrument(6, "EUR", AssetClass.CASH, "EUR"),
    ),
    nodes=(
        Node(1, "Firma Müller", NodeKind.FIRM, None, "USD"),
        Node(2, "desk", NodeKind.DESK, 1, "EUR", "a desk in euro"),
        Node(3, "book", NodeKind.PORTFOLIO, 2, "EUR"),
    ),
    positions=(Position(3, 2, -(2**63)), Position(3, 4, 1_500_000)),
    symbols=(SymbolValidity("AAPL", 2, 0, NOON),),
    default_proxy_id=1,
)

TAGS = (Tag(2, "country", "US"), Tag(2, "sector", "tech"), Tag(4, "sector", "energy"))

BODIES: dict[str, Body] = {
    "genesis": Genesis(BOOK, "feed", "book", "nonce", NOON, 60_000_000_000, '{"seed":1}'),
    "source_open": SourceOpen("replay"),
    "source_close": SourceClose(),
    "heartbeat": Heartbeat(),
    "ticks": Ticks(np.array([1, 2, 4], np.int32), np.array([1308.77, 0.1 + 0.2, -37.63]), np.array([NOON, NOON + 1, 2**63 - 1], np.int64)),
    "ticks_empty": Ticks(np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int64)),
    "fills": Fills((Fill("f-1", 3, 2, -2_500_000, 126.03, 1.25), Fill("f-2", 3, 4, 2**63 - 1, -37.63, 0.0))),
    "book_change": BookChange((Position(3, 2, 7),), "start of day"),
    "split": Split("aapl-2014", 2, 7, 1),
    "price_correction": PriceCorrection("c-1", NOON, 2, 126.5, "typed wrong"),
    "price_removed": PriceCorrection("c-2", NOON, 2, None, "not our print"),
    "fill_correction": FillCorrection("c-3", NOON, "f-1", Fill("f-1", 3, 2, -2_000_000, 126.03, 1.0), "quantity"),
    "fill_cancelled": FillCorrection("c-4", NOON, "f-1", None, "bust"),
    "day_close": DayClose("XNYS", "2008-03-12"),
}
RECORDS = {name: Record(7, k, NOON + k, NOON + 10 + k, -(2**63) + k, body) for k, (name, body) in enumerate(BODIES.items(), 1)}

TAGGED = Record(7, 1, NOON, NOON, 0, Genesis(replace(BOOK, tags=TAGS), "feed", "book", "nonce", NOON, 60_000_000_000, '{"seed":1}'))
"""A genesis with what only version 2 can say."""

STATE: state_codec.State = {
    "cursor": {"log_seq": 12, "position": b"\x00\xff", "watermark_ns": -(2**63), "open": True, "name": "Müller"},
    "generator": 2**127 - 1,
    "prices": np.array([[1.5, np.nan, -0.0], [np.inf, 5e-324, 1e308]]),
    "sequences": np.arange(4, dtype=np.int64),
    "mask": np.array([True, False]),
    "waiting": [1, 2.5, None, []],
    "empty": np.zeros((0, 3), np.float32),
}

KINDS = {
    name: kind
    for kind, name in enumerate(
        (
            "Genesis",
            "SourceOpen",
            "SourceClose",
            "Heartbeat",
            "Ticks",
            "Fills",
            "BookChange",
            "Split",
            "PriceCorrection",
            "FillCorrection",
            "DayClose",
        ),
        1,
    )
}


def version_1(record: Record) -> bytes:
    """Write a record as version 1 did: fills have no fees, ticks stand row by row as (int32, float64, int64)."""
    body = record.body
    if isinstance(body, Ticks):
        rows = zip(body.instrument_id.tolist(), body.price.tolist(), body.event_ns.tolist(), strict=True)
        raw = b"".join(struct.pack("<idq", *row) for row in rows)
    else:
        wire = msgspec.to_builtins(body)
        raw = msgspec.msgpack.encode(_arrays(wire))
    rest = struct.pack("<Q5q", len(raw), record.source_id, record.source_seq, record.event_ns, record.ingest_ns, record.source_watermark_ns)
    prefix = b"PL" + bytes([1, KINDS[type(body).__name__]])
    return prefix + struct.pack("<I", zlib.crc32(prefix + rest + raw)) + rest + raw


def _arrays(value: object) -> object:
    if isinstance(value, dict):
        return [_arrays(item) for name, item in value.items() if name != "fees"]
    if isinstance(value, list | tuple):
        return [_arrays(item) for item in value]
    return value


def main() -> None:
    for version, write in ((1, version_1), (2, codec.encode)):
        folder = HERE / f"v{version}"
        folder.mkdir(exist_ok=True)
        for name, record in RECORDS.items():
            target = folder / f"{name}.bin"
            if not target.exists():
                target.write_bytes(write(record))
    tagged = HERE / "v2" / "genesis_tagged.bin"
    if not tagged.exists():
        tagged.write_bytes(codec.encode(TAGGED))
    state = HERE / "state_v1.bin"
    if not state.exists():
        state.write_bytes(state_codec.pack(STATE))


if __name__ == "__main__":
    main()
