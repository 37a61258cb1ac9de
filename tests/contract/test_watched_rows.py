"""Rows about instruments: what goes in comes out, once, of the newest revision, page by page and across upgrades."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from risk_core.records import ChangePoint, RegimeModel, RegimeState, WatchRow
from services.common.adapters.lineage import LineageQueries
from services.common.ports import Commit, DeterminismError, Lease, Run, WatchFilter
from services.common.shard_kinds import WATCH_SHARD
from tests.contract.store_fixtures import RUN, Stores, as_of, checkpoint, date_of, lease_of
from tests.contract.test_queries import every
from tests.worlds import make_world

SMALLEST = 5e-324


def state(day: int, instrument_id: int = 1, **changes: Any) -> RegimeState:
    row = RegimeState(
        run_id=RUN,
        instrument_id=instrument_id,
        as_of_ns=as_of(day),
        date=date_of(day),
        revision=0,
        log_seq=100 + day,
        price=1000.0 + 0.1 * day,
        move=-0.01 / 3.0,
        model_version=2,
        labels=("bull", "crisis"),
        filtered=(SMALLEST, 0.1 + 0.2),
        ahead=(2.0 / 3.0, 1.0 / 3.0),
        volatility=0.1 / 7.0,
        status="ok",
    )
    return replace(row, **changes)


def model(day: int, kind: str = "regimes", **changes: Any) -> RegimeModel:
    parameters = {"transition": [[0.9, 0.1], [1.0 / 3.0, 2.0 / 3.0]], "durations": [10.0, None], "labels": ["bull", "crisis"]}
    row = RegimeModel(RUN, 1, as_of(day), date_of(day), kind, 0, 100 + day, 2, 500, "relabelled", "bull would be crisis; Δ", parameters)
    return replace(row, **changes)


def change(day: int, detector: str = "drift", **changes: Any) -> ChangePoint:
    return replace(ChangePoint(RUN, 1, as_of(day), date_of(day), detector, 0, 100 + day, "down", 12.1 / 0.9, 10.7), **changes)


def commit(stores: Stores, day: int, *rows: WatchRow, lease: Lease | None = None, log_seq: int | None = None) -> Lease:
    lease = lease or lease_of(stores, WATCH_SHARD)
    given = {} if log_seq is None else {"log_seq": log_seq}
    run_id = rows[0].run_id
    stores.results.commit(Commit(lease, checkpoint(day, WATCH_SHARD, run_id=run_id, **given), watched=rows))
    return lease


def test_rows_come_back_bit_for_bit(stores: Stores) -> None:
    missing = state(0, 2, move=None, volatility=None, status="missing", price=0.0)
    rows = (state(0), missing, model(0), model(0, "volatility", parameters={}, status="failed"), change(0), change(0, "volatility"))
    commit(stores, 0, *rows)
    assert stores.results.committed_watched(RUN, WATCH_SHARD, as_of(0)) == list(rows)
    assert stores.results.committed_watched(RUN, "another", as_of(0)) == []
    assert stores.results.committed_watched(RUN, WATCH_SHARD, as_of(1)) == []
    page = stores.queries.regime_states(WatchFilter(RUN, 1))
    assert page.rows == (state(0),)
    assert [type(v) for v in page.rows[0].filtered] == [float, float]
    assert stores.queries.regime_models(WatchFilter(RUN, 1)).rows == (rows[3], rows[2])
    assert stores.queries.change_points(WatchFilter(RUN, 1)).rows == (rows[5], rows[4])


def test_rows_kept_again_change_nothing_and_belong_to_who_kept_them_last(stores: Stores) -> None:
    lease = commit(stores, 0, state(0), change(0))
    commit(stores, 0, state(0), change(0), state(0, 2), lease=lease)
    assert len(stores.results.committed_watched(RUN, WATCH_SHARD, as_of(0))) == 3
    stores.results.commit(Commit(lease_of(stores, "other"), checkpoint(0, "other"), watched=(state(0),)))
    assert stores.results.committed_watched(RUN, "other", as_of(0)) == [state(0)]
    assert stores.results.committed_watched(RUN, WATCH_SHARD, as_of(0)) == [state(0, 2), change(0)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (state(0, filtered=(1.0, 0.3)), "filtered"),
        (state(0, move=None), "move"),
        (model(0, reason=""), "reason"),
        (model(0, parameters={"transition": [[0.9, 0.1]]}), "parameters"),
        (change(0, statistic=13.0), "statistic"),
    ],
)
def test_another_value_is_an_error_and_nothing_is_kept(stores: Stores, row: WatchRow, column: str) -> None:
    lease = commit(stores, 0, state(0), model(0), change(0))
    with pytest.raises(DeterminismError, match=column):
        commit(stores, 0, state(0, 9), row, lease=lease)
    assert stores.queries.regime_states(WatchFilter(RUN, 9)).rows == ()


@pytest.mark.parametrize(
    "row",
    [
        state(0, price=float("nan")),
        state(0, filtered=(float("inf"), 0.0)),
        model(0, parameters={"means": [[float("nan")]]}),
        change(0, statistic=float("inf")),
        state(0, run_id="another"),
        state(0, as_of_ns=as_of(0) + 1),
    ],
)
def test_impossible_rows_are_refused(stores: Stores, row: WatchRow) -> None:
    lease = lease_of(stores, WATCH_SHARD)
    with pytest.raises(ValueError):
        stores.results.commit(Commit(lease, checkpoint(0, WATCH_SHARD), watched=(row,)))


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_hold_the_newest_revisions(stores: Stores, limit: int) -> None:
    lease = lease_of(stores, WATCH_SHARD)
    for day in range(5):
        commit(stores, day, state(day), state(day, 2), model(day), model(day, "volatility"), lease=lease)
    corrected = state(3, revision=1, price=7.0)
    commit(stores, 3, corrected, lease=lease, log_seq=1000)
    found = every(lambda cursor: stores.queries.regime_states(WatchFilter(RUN, 1), limit, cursor))
    assert found == [state(4), corrected, state(2), state(1), state(0)]
    within = WatchFilter(RUN, 1, from_ns=as_of(1), to_ns=as_of(3))
    assert every(lambda cursor: stores.queries.regime_states(within, limit, cursor)) == [state(2), state(1)]
    models = every(lambda cursor: stores.queries.regime_models(within, limit, cursor))
    assert [(m.as_of_ns, m.kind) for m in models] == [(as_of(d), k) for d in (2, 1) for k in ("volatility", "regimes")]
    with pytest.raises(ValueError, match="cursor"):
        stores.queries.regime_states(WatchFilter(RUN, 1), 10, "AAAA")
    with pytest.raises(ValueError, match="limit"):
        stores.queries.change_points(WatchFilter(RUN, 1), 0)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_child_goes_on_from_its_parent(stores: Stores, limit: int) -> None:
    from services.common.codec import encode

    genesis = encode(make_world(1, days=6).genesis)
    stores.runs.register(Run(RUN, None, genesis))
    stores.runs.register(Run("child", RUN, genesis))
    lease = lease_of(stores, WATCH_SHARD)
    for day in range(3):
        commit(stores, day, state(day), lease=lease)
    mine = [state(day, run_id="child", price=5.0) for day in (2, 3)]
    for row in mine:
        commit(stores, 3, row, lease=lease)
    queries = LineageQueries(stores.runs, stores.queries)
    found = every(lambda cursor: queries.regime_states(WatchFilter("child", 1), limit, cursor))
    assert found == [mine[1], mine[0], state(1), state(0)]
