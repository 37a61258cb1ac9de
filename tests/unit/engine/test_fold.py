"""The fold against a batch recomputation that shares none of its code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from risk_core.book import QUANTITY_SCALE, Fill
from risk_core.engine.canonical import Evaluator
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.fold import Bucket, Fold, Refold
from risk_core.records import DayCloseRow, Fills, Genesis, Heartbeat, Record, RiskResult, ScenarioRow, SourceOpen, Split, Ticks
from tests.oracle import expected, numbers_of
from tests.worlds import HOUR_NS, interleave, make_world, small_book


def run_fold(log: list[Record], node_ids: tuple[int, ...] | None = None) -> tuple[list[RiskResult], list[DayCloseRow]]:
    """Fold a log in memory, folding again for corrections the way a worker does."""
    genesis = log[0].body
    assert isinstance(genesis, Genesis)
    results: dict[tuple[object, ...], RiskResult] = {}
    closes: dict[tuple[object, ...], DayCloseRow] = {}
    frozen_first: dict[int, object] = {}

    def emit(evaluator: Evaluator, bucket: Bucket, again: bool) -> None:
        rows = evaluator.evaluate(bucket, frozen_first.get(bucket.as_of_ns) if again else None)  # type: ignore[arg-type]
        if bucket.date is not None and evaluator.frozen is not None:
            frozen_first.setdefault(bucket.as_of_ns, evaluator.frozen)
        for r in rows.results:
            key = (r.node_id, r.as_of_ns, r.method, r.confidence, r.revision)
            assert key not in results
            results[key] = r
        for d in rows.day_closes:
            key = (d.node_id, d.as_of_ns, d.method, d.confidence, d.revision)
            assert key not in closes
            closes[key] = d

    fold = Fold(genesis, node_ids)
    evaluator = Evaluator(fold, "run")
    log_seq = 1
    while log_seq < len(log):
        log_seq += 1
        for item in fold.apply(log[log_seq - 1], log_seq):
            if isinstance(item, Bucket):
                emit(evaluator, item, False)
                continue
            assert isinstance(item, Refold)
            known = [*fold.corrections.values(), (item.correction, True, item.log_seq)]
            fold = Fold(genesis, node_ids)
            evaluator = Evaluator(fold, "run")
            fold.preload(known)
            for k in range(2, log_seq + 1):
                for again in fold.apply(log[k - 1], k):
                    assert isinstance(again, Bucket)
                    emit(evaluator, again if again.as_of_ns >= item.correction.effective_ns else again.silent(), True)
    return list(results.values()), list(closes.values())


def check(log: list[Record], node_ids: tuple[int, ...] | None = None) -> None:
    results, closes = run_fold(log, node_ids)
    wanted = expected(log)
    owned = set(node_ids) if node_ids else None
    got = {(r.node_id, r.as_of_ns, r.method, r.confidence, r.revision): numbers_of(r) for r in results}
    assert got == {k: v for k, v in wanted.results.items() if owned is None or k[0] in owned}
    judged = {
        (d.node_id, d.as_of_ns, d.method, d.confidence, d.revision): (
            d.forecast_value_at_risk,
            d.forecast_expected_shortfall,
            d.hypothetical_pnl,
            d.actual_pnl,
            d.fees,
        )
        for d in closes
    }
    assert judged == {k: v for k, v in wanted.day_closes.items() if owned is None or k[0] in owned}


@pytest.mark.parametrize("seed", range(12))
def test_orderly_world_equals_batch(seed: int) -> None:
    check(interleave(make_world(seed, disorder=False), seed))


@pytest.mark.parametrize("seed", range(40))
def test_disorderly_world_equals_batch(seed: int) -> None:
    """Late ticks and fills, missing prices, splits, imports, repeats and corrections."""
    check(interleave(make_world(seed), seed, repeats=True))


@pytest.mark.parametrize("seed", range(15))
def test_cadence_equals_batch(seed: int) -> None:
    check(interleave(make_world(seed, days=6, cadence_ns=4 * HOUR_NS), seed, repeats=True))


@pytest.mark.parametrize("seed", range(5))
def test_shards_give_the_same_rows(seed: int) -> None:
    log = interleave(make_world(seed), seed, repeats=True)
    for k in range(3):
        check(log, tuple(range(1, 8))[k::3])


@pytest.mark.parametrize("seed", range(10))
def test_restored_state_goes_on_identically(seed: int) -> None:
    log = interleave(make_world(seed, disorder=seed % 2 == 0), seed, repeats=True)
    genesis = log[0].body
    assert isinstance(genesis, Genesis)
    fold = Fold(genesis)
    evaluator = Evaluator(fold, "run")
    rows: list[ScenarioRow] = []
    for k in range(2, len(log) + 1):
        closed = fold.apply(log[k - 1], k)
        if any(isinstance(c, Refold) for c in closed):
            return
        for bucket in closed:
            assert isinstance(bucket, Bucket)
            twin = Fold.restore(genesis, fold.state())
            assert twin.state().keys() == fold.state().keys()
            other = Evaluator(twin, "run")
            other.restore(evaluator.state(), rows)
            first, second = evaluator.evaluate(bucket), other.evaluate(bucket)
            assert first.results == second.results
            assert first.day_closes == second.day_closes
            if first.scenario_row is not None:
                rows.append(first.scenario_row)


def test_what_comes_late_together_with_its_split_is_restated_once() -> None:
    """A fill and a tick from before a split, in the bucket in which the split itself comes late: old units, scaled once."""
    hour = HOUR_NS
    genesis = Genesis(small_book(), "feed", "book", "", 0, hour, ModelConfiguration(window=5).to_json())
    fold = Fold(genesis)
    source = 9
    tick = Ticks(np.array([2], np.int32), np.array([100.0]), np.array([8 * hour]))
    fill = Fill("f", 4, 2, -40 * QUANTITY_SCALE, 100.0)
    log: list[tuple[int, int, object]] = [
        (0, 10 * hour, SourceOpen("bookings")),  # buckets close through hour 10
        (8 * hour, 10 * hour, Fills((fill,))),
        (8 * hour, 10 * hour, tick),
        (9 * hour, 10 * hour, Split("s", 2, 2, 1)),
    ]
    for log_seq, (event_ns, watermark_ns, body) in enumerate(log, start=2):
        assert not fold.apply(Record(source, log_seq, event_ns, event_ns, watermark_ns, body), log_seq)  # type: ignore[arg-type]
    column, row = fold.index.column_of[2], fold.index.row_of[4]
    price, _, quantity = fold.newest()
    assert (price[column], quantity[row, column]) == (50.0, (100 - 40) * 2 * QUANTITY_SCALE)
    closed = fold.apply(Record(source, 9, 11 * hour, 11 * hour, 11 * hour, Heartbeat()), 9)
    (bucket,) = closed
    assert isinstance(bucket, Bucket)
    assert (bucket.price[column], bucket.quantity[row, column]) == (50.0, 120 * QUANTITY_SCALE)
    # once the split is applied, what comes from before it is restated
    again = Ticks(np.array([2], np.int32), np.array([104.0]), np.array([8 * hour + 1]))
    fold.apply(Record(source, 10, 8 * hour + 1, 11 * hour, 11 * hour, again), 10)
    fold.apply(Record(source, 11, 8 * hour, 11 * hour, 11 * hour, Fills((replace(fill, fill_id="g", quantity=QUANTITY_SCALE),))), 11)
    price, _, quantity = fold.newest()
    assert (price[column], quantity[row, column]) == (52.0, 122 * QUANTITY_SCALE)
