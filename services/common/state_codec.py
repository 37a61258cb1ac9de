"""Checkpoint state as bytes: plain dictionaries of arrays and values; deterministic, checked, compressed, never pickled.

Layout, little-endian::

    0  2  magic            "PS"
    2  1  version          STATE_VERSION
    3  1  compression      1: Zstandard
    4  4  crc32            of everything else: bytes 0-3 and 8-end
    8  8  content_length   before compression
    16 8  stored_length    of what follows
    24    content          msgpack, keys sorted, arrays as an extension; compressed
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.msgpack import Ext
from numpy.typing import NDArray

State: TypeAlias = "dict[str, Value]"
Value: TypeAlias = "NDArray[Any] | int | float | str | bytes | bool | list[Value] | State | None"

STATE_VERSION: Final = 1
STATE_BYTES_MAX: Final = 1 << 30
"""Largest content before compression: a bound on what a damaged length can make a reader allocate."""

_MAGIC: Final = b"PS"
_PREFIX: Final = struct.Struct("<2sBB")
_CHECKSUM: Final = struct.Struct("<I")
_LENGTHS: Final = struct.Struct("<QQ")
_HEADER: Final = struct.Struct("<2sBBIQQ")
_CHECKED_FROM: Final = _PREFIX.size + _CHECKSUM.size
_ZSTANDARD: Final = 1
_LEVEL: Final = 1
"""Measured against zlib at level 1 in docs/decisions/0004-wire-format.md: a twelfth of the time for a seventh more bytes."""
_EXT_ARRAY: Final = 1
_EXT_BIG_INTEGER: Final = 2
_ARRAY_KINDS: Final = frozenset("biufcSU")


class MalformedState(Exception):
    """Bytes that are no state: `reason` is one of truncated, garbage, checksum, unknown_version, oversize."""

    def __init__(self, reason: Literal["truncated", "garbage", "checksum", "unknown_version", "oversize"], detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def pack(state: State) -> bytes:
    """Return the bytes of a state. Equal states give equal bytes, whatever the order of their keys.

    Parameters
    ----------
    state : dict
        Keys are text. Values: numpy arrays (bool, integer, float, complex, fixed-width text; any shape), int of any size,
        float (bits kept), str, bytes, bool, None, lists and dictionaries of these. Tuples come back as lists,
        numpy scalars as Python's.

    Raises
    ------
    ValueError
        A value that is none of these, or a state larger than `STATE_BYTES_MAX`.
    """
    try:
        content = _encoder.encode(_widen(state))
    except (TypeError, OverflowError, UnicodeEncodeError, NotImplementedError) as error:
        raise ValueError(f"state cannot be packed: {error}") from None
    if len(content) > STATE_BYTES_MAX:
        raise ValueError(f"state of {len(content)} bytes: at most {STATE_BYTES_MAX}")
    stored = _compressor().compress(content, asbytes=True)
    prefix, lengths = _PREFIX.pack(_MAGIC, STATE_VERSION, _ZSTANDARD), _LENGTHS.pack(len(content), len(stored))
    return b"".join((prefix, _CHECKSUM.pack(zlib.crc32(stored, zlib.crc32(lengths, zlib.crc32(prefix)))), lengths, stored))


def unpack(data: bytes) -> State:
    """Return the state in `data`. Arrays are writable and owned by the caller.

    Raises
    ------
    MalformedState
        The bytes are damaged, or of a version this build does not read.
    """
    if not _MAGIC.startswith(data[: len(_MAGIC)]):
        raise MalformedState("garbage", f"starts with {data[:2].hex()}, not with the magic {_MAGIC.hex()}")
    if len(data) < _HEADER.size:
        raise MalformedState("truncated", f"{len(data)} bytes; a header has {_HEADER.size}")
    _, version, compression, checksum, content_length, stored_length = _HEADER.unpack_from(data)
    if version != STATE_VERSION or compression != _ZSTANDARD:
        raise MalformedState(
            "unknown_version", f"version {version}, compression {compression}; this build reads {STATE_VERSION}, {_ZSTANDARD}"
        )
    if content_length > STATE_BYTES_MAX:
        raise MalformedState("oversize", f"the header says {content_length} bytes; at most {STATE_BYTES_MAX}")
    stored = memoryview(data)[_HEADER.size :]
    if len(stored) < stored_length:
        raise MalformedState("truncated", f"{len(stored)} bytes after the header, which says {stored_length}")
    if len(stored) > stored_length:
        raise MalformedState("garbage", f"{len(stored) - stored_length} bytes after the content")
    if zlib.crc32(memoryview(data)[_CHECKED_FROM:], zlib.crc32(data[: _PREFIX.size])) != checksum:
        raise MalformedState("checksum", f"crc32 of {len(data)} bytes differs from the header's")
    try:
        content = _compressor().decompress(stored, content_length, asbytes=True)
        return _decoder.decode(content)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise MalformedState("garbage", f"content: {error}") from None


@cache
def _compressor() -> Any:
    return pa.Codec("zstd", compression_level=_LEVEL)


_LEAVES: Final = (bool, int, float, str, bytes, type(None), np.ndarray, np.generic)


def _widen(value: Any) -> Any:
    """Do what no hook of the encoder can: refuse what it would turn into something else, write integers beyond 64 bits."""
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise TypeError(f"key {key!r}: keys are text")
        return {key: _widen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_widen(item) for item in value]
    if not isinstance(value, _LEAVES):
        raise TypeError(f"{type(value).__name__} has no form in a state")
    if type(value) is int and not -(2**63) <= value < 2**64:
        return Ext(_EXT_BIG_INTEGER, str(value).encode())
    return value


def _to_wire(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _ARRAY_KINDS:
            raise TypeError(f"array of {value.dtype}: only bool, integer, float, complex and fixed-width text arrays are kept")
        dtype = value.dtype.newbyteorder("<") if value.dtype.byteorder == ">" else value.dtype
        content = _array_encoder.encode([dtype.str, value.shape, np.ascontiguousarray(value, dtype).tobytes()])
        return Ext(_EXT_ARRAY, content)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in a state")


def _from_wire(code: int, data: memoryview) -> Any:
    if code == _EXT_BIG_INTEGER:
        return int(bytes(data).decode("ascii"))
    if code != _EXT_ARRAY:
        raise ValueError(f"extension {code} is unknown")
    name, shape, content = _array_decoder.decode(data)
    dtype = np.dtype(name)
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"array of {dtype}")
    return np.frombuffer(content, dtype).reshape(shape).copy()


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire, order="deterministic")
_array_encoder = msgspec.msgpack.Encoder()
_array_decoder = msgspec.msgpack.Decoder(tuple[str, tuple[int, ...], bytes])
_decoder = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=_from_wire)
