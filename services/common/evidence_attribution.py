"""Who carries the risk of a stored number: its holdings grouped, each group's part, alone, and the whole without it.

Groups are of holdings: one with absolute shocks brings the currency risk of its value along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Node
from risk_core.engine.valuation import exposures, market_values
from risk_core.measures import Measured
from risk_core.measures.grouped import GroupedRisk, attribute_groups
from risk_core.methods import Measure, methods_named
from risk_core.records import RiskResult
from risk_core.tails import tail_numbers
from services.common.evidence_groups import groupings, groups_of
from services.common.evidence_moment import Moment
from services.common.evidence_shapes import Attribution, AttributionItem, AttributionPart, NoEvidence, ResultId
from services.common.iso import iso_from_ns

GROUPS_MAX: Final = 100
"""Groups of an answer; beyond it those with the least part in expected shortfall are one."""

Floats = NDArray[np.float64]


def attribution(moment: Moment, node: Node, stored: RiskResult, by: str, robust: bool) -> Attribution:
    """Return a stored number by group.

    The whole's vector, and so the total, are the stored result's to the last bit, unless `robust` smooths order statistics.

    Parameters
    ----------
    moment : Moment
        Of the result.
    by : str
        One of the book's `groupings`.
    robust : bool
        Estimate what is read off single scenarios by Harrell and Davis instead, in the whole and in all parts.

    Raises
    ------
    NoEvidence
        No scenario lies before the result.
    """
    if not moment.rows:
        raise NoEvidence(f"no scenario lies before {iso_from_ns(stored.as_of_ns)}: nothing can be split")
    evaluator, bucket, row = moment.evaluator, moment.bucket, moment.row_of(node.node_id)
    groups = groups_of(by, evaluator.index, moment.holdings(node.node_id))

    def seen(value: Callable[..., Floats], quantity: NDArray[np.int64]) -> Floats:
        """Value parts in the node's currency, whatever their own."""
        return value(evaluator.layout, quantity, bucket.price, np.full(len(quantity), evaluator.node_currency[row], np.int64))

    method = methods_named((stored.method,))[0]
    scene = moment.challengers().scene(method, node.node_id, seen(exposures, bucket.quantity[row][None, :])[0], (stored.confidence,))
    numbers = _Numbers(method.measure, robust, scene.weights, stored.confidence)
    totals = numbers(scene.pnl)
    used = numbers.otherwise if numbers.stand_ins else numbers.measure
    if len(groups.keys) > GROUPS_MAX:
        part = seen(exposures, groups.quantity) @ (scene.moves @ totals[1].gradient)
        groups = groups.merged(np.argsort(-np.abs(part), kind="stable").tolist(), GROUPS_MAX)
    values = seen(market_values, groups.quantity)
    if groups.keys:
        var, es = attribute_groups(seen(exposures, groups.quantity), scene.moves, numbers, np.abs(values).sum(axis=1), scene.pnl)
    else:
        var, es = (GroupedRisk(total, *(np.zeros(0) for _ in range(5))) for total in totals)
    items = [
        AttributionItem(key, label, float(values[g].sum()), float(var.size[g]), _part(var, g), _part(es, g))
        for g, (key, label) in enumerate(groups.keys)
    ]
    return Attribution(
        result_id=str(ResultId(stored.node_id, stored.as_of_ns, stored.method, stored.confidence, stored.revision)),
        node_id=stored.node_id,
        as_of=iso_from_ns(stored.as_of_ns),
        as_of_ns=str(stored.as_of_ns),
        method=stored.method,
        confidence=stored.confidence,
        currency=stored.currency,
        value_at_risk=stored.value_at_risk,
        expected_shortfall=stored.expected_shortfall,
        status=stored.status,
        by=by,
        robust=robust,
        measure=str(used),
        total_var=totals[0].value + 0.0,  # no -0.0
        total_es=totals[1].value + 0.0,
        diversification_var=var.diversification_benefit,
        diversification_es=es.diversification_benefit,
        stand_ins=len(numbers.stand_ins),
        items=sorted(items, key=lambda i: (-i.var.component, i.key)),
        groupings=groupings(evaluator.index.book),
    )


class _Numbers:
    """A method's value at risk and expected shortfall of any vector; and the vectors for which historical simulation stood in."""

    def __init__(self, measure: Measure, robust: bool, weights: Floats, confidence: float) -> None:
        self.measure, self.otherwise = (Measure.SMOOTH if robust and m is Measure.EMPIRICAL else m for m in (measure, Measure.EMPIRICAL))
        self.stand_ins: set[bytes] = set()
        self._weights = weights
        self._confidences = (confidence,)

    def __call__(self, pnl: Floats) -> tuple[Measured, Measured]:
        (pair,), fallback = tail_numbers(self.measure, pnl, self._weights, self._confidences, self.otherwise)
        if fallback:
            self.stand_ins.add(pnl.tobytes())
        return pair


def _part(risk: GroupedRisk, g: int) -> AttributionPart:
    share = risk.share
    return AttributionPart(
        component=float(risk.component[g]),
        share=None if share is None else float(share[g]),
        marginal=float(risk.marginal[g]) if risk.size[g] > 0.0 else None,
        standalone=float(risk.standalone[g]),
        incremental=float(risk.incremental[g]),
    )
