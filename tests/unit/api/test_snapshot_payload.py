"""Payloads carry every number exactly, in valid JSON, and say so when there is none."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.records import DayCloseRow, RiskResult
from services.common.iso import iso_from_ns, ns_from_iso
from services.common.snapshot_payload import Measure, decode_final, decode_live, decode_live_head, encode_final, encode_live

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


def result(**changes: Any) -> RiskResult:
    row = RiskResult("run", 4, AS_OF_NS, "historical", 1, 0.99, 0, "USD", 10.5, 12.25, 500, 99, 0.1, 0.2, 0.3, "ok")
    return replace(row, **changes)


def close(**changes: Any) -> DayCloseRow:
    row = DayCloseRow("run", 4, "2023-11-14", AS_OF_NS, "historical", 1, 0.99, 0, "USD", 10.0, 12.0, -10.5, -9.5, 1.5, True, False, "ok")
    return replace(row, **changes)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(), min_size=8, max_size=8), st.floats(), st.floats())
def test_live_keeps_every_finite_number_and_nulls_the_rest(numbers: list[float], value: float, pnl: float) -> None:
    payload = live(numbers[:4], numbers[4:], market_value=np.array([value]), pnl=np.array([pnl]))
    told = json.loads(payload, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
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
    head = decode_live_head(payload)
    assert (head.log_seq, head.event_time) == (7, "2023-11-14T22:13:20Z")


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
        together = list(pool.map(lambda row: live(row[:4], row[4:]), numbers))
    assert together == [live(row[:4], row[4:]) for row in numbers]


def test_final_with_and_without_a_close() -> None:
    results = [result(), result(method="ewma_normal", value_at_risk=-3.0, status="degraded")]
    closes = [close(confidence=0.95, exception_hypothetical=False), close(), close(method="ewma_normal", confidence=0.99)]
    told = decode_final(encode_final(results, closes))
    assert (told.final.as_of, told.final.as_of_ns, told.final.revision, told.final.log_seq) == (
        "2023-11-14T22:13:20Z",
        str(AS_OF_NS),
        0,
        99,
    )
    assert told.final.measures["ewma_normal"]["0.99"].var == -3.0
    assert told.last_close is not None
    assert told.last_close.exceptions == ["historical@0.99", "ewma_normal@0.99"]
    assert told.close is not None
    assert (told.close.forecast_var, told.close.exception_hypothetical) == (10.0, True)
    bare = decode_final(encode_final(results))
    assert bare.last_close is None
    assert bare.close is None


def test_final_refuses_a_mixture() -> None:
    with pytest.raises(ValueError, match="one node"):
        encode_final([result(), result(node_id=5)])
    with pytest.raises(ValueError, match="at least one"):
        encode_final([])


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2023-11-14T22:13:20Z", AS_OF_NS),
        ("2023-11-14T23:13:20+01:00", AS_OF_NS),
        ("2023-11-14T22:13:20", AS_OF_NS),
        ("1970-01-02", 86_400 * 10**9),
        ("1969-12-31T23:59:59.999999Z", -1000),
    ],
)
def test_iso_times(text: str, time_ns: int) -> None:
    assert ns_from_iso(text) == time_ns
    assert ns_from_iso(iso_from_ns(time_ns)) == time_ns


@pytest.mark.parametrize("text", ["", "yesterday", "9999-01-01", "0001-01-01T00:00:00+14:00", "2023-13-01"])
def test_iso_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        ns_from_iso(text)


@given(st.integers(-(2**63) // 1000 + 1, 2**63 // 1000 - 1))
def test_iso_round_trip(time_us: int) -> None:
    assert ns_from_iso(iso_from_ns(time_us * 1000)) == time_us * 1000
