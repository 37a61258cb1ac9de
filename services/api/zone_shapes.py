"""The shapes of zones: where each method of each node stood after a judged day."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.api.shapes import ExactTime, NodeId
from services.common.backtests import Chance, Multiplier, Outcome
from services.common.snapshot_payload import Confidence, IsoDate, IsoTime, Revision

MethodName = Annotated[str, Meta(examples=["historical"])]
ZoneName = Literal["green", "yellow", "red"]
Window = Annotated[int, Meta(ge=1, description="Judged days looked back on at most", examples=[250])]


class ZoneItem(Struct, frozen=True, gc=False):
    """Where a method of a node stood after a judged day, by the last judged days against one outcome."""

    node_id: NodeId
    method: MethodName
    confidence: Confidence
    as_of: IsoTime
    as_of_ns: ExactTime
    date: IsoDate
    revision: Revision
    observations: Annotated[int, Meta(ge=1, description="Judged days; fewer than the window until there are as many", examples=[250])]
    exceptions: Annotated[int, Meta(ge=0, description="Days with a loss beyond the forecast", examples=[3])]
    expected: Annotated[float, Meta(description="Exceptions of a right forecast, on average", examples=[2.5])]
    zone: Annotated[ZoneName, Meta(description="Basel's traffic light, for any number of days and confidence")]
    zone_before: Annotated[ZoneName | None, Meta(description="Of the judged day before; null for the first")]
    green_most: Annotated[int, Meta(ge=0, description="Most exceptions of the green zone in so many days", examples=[4])]
    yellow_most: Annotated[int, Meta(ge=0, description="Most exceptions of the yellow zone; more are red", examples=[9])]
    type_i: Annotated[float, Meta(ge=0.0, le=1.0, description="Chance of so many exceptions or more if the forecast is right")]
    multiplier_mar32: Multiplier
    multiplier_basel_2_5: Multiplier
    kupiec_p: Annotated[Chance, Meta(description="Coverage, asymptotic")]
    independence_p: Annotated[Chance, Meta(description="Christoffersen's test of clusters, asymptotic")]
    conditional_p: Annotated[Chance, Meta(description="Both at once, asymptotic")]


class ZoneList(Struct, frozen=True):
    """The newest zones of the whole book. What has no judged day in the last 60 days of its node is left out."""

    outcome: Outcome
    window: Window
    methods: Annotated[list[MethodName], Meta(description="Those that forecast one day ahead: others have no zones")]
    items: list[ZoneItem]


class ZoneHistory(Struct, frozen=True):
    """Zones of one node, method and confidence, newest first."""

    outcome: Outcome
    window: Window
    items: list[ZoneItem]
