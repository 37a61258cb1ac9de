"""What stands behind a number, against plain recomputation and against every stored row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.engine.kernels import evaluate
from risk_core.methods import METHODS, MeasurePlan
from risk_core.records import RiskResult
from services.common.evidence_shapes import NoEvidence, ResultId
from services.common.evidence_weights import scenario_weights
from services.common.ports import Unavailable
from tests.unit.api.small_run import SmallRun, small_run
from tests.worlds import HOUR_NS, STREAMED


def result_id(row: RiskResult) -> ResultId:
    return ResultId(row.node_id, row.as_of_ns, row.method, row.confidence, row.revision)


def newest(run: SmallRun, node_id: int, method: str, confidence: float) -> RiskResult:
    rows = [r for r in run.stored() if (r.node_id, r.method, r.confidence) == (node_id, method, confidence)]
    return max(rows, key=lambda r: (r.as_of_ns, r.revision))


@pytest.mark.parametrize(
    ("seed", "shards", "keep_days", "cadence_ns", "disorder"),
    [(3, 2, 260, 0, True), (8, 1, 260, 0, True), (11, 3, 2, 0, False), (5, 1, 260, 4 * HOUR_NS, True)],
)
def test_every_stored_row_is_reproduced_bit_for_bit(seed: int, shards: int, keep_days: int, cadence_ns: int, disorder: bool) -> None:
    """From checkpoints, and from the log where the checkpoint is gone or holds another revision."""
    run = small_run(seed, shards, keep_days, days=6 if cadence_ns else 12, cadence_ns=cadence_ns, disorder=disorder)
    evidence = run.evidence()
    sources = set()
    rows = sorted(run.stored(), key=lambda r: (r.as_of_ns, r.revision, r.node_id))
    for row in rows[::5]:
        told = evidence.reproduce(result_id(row))
        assert told.matches, told
        assert told.differing == []
        sources.add(told.source)
    assert sources == {"checkpoint", "log"} or (keep_days > 2 and max(r.revision for r in rows) == 0)


def test_a_changed_row_is_told(played: SmallRun) -> None:
    run = small_run(4)
    row = run.stored()[-1]
    key = next(k for k, r in run.database.results.items() if r is row)
    forged = replace(row, value_at_risk=float(np.nextafter(row.value_at_risk, np.inf)))
    run.database.results[key] = forged
    told = run.evidence().reproduce(result_id(row))
    assert not told.matches
    assert told.differing == ["value_at_risk"]
    assert told.stored["value_at_risk"] == forged.value_at_risk.hex()
    assert told.recomputed["value_at_risk"] == row.value_at_risk.hex()


@pytest.mark.parametrize("method", STREAMED)
@pytest.mark.parametrize("confidence", [0.75, 0.99])
@pytest.mark.parametrize("node_id", [4, 5])
def test_components_equal_a_plain_recomputation(played: SmallRun, method: str, confidence: float, node_id: int) -> None:
    """Dollar portfolios: exposures and vector straight from positions, prices and stored scenario rows, one stock in euros."""
    row = newest(played, node_id, method, confidence)
    told = played.evidence().components(node_id, method, confidence)
    run = played.runs.latest()
    assert run is not None
    rows = played.results.scenario_rows(run.run_id, row.as_of_ns, row.log_seq, 6)
    moves = np.array([r.shock for r in rows])[::-1]  # newest first
    held = {i.instrument_id: i.quantity * i.price for i in told.items}
    ids = sorted(i.instrument_id for i in played.worker.genesis.book.instruments)  # type: ignore[union-attr]
    exposure = np.array([held.get(k, 0.0) for k in ids])
    stock, rate = ids.index(4), ids.index(5)
    exposure[stock] *= played.worker.shards()[0].fold.market.price[rate]
    moves[:, stock] = (1 + moves[:, stock]) * (1 + moves[:, rate]) - 1
    aged = moves @ exposure
    plan = MeasurePlan(6, (METHODS[method],), (confidence,))
    weight = plan.weights[0]
    if method == "ewma_normal":
        sigma = np.sqrt((weight * aged**2).sum())
        var_gradient = -plan.quantile[0] * weight * aged / sigma
        es_gradient = -plan.density[0] * weight * aged / sigma
    else:
        order = np.argsort(aged, kind="stable")
        cumulative = np.cumsum(weight[order])
        last = int(np.argmax(cumulative >= plan.tail[0] - 1e-12))
        var_gradient, es_gradient = np.zeros(6), np.zeros(6)
        var_gradient[order[last]] = 1.0
        es_gradient[order[:last]] = weight[order[:last]] / plan.tail[0]
        es_gradient[order[last]] = 1.0 - es_gradient.sum()
    assert told.value_at_risk == row.value_at_risk == pytest.approx(-(var_gradient @ aged), rel=1e-9)
    assert told.expected_shortfall == row.expected_shortfall == pytest.approx(-(es_gradient @ aged), rel=1e-9)
    for item in told.items:
        j = ids.index(item.instrument_id)
        assert item.exposure == pytest.approx(exposure[j], rel=1e-12)
        assert item.marginal_var == pytest.approx(-(var_gradient @ moves[:, j]), rel=1e-9, abs=1e-12)
        assert item.component_var == pytest.approx(-exposure[j] * (var_gradient @ moves[:, j]), rel=1e-9, abs=1e-9)
        assert item.component_es == pytest.approx(-exposure[j] * (es_gradient @ moves[:, j]), rel=1e-9, abs=1e-9)
    assert told.sum_component_var == pytest.approx(told.value_at_risk, rel=1e-9)


@pytest.mark.parametrize("node_id", range(1, 8))
@pytest.mark.parametrize("method", STREAMED)
def test_components_sum_for_every_node(played: SmallRun, node_id: int, method: str) -> None:
    """Currencies, absolute shocks and cash legs included."""
    told = played.evidence().components(node_id, method, 0.99)
    assert told.sum_component_var == pytest.approx(told.value_at_risk, rel=1e-9)
    assert told.sum_component_es == pytest.approx(told.expected_shortfall, rel=1e-9)
    assert told.expected_shortfall >= told.value_at_risk


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=60, unique=True),
    st.sampled_from([0.6, 0.75, 0.95, 0.99]),
    st.integers(0, 2),
)
def test_weights_are_the_gradient(vector: list[float], confidence: float, m: int) -> None:
    """Euler's sum gives the kernel's numbers, and a small move of one scenario changes them as its weight says."""
    aged = np.array(vector)
    plan = MeasurePlan(len(aged), tuple(METHODS[m] for m in STREAMED), (confidence,))
    ages = np.arange(len(aged), dtype=np.int64)
    var, es = (x[0, m, 0] for x in evaluate(aged[None, :].copy(), ages, *plan.arrays))
    var_weight, es_weight = scenario_weights(plan, m, 0, aged)
    scale = float(np.abs(aged).max()) + 1e-12
    assert -(var_weight @ aged) == pytest.approx(var, rel=1e-9, abs=1e-9 * scale)
    assert -(es_weight @ aged) == pytest.approx(es, rel=1e-9, abs=1e-9 * scale)
    gap = float(np.diff(np.sort(aged)).min())
    step = min(gap / 4, 1e-3 * scale)
    if step < 1e-7 * scale:
        return
    for s in {0, len(aged) - 1, int(np.argmin(aged))}:
        up, down = aged.copy(), aged.copy()
        up[s] += step
        down[s] -= step
        (high, high_es), (low, low_es) = ((x[0, m, 0] for x in evaluate(v[None, :].copy(), ages, *plan.arrays)) for v in (up, down))
        curvature = 5e-2 if m == 2 else 1e-6
        assert -(high - low) / (2 * step) == pytest.approx(var_weight[s], abs=curvature, rel=curvature)
        assert -(high_es - low_es) / (2 * step) == pytest.approx(es_weight[s], abs=curvature, rel=curvature)


def test_explanation_names_the_days(played: SmallRun) -> None:
    row = newest(played, 4, "historical", 0.75)
    told = played.evidence().explain(result_id(row))
    run = played.runs.latest()
    assert run is not None
    rows = played.results.scenario_rows(run.run_id, row.as_of_ns, row.log_seq, 6)
    dates = [r.date for r in rows][::-1]
    assert told.tail_count == len(told.scenarios) == 2  # a tail of 0.25 over six equal weights: one and a half days
    for scenario in told.scenarios:
        assert scenario.date == dates[scenario.age]
    (var_day,) = [s for s in told.scenarios if s.var_weight]
    assert -var_day.pnl == row.value_at_risk
    assert [s.pnl for s in told.scenarios] == sorted(s.pnl for s in told.scenarios)
    assert told.result_id == str(result_id(row))


def test_old_revisions_are_explained_as_they_were(played: SmallRun) -> None:
    rows = [r for r in played.stored() if (r.node_id, r.method, r.confidence) == (6, "ewma_normal", 0.99)]
    revised = [r for r in rows if r.revision > 0 and any((o.as_of_ns, o.revision) == (r.as_of_ns, 0) for o in rows)]
    assert revised
    evidence = played.evidence()
    for row in revised:
        first = evidence.explain(ResultId(6, row.as_of_ns, "ewma_normal", 0.99, 0))
        now = evidence.explain(ResultId(6, row.as_of_ns, "ewma_normal", 0.99))
        assert (first.revision, now.revision) == (0, max(r.revision for r in rows if r.as_of_ns == row.as_of_ns))
        assert first.reproduction.matches
        assert now.reproduction.matches
        assert first.reproduction.source == "log"


def test_what_is_not_there_is_said(played: SmallRun) -> None:
    row = newest(played, 1, "historical", 0.99)
    evidence = played.evidence()
    with pytest.raises(NoEvidence, match="no result 1:5:historical"):
        evidence.explain(ResultId(1, 5, "historical", 0.99))
    with pytest.raises(NoEvidence, match="no node 99"):
        evidence.positions(99)
    with pytest.raises(NoEvidence, match="no run other"):
        played.evidence(run_id="other").positions(1)
    revised = [
        r
        for r in played.stored()
        if r.node_id == 1 and r.revision == 0 and (r.as_of_ns, 1) in {(o.as_of_ns, o.revision) for o in played.stored()}
    ]
    with pytest.raises(NoEvidence, match="more than 5 log records"):
        played.evidence(entries_max=5).reproduce(result_id(revised[0]))
    wrong = played.evidence()
    wrong._shard_count = 3  # as if the workers ran with another count: the log still answers
    assert wrong.reproduce(result_id(row)).matches
    with pytest.raises(NoEvidence, match="RISK_SHARDS__COUNT"):
        wrong.positions(4)


def test_a_store_that_is_away_says_so() -> None:
    run = small_run(4)
    evidence = run.evidence()
    with run.away(database=True), pytest.raises(Unavailable):
        evidence.components(1, "historical", 0.99)
    assert evidence.components(1, "historical", 0.99).items


@pytest.mark.parametrize(
    "text", ["", "1", "1:2:3", "a:1:historical:0.99", "1:2:historical:0.99:0:0", "1:2:m:x", "-1:2:m:0.99", "1:9" + "9" * 30]
)
def test_result_ids_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="node:as_of_ns"):
        ResultId.parse(text)


@given(
    st.builds(
        ResultId,
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**63 - 1),
        st.sampled_from(STREAMED),
        st.floats(0.5, 1.0),
        st.none() | st.integers(0, 99),
    )
)
def test_result_ids_round_trip(asked: ResultId) -> None:
    assert ResultId.parse(str(asked)) == asked
