"""Why a number is not what another was: market, positions, scenarios and model, one after the other, each calculated anew.

The order is part of the answer: prices move first, on the old positions; then positions change at the new prices; then the window rolls,
day by day; last the method, confidence or calculation. Every step is the difference of two full calculations, so the steps add up, and each
is split the same way over its instruments or days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Node
from risk_core.engine.challengers import Challengers
from risk_core.engine.market import MarketLayout
from risk_core.engine.valuation import exposures
from risk_core.methods import methods_named
from risk_core.records import RiskResult, ScenarioRow
from services.common.evidence_moment import Moment
from services.common.evidence_shapes import ChangePart, ChangeStep

Numbers = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """Everything that one number of one node rests on."""

    quantity: NDArray[np.int64]
    price: NDArray[np.float64]
    rows: tuple[ScenarioRow, ...]
    method: str
    confidence: float


class Changes:
    """Splits the difference of two stored numbers of one node."""

    def __init__(self, node: Node, before: tuple[RiskResult, Moment], after: tuple[RiskResult, Moment]) -> None:
        self._node = node
        self._first, self._last = (_situation(node, stored, moment) for stored, moment in (before, after))
        self._stored = tuple((stored.value_at_risk, stored.expected_shortfall) for stored, _ in (before, after))
        evaluator = after[1].evaluator
        self._layout: MarketLayout = evaluator.layout
        self._currency = evaluator.node_currency[[after[1].row_of(node.node_id)]]
        self._book = evaluator.index.book
        self._configuration = evaluator.configuration
        ids = evaluator.index.instrument_ids
        symbols = {i.instrument_id: i.symbol for i in self._book.instruments}
        self._symbols = [symbols[k] for k in ids]
        self._challengers: tuple[tuple[ScenarioRow, ...], Challengers] | None = None

    def steps(self) -> list[ChangeStep]:
        """Return the steps in their order; they add up to the difference of the stored numbers."""
        now, numbers, steps = self._first, self._stored[0], list[ChangeStep]()
        for name, parts in (("market", self._market), ("positions", self._positions), ("scenarios", self._scenarios)):
            found = []
            began = numbers
            for what, situation in parts(now):
                told = self._numbers(situation)
                found.append(ChangePart(what, told[0] - numbers[0], told[1] - numbers[1]))
                now, numbers = situation, told
            steps.append(ChangeStep(name, numbers[0] - began[0], numbers[1] - began[1], *numbers, found))
        end = self._stored[1]
        what = f"{self._first.method} at {self._first.confidence:g} → {self._last.method} at {self._last.confidence:g}"
        moved = end[0] - numbers[0], end[1] - numbers[1]
        steps.append(ChangeStep("model", *moved, *end, [ChangePart(what, *moved)] if any(moved) else []))
        return steps

    def _market(self, now: Situation) -> Iterator[tuple[str, Situation]]:
        for column in np.flatnonzero(now.price != self._last.price).tolist():
            price = now.price.copy()
            price[column] = self._last.price[column]
            now = replace(now, price=price)
            yield self._symbols[column], now

    def _positions(self, now: Situation) -> Iterator[tuple[str, Situation]]:
        for column in np.flatnonzero(now.quantity != self._last.quantity).tolist():
            quantity = now.quantity.copy()
            quantity[column] = self._last.quantity[column]
            now = replace(now, quantity=quantity)
            yield self._symbols[column], now

    def _scenarios(self, now: Situation) -> Iterator[tuple[str, Situation]]:
        """Roll day by day; days whose moves were corrected since come last, together."""
        newest = now.rows[-1].as_of_ns if now.rows else -1
        size = len(self._last.rows)
        for row in (r for r in self._last.rows if r.as_of_ns > newest):
            kept = now.rows if len(now.rows) < size else now.rows[1:]
            gone = "" if len(now.rows) < size else f", {now.rows[0].date} out"
            now = replace(now, rows=(*kept, row))
            yield f"{row.date} in{gone}", now
        if not _same(now.rows, self._last.rows):
            yield "days corrected", replace(now, rows=self._last.rows)

    def _numbers(self, s: Situation) -> Numbers:
        if self._challengers is None or self._challengers[0] is not s.rows:
            self._challengers = s.rows, Challengers(self._book, s.rows, self._configuration)
        exposure = exposures(self._layout, s.quantity[None, :], s.price, self._currency)[0]
        scene = self._challengers[1].scene(methods_named((s.method,))[0], self._node.node_id, exposure, (s.confidence,))
        ((var, es),) = scene.numbers
        return var.value, es.value


def _situation(node: Node, stored: RiskResult, moment: Moment) -> Situation:
    row, bucket = moment.row_of(node.node_id), moment.bucket
    return Situation(bucket.quantity[row], bucket.price, moment.rows, stored.method, stored.confidence)


def _same(a: tuple[ScenarioRow, ...], b: tuple[ScenarioRow, ...]) -> bool:
    return len(a) == len(b) and all(x.as_of_ns == y.as_of_ns and np.array_equal(x.shock, y.shock) for x, y in zip(a, b, strict=True))
