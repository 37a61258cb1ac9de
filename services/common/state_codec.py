"""Checkpoint state as bytes: plain dictionaries of arrays and values; deterministic, checked, compressed, never pickled.

Layout, little-endian: magic "PS", version, reserved 0, crc32 of the content, content length (u64), then the content (msgpack,
keys sorted, arrays as an extension) deflated with zlib.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec.msgpack import Ext
from numpy.typing import NDArray

State: TypeAlias = "dict[str, Value]"
Value: TypeAlias = "NDArray[Any] | int | float | str | bytes | bool | list[Value] | State | None"

STATE_VERSION: Final = 1
STATE_BYTES_MAX: Final = 1 << 30
"""Largest content before compression: a bound on what a damaged length can make a reader allocate."""

_HEADER: Final = struct.Struct("<2sBBIQ")
_MAGIC: Final = b"PS"
_COMPRESSION_LEVEL: Final = 1
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
    return _HEADER.pack(_MAGIC, STATE_VERSION, 0, zlib.crc32(content), len(content)) + zlib.compress(content, _COMPRESSION_LEVEL)


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
    _, version, reserved, checksum, length = _HEADER.unpack_from(data)
    if version != STATE_VERSION or reserved != 0:
        raise MalformedState("unknown_version", f"state version {version}.{reserved}; this build reads {STATE_VERSION}.0")
    if length > STATE_BYTES_MAX:
        raise MalformedState("oversize", f"the header says {length} bytes; at most {STATE_BYTES_MAX}")
    content = _inflate(data, length)
    if zlib.crc32(content) != checksum:
        raise MalformedState("checksum", f"crc32 of {length} bytes differs from the header's")
    try:
        return _decoder.decode(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedState("garbage", f"content: {error}") from None


def _inflate(data: bytes, length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(memoryview(data)[_HEADER.size :], length + 1)
    except zlib.error as error:
        raise MalformedState("garbage", f"compressed content: {error}") from None
    if len(content) < length or not inflater.eof:
        raise MalformedState("truncated", f"content of {len(content)} bytes; the header says {length}")
    if len(content) > length or inflater.unused_data:
        raise MalformedState("garbage", "bytes after the content")
    return content


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
