"""Evidence from what is kept: checkpoints, scenario rows and the log of record."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import QUANTITY_SCALE, Node
from risk_core.engine.collapse import NEVER_NS
from risk_core.engine.valuation import exposures, market_values
from risk_core.methods import methods_named
from risk_core.records import Genesis, RiskResult
from services.common.codec import decode
from services.common.evidence_groups import groupings
from services.common.evidence_moment import ENTRIES_MAX, Moment, from_checkpoint, from_log
from services.common.evidence_shapes import (
    Attribution,
    Change,
    ComponentItem,
    Components,
    Contribution,
    Explanation,
    NoEvidence,
    PositionItem,
    Positions,
    Reproduction,
    ResultId,
    TailScenario,
    UnknownGrouping,
)
from services.common.evidence_weights import scenario_weights
from services.common.iso import iso_from_ns
from services.common.ports import Checkpoint, HistoryFilter, LogStore, Queries, ResultStore, Run, RunStore
from services.common.sharding import shard_of_nodes

MOMENTS_MAX: Final = 8
"""Restored moments kept, so that another method or confidence of the same one is answered at once."""

SCENARIOS_MAX: Final = 50
"""Scenarios listed in an explanation."""

Vector = NDArray[np.float64]


class StoredEvidence:
    """`Evidence` of the newest run, or of the one named.

    Parameters
    ----------
    shard_count : int
        Shards of the book, of whose checkpoints the node's is read.
    """

    def __init__(
        self,
        runs: RunStore,
        results: ResultStore,
        queries: Queries,
        log: LogStore,
        shard_count: int = 1,
        run_id: str | None = None,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        self._runs = runs
        self._results = results
        self._queries = queries
        self._log = log
        self._shard_count = shard_count
        self._run_id = run_id
        self._entries_max = entries_max
        self._lock = Lock()
        self._moments: OrderedDict[tuple[object, ...], Moment] = OrderedDict()

    # ------------------------------------------------------------ answers

    def components(self, node_id: int, method: str, confidence: float, as_of_ns: int | None = None) -> Components:
        """Split VaR and ES over instruments."""
        run, genesis, node = self._node(node_id)
        if as_of_ns is None:
            moment = self._newest(run, genesis, node)
            if not moment.evaluator.window.count or moment.bucket.as_of_ns < genesis.emit_from_ns:
                raise NoEvidence(f"node {node_id} has no result yet: the first comes at {iso_from_ns(genesis.emit_from_ns)}")
        else:
            moment = self._at(genesis, node, self._stored(run, ResultId(node_id, as_of_ns, method, confidence)))
        return _View(moment, node).components(method, confidence)

    def positions(self, node_id: int) -> Positions:
        """Return the holdings at the newest checkpoint."""
        run, genesis, node = self._node(node_id)
        view = _View(self._newest(run, genesis, node), node)
        as_of_ns = view.moment.bucket.as_of_ns
        return Positions(node_id, iso_from_ns(as_of_ns), str(as_of_ns), node.currency, view.positions())

    def explain(self, result: ResultId) -> Explanation:
        """Return scenarios and positions behind a result."""
        run, genesis, node = self._node(result.node_id)
        stored = self._stored(run, result)
        moment = self._at(genesis, node, stored)
        view = _View(moment, node)
        count, scenarios = view.scenarios(stored.method, stored.confidence)
        return Explanation(
            result_id=str(_id_of(stored)),
            run_id=stored.run_id,
            node_id=node.node_id,
            as_of=iso_from_ns(stored.as_of_ns),
            as_of_ns=str(stored.as_of_ns),
            method=stored.method,
            confidence=stored.confidence,
            horizon_days=stored.horizon_days,
            revision=stored.revision,
            currency=stored.currency,
            value_at_risk=stored.value_at_risk,
            expected_shortfall=stored.expected_shortfall,
            status=stored.status,
            log_seq=stored.log_seq,
            scenario_count=stored.scenario_count,
            tail_count=count,
            scenarios=scenarios,
            positions=view.positions(),
            reproduction=_compared(stored, moment),
        )

    def change(self, result: ResultId, since: ResultId) -> Change:
        """Split the difference of two results of one node into market, positions, scenarios and model."""
        from services.common.evidence_change import Changes  # brings most of the library with it

        if result.node_id != since.node_id:
            raise NoEvidence(f"{result} and {since} are of two nodes: the difference of two books is not a change")
        run, genesis, node = self._node(result.node_id)
        before, after = self._stored(run, since), self._stored(run, result)
        if before.as_of_ns > after.as_of_ns:
            raise NoEvidence(f"{since} is newer than {result}: name the older one after --since")
        moments = [(stored, self._at(genesis, node, stored)) for stored in (before, after)]
        return Change(
            result_id=str(_id_of(after)),
            since=str(_id_of(before)),
            currency=after.currency,
            as_of=iso_from_ns(after.as_of_ns),
            since_as_of=iso_from_ns(before.as_of_ns),
            value_at_risk=after.value_at_risk,
            expected_shortfall=after.expected_shortfall,
            since_value_at_risk=before.value_at_risk,
            since_expected_shortfall=before.expected_shortfall,
            steps=Changes(node, *moments).steps(),
        )

    def attribution(self, result: ResultId, by: str = "instrument", robust: bool = False) -> Attribution:
        """Split a stored result over groups of holdings, by its own method or, if `robust`, with order statistics smoothed."""
        from services.common.evidence_attribution import attribution  # brings most of the library with it

        run, genesis, node = self._node(result.node_id)
        known = groupings(genesis.book)
        if by not in known:
            raise UnknownGrouping(f"{by[:80]!r} is no grouping of this book; it has {', '.join(known)}")
        stored = self._stored(run, result)
        return attribution(self._at(genesis, node, stored), node, stored, by, robust)

    def reproduce(self, result: ResultId) -> Reproduction:
        """Calculate a result again and compare bit for bit."""
        run, genesis, node = self._node(result.node_id)
        stored = self._stored(run, result)
        return _compared(stored, self._at(genesis, node, stored))

    # ------------------------------------------------------------ finding

    def _node(self, node_id: int) -> tuple[Run, Genesis, Node]:
        run = self._runs.latest() if self._run_id is None else self._runs.get(self._run_id)
        if run is None:
            raise NoEvidence("no run is registered" if self._run_id is None else f"no run {self._run_id} is registered")
        genesis = decode(run.genesis).body
        assert isinstance(genesis, Genesis)
        node = next((n for n in genesis.book.nodes if n.node_id == node_id), None)
        if node is None:
            raise NoEvidence(f"run {run.run_id} has no node {node_id}")
        return run, genesis, node

    def _shard_of(self, genesis: Genesis, node: Node) -> str:
        return shard_of_nodes((n.node_id for n in genesis.book.nodes), self._shard_count)[node.node_id]

    def _stored(self, run: Run, asked: ResultId) -> RiskResult:
        """Return the stored row of a result: of the revision asked for, or the newest."""
        where = HistoryFilter(
            run_id=run.run_id,
            node_id=asked.node_id,
            from_ns=asked.as_of_ns,
            to_ns=asked.as_of_ns + 1,
            method=asked.method,
            confidence=asked.confidence,
            all_revisions=True,
        )
        rows = [r for r in self._queries.results(where, 1000).rows if asked.revision in (None, r.revision)]
        if not rows:
            raise NoEvidence(f"no result {asked} is kept; as_of must be exactly that of a result, see the node's history")
        return max(rows, key=lambda r: r.revision)

    def _newest(self, run: Run, genesis: Genesis, node: Node) -> Moment:
        checkpoint = self._results.latest_checkpoint(run.run_id, self._shard_of(genesis, node))
        if checkpoint is None:
            raise NoEvidence(f"node {node.node_id} has no checkpoint yet")
        moment = self._restored(run, genesis, checkpoint)
        if node.node_id not in moment.evaluator.node_ids:
            raise NoEvidence(f"shard {checkpoint.shard_id} does not hold node {node.node_id}: RISK_SHARDS__COUNT is not the workers'")
        return moment

    def _at(self, genesis: Genesis, node: Node, stored: RiskResult) -> Moment:
        """Return the moment of a result: its checkpoint where that is kept and of the same revision, or the log folded again."""
        run = self._runs.get(stored.run_id)
        assert run is not None
        checkpoint = self._results.checkpoint_at(run.run_id, self._shard_of(genesis, node), stored.as_of_ns)
        if checkpoint is not None:
            moment = self._restored(run, genesis, checkpoint)
            same = (moment.bucket.revision, moment.bucket.log_seq) == (stored.revision, stored.log_seq)
            if same and node.node_id in moment.evaluator.node_ids:
                return moment
        key = run.run_id, node.node_id, stored.as_of_ns, stored.revision
        return self._kept(key, lambda: from_log(run, genesis, node, stored, self._log, self._entries_max))

    def _restored(self, run: Run, genesis: Genesis, checkpoint: Checkpoint) -> Moment:
        key = run.run_id, checkpoint.shard_id, checkpoint.as_of_ns, checkpoint.log_seq, hash(checkpoint.state)
        return self._kept(key, lambda: from_checkpoint(run, genesis, checkpoint, self._results))

    def _kept(self, key: tuple[object, ...], make: Callable[[], Moment]) -> Moment:
        with self._lock:
            found = self._moments.get(key)
            if found is not None:
                self._moments.move_to_end(key)
                return found
        moment = make()
        with self._lock:
            self._moments[key] = moment
            while len(self._moments) > MOMENTS_MAX:
                self._moments.popitem(last=False)
        return moment


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TailView:
    """Value at risk and expected shortfall with what they rest on, scenarios newest first; both are -sum(weight * pnl)."""

    value_at_risk: float
    expected_shortfall: float
    pnl: Vector
    moves: Vector
    """float64[N, S] in the node's currency."""
    weights: Vector
    var_weights: Vector
    es_weights: Vector


class _View:
    """One node at one moment."""

    def __init__(self, moment: Moment, node: Node) -> None:
        self.moment = moment
        self.node = node
        self.row = moment.row_of(node.node_id)
        evaluator, bucket = moment.evaluator, moment.bucket
        self.window = evaluator.window
        self.ids = evaluator.index.instrument_ids
        self.symbols = {i.instrument_id: i.symbol for i in evaluator.index.book.instruments}
        self.currencies = {i.instrument_id: i.currency for i in evaluator.index.book.instruments}
        self.quantity = bucket.quantity[self.row] / QUANTITY_SCALE
        self.exposure = exposures(evaluator.layout, bucket.quantity, bucket.price, evaluator.node_currency)[self.row]
        self.held = np.flatnonzero((self.quantity != 0.0) | (self.exposure != 0.0)).tolist()

    def tail(self, method: str, confidence: float) -> TailView:
        """Return what a method makes of the node at a confidence."""
        evaluator = self.moment.evaluator
        configuration = evaluator.configuration
        if method not in configuration.methods or confidence not in configuration.confidences:
            raise NoEvidence(f"the run does not calculate {method} at {confidence}")
        return self._streamed(method, confidence) if method in (m.name for m in evaluator.methods) else self._challenger(method, confidence)

    def _streamed(self, method: str, confidence: float) -> TailView:
        evaluator, bucket = self.moment.evaluator, self.moment.bucket
        m = [one.name for one in evaluator.methods].index(method)
        c = evaluator.configuration.confidences.index(confidence)
        var, es, vectors = evaluator.measures(bucket.quantity, bucket.price)
        order = self.window.age_order()
        pnl = vectors[self.row][order]
        moves = self.window.matrix(int(evaluator.node_currency[self.row]))[:, order]
        plan = evaluator.plan()
        weights = plan.weights[plan.weight_of[m]]
        return TailView(float(var[self.row, m, c]), float(es[self.row, m, c]), pnl, moves, weights, *scenario_weights(plan, m, c, pnl))

    def _challenger(self, method: str, confidence: float) -> TailView:
        wanted = methods_named((method,))[0]
        scene = self.moment.challengers().scene(wanted, self.node.node_id, self.exposure, (confidence,))
        ((var, es),) = scene.numbers
        return TailView(var.value, es.value, scene.pnl, scene.moves, scene.weights, 0.0 - var.gradient, 0.0 - es.gradient)

    def components(self, method: str, confidence: float) -> Components:
        tail = self.tail(method, confidence)
        marginal_var, marginal_es = -(tail.moves @ tail.var_weights), -(tail.moves @ tail.es_weights)
        component_var, component_es = self.exposure * marginal_var, self.exposure * marginal_es
        price = self.moment.bucket.price
        as_of_ns = self.moment.bucket.as_of_ns
        return Components(
            node_id=self.node.node_id,
            as_of=iso_from_ns(as_of_ns),
            as_of_ns=str(as_of_ns),
            method=method,
            confidence=confidence,
            value_at_risk=tail.value_at_risk,
            expected_shortfall=tail.expected_shortfall,
            currency=self.node.currency,
            items=[
                ComponentItem(
                    instrument_id=self.ids[j],
                    symbol=self.symbols[self.ids[j]],
                    quantity=float(self.quantity[j]),
                    price=float(price[j]),
                    exposure=float(self.exposure[j]),
                    component_var=float(component_var[j]),
                    component_es=float(component_es[j]),
                    marginal_var=float(marginal_var[j]),
                )
                for j in self.held
            ],
            sum_component_var=math.fsum(component_var),
            sum_component_es=math.fsum(component_es),
            groupings=groupings(self.moment.evaluator.index.book),
        )

    def positions(self) -> list[PositionItem]:
        bucket, layout = self.moment.bucket, self.moment.evaluator.layout
        values = market_values(layout, bucket.quantity, bucket.price, self.moment.evaluator.node_currency)[self.row]
        items = []
        for j in np.flatnonzero(self.quantity).tolist():
            seen = bool(bucket.price_ns[j] != NEVER_NS)
            priced = seen or bool(layout.is_cash[j])
            items.append(
                PositionItem(
                    instrument_id=self.ids[j],
                    symbol=self.symbols[self.ids[j]],
                    quantity=float(self.quantity[j]),
                    price=float(bucket.price[j]) if priced else None,
                    price_time=iso_from_ns(int(bucket.price_ns[j])) if seen else None,
                    market_value=float(values[j]) if priced else None,
                    currency=self.currencies[self.ids[j]],
                )
            )
        return items

    def scenarios(self, method: str, confidence: float) -> tuple[int, list[TailScenario]]:
        """Return how many scenarios the numbers depend on, and those with the most part in ES, worst first."""
        tail = self.tail(method, confidence)
        part = np.maximum(np.abs(tail.es_weights * tail.pnl), np.abs(tail.var_weights * tail.pnl))
        depends = np.flatnonzero((tail.var_weights != 0.0) | (tail.es_weights != 0.0))
        listed = sorted(depends.tolist(), key=lambda a: (-part[a], a))[:SCENARIOS_MAX]
        if not methods_named((method,))[0].dated:
            dates = [f"draw {a}" for a in range(len(tail.pnl))]
        else:
            dates = [self.window.dates[slot] for slot in self.window.age_order().tolist()]
        found = [
            TailScenario(
                date=dates[a],
                age=a,
                pnl=float(tail.pnl[a]),
                weight=float(tail.weights[a]),
                var_weight=float(tail.var_weights[a]),
                es_weight=float(tail.es_weights[a]),
                contributions=[
                    Contribution(self.ids[j], self.symbols[self.ids[j]], float(self.exposure[j] * tail.moves[j, a])) for j in self.held
                ],
            )
            for a in sorted(listed, key=lambda a: (tail.pnl[a], a))
        ]
        return len(depends), found


def _id_of(row: RiskResult) -> ResultId:
    return ResultId(row.node_id, row.as_of_ns, row.method, row.confidence, row.revision)


def _compared(stored: RiskResult, moment: Moment) -> Reproduction:
    again = next(r for r in moment.results(stored.node_id, stored.method) if r.confidence == stored.confidence)
    before, now = _written(stored), _written(again)
    differing = [name for name in before if before[name] != now[name]]
    return Reproduction(str(_id_of(stored)), not differing, moment.source, before, now, differing)


def _written(row: RiskResult) -> dict[str, str]:
    """Return every field as text; floating-point numbers in hexadecimal, which shows every bit."""
    return {f.name: _exact(getattr(row, f.name)) for f in dataclasses.fields(row)}


def _exact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_exact(value[name])}" for name in sorted(value))
    return value.hex() if isinstance(value, float) else str(value)
