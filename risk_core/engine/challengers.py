"""Methods evaluated beside the stream, from what a day close froze: any scenario set, any measure, the same numbers whenever.

A streamed method is a kernel; a challenger is a scenario set (`MOVES`) and a fitted tail (`risk_core.tails`), both looked up by the
method's data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Book, BookIndex
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.inputs import Inputs
from risk_core.engine.kernels import currency_shocks, pnl_vectors
from risk_core.engine.market import MarketLayout
from risk_core.further_measures import further_measures
from risk_core.liquidity.terms import Liquidity, LiquidityTerms
from risk_core.measures import Measured
from risk_core.methods import HISTORICAL, LiquidityAdjustment, Measure, Method, ScenarioName
from risk_core.records import SPREAD, DayCloseRow, RiskResult, ScenarioRow
from risk_core.scenarios.moves import moves_of
from risk_core.scenarios.simulated import set_seed
from risk_core.tail_intervals import tail_intervals
from risk_core.tails import tail_numbers
from risk_core.weighting import weigh

Floats = NDArray[np.float64]

_DEFAULT: Final = ModelConfiguration()
NO_TERMS: Final = "no_liquidity_terms"
"""Status where a position has no terms: it counts as perfectly liquid."""
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
    doubts: tuple[str, ...] = ()
    """What is to be known of the weights."""

    def status(self, place: int) -> list[str]:
        """Return what degrades the numbers at the confidence of this place."""
        found = [*([FALLBACK] if self.fallback else []), *self.doubts]
        return list(dict.fromkeys([*found, *(doubt for m in self.numbers[place] for doubt in m.doubts)]))

    def spreads(self, method: Method, confidences: Sequence[float]) -> list[dict[str, Any]]:
        """Return the fields `SPREAD` of each confidence."""
        used = Measure.EMPIRICAL if self.fallback else method.measure
        overlapping = method.horizon_days > 1 and method.scenario_set is ScenarioName.HISTORICAL and not self.fallback
        pairs = tail_intervals(used, self.pnl, self.weights, confidences, self.numbers, dependent=overlapping)
        known = [[None if x is None else float(x) for i in pair for x in (i.standard_error, i.lower, i.upper)] for pair in pairs]
        return [dict(zip(SPREAD, numbers, strict=True)) for numbers in known]


class Challengers:
    """Evaluates challengers of a book.

    Parameters
    ----------
    rows : sequence of ScenarioRow
        The window, oldest first.
    configuration : ModelConfiguration
        For the seed of simulated sets and the terms of liquidity.
    """

    def __init__(self, book: Book, rows: Sequence[ScenarioRow], configuration: ModelConfiguration = _DEFAULT) -> None:
        self._seed = configuration.seed
        self._as_of_ns = rows[-1].as_of_ns
        index = BookIndex(book)
        self._layout = MarketLayout.of(index)
        by_id = {i.instrument_id: i for i in book.instruments}
        terms = [LiquidityTerms(*t) for t in configuration.liquidity]
        self._liquidity = Liquidity.of([by_id[k] for k in index.instrument_ids], terms, configuration.liquidity_multiplier)
        self._currency = {n.node_id: n.currency for n in book.nodes}
        self._moves = np.ascontiguousarray(np.array([row.shock for row in rows]).T)
        self._sets: dict[tuple[ScenarioName, int, str], Floats] = {}
        self._without: dict[tuple[ScenarioName, int], str] = {}
        """Sets that this window has none of, and why: tried once."""

    def scene(self, method: Method, node_id: int, exposure: Floats, confidences: Iterable[float]) -> Scene:
        """Return what a method makes of a node's exposure float64[N]; where it has no number for one of the confidences, the fallback."""
        moves, replaced = self._set_or_historical(method, self._currency[node_id], exposure)
        moves, illiquid = self._adjusted(method, moves, exposure)
        pnl = pnl_vectors(np.ascontiguousarray(exposure[None, :]), moves)[0]
        weighted = weigh(method, pnl)
        numbers, fallback = tail_numbers(method.measure, pnl, weighted.weights, tuple(confidences))
        return Scene(moves, pnl, weighted.weights, numbers, fallback or replaced, (*weighted.doubts, *illiquid))

    def _adjusted(self, method: Method, moves: Floats, exposure: Floats) -> tuple[Floats, tuple[str, ...]]:
        """Return moves that hold the liquidity of a node's positions, and what there is to doubt."""
        if method.liquidity is LiquidityAdjustment.NONE:
            return moves, ()
        adjust = self._liquidity.crossed if method.liquidity is LiquidityAdjustment.SPREAD else self._liquidity.held_longer
        known = self._liquidity.known | self._layout.is_cash | (exposure == 0.0)
        return np.ascontiguousarray(adjust(moves, exposure)), () if known.all() else (NO_TERMS,)

    def _set_or_historical(self, method: Method, currency: str, exposure: Floats) -> tuple[Floats, bool]:
        """Return a method's moves, or those of history where its set has none for this window, and which."""
        made = method.scenario_set, method.horizon_days
        if made not in self._without:
            try:
                if method.scenario_set.of_one_book:
                    return self._made(method, currency, self._gradient(currency, exposure)), False
                return self._set(method, currency), False
            except (ValueError, np.linalg.LinAlgError) as error:
                self._without[made] = str(error)
        return self._set(HISTORICAL if method.horizon_days == 1 else replace(method, scenario_set=ScenarioName.SQUARE_ROOT), currency), True

    def results(self, run_id: str, methods: Sequence[Method], inputs: Inputs, confidences: Sequence[float]) -> Iterator[RiskResult]:
        """Yield the rows of a day close, by node, method and confidence."""
        for p, node_id in enumerate(inputs.node_ids):
            flags = [inputs.flags[p]] if inputs.flags[p] else []
            stale, proxied, thin = inputs.shares[p].tolist()
            for method in methods:
                scene = self.scene(method, node_id, inputs.exposure[p], confidences)
                spreads = scene.spreads(method, confidences)
                for place, (confidence, (var, es)) in enumerate(zip(confidences, scene.numbers, strict=True)):
                    yield RiskResult(
                        run_id=run_id,
                        node_id=node_id,
                        as_of_ns=inputs.as_of_ns,
                        method=method.name,
                        horizon_days=method.horizon_days,
                        confidence=confidence,
                        revision=inputs.revision,
                        currency=self._currency[node_id],
                        value_at_risk=float(var.value) + 0.0,  # no -0.0
                        expected_shortfall=float(es.value) + 0.0,
                        scenario_count=len(scene.pnl),
                        log_seq=inputs.log_seq,
                        stale_share=stale,
                        proxied_share=proxied,
                        thin_share=thin,
                        status="+".join([*scene.status(place), *flags]) or "ok",
                        **spreads[place],
                        measures=further_measures(method.measures, scene.pnl, scene.weights, confidence),
                    )

    def _set(self, method: Method, currency: str) -> Floats:
        """Return a method's moves seen from a currency, float64[N, S], newest first."""
        name, horizon = method.scenario_set, method.horizon_days
        if (name, horizon, currency) not in self._sets:
            self._sets[name, horizon, currency] = self._made(method, currency)
        return self._sets[name, horizon, currency]

    def _made(self, method: Method, currency: str, gradient: Floats | None = None) -> Floats:
        layout, seed = self._layout, set_seed(self._seed, method.scenario_set, self._as_of_ns)
        moves = moves_of(method, self._moves, seed, layout.absolute, gradient)
        fx = np.array([moves[c] if c >= 0 else np.zeros(moves.shape[1]) for c in layout.fx_column])
        seen = currency_shocks(moves, fx, layout.currency, layout.currencies.index(currency), layout.absolute)
        return np.ascontiguousarray(seen[:, ::-1])

    def _gradient(self, currency: str, exposure: Floats) -> Floats:
        """Return a node's P&L by the moves in own currencies, float64[N]: its exposures, and what they bring of exchange rates."""
        layout, gradient = self._layout, exposure.copy()
        own = layout.currencies.index(currency)
        for at, column in enumerate(layout.fx_column.tolist()):
            foreign = float(exposure[(layout.currency == at) & ~layout.absolute].sum())
            if at != own and column >= 0:
                gradient[column] += foreign
            if at != own and layout.fx_column[own] >= 0:
                gradient[layout.fx_column[own]] -= foreign
        return gradient


def judge(run_id: str, inputs: Inputs, forecasts: Iterable[RiskResult]) -> Iterator[DayCloseRow]:
    """Yield each forecast of the close before held against the day's outcome; the first that was made counts, not a later revision.

    Forecasts over several days are not judged: one day is not what they are about.
    """
    first: dict[tuple[int, str, float], RiskResult] = {}
    for row in sorted((r for r in forecasts if r.horizon_days == 1), key=lambda r: r.revision):
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
