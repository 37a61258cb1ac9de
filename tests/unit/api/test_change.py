"""The difference of two numbers, split: parts add up, each is what a plain recomputation says, and what did not change has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from risk_core import methods
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.records import RiskResult
from services.common.evidence_moment import Moment
from services.common.evidence_shapes import Change, NoEvidence, ResultId
from tests.unit.api.small_run import SmallRun
from tests.unit.jobs.test_runner import CHALLENGERS, played, runner_of

STEPS = ["market", "positions", "scenarios", "model"]


@pytest.fixture(scope="module")
def run() -> SmallRun:
    done = played()
    runner, _, _ = runner_of(done)
    while runner.step():
        pass
    return done


def rows(run: SmallRun, node_id: int, method: str, confidence: float = 0.75) -> list[RiskResult]:
    """Newest revisions, oldest first."""
    found = {
        r.as_of_ns: r
        for r in sorted(run.stored(), key=lambda r: r.revision)
        if (r.node_id, r.method, r.confidence) == (node_id, method, confidence)
    }
    return [found[k] for k in sorted(found)]


def id_of(row: RiskResult) -> ResultId:
    return ResultId(row.node_id, row.as_of_ns, row.method, row.confidence, row.revision)


def change(run: SmallRun, after: RiskResult, before: RiskResult) -> Change:
    return run.evidence().change(id_of(after), id_of(before))


@pytest.mark.parametrize("node_id", [1, 4, 7])
@pytest.mark.parametrize("method", ["historical", "age_weighted", "ewma_normal", *CHALLENGERS])
@pytest.mark.parametrize("days", [1, 4])
def test_steps_and_parts_add_up(run: SmallRun, node_id: int, method: str, days: int) -> None:
    kept = rows(run, node_id, method)
    before, after = kept[-1 - days], kept[-1]
    told = change(run, after, before)
    assert [s.name for s in told.steps] == STEPS
    scale = 1e-9 * max(1.0, abs(before.value_at_risk), abs(after.expected_shortfall))
    assert sum(s.var for s in told.steps) == pytest.approx(after.value_at_risk - before.value_at_risk, abs=scale)
    assert sum(s.es for s in told.steps) == pytest.approx(after.expected_shortfall - before.expected_shortfall, abs=scale)
    for step in told.steps:
        assert sum(p.var for p in step.parts) == pytest.approx(step.var, abs=scale)
        assert sum(p.es for p in step.parts) == pytest.approx(step.es, abs=scale)
    assert (told.steps[-1].var_after, told.steps[-1].es_after) == (after.value_at_risk, after.expected_shortfall)
    assert (told.steps[2].var_after, told.steps[2].es_after) == pytest.approx((after.value_at_risk, after.expected_shortfall), rel=1e-9)
    assert sum(" in" in p.what for p in told.steps[2].parts) == days


def test_every_step_is_a_plain_recomputation(run: SmallRun) -> None:
    """A dollar portfolio: vectors straight from positions, prices and scenario rows of the two moments."""
    kept = rows(run, 4, "historical")
    before, after = kept[-3], kept[-1]
    evidence = run.evidence()
    known = run.runs.latest()
    assert known is not None
    _, genesis, node = evidence._node(4)
    old, new = (evidence._at(genesis, node, row) for row in (before, after))

    def number(quantity: Moment, price: Moment, window: Moment) -> tuple[float, float]:
        q, p = quantity.bucket.quantity[quantity.row_of(4)] / 1e6, price.bucket.price
        moves = np.array([r.shock for r in window.rows])
        stock, rate = 3, 4
        seen = moves.copy()
        seen[:, stock] = (1 + moves[:, stock]) * (1 + moves[:, rate]) - 1
        exposure = q * p
        exposure[stock] *= p[rate]
        pnl = seen @ exposure
        return value_at_risk(pnl, 0.75).value, expected_shortfall(pnl, 0.75).value

    steps = change(run, after, before).steps
    assert (steps[0].var_after, steps[0].es_after) == pytest.approx(number(old, new, old), rel=1e-9)
    assert (steps[1].var_after, steps[1].es_after) == pytest.approx(number(new, new, old), rel=1e-9)
    assert (steps[2].var_after, steps[2].es_after) == pytest.approx(number(new, new, new), rel=1e-9)


def test_what_did_not_change_has_no_part(run: SmallRun) -> None:
    row = rows(run, 4, "historical")[-1]
    same = change(run, row, row)
    assert [(s.var, s.es, s.parts) for s in same.steps] == [(0.0, 0.0, [])] * 4
    higher = rows(run, 4, "historical", 0.99)[-1]
    told = change(run, higher, row)
    assert [s.name for s in told.steps if s.parts] == ["model"]
    assert told.steps[3].parts[0].what == "historical at 0.75 → historical at 0.99"
    other = rows(run, 4, methods.STUDENT_T.name)[-1]
    assert [s.name for s in change(run, other, row).steps if s.parts] == ["model"]


def test_what_cannot_be_split_is_refused(run: SmallRun) -> None:
    one, two = rows(run, 4, "historical")[-2:]
    with pytest.raises(NoEvidence, match="is newer than"):
        change(run, one, two)
    with pytest.raises(NoEvidence, match="are of two nodes"):
        change(run, two, rows(run, 5, "historical")[-2])
    with pytest.raises(NoEvidence):
        change(run, two, replace(one, as_of_ns=one.as_of_ns - 1))
