"""The log's wire format: a checked, versioned envelope around one body.

Layout, little-endian (docs/wire-format.md has the bodies)::

    0  2  magic            "PL"
    2  1  version          WIRE_VERSION, or the one before
    3  1  kind             which body (codec_bodies.KIND_OF)
    4  4  crc32            of everything else: bytes 0-3 and 8-end
    8  8  body_length
    16 40 source_id, source_seq, event_ns, ingest_ns, source_watermark_ns    int64 each
    56    body

The same record always gives the same bytes. Floats keep their bits, NaN payloads too: judging prices is ingest's work.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from risk_core.records import Record
from services.common.codec_bodies import FORMATS, KIND_OF, WIRE_VERSION, BodyError
from services.common.codec_errors import MalformedRecord, Reason
from services.common.schemas import decode_day_close, decode_result, encode_day_close, encode_result

__all__ = [
    "HEADER_BYTES",
    "RECORD_BYTES_MAX",
    "WIRE_VERSION",
    "MalformedRecord",
    "Reason",
    "decode",
    "decode_day_close",
    "decode_result",
    "encode",
    "encode_day_close",
    "encode_result",
]

RECORD_BYTES_MAX: Final = 5_000_000
"""Largest record, header included: below the 5 MiB a broker takes by default."""

_MAGIC: Final = b"PL"
_PREFIX: Final = struct.Struct("<2sBB")
_CHECKSUM: Final = struct.Struct("<I")
_REST: Final = struct.Struct("<Q5q")
_HEADER: Final = struct.Struct("<2sBBIQ5q")
_CHECKED_FROM: Final = _PREFIX.size + _CHECKSUM.size
HEADER_BYTES: Final = _HEADER.size
"""A multiple of 8, so that the columns of a tick body are aligned."""


def encode(record: Record) -> bytes:
    """Return the bytes of a record in the current version.

    Raises
    ------
    ValueError
        A field is beyond its wire type (int64, int32 instrument, UTF-8 text), arrays differ in length or type, or the record
        is larger than `RECORD_BYTES_MAX`: names the field.
    """
    kind = KIND_OF[type(record.body)]
    body = FORMATS[WIRE_VERSION][kind].encode(record.body)
    if HEADER_BYTES + len(body) > RECORD_BYTES_MAX:
        raise ValueError(f"record of {HEADER_BYTES + len(body)} bytes: at most {RECORD_BYTES_MAX}; split it")
    prefix = _PREFIX.pack(_MAGIC, WIRE_VERSION, kind)
    try:
        rest = _REST.pack(len(body), record.source_id, record.source_seq, record.event_ns, record.ingest_ns, record.source_watermark_ns)
    except struct.error as error:
        raise ValueError(f"envelope of a record (source {record.source_id!r}, sequence {record.source_seq!r}): {error}") from None
    return b"".join((prefix, _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(rest, zlib.crc32(prefix)))), rest, body))


def decode(payload: bytes) -> Record:
    """Return the record in a payload of this version or the one before.

    Tick columns are read-only views of `payload`, not copies.

    Raises
    ------
    MalformedRecord
        For every payload that `encode` of either version did not write; no other exception.
    """
    size = len(payload)
    if size > RECORD_BYTES_MAX:
        raise MalformedRecord("oversize", f"{size} bytes; at most {RECORD_BYTES_MAX}")
    if not _MAGIC.startswith(payload[: len(_MAGIC)]):
        raise MalformedRecord("garbage", f"starts with {payload[:2].hex()}, not with the magic {_MAGIC.hex()}")
    if size < HEADER_BYTES:
        raise MalformedRecord("truncated", f"{size} bytes; a header has {HEADER_BYTES}")
    _, version, kind, checksum, length, source_id, source_seq, event_ns, ingest_ns, source_watermark_ns = _HEADER.unpack_from(payload)
    formats = FORMATS.get(version)
    if formats is None:
        raise MalformedRecord("unknown_version", f"wire version {version}; this build reads {sorted(FORMATS)}")
    if length > size - HEADER_BYTES:
        raise MalformedRecord("truncated", f"body of {size - HEADER_BYTES} bytes; the header says {length}")
    if length < size - HEADER_BYTES:
        raise MalformedRecord("garbage", f"{size - HEADER_BYTES - length} bytes after the body")
    view = memoryview(payload)
    if zlib.crc32(view[_CHECKED_FROM:], zlib.crc32(view[: _PREFIX.size])) != checksum:
        raise MalformedRecord("checksum", f"crc32 of {size} bytes differs from the header's")
    body_format = formats.get(kind)
    if body_format is None:
        raise MalformedRecord("unknown_body", f"body kind {kind} in wire version {version}")
    try:
        body = body_format.decode(view[HEADER_BYTES:])
    except BodyError as error:
        raise MalformedRecord(error.reason, error.detail) from None
    return Record(source_id, source_seq, event_ns, ingest_ns, source_watermark_ns, body)
