"""Payloads of the snapshot cache: JSON in the shapes of the HTTP interface, so that a reader passes them on as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

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


class LiveHead(Struct, frozen=True, gc=False):
    """The part of a live payload that says when."""

    log_seq: int
    event_time: str


DEFAULT_CONFIDENCE: Final = 0.99

_PLACE: Final = b"\0"
"""Marks a place in a template; JSON text never holds one."""

_encoder: Final = msgspec.json.Encoder()
_live_head: Final = msgspec.json.Decoder(LiveHead)
_live: Final = msgspec.json.Decoder(LiveNumbers)
_final: Final = msgspec.json.Decoder(FinalPayload)


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
    """Return the live payloads of n nodes, `LiveNumbers` as JSON.

    Parameters
    ----------
    market_value, pnl : float64[n]
        One that is not finite is sent as null.
    value_at_risk, expected_shortfall : float64[n, M, C]
        Loss-positive. One that is not finite is sent as null with the status `not_finite`.
    thin : bool[M, C]
        Where the tail holds less than one effective scenario.
    shares : float64[n, 3]
        Stale, proxied and thin share.
    flags : n str
        What else degrades every number of a node, joined by `+`, for example `short_window+degraded`.
    """
    nodes, tails = len(flags), thin.size
    numbers = np.empty((nodes, 5 + 2 * tails))
    numbers[:, 0], numbers[:, 1], numbers[:, -3:] = market_value, pnl, shares
    numbers[:, 2:-3:2], numbers[:, 3:-3:2] = value_at_risk.reshape(nodes, tails), expected_shortfall.reshape(nodes, tails)
    text = _encoder.encode(numbers.ravel().tolist())
    told = text[1:-1].split(b",")  # all numbers are written by one call: most of what a payload costs
    width = numbers.shape[1]
    moment, marks = [iso_from_ns(event_ns).encode(), b"%d" % log_seq], thin.tobytes()
    payloads = []
    for k, flag in enumerate(flags):
        pieces = _live_template(methods, confidences, marks, flag).copy()
        pieces[1::2] = moment + told[k * width : (k + 1) * width]
        payloads.append(b"".join(pieces))
    return payloads if b"null" not in text else [_told(p) if b"null" in p else p for p in payloads]


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


def decode_live(payload: bytes) -> LiveNumbers:
    """Return a live payload's content. Raises msgspec.DecodeError."""
    return _live.decode(payload)


def decode_live_head(payload: bytes) -> LiveHead:
    """Return when a live payload is from. Raises msgspec.DecodeError."""
    return _live_head.decode(payload)


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


@lru_cache(maxsize=256)
def _live_template(methods: tuple[str, ...], confidences: tuple[float, ...], thin: bytes, flags: str) -> list[bytes]:
    """Return the JSON of `LiveNumbers` in pieces: every second one is the place of the time, the log_seq or a number."""
    fine, thinned = flags or "ok", f"thin_tail+{flags}" if flags else "thin_tail"
    statuses = iter([thinned if t else fine for t in thin])
    rows = [
        _object((level_of(c), _object((("var", _PLACE), ("es", _PLACE), ("status", _text(next(statuses)))))) for c in confidences)
        for _ in methods
    ]
    quality = _object((name, _PLACE) for name in Quality.__struct_fields__)
    values = (b'"' + _PLACE + b'"', _PLACE, _PLACE, _PLACE, _object(zip(methods, rows, strict=True)), quality)
    text = _object(zip(LiveNumbers.__struct_fields__, values, strict=True))
    constants = text.split(_PLACE)
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
