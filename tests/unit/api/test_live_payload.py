"""Live payloads carry every number exactly, are read as valid JSON, and say so when there is no number."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.live_payload import MalformedPayload, decode_live, encode_live, live_json, live_log_seq
from services.common.snapshot_payload import Measure

METHODS = ("historical", "ewma_normal")
CONFIDENCES = (0.95, 0.99)
AS_OF_NS = 1_700_000_000_000_000_000


def live(var: list[float], es: list[float], **changes: object) -> bytes:
    return live_nodes([var], [es], **changes)[0]


def live_nodes(var: list[list[float]], es: list[list[float]], **changes: object) -> list[bytes]:
    count = len(var)
    given: dict[str, object] = {
        "log_seq": 7,
        "event_ns": AS_OF_NS,
        "market_value": np.full(count, 1e8),
        "pnl": np.full(count, -12.5),
        "value_at_risk": np.array(var).reshape(count, 2, 2),
        "expected_shortfall": np.array(es).reshape(count, 2, 2),
        "thin": np.array([[False, True], [False, False]]),
        "methods": METHODS,
        "confidences": CONFIDENCES,
        "shares": np.tile([0.25, 0.125, 0.0], (count, 1)),
        "flags": [""] * count,
    }
    return encode_live(**(given | changes))  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(), min_size=8, max_size=8), st.floats(), st.floats())
def test_live_keeps_every_finite_number_and_nulls_the_rest(numbers: list[float], value: float, pnl: float) -> None:
    payload = live(numbers[:4], numbers[4:], market_value=np.array([value]), pnl=np.array([pnl]))
    told = json.loads(live_json(payload), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert told["market_value"] == (value if math.isfinite(value) else None)
    assert told["pnl"] == (pnl if math.isfinite(pnl) else None)
    for m, method in enumerate(METHODS):
        for c, level in enumerate(("0.95", "0.99")):
            var, es = numbers[2 * m + c], numbers[4 + 2 * m + c]
            fine = math.isfinite(var) and math.isfinite(es)
            assert told["measures"][method][level] == {
                "var": var if math.isfinite(var) else None,
                "es": es if math.isfinite(es) else None,
                "status": "not_finite" if not fine else "thin_tail" if (m, c) == (0, 1) else "ok",
            }


def test_live_round_trip_and_head() -> None:
    payload = live([1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 4.5], flags=["short_window"])
    told = decode_live(payload)
    assert (told.log_seq, told.event_time, told.market_value, told.pnl) == (7, "2023-11-14T22:13:20Z", 1e8, -12.5)
    assert told.measures["historical"]["0.99"].status == "thin_tail+short_window"
    assert told.measures["ewma_normal"]["0.95"].status == "short_window"
    assert (told.quality.stale_share, told.quality.proxied_share, told.quality.thin_share) == (0.25, 0.125, 0.0)
    assert live_log_seq(payload) == 7


def test_many_nodes_in_one_call_are_each_as_alone() -> None:
    var = [[1.0, 2.0, 3.0, 4.0], [math.nan, 1e300, -0.0, 5.0], [9.0, 8.0, 7.0, 6.0]]
    flags = ["", '100 % "odd"', "short_window"]
    together = live_nodes(var, var, flags=flags)
    assert together == [live(row, row, flags=[flag]) for row, flag in zip(var, flags, strict=True)]
    assert decode_live(together[1]).measures["ewma_normal"]["0.99"].status == flags[1]
    assert decode_live(together[1]).measures["historical"]["0.95"] == Measure(None, None, "not_finite")


def test_live_is_the_same_from_many_threads() -> None:
    numbers = np.random.default_rng(1).normal(size=(400, 8)).tolist()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda row: live_json(live(row[:4], row[4:])), numbers))
    assert together == [live_json(live(row[:4], row[4:])) for row in numbers]


GOOD = live([1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 4.5])


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"", "shorter than its head"),
        (GOOD[:18], "shorter than its head"),
        (b"{" + GOOD[1:], "version 123: this process reads version 1"),
        (GOOD[:40], "ends within its 13 numbers"),
        (GOOD[:123], "ends within its 13 numbers"),
        (GOOD[:130], "label of a live payload"),
        (GOOD.replace(b'["historical","ewma_normal"]', b'["historical"]'), "marks 4 tails of 1"),
        (GOOD[:1] + b"\x0c" + GOOD[2:], "label of a live payload"),
    ],
)
def test_what_cannot_be_read_is_told(payload: bytes, what: str) -> None:
    with pytest.raises(MalformedPayload, match=what):
        live_json(payload)


@given(st.binary(max_size=200) | st.integers(0, len(GOOD)).map(lambda n: GOOD[:n]) | st.binary(max_size=300).map(lambda b: GOOD[:19] + b))
def test_garbage_raises_nothing_else(payload: bytes) -> None:
    try:
        json.loads(live_json(payload))
    except MalformedPayload:
        return
