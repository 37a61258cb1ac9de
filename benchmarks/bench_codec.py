"""Which format for a batch of ticks: raw columns, msgpack with binary columns, msgpack rows, Arrow IPC. And what a record costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.rows import Row, best_seconds, row, show
from risk_core.book import Fill
from risk_core.records import Fills, RiskResult, Ticks
from risk_core.records import Record as LogRecord
from services.common.codec import decode, decode_result, encode, encode_result
from services.common.codec_bodies import FORMATS, KIND_OF, WIRE_VERSION
from services.common.state_codec import pack, unpack

SIZES = (1, 20, 100, 1000)


@dataclass(frozen=True)
class Format:
    encode: Callable[[Ticks], bytes]
    decode: Callable[[bytes], Any]


def _raw() -> Format:
    body = FORMATS[WIRE_VERSION][KIND_OF[Ticks]]
    return Format(body.encode, lambda raw: body.decode(memoryview(raw)))


def _msgpack_columns() -> Format:
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(tuple[memoryview, memoryview, memoryview])

    def write(t: Ticks) -> bytes:
        return encoder.encode((t.event_ns.tobytes(), t.price.tobytes(), t.instrument_id.tobytes()))

    def read(raw: bytes) -> Ticks:
        ns, price, ids = decoder.decode(raw)
        return Ticks(np.frombuffer(ids, np.int32), np.frombuffer(price, np.float64), np.frombuffer(ns, np.int64))

    return Format(write, read)


def _msgpack_rows() -> Format:
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(list[tuple[int, float, int]])

    def write(t: Ticks) -> bytes:
        return encoder.encode(list(zip(t.instrument_id.tolist(), t.price.tolist(), t.event_ns.tolist(), strict=True)))

    def read(raw: bytes) -> Ticks:
        ids, price, ns = zip(*decoder.decode(raw), strict=True)
        return Ticks(np.array(ids, np.int32), np.array(price), np.array(ns, np.int64))

    return Format(write, read)


def _arrow() -> Format:
    schema = pa.schema([("instrument_id", pa.int32()), ("price", pa.float64()), ("event_ns", pa.int64())])

    def write(t: Ticks) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(pa.record_batch([pa.array(t.instrument_id), pa.array(t.price), pa.array(t.event_ns)], schema=schema))
        return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

    def read(raw: bytes) -> Ticks:
        batch = pa.ipc.open_stream(raw).read_next_batch()
        return Ticks(*(column.to_numpy(zero_copy_only=True) for column in batch.columns))

    return Format(write, read)


def _ticks(count: int) -> Ticks:
    generator = np.random.default_rng(1)
    return Ticks(
        generator.integers(1, 5000, count).astype(np.int32),
        generator.lognormal(4.0, 1.0, count),
        1_205_323_200_000_000_000 + np.arange(count, dtype=np.int64) * 1_000_003,
    )


def _formats() -> list[Row]:
    rows = []
    formats = {"raw columns": _raw(), "msgpack columns": _msgpack_columns(), "msgpack rows": _msgpack_rows(), "arrow ipc": _arrow()}
    for count in SIZES:
        ticks = _ticks(count)
        floor = best_seconds(lambda ticks=ticks: bytes(ticks.event_ns) + bytes(ticks.price) + bytes(ticks.instrument_id))  # type: ignore[misc]
        for name, form in formats.items():
            payload = form.encode(ticks)
            assert form.decode(payload) == ticks, name
            encode_seconds = best_seconds(lambda form=form, ticks=ticks: form.encode(ticks))  # type: ignore[misc]
            decode_seconds = best_seconds(lambda form=form, payload=payload: form.decode(payload))  # type: ignore[misc]
            label = f"{name}, {count} ticks"
            rows.append(row(f"encode {label}", encode_seconds * 1e6, "us", f"copying the columns {floor * 1e6:.2f} us"))
            rows.append(row(f"decode {label}", decode_seconds * 1e6, "us"))
            rows.append(row(f"bytes {label}", len(payload), "bytes", f"{20 * count} of data"))
    return rows


def _records() -> list[Row]:
    rows = []
    fill = Fill("f-000000001", 3, 2, -2_500_000, 126.03, 1.25)
    records = {
        **{f"record of {count} ticks": LogRecord(7, 1, 2, 3, 4, _ticks(count)) for count in SIZES},
        "record of 1 fill": LogRecord(7, 1, 2, 3, 4, Fills((fill,))),
        "record of 100 fills": LogRecord(7, 1, 2, 3, 4, Fills((fill,) * 100)),
    }
    for name, record in records.items():
        payload = encode(record)
        rows.append(row(f"encode {name}", best_seconds(lambda record=record: encode(record)) * 1e6, "us", "checksum included"))  # type: ignore[misc]
        rows.append(row(f"decode {name}", best_seconds(lambda payload=payload: decode(payload)) * 1e6, "us", "checksum included"))  # type: ignore[misc]
    result = RiskResult("r" * 32, 3, 1_205_366_400_000_000_000, "historical", 1, 0.99, 0, "USD", 1.1, 2.2, 500, 7, 0.0, 0.0, 0.0, "ok")
    message = encode_result(result)
    rows.append(
        row("encode public result", best_seconds(lambda: encode_result(result)) * 1e6, "us", "the client's JsonSchema: 7.8 us + dict")
    )
    rows.append(row("decode public result", best_seconds(lambda: decode_result(message)) * 1e6, "us", "the client's JsonSchema: 10.4 us"))
    return rows


def _states() -> list[Row]:
    generator = np.random.default_rng(2)
    state: Any = {
        "vectors": np.round(generator.normal(0, 1e4, (100, 500)), 2),
        "quantities": generator.integers(-(10**9), 10**9, (100, 1000)),
        "sequences": {str(k): k for k in range(1000)},
    }
    packed = pack(state)
    raw = 100 * 500 * 8 + 100 * 1000 * 8
    return [
        row("pack state of 1.2 MB", best_seconds(lambda: pack(state), 1.0) * 1e3, "ms"),
        row("unpack state of 1.2 MB", best_seconds(lambda: unpack(packed), 1.0) * 1e3, "ms"),
        row("size of packed state", len(packed) / raw, "of its arrays"),
    ]


def run() -> list[Row]:
    return _formats() + _records() + _states()


if __name__ == "__main__":
    show(run())
