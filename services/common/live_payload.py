"""Live numbers in the snapshot cache: binary, since they are written after every batch of ticks and read a few times a second.

One payload, little-endian::

    byte     version, 1
    uint16   count of numbers
    int64    log_seq
    int64    event time, nanoseconds since 1970
    float64  × count: market value, P&L, (VaR, ES) by method and confidence, the shares of `Quality`
    text     JSON of `_Label`: what the numbers are, and what degrades them

`live_json` gives the shape of the HTTP interface, `LiveNumbers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct as Layout
from struct import error as LayoutError
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.common.iso import iso_from_ns
from services.common.snapshot_payload import LiveNumbers, Measure, Quality, level_of

VERSION: Final = 1

_HEAD: Final = Layout("<BHqq")
_PLACE: Final = b"\0"
"""Marks a place in a template; JSON text never holds one."""

_encoder: Final = msgspec.json.Encoder()
_live: Final = msgspec.json.Decoder(LiveNumbers)


class _Label(Struct, frozen=True):
    methods: tuple[str, ...]
    confidences: tuple[float, ...]
    thin: tuple[bool, ...]
    flags: str


_label: Final = msgspec.json.Decoder(_Label)


class MalformedPayload(ValueError):
    """A live payload that this version cannot read."""


def encode_live(
    *,
    log_seq: int,
    event_ns: int,
    market_value: NDArray[np.float64],
    pnl: NDArray[np.float64],
    value_at_risk: NDArray[np.float64],
    expected_shortfall: NDArray[np.float64],
    thin: NDArray[np.bool_],
    methods: tuple[str, ...],
    confidences: tuple[float, ...],
    shares: NDArray[np.float64],
    flags: Sequence[str],
) -> list[bytes]:
    """Return the live payloads of n nodes.

    Parameters
    ----------
    market_value, pnl : float64[n]
        One that is not finite is read as null.
    value_at_risk, expected_shortfall : float64[n, M, C]
        Loss-positive. One that is not finite is read as null with the status `not_finite`.
    thin : bool[M, C]
        Where the tail holds less than one effective scenario.
    shares : float64[n, 3]
        Stale, proxied and thin share.
    flags : n str
        What else degrades every number of a node, joined by `+`, for example `short_window+degraded`.
    """
    nodes, tails = len(flags), thin.size
    numbers = np.empty((nodes, 5 + 2 * tails), "<f8")
    numbers[:, 0], numbers[:, 1], numbers[:, -3:] = market_value, pnl, shares
    numbers[:, 2:-3:2], numbers[:, 3:-3:2] = value_at_risk.reshape(nodes, tails), expected_shortfall.reshape(nodes, tails)
    width = numbers.strides[0]
    head, raw, marks = _HEAD.pack(VERSION, numbers.shape[1], log_seq, event_ns), numbers.tobytes(), thin.tobytes()
    return [head + raw[k * width : (k + 1) * width] + _label_text(methods, confidences, marks, flag) for k, flag in enumerate(flags)]


def live_log_seq(payload: bytes) -> int:
    """Return the log_seq of a live payload. Raises MalformedPayload."""
    return _head(payload)[1]


def live_json(payload: bytes) -> bytes:
    """Return a live payload as the JSON of `LiveNumbers`. Raises MalformedPayload."""
    count, log_seq, event_ns = _head(payload)
    end = _HEAD.size + 8 * count
    if len(payload) <= end:
        raise MalformedPayload(f"live payload of {len(payload)} bytes ends within its {count} numbers")
    template = _template(payload[end:])
    if len(template) != 2 * (count + 2) + 1:
        raise MalformedPayload(f"live payload has {count} numbers, and its label describes {len(template) // 2 - 2}")
    told = _encoder.encode(np.frombuffer(payload, "<f8", count, _HEAD.size).tolist())
    pieces = template.copy()
    pieces[1::2] = [iso_from_ns(event_ns).encode(), b"%d" % log_seq, *told[1:-1].split(b",")]
    text = b"".join(pieces)
    return _told(text) if b"null" in told else text


def decode_live(payload: bytes) -> LiveNumbers:
    """Return a live payload's content. Raises MalformedPayload."""
    return _live.decode(live_json(payload))


def _head(payload: bytes) -> tuple[int, int, int]:
    """Return count, log_seq and event time."""
    try:
        version, count, log_seq, event_ns = _HEAD.unpack_from(payload)
    except LayoutError:
        raise MalformedPayload(f"live payload of {len(payload)} bytes is shorter than its head") from None
    if version != VERSION:
        raise MalformedPayload(f"live payload of version {version}: this process reads version {VERSION}")
    return count, log_seq, event_ns


@lru_cache(maxsize=256)
def _label_text(methods: tuple[str, ...], confidences: tuple[float, ...], thin: bytes, flags: str) -> bytes:
    return _encoder.encode(_Label(methods, confidences, tuple(map(bool, thin)), flags))


@lru_cache(maxsize=256)
def _template(text: bytes) -> list[bytes]:
    """Return the JSON of `LiveNumbers` in pieces: every second one is the place of the time, the log_seq or a number."""
    try:
        label = _label.decode(text)
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"label of a live payload: {error}") from None
    if len(label.thin) != len(label.methods) * len(label.confidences):
        raise MalformedPayload(f"label of a live payload marks {len(label.thin)} tails of {len(label.methods)} × {len(label.confidences)}")
    fine, thinned = label.flags or "ok", f"thin_tail+{label.flags}" if label.flags else "thin_tail"
    statuses = iter([thinned if t else fine for t in label.thin])
    rows = [
        _object((level_of(c), _object((("var", _PLACE), ("es", _PLACE), ("status", _text(next(statuses)))))) for c in label.confidences)
        for _ in label.methods
    ]
    quality = _object((name, _PLACE) for name in Quality.__struct_fields__)
    values = (b'"' + _PLACE + b'"', _PLACE, _PLACE, _PLACE, _object(zip(label.methods, rows, strict=True)), quality)
    constants = _object(zip(LiveNumbers.__struct_fields__, values, strict=True)).split(_PLACE)
    return [piece for constant in constants for piece in (constant, b"")][:-1]


def _object(members: Iterable[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(_text(name) + b":" + value for name, value in members) + b"}"


def _text(value: str) -> bytes:
    return _encoder.encode(value)


def _told(text: bytes) -> bytes:
    """Say so where there is no number: the encoder writes null for one that is not finite."""
    live = _live.decode(text)
    measures = {
        method: {level: m if None not in (m.var, m.es) else Measure(m.var, m.es, "not_finite") for level, m in row.items()}
        for method, row in live.measures.items()
    }
    return _encoder.encode(msgspec.structs.replace(live, measures=measures))
