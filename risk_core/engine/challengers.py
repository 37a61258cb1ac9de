"""Methods evaluated beside the stream, from what a day close froze: any scenario set, any measure, the same numbers whenever.

A streamed method is a kernel; a challenger is a scenario set (`MOVES`) and a fitted tail (`TAILS`), both looked up by the method's data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Book, BookIndex
from risk_core.conventions import DEFAULT_CONVENTIONS
from risk_core.engine.inputs import Inputs
from risk_core.engine.kernels import currency_shocks, pnl_vectors
from risk_core.engine.market import MarketLayout
from risk_core.measures import Measured
from risk_core.methods import Measure, Method, ScenarioName
from risk_core.records import DayCloseRow, RiskResult, ScenarioRow
from risk_core.scenarios.moves import MOVES
from risk_core.scenarios.simulated import set_seed
from risk_core.tails import TAILS, Tail

Floats = NDArray[np.float64]

FALLBACK: Final = "fallback_historical"
"""Status where a method has no number for a vector: historical simulation stands in."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What one method makes of one node, scenarios newest first."""

    moves: Floats
    """float64[N, S] in the node's currency."""
    pnl: Floats
    """float64[S]"""
    weights: Floats
    """float64[S]"""
    numbers: tuple[tuple[Measured, Measured], ...]
    """Value at risk and expected shortfall at each confidence."""
    fallback: bool
    """Whether historical simulation stands in for the method."""

    def status(self, place: int) -> list[str]:
        """Return what degrades the numbers at the confidence of this place."""
        found = [FALLBACK] if self.fallback else []
        return list(dict.fromkeys([*found, *(doubt for m in self.numbers[place] for doubt in m.doubts)]))


class Challengers:
    """Evaluates challengers of a book.

    Parameters
    ----------
    rows : sequence of ScenarioRow
        The window, oldest first.
    seed : int
        The model's, of simulated sets.
    """

    def __init__(self, book: Book, rows: Sequence[ScenarioRow], seed: int = 0) -> None:
        self._seed = seed
        self._as_of_ns = rows[-1].as_of_ns
        self._layout = MarketLayout.of(BookIndex(book))
        self._currency = {n.node_id: n.currency for n in book.nodes}
        self._moves = np.ascontiguousarray(np.array([row.shock for row in rows]).T)
        self._sets: dict[tuple[ScenarioName, str], Floats] = {}

    def scene(self, method: Method, node_id: int, exposure: Floats, confidences: Iterable[float]) -> Scene:
        """Return what a method makes of a node's exposure float64[N]; where it has no number for one of the confidences, the fallback."""
        moves = self._set(method.scenario_set, self._currency[node_id])
        pnl = pnl_vectors(np.ascontiguousarray(exposure[None, :]), moves)[0]
        weights = method.weights_by_age(len(pnl), DEFAULT_CONVENTIONS)
        levels = tuple(confidences)
        try:
            numbers = _numbers(TAILS[method.measure](pnl, weights), levels)
            fine = all(isfinite(m.value) for pair in numbers for m in pair)
        except (ValueError, np.linalg.LinAlgError):
            fine = False
        if not fine:
            numbers = _numbers(TAILS[Measure.EMPIRICAL](pnl, weights), levels)
        return Scene(moves, pnl, weights, numbers, not fine)

    def results(self, run_id: str, methods: Sequence[Method], inputs: Inputs, confidences: Sequence[float]) -> Iterator[RiskResult]:
        """Yield the rows of a day close, by node, method and confidence."""
        for p, node_id in enumerate(inputs.node_ids):
            flags = [inputs.flags[p]] if inputs.flags[p] else []
            stale, proxied, thin = inputs.shares[p].tolist()
            for method in methods:
                scene = self.scene(method, node_id, inputs.exposure[p], confidences)
                for place, (confidence, (var, es)) in enumerate(zip(confidences, scene.numbers, strict=True)):
                    yield RiskResult(
                        run_id=run_id,
                        node_id=node_id,
                        as_of_ns=inputs.as_of_ns,
                        method=method.name,
                        horizon_days=1,
                        confidence=confidence,
                        revision=inputs.revision,
                        currency=self._currency[node_id],
                        value_at_risk=var.value + 0.0,  # no -0.0
                        expected_shortfall=es.value + 0.0,
                        scenario_count=len(scene.pnl),
                        log_seq=inputs.log_seq,
                        stale_share=stale,
                        proxied_share=proxied,
                        thin_share=thin,
                        status="+".join([*scene.status(place), *flags]) or "ok",
                    )

    def _set(self, name: ScenarioName, currency: str) -> Floats:
        """Return a set's moves seen from a currency, float64[N, S], newest first."""
        if (name, currency) not in self._sets:
            layout, moves = self._layout, MOVES[name](self._moves, set_seed(self._seed, name, self._as_of_ns))
            fx = np.array([moves[c] if c >= 0 else np.zeros(moves.shape[1]) for c in layout.fx_column])
            seen = currency_shocks(moves, fx, layout.currency, layout.currencies.index(currency), layout.absolute)
            self._sets[name, currency] = np.ascontiguousarray(seen[:, ::-1])
        return self._sets[name, currency]


def _numbers(tail: Tail, confidences: Sequence[float]) -> tuple[tuple[Measured, Measured], ...]:
    return tuple((tail.value_at_risk(c), tail.expected_shortfall(c)) for c in confidences)


def judge(run_id: str, inputs: Inputs, forecasts: Iterable[RiskResult]) -> Iterator[DayCloseRow]:
    """Yield each forecast of the close before held against the day's outcome; the first that was made counts, not a later revision."""
    first: dict[tuple[int, str, float], RiskResult] = {}
    for row in sorted(forecasts, key=lambda r: r.revision):
        first.setdefault((row.node_id, row.method, row.confidence), row)
    for p, node_id in enumerate(inputs.node_ids):
        hypothetical, actual, fees = inputs.outcome[:, p].tolist()
        for (forecast_node, method, confidence), row in first.items():
            if forecast_node == node_id:
                yield DayCloseRow(
                    run_id=run_id,
                    node_id=node_id,
                    date=inputs.date,
                    as_of_ns=inputs.as_of_ns,
                    method=method,
                    horizon_days=row.horizon_days,
                    confidence=confidence,
                    revision=inputs.revision,
                    currency=row.currency,
                    forecast_value_at_risk=row.value_at_risk,
                    forecast_expected_shortfall=row.expected_shortfall,
                    hypothetical_pnl=hypothetical,
                    actual_pnl=actual,
                    fees=fees,
                    exception_hypothetical=-hypothetical > row.value_at_risk,
                    exception_actual=-actual > row.value_at_risk,
                    status="ok",
                )
