"""Newest numbers in the shapes of the HTTP interface, and the payload of final ones in the snapshot cache: JSON in these shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from risk_core.records import DayCloseRow, RiskResult
from services.common.iso import iso_from_ns

Confidence = Annotated[float, Meta(gt=0.5, lt=1.0, description="Probability of not exceeding the loss", examples=[0.99])]
Share = Annotated[float, Meta(description="Share of gross market value, 0 to 1", examples=[0.02])]
IsoTime = Annotated[str, Meta(description="ISO-8601, UTC", examples=["2024-05-01T20:00:00Z"])]
IsoDate = Annotated[str, Meta(description="Date of a day close", examples=["2024-05-01"])]
Money = Annotated[float, Meta(description="Amount in the node's currency", examples=[1250000.0])]
Loss = Annotated[float, Meta(description="Loss in the node's currency: positive when money is lost, never clipped", examples=[84211.5])]
Status = Annotated[str, Meta(description="ok, or what degrades the number, joined by +", examples=["ok", "thin_tail"])]
LogSeq = Annotated[int, Meta(description="Ordinal in the log of the last record that entered", examples=[104233])]
Revision = Annotated[int, Meta(description="Corrections of closed buckets that are effective by then", examples=[0])]


class Measure(Struct, frozen=True, gc=False):
    """Value at risk and expected shortfall of one method and confidence; null with a status where there is no number."""

    var: Loss | None
    es: Loss | None
    status: Status


Measures = Annotated[dict[str, dict[str, Measure]], Meta(description='By method, then confidence as text: measures["historical"]["0.99"]')]


class Quality(Struct, frozen=True, gc=False):
    """What a number rests on."""

    stale_share: Share
    proxied_share: Share
    thin_share: Share


class LiveNumbers(Struct, frozen=True, gc=False):
    """Provisional numbers of a node after the last tick. `pnl` counts from the last close, today's trades included."""

    event_time: IsoTime
    log_seq: LogSeq
    market_value: Money | None
    pnl: Money | None
    measures: Measures
    quality: Quality


class FinalNumbers(Struct, frozen=True, gc=False):
    """Final numbers of a node: reproducible bit for bit."""

    as_of: IsoTime
    as_of_ns: Annotated[str, Meta(description="Exact nanoseconds, as text since they exceed 2**53")]
    revision: Revision
    log_seq: LogSeq
    measures: Measures
    quality: Quality


class LastClose(Struct, frozen=True, gc=False):
    """The last judged day. An exception is a hypothetical loss beyond the forecast, written method@confidence."""

    date: IsoDate
    hypothetical_pnl: Money
    actual_pnl: Money
    exceptions: list[str]


class DayCloseItem(Struct, frozen=True, gc=False):
    """Forecast frozen at the close before, against the P&L of the day (gain-positive)."""

    date: IsoDate
    as_of: IsoTime
    forecast_var: Loss
    forecast_es: Loss
    hypothetical_pnl: Money
    actual_pnl: Money
    exception_hypothetical: bool
    exception_actual: bool
    status: Status
    revision: Revision


class FinalPayload(Struct, frozen=True, gc=False):
    """What the cache holds under "final". The last two are null when the bucket is not a day close, or the first one."""

    final: FinalNumbers
    last_close: LastClose | None = None
    close: DayCloseItem | None = None
    """Day close of the method and confidence shown by default."""


DEFAULT_CONFIDENCE: Final = 0.99

_encoder: Final = msgspec.json.Encoder()
_final: Final = msgspec.json.Decoder(FinalPayload)


def encode_final(results: Sequence[RiskResult], day_closes: Sequence[DayCloseRow] = ()) -> bytes:
    """Return the final payload of one node's results at one as_of and revision, with the day's judgement if it is a close.

    Raises
    ------
    ValueError
        Without results, or for results of more than one node, as_of or revision.
    """
    if not results:
        raise ValueError("a final payload needs at least one result")
    first = results[0]
    measures: dict[str, dict[str, Measure]] = {}
    for r in results:
        if (r.node_id, r.as_of_ns, r.revision) != (first.node_id, first.as_of_ns, first.revision):
            raise ValueError(f"one payload, one node, as_of and revision: {r} beside {first}")
        measures.setdefault(r.method, {})[level_of(r.confidence)] = Measure(r.value_at_risk, r.expected_shortfall, r.status)
    quality = Quality(first.stale_share, first.proxied_share, first.thin_share)
    final = FinalNumbers(iso_from_ns(first.as_of_ns), str(first.as_of_ns), first.revision, first.log_seq, measures, quality)
    return _encoder.encode(FinalPayload(final, last_close_of(day_closes), _default_close(day_closes)))


def decode_final(payload: bytes) -> FinalPayload:
    """Return a final payload's content. Raises msgspec.DecodeError."""
    return _final.decode(payload)


def day_close_item(row: DayCloseRow) -> DayCloseItem:
    """Return a day close in the shape of the interface."""
    return DayCloseItem(
        date=row.date,
        as_of=iso_from_ns(row.as_of_ns),
        forecast_var=row.forecast_value_at_risk,
        forecast_es=row.forecast_expected_shortfall,
        hypothetical_pnl=row.hypothetical_pnl,
        actual_pnl=row.actual_pnl,
        exception_hypothetical=row.exception_hypothetical,
        exception_actual=row.exception_actual,
        status=row.status,
        revision=row.revision,
    )


def level_of(confidence: float) -> str:
    """Return a confidence as a key: 0.99 is "0.99"."""
    return repr(float(confidence))


def last_close_of(rows: Sequence[DayCloseRow]) -> LastClose | None:
    """Return the judgement of a day from its rows of one node, None without any."""
    if not rows:
        return None
    exceptions = [f"{r.method}@{level_of(r.confidence)}" for r in rows if r.exception_hypothetical]
    return LastClose(rows[0].date, rows[0].hypothetical_pnl, rows[0].actual_pnl, exceptions)


def _default_close(rows: Sequence[DayCloseRow]) -> DayCloseItem | None:
    """Return the close of the first method at the default confidence, or the one nearest to it."""
    if not rows:
        return None
    first = [r for r in rows if r.method == rows[0].method]
    return day_close_item(min(first, key=lambda r: abs(r.confidence - DEFAULT_CONFIDENCE)))
