"""The shapes of the HTTP interface. Snapshots, problems and evidence are declared where they are made."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from services.common.evidence_shapes import Price, Quantity
from services.common.snapshot_payload import (
    Confidence,
    DayCloseItem,
    FinalNumbers,
    IsoTime,
    LastClose,
    LiveNumbers,
    LogSeq,
    Loss,
    Revision,
    Share,
    Status,
)

NodeId = Annotated[int, Meta(ge=1, description="Node of the book", examples=[1])]
Cursor = Annotated[str | None, Meta(description="Give it back as `cursor` for the next page; null at the end")]
ExactTime = Annotated[str, Meta(description="Exact UTC nanoseconds, as text since they exceed 2**53", examples=["1714593600000000000"])]


class RunClock(Struct, frozen=True):
    """Where the run's own clock stands."""

    as_of: Annotated[IsoTime | None, Meta(description="Newest final result")]
    first: Annotated[IsoTime | None, Meta(description="First day with results")]
    last: Annotated[IsoTime | None, Meta(description="Last day of a replay")]
    days_done: Annotated[int, Meta(ge=0, examples=[412])]
    days_total: Annotated[int | None, Meta(examples=[2013])]
    seed_done: Annotated[int, Meta(ge=0, description="Days folded in before the first result")]
    seed_total: Annotated[int, Meta(ge=0)]
    speed: Annotated[str | float, Meta(description='Days per second asked for, or "max"', examples=[20.0])]
    days_per_second: Annotated[float, Meta(description="Days per second reached", examples=[19.8])]


class MethodItem(Struct, frozen=True):
    """One way to value at risk and expected shortfall."""

    name: Annotated[str, Meta(examples=["historical"])]
    label: Annotated[str, Meta(examples=["Historical"])]
    description: str
    streamed: Annotated[
        bool, Meta(description="Evaluated with every tick; the others are challengers, evaluated for each day close beside the stream")
    ]


class RunCounts(Struct, frozen=True):
    """What went through since the process started."""

    ticks: int
    results: int
    rejected: Annotated[dict[str, int], Meta(description="Refused input by reason", examples=[{"stale": 3}])]
    late: Annotated[int, Meta(description="Ticks that came after their bucket had closed")]


class RunItem(Struct, frozen=True):
    """The run: what is calculated, and how far it is."""

    run_id: Annotated[str, Meta(examples=["9f2c41d07a3be856"])]
    profile: Annotated[str, Meta(examples=["embedded"])]
    mode: Annotated[str, Meta(description="replay or live", examples=["replay"])]
    state: Annotated[str, Meta(description="seeding, running, finished or stopped", examples=["running"])]
    clock: RunClock
    methods: list[MethodItem]
    confidences: Annotated[list[float], Meta(examples=[[0.95, 0.975, 0.99, 0.999]])]
    base_currency: Annotated[str, Meta(examples=["USD"])]
    log_seq: LogSeq
    counts: RunCounts
    data_note: Annotated[str, Meta(description="What to know about the prices", examples=["adjusted closes; synthetic FX history"])]
    version: Annotated[str, Meta(examples=["0.1.0"])]


class NodeItem(Struct, frozen=True):
    """A node of the book tree."""

    node_id: NodeId
    name: Annotated[str, Meta(examples=["US Long-Only"])]
    kind: Annotated[str, Meta(description="firm, desk or portfolio", examples=["portfolio"])]
    parent_id: int | None
    currency: Annotated[str, Meta(examples=["USD"])]
    description: str


class NodeList(Struct, frozen=True):
    """Nodes, parents before children."""

    nodes: list[NodeItem]


class SnapshotItem(Struct, frozen=True):
    """Newest numbers of a node; null where there are none yet."""

    node_id: NodeId
    live: LiveNumbers | None
    final: FinalNumbers | None
    last_close: LastClose | None


class SnapshotList(Struct, frozen=True):
    """Newest numbers of all nodes."""

    as_of: Annotated[IsoTime | None, Meta(description="Newest final result of any node")]
    snapshots: list[SnapshotItem]


Spread = Annotated[
    float | None,
    Meta(description="Standard error, or bound of the interval of coverage 0.95; null where the sample sets none", examples=[4210.5]),
]


Measures = Annotated[
    dict[str, float] | None,
    Meta(
        description="Other measures of the same scenarios, losses positive; null for methods that have none",
        examples=[{"spectral_risk": 5120.25}],
    ),
]


class HistoryItem(Struct, frozen=True, gc=False):
    """One final result."""

    as_of: IsoTime
    as_of_ns: ExactTime
    revision: Revision
    var: Loss
    es: Loss
    status: Status
    scenario_count: Annotated[int, Meta(examples=[500])]
    stale_share: Share
    proxied_share: Share
    thin_share: Share
    var_error: Spread = None
    var_lower: Spread = None
    var_upper: Spread = None
    es_error: Spread = None
    es_lower: Spread = None
    es_upper: Spread = None
    measures: Measures = None


class HistoryPage(Struct, frozen=True):
    """Results of one node, method and confidence, oldest first."""

    items: list[HistoryItem]
    next_cursor: Cursor


class MethodNumbers(Struct, frozen=True, gc=False):
    """The newest final numbers of one method at one confidence. Methods need not be equally far: each says its as_of."""

    method: Annotated[str, Meta(examples=["volatility_weighted"])]
    confidence: Confidence
    as_of: IsoTime
    as_of_ns: ExactTime
    revision: Revision
    var: Loss
    es: Loss
    status: Status
    var_error: Spread = None
    var_lower: Spread = None
    var_upper: Spread = None
    es_error: Spread = None
    es_lower: Spread = None
    es_upper: Spread = None
    measures: Measures = None


class MethodList(Struct, frozen=True):
    """Methods side by side."""

    node_id: NodeId
    items: list[MethodNumbers]


class FillItem(Struct, frozen=True, gc=False):
    """One fill. A correction marks the one it replaces `superseded_by`, and adds one with its `correction_id`."""

    fill_id: Annotated[str, Meta(examples=["2024-01-02/000481"])]
    time: IsoTime
    time_ns: ExactTime
    node_id: NodeId
    portfolio: str
    instrument_id: int
    symbol: str
    quantity: Quantity
    price: Price
    fees: float
    currency: Annotated[str, Meta(description="Of price and fees")]
    log_seq: LogSeq
    correction_id: str | None
    superseded_by: str | None


class FillPage(Struct, frozen=True):
    """Fills of a node and of those below it, newest first."""

    items: list[FillItem]
    next_cursor: Cursor


class DayClosePage(Struct, frozen=True):
    """Judged days of one node, method and confidence, oldest first."""

    items: list[DayCloseItem]
    next_cursor: Cursor


class CheckItem(Struct, frozen=True):
    """One condition of health."""

    ok: bool
    detail: Annotated[str, Meta(examples=["answers"])]


class HealthItem(Struct, frozen=True):
    """Health of this process."""

    status: Annotated[str, Meta(examples=["ready"])]
    checks: dict[str, CheckItem]
