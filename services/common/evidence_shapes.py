"""What stands behind a number, as data for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from services.common.snapshot_payload import Confidence, IsoTime, LogSeq, Loss, Money, Revision, Status

Quantity = Annotated[float, Meta(description="Units held, negative when short", examples=[1200.0])]
Price = Annotated[float, Meta(description="In the instrument's currency", examples=[187.32])]
ExactTime = Annotated[str, Meta(description="Exact UTC nanoseconds, as text since they exceed 2**53", examples=["1714593600000000000"])]


class NoEvidence(LookupError):
    """Nothing kept stands behind this node and time; the message says what is."""


class UnknownGrouping(ValueError):
    """A grouping that the book does not have; the message says which it has."""


class ComponentItem(Struct, frozen=True, gc=False):
    """One instrument's part. `component_var` over all instruments sums to VaR; `marginal_var` is VaR per unit of exposure."""

    instrument_id: int
    symbol: str
    quantity: Quantity
    price: Price
    exposure: Annotated[float, Meta(description="P&L in the node's currency for a move of 1 (100 %, or one unit of price)")]
    component_var: Loss
    component_es: Loss
    marginal_var: float


class Components(Struct, frozen=True):
    """VaR and ES of a node, split over its instruments by their gradients (Euler)."""

    node_id: int
    as_of: IsoTime
    as_of_ns: ExactTime
    method: str
    confidence: Confidence
    value_at_risk: Loss
    expected_shortfall: Loss
    currency: str
    items: list[ComponentItem]
    sum_component_var: Loss
    sum_component_es: Loss
    groupings: Annotated[list[str], Meta(description="What /results/{id}/attribution can group by", examples=[["instrument", "desk"]])]


class PositionItem(Struct, frozen=True, gc=False):
    """One holding. `price` and `price_time` are null before the first price; cash has no price time."""

    instrument_id: int
    symbol: str
    quantity: Quantity
    price: Price | None
    price_time: IsoTime | None
    market_value: Money | None
    currency: Annotated[str, Meta(description="Of the price; market values are in the node's currency")]


class Positions(Struct, frozen=True):
    """Holdings of a node at its newest checkpoint."""

    node_id: int
    as_of: IsoTime
    as_of_ns: ExactTime
    currency: str
    items: list[PositionItem]


class Contribution(Struct, frozen=True, gc=False):
    """P&L of one instrument in one scenario, in the node's currency."""

    instrument_id: int
    symbol: str
    pnl: Money


class TailScenario(Struct, frozen=True, gc=False):
    """One day of the scenario set. VaR is minus the sum of var_weight times pnl over all scenarios, ES likewise."""

    date: Annotated[str, Meta(description="The day, or the number of a draw where scenarios are simulated", examples=["2024-05-01"])]
    age: Annotated[int, Meta(description="0 is the newest scenario")]
    pnl: Money
    weight: Annotated[float, Meta(description="Probability that the method gives to this day")]
    var_weight: float
    es_weight: float
    contributions: list[Contribution]


class Reproduction(Struct, frozen=True):
    """A stored number against the same number calculated again."""

    result_id: str
    matches: Annotated[bool, Meta(description="Every field equal, floating-point numbers bit for bit")]
    source: Annotated[str, Meta(description="checkpoint, or log: folded again from the log of record")]
    stored: dict[str, str]
    recomputed: dict[str, str]
    differing: list[str]


class Explanation(Struct, frozen=True):
    """The scenarios and positions behind one result."""

    result_id: Annotated[str, Meta(examples=["1:1714593600000000000:historical:0.99:0"])]
    run_id: str
    node_id: int
    as_of: IsoTime
    as_of_ns: ExactTime
    method: str
    confidence: Confidence
    horizon_days: int
    revision: Revision
    currency: str
    value_at_risk: Loss
    expected_shortfall: Loss
    status: Status
    log_seq: LogSeq
    scenario_count: int
    tail_count: Annotated[int, Meta(description="Scenarios that the numbers depend on; the ones with the most weight are listed")]
    scenarios: list[TailScenario]
    positions: list[PositionItem]
    reproduction: Reproduction


class ChangePart(Struct, frozen=True, gc=False):
    """What one instrument or day adds to a step; in the order of calculation."""

    what: Annotated[str, Meta(description="Symbol, or the day that came in and the one that went out", examples=["AAPL"])]
    var: Annotated[float, Meta(description="Change of VaR")]
    es: Annotated[float, Meta(description="Change of ES")]


class ChangeStep(Struct, frozen=True):
    """One step from an older number to a newer one, and where it leads."""

    name: Annotated[str, Meta(description="market, positions, scenarios or model, in this order", examples=["market"])]
    var: Annotated[float, Meta(description="Change of VaR")]
    es: Annotated[float, Meta(description="Change of ES")]
    var_after: Loss
    es_after: Loss
    parts: list[ChangePart]


class Change(Struct, frozen=True):
    """Why a number is not what another was: the steps add up to the difference."""

    result_id: Annotated[str, Meta(examples=["1:1714593600000000000:historical:0.99:0"])]
    since: Annotated[str, Meta(examples=["1:1714507200000000000:historical:0.99:0"])]
    currency: str
    as_of: IsoTime
    since_as_of: IsoTime
    value_at_risk: Loss
    expected_shortfall: Loss
    since_value_at_risk: Loss
    since_expected_shortfall: Loss
    steps: list[ChangeStep]


class AttributionPart(Struct, frozen=True, gc=False):
    """What a group has to do with one number, in the node's currency."""

    component: Annotated[float, Meta(description="The group's part by the gradient: sums to the total; negative for a hedge")]
    share: Annotated[float | None, Meta(description="Component over total; null where the total is zero")]
    marginal: Annotated[float | None, Meta(description="Component per unit of gross value; null where that is zero")]
    standalone: Annotated[float, Meta(description="The number of the group alone")]
    incremental: Annotated[float, Meta(description="The number of the whole minus that of the whole without the group; does not sum")]


class AttributionItem(Struct, frozen=True, gc=False):
    """One group of holdings."""

    key: Annotated[str, Meta(description="Instrument or node id, or the value; empty for what has none", examples=["tech"])]
    label: Annotated[str, Meta(examples=["tech"])]
    market_value: Annotated[float, Meta(description="Net, in the node's currency")]
    gross_value: Annotated[float, Meta(description="Sum of absolute market values, netted by instrument")]
    var: AttributionPart
    es: AttributionPart


class Attribution(Struct, frozen=True):
    """A stored number by groups of holdings, those with the largest part in VaR first."""

    result_id: Annotated[str, Meta(examples=["1:1714593600000000000:historical:0.99:0"])]
    node_id: int
    as_of: IsoTime
    as_of_ns: ExactTime
    method: str
    confidence: Confidence
    currency: str
    value_at_risk: Loss
    expected_shortfall: Loss
    status: Status
    by: Annotated[str, Meta(examples=["desk", "tag:sector"])]
    robust: bool
    measure: Annotated[
        str, Meta(description="What made the totals: empirical, smooth, normal, student_t, cornish_fisher or peaks", examples=["smooth"])
    ]
    total_var: Annotated[float, Meta(description="What components sum to: the result, or with robust its smoothed estimate")]
    total_es: float
    diversification_var: Annotated[float, Meta(description="Sum of standalone VaR minus the total")]
    diversification_es: float
    stand_ins: Annotated[int, Meta(description="Vectors for which the method has no number: historical simulation stands in")]
    items: list[AttributionItem]
    groupings: Annotated[list[str], Meta(description="What `by` may be for this book")]


@dataclass(frozen=True, slots=True)
class ResultId:
    """Name of a result within a run: node:as_of_ns:method:confidence[:revision], the newest revision when left out."""

    node_id: int
    as_of_ns: int
    method: str
    confidence: float
    revision: int | None = None

    @staticmethod
    def parse(text: str) -> ResultId:
        """Read the written form; raise ValueError with the right one."""
        parts = text.split(":")
        try:
            if not 4 <= len(parts) <= 5:
                raise ValueError
            numbers = [int(p) for p in (parts[0], parts[1], *parts[4:])]
            if any(not 0 <= n < 2**63 for n in numbers):
                raise ValueError
            revision = numbers[2] if len(numbers) == 3 else None
            return ResultId(numbers[0], numbers[1], parts[2], float(parts[3]), revision)
        except ValueError:
            raise ValueError(
                f"{text[:80]!r} is no result id; write node:as_of_ns:method:confidence[:revision], "
                "for example 1:1714593600000000000:historical:0.99"
            ) from None

    def __str__(self) -> str:
        tail = "" if self.revision is None else f":{self.revision}"
        return f"{self.node_id}:{self.as_of_ns}:{self.method}:{self.confidence!r}{tail}"


class Evidence(Protocol):
    """Recomputation of what stands behind a number. Raises NoEvidence and Unavailable."""

    def components(self, node_id: int, method: str, confidence: float, as_of_ns: int | None = None) -> Components:
        """Split VaR and ES over instruments, at the newest checkpoint or at an as_of."""
        ...

    def positions(self, node_id: int) -> Positions:
        """Return the holdings at the newest checkpoint."""
        ...

    def explain(self, result: ResultId) -> Explanation:
        """Return scenarios and positions behind a result."""
        ...

    def change(self, result: ResultId, since: ResultId) -> Change:
        """Split the difference of two results of one node."""
        ...

    def attribution(self, result: ResultId, by: str = "instrument", robust: bool = False) -> Attribution:
        """Split a stored result over groups of holdings. Raises UnknownGrouping for one that the book does not have."""
        ...

    def reproduce(self, result: ResultId) -> Reproduction:
        """Calculate a result again and compare it with the stored row bit for bit."""
        ...
