"""Checkpoint state: round trip, determinism, and refusal of every damage."""

from __future__ import annotations

import struct
import zlib
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.common.state_codec import STATE_BYTES_MAX, MalformedState, State, pack, unpack
from tests.golden.codec.write import HERE, STATE

dtypes = st.sampled_from([np.dtype(name) for name in ("?", "i1", "i4", "i8", "u8", "f4", "f8", "c16", "S2", "<U3")])
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary(max_size=8) | arrays
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8
)
states = st.dictionaries(st.text(max_size=6), values, max_size=5)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def shuffled(value: Any) -> Any:
    """Return an equal value built otherwise: keys in reverse order, arrays in Fortran order and big-endian."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.astype(value.dtype.newbyteorder(">"), order="F")
    return value


def refusal(data: bytes) -> str | None:
    try:
        unpack(data)
    except MalformedState as error:
        return error.reason
    return None


def sealed(content: bytes, content_length: int | None = None) -> bytes:
    """Write the header as documented, without the codec."""
    stored: bytes = pa.compress(content, "zstd", asbytes=True)
    prefix = struct.pack("<2sBB", b"PS", 1, 1)
    lengths = struct.pack("<QQ", len(content) if content_length is None else content_length, len(stored))
    return prefix + struct.pack("<I", zlib.crc32(prefix + lengths + stored)) + lengths + stored


@given(states)
def test_round_trip(state: State) -> None:
    assert same(unpack(pack(state)), state)


@given(states)
def test_equal_states_give_equal_bytes(state: State) -> None:
    assert pack(shuffled(state)) == pack(state)
    assert pack(unpack(pack(state))) == pack(state)


def test_the_golden_file_is_read() -> None:
    assert same(unpack((HERE / "state_v1.bin").read_bytes()), STATE)


def test_arrays_come_back_writable() -> None:
    read = unpack(pack({"a": np.arange(3)}))["a"]
    assert isinstance(read, np.ndarray)
    read[0] = 7
    assert read.tolist() == [7, 1, 2]


def test_numpy_scalars_come_back_as_pythons() -> None:
    state: dict[str, Any] = {"f": np.float64(1.5), "i": np.int64(-3), "b": np.bool_(True), "t": (1, 2)}
    assert same(unpack(pack(state)), {"f": 1.5, "i": -3, "b": True, "t": [1, 2]})


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "object"),
        (np.array([object()]), "array of object"),
        ({1: 2}, "keys are text"),
        ({1, 2}, "set"),
        (date(2008, 3, 12), "date"),
        ("\ud800", "utf-8"),
    ],
)
def test_what_has_no_form_is_refused(value: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"state cannot be packed: .*{named}"):
        pack({"a": [value]})


def test_every_truncation_and_single_bit_flip_is_refused() -> None:
    data = pack(STATE)
    assert {refusal(data[:size]) for size in range(len(data))} == {"truncated"}
    assert refusal(data + b"\x00") == "garbage"
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(damaged)) is not None, f"bit {bit}"


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    assert refusal(raw) is not None


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_random_content_under_a_right_header_is_read_or_refused(content: bytes) -> None:
    refusal(sealed(content))


@pytest.mark.parametrize(
    "extension",
    [
        ("|O", [1], bytes(8)),
        ("<f8", [2], bytes(8)),
        ("<f8", [-1, -1], bytes(8)),
        ("nonsense", [1], bytes(8)),
        ("<f8", [2**62, 2**62], b""),
        ("<U0", [1], b""),
        ("V8", [1], bytes(8)),
    ],
)
def test_damaged_arrays_are_refused(extension: tuple[str, list[int], bytes]) -> None:
    content = msgspec.msgpack.encode({"a": msgspec.msgpack.Ext(1, msgspec.msgpack.encode(extension))})
    assert refusal(sealed(content)) == "garbage"


def test_a_wrong_length_cannot_make_the_reader_allocate_more() -> None:
    content = msgspec.msgpack.encode({"a": bytes(1 << 20)})
    assert refusal(sealed(content)) is None
    assert refusal(sealed(content, len(content) - 1)) == "garbage"
    assert refusal(sealed(content, len(content) + 1)) == "garbage"
    assert refusal(sealed(content, STATE_BYTES_MAX + 1)) == "oversize"


def test_unknown_versions_are_refused() -> None:
    data = pack({})
    assert refusal(data[:2] + b"\x02" + data[3:]) == "unknown_version"
    assert refusal(data[:3] + b"\x02" + data[4:]) == "unknown_version"
    assert refusal(b"PL" + data[2:]) == "garbage"
