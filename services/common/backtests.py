"""Every method of a node against what happened: zone, tests, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from risk_core.methods import Method
from risk_core.records import DayCloseRow
from services.common.iso import iso_from_ns
from services.common.ports import HistoryFilter, Queries
from services.common.snapshot_payload import Confidence, IsoTime

Outcome: TypeAlias = Literal["hypothetical", "actual"]
Chance = Annotated[float | None, Meta(description="In [0, 1]; null where the test gives none")]


Multiplier = Annotated[float, Meta(description="Of the Basel table at 250 days and 99 %, else by the rule behind it", examples=[1.5])]


class TestItem(Struct, frozen=True):
    """One test of the forecasts."""

    key: Annotated[str, Meta(examples=["pof"])]
    name: Annotated[str, Meta(examples=["Kupiec proportion of failures"])]
    statistic: float | None
    p_value: Chance
    p_value_exact: Chance
    decision: Literal["accept", "reject", "not_applicable"]
    direction: Annotated[str, Meta(examples=["too many"])]
    status: Annotated[str, Meta(examples=["ok"])]
    reading: Annotated[str, Meta(description="What it says, for a risk manager")]


class MethodBacktest(Struct, frozen=True):
    """The last judged days of one method."""

    method: Annotated[str, Meta(examples=["historical"])]
    first_as_of: IsoTime
    last_as_of: IsoTime
    observations: Annotated[int, Meta(ge=1, description="Judged days; fewer than the window until there are as many")]
    exceptions: Annotated[int, Meta(ge=0, description="Days with a loss beyond the forecast")]
    expected: Annotated[float, Meta(description="Exceptions of a right forecast, on average")]
    zone: Annotated[Literal["green", "yellow", "red"], Meta(description="Basel's traffic light, for any number of days and confidence")]
    type_i: Annotated[float, Meta(ge=0.0, le=1.0, description="Chance of so many exceptions or more if the forecast is right")]
    multiplier_mar32: Multiplier
    multiplier_basel_2_5: Multiplier
    tests: list[TestItem]


class BacktestList(Struct, frozen=True):
    """Methods of a node against what happened. Methods without a judged day are left out."""

    node_id: Annotated[int, Meta(ge=1, description="Node of the book", examples=[1])]
    confidence: Confidence
    window: Annotated[int, Meta(ge=1, description="Judged days asked for")]
    outcome: Outcome
    items: list[MethodBacktest]


def judged_days(
    queries: Queries, run_id: str, node_id: int, methods: Sequence[Method], confidence: float, window: int
) -> list[Sequence[DayCloseRow]]:
    """Return the newest judged days of each method of a node, newest first. Raises Unavailable."""
    wanted = (
        HistoryFilter(run_id, node_id, method=method.name, horizon_days=method.horizon_days, confidence=confidence) for method in methods
    )
    return [queries.day_closes(where, window).rows for where in wanted]


def backtests(node_id: int, confidence: float, window: int, outcome: Outcome, days: Sequence[Sequence[DayCloseRow]]) -> BacktestList:
    """Return what the judged days of each method say."""
    return BacktestList(node_id, confidence, window, outcome, [backtest(rows, outcome) for rows in days if rows])


def backtest(rows: Sequence[DayCloseRow], outcome: Outcome) -> MethodBacktest:
    """Return the zone and the tests of one method's judged days, at least one, newest first, at one confidence.

    P-values are exact where there is an exact law, and asymptotic elsewhere: nothing is simulated for an answer.
    """
    from risk_core.backtests import coverage_tests

    ordered = rows[::-1]
    hits = [row.exception_hypothetical if outcome == "hypothetical" else row.exception_actual for row in ordered]
    newest = ordered[-1]
    found = coverage_tests(hits, newest.confidence, value_at_risk=[row.forecast_value_at_risk for row in ordered])
    light = found.pop("traffic_light")
    return MethodBacktest(
        method=newest.method,
        first_as_of=iso_from_ns(ordered[0].as_of_ns),
        last_as_of=iso_from_ns(newest.as_of_ns),
        observations=len(hits),
        exceptions=sum(hits),
        expected=len(hits) * (1.0 - newest.confidence),
        zone=light.details["zone"],  # type: ignore[arg-type]  # one of three words
        type_i=float(light.details["type_i"]),
        multiplier_mar32=_multiplier(light.details, "mar32"),
        multiplier_basel_2_5=_multiplier(light.details, "basel_2.5"),
        tests=[
            TestItem(
                key=key,
                name=test.name,
                statistic=test.statistic,
                p_value=test.p_value,
                p_value_exact=test.p_value_exact,
                decision=str(test.decision),  # type: ignore[arg-type]
                direction=test.direction,
                status=test.status,
                reading=test.reading,
            )
            for key, test in found.items()
        ],
    )


def _multiplier(details: Mapping[str, float | int | str], framework: str) -> float:
    return float(details.get(f"table_multiplier_{framework}", details[f"multiplier_{framework}"]))
