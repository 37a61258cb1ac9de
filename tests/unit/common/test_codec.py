"""The wire format: golden files of every version, an independent reading of the layout, and a fuzz that only `MalformedRecord` leaves."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from risk_core.book import Fill, Position
from risk_core.records import (
    Body,
    BookChange,
    DayClose,
    FillCorrection,
    Fills,
    Heartbeat,
    PriceCorrection,
    Record,
    SourceClose,
    SourceOpen,
    Split,
    Ticks,
)
from services.common.codec import HEADER_BYTES, RECORD_BYTES_MAX, WIRE_VERSION, MalformedRecord, Reason, decode, encode
from services.common.codec_bodies import FORMATS, KIND_OF
from tests.golden.codec.write import HERE, RECORDS

MANY = RECORD_BYTES_MAX // 20 + 1
REASONS = frozenset(get_args(Reason))
VERSIONS = sorted(FORMATS)
PAYLOADS = {name: encode(record) for name, record in RECORDS.items()}

int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
text = st.text(max_size=20)
number = st.floats(width=64)
dates = st.dates().map(str)
fill = st.builds(Fill, text, int64, int32, int64, number, number)
position = st.builds(Position, int64, int32, int64)


@st.composite
def _ticks(draw: st.DrawFn) -> Ticks:
    n = draw(st.integers(0, 40))
    return Ticks(draw(hnp.arrays(np.int32, n)), draw(hnp.arrays(np.float64, n)), draw(hnp.arrays(np.int64, n)))


bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(SourceOpen, text),
    st.just(SourceClose()),
    st.just(Heartbeat()),
    _ticks(),
    st.builds(Fills, st.lists(fill, max_size=5).map(tuple)),
    st.builds(BookChange, st.lists(position, max_size=5).map(tuple), text),
    st.builds(Split, text, int32, int64, int64),
    st.builds(PriceCorrection, text, int64, int32, st.none() | number, text),
    st.builds(FillCorrection, text, int64, text, st.none() | fill, text),
    st.builds(DayClose, text, dates),
)
records = st.builds(Record, int64, int64, int64, int64, int64, bodies)


def reseal(payload: bytes) -> bytes:
    """Make length and checksum right again, so that what was damaged reaches the decoder of the body."""
    prefix, rest = payload[:4], struct.pack("<Q", len(payload) - HEADER_BYTES) + payload[16:]
    return prefix + struct.pack("<I", zlib.crc32(prefix + rest)) + rest


def refusal(payload: bytes) -> str | None:
    """Return the reason a payload is refused for, None when it is read. Any other exception fails the test."""
    try:
        decode(payload)
    except MalformedRecord as error:
        refused = error
    else:
        return None
    assert refused.reason in REASONS
    assert refused.detail
    return refused.reason


# ------------------------------------------------------------ what is written is read


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_golden_files_of_every_version_are_read(version: int, name: str) -> None:
    record = decode((HERE / f"v{version}" / f"{name}.bin").read_bytes())
    expected = RECORDS[name]
    if version == 1 and isinstance(expected.body, Fills):
        expected = replace(expected, body=Fills(tuple(replace(f, fees=0.0) for f in expected.body.fills)))
    if version == 1 and isinstance(expected.body, FillCorrection) and expected.body.fill is not None:
        expected = replace(expected, body=replace(expected.body, fill=replace(expected.body.fill, fees=0.0)))
    assert record == expected


@pytest.mark.parametrize("name", RECORDS)
def test_the_current_version_writes_its_golden_bytes(name: str) -> None:
    assert PAYLOADS[name] == (HERE / f"v{WIRE_VERSION}" / f"{name}.bin").read_bytes()


def test_every_body_has_golden_files_and_every_version_all_kinds() -> None:
    assert {type(record.body) for record in RECORDS.values()} == set(KIND_OF)
    assert all(set(formats) == set(KIND_OF.values()) for formats in FORMATS.values())
    assert sorted(FORMATS) == [WIRE_VERSION - 1, WIRE_VERSION]


@given(records)
def test_round_trip_is_exact_and_bytes_are_canonical(record: Record) -> None:
    payload = encode(record)
    read = decode(payload)
    assert encode(read) == payload  # bitwise, NaN payloads and signed zeros included
    assert (read.source_id, read.source_seq, read.event_ns, read.ingest_ns, read.source_watermark_ns) == (
        record.source_id,
        record.source_seq,
        record.event_ns,
        record.ingest_ns,
        record.source_watermark_ns,
    )
    assert type(read.body) is type(record.body)
    if "nan" not in repr(record.body):
        assert read == record


def test_the_layout_is_the_documented_one() -> None:
    record = RECORDS["ticks"]
    ticks = record.body
    assert isinstance(ticks, Ticks)
    n = len(ticks.price)
    body = struct.pack(f"<{n}q{n}d{n}i", *ticks.event_ns.tolist(), *ticks.price.tolist(), *ticks.instrument_id.tolist())
    rest = struct.pack("<Q5q", len(body), 7, record.source_seq, record.event_ns, record.ingest_ns, record.source_watermark_ns)
    assert encode(record) == b"PL\x02\x05" + struct.pack("<I", zlib.crc32(b"PL\x02\x05" + rest + body)) + rest + body


def test_tick_columns_are_aligned_read_only_views_of_the_payload() -> None:
    payload = PAYLOADS["ticks"]
    ticks = decode(payload).body
    assert isinstance(ticks, Ticks)
    inside = np.frombuffer(payload, np.uint8)
    for column in (ticks.instrument_id, ticks.price, ticks.event_ns):
        assert np.shares_memory(column, inside)
        assert column.flags.aligned
        assert not column.flags.writeable


def test_not_a_number_keeps_its_bits() -> None:
    bits = np.array([0x7FF8_0000_0000_0001, 0xFFF8_DEAD_BEEF_0001, 0x7FF0_0000_0000_0001, 0x8000_0000_0000_0000], np.uint64)
    body = Ticks(np.zeros(4, np.int32), bits.view(np.float64), np.zeros(4, np.int64))
    read = decode(encode(Record(1, 1, 1, 1, 1, body))).body
    assert isinstance(read, Ticks)
    assert np.array_equal(read.price.view(np.uint64), bits)


# ------------------------------------------------------------ what cannot be written is refused


@pytest.mark.parametrize(
    "body",
    [
        Fills((Fill("a", 1, 2, 2**63, 1.0),)),
        Fills((Fill("a", 1, 2**31, 1, 1.0),)),
        Fills((Fill("\ud800", 1, 2, 1, 1.0),)),
        Fills((Fill("a", 1, 2, 1.5, 1.0),)),  # type: ignore[arg-type]
        Split("a", 1, 2, None),  # type: ignore[arg-type]
        DayClose("XNYS", "12.03.2008"),
        Ticks(np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.int64)),
        Ticks(np.zeros(1, np.int32), np.zeros(2), np.zeros(1, np.int64)),
        Ticks(np.zeros((1, 1), np.int32), np.zeros((1, 1)), np.zeros((1, 1), np.int64)),
        Ticks(np.zeros(MANY, np.int32), np.zeros(MANY), np.zeros(MANY, np.int64)),
    ],
)
def test_what_the_wire_cannot_carry_is_not_written(body: Body) -> None:
    with pytest.raises(ValueError, match=type(body).__name__ if not isinstance(body, Ticks) else "Ticks|record of"):
        encode(Record(1, 1, 1, 1, 1, body))


@pytest.mark.parametrize("name", ["source_id", "source_seq", "event_ns", "ingest_ns", "source_watermark_ns"])
def test_an_envelope_beyond_64_bits_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="envelope"):
        encode(replace(Record(1, 1, 1, 1, 1, Heartbeat()), **{name: 2**63}))  # type: ignore[arg-type]


# ------------------------------------------------------------ what is damaged is refused


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_truncation_is_refused_as_such(name: str) -> None:
    payload = PAYLOADS[name]
    assert {refusal(payload[:size]) for size in range(len(payload))} == {"truncated"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_single_bit_flip_is_refused(name: str) -> None:
    payload = PAYLOADS[name]
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(damaged)) is not None, f"bit {bit}"


@given(st.sampled_from(sorted(PAYLOADS)), st.binary(min_size=1, max_size=64))
def test_bytes_after_the_end_are_refused(name: str, more: bytes) -> None:
    assert refusal(PAYLOADS[name] + more) == "garbage"


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(raw: bytes) -> None:
    assert refusal(raw) is not None


@given(st.binary(max_size=300), st.sampled_from(VERSIONS), st.sampled_from(sorted(KIND_OF.values())))
@settings(max_examples=500)
def test_random_bodies_under_a_right_envelope_are_read_or_refused(raw: bytes, version: int, kind: int) -> None:
    refusal(reseal(b"PL" + bytes([version, kind]) + bytes(4 + 48) + raw))


@given(st.sampled_from(sorted(PAYLOADS)), st.sampled_from(VERSIONS), st.data())
@settings(max_examples=1000)
def test_damaged_bodies_with_a_right_checksum_are_read_or_refused(name: str, version: int, data: st.DataObject) -> None:
    payload = bytearray((HERE / f"v{version}" / f"{name}.bin").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(HEADER_BYTES - 1, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(HEADER_BYTES, len(payload)))
    refusal(reseal(bytes(payload[:cut])))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "truncated"),
        (b"XX" + bytes(100), "garbage"),
        (bytes(RECORD_BYTES_MAX + 1), "oversize"),
        (PAYLOADS["ticks"][:2] + b"\x03" + PAYLOADS["ticks"][3:], "unknown_version"),
        (PAYLOADS["ticks"][:2] + b"\x00" + PAYLOADS["ticks"][3:], "unknown_version"),
        (PAYLOADS["ticks"][:-1] + b"\x7f", "checksum"),
        (reseal(PAYLOADS["ticks"][:3] + b"\x63" + PAYLOADS["ticks"][4:]), "unknown_body"),
        (reseal(PAYLOADS["ticks"] + b"\x00"), "garbage"),
        (reseal(PAYLOADS["source_open"][:HEADER_BYTES] + b"\x91\xa1\xff"), "garbage"),
        (reseal(PAYLOADS["source_open"][:HEADER_BYTES] + b"\xc1"), "garbage"),
        (reseal(PAYLOADS["source_open"][:HEADER_BYTES] + b"\x91\x05"), "bad_value"),
        (reseal(PAYLOADS["source_open"][:HEADER_BYTES] + b"\x90"), "bad_value"),
        (reseal(PAYLOADS["day_close"][:HEADER_BYTES] + b"\x92\xa1X\xa1Y"), "bad_value"),
        (reseal(PAYLOADS["genesis"].replace(b"EURUSD", b"USDUSD").replace(b"\xa3EUR\xc2", b"\xa3XXX\xc2")), "bad_value"),
    ],
)
def test_reasons(payload: bytes, reason: str) -> None:
    assert refusal(payload) == reason


def test_a_book_that_contradicts_itself_is_a_bad_value_not_a_crash() -> None:
    payload = bytearray(PAYLOADS["genesis"])
    at = payload.index(b"\xa3SPX")
    payload[at - 1] = 2  # two instruments of id 2
    assert refusal(reseal(bytes(payload))) == "bad_value"
