"""Public messages: exact round trips, the documents derived from them, and refusal of what is no message."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_core.records import SPREAD, DayCloseRow, RiskResult
from services.common.codec_errors import MalformedRecord
from services.common.schemas import (
    MESSAGE_BYTES_MAX,
    MESSAGES,
    SCHEMA_VERSION,
    broker_schema,
    decode_change_point,
    decode_day_close,
    decode_regime,
    decode_result,
    decode_zone,
    encode_change_point,
    encode_day_close,
    encode_regime,
    encode_result,
    encode_zone,
    json_schema,
    utc_text,
)
from tests.contract.test_backtests import zone
from tests.contract.test_watched_rows import change, state

AS_OF = 1_205_366_400_123_456_789
LATER = (*SPREAD, "measures")
SPREADS = (0.5, -1.0, 1.0, 0.25, -2.0, -1.25)
RESULT = RiskResult(
    "run", 3, AS_OF, "historical", 1, 0.99, 0, "USD", 0.1 + 0.2, -1.5, 500, 77, 0.0, 0.25, 0.0, "ok", *SPREADS, {"spectral_risk": 2.5}
)
DAY = DayCloseRow("run", 3, "2008-03-12", AS_OF, "historical", 1, 0.99, 0, "USD", 10.0, 12.0, -11.0, -9.5, 0.5, True, False, "ok")

VALIDATORS = {topic: jsonschema.Draft202012Validator(json_schema(topic)) for topic in MESSAGES}

finite = st.floats(allow_nan=False, allow_infinity=False)
int64 = st.integers(-(2**63), 2**63 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.integers(-(2**63) + 1, 2**63 - 1)
shares = st.floats(0.0, 1.0)
levels = st.floats(0.5, 0.9999)
counts = st.integers(0, 2**63 - 1)
results = st.builds(
    RiskResult,
    text,
    int64,
    times,
    text,
    st.integers(1, 250),
    levels,
    counts,
    text,
    finite,
    finite,
    counts,
    counts,
    shares,
    shares,
    shares,
    text,
    *[st.none() | finite] * 6,
    st.none() | st.dictionaries(text, finite, max_size=3),
)
days = st.builds(
    DayCloseRow,
    text,
    int64,
    st.dates().map(str),
    times,
    text,
    st.integers(1, 250),
    levels,
    counts,
    text,
    finite,
    finite,
    finite,
    finite,
    finite,
    st.booleans(),
    st.booleans(),
    text,
)


@given(results)
def test_results_round_trip_exactly(result: RiskResult) -> None:
    payload = encode_result(result)
    assert decode_result(payload) == result
    assert encode_result(decode_result(payload)) == payload
    VALIDATORS["results"].validate(json.loads(payload))


@given(days)
def test_judged_days_round_trip_exactly(row: DayCloseRow) -> None:
    payload = encode_day_close(row)
    assert decode_day_close(payload) == row
    VALIDATORS["day_closes"].validate(json.loads(payload))


def test_any_json_reader_gets_the_same_floats() -> None:
    read = json.loads(encode_result(RESULT))
    assert (read["value_at_risk"], read["expected_shortfall"]) == (RESULT.value_at_risk, RESULT.expected_shortfall)
    assert read["as_of"] == "2008-03-13T00:00:00.123456789Z"
    assert read["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("ns", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_times_keep_every_nanosecond(ns: int, expected: str) -> None:
    assert utc_text(ns) == expected


# ------------------------------------------------------------ numbers that are none


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_bare_nan_leaves(value: float) -> None:
    with pytest.raises(ValueError, match=r"RiskResult.value_at_risk = .* of node 3 at \d+ with status 'ok'"):
        encode_result(replace(RESULT, value_at_risk=value))
    with pytest.raises(ValueError, match="stale_share"):
        encode_result(replace(RESULT, stale_share=value, status="thin_tail"))


def test_a_number_that_cannot_be_given_is_null_with_its_reason() -> None:
    payload = encode_result(replace(RESULT, value_at_risk=math.nan, status="too_few_scenarios"))
    assert json.loads(payload)["value_at_risk"] is None
    read = decode_result(payload)
    assert math.isnan(read.value_at_risk)
    assert read.status == "too_few_scenarios"
    VALIDATORS["results"].validate(json.loads(payload))
    assert json.loads(encode_day_close(replace(DAY, actual_pnl=math.nan, status="no_forecast")))["actual_pnl"] is None


def test_what_is_said_of_instruments_comes_back_bit_for_bit() -> None:
    assert decode_regime(EXAMPLES["regimes"]) == REGIME
    missing = replace(REGIME, move=None, volatility=None, status="missing")
    assert decode_regime(encode_regime(missing)) == missing
    assert decode_change_point(EXAMPLES["change_points"]) == CHANGE
    assert decode_zone(EXAMPLES["zones"]) == ZONE
    assert decode_zone(encode_zone(zone(3))) == zone(3)
    with pytest.raises(ValueError, match="instrument 1"):
        encode_regime(replace(REGIME, price=math.nan))
    with pytest.raises(MalformedRecord):
        decode_regime(EXAMPLES["change_points"])


# ------------------------------------------------------------ documents


REGIME, CHANGE, ZONE = state(0), change(0), zone(3, zone_before="red", independence_p=0.5)
EXAMPLES = {
    "results": encode_result(RESULT),
    "day_closes": encode_day_close(DAY),
    "regimes": encode_regime(REGIME),
    "change_points": encode_change_point(CHANGE),
    "zones": encode_zone(ZONE),
}


@pytest.mark.parametrize("topic", MESSAGES)
def test_the_json_schema_is_valid_and_strict_enough(topic: str) -> None:
    schema = json_schema(topic)
    jsonschema.Draft202012Validator.check_schema(schema)
    example = json.loads(EXAMPLES[topic])
    jsonschema.validate(example, schema)
    for name, value in example.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**example, name: [value]}, schema)
        without = {k: v for k, v in example.items() if k != name}
        if name in LATER:  # messages of before have none
            jsonschema.validate(without, schema)
            continue
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(without, schema)
    assert all(schema["properties"][name].get("description") for name in example)


@pytest.mark.parametrize("topic", MESSAGES)
def test_the_broker_schema_names_every_field_with_its_type(topic: str) -> None:
    avro = broker_schema(topic)
    row: Any = json.loads(EXAMPLES[topic])
    python = {"string": str, "long": int, "double": float, "boolean": bool}
    assert [field["name"] for field in avro["fields"]] == list(row)
    for field in avro["fields"]:
        kind = field["type"][1] if isinstance(field["type"], list) else field["type"]
        assert type(row[field["name"]]) is ({"map": dict, "array": list}[kind["type"]] if isinstance(kind, dict) else python[kind])
        assert ("default" in field) == (field["name"] in LATER)


def test_a_message_of_before_has_no_intervals() -> None:
    message = {k: v for k, v in json.loads(encode_result(RESULT)).items() if k not in LATER}
    read = decode_result(json.dumps(message).encode())
    assert read == dataclasses.replace(RESULT, **dict.fromkeys(LATER))


# ------------------------------------------------------------ refusal


def refusal(payload: bytes) -> str | None:
    try:
        decode_result(payload)
    except MalformedRecord as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "garbage"),
        (b"\xff", "garbage"),
        (encode_result(RESULT)[:-1], "garbage"),
        (encode_result(RESULT) + b"}", "garbage"),
        (b"[" * 10_000, "bad_value"),
        (b"{}", "bad_value"),
        (b"[]", "bad_value"),
        (encode_result(RESULT).replace(b'"node_id":3', b'"node_id":"3"'), "bad_value"),
        (encode_result(RESULT).replace(b'"node_id":3', b'"node_id":9223372036854775808'), "bad_value"),
        (encode_result(RESULT).replace(b'"confidence":0.99', b'"confidence":99'), "bad_value"),
        (encode_result(RESULT).replace(b'"schema_version":1', b'"schema_version":2'), "unknown_version"),
        (b'{"schema_version":9,"something":"else"}', "unknown_version"),
        (b" " * (MESSAGE_BYTES_MAX + 1), "oversize"),
    ],
)
def test_what_is_no_message_is_refused(payload: bytes, reason: str) -> None:
    assert refusal(payload) == reason


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    assert refusal(raw) is not None


def test_a_later_field_is_ignored() -> None:
    assert decode_result(encode_result(RESULT)[:-1] + b',"more":1}') == RESULT
