"""Public messages: JSON with a version, described once here. The JSON Schema and the broker's schema follow from these types.

A change that old readers survive (a new field with a default) keeps the version; any other raises it, and readers then
take both. Floats are the shortest text that reads back to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.inspect import BoolType, DictType, FloatType, IntType, ListType, Metadata, NoneType, StrType, UnionType, type_info

from risk_core.records import BacktestResult, ChangePoint, DayCloseRow, RegimeState, RiskResult
from services.common.codec_errors import MalformedRecord

SCHEMA_VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 64_000

Version = Annotated[int, Meta(ge=1, description="version of this message's schema")]
RunId = Annotated[str, Meta(description="identity of calculation, configuration and log; numbers of different runs are not compared")]
NodeId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="node of the book: firm, desk or portfolio")]
AsOf = Annotated[str, Meta(description="end of the bucket, RFC 3339, UTC, nine decimals")]
AsOfNs = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1, description="the same in nanoseconds since 1970; beyond the exact range of a double")
]
Method = Annotated[str, Meta(description="risk method as configured, for example historical")]
HorizonDays = Annotated[int, Meta(ge=1, description="horizon in trading days")]
Confidence = Annotated[float, Meta(gt=0.0, lt=1.0, description="confidence level, 0.99 and never 0.01")]
Revision = Annotated[int, Meta(ge=0, description="corrections effective by as_of; the highest counts")]
Currency = Annotated[str, Meta(description="ISO 4217; the node's own")]
Loss = Annotated[float | None, Meta(description="a loss is positive; null only where status is not ok")]
Spread = Annotated[
    float | None, Meta(description="standard error, or bound of the interval of nominal coverage 0.95; null where the sample sets none")
]
Measures = Annotated[
    dict[str, float] | None, Meta(description="other measures of the same scenarios, losses positive; null for methods that have none")
]
Gain = Annotated[float | None, Meta(description="a gain is positive; null only where status is not ok")]
Share = Annotated[float, Meta(ge=0.0, description="share of gross exposure, 0 to 1")]
Status = Annotated[str, Meta(description="ok, or what degrades the number")]


class RiskResultMessage(Struct, frozen=True):
    """One final number with its papers."""

    schema_version: Version
    run_id: RunId
    node_id: NodeId
    as_of: AsOf
    as_of_ns: AsOfNs
    method: Method
    horizon_days: HorizonDays
    confidence: Confidence
    revision: Revision
    currency: Currency
    value_at_risk: Loss
    expected_shortfall: Loss
    scenario_count: Annotated[int, Meta(ge=0, description="scenarios in the set")]
    log_seq: Annotated[int, Meta(ge=0, description="records of the log behind the number")]
    stale_share: Share
    proxied_share: Share
    thin_share: Share
    status: Status
    value_at_risk_error: Spread = None
    value_at_risk_lower: Spread = None
    value_at_risk_upper: Spread = None
    expected_shortfall_error: Spread = None
    expected_shortfall_lower: Spread = None
    expected_shortfall_upper: Spread = None
    measures: Measures = None


class DayCloseMessage(Struct, frozen=True):
    """The forecast frozen at the close before, against the profit and loss of the day."""

    schema_version: Version
    run_id: RunId
    node_id: NodeId
    date: Annotated[str, Meta(description="the day judged, YYYY-MM-DD on the node's calendar")]
    as_of: AsOf
    as_of_ns: AsOfNs
    method: Method
    horizon_days: HorizonDays
    confidence: Confidence
    revision: Revision
    currency: Currency
    forecast_value_at_risk: Loss
    forecast_expected_shortfall: Loss
    hypothetical_pnl: Gain
    actual_pnl: Gain
    fees: Annotated[float | None, Meta(description="fees of the day, a cost is positive; null only where status is not ok")]
    exception_hypothetical: Annotated[bool, Meta(description="the hypothetical loss was greater than the forecast")]
    exception_actual: Annotated[bool, Meta(description="the actual loss was greater than the forecast")]
    status: Status


InstrumentId = Annotated[int, Meta(ge=0, le=2**31 - 1, description="instrument of the book")]
Date = Annotated[str, Meta(description="the day that closed, YYYY-MM-DD on the book's calendar")]
LogSeq = Annotated[int, Meta(ge=0, description="records of the log behind the number")]


class RegimeStateMessage(Struct, frozen=True):
    """Regime and volatility of an instrument as known at a day close."""

    schema_version: Version
    run_id: RunId
    instrument_id: InstrumentId
    as_of: AsOf
    as_of_ns: AsOfNs
    date: Date
    revision: Revision
    log_seq: LogSeq
    price: Annotated[float, Meta(description="at the close")]
    move: Annotated[float | None, Meta(description="of the day, a simple return; null where the instrument itself was not seen")]
    model_version: Annotated[int, Meta(ge=1, description="counts the regime models in use")]
    labels: Annotated[list[str], Meta(description="of the states, in the order of the chances")]
    filtered: Annotated[list[float], Meta(description="chances of the state of this day given all to this day")]
    ahead: Annotated[list[float], Meta(description="chances of the state of the next day")]
    volatility: Annotated[float | None, Meta(description="standard deviation forecast for the next day; null without a model")]
    status: Annotated[str, Meta(description="ok, or missing: the day had no move of its own")]


class ChangePointMessage(Struct, frozen=True):
    """An alarm of a detector that watches an instrument."""

    schema_version: Version
    run_id: RunId
    instrument_id: InstrumentId
    as_of: AsOf
    as_of_ns: AsOfNs
    date: Date
    detector: Annotated[str, Meta(description="volatility or drift")]
    revision: Revision
    log_seq: LogSeq
    direction: Annotated[str, Meta(description="up or down")]
    statistic: Annotated[float, Meta(description="above the threshold")]
    threshold: Annotated[float, Meta(gt=0.0, description="calibrated to a rate of false alarms")]


class ZoneMessage(Struct, frozen=True):
    """Where a method of a node stood after a judged day."""

    schema_version: Version
    run_id: RunId
    node_id: NodeId
    date: Date
    as_of: AsOf
    as_of_ns: AsOfNs
    method: Method
    horizon_days: HorizonDays
    confidence: Confidence
    outcome: Annotated[str, Meta(description="hypothetical or actual: the P&L that the forecast was held against")]
    window_days: Annotated[int, Meta(ge=1, description="judged days looked back on, at most")]
    revision: Revision
    observations: Annotated[int, Meta(ge=1, description="judged days in the window")]
    exceptions: Annotated[int, Meta(ge=0, description="days with a loss beyond the forecast")]
    expected: Annotated[float, Meta(ge=0.0, description="exceptions of a right forecast, on average")]
    zone: Annotated[str, Meta(description="green, yellow or red")]
    zone_before: Annotated[str | None, Meta(description="after the judged day before; another zone is a change, null the first day")]
    type_i: Annotated[float, Meta(ge=0.0, le=1.0, description="chance of so many exceptions or more if the forecast is right")]
    multiplier_mar32: Annotated[float, Meta(description="MAR32's, from 1.5")]
    multiplier_basel_2_5: Annotated[float, Meta(description="Basel 2.5's, from 3")]
    kupiec_p: Annotated[float | None, Meta(description="proportion of failures, asymptotic; null where the counts say nothing")]
    independence_p: Annotated[float | None, Meta(description="Christoffersen independence, alike")]
    conditional_p: Annotated[float | None, Meta(description="Christoffersen conditional coverage, alike")]


MESSAGES: Final[Mapping[str, type[Struct]]] = MappingProxyType(
    {
        "results": RiskResultMessage,
        "day_closes": DayCloseMessage,
        "regimes": RegimeStateMessage,
        "change_points": ChangePointMessage,
        "zones": ZoneMessage,
    }
)
"""Topic (short name) to the type of its messages. A topic that is not here carries bytes."""

_NULLABLE: Final = frozenset(
    {
        "value_at_risk",
        "expected_shortfall",
        "forecast_value_at_risk",
        "forecast_expected_shortfall",
        "hypothetical_pnl",
        "actual_pnl",
        "fees",
    }
)
_encoder = msgspec.json.Encoder()
_result_decoder = msgspec.json.Decoder(RiskResultMessage)
_day_close_decoder = msgspec.json.Decoder(DayCloseMessage)
_regime_decoder = msgspec.json.Decoder(RegimeStateMessage)
_change_decoder = msgspec.json.Decoder(ChangePointMessage)
_zone_decoder = msgspec.json.Decoder(ZoneMessage)
_Message = TypeVar("_Message", RiskResultMessage, DayCloseMessage, RegimeStateMessage, ChangePointMessage, ZoneMessage)


def encode_result(result: RiskResult) -> bytes:
    """Return the message of a result for `analytics/results`; ValueError for a non-finite number with status ok."""
    return _encode(RiskResultMessage, result)


def decode_result(payload: bytes) -> RiskResult:
    """Return the result in a message of `analytics/results`, null numbers as NaN; raises MalformedRecord."""
    return RiskResult(**_decode(_result_decoder, payload))


def encode_day_close(row: DayCloseRow) -> bytes:
    """Return the message of a judged day for `analytics/day_closes`; ValueError for a non-finite number with status ok."""
    return _encode(DayCloseMessage, row)


def decode_day_close(payload: bytes) -> DayCloseRow:
    """Return the judged day in a message of `analytics/day_closes`, null numbers as NaN; raises MalformedRecord."""
    return DayCloseRow(**_decode(_day_close_decoder, payload))


def encode_regime(row: RegimeState) -> bytes:
    """Return the message of a regime state for `analytics/regimes`; ValueError for a number that is not finite."""
    return _encode(RegimeStateMessage, row)


def decode_regime(payload: bytes) -> RegimeState:
    """Return the regime state in a message of `analytics/regimes`; raises MalformedRecord."""
    values: dict[str, Any] = _decode(_regime_decoder, payload)
    for name in ("labels", "filtered", "ahead"):
        values[name] = tuple(values[name])
    return RegimeState(**values)


def encode_change_point(row: ChangePoint) -> bytes:
    """Return the message of a change point for `analytics/change_points`; ValueError for a number that is not finite."""
    return _encode(ChangePointMessage, row)


def decode_change_point(payload: bytes) -> ChangePoint:
    """Return the change point in a message of `analytics/change_points`; raises MalformedRecord."""
    return ChangePoint(**_decode(_change_decoder, payload))


def encode_zone(row: BacktestResult) -> bytes:
    """Return the message of a zone for `analytics/zones`; ValueError for a number that is not finite."""
    return _encode(ZoneMessage, row)


def decode_zone(payload: bytes) -> BacktestResult:
    """Return the zone in a message of `analytics/zones`; raises MalformedRecord."""
    return BacktestResult(**_decode(_zone_decoder, payload))


def json_schema(topic: str) -> dict[str, Any]:
    """Return the JSON Schema document (2020-12) of a topic's messages."""
    message = MESSAGES[topic]
    (definition,) = msgspec.json.schema_components((message,), ref_template="#/$defs/{name}")[1].values()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:plimsoll:{topic}:{SCHEMA_VERSION}",
        **definition,
    }


def broker_schema(topic: str) -> dict[str, Any]:
    """Return the Avro record that a Pulsar schema of type JSON is defined by."""
    fields = [
        {"name": field.name, "type": _avro_type(type_info(field.type), field.name), **({"default": None} if field.default is None else {})}
        for field in msgspec.structs.fields(MESSAGES[topic])
    ]
    return {"type": "record", "name": MESSAGES[topic].__name__, "namespace": "plimsoll", "fields": fields}


# ---------------------------------------------------------------- inside


@lru_cache(64)
def utc_text(ns: int) -> str:
    """Return RFC 3339 text with nine decimals of nanoseconds since 1970, UTC."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _encode(message: type[_Message], row: RiskResult | DayCloseRow | RegimeState | ChangePoint | BacktestResult) -> bytes:
    values: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            status = values.get("status", "ok")
            if name not in _NULLABLE or status == "ok":
                of = f"node {values['node_id']}" if "node_id" in values else f"instrument {values['instrument_id']}"
                raise ValueError(f"{type(row).__name__}.{name} = {value} of {of} at {row.as_of_ns} with status {status!r}")
            values[name] = None
    return _encoder.encode(message(schema_version=SCHEMA_VERSION, as_of=utc_text(row.as_of_ns), **values))


def _decode(decoder: msgspec.json.Decoder[_Message], payload: bytes) -> dict[str, Any]:
    if len(payload) > MESSAGE_BYTES_MAX:
        raise MalformedRecord("oversize", f"{len(payload)} bytes; at most {MESSAGE_BYTES_MAX}")
    try:
        message = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse(payload, error)
    if message.schema_version != SCHEMA_VERSION:
        raise MalformedRecord("unknown_version", f"schema_version {message.schema_version}; this build reads {SCHEMA_VERSION}")
    values = msgspec.structs.asdict(message)
    del values["schema_version"], values["as_of"]
    return {name: math.nan if value is None and name in _NULLABLE else value for name, value in values.items()}


class _Versioned(Struct):
    schema_version: int


_version_decoder = msgspec.json.Decoder(_Versioned)


def _refuse(payload: bytes, error: Exception) -> NoReturn:
    """Name the version first: the fields of another may well be wrong."""
    try:
        version = _version_decoder.decode(payload).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = SCHEMA_VERSION
    if version != SCHEMA_VERSION:
        raise MalformedRecord("unknown_version", f"schema_version {version}; this build reads {SCHEMA_VERSION}") from None
    raise MalformedRecord("bad_value" if isinstance(error, msgspec.ValidationError) else "garbage", str(error)) from None


_AVRO: Final = ((StrType, "string"), (IntType, "long"), (FloatType, "double"), (BoolType, "boolean"), (NoneType, "null"))


def _avro_type(info: Any, name: str) -> Any:
    if isinstance(info, Metadata):
        return _avro_type(info.type, name)
    if isinstance(info, UnionType):
        return sorted((_avro_type(item, name) for item in info.types), key=lambda avro: str(avro) != "null")
    if isinstance(info, ListType):
        return {"type": "array", "items": _avro_type(info.item_type, name)}
    if isinstance(info, DictType):
        return {"type": "map", "values": _avro_type(info.value_type, name)}
    for known, avro in _AVRO:
        if isinstance(info, known):
            return avro
    raise TypeError(f"field {name}: {info} has no broker type")
