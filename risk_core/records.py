"""Records of the ordered log, and the rows a fold over it gives.

A record is the unit of the log: an envelope and one body. Times are int64 nanoseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Book, Fill, Position


@dataclass(frozen=True, slots=True)
class Genesis:
    """First record of a run: what it folds, and from when it speaks.

    `emit_from_ns`: results with an earlier as_of are computed (they seed the window) but not emitted.
    `cadence_ns`: bucket length of event time; 0 closes buckets at day closes only.
    `configuration`: canonical JSON of the model configuration (methods, confidences, window, conventions, seed).
    """

    book: Book
    feed_hash: str
    book_hash: str
    nonce: str
    emit_from_ns: int
    cadence_ns: int
    configuration: str


@dataclass(frozen=True, slots=True)
class SourceOpen:
    """A source joins the watermark."""

    name: str


@dataclass(frozen=True, slots=True)
class SourceClose:
    """A source leaves the watermark."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An idle source promises progress through its watermark."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticks:
    """A columnar batch of prices: `instrument_id` int32[n], `price` float64[n], `event_ns` int64[n]."""

    instrument_id: NDArray[np.int32]
    price: NDArray[np.float64]
    event_ns: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ticks) and all(
            np.array_equal(a, b)
            for a, b in (
                (self.instrument_id, other.instrument_id),
                (self.price, other.price),
                (self.event_ns, other.event_ns),
            )
        )


@dataclass(frozen=True, slots=True)
class Fills:
    """Accepted fills of one event time."""

    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class BookChange:
    """Start-of-day positions set to absolute quantities; they count as held at the close before."""

    positions: tuple[Position, ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Split:
    """`numerator` new units for `denominator` old ones; scales positions and the prior price together."""

    action_id: str
    instrument_id: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class PriceCorrection:
    """The price of one instrument at exactly `effective_ns` is replaced, added, or (price None) removed."""

    correction_id: str
    effective_ns: int
    instrument_id: int
    price: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class FillCorrection:
    """The fill of this id, executed at `effective_ns`, is replaced or (fill None) cancelled."""

    correction_id: str
    effective_ns: int
    fill_id: str
    fill: Fill | None
    reason: str


@dataclass(frozen=True, slots=True)
class DayClose:
    """Prices of `date` (YYYY-MM-DD) on `calendar` are final at the record's event time."""

    calendar: str
    date: str


Body: TypeAlias = (
    Genesis | SourceOpen | SourceClose | Heartbeat | Ticks | Fills | BookChange | Split | PriceCorrection | FillCorrection | DayClose
)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the log.

    `source_watermark_ns` w promises: this source sends nothing more with event_ns <= w.
    """

    source_id: int
    source_seq: int
    event_ns: int
    ingest_ns: int
    source_watermark_ns: int
    body: Body


@dataclass(frozen=True, slots=True)
class RiskResult:
    """One final number with its papers. VaR and ES are losses in `currency` and may be negative.

    Shares are of gross exposure, in [0, 1]. `status` is "ok" or names what degrades the number. Standard errors and the bounds of
    intervals (nominal coverage `INTERVAL_LEVEL`) are in the same unit and None where the sample sets none. `measures` are
    others of the same vector by name (`risk_core.further_measures`), for methods that have them.
    """

    run_id: str
    node_id: int
    as_of_ns: int
    method: str
    horizon_days: int
    confidence: float
    revision: int
    currency: str
    value_at_risk: float
    expected_shortfall: float
    scenario_count: int
    log_seq: int
    stale_share: float
    proxied_share: float
    thin_share: float
    status: str
    value_at_risk_error: float | None = None
    value_at_risk_lower: float | None = None
    value_at_risk_upper: float | None = None
    expected_shortfall_error: float | None = None
    expected_shortfall_lower: float | None = None
    expected_shortfall_upper: float | None = None
    measures: dict[str, float] | None = None


SPREAD: Final = tuple(f"{measure}_{part}" for measure in ("value_at_risk", "expected_shortfall") for part in ("error", "lower", "upper"))
"""Fields of `RiskResult` that say how far its two numbers can be trusted."""


@dataclass(frozen=True, slots=True)
class DayCloseRow:
    """Forecast frozen at the close before against the P&L of the day. P&L is gain-positive; an exception is -P&L > VaR."""

    run_id: str
    node_id: int
    date: str
    as_of_ns: int
    method: str
    horizon_days: int
    confidence: float
    revision: int
    currency: str
    forecast_value_at_risk: float
    forecast_expected_shortfall: float
    hypothetical_pnl: float
    actual_pnl: float
    fees: float
    exception_hypothetical: bool
    exception_actual: bool
    status: str


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Where a method of a node stood after a judged day, by its last `window_days` judged days at most.

    `outcome` is "hypothetical" or "actual". `type_i` is the chance of so many exceptions or more if the forecast is right. P-values are
    asymptotic, None where the counts say nothing. `zone_before` is that of the judged day before, None for the first.
    """

    run_id: str
    node_id: int
    date: str
    as_of_ns: int
    method: str
    horizon_days: int
    confidence: float
    outcome: str
    window_days: int
    revision: int
    observations: int
    exceptions: int
    expected: float
    zone: str
    zone_before: str | None
    type_i: float
    multiplier_mar32: float
    multiplier_basel_2_5: float
    kupiec_p: float | None
    independence_p: float | None
    conditional_p: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRow:
    """One day's joint moves, by ascending instrument id: the part of the scenario set that a day close adds.

    `shock` float64[N]: simple returns, or price differences for absolute-shock instruments, proxies filled in.
    `proxied` uint8[N]: 1 where the move is a proxy's.
    """

    run_id: str
    as_of_ns: int
    date: str
    revision: int
    log_seq: int
    shock: NDArray[np.float64]
    proxied: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RegimeState:
    """Regime and volatility of one instrument as known at a day close: parameters from data to then, probabilities filtered.

    Parameters
    ----------
    price : float
        At the close.
    move : float or None
        Of the day: a simple return, or a difference where shocks are absolute. None where the instrument itself was not seen.
    model_version : int
        Counts the regime models in use, from 1.
    labels : tuple of str
        Of the states.
    filtered, ahead : tuple of float
        Chances of the state of this day, and of the next, given all to this day.
    volatility : float or None
        Standard deviation forecast for the next day, in the unit of `move`; None while no volatility model is in use.
    status : str
        "ok", or "missing": the day had no move of its own, and the chain went on without an observation.
    """

    run_id: str
    instrument_id: int
    as_of_ns: int
    date: str
    revision: int
    log_seq: int
    price: float
    move: float | None
    model_version: int
    labels: tuple[str, ...]
    filtered: tuple[float, ...]
    ahead: tuple[float, ...]
    volatility: float | None
    status: str


@dataclass(frozen=True, slots=True)
class RegimeModel:
    """One refit of an instrument's regime or volatility model.

    `kind` is "regimes" or "volatility"; `parameters` are those in use afterwards, as JSON takes them, empty while there are none;
    `observations` is how many moves were looked at. `status` is the refit's own word, `reason` empty when all is well; `used` says whether
    its parameters are in use from then on.
    """

    run_id: str
    instrument_id: int
    as_of_ns: int
    date: str
    kind: str
    revision: int
    log_seq: int
    model_version: int
    observations: int
    status: str
    reason: str
    parameters: dict[str, Any]
    used: bool = True


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """An alarm of one instrument's detector at a day close; the detector begins anew after it."""

    run_id: str
    instrument_id: int
    as_of_ns: int
    date: str
    detector: str
    revision: int
    log_seq: int
    direction: str
    statistic: float
    threshold: float


WatchRow: TypeAlias = RegimeState | RegimeModel | ChangePoint
"""What is said of instruments, not of nodes."""
