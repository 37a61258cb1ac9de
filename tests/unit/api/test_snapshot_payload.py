"""Final payloads and times in the shapes of the interface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_core.records import DayCloseRow, RiskResult
from services.common.iso import iso_from_ns, ns_from_iso
from services.common.snapshot_payload import decode_final, encode_final

AS_OF_NS = 1_700_000_000_000_000_000


def result(**changes: Any) -> RiskResult:
    row = RiskResult("run", 4, AS_OF_NS, "historical", 1, 0.99, 0, "USD", 10.5, 12.25, 500, 99, 0.1, 0.2, 0.3, "ok")
    return replace(row, **changes)


def close(**changes: Any) -> DayCloseRow:
    row = DayCloseRow("run", 4, "2023-11-14", AS_OF_NS, "historical", 1, 0.99, 0, "USD", 10.0, 12.0, -10.5, -9.5, 1.5, True, False, "ok")
    return replace(row, **changes)


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
